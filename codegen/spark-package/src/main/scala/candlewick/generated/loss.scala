// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick
package generated

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

/** Losses. */
private[candlewick] trait LossBuilders {

  /** Cross entropy between logits (one output per class) and the label's class. */
  object CrossEntropyLoss {

    /** @param weight A weight for each class; the mean is then over the weights of the rows' classes. (list
      *   of at least one number, each of at least 0; or none)
      * @param ignore_index A label to leave out: its rows count neither in the loss nor in its
      *   mean. A number that is no class, such as -1, is then a legal label, whose rows do not
      *   count in metrics either; but -100, the default, stays none. (whole number)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      * @param label_smoothing Share of the target that is spread evenly over all classes. (number
      *   from 0 to 1)
      */
    def apply(
        weight: Opt[Seq[Double]] = None,
        ignore_index: Int = -100,
        reduction: String = "mean",
        label_smoothing: Double = 0.0
    ): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("CrossEntropyLoss", "weight", weight, "a list of at least one number, each of at least 0, or null")(Argument.opt(Argument.items(ParamValidators.inRange(0.0, Double.MaxValue)))),
        "ignore_index" -> ignore_index,
        Argument("CrossEntropyLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum"))),
        Argument("CrossEntropyLoss", "label_smoothing", label_smoothing, "a finite number from 0 to 1")(ParamValidators.inRange(0.0, 1.0))
      )
      new Loss(Document.of("CrossEntropyLoss", arguments))
    }
  }

  /** Negative log-likelihood of the label's class, for a network that ends in LogSoftmax (one
    * log-probability per class).
    */
  object NLLLoss {

    /** @param weight A weight for each class; the mean is then over the weights of the rows' classes. (list
      *   of at least one number, each of at least 0; or none)
      * @param ignore_index A label to leave out: its rows count neither in the loss nor in its
      *   mean. A number that is no class, such as -1, is then a legal label, whose rows do not
      *   count in metrics either; but -100, the default, stays none. (whole number)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(weight: Opt[Seq[Double]] = None, ignore_index: Int = -100, reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("NLLLoss", "weight", weight, "a list of at least one number, each of at least 0, or null")(Argument.opt(Argument.items(ParamValidators.inRange(0.0, Double.MaxValue)))),
        "ignore_index" -> ignore_index,
        Argument("NLLLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("NLLLoss", arguments))
    }
  }

  /** Binary cross entropy between a logit and a label of 0 or 1. A network with one output makes a
    * classifier of two classes.
    */
  object BCEWithLogitsLoss {

    /** @param weight A weight for each output; the mean is over all outputs all the same. (list of at least
      *   one number, each of at least 0; or none)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      * @param pos_weight Weight of the label 1: one number, or one for each output. Above 1 it
      *   makes the network find more of the positives, below 1 fewer. (list of at least one number,
      *   each of at least 0; or none)
      */
    def apply(
        weight: Opt[Seq[Double]] = None,
        reduction: String = "mean",
        pos_weight: Opt[Seq[Double]] = None
    ): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("BCEWithLogitsLoss", "weight", weight, "a list of at least one number, each of at least 0, or null")(Argument.opt(Argument.items(ParamValidators.inRange(0.0, Double.MaxValue)))),
        Argument("BCEWithLogitsLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum"))),
        Argument("BCEWithLogitsLoss", "pos_weight", pos_weight, "a list of at least one number, each of at least 0, or null")(Argument.opt(Argument.items(ParamValidators.inRange(0.0, Double.MaxValue))))
      )
      new Loss(Document.of("BCEWithLogitsLoss", arguments))
    }
  }

  /** Binary cross entropy between a probability and a label of 0 or 1, for a network that ends in
    * Sigmoid. BCEWithLogitsLoss without the Sigmoid is more exact.
    */
  object BCELoss {

    /** @param weight A weight for each output; the mean is over all outputs all the same. (list of at least
      *   one number, each of at least 0; or none)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(weight: Opt[Seq[Double]] = None, reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("BCELoss", "weight", weight, "a list of at least one number, each of at least 0, or null")(Argument.opt(Argument.items(ParamValidators.inRange(0.0, Double.MaxValue)))),
        Argument("BCELoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("BCELoss", arguments))
    }
  }

  /** Mean of the squared difference between output and label. */
  object MSELoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, "sum"
      *   their sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a
      *   smaller learning rate. ("mean" or "sum")
      */
    def apply(reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("MSELoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("MSELoss", arguments))
    }
  }

  /** Mean of the absolute difference between output and label. */
  object L1Loss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, "sum"
      *   their sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a
      *   smaller learning rate. ("mean" or "sum")
      */
    def apply(reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("L1Loss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("L1Loss", arguments))
    }
  }

  /** Squared difference, divided by beta, where it is small, absolute difference where it is large:
    * outliers count less than in MSELoss.
    */
  object SmoothL1Loss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, "sum"
      *   their sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a
      *   smaller learning rate. ("mean" or "sum")
      * @param beta Absolute difference at which the square ends and the line begins; 0 is L1Loss.
      *   (number of at least 0)
      */
    def apply(reduction: String = "mean", beta: Double = 1.0): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("SmoothL1Loss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum"))),
        Argument("SmoothL1Loss", "beta", beta, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue))
      )
      new Loss(Document.of("SmoothL1Loss", arguments))
    }
  }

  /** Squared difference where it is small, a line of slope delta where it is large: delta times
    * SmoothL1Loss with that beta.
    */
  object HuberLoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, "sum"
      *   their sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a
      *   smaller learning rate. ("mean" or "sum")
      * @param delta Absolute difference at which the square ends and the line begins; above 0.
      *   (number of at least 0)
      */
    def apply(reduction: String = "mean", delta: Double = 1.0): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("HuberLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum"))),
        Argument("HuberLoss", "delta", delta, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue))
      )
      new Loss(Document.of("HuberLoss", arguments))
    }
  }

  /** Negative log-likelihood of a count under a Poisson distribution. */
  object PoissonNLLLoss {

    /** @param log_input True where the output is the logarithm of the expected count, false where it is the
      *   count itself. (true or false)
      * @param full Add Stirling's approximation of the part that does not depend on the output.
      *   (true or false)
      * @param eps Added to the output before its logarithm is taken, where log_input is false.
      *   (number of at least 0)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(
        log_input: Boolean = true,
        full: Boolean = false,
        eps: Double = 1e-8,
        reduction: String = "mean"
    ): Loss = {
      val arguments = Seq[(String, Any)](
        "log_input" -> log_input,
        "full" -> full,
        Argument("PoissonNLLLoss", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("PoissonNLLLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("PoissonNLLLoss", arguments))
    }
  }

  /** Negative log-likelihood of a label under a normal distribution. The network has two outputs
    * for each value of the label: first all means, then all variances.
    */
  object GaussianNLLLoss {

    /** @param full Add the part that does not depend on the outputs. (true or false)
      * @param eps Smallest variance; above 0. (number of at least 0)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      * @param log_variance True where the outputs of the second half are logarithms of the
      *   variances, so that every number is legal there; not in PyTorch. (true or false)
      */
    def apply(
        full: Boolean = false,
        eps: Double = 1e-6,
        reduction: String = "mean",
        log_variance: Boolean = false
    ): Loss = {
      val arguments = Seq[(String, Any)](
        "full" -> full,
        Argument("GaussianNLLLoss", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("GaussianNLLLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum"))),
        "log_variance" -> log_variance
      )
      new Loss(Document.of("GaussianNLLLoss", arguments))
    }
  }

  /** Pinball loss of quantile regression, with one output for each quantile; not in PyTorch. */
  object QuantileLoss {

    /** @param quantiles The quantiles, between 0 and 1: [0.1, 0.5, 0.9] makes the network predict the
      *   median and an interval that holds 80 percent. (list of at least one number, each from 0 to
      *   1)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(quantiles: Seq[Double], reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("QuantileLoss", "quantiles", quantiles, "a list of at least one number, each from 0 to 1")(Argument.items(ParamValidators.inRange(0.0, 1.0))),
        Argument("QuantileLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("QuantileLoss", arguments))
    }
  }

  /** Kullback-Leibler divergence between log-probabilities (a network that ends in LogSoftmax) and
    * a label that is a distribution, an array.
    */
  object KLDivLoss {

    /** @param reduction How the elements' losses become one number: "mean" is the mean over all elements,
      *   "batchmean" the divergence itself, the mean over rows, "sum" the sum, all weighted by
      *   weightCol. ("mean" or "batchmean" or "sum")
      * @param log_target True where the label has logarithms of probabilities. (true or false)
      */
    def apply(reduction: String = "mean", log_target: Boolean = false): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("KLDivLoss", "reduction", reduction, "\"mean\" or \"batchmean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "batchmean", "sum"))),
        "log_target" -> log_target
      )
      new Loss(Document.of("KLDivLoss", arguments))
    }
  }

  /** Loss of a distance: the output itself for the label 1 (similar), max(0, margin - output) for
    * the label -1 (different).
    */
  object HingeEmbeddingLoss {

    /** @param margin Distance beyond which different pairs cost nothing. (number)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(margin: Double = 1.0, reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("HingeEmbeddingLoss", "margin", margin, "a finite number")(Legal.finite),
        Argument("HingeEmbeddingLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("HingeEmbeddingLoss", arguments))
    }
  }

  /** Loss of the cosine between two vectors, the halves of a row of outputs: 1 - cosine for the
    * label 1 (similar), max(0, cosine - margin) for the label -1 (different).
    */
  object CosineEmbeddingLoss {

    /** @param margin Cosine below which different vectors cost nothing. (number from -1 to 1)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(margin: Double = 0.0, reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("CosineEmbeddingLoss", "margin", margin, "a finite number from -1 to 1")(ParamValidators.inRange(-1.0, 1.0)),
        Argument("CosineEmbeddingLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("CosineEmbeddingLoss", arguments))
    }
  }

  /** Loss of three vectors, the thirds of a row of outputs: the anchor has to be nearer to the
    * positive than to the negative by a margin. The label is not read.
    */
  object TripletMarginLoss {

    /** @param margin How much nearer the positive has to be. (number of at least 0)
      * @param p Degree of the norm that measures distances. (number of at least 1)
      * @param eps Added to every difference. (number of at least 0)
      * @param swap Use the distance between positive and negative where it is smaller than that
      *   between anchor and negative. (true or false)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(
        margin: Double = 1.0,
        p: Double = 2.0,
        eps: Double = 1e-6,
        swap: Boolean = false,
        reduction: String = "mean"
    ): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("TripletMarginLoss", "margin", margin, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        Argument("TripletMarginLoss", "p", p, "a finite number of at least 1")(ParamValidators.inRange(1.0, Double.MaxValue)),
        Argument("TripletMarginLoss", "eps", eps, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
        "swap" -> swap,
        Argument("TripletMarginLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("TripletMarginLoss", arguments))
    }
  }

  /** Loss of the order of two numbers, of the halves of a row of outputs: max(0, margin - y (a -
    * b)) for the label y, 1 where the first is to be the larger one, -1 where the second is, 0
    * where it does not matter.
    */
  object MarginRankingLoss {

    /** @param margin By how much the one has to be larger than the other. (number)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(margin: Double = 0.0, reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("MarginRankingLoss", "margin", margin, "a finite number")(Legal.finite),
        Argument("MarginRankingLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("MarginRankingLoss", arguments))
    }
  }

  /** Logistic loss log(1 + exp(-y z)) of an output z and a label y of 1 or -1. */
  object SoftMarginLoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, "sum"
      *   their sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a
      *   smaller learning rate. ("mean" or "sum")
      */
    def apply(reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("SoftMarginLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("SoftMarginLoss", arguments))
    }
  }

  /** Binary cross entropy between logits and labels of 0 or 1, one for each output; the loss of a
    * row is the mean over its outputs, so that "sum" adds up these means.
    */
  object MultiLabelSoftMarginLoss {

    /** @param weight A weight for each output; the mean is over all outputs all the same. (list of at least
      *   one number, each of at least 0; or none)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(weight: Opt[Seq[Double]] = None, reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("MultiLabelSoftMarginLoss", "weight", weight, "a list of at least one number, each of at least 0, or null")(Argument.opt(Argument.items(ParamValidators.inRange(0.0, Double.MaxValue)))),
        Argument("MultiLabelSoftMarginLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("MultiLabelSoftMarginLoss", arguments))
    }
  }

  /** Hinge loss of several classes, one output for each: the mean over all classes but the label's
    * of max(0, margin - z[label] + z[class])^p, divided by the number of classes.
    */
  object MultiMarginLoss {

    /** @param p 1 for the hinge, 2 for its square. (whole number from 1 to 2)
      * @param margin By how much the output of the label's class has to be larger than the others.
      *   (number)
      * @param weight A weight for each class; the mean is over the rows all the same. (list of at
      *   least one number, each of at least 0; or none)
      * @param reduction How the rows' losses become one number: "mean" is the mean over the batch,
      *   "sum" their sum, both weighted by weightCol. With "sum" the steps grow with the batch:
      *   choose a smaller learning rate. ("mean" or "sum")
      */
    def apply(
        p: Int = 1,
        margin: Double = 1.0,
        weight: Opt[Seq[Double]] = None,
        reduction: String = "mean"
    ): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("MultiMarginLoss", "p", p, "a whole number from 1 to 2")(Legal.whole(1L, 2L)),
        Argument("MultiMarginLoss", "margin", margin, "a finite number")(Legal.finite),
        Argument("MultiMarginLoss", "weight", weight, "a list of at least one number, each of at least 0, or null")(Argument.opt(Argument.items(ParamValidators.inRange(0.0, Double.MaxValue)))),
        Argument("MultiMarginLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("MultiMarginLoss", arguments))
    }
  }

  /** Hinge loss of rows that have several classes. The label is an array as long as the outputs:
    * the classes of the row, whole numbers, then -1. The loss is the sum of max(0, 1 - z[one of
    * them] + z[another class]), divided by the number of classes.
    */
  object MultiLabelMarginLoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, "sum"
      *   their sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a
      *   smaller learning rate. ("mean" or "sum")
      */
    def apply(reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("MultiLabelMarginLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("MultiLabelMarginLoss", arguments))
    }
  }

  /** Weighted sum of several losses over parts of the outputs and of the label; not in PyTorch. A
    * class in the label is a whole number in it.
    */
  object MultiLoss {

    /** @param losses The losses to add up. A LossTerm gives a loss a weight and says which outputs and
      *   labels it reads; any other loss has weight 1 and reads all. (list of objects)
      * @param reduction "mean" adds up the means of the losses, "sum" their sums, both weighted by
      *   weightCol. ("mean" or "sum")
      */
    def apply(losses: Seq[Loss], reduction: String = "mean"): Loss = {
      val arguments = Seq[(String, Any)](
        Argument("MultiLoss", "losses", losses, "a list of at least one object such as {\"type\": \"MSELoss\"}")(Argument.filled),
        Argument("MultiLoss", "reduction", reduction, "\"mean\" or \"sum\"")(ParamValidators.inArray(Array("mean", "sum")))
      )
      new Loss(Document.of("MultiLoss", arguments))
    }
  }

  /** One loss of a MultiLoss, with its weight and what it reads; not in PyTorch. */
  object LossTerm {

    /** @param loss The loss; without class weights, ignore_index and a reduction of its own. (object of its
      *   builder, or its JSON document)
      * @param weight Factor of the loss. (number)
      * @param outputs Which outputs the loss reads: [from, to], the first and one past the last;
      *   all by default. (list of at least one whole number, each of at least 0; or none)
      * @param labels Which values of the label the loss reads: [from, to], the first and one past
      *   the last; all by default. (list of at least one whole number, each of at least 0; or none)
      * @param output The output of the network that the loss reads, by its name, in the place of
      *   outputs. Several are read one after another, as they stand among the network's outputs.
      *   (text, or a list of at least one; or none)
      * @param label The label column of a NeuralEstimator that the loss reads, by its name, in the
      *   place of labels; several stand one after another in labelCols. None: the column called as
      *   the output, or the only one. (text, or a list of at least one; or none)
      */
    def apply(
        loss: Loss,
        weight: Double = 1.0,
        outputs: Opt[Seq[Int]] = None,
        labels: Opt[Seq[Int]] = None,
        output: Opt[Names] = None,
        label: Opt[Names] = None
    ): Loss = {
      val arguments = Seq[(String, Any)](
        "loss" -> loss,
        Argument("LossTerm", "weight", weight, "a finite number")(Legal.finite),
        Argument("LossTerm", "outputs", outputs, "a list of at least one whole number, each of at least 0, or null")(Argument.opt(Argument.items(Legal.whole(0L, 2147483648L)))),
        Argument("LossTerm", "labels", labels, "a list of at least one whole number, each of at least 0, or null")(Argument.opt(Argument.items(Legal.whole(0L, 2147483648L)))),
        "output" -> output,
        "label" -> label
      )
      new Loss(Document.of("LossTerm", arguments))
    }
  }
}
