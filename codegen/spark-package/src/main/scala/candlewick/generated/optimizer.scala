// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

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
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 0.001,
        momentum: Double = 0.0,
        dampening: Double = 0.0,
        weight_decay: Double = 0.0,
        nesterov: Boolean = false,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("SGD", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("SGD", "momentum", momentum, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("SGD", "dampening", dampening, "a finite number")(Legal.finite),
        Argument("SGD", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "nesterov" -> nesterov,
        "maximize" -> maximize,
        Argument("SGD", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("SGD", arguments))
    }
  }

  /** Steps scaled by the sum of all squared gradients (Duchi et al. 2011). */
  object Adagrad {

    /** @param lr Learning rate. (number of at least 0)
      * @param lr_decay Decay of the learning rate: at step t it is lr / (1 + (t - 1) lr_decay).
      *   (number of at least 0)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param initial_accumulator_value What the sum of squares starts from. (number of at least 0)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 0.01,
        lr_decay: Double = 0.0,
        weight_decay: Double = 0.0,
        initial_accumulator_value: Double = 0.0,
        eps: Double = 1e-10,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("Adagrad", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adagrad", "lr_decay", lr_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adagrad", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adagrad", "initial_accumulator_value", initial_accumulator_value, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adagrad", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "maximize" -> maximize,
        Argument("Adagrad", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("Adagrad", arguments))
    }
  }

  /** Steps scaled by the ratio of the running means of squared steps and gradients (Zeiler 2012). */
  object Adadelta {

    /** @param lr Learning rate. (number of at least 0)
      * @param rho Coefficient of the running means of squares. (number from 0 to 1)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 1.0,
        rho: Double = 0.9,
        eps: Double = 1e-6,
        weight_decay: Double = 0.0,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("Adadelta", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adadelta", "rho", rho, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        Argument("Adadelta", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adadelta", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "maximize" -> maximize,
        Argument("Adadelta", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("Adadelta", arguments))
    }
  }

  /** Steps scaled by the running root mean square of the gradient (Hinton 2012). */
  object RMSprop {

    /** @param lr Learning rate. (number of at least 0)
      * @param alpha Coefficient of the running mean of squared gradients. (number of at least 0)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param momentum Factor of the momentum. (number of at least 0)
      * @param centered Divide by the standard deviation of the gradient instead of its root mean
      *   square. (true or false)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 0.01,
        alpha: Double = 0.99,
        eps: Double = 1e-8,
        weight_decay: Double = 0.0,
        momentum: Double = 0.0,
        centered: Boolean = false,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("RMSprop", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("RMSprop", "alpha", alpha, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("RMSprop", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("RMSprop", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("RMSprop", "momentum", momentum, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "centered" -> centered,
        "maximize" -> maximize,
        Argument("RMSprop", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("RMSprop", arguments))
    }
  }

  /** SGD with a learning rate for each parameter from the norms of its weights and gradient: for
    * large batches (You et al. 2017). Not in PyTorch; arguments and defaults are timm's, so without
    * weight_decay or always_adapt it is SGD.
    */
  object LARS {

    /** @param lr Learning rate. (number of at least 0)
      * @param momentum Factor of the momentum. (number of at least 0)
      * @param dampening Dampening of the momentum. (number)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param nesterov Nesterov's momentum: needs a momentum above 0 and no dampening. (true or
      *   false)
      * @param trust_coeff Length of a step relative to that of a parameter's weights. (number of at
      *   least 0)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param trust_clip Bound the learning rate of each parameter by lr (LARC). (true or false)
      * @param always_adapt Adapt the learning rate also of parameters without weight decay. (true
      *   or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 1.0,
        momentum: Double = 0.0,
        dampening: Double = 0.0,
        weight_decay: Double = 0.0,
        nesterov: Boolean = false,
        trust_coeff: Double = 0.001,
        eps: Double = 1e-8,
        trust_clip: Boolean = false,
        always_adapt: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("LARS", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("LARS", "momentum", momentum, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("LARS", "dampening", dampening, "a finite number")(Legal.finite),
        Argument("LARS", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "nesterov" -> nesterov,
        Argument("LARS", "trust_coeff", trust_coeff, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("LARS", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "trust_clip" -> trust_clip,
        "always_adapt" -> always_adapt,
        Argument("LARS", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("LARS", arguments))
    }
  }

  /** Steps of equal size in the sign of the running mean of the gradient (Chen et al. 2023). Not in
    * PyTorch; arguments and defaults are timm's.
    */
  object Lion {

    /** @param lr Learning rate. (number of at least 0)
      * @param betas Coefficients of the running mean of the gradient: in the step, and in what is
      *   kept. (list of two numbers, each of at least 0 and below 1)
      * @param weight_decay Decay: weights shrink by lr times this a step. (number of at least 0)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 0.0001,
        betas: (Double, Double) = (0.9, 0.99),
        weight_decay: Double = 0.0,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("Lion", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Lion", "betas", betas, "a list of two numbers, each of at least 0 and below 1")(Argument.pair(ParamValidators.inRange(0.0, 1.0, true, false))),
        Argument("Lion", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "maximize" -> maximize,
        Argument("Lion", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("Lion", arguments))
    }
  }
}
