// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal

/** Softmax and others. */
private[candlewick] trait SoftmaxBuilders {

  /** exp(x) / Σ exp(x) along a dimension. Not for the end of a classifier: CrossEntropyLoss applies
    * it itself.
    */
  object Softmax {

    /** @param dim Dimension along which the results add up to 1; 0 is the batch, which is not legal, -1 the
      *   last. (whole number from -64 to 64)
      */
    def apply(dim: Int = -1): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Softmax", "dim", dim, "a whole number from -64 to 64")(Legal.whole(-64L, 64L))
      )
      new Module(Document.of("Softmax", arguments))
    }
  }

  /** Logarithm of the softmax along a dimension: x - log Σ exp(x). */
  object LogSoftmax {

    /** @param dim Dimension along which the results add up to 1; 0 is the batch, which is not legal, -1 the
      *   last. (whole number from -64 to 64)
      */
    def apply(dim: Int = -1): Module = {
      val arguments = Seq[(String, Any)](
        Argument("LogSoftmax", "dim", dim, "a whole number from -64 to 64")(Legal.whole(-64L, 64L))
      )
      new Module(Document.of("LogSoftmax", arguments))
    }
  }

  /** Softmax of -x: exp(-x) / Σ exp(-x) along a dimension. */
  object Softmin {

    /** @param dim Dimension along which the results add up to 1; 0 is the batch, which is not legal, -1 the
      *   last. (whole number from -64 to 64)
      */
    def apply(dim: Int = -1): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Softmin", "dim", dim, "a whole number from -64 to 64")(Legal.whole(-64L, 64L))
      )
      new Module(Document.of("Softmin", arguments))
    }
  }

  /** Gated linear unit (Dauphin et al. 2017, arXiv:1612.08083): the first half of a dimension times
    * the logistic function of the second.
    */
  object GLU {

    /** @param dim Dimension that is halved; 0 is the batch, which is not legal, -1 the last. (whole number
      *   from -64 to 64)
      */
    def apply(dim: Int = -1): Module = {
      val arguments = Seq[(String, Any)](
        Argument("GLU", "dim", dim, "a whole number from -64 to 64")(Legal.whole(-64L, 64L))
      )
      new Module(Document.of("GLU", arguments))
    }
  }

  /** x where x is positive, else a learned slope times x (He et al. 2015, arXiv:1502.01852). */
  object PReLU {

    /** @param num_parameters Slopes that are learned: 1 for all, or one for every channel, the first
      *   dimension after the batch. (whole number of at least 1)
      * @param init What the slopes start at. (number)
      */
    def apply(num_parameters: Int = 1, init: Double = 0.25): Module = {
      val arguments = Seq[(String, Any)](
        Argument("PReLU", "num_parameters", num_parameters, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("PReLU", "init", init, "a finite number")(Legal.finite)
      )
      new Module(Document.of("PReLU", arguments))
    }
  }
}
