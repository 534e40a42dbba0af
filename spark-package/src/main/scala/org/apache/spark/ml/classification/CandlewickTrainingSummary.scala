package org.apache.spark.ml.classification

/** A summary as Spark's own, whose trait only Spark's package may extend: by it Spark Connect lets clients read its numbers. */
trait CandlewickTrainingSummary extends TrainingSummary
