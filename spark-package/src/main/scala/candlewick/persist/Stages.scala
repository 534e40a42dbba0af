package candlewick.persist

import org.apache.spark.ml.param.Params
import org.apache.spark.ml.util.{CandlewickLocal, MLReader, MLWriter}

/** Saves a stage on any Hadoop file system, or on the driver's own disk.
  *
  * {{{
  * model.write.overwrite().save("s3a://bucket/model")
  * model.write.saveToLocal("/tmp/model")
  * }}}
  */
abstract class StageWriter private[persist] extends MLWriter {

  /** Saves the stage on the driver's own disk, whatever the default file system is. Spark has this since 4.1; here it is
    * there with 4.0 too.
    *
    * @param path
    *   a folder of the driver
    */
  // Without `override`: with Spark 4.0 there is nothing to override. Later ones call it by its name all the same.
  def saveToLocal(path: String): Unit = {
    local = true
    try save(LocalPath.uri(path))
    finally local = false
  }

  private var local = false

  /** Saves the stage. */
  override def save(path: String): Unit = {
    // Where Spark saves on the driver's disk, it looks for what is there by the plain path.
    val place = if (CandlewickLocal.active) LocalPath.plain(path) else path
    before(place)
    super.save(place)
  }

  /** Called before what is in the folder `path` is deleted. */
  private[persist] def before(path: String): Unit = ()

  override protected final def saveImpl(path: String): Unit =
    write(new Folder(sparkSession, LocalPath.of(path), local || CandlewickLocal.active))

  /** Writes the files. */
  private[persist] def write(folder: Folder): Unit
}

/** Loads a stage that [[StageWriter]] saved.
  *
  * {{{
  * NeuralClassificationModel.read.loadFromLocal("/tmp/model")
  * }}}
  *
  * @tparam T
  *   class of the stage
  */
abstract class StageReader[T] private[persist] extends MLReader[T] {

  /** Loads a stage from the driver's own disk, whatever the default file system is; see [[StageWriter.saveToLocal]]. */
  def loadFromLocal(path: String): T = load(LocalPath.uri(path))

  /** Loads a stage. */
  override def load(path: String): T =
    read(new Folder(sparkSession, LocalPath.of(path), CandlewickLocal.active))

  /** Reads the files. */
  private[persist] def read(folder: Folder): T
}

/** Paths of the driver's own disk. */
private[persist] object LocalPath {
  private val Scheme = "file:"

  /** The path as Hadoop understands it: the driver's own disk where Spark saves or loads there at the moment, as it does
    * with every stage of a Pipeline.
    */
  def of(path: String): String = if (CandlewickLocal.active) uri(path) else path

  /** A path of the driver, as Hadoop understands it. */
  def uri(path: String): String = {
    // Not Path.toUri: what it encodes, Hadoop would take as it stands.
    val whole = java.nio.file.Paths.get(plain(path)).toAbsolutePath.normalize.toString
    s"$Scheme//$whole"
  }

  /** A path of the driver, as Java understands it. */
  def plain(path: String): String =
    if (path.startsWith(Scheme)) path.drop(Scheme.length).replaceFirst("^/+", "/") else path
}

/** Saves a stage that is nothing but its parameters. */
private[candlewick] final class ParamsWriter(stage: Params) extends StageWriter {
  private[persist] override def write(folder: Folder): Unit =
    Metadata.write(folder, stage, sparkSession.version)
}

/** Loads such a stage. */
private[candlewick] final class ParamsReader[T <: RestorableParams](make: String => T)
    extends StageReader[T] {
  private[persist] override def read(folder: Folder): T = {
    val metadata = Metadata.read(folder, make("probe").getClass)
    val stage = make(metadata.uid)
    metadata.restore(stage)
    stage
  }
}
