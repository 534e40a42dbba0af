// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

/** How parameters start. */
private[candlewick] trait InitBuilders {

  /** Uniform between a and b. */
  object uniform_ {

    /** @param a Lower bound. (number)
      * @param b Upper bound. (number)
      */
    def apply(a: Double = 0.0, b: Double = 1.0): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("uniform_", "a", a, "a finite number")(Legal.finite),
        Argument("uniform_", "b", b, "a finite number")(Legal.finite)
      )
      new Initializer(Document.of("uniform_", arguments))
    }
  }

  /** Normal. */
  object normal_ {

    /** @param mean Mean. (number)
      * @param std Standard deviation. (number of at least 0)
      */
    def apply(mean: Double = 0.0, std: Double = 1.0): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("normal_", "mean", mean, "a finite number")(Legal.finite),
        Argument("normal_", "std", std, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue))
      )
      new Initializer(Document.of("normal_", arguments))
    }
  }

  /** Normal, but between a and b only. */
  object trunc_normal_ {

    /** @param mean Mean. (number)
      * @param std Standard deviation. (number of at least 0)
      * @param a Smallest value. (number)
      * @param b Largest value. (number)
      */
    def apply(mean: Double = 0.0, std: Double = 1.0, a: Double = -2.0, b: Double = 2.0): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("trunc_normal_", "mean", mean, "a finite number")(Legal.finite),
        Argument("trunc_normal_", "std", std, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("trunc_normal_", "a", a, "a finite number")(Legal.finite),
        Argument("trunc_normal_", "b", b, "a finite number")(Legal.finite)
      )
      new Initializer(Document.of("trunc_normal_", arguments))
    }
  }

  /** One value everywhere. */
  object constant_ {

    /** @param `val` The value. (number)
      */
    def apply(`val`: Double): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("constant_", "val", `val`, "a finite number")(Legal.finite)
      )
      new Initializer(Document.of("constant_", arguments))
    }
  }

  /** 1 everywhere. */
  object ones_ {

    /** The start. */
    def apply(): Initializer =
      new Initializer(Document.of("ones_", Nil))
  }

  /** 0 everywhere. */
  object zeros_ {

    /** The start. */
    def apply(): Initializer =
      new Initializer(Document.of("zeros_", Nil))
  }

  /** Uniform in ±gain √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010). For parameters of two and
    * more dimensions.
    */
  object xavier_uniform_ {

    /** @param gain Factor. (number)
      */
    def apply(gain: Double = 1.0): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("xavier_uniform_", "gain", gain, "a finite number")(Legal.finite)
      )
      new Initializer(Document.of("xavier_uniform_", arguments))
    }
  }

  /** Normal of deviation gain √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010). For parameters of
    * two and more dimensions.
    */
  object xavier_normal_ {

    /** @param gain Factor. (number)
      */
    def apply(gain: Double = 1.0): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("xavier_normal_", "gain", gain, "a finite number")(Legal.finite)
      )
      new Initializer(Document.of("xavier_normal_", arguments))
    }
  }

  /** Uniform in ±gain √(3 / fan) (He et al. 2015). For parameters of two and more dimensions. */
  object kaiming_uniform_ {

    /** @param a Negative slope of the LeakyReLU that follows; only with nonlinearity "leaky_relu". (number)
      * @param mode "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass.
      *   ("fan_in" or "fan_out")
      * @param nonlinearity What follows the layer; the factor is torch.nn.init.calculate_gain of
      *   it. ("linear" or "sigmoid" or "tanh" or "relu" or "leaky_relu" or "selu")
      */
    def apply(a: Double = 0.0, mode: String = "fan_in", nonlinearity: String = "leaky_relu"): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("kaiming_uniform_", "a", a, "a finite number")(Legal.finite),
        Argument("kaiming_uniform_", "mode", mode, "\"fan_in\" or \"fan_out\"")(ParamValidators.inArray(Array("fan_in", "fan_out"))),
        Argument("kaiming_uniform_", "nonlinearity", nonlinearity, "\"linear\" or \"sigmoid\" or \"tanh\" or \"relu\" or \"leaky_relu\" or \"selu\"")(ParamValidators.inArray(Array("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu")))
      )
      new Initializer(Document.of("kaiming_uniform_", arguments))
    }
  }

  /** Normal of deviation gain / √fan (He et al. 2015). For parameters of two and more dimensions. */
  object kaiming_normal_ {

    /** @param a Negative slope of the LeakyReLU that follows; only with nonlinearity "leaky_relu". (number)
      * @param mode "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass.
      *   ("fan_in" or "fan_out")
      * @param nonlinearity What follows the layer; the factor is torch.nn.init.calculate_gain of
      *   it. ("linear" or "sigmoid" or "tanh" or "relu" or "leaky_relu" or "selu")
      */
    def apply(a: Double = 0.0, mode: String = "fan_in", nonlinearity: String = "leaky_relu"): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("kaiming_normal_", "a", a, "a finite number")(Legal.finite),
        Argument("kaiming_normal_", "mode", mode, "\"fan_in\" or \"fan_out\"")(ParamValidators.inArray(Array("fan_in", "fan_out"))),
        Argument("kaiming_normal_", "nonlinearity", nonlinearity, "\"linear\" or \"sigmoid\" or \"tanh\" or \"relu\" or \"leaky_relu\" or \"selu\"")(ParamValidators.inArray(Array("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu")))
      )
      new Initializer(Document.of("kaiming_normal_", arguments))
    }
  }

  /** Orthogonal rows or columns, whichever are fewer, times gain; all dimensions but the first are
    * one (Saxe et al. 2013). For parameters of two and more dimensions.
    */
  object orthogonal_ {

    /** @param gain Factor. (number)
      */
    def apply(gain: Double = 1.0): Initializer = {
      val arguments = Seq[(String, Any)](
        Argument("orthogonal_", "gain", gain, "a finite number")(Legal.finite)
      )
      new Initializer(Document.of("orthogonal_", arguments))
    }
  }
}
