// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

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
    def apply(approximate: String = "none"): Module = {
      val arguments = Seq[(String, Any)](
        Argument("GELU", "approximate", approximate, "\"none\" or \"tanh\"")(ParamValidators.inArray(Array("none", "tanh")))
      )
      new Module(Document.of("GELU", arguments))
    }
  }

  /** x above 0, negative_slope times x below, element by element. */
  object LeakyReLU {

    /** @param negative_slope Slope below 0. (number)
      */
    def apply(negative_slope: Double = 0.01): Module = {
      val arguments = Seq[(String, Any)](
        Argument("LeakyReLU", "negative_slope", negative_slope, "a finite number")(Legal.finite)
      )
      new Module(Document.of("LeakyReLU", arguments))
    }
  }

  /** Exponential linear unit: x above 0, alpha (exp(x) - 1) below, element by element. */
  object ELU {

    /** @param alpha The function tends to -alpha far below 0. (number of at least 0)
      */
    def apply(alpha: Double = 1.0): Module = {
      val arguments = Seq[(String, Any)](
        Argument("ELU", "alpha", alpha, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue))
      )
      new Module(Document.of("ELU", arguments))
    }
  }

  /** ELU scaled so that activations keep mean 0 and variance 1 from layer to layer, element by
    * element.
    */
  object SELU {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("SELU", Nil))
  }

  /** ELU with a slope of 1 at 0: x above 0, alpha (exp(x / alpha) - 1) below, element by element. */
  object CELU {

    /** @param alpha The function tends to -alpha far below 0; above 0. (number of at least 0)
      */
    def apply(alpha: Double = 1.0): Module = {
      val arguments = Seq[(String, Any)](
        Argument("CELU", "alpha", alpha, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue))
      )
      new Module(Document.of("CELU", arguments))
    }
  }

  /** Sigmoid linear unit, also called swish: x / (1 + exp(-x)), element by element. */
  object SiLU {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("SiLU", Nil))
  }

  /** x tanh(softplus(x)), element by element. */
  object Mish {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("Mish", Nil))
  }

  /** Smooth ReLU, always above 0: log(1 + exp(beta x)) / beta, element by element. */
  object Softplus {

    /** @param beta Sharpness of the bend; above 0. (number of at least 0)
      * @param threshold Where beta x is above it, the function is x. (number)
      */
    def apply(beta: Double = 1.0, threshold: Double = 20.0): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Softplus", "beta", beta, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("Softplus", "threshold", threshold, "a finite number")(Legal.finite)
      )
      new Module(Document.of("Softplus", arguments))
    }
  }

  /** x / (1 + |x|), element by element. */
  object Softsign {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("Softsign", Nil))
  }

  /** Logarithm of the logistic function, element by element. */
  object LogSigmoid {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("LogSigmoid", Nil))
  }

  /** ReLU bounded by 6: min(max(x, 0), 6), element by element. */
  object ReLU6 {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("ReLU6", Nil))
  }

  /** x bounded by min_val and max_val, element by element. */
  object Hardtanh {

    /** @param min_val Smallest output. (number)
      * @param max_val Largest output, above min_val. (number)
      */
    def apply(min_val: Double = -1.0, max_val: Double = 1.0): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Hardtanh", "min_val", min_val, "a finite number")(Legal.finite),
        Argument("Hardtanh", "max_val", max_val, "a finite number")(Legal.finite)
      )
      new Module(Document.of("Hardtanh", arguments))
    }
  }

  /** Sigmoid of straight lines: (x + 3) / 6 bounded by 0 and 1, element by element. */
  object Hardsigmoid {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("Hardsigmoid", Nil))
  }

  /** x times Hardsigmoid, a cheap SiLU, element by element. */
  object Hardswish {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("Hardswish", Nil))
  }

  /** 0 between -lambd and lambd, x elsewhere, element by element. */
  object Hardshrink {

    /** @param lambd Half the width of what becomes 0. (number)
      */
    def apply(lambd: Double = 0.5): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Hardshrink", "lambd", lambd, "a finite number")(Legal.finite)
      )
      new Module(Document.of("Hardshrink", arguments))
    }
  }

  /** x - lambd above lambd, x + lambd below -lambd, 0 between, element by element. */
  object Softshrink {

    /** @param lambd By how much x comes nearer to 0. (number of at least 0)
      */
    def apply(lambd: Double = 0.5): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Softshrink", "lambd", lambd, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue))
      )
      new Module(Document.of("Softshrink", arguments))
    }
  }

  /** 1 where x equals other, 0 elsewhere, as torch.eq; its gradient is 0. In a graph `Eq(0)` of the
    * words is the padding mask of sequences that are filled up with 0.
    */
  object Eq {

    /** @param other The number to compare with. (number)
      */
    def apply(other: Double = 0.0): Module =
      new Module(Document.of("Eq", Seq(Argument("Eq", "other", other, "a finite number")(Legal.finite))))
  }

  /** x - tanh(x), element by element. */
  object Tanhshrink {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("Tanhshrink", Nil))
  }

  /** x above threshold, value elsewhere, element by element. */
  object Threshold {

    /** @param threshold What x has to be above. (number)
      * @param value What comes out where it is not. (number)
      */
    def apply(threshold: Double, value: Double): Module = {
      val arguments = Seq[(String, Any)](
        Argument("Threshold", "threshold", threshold, "a finite number")(Legal.finite),
        Argument("Threshold", "value", value, "a finite number")(Legal.finite)
      )
      new Module(Document.of("Threshold", arguments))
    }
  }

  /** Leaves its input as it is. */
  object Identity {

    /** The layer. */
    def apply(): Module =
      new Module(Document.of("Identity", Nil))
  }
}
