package candlewick.checkpoint

import candlewick.internal.Failures
import candlewick.jni.CandlewickException
import java.io.IOException
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** The state that the training of a model ended with: a file of any size, never read as a whole, and its manifest. It lies
  * in a folder of the driver where the model was fitted just now, and beside the weights where the model was loaded. Copies
  * of a model share it.
  *
  * @param begun
  *   the folder
  * @param scratch
  *   what deletes the folder with this object, where that is a folder of the driver
  */
private[candlewick] final class OptimizerState private[checkpoint] (begun: Path, scratch: Option[Scratch]) {
  import OptimizerState._
  private val log = LoggerFactory.getLogger(classOf[OptimizerState])
  // One value, so that who reads it while it moves sees a folder with what keeps that alive.
  @volatile private var place = (begun, scratch)

  private def path = place._1

  /** Its manifest; throws, with what to do, where that or the size of the state is not as it was written. */
  def manifest(conf: Configuration): Manifest = usable {
    val folder = new CheckpointFolder(conf, path)
    val manifest = manifestIn(folder)
    folder.checkSize(manifest.state)
    manifest
  }

  /** Passes the state on in parts; throws, with what to do, where it is not the one that was written. */
  def read(conf: Configuration)(pass: (Long, Array[Byte]) => Unit): Unit = usable {
    val folder = new CheckpointFolder(conf, path)
    folder.read(manifestIn(folder).state)(pass)
  }

  private def usable[T](body: => T): T =
    try body
    catch {
      case error: CandlewickException => throw error
      // Anything may stand in a damaged file.
      case NonFatal(error) =>
        val message =
          s"resumeOptimizer: the optimiser state of the initial model in $path cannot be used: ${Voice.reason(error)}; " +
            "take the model from where it is whole, or set resumeOptimizer to false to start from its weights alone"
        throw Failures.parameter(message).initCause(error)
    } finally fence()

  /** Until here this object is no garbage, with which its folder goes: whose monitor is still to be entered is none. */
  private def fence(): Unit = synchronized(())

  /** Writes it into the folder of a model that is being saved. One that is gone or damaged meanwhile is left out with a
    * warning: the model is worth more.
    */
  def save(conf: Configuration, model: Path): Unit = {
    val target = new CheckpointFolder(conf, new Path(model, FolderName))
    val source = new CheckpointFolder(conf, path)
    // What fails in the target is what fails of the model's other files, too.
    var unwritten = Option.empty[IOException]
    def writing(body: => Unit): Unit =
      try body
      catch {
        case error: IOException =>
          unwritten = Some(error)
          throw error
      }
    try {
      val content = source.bytes(ManifestFile)
      val state = manifestIn(source).state
      source.checkSize(state)
      writing(target.make())
      target.write(StateName)(out => source.read(state)((_, part) => writing(out.write(part))))
      writing(target.write(ManifestFile)(_.write(content)))
    } catch {
      case NonFatal(error) if unwritten.isEmpty =>
        log.warn(
          s"the model is saved to $model without its optimiser state, which cannot be read from $path",
          error
        )
    } finally fence()
  }

  /** Copies the state to the driver, where it can be read and there is room. */
  private def takeAlong(conf: Configuration): Unit = synchronized {
    try {
      val scratch = Scratch.make()
      save(conf, scratch.path)
      val copy = new Path(scratch.path, FolderName)
      if (copy.getFileSystem(conf).exists(new Path(copy, ManifestFile))) place = (copy, Some(scratch))
    } catch {
      case NonFatal(error) =>
        log.warn(
          s"the optimiser state in $path stays there: it is lost where that folder is written over",
          error
        )
    }
  }

  /** Before the folder `model` is deleted, to be written anew: where the state lies in there it is copied to the driver.
    *
    * @param makeScratch
    *   makes a folder for the copy
    */
  def moveOutOf(conf: Configuration, model: Path)(makeScratch: => Scratch): Unit = synchronized {
    // Each by its own file system: another one refuses it.
    def qualified(path: Path) = path.getFileSystem(conf).makeQualified(path).toString
    val (inner, outer) = (qualified(path), qualified(model))
    if (inner.startsWith(s"${outer.stripSuffix("/")}/")) {
      val scratch = makeScratch
      save(conf, scratch.path)
      place = (new Path(scratch.path, FolderName), Some(scratch))
    }
  }
}

private[candlewick] object OptimizerState {

  /** The manifest of a state, whose file always has the same name: no other one is read or written. */
  private def manifestIn(folder: CheckpointFolder): Manifest = {
    val manifest = folder.manifestIn(ManifestFile)
    val name = manifest.state.name
    if (name != StateName)
      throw new DamagedException(s"the manifest is damaged: it names the file $name, expected $StateName")
    manifest
  }

  /** In the folder of a saved model. */
  private[checkpoint] val FolderName = "optimizer"
  private[checkpoint] val StateName = "state.safetensors"
  private[checkpoint] val ManifestFile = "manifest.json"

  /** What Spark ML's folder of a stage has, and how far above that of a stage in it: `stages/0_uid`, `bestModel`. */
  private val MetadataFolder = "metadata"
  private val OuterFolders = 2

  /** That of a saved model, if it has one. Nothing of it is read but that it is there. */
  def of(conf: Configuration, model: Path): Option[OptimizerState] = {
    val folder = new Path(model, FolderName)
    val files = folder.getFileSystem(conf)
    if (!files.exists(new Path(folder, ManifestFile))) None
    else {
      val state = new OptimizerState(folder, None)
      // Pipelines and the like delete their folder before they save their stages anew, which are not asked.
      val outer = Iterator.iterate(model.getParent)(_.getParent).takeWhile(_ != null).take(OuterFolders)
      if (outer.exists(one => files.exists(new Path(one, MetadataFolder)))) state.takeAlong(conf)
      Some(state)
    }
  }
}
