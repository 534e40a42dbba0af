// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Dropout. */
private[candlewick] trait RegularizationBuilders {

  /** While training, sets elements to zero with probability p and scales the others by 1 / (1 - p);
    * the identity when scoring.
    */
  object Dropout {

    /** @param p Probability that an element is set to zero. (number from 0 to 1)
      */
    def apply(p: Double = 0.5): Module =
      new Module(Document.of("Dropout", Seq("p" -> p)))
  }

  /** While training, sets whole channels of inputs of shape [channels, height, width] to zero with
    * probability p and scales the others by 1 / (1 - p); the identity when scoring.
    */
  object Dropout2d {

    /** @param p Probability that a channel is set to zero. (number from 0 to 1)
      */
    def apply(p: Double = 0.5): Module =
      new Module(Document.of("Dropout2d", Seq("p" -> p)))
  }
}
