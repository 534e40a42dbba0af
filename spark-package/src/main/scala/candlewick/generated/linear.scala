// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Linear layers. */
private[candlewick] trait LinearBuilders {

  /** Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in
    * ±1/√in_features.
    */
  object Linear {

    /** @param out_features Size of the last dimension of the output. (whole number from 1)
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

    /** @param in_features Size of the last dimension of the input. (whole number from 1; may be left out)
      * @param out_features Size of the last dimension of the output. (whole number from 1)
      */
    def apply(in_features: Int, out_features: Int): Module =
      new Module(Document.of("Linear", Seq("in_features" -> in_features, "out_features" -> out_features)))
  }
}
