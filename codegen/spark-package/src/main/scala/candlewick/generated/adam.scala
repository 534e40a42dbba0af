// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import org.apache.spark.ml.param.ParamValidators

/** Adam and its relatives. */
private[candlewick] trait AdamBuilders {

  /** Adam: steps scaled by running means of the gradient and of its square. */
  object Adam {

    /** @param lr Learning rate. (number of at least 0)
      * @param betas Coefficients of the running means of the gradient and of its square. (list of
      *   two numbers, each of at least 0 and below 1)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param amsgrad Use the AMSGrad variant: the largest running mean of squares so far. (true or
      *   false)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      * @param decoupled_weight_decay Decay the weights themselves by lr times weight_decay, as
      *   AdamW does, instead of adding to the gradient. (true or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 0.001,
        betas: (Double, Double) = (0.9, 0.999),
        eps: Double = 1e-8,
        weight_decay: Double = 0.0,
        amsgrad: Boolean = false,
        maximize: Boolean = false,
        decoupled_weight_decay: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("Adam", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adam", "betas", betas, "a list of two numbers, each of at least 0 and below 1")(Argument.pair(ParamValidators.inRange(0.0, 1.0, true, false))),
        Argument("Adam", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adam", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "amsgrad" -> amsgrad,
        "maximize" -> maximize,
        "decoupled_weight_decay" -> decoupled_weight_decay,
        Argument("Adam", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("Adam", arguments))
    }
  }

  /** Adam with decoupled weight decay. */
  object AdamW {

    /** @param lr Learning rate. (number of at least 0)
      * @param betas Coefficients of the running means of the gradient and of its square. (list of
      *   two numbers, each of at least 0 and below 1)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay Decay: weights shrink by lr times this a step. (number of at least 0)
      * @param amsgrad Use the AMSGrad variant: the largest running mean of squares so far. (true or
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
        betas: (Double, Double) = (0.9, 0.999),
        eps: Double = 1e-8,
        weight_decay: Double = 0.01,
        amsgrad: Boolean = false,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("AdamW", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("AdamW", "betas", betas, "a list of two numbers, each of at least 0 and below 1")(Argument.pair(ParamValidators.inRange(0.0, 1.0, true, false))),
        Argument("AdamW", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("AdamW", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "amsgrad" -> amsgrad,
        "maximize" -> maximize,
        Argument("AdamW", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("AdamW", arguments))
    }
  }

  /** Adam with Nesterov's momentum (Dozat 2016). */
  object NAdam {

    /** @param lr Learning rate. (number of at least 0)
      * @param betas Coefficients of the running means of the gradient and of its square. (list of
      *   two numbers, each of at least 0 and below 1)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param momentum_decay How fast the momentum grows to betas[0]: it is betas[0] (1 -
      *   0.96^(step momentum_decay) / 2). (number of at least 0)
      * @param decoupled_weight_decay Decay the weights themselves by lr times weight_decay, as
      *   AdamW does, instead of adding to the gradient. (true or false)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 0.002,
        betas: (Double, Double) = (0.9, 0.999),
        eps: Double = 1e-8,
        weight_decay: Double = 0.0,
        momentum_decay: Double = 0.004,
        decoupled_weight_decay: Boolean = false,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("NAdam", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("NAdam", "betas", betas, "a list of two numbers, each of at least 0 and below 1")(Argument.pair(ParamValidators.inRange(0.0, 1.0, true, false))),
        Argument("NAdam", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("NAdam", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("NAdam", "momentum_decay", momentum_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "decoupled_weight_decay" -> decoupled_weight_decay,
        "maximize" -> maximize,
        Argument("NAdam", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("NAdam", arguments))
    }
  }

  /** Adam with a rectified variance of its first steps (Liu et al. 2019). */
  object RAdam {

    /** @param lr Learning rate. (number of at least 0)
      * @param betas Coefficients of the running means of the gradient and of its square. (list of
      *   two numbers, each of at least 0 and below 1)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay L2 penalty: added to the gradient. (number of at least 0)
      * @param decoupled_weight_decay Decay the weights themselves by lr times weight_decay, as
      *   AdamW does, instead of adding to the gradient. (true or false)
      * @param maximize Maximise the loss instead of minimising it. (true or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 0.001,
        betas: (Double, Double) = (0.9, 0.999),
        eps: Double = 1e-8,
        weight_decay: Double = 0.0,
        decoupled_weight_decay: Boolean = false,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("RAdam", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("RAdam", "betas", betas, "a list of two numbers, each of at least 0 and below 1")(Argument.pair(ParamValidators.inRange(0.0, 1.0, true, false))),
        Argument("RAdam", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("RAdam", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "decoupled_weight_decay" -> decoupled_weight_decay,
        "maximize" -> maximize,
        Argument("RAdam", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("RAdam", arguments))
    }
  }

  /** Adam with the infinity norm in place of squares (Kingma and Ba 2015). */
  object Adamax {

    /** @param lr Learning rate. (number of at least 0)
      * @param betas Coefficients of the running mean of the gradient and of its largest absolute
      *   value. (list of two numbers, each of at least 0 and below 1)
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
        lr: Double = 0.002,
        betas: (Double, Double) = (0.9, 0.999),
        eps: Double = 1e-8,
        weight_decay: Double = 0.0,
        maximize: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("Adamax", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adamax", "betas", betas, "a list of two numbers, each of at least 0 and below 1")(Argument.pair(ParamValidators.inRange(0.0, 1.0, true, false))),
        Argument("Adamax", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Adamax", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "maximize" -> maximize,
        Argument("Adamax", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("Adamax", arguments))
    }
  }

  /** Adam whose step on each parameter is as long as its weights: for large batches (You et al.
    * 2019). Not in PyTorch; arguments and defaults are timm's, max_grad_norm = 1 included: 0
    * switches it off.
    */
  object LAMB {

    /** @param lr Learning rate. (number of at least 0)
      * @param bias_correction Divide the running means by 1 - beta^step. (true or false)
      * @param betas Coefficients of the running means of the gradient and of its square. (list of
      *   two numbers, each of at least 0 and below 1)
      * @param eps Added to the denominator for numerical stability. (number of at least 0)
      * @param weight_decay Decay: this times the weights is added to the step. (number of at least
      *   0)
      * @param grad_averaging Take the gradient into its running mean by 1 - betas[0]; without, by
      *   1. (true or false)
      * @param max_grad_norm Largest Euclidean norm of the whole gradient: beyond it the gradient is
      *   scaled down. 0 or none: no bound. (number of at least 0; or none)
      * @param trust_clip Bound the ratio of norms by 1 (LAMBC). (true or false)
      * @param always_adapt Adapt the learning rate also of parameters without weight decay. (true
      *   or false)
      * @param decoupled_decay Decay the weights themselves by lr times weight_decay, as AdamW does.
      *   (true or false)
      * @param groups Settings of some parameters: a list of {"params": pattern or patterns, ...}.
      *   Patterns match parameter names such as 0.weight; * stands for any characters, ? for one. A
      *   group may set any number among the arguments, such as lr or weight_decay, or "frozen":
      *   true, which leaves its parameters as they are. The first group that matches counts. (list
      *   of at least one object such as {"params": "0.*", "lr": 0.001}; or none)
      */
    def apply(
        lr: Double = 0.001,
        bias_correction: Boolean = true,
        betas: (Double, Double) = (0.9, 0.999),
        eps: Double = 1e-6,
        weight_decay: Double = 0.01,
        grad_averaging: Boolean = true,
        max_grad_norm: Opt[Double] = 1.0,
        trust_clip: Boolean = false,
        always_adapt: Boolean = false,
        decoupled_decay: Boolean = false,
        groups: Opt[Seq[Map[String, Any]]] = None
    ): Optimizer = {
      val arguments = Seq[(String, Any)](
        Argument("LAMB", "lr", lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "bias_correction" -> bias_correction,
        Argument("LAMB", "betas", betas, "a list of two numbers, each of at least 0 and below 1")(Argument.pair(ParamValidators.inRange(0.0, 1.0, true, false))),
        Argument("LAMB", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("LAMB", "weight_decay", weight_decay, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "grad_averaging" -> grad_averaging,
        Argument("LAMB", "max_grad_norm", max_grad_norm, "a finite number of at least 0, or null")(Argument.opt(ParamValidators.inRange(0.0, Double.MaxValue))),
        "trust_clip" -> trust_clip,
        "always_adapt" -> always_adapt,
        "decoupled_decay" -> decoupled_decay,
        Argument("LAMB", "groups", groups, "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}, or null")(Argument.opt(Argument.filled))
      )
      new Optimizer(Document.of("LAMB", arguments))
    }
  }
}
