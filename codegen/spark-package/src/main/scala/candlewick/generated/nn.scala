// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick

/** Layers and losses by PyTorch's names: `nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))`. Sizes
  * of a layer's input may be left out; they are inferred from the layer before or the features.
  */
object nn
    extends generated.LinearBuilders
    with generated.FullLinearBuilders
    with generated.EmbeddingBuilders
    with generated.AttentionBuilders
    with generated.FullAttentionBuilders
    with generated.ActivationBuilders
    with generated.ConvolutionBuilders
    with generated.FullConvolutionBuilders
    with generated.PoolingBuilders
    with generated.SoftmaxBuilders
    with generated.NormalizationBuilders
    with generated.FullNormalizationBuilders
    with generated.RegularizationBuilders
    with generated.ShapeBuilders
    with generated.PaddingBuilders
    with generated.RecurrentBuilders
    with generated.FullRecurrentBuilders
    with generated.JoinBuilders
    with generated.LossBuilders {

  /** A layer or container of layers. */
  type Module = candlewick.Module

  /** A loss. */
  type Loss = candlewick.Loss

  /** A graph of layers: columns in, named outputs out. See [[candlewick.Graph]]. */
  val Graph: candlewick.Graph.type = candlewick.Graph

  /** The network of a JSON document: of another's `json`, or of an estimator's `getNetwork`. Its layers
    * are checked when it is trained.
    *
    * {{{
    * val net = nn.fromJson(estimator.getNetwork)
    * }}}
    */
  def fromJson(json: String): Network = NetworkReading.fromJson(json)

  /** An input of a graph, which is a column of the DataFrame. */
  object Input {

    /** @param name name of the column
      * @param shape shape of its values: Seq(1) for a number
      */
    def apply(name: String, shape: Size = 1): Tensor = Tensor.input(name, shape)
  }

  /** Layers one after another; may hold further Sequentials. A layer that stands in it twice has one set of weights, as in
    * PyTorch.
    */
  object Sequential {

    /** The container of these layers, in the order in which the rows go through them. */
    def apply(modules: Module*): Module = new Module(Document.container("Sequential", modules, Nil))
  }

  /** How parameters start, by the names of torch.nn.init, for `withInit`. */
  object init extends generated.InitBuilders {

    /** How a parameter starts. */
    type Initializer = candlewick.Initializer
  }
}
