// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Activations. */
private[candlewick] trait ActivationBuilders {

  /** Rectified linear unit: max(x, 0), element by element. */
  object ReLU {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("ReLU", Nil))
  }

  /** Hyperbolic tangent, element by element. */
  object Tanh {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("Tanh", Nil))
  }

  /** Logistic function 1 / (1 + exp(-x)), element by element. */
  object Sigmoid {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("Sigmoid", Nil))
  }

  /** Gaussian error linear unit: x Φ(x), element by element. */
  object GELU {

    /** @param approximate "none" for the exact function, "tanh" for the approximation by tanh. ("none" or
      *   "tanh")
      */
    def apply(approximate: String = "none"): Module =
      new Module(Document.of("GELU", Seq("approximate" -> approximate)))
  }
}
