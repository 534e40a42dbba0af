// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

/** Names of document formats. */
private[candlewick] object Formats {

  /** Format of a network's document. */
  val Network = "candlewick.network/1"

  /** Format of data/model.json in the folder of a saved model. */
  val Model = "candlewick.model/1"

  /** Format of a saved stage, in its metadata. */
  val Stage = "candlewick.stage/1"

  /** Names of losses. */
  val Losses = Seq(
    "CrossEntropyLoss",
    "NLLLoss",
    "BCEWithLogitsLoss",
    "BCELoss",
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "HuberLoss",
    "PoissonNLLLoss",
    "GaussianNLLLoss",
    "QuantileLoss",
    "KLDivLoss",
    "HingeEmbeddingLoss",
    "CosineEmbeddingLoss",
    "TripletMarginLoss",
    "MarginRankingLoss",
    "SoftMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "MultiLabelMarginLoss",
    "MultiLoss",
    "LossTerm"
  )

  /** Names of optimizers. */
  val Optimizers = Seq(
    "SGD",
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "Adamax",
    "LAMB",
    "LARS",
    "Lion"
  )

  /** Names of schedulers. */
  val Schedulers = Seq(
    "ConstantLR",
    "LinearLR",
    "StepLR",
    "MultiStepLR",
    "ExponentialLR",
    "PolynomialLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "OneCycleLR",
    "ReduceLROnPlateau"
  )
}
