// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators
import scala.annotation.unused

/** Normalisation. */
private[candlewick] trait NormalizationBuilders {

  /** Normalises every channel of inputs of shape [C] or [C, L] over the rows of the step and the
    * positions (Ioffe and Szegedy 2015, arXiv:1502.03167). Rows of all trainers are normalised
    * together, whatever their number; row weights do not count. Scoring uses the running
    * statistics, and so does a step with a single value per channel, which leaves them as they are.
    */
  object BatchNorm1d {

    /** @param num_features Channels of the input: its first dimension after the batch. (whole number of at
      *   least 1; may be left out)
      * @param eps Added to the variance before the root is taken. (number of at least 0)
      * @param momentum Weight of a step's statistics in the running ones; null for the average of
      *   all steps. (number from 0 to 1; or none)
      * @param affine Learn a factor and a summand for every channel; they start at 1 and 0. (true
      *   or false)
      * @param track_running_stats Keep running statistics, which scoring normalises by. Only true
      *   is legal: without them what comes out for a row would depend on the rows it is scored
      *   with. (true or false)
      * @param bias Learn the summand; without affine there is none. (true or false)
      * @param scope What is normalised together while training: "step" for all rows of the step,
      *   which is what PyTorch does in one process and takes two small exchanges between the
      *   trainers; "slice" for the rows of every logical shard by themselves, which takes one
      *   exchange, for the running statistics, and normalises by fewer rows. ("step" or "slice")
      */
    def apply(
        num_features: Opt[Int] = None,
        eps: Double = 1e-5,
        momentum: Opt[Double] = 0.1,
        affine: Boolean = true,
        track_running_stats: Boolean = true,
        bias: Boolean = true,
        scope: String = "step"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("BatchNorm1d", "num_features", num_features, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("BatchNorm1d", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("BatchNorm1d", "momentum", momentum, "a finite number from 0 to 1, or null")(Argument.opt(ParamValidators.inRange(0.0, 1.0))),
        "affine" -> affine,
        "track_running_stats" -> track_running_stats,
        "bias" -> bias,
        Argument("BatchNorm1d", "scope", scope, "\"step\" or \"slice\"")(ParamValidators.inArray(Array("step", "slice")))
      )
      new Module(Document.of("BatchNorm1d", arguments))
    }
  }

  /** Normalises every channel of inputs of shape [C, H, W] over the rows of the step and the
    * positions; see BatchNorm1d.
    */
  object BatchNorm2d {

    /** @param num_features Channels of the input: its first dimension after the batch. (whole number of at
      *   least 1; may be left out)
      * @param eps Added to the variance before the root is taken. (number of at least 0)
      * @param momentum Weight of a step's statistics in the running ones; null for the average of
      *   all steps. (number from 0 to 1; or none)
      * @param affine Learn a factor and a summand for every channel; they start at 1 and 0. (true
      *   or false)
      * @param track_running_stats Keep running statistics, which scoring normalises by. Only true
      *   is legal: without them what comes out for a row would depend on the rows it is scored
      *   with. (true or false)
      * @param bias Learn the summand; without affine there is none. (true or false)
      * @param scope What is normalised together while training: "step" for all rows of the step,
      *   which is what PyTorch does in one process and takes two small exchanges between the
      *   trainers; "slice" for the rows of every logical shard by themselves, which takes one
      *   exchange, for the running statistics, and normalises by fewer rows. ("step" or "slice")
      */
    def apply(
        num_features: Opt[Int] = None,
        eps: Double = 1e-5,
        momentum: Opt[Double] = 0.1,
        affine: Boolean = true,
        track_running_stats: Boolean = true,
        bias: Boolean = true,
        scope: String = "step"
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("BatchNorm2d", "num_features", num_features, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("BatchNorm2d", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("BatchNorm2d", "momentum", momentum, "a finite number from 0 to 1, or null")(Argument.opt(ParamValidators.inRange(0.0, 1.0))),
        "affine" -> affine,
        "track_running_stats" -> track_running_stats,
        "bias" -> bias,
        Argument("BatchNorm2d", "scope", scope, "\"step\" or \"slice\"")(ParamValidators.inArray(Array("step", "slice")))
      )
      new Module(Document.of("BatchNorm2d", arguments))
    }
  }

  /** Normalises the last dimensions of every row to mean 0 and variance 1 (Ba et al. 2016,
    * arXiv:1607.06450).
    */
  object LayerNorm {

    /** @param normalized_shape The last dimensions of the input, over which it is normalised together; a
      *   number for one. Left out, it is the last dimension. (whole number, or a list with one for
      *   every dimension, of at least 1; may be left out)
      * @param eps Added to the variance before the root is taken. (number of at least 0)
      * @param elementwise_affine Learn a factor and a summand for every element of
      *   normalized_shape; they start at 1 and 0. (true or false)
      * @param bias Learn the summand; without elementwise_affine there is none. (true or false)
      */
    def apply(
        normalized_shape: Opt[Size] = None,
        eps: Double = 1e-5,
        elementwise_affine: Boolean = true,
        bias: Boolean = true
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("LayerNorm", "normalized_shape", normalized_shape, "a whole number, or a list with one for every dimension, of at least 1")(Argument.opt(Argument.sizes(0, Legal.whole(1L, 2147483648L)))),
        Argument("LayerNorm", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "elementwise_affine" -> elementwise_affine,
        "bias" -> bias
      )
      new Module(Document.of("LayerNorm", arguments))
    }
  }

  /** Divides the last dimensions of every row by the root of their mean square (Zhang and Sennrich
    * 2019, arXiv:1910.07467).
    */
  object RMSNorm {

    /** @param normalized_shape The last dimensions of the input, over which it is normalised together; a
      *   number for one. Left out, it is the last dimension. (whole number, or a list with one for
      *   every dimension, of at least 1; may be left out)
      * @param eps Added to the mean square before the root is taken; null for the spacing of f32 at
      *   1, 1.19e-7. (number of at least 0; or none)
      * @param elementwise_affine Learn a factor for every element of normalized_shape; they start
      *   at 1. (true or false)
      */
    def apply(
        normalized_shape: Opt[Size] = None,
        eps: Opt[Double] = None,
        elementwise_affine: Boolean = true
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("RMSNorm", "normalized_shape", normalized_shape, "a whole number, or a list with one for every dimension, of at least 1")(Argument.opt(Argument.sizes(0, Legal.whole(1L, 2147483648L)))),
        Argument("RMSNorm", "eps", eps, "a finite number of at least 0, or null")(Argument.opt(ParamValidators.inRange(0.0, Double.MaxValue))),
        "elementwise_affine" -> elementwise_affine
      )
      new Module(Document.of("RMSNorm", arguments))
    }
  }

  /** Normalises groups of channels of every row, with all their positions, to mean 0 and variance 1
    * (Wu and He 2018, arXiv:1803.08494).
    */
  object GroupNorm {

    /** @param num_groups Groups that the channels are cut into; a divisor of their number. (whole number of
      *   at least 1)
      * @param named Nothing: what comes after it goes by name.
      * @param eps Added to the variance before the root is taken. (number of at least 0)
      * @param affine Learn a factor and a summand for every channel; they start at 1 and 0. (true
      *   or false)
      * @param bias Learn the summand; without affine there is none. (true or false)
      */
    def apply(
        num_groups: Int,
        @unused named: ByName = ByName,
        eps: Double = 1e-5,
        affine: Boolean = true,
        bias: Boolean = true
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("GroupNorm", "num_groups", num_groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("GroupNorm", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "affine" -> affine,
        "bias" -> bias
      )
      new Module(Document.of("GroupNorm", arguments))
    }
  }

  /** Normalises every channel of every row of inputs of shape [C, L] over its positions; see
    * InstanceNorm2d.
    */
  object InstanceNorm1d {

    /** @param num_features Channels of the input: its first dimension after the batch. (whole number of at
      *   least 1; may be left out)
      * @param eps Added to the variance before the root is taken. (number of at least 0)
      * @param momentum Of no effect, since there are no running statistics. (number from 0 to 1; or
      *   none)
      * @param affine Learn a factor and a summand for every channel; they start at 1 and 0. (true
      *   or false)
      * @param track_running_stats Only false is legal: every row is normalised by its own
      *   statistics, also when scoring. (true or false)
      * @param bias Learn the summand; without affine there is none. (true or false)
      */
    def apply(
        num_features: Opt[Int] = None,
        eps: Double = 1e-5,
        momentum: Opt[Double] = 0.1,
        affine: Boolean = false,
        track_running_stats: Boolean = false,
        bias: Boolean = true
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("InstanceNorm1d", "num_features", num_features, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("InstanceNorm1d", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("InstanceNorm1d", "momentum", momentum, "a finite number from 0 to 1, or null")(Argument.opt(ParamValidators.inRange(0.0, 1.0))),
        "affine" -> affine,
        "track_running_stats" -> track_running_stats,
        "bias" -> bias
      )
      new Module(Document.of("InstanceNorm1d", arguments))
    }
  }

  /** Normalises every channel of every row of inputs of shape [C, H, W] over its positions (Ulyanov
    * et al. 2016, arXiv:1607.08022).
    */
  object InstanceNorm2d {

    /** @param num_features Channels of the input: its first dimension after the batch. (whole number of at
      *   least 1; may be left out)
      * @param eps Added to the variance before the root is taken. (number of at least 0)
      * @param momentum Of no effect, since there are no running statistics. (number from 0 to 1; or
      *   none)
      * @param affine Learn a factor and a summand for every channel; they start at 1 and 0. (true
      *   or false)
      * @param track_running_stats Only false is legal: every row is normalised by its own
      *   statistics, also when scoring. (true or false)
      * @param bias Learn the summand; without affine there is none. (true or false)
      */
    def apply(
        num_features: Opt[Int] = None,
        eps: Double = 1e-5,
        momentum: Opt[Double] = 0.1,
        affine: Boolean = false,
        track_running_stats: Boolean = false,
        bias: Boolean = true
    ): Module = {
      val arguments = Seq[(String, Any)](
        Argument("InstanceNorm2d", "num_features", num_features, "a whole number of at least 1")(Argument.opt(Legal.whole(1L, 2147483648L))),
        Argument("InstanceNorm2d", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("InstanceNorm2d", "momentum", momentum, "a finite number from 0 to 1, or null")(Argument.opt(ParamValidators.inRange(0.0, 1.0))),
        "affine" -> affine,
        "track_running_stats" -> track_running_stats,
        "bias" -> bias
      )
      new Module(Document.of("InstanceNorm2d", arguments))
    }
  }

  /** Divides every element of inputs of shape [C, ...] by (k + alpha m)^beta, where m is the mean
    * square of the channels around it (Krizhevsky et al. 2012); channels that there are not count
    * as 0.
    */
  object LocalResponseNorm {

    /** @param size Neighbouring channels whose squares are added up, the channel itself in the middle.
      *   (whole number of at least 1)
      * @param alpha Factor of the mean square. (number)
      * @param beta Power of the divisor. (number)
      * @param k Added to the mean square times alpha. (number)
      */
    def apply(size: Int, alpha: Double = 0.0001, beta: Double = 0.75, k: Double = 1.0): Module = {
      val arguments = Seq[(String, Any)](
        Argument("LocalResponseNorm", "size", size, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
        Argument("LocalResponseNorm", "alpha", alpha, "a finite number")(Legal.finite),
        Argument("LocalResponseNorm", "beta", beta, "a finite number")(Legal.finite),
        Argument("LocalResponseNorm", "k", k, "a finite number")(Legal.finite)
      )
      new Module(Document.of("LocalResponseNorm", arguments))
    }
  }
}

/** Normalisation: the forms with the sizes of the input. */
private[candlewick] trait FullNormalizationBuilders {

  /** @param num_groups Groups that the channels are cut into; a divisor of their number. (whole number of
    *   at least 1)
    * @param num_channels Channels of the input: its first dimension after the batch. (whole number
    *   of at least 1; may be left out)
    * @param eps Added to the variance before the root is taken. (number of at least 0)
    * @param affine Learn a factor and a summand for every channel; they start at 1 and 0. (true or
    *   false)
    * @param bias Learn the summand; without affine there is none. (true or false)
    */
  def GroupNorm(
      num_groups: Int,
      num_channels: Int,
      eps: Double = 1e-5,
      affine: Boolean = true,
      bias: Boolean = true
  ): Module = {
    val arguments = Seq[(String, Any)](
      Argument("GroupNorm", "num_groups", num_groups, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("GroupNorm", "num_channels", num_channels, "a whole number of at least 1")(Legal.whole(1L, 2147483648L)),
      Argument("GroupNorm", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
      "affine" -> affine,
      "bias" -> bias
    )
    new Module(Document.of("GroupNorm", arguments))
  }
}
