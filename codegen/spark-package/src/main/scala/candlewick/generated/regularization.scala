// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import org.apache.spark.ml.param.ParamValidators

/** Dropout. */
private[candlewick] trait RegularizationBuilders {

  /** While training, sets elements to zero with probability p and scales the others by 1 / (1 - p);
    * the identity when scoring.
    */
  object Dropout {

    /** @param p Probability that an element is set to zero. (number from 0 to 1)
      */
    def apply(p: Double = 0.5): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Dropout", "p", p, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new Module(Document.of("Dropout", arguments))
    }
  }

  /** While training, sets whole channels of inputs of shape [channels, height, width] to zero with
    * probability p and scales the others by 1 / (1 - p); the identity when scoring.
    */
  object Dropout2d {

    /** @param p Probability that a channel is set to zero. (number from 0 to 1)
      */
    def apply(p: Double = 0.5): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Dropout2d", "p", p, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new Module(Document.of("Dropout2d", arguments))
    }
  }
}
