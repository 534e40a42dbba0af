// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

/** Optimisers. */
private[candlewick] trait OptimizerBuilders {

  /** Stochastic gradient descent, with momentum where asked for. */
  object SGD {

    /** @param lr Learning rate. (number of at least 0)
      * @param momentum Factor of the momentum. (number of at least 0)
      * @param dampening Dampening of the momentum. (number)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param nesterov Nesterov's momentum: needs a momentum above 0 and no dampening. (true or
      *   false)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      */
    def apply(
        lr: Double = 0.001,
        momentum: Double = 0.0,
        dampening: Double = 0.0,
        weight_decay: Double = 0.0,
        nesterov: Boolean = false,
        maximize: Boolean = false
    ): Optimizer = {
      val arguments =
        Seq("lr" -> lr, "momentum" -> momentum, "dampening" -> dampening, "weight_decay" -> weight_decay, "nesterov" -> nesterov, "maximize" -> maximize)
      new Optimizer(Document.of("SGD", arguments))
    }
  }

  /** Adam: steps scaled by running means of the gradient and of its square. */
  object Adam {

    /** @param lr Learning rate. (number of at least 0)
      * @param betas Coefficients of the running means of the gradient and of its square. (two
      *   numbers of at least 0 and below 1)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param amsgrad Use the AMSGrad variant: the largest running mean of squares so far. (true or
      *   false)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      */
    def apply(
        lr: Double = 0.001,
        betas: (Double, Double) = (0.9, 0.999),
        eps: Double = 1e-8,
        weight_decay: Double = 0.0,
        amsgrad: Boolean = false,
        maximize: Boolean = false
    ): Optimizer = {
      val arguments =
        Seq("lr" -> lr, "betas" -> betas, "eps" -> eps, "weight_decay" -> weight_decay, "amsgrad" -> amsgrad, "maximize" -> maximize)
      new Optimizer(Document.of("Adam", arguments))
    }
  }

  /** Adam with decoupled weight decay. */
  object AdamW {

    /** @param lr Learning rate. (number of at least 0)
      * @param betas Coefficients of the running means of the gradient and of its square. (two
      *   numbers of at least 0 and below 1)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay Decay: weights shrink by lr times this a step. (number of at least 0)
      * @param amsgrad Use the AMSGrad variant: the largest running mean of squares so far. (true or
      *   false)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      */
    def apply(
        lr: Double = 0.001,
        betas: (Double, Double) = (0.9, 0.999),
        eps: Double = 1e-8,
        weight_decay: Double = 0.01,
        amsgrad: Boolean = false,
        maximize: Boolean = false
    ): Optimizer = {
      val arguments =
        Seq("lr" -> lr, "betas" -> betas, "eps" -> eps, "weight_decay" -> weight_decay, "amsgrad" -> amsgrad, "maximize" -> maximize)
      new Optimizer(Document.of("AdamW", arguments))
    }
  }
}
