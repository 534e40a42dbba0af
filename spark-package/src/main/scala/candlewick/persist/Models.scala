package candlewick.persist

import candlewick.ModelState
import candlewick.checkpoint.{OptimizerState, Scratch}
import candlewick.generated.Formats
import candlewick.internal.{Failures, ShardedWeights}
import java.nio.charset.StandardCharsets
import org.apache.hadoop.fs.Path
import org.apache.spark.ml.param.Params
import org.apache.spark.sql.CandlewickShim
import scala.reflect.{classTag, ClassTag}
import scala.util.Try

private[persist] object ModelFiles {
  // Without the end of the name: there may be several files.
  val Weights = "data/weights"
  val Document = "data/model.json"
  val Golden = "data/golden.safetensors"
}

/** Saves a model. The data come before the metadata, so that a half-written folder does not load. The option `maxShardSize`
  * is the number of bytes of tensors beyond which the weights become several files.
  */
private[candlewick] final class ModelWriter(stage: Params, state: ModelState) extends StageWriter {

  private[persist] override def before(path: String): Unit = {
    // What can fail fails before another model in the folder is deleted.
    limit: Unit
    state.golden: Unit
    val conf = CandlewickShim.hadoopConf(sparkSession)
    // The optimiser's state may lie in that folder.
    if (shouldOverwrite)
      state.optimizer.foreach(_.moveOutOf(conf, new Path(LocalPath.of(path)))(Scratch.make()))
  }

  private[persist] override def write(folder: Folder): Unit = {
    val (conf, path) = folder.hadoop
    folder.write(ModelFiles.Weights, state.weights, limit)
    folder.write(ModelFiles.Golden, state.golden)
    state.optimizer.foreach(_.save(conf, path))
    folder.write(ModelFiles.Document, state.saved.toString.getBytes(StandardCharsets.UTF_8))
    Metadata.write(folder, stage, sparkSession.version)
  }

  private def limit: Long = optionMap.get("maxshardsize").fold(ShardedWeights.Limit) { text =>
    Try(text.toLong).toOption.filter(_ > 0).getOrElse {
      throw Failures.parameter(s"maxShardSize is '$text'; expected a whole number of bytes of at least 1")
    }
  }
}

/** Loads a model, and checks that it computes what it computed when it was saved. */
private[candlewick] final class ModelReader[T <: RestorableParams: ClassTag](make: (String, ModelState) => T)
    extends StageReader[T] {
  private[persist] override def read(folder: Folder): T = {
    val metadata = Metadata.read(folder, classTag[T].runtimeClass)
    val document = folder.readObject(ModelFiles.Document)
    Saved.check(folder, ModelFiles.Document, document, Formats.Model)
    val (conf, path) = folder.hadoop
    val golden = folder.read(ModelFiles.Golden)
    val state = folder.readWeights(ModelFiles.Weights) { (name, weights) =>
      val state = new ModelState(document, weights, OptimizerState.of(conf, path), Some(golden))
      folder.intact(ModelFiles.Document)(state.checkDocument())
      // Loading natively checks names and shapes of the weights now, not in the first task.
      folder.intact(name)(state.checkWeights())
      state
    }
    folder.intact(ModelFiles.Golden)(state.checkGolden())
    val stage = make(metadata.uid, state)
    metadata.restore(stage)
    stage
  }
}
