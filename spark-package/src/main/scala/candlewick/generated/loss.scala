// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Losses. */
private[candlewick] trait LossBuilders {

  /** Cross entropy between logits (one output per class) and the label's class. */
  object CrossEntropyLoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, weighted
      *   by weightCol. ("mean")
      */
    def apply(reduction: String = "mean"): Loss =
      new Loss(Document.of("CrossEntropyLoss", Seq("reduction" -> reduction)))
  }

  /** Binary cross entropy between a logit and a label of 0 or 1. A network with one output makes a
    * classifier of two classes.
    */
  object BCEWithLogitsLoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, weighted
      *   by weightCol. ("mean")
      */
    def apply(reduction: String = "mean"): Loss =
      new Loss(Document.of("BCEWithLogitsLoss", Seq("reduction" -> reduction)))
  }

  /** Mean of the squared difference between output and label. */
  object MSELoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, weighted
      *   by weightCol. ("mean")
      */
    def apply(reduction: String = "mean"): Loss =
      new Loss(Document.of("MSELoss", Seq("reduction" -> reduction)))
  }
}
