// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

/** Schedules of the learning rate. */
private[candlewick] trait LrSchedulerBuilders {

  /** A smaller learning rate for the first intervals, then the optimiser's. */
  object ConstantLR {

    /** @param factor Factor of the learning rate for the first total_iters intervals. (number from 0 to 1)
      * @param total_iters Number of intervals until the last factor is reached. (whole number of at
      *   least 1)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        factor: Double = 0.3333333333333333,
        total_iters: Int = 5,
        interval: String = "epoch",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("ConstantLR", "factor", factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        Argument("ConstantLR", "total_iters", total_iters, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("ConstantLR", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("ConstantLR", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("ConstantLR", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("ConstantLR", arguments))
    }
  }

  /** A factor that moves linearly from start_factor to end_factor. */
  object LinearLR {

    /** @param start_factor First factor; above 0. (number from 0 to 1)
      * @param end_factor Last factor. (number from 0 to 1)
      * @param total_iters Number of intervals until the last factor is reached. (whole number of at
      *   least 1)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        start_factor: Double = 0.3333333333333333,
        end_factor: Double = 1.0,
        total_iters: Int = 5,
        interval: String = "epoch",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("LinearLR", "start_factor", start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        Argument("LinearLR", "end_factor", end_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        Argument("LinearLR", "total_iters", total_iters, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("LinearLR", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("LinearLR", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("LinearLR", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("LinearLR", arguments))
    }
  }

  /** A decay by gamma after every step_size intervals. */
  object StepLR {

    /** @param step_size Intervals between two decays. (whole number of at least 1)
      * @param gamma Factor of each decay. (number of at least 0)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        step_size: Int,
        gamma: Double = 0.1,
        interval: String = "epoch",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("StepLR", "step_size", step_size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("StepLR", "gamma", gamma, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("StepLR", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("StepLR", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("StepLR", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("StepLR", arguments))
    }
  }

  /** A decay by gamma at every milestone. */
  object MultiStepLR {

    /** @param milestones Intervals at which to decay. (list of at least one whole number, each of at least
      *   0)
      * @param gamma Factor of each decay. (number of at least 0)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        milestones: Seq[Int],
        gamma: Double = 0.1,
        interval: String = "epoch",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("MultiStepLR", "milestones", milestones, "a list of at least one whole number, each of at least 0")(Argument.items(Legal.whole(0L, 2147483648L))),
        Argument("MultiStepLR", "gamma", gamma, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("MultiStepLR", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("MultiStepLR", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("MultiStepLR", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("MultiStepLR", arguments))
    }
  }

  /** A decay by gamma after every interval. */
  object ExponentialLR {

    /** @param gamma Factor of each decay. (number of at least 0)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        gamma: Double,
        interval: String = "epoch",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("ExponentialLR", "gamma", gamma, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("ExponentialLR", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("ExponentialLR", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("ExponentialLR", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("ExponentialLR", arguments))
    }
  }

  /** A polynomial decay to 0 over total_iters intervals. */
  object PolynomialLR {

    /** @param total_iters Number of intervals until the last factor is reached. (whole number of at least
      *   1)
      * @param power Power of the polynomial. (number of at least 0)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        total_iters: Int = 5,
        power: Double = 1.0,
        interval: String = "epoch",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("PolynomialLR", "total_iters", total_iters, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("PolynomialLR", "power", power, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("PolynomialLR", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("PolynomialLR", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("PolynomialLR", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("PolynomialLR", arguments))
    }
  }

  /** Half a cosine from the optimiser's learning rate to eta_min, and back (Loshchilov and Hutter
    * 2017).
    */
  object CosineAnnealingLR {

    /** @param T_max Intervals from the largest learning rate to the smallest. (whole number of at least 1)
      * @param eta_min Smallest learning rate. (number of at least 0)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        T_max: Int,
        eta_min: Double = 0.0,
        interval: String = "epoch",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("CosineAnnealingLR", "T_max", T_max, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("CosineAnnealingLR", "eta_min", eta_min, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("CosineAnnealingLR", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("CosineAnnealingLR", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("CosineAnnealingLR", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("CosineAnnealingLR", arguments))
    }
  }

  /** Half a cosine down to eta_min, again and again (Loshchilov and Hutter 2017). */
  object CosineAnnealingWarmRestarts {

    /** @param T_0 Intervals until the first restart. (whole number of at least 1)
      * @param T_mult How many times longer each cycle is than the one before. (whole number of at
      *   least 1)
      * @param eta_min Smallest learning rate. (number of at least 0)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        T_0: Int,
        T_mult: Int = 1,
        eta_min: Double = 0.0,
        interval: String = "epoch",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("CosineAnnealingWarmRestarts", "T_0", T_0, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("CosineAnnealingWarmRestarts", "T_mult", T_mult, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("CosineAnnealingWarmRestarts", "eta_min", eta_min, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("CosineAnnealingWarmRestarts", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("CosineAnnealingWarmRestarts", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("CosineAnnealingWarmRestarts", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("CosineAnnealingWarmRestarts", arguments))
    }
  }

  /** One rise of the learning rate to max_lr and one fall far below the start (Smith and Topin
    * 2018).
    */
  object OneCycleLR {

    /** @param max_lr Largest learning rate; above 0. (number of at least 0)
      * @param total_steps Intervals of the cycle; null: those of the whole training after the
      *   warm-up. (whole number of at least 1; or none)
      * @param epochs Without total_steps: the cycle has epochs times steps_per_epoch intervals.
      *   (whole number of at least 1; or none)
      * @param steps_per_epoch Steps of an epoch; null: those of the training. (whole number of at
      *   least 1; or none)
      * @param pct_start Share of the cycle in which the learning rate rises. (number from 0 to 1)
      * @param anneal_strategy Shape of rise and fall: "cos" or "linear". ("cos" or "linear")
      * @param cycle_momentum Move the momentum (of Adam and its kin: betas[0]) against the learning
      *   rate. (true or false)
      * @param base_momentum Smallest momentum, at max_lr. (number of at least 0 and below 1)
      * @param max_momentum Largest momentum, at start and end. (number of at least 0 and below 1)
      * @param div_factor The first learning rate is max_lr / div_factor; above 0. (number of at
      *   least 0)
      * @param final_div_factor The last learning rate is the first / final_div_factor; above 0.
      *   (number of at least 0)
      * @param three_phase Fall to the first learning rate as long as it rose, then to the last one.
      *   (true or false)
      * @param interval What the schedule counts: "epoch" changes the learning rate at the start of
      *   an epoch, "step" at every update of the weights. ("epoch" or "step")
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        max_lr: Double,
        total_steps: Opt[Int] = None,
        epochs: Opt[Int] = None,
        steps_per_epoch: Opt[Int] = None,
        pct_start: Double = 0.3,
        anneal_strategy: String = "cos",
        cycle_momentum: Boolean = true,
        base_momentum: Double = 0.85,
        max_momentum: Double = 0.95,
        div_factor: Double = 25.0,
        final_div_factor: Double = 10000.0,
        three_phase: Boolean = false,
        interval: String = "step",
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("OneCycleLR", "max_lr", max_lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("OneCycleLR", "total_steps", total_steps, "a whole number of at least 1, or null")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("OneCycleLR", "epochs", epochs, "a whole number of at least 1, or null")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("OneCycleLR", "steps_per_epoch", steps_per_epoch, "a whole number of at least 1, or null")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("OneCycleLR", "pct_start", pct_start, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0)),
        Argument("OneCycleLR", "anneal_strategy", anneal_strategy, "\"cos\" or \"linear\"")(ParamValidators.inArray(Array("cos", "linear"))),
        "cycle_momentum" -> cycle_momentum,
        Argument("OneCycleLR", "base_momentum", base_momentum, "a finite number of at least 0 and below 1")(ParamValidators.inRange(0.0, 1.0, true, false)),
        Argument("OneCycleLR", "max_momentum", max_momentum, "a finite number of at least 0 and below 1")(ParamValidators.inRange(0.0, 1.0, true, false)),
        Argument("OneCycleLR", "div_factor", div_factor, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("OneCycleLR", "final_div_factor", final_div_factor, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "three_phase" -> three_phase,
        Argument("OneCycleLR", "interval", interval, "\"epoch\" or \"step\"")(ParamValidators.inArray(Array("epoch", "step"))),
        Argument("OneCycleLR", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("OneCycleLR", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("OneCycleLR", arguments))
    }
  }

  /** A smaller learning rate when the metric has stopped to improve. */
  object ReduceLROnPlateau {

    /** @param mode Whether the metric is better when it is smaller ("min") or larger ("max"). ("min" or
      *   "max")
      * @param factor Factor of each reduction. (number of at least 0 and below 1)
      * @param patience Epochs without improvement that are borne with. (whole number of at least 0)
      * @param threshold What counts as an improvement. (number of at least 0)
      * @param threshold_mode Whether the threshold is relative to the best value ("rel") or a
      *   difference ("abs"). ("rel" or "abs")
      * @param cooldown Epochs after a reduction in which none is counted as bad. (whole number of
      *   at least 0)
      * @param min_lr Smallest learning rate. (number of at least 0)
      * @param eps A reduction by no more than this is not made. (number of at least 0)
      * @param interval What the schedule counts: the metric is looked at after every epoch.
      *   ("epoch")
      * @param metric Name in the history of the metric to look at, such as "val_loss" or
      *   "accuracy"; not set: "val_loss" where there are validation rows, else "loss". (text; or
      *   none)
      * @param warmup_steps Updates of a linear warm-up before the schedule, which starts to count
      *   after it (by epoch: with the first epoch that begins after it). (whole number of at least
      *   0)
      * @param warmup_start_factor What the first learning rate of the warm-up is, relative to the
      *   schedule's first; the default is LinearLR's. (number from 0 to 1)
      */
    def apply(
        mode: String = "min",
        factor: Double = 0.1,
        patience: Int = 10,
        threshold: Double = 0.0001,
        threshold_mode: String = "rel",
        cooldown: Int = 0,
        min_lr: Double = 0.0,
        eps: Double = 1e-8,
        interval: String = "epoch",
        metric: Opt[String] = None,
        warmup_steps: Int = 0,
        warmup_start_factor: Double = 0.3333333333333333
    ): LRScheduler = {
      val arguments = Seq[(String, Any)](
        Argument("ReduceLROnPlateau", "mode", mode, "\"min\" or \"max\"")(ParamValidators.inArray(Array("min", "max"))),
        Argument("ReduceLROnPlateau", "factor", factor, "a finite number of at least 0 and below 1")(ParamValidators.inRange(0.0, 1.0, true, false)),
        Argument("ReduceLROnPlateau", "patience", patience, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("ReduceLROnPlateau", "threshold", threshold, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("ReduceLROnPlateau", "threshold_mode", threshold_mode, "\"rel\" or \"abs\"")(ParamValidators.inArray(Array("rel", "abs"))),
        Argument("ReduceLROnPlateau", "cooldown", cooldown, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("ReduceLROnPlateau", "min_lr", min_lr, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("ReduceLROnPlateau", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("ReduceLROnPlateau", "interval", interval, "\"epoch\"")(ParamValidators.inArray(Array("epoch"))),
        "metric" -> metric,
        Argument("ReduceLROnPlateau", "warmup_steps", warmup_steps, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
        Argument("ReduceLROnPlateau", "warmup_start_factor", warmup_start_factor, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new LRScheduler(Document.of("ReduceLROnPlateau", arguments))
    }
  }
}
