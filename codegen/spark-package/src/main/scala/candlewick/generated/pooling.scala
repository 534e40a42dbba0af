// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

/** Pooling. */
private[candlewick] trait PoolingBuilders {

  /** Largest element of every window of inputs of shape [channels, length]. NaN counts as the
    * largest; of equal elements the first gets the gradient.
    */
  object MaxPool1d {

    /** @param kernel_size Size of the window. (whole number of at least 1)
      * @param stride Step of the window; without it, kernel_size. (whole number of at least 1; or
      *   none)
      * @param padding Elements around the input that are never the largest; at most half of
      *   kernel_size. (whole number of at least 0)
      * @param dilation Distance of the elements of the window. (whole number of at least 1)
      * @param ceil_mode Also count windows that begin inside the input or its left padding and end
      *   outside. (true or false)
      */
    def apply(
        kernel_size: Int,
        stride: Opt[Int] = None,
        padding: Int = 0,
        dilation: Int = 1,
        ceil_mode: Boolean = false
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("MaxPool1d", "kernel_size", kernel_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("MaxPool1d", "stride", stride, "a whole number of at least 1, or null")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("MaxPool1d", "padding", padding, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("MaxPool1d", "dilation", dilation, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        "ceil_mode" -> ceil_mode
      )
      new Module(Document.of("MaxPool1d", arguments))
    }
  }

  /** Largest element of every window of inputs of shape [channels, height, width]. NaN counts as
    * the largest; of equal elements the first gets the gradient.
    */
  object MaxPool2d {

    /** @param kernel_size Size of the window. (whole number, or a list with one for every dimension, of at
      *   least 1)
      * @param stride Step of the window; without it, kernel_size. (whole number, or a list with one
      *   for every dimension, of at least 1; or none)
      * @param padding Elements around the input that are never the largest; at most half of
      *   kernel_size. (whole number, or a list with one for every dimension, of at least 0)
      * @param dilation Distance of the elements of the window. (whole number, or a list with one
      *   for every dimension, of at least 1)
      * @param ceil_mode Also count windows that begin inside the input or its left padding and end
      *   outside. (true or false)
      */
    def apply(
        kernel_size: Size,
        stride: Opt[Size] = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: Boolean = false
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("MaxPool2d", "kernel_size", kernel_size, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("MaxPool2d", "stride", stride, "a whole number, or a list with one for every dimension, of at least 1, or null")(Argument.opt(Argument.sizes(2, Legal.whole(1L, 2147483648L)))),
        Argument("MaxPool2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L))),
        Argument("MaxPool2d", "dilation", dilation, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        "ceil_mode" -> ceil_mode
      )
      new Module(Document.of("MaxPool2d", arguments))
    }
  }

  /** Mean of every window of inputs of shape [channels, length]. */
  object AvgPool1d {

    /** @param kernel_size Size of the window. (whole number of at least 1)
      * @param stride Step of the window; without it, kernel_size. (whole number of at least 1; or
      *   none)
      * @param padding Zeros around the input; at most half of kernel_size. (whole number of at
      *   least 0)
      * @param ceil_mode Also count windows that begin inside the input or its left padding and end
      *   outside. (true or false)
      * @param count_include_pad Count the zeros of the padding when dividing. (true or false)
      */
    def apply(
        kernel_size: Int,
        stride: Opt[Int] = None,
        padding: Int = 0,
        ceil_mode: Boolean = false,
        count_include_pad: Boolean = true
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("AvgPool1d", "kernel_size", kernel_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("AvgPool1d", "stride", stride, "a whole number of at least 1, or null")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("AvgPool1d", "padding", padding, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        "ceil_mode" -> ceil_mode,
        "count_include_pad" -> count_include_pad
      )
      new Module(Document.of("AvgPool1d", arguments))
    }
  }

  /** Mean of every window of inputs of shape [channels, height, width]. */
  object AvgPool2d {

    /** @param kernel_size Size of the window. (whole number, or a list with one for every dimension, of at
      *   least 1)
      * @param stride Step of the window; without it, kernel_size. (whole number, or a list with one
      *   for every dimension, of at least 1; or none)
      * @param padding Zeros around the input; at most half of kernel_size. (whole number, or a list
      *   with one for every dimension, of at least 0)
      * @param ceil_mode Also count windows that begin inside the input or its left padding and end
      *   outside. (true or false)
      * @param count_include_pad Count the zeros of the padding when dividing. (true or false)
      * @param divisor_override What sums are divided by; without it, the number of elements. (whole
      *   number of at least 1; or none)
      */
    def apply(
        kernel_size: Size,
        stride: Opt[Size] = None,
        padding: Size = 0,
        ceil_mode: Boolean = false,
        count_include_pad: Boolean = true,
        divisor_override: Opt[Int] = None
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("AvgPool2d", "kernel_size", kernel_size, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("AvgPool2d", "stride", stride, "a whole number, or a list with one for every dimension, of at least 1, or null")(Argument.opt(Argument.sizes(2, Legal.whole(1L, 2147483648L)))),
        Argument("AvgPool2d", "padding", padding, "a whole number, or a list with one for every dimension, of at least 0")(Argument.sizes(2, Legal.whole(0L, 2147483648L))),
        "ceil_mode" -> ceil_mode,
        "count_include_pad" -> count_include_pad,
        Argument("AvgPool2d", "divisor_override", divisor_override, "a whole number of at least 1, or null")(Argument.opt(Legal.whole(1L, 2147483648L)))
      )
      new Module(Document.of("AvgPool2d", arguments))
    }
  }

  /** Largest elements of inputs of shape [channels, length] cut into windows that give an output of
    * a size.
    */
  object AdaptiveMaxPool1d {

    /** @param output_size Size of the output. (whole number of at least 1)
      */
    def apply(output_size: Int): Module = {
      val arguments = Seq[(String, Any)](
        Argument("AdaptiveMaxPool1d", "output_size", output_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L))
      )
      new Module(Document.of("AdaptiveMaxPool1d", arguments))
    }
  }

  /** Largest elements of inputs of shape [channels, height, width] cut into windows that give an
    * output of a size.
    */
  object AdaptiveMaxPool2d {

    /** @param output_size Size of the output; in a list none stands for the size of the input. (whole
      *   number, or a list with one, or null, for every dimension, of at least 1)
      */
    def apply(output_size: OpenSize): Module = {
      val arguments = Seq[(String, Any)](
        Argument("AdaptiveMaxPool2d", "output_size", output_size, "a whole number, or a list with one, or null, for every dimension, of at least 1")(Argument.openSizes(2, Legal.whole(1L, 2147483648L)))
      )
      new Module(Document.of("AdaptiveMaxPool2d", arguments))
    }
  }

  /** Means of inputs of shape [channels, length] cut into windows that give an output of a size;
    * AdaptiveAvgPool1d(1) is the mean of every channel (global pooling).
    */
  object AdaptiveAvgPool1d {

    /** @param output_size Size of the output. (whole number of at least 1)
      */
    def apply(output_size: Int): Module = {
      val arguments = Seq[(String, Any)](
        Argument("AdaptiveAvgPool1d", "output_size", output_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L))
      )
      new Module(Document.of("AdaptiveAvgPool1d", arguments))
    }
  }

  /** Means of inputs of shape [channels, height, width] cut into windows that give an output of a
    * size; AdaptiveAvgPool2d(1) is the mean of every channel (global pooling).
    */
  object AdaptiveAvgPool2d {

    /** @param output_size Size of the output; in a list none stands for the size of the input. (whole
      *   number, or a list with one, or null, for every dimension, of at least 1)
      */
    def apply(output_size: OpenSize): Module = {
      val arguments = Seq[(String, Any)](
        Argument("AdaptiveAvgPool2d", "output_size", output_size, "a whole number, or a list with one, or null, for every dimension, of at least 1")(Argument.openSizes(2, Legal.whole(1L, 2147483648L)))
      )
      new Module(Document.of("AdaptiveAvgPool2d", arguments))
    }
  }

  /** Power mean without its division of every window of inputs of shape [channels, length]: (Σ
    * x^p)^(1/p). Where the sum is 0, its gradient is 0.
    */
  object LPPool1d {

    /** @param norm_type The power p; above 0. 1 makes it a sum, a large number nearly a maximum. (number of
      *   at least 0)
      * @param kernel_size Size of the window. (whole number of at least 1)
      * @param stride Step of the window; without it, kernel_size. (whole number of at least 1; or
      *   none)
      * @param ceil_mode Also count windows that begin inside the input or its left padding and end
      *   outside. (true or false)
      */
    def apply(
        norm_type: Double,
        kernel_size: Int,
        stride: Opt[Int] = None,
        ceil_mode: Boolean = false
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("LPPool1d", "norm_type", norm_type, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("LPPool1d", "kernel_size", kernel_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("LPPool1d", "stride", stride, "a whole number of at least 1, or null")(Argument.opt(Legal.whole(1L, 2147483648L))),
        "ceil_mode" -> ceil_mode
      )
      new Module(Document.of("LPPool1d", arguments))
    }
  }

  /** Power mean without its division of every window of inputs of shape [channels, height, width]:
    * (Σ x^p)^(1/p). Where the sum is 0, its gradient is 0.
    */
  object LPPool2d {

    /** @param norm_type The power p; above 0. 1 makes it a sum, a large number nearly a maximum. (number of
      *   at least 0)
      * @param kernel_size Size of the window. (whole number, or a list with one for every
      *   dimension, of at least 1)
      * @param stride Step of the window; without it, kernel_size. (whole number, or a list with one
      *   for every dimension, of at least 1; or none)
      * @param ceil_mode Also count windows that begin inside the input or its left padding and end
      *   outside. (true or false)
      */
    def apply(
        norm_type: Double,
        kernel_size: Size,
        stride: Opt[Size] = None,
        ceil_mode: Boolean = false
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("LPPool2d", "norm_type", norm_type, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("LPPool2d", "kernel_size", kernel_size, "a whole number, or a list with one for every dimension, of at least 1")(Argument.sizes(2, Legal.whole(1L, 2147483648L))),
        Argument("LPPool2d", "stride", stride, "a whole number, or a list with one for every dimension, of at least 1, or null")(Argument.opt(Argument.sizes(2, Legal.whole(1L, 2147483648L)))),
        "ceil_mode" -> ceil_mode
      )
      new Module(Document.of("LPPool2d", arguments))
    }
  }
}
