// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick

/** Layers and losses by PyTorch's names: `nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))`. Sizes
  * of a layer's input may be left out; they are inferred from the layer before or the features.
  */
object nn {

  /** A layer or container of layers. */
  type Module = candlewick.Module

  /** A loss. */
  type Loss = candlewick.Loss

  /** Layers one after another; may hold further Sequentials. */
  object Sequential {

    /** The container of these layers, in the order in which the rows go through them. */
    def apply(modules: Module*): Module = new Module(Document.container("Sequential", modules))
  }

  /** Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in
    * ±1/√in_features.
    */
  object Linear {

    /** @param out_features Size of the last dimension of the output. (whole number from 1)
      */
    def apply(out_features: Int): Module =
      new Module(Document.of("Linear", Seq("out_features" -> out_features, "bias" -> true)))

    /** @param out_features Size of the last dimension of the output. (whole number from 1)
      * @param bias Add a learned bias. (true or false)
      */
    def apply(out_features: Int, bias: Boolean): Module =
      new Module(Document.of("Linear", Seq("out_features" -> out_features, "bias" -> bias)))

    /** @param in_features Size of the last dimension of the input. (whole number from 1; may be left out)
      * @param out_features Size of the last dimension of the output. (whole number from 1)
      * @param bias Add a learned bias. (true or false)
      */
    def apply(in_features: Int, out_features: Int, bias: Boolean = true): Module =
      new Module(
        Document.of(
          "Linear",
          Seq(
            "in_features" -> in_features,
            "out_features" -> out_features,
            "bias" -> bias
          )
        )
      )
  }

  /** Rectified linear unit: max(x, 0), element by element. */
  object ReLU {

    /** The layer. */
    def apply(): Module = new Module(Document.of("ReLU", Nil))
  }

  /** Hyperbolic tangent, element by element. */
  object Tanh {

    /** The layer. */
    def apply(): Module = new Module(Document.of("Tanh", Nil))
  }

  /** Logistic function 1 / (1 + exp(-x)), element by element. */
  object Sigmoid {

    /** The layer. */
    def apply(): Module = new Module(Document.of("Sigmoid", Nil))
  }

  /** Gaussian error linear unit: x Φ(x), element by element. */
  object GELU {

    /** @param approximate "none" for the exact function, "tanh" for the approximation by tanh. ("none" or
      *   "tanh")
      */
    def apply(approximate: String = "none"): Module =
      new Module(Document.of("GELU", Seq("approximate" -> approximate)))
  }

  /** While training, sets elements to zero with probability p and scales the others by 1 / (1 - p);
    * the identity when scoring.
    */
  object Dropout {

    /** @param p Probability that an element is set to zero. (number from 0 to 1)
      */
    def apply(p: Double = 0.5): Module = new Module(Document.of("Dropout", Seq("p" -> p)))
  }

  /** Merges dimensions into one. The batch dimension stays. */
  object Flatten {

    /** @param start_dim First dimension to flatten; 0 is the batch. (whole number from -64 to 64)
      * @param end_dim Last dimension to flatten; -1 is the last. (whole number from -64 to 64)
      */
    def apply(start_dim: Int = 1, end_dim: Int = -1): Module =
      new Module(Document.of("Flatten", Seq("start_dim" -> start_dim, "end_dim" -> end_dim)))
  }

  /** Cross entropy between logits (one output per class) and the label's class. */
  object CrossEntropyLoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, weighted
      *   by weightCol. ("mean")
      */
    def apply(reduction: String = "mean"): Loss =
      new Loss(Document.of("CrossEntropyLoss", Seq("reduction" -> reduction)))
  }

  /** Binary cross entropy between a logit and a label of 0 or 1. A network with one output makes a
    * classifier of two classes.
    */
  object BCEWithLogitsLoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, weighted
      *   by weightCol. ("mean")
      */
    def apply(reduction: String = "mean"): Loss =
      new Loss(Document.of("BCEWithLogitsLoss", Seq("reduction" -> reduction)))
  }

  /** Mean of the squared difference between output and label. */
  object MSELoss {

    /** @param reduction How the rows' losses become one number: "mean" is the mean over the batch, weighted
      *   by weightCol. ("mean")
      */
    def apply(reduction: String = "mean"): Loss =
      new Loss(Document.of("MSELoss", Seq("reduction" -> reduction)))
  }
}
