// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import scala.annotation.unused

/** Linear layers. */
private[candlewick] trait LinearBuilders {

  /** Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in
    * ±1/√in_features. Where all that reads the features are such layers over whole rows, sparse
    * vectors with at most one value in 128 that is not zero train as such: only those values are
    * computed.
    */
  object Linear {

    /** @param out_features Size of the last dimension of the output. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param bias Add a learned bias. (true or false)
      */
    def apply(out_features: Int, @unused named: ByName = ByName, bias: Boolean = true): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Linear", "out_features", out_features, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        "bias" -> bias
      )
      new Module(Document.of("Linear", arguments))
    }
  }

  /** Bilinear map of the last dimensions of two inputs of a graph: y = x₁ᵀ A x₂ + b, with a matrix
    * A for every value of the output. Weights and bias start uniform in ±1/√in1_features.
    */
  object Bilinear {

    /** @param out_features Size of the last dimension of the output. (whole number of at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param bias Add a learned bias. (true or false)
      */
    def apply(out_features: Int, @unused named: ByName = ByName, bias: Boolean = true): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Bilinear", "out_features", out_features, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        "bias" -> bias
      )
      new Module(Document.of("Bilinear", arguments))
    }
  }
}

/** Linear layers: the forms with the sizes of the input. */
private[candlewick] trait FullLinearBuilders {

  /** @param in_features Size of the last dimension of the input. (whole number of at least 1; may be left
    *   out)
    * @param out_features Size of the last dimension of the output. (whole number of at least 1)
    * @param bias Add a learned bias. (true or false)
    */
  def Linear(in_features: Int, out_features: Int, bias: Boolean = true): Module = {
    val arguments = Seq[(String, Any)](
      Argument("Linear", "in_features", in_features, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Linear", "out_features", out_features, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      "bias" -> bias
    )
    new Module(Document.of("Linear", arguments))
  }

  /** @param in1_features Size of the last dimension of the first input. (whole number of at least 1; may
    *   be left out)
    * @param in2_features Size of the last dimension of the second input. (whole number of at least
    *   1; may be left out)
    * @param out_features Size of the last dimension of the output. (whole number of at least 1)
    * @param bias Add a learned bias. (true or false)
    */
  def Bilinear(in1_features: Int, in2_features: Int, out_features: Int, bias: Boolean = true): Module = {
    val arguments = Seq[(String, Any)](
      Argument("Bilinear", "in1_features", in1_features, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Bilinear", "in2_features", in2_features, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("Bilinear", "out_features", out_features, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      "bias" -> bias
    )
    new Module(Document.of("Bilinear", arguments))
  }
}
