// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

/** Layers of shape. */
private[candlewick] trait ShapeBuilders {

  /** Merges dimensions into one. The batch dimension stays. */
  object Flatten {

    /** @param start_dim First dimension to flatten; 0 is the batch. (whole number from -64 to 64)
      * @param end_dim Last dimension to flatten; -1 is the last. (whole number from -64 to 64)
      */
    def apply(start_dim: Int = 1, end_dim: Int = -1): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Flatten", "start_dim", start_dim, "a whole number from -64 to 64")(Legal.whole(-64L, 64L)),
        Argument("Flatten", "end_dim", end_dim, "a whole number from -64 to 64")(Legal.whole(-64L, 64L))
      )
      new Module(Document.of("Flatten", arguments))
    }
  }

  /** Cuts a dimension up into several, such as 784 values into [1, 28, 28]. */
  object Unflatten {

    /** @param dim Dimension to cut up; 0 is the batch, which cannot be. (whole number from -64 to 64)
      * @param unflattened_size Sizes it becomes; one may be -1 and takes what is left. (list of at
      *   least one whole number, each of at least -1)
      */
    def apply(dim: Int, unflattened_size: Seq[Int]): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Unflatten", "dim", dim, "a whole number from -64 to 64")(Legal.whole(-64L, 64L)),
        Argument("Unflatten", "unflattened_size", unflattened_size, "a list of at least one whole number, each of at least -1")(Argument.items(Legal.whole(-1L, 2147483648L)))
      )
      new Module(Document.of("Unflatten", arguments))
    }
  }

  /** Gives the input another shape; the elements keep their order. As torch.reshape, whose batch
    * dimension stays.
    */
  object Reshape {

    /** @param shape The shape without the batch; one size may be -1 and takes what is left. (list of at
      *   least one whole number, each of at least -1)
      */
    def apply(shape: Seq[Int]): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Reshape", "shape", shape, "a list of at least one whole number, each of at least -1")(Argument.items(Legal.whole(-1L, 2147483648L)))
      )
      new Module(Document.of("Reshape", arguments))
    }
  }

  /** Exchanges dimensions, as torch.permute; every one is named once. */
  object Permute {

    /** @param dims The dimensions in their new order, the batch, 0, in the first place: [0, 3, 1, 2] moves
      *   the last of an image to the front. (list of at least one whole number, each from -64 to
      *   64)
      */
    def apply(dims: Seq[Int]): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Permute", "dims", dims, "a list of at least one whole number, each from -64 to 64")(Argument.items(Legal.whole(-64L, 64L)))
      )
      new Module(Document.of("Permute", arguments))
    }
  }

  /** Enlarges inputs of shape [channels, height, width] by repeating elements. */
  object Upsample {

    /** @param size Height and width of the output; this or scale_factor is given. (whole number, or a list
      *   with one for every dimension, of at least 1; or none)
      * @param scale_factor By how much height and width grow. (whole number, or a list with one for
      *   every dimension, of at least 1; or none)
      * @param mode How elements between those of the input are found. ("nearest")
      */
    def apply(size: Opt[Size] = None, scale_factor: Opt[Size] = None, mode: String = "nearest"): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Upsample", "size", size, "a whole number, or a list with one for every dimension, of at least 1, or null")(Argument.opt(Argument.sizes(2, Legal.whole(1L, 2147483648L)))),
        Argument("Upsample", "scale_factor", scale_factor, "a whole number, or a list with one for every dimension, of at least 1, or null")(Argument.opt(Argument.sizes(2, Legal.whole(1L, 2147483648L)))),
        Argument("Upsample", "mode", mode, "\"nearest\"")(ParamValidators.inArray(Array("nearest")))
      )
      new Module(Document.of("Upsample", arguments))
    }
  }
}
