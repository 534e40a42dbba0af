// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Linear layers. */
private[candlewick] trait LinearBuilders {

  /** Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in
    * ±1/√in_features.
    */
  object Linear {

    /** @param out_features Size of the last dimension of the output. (whole number of at least 1)
      * @param full In the full form, where the first arguments are by position in_features,
      *   out_features: out_features.
      * @param bias Add a learned bias. (true or false)
      */
    def apply(out_features: Int, full: Opt[Int] = None, bias: Boolean = true): Module = {
      val arguments =
        Document.forms("Linear", Seq("in_features", "out_features"), Seq("out_features"), Seq(out_features, full)) ++
          Seq("bias" -> bias)
      new Module(Document.of("Linear", arguments))
    }

    /** @param in_features Size of the last dimension of the input. (whole number of at least 1; may be left
      *   out)
      * @param out_features Size of the last dimension of the output. (whole number of at least 1)
      */
    def apply(in_features: Int, out_features: Int): Module =
      new Module(Document.of("Linear", Seq("in_features" -> in_features, "out_features" -> out_features)))
  }

  /** Bilinear map of the last dimensions of two inputs of a graph: y = x₁ᵀ A x₂ + b, with a matrix
    * A for every value of the output. Weights and bias start uniform in ±1/√in1_features.
    */
  object Bilinear {

    /** @param out_features Size of the last dimension of the output. (whole number of at least 1)
      * @param full1 In the full form, where the first arguments are by position in1_features,
      *   in2_features, out_features: in2_features.
      * @param full2 In the full form, where the first arguments are by position in1_features,
      *   in2_features, out_features: out_features.
      * @param bias Add a learned bias. (true or false)
      */
    def apply(
        out_features: Int,
        full1: Opt[Int] = None,
        full2: Opt[Int] = None,
        bias: Boolean = true
    ): Module = {
      val arguments =
        Document.forms("Bilinear", Seq("in1_features", "in2_features", "out_features"), Seq("out_features"), Seq(out_features, full1, full2)) ++
          Seq("bias" -> bias)
      new Module(Document.of("Bilinear", arguments))
    }

    /** @param in1_features Size of the last dimension of the first input. (whole number of at least 1; may
      *   be left out)
      * @param in2_features Size of the last dimension of the second input. (whole number of at
      *   least 1; may be left out)
      * @param out_features Size of the last dimension of the output. (whole number of at least 1)
      */
    def apply(in1_features: Int, in2_features: Int, out_features: Int): Module = {
      val arguments =
        Seq("in1_features" -> in1_features, "in2_features" -> in2_features, "out_features" -> out_features)
      new Module(Document.of("Bilinear", arguments))
    }
  }
}
