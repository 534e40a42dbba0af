package candlewick.checkpoint

import candlewick.{ClusterSuite, NeuralClassificationModel, NeuralClassifier}
import candlewick.internal.{Failures, Json}
import candlewick.jni.{CancelledException, InvalidParameterException, RetryableException}
import java.io.{EOFException, FileNotFoundException, IOException}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path, Paths}
import java.nio.file.attribute.FileTime
import org.apache.hadoop.fs.{FSDataInputStream, Path => HadoopPath, RawLocalFileSystem}
import org.apache.hadoop.security.AccessControlException
import org.apache.hadoop.util.VersionInfo
import org.apache.spark.sql.DataFrame
import scala.jdk.CollectionConverters._

/** Fits that are ended and begun again with the same checkpointDir: they go on, and the model has the bits of a fit that
  * nobody ended.
  */
class CheckpointSuite extends ClusterSuite {
  import CheckpointSuite.StepsOfEpoch

  private def gang: NeuralClassifier = classifier()
    .setNumTrainers(2)
    .setThreadsPerTrainer(1)
    .setInputShape(Array(4))
    .setValidationFraction(0.2)
    .setMetrics(Array("accuracy"))

  private def kept(dir: String): NeuralClassifier = gang.setCheckpointDir(dir).setKeepCheckpoints(3)

  /** The folder of the one fit that has checkpoints in `dir`. */
  private def folder(dir: String): Path = {
    val folders = files(Paths.get(dir))
    assert(folders.length == 1, folders)
    folders.head
  }

  /** The folder in `dir` that is named as another one. */
  private def folderOf(dir: String, same: Path): Path = Paths.get(dir).resolve(same.getFileName)

  private def files(folder: Path): Seq[Path] = {
    val listed = Files.list(folder)
    try listed.iterator().asScala.toSeq.filterNot(_.getFileName.toString.startsWith(".")).sorted
    finally listed.close()
  }

  private def steps(dir: String): Seq[Long] = files(folder(dir)).map(_.getFileName.toString).collect {
    case s"step-$step.json" => step.toLong
  }

  /** A fit that is cancelled once the checkpoint of a step is there; nobody makes the step after it. */
  private def endedAt(step: Long, data: DataFrame, estimator: NeuralClassifier): Unit =
    lockOfEndedAt(step, data, estimator): Unit

  /** The same; what its lock said. */
  private def lockOfEndedAt(step: Long, data: DataFrame, estimator: NeuralClassifier): String =
    held(s"train.step=$step") { gates =>
      val dir = Paths.get(estimator.getCheckpointDir)
      val handle = estimator.startFit(data)
      gates.next()
      eventually {
        val there = files(dir).flatMap(files).map(_.getFileName.toString)
        assert(there.contains(f"step-$step%012d.json"), handle)
      }
      val lock = Files.readString(folder(estimator.getCheckpointDir).resolve("driver.lock"))
      handle.cancel("the test ends it")
      gates.open()
      intercept[CancelledException](over(handle).result())
      lock
    }

  private def same(model: NeuralClassificationModel, expected: NeuralClassificationModel): Unit = {
    assert(model.weightsHash == expected.weightsHash)
    def history(of: NeuralClassificationModel) = of.summary.history.toSeq.map(_.copy(seconds = 0, json = ""))
    assert(history(model) == history(expected))
    assert(model.summary.totalSteps == expected.summary.totalSteps)
  }

  test("a fit that was ended goes on from its newest checkpoint, in any number of trainers") {
    start("local-cluster[2,1,1024]")
    val (data, dir) = (points(), freshPath())
    val expected = gang.fit(data)
    endedAt(2L * StepsOfEpoch, data, kept(dir))
    // Whether the one before it is there too depends on how fast they are written.
    assert(steps(dir).last == 2 * StepsOfEpoch, steps(dir))
    val model = kept(dir).setNumTrainers(1).fit(data.repartition(7))
    assert(model.summary.resumedFromStep.contains(2L * StepsOfEpoch))
    assert(model.summary.phases.contains("resume"))
    same(model, expected)
    // The newest three are kept at most, with the last one, and nothing else is there.
    assert(steps(dir).length <= 3 && steps(dir).last == 5 * StepsOfEpoch, steps(dir))
    assert(files(folder(dir)).length == 2 * steps(dir).length)
    // Once more: it is over where it begins.
    val again = kept(dir).fit(data)
    assert(again.summary.resumedFromStep.contains(5L * StepsOfEpoch))
    same(again, expected)
    // More epochs go on; fewer begin anew, but where their own end is still kept, and spoil nothing.
    val longer = kept(dir).setEpochs(7).fit(data)
    assert(longer.summary.resumedFromStep.contains(5L * StepsOfEpoch))
    same(longer, gang.setEpochs(7).fit(data))
    val shorter = kept(dir).setEpochs(2).fit(data)
    assert(shorter.summary.resumedFromStep.forall(_ == 2L * StepsOfEpoch), shorter.summary)
    same(shorter, gang.setEpochs(2).fit(data))
    assert(steps(dir).contains(7L * StepsOfEpoch))
  }

  test("a fit goes on in the middle of an epoch, and its trainers may be lost meanwhile") {
    start("local-cluster[2,1,1024]")
    val (data, dir) = (points(), freshPath())
    def often = kept(dir).setCheckpointInterval(-1).setCheckpointSteps(4)
    val expected = gang.fit(data)
    endedAt(8, data, often)
    val model = held("train.step=10") { gates =>
      val handle = often.startFit(data)
      val hits = Seq(gates.next(), gates.next())
      kill(hits.head.process)
      hits.foreach(_.go())
      gates.open()
      over(handle).result()
    }
    assert(model.summary.resumedFromStep.contains(8L))
    assert(Json.parse(model.summary.recoveryLog).get(0).get("resumeStep").asLong == 10)
    same(model, expected)
  }

  test("a checkpoint that is damaged is not used but the newest one that is whole, and written anew") {
    start("local-cluster[2,1,1024]")
    val (data, dir) = (points(), freshPath())
    endedAt(4L * StepsOfEpoch, data, kept(dir))
    val expected = kept(dir).fit(data)
    val damages = Seq[(String, Path => Unit)](
      "truncated" -> { path => Files.write(path, Files.readAllBytes(path).dropRight(1)): Unit },
      "bit turned" -> { path =>
        val bytes = Files.readAllBytes(path)
        bytes(bytes.length / 2) = (bytes(bytes.length / 2) ^ 1).toByte
        Files.write(path, bytes): Unit
      },
      "gone" -> { path => Files.delete(path) }
    )
    for {
      name <- Seq("safetensors", "json")
      (what, damage) <- damages if name == "safetensors" || what != "gone"
    } {
      val newest = files(folder(dir)).find { path =>
        val file = path.getFileName.toString
        file.startsWith(f"step-${5 * StepsOfEpoch}%012d.") && file.endsWith(name)
      }.get
      // A file system with checksums of its own would find it too.
      Files.deleteIfExists(newest.resolveSibling(s".${newest.getFileName}.crc"))
      damage(newest)
      val handle = kept(dir).startFit(data)
      val model = over(handle).result()
      assert(model.summary.resumedFromStep.contains(4L * StepsOfEpoch), s"$name $what")
      same(model, expected)
      val told = handle.progressLines().mkString("\n")
      assert(
        told.contains(s"the checkpoint of step ${5 * StepsOfEpoch}") && told.contains("is not used: "),
        told
      )
      assert(kept(dir).fit(data).summary.resumedFromStep.contains(5L * StepsOfEpoch), s"$name $what")
    }
  }

  test("a checkpoint that cannot be read at the moment ends the fit, which goes on from it later") {
    start("local[2]", "spark.hadoop.fs.unread.impl" -> classOf[Unread].getName)
    val (data, dir) = (points(), s"unread://${freshPath()}")
    val expected = kept(dir).fit(data)
    val newest = 5L * StepsOfEpoch
    for {
      ending <- Seq(".safetensors", ".json")
      why <- Seq(
        new IOException("block missing"),
        new AccessControlException("no permission to read"),
        // So Hadoop tells trouble of the moment, too.
        new FileNotFoundException("x (Permission denied)"),
        new EOFException("End of File Exception between local host is: a; destination host is: b")
      )
    } {
      Unread.failure = Some(ending -> why)
      val error =
        try intercept[RetryableException](kept(dir).fit(data))
        finally Unread.failure = None
      assert(error.getMessage.contains(s"the checkpoint of step $newest in unread:/"), error)
      assert(error.getMessage.contains(s"cannot be read now: ${why.getMessage}; try again, or delete"), error)
      assert(Failures.causes(error).contains(why))
    }
    val model = kept(dir).fit(data)
    assert(model.summary.resumedFromStep.contains(newest))
    same(model, expected)
  }

  test(
    "the checkpoint of another fit that was ended is refused with what differs; that of one that is over is not"
  ) {
    start("local-cluster[2,1,1024]")
    val (data, dir) = (points(), freshPath())
    val lock = lockOfEndedAt(StepsOfEpoch, data, kept(dir))
    val mine = folder(dir)
    // A driver that was killed leaves its lock. Fits of one driver are those of a search: they may differ.
    Checkpoints.forget(dir)
    val left = lock.replaceFirst("\"pid\":\\d+", s"\"pid\":${Int.MaxValue}")
    Files.write(mine.resolve("driver.lock"), left.getBytes(UTF_8))
    def refused(estimator: NeuralClassifier, rows: DataFrame = data): String =
      intercept[InvalidParameterException](estimator.fit(rows)).getMessage
    // Nor are fits that failed before they looked there.
    assert(refused(kept(dir).setNumTrainers(99)).startsWith("numTrainers=99 is more than"))
    assert(refused(kept(dir).setInitialWeights(freshPath())).contains("there is no such file"))
    for {
      (other, wanted) <- Seq(
        refused(kept(dir).setBatchSize(16)) -> "batchSize is 16 and was 32",
        refused(kept(dir).setSeed(8)) -> "seed is 8 and was 7",
        refused(kept(dir), points(201)) -> "the number of rows is 201 and was 200",
        refused(kept(dir).setInitialModel(gang.setEpochs(1).fit(data))) -> "the hash of initialWeights is "
      )
    } {
      assert(other.contains(wanted), other)
      assert(other.contains(s"killed after step $StepsOfEpoch (complete epochs: 1)"), other)
      assert(other.contains("choose another checkpointDir") && other.contains(folder(dir).toString), other)
    }
    // Of a driver on another host nobody knows whether it was killed: a fit that differs begins anew, and says so.
    Files.write(
      mine.resolve("driver.lock"),
      left.replaceFirst("\"host\":\"", "\"host\":\"not-").getBytes(UTF_8)
    )
    def told(seed: Long): Array[String] = {
      val handle = kept(dir).setSeed(seed).startFit(data)
      assert(handle.result().summary.resumedFromStep.isEmpty)
      Checkpoints.forget(dir)
      handle.progressLines().filter(_.contains("may have been killed"))
    }
    assert(told(9).isEmpty, "it was heard of just now")
    val hour = FileTime.fromMillis(System.currentTimeMillis - 3600000L)
    Files.setLastModifiedTime(mine.resolve("driver.lock"), hour): Unit
    val warned = told(10)
    assert(warned.exists(_.contains("begins anew, since seed is 10 and was 7; to go on")), warned.mkString)
    Files.write(mine.resolve("driver.lock"), left.getBytes(UTF_8))
    assert(kept(dir).fit(data).summary.resumedFromStep.contains(StepsOfEpoch.toLong))
    // Now that it is over others may be beside it: a cross validation has one checkpointDir.
    assert(kept(dir).setSeed(8).fit(data).summary.resumedFromStep.isEmpty)
    assert(files(Paths.get(dir)).length == 4)
    // One that was cancelled is no reason either, and one that was killed is none to a fit of the same search.
    val other = freshPath()
    endedAt(StepsOfEpoch, data, kept(other))
    Checkpoints.forget(other)
    val search = kept(other).setBatchSize(16)
    assert(search.fit(data).summary.resumedFromStep.isEmpty)
    Files.write(folderOf(other, Paths.get(mine.toString)).resolve("driver.lock"), left.getBytes(UTF_8))
    assert(search.setBatchSize(8).fit(data).summary.resumedFromStep.isEmpty)
  }

  test("of two fits at once that have the same checkpoints one says that the other has them") {
    start("local-cluster[2,2,1024]")
    val (data, dir) = (points(), freshPath())
    held(s"train.step=3") { gates =>
      val first = kept(dir).startFit(data)
      val hit = gates.next()
      val error = intercept[InvalidParameterException](kept(dir).fit(data))
      assert(error.getMessage.contains(s"fit ${first.id} of the driver on host"), error)
      assert(error.getMessage.contains("wait for it, end it, or choose another checkpointDir"), error)
      // Another one may have its own beside them.
      hit.go()
      gates.open()
      kept(dir).setSeed(9).fit(data)
      over(first).result()
    }
    assert(files(Paths.get(dir)).length == 2)
    assert(files(Paths.get(dir)).flatMap(files).forall(!_.endsWith("driver.lock")))
  }

  test("a fit whose checkpoints another driver has taken over ends and says so") {
    start("local-cluster[2,1,1024]")
    val (data, dir) = (points(), freshPath())
    held(s"train.step=3") { gates =>
      val handle = kept(dir).startFit(data)
      val hit = gates.next()
      val lock = folder(dir).resolve("driver.lock")
      val other = Files.readString(lock).replaceFirst("\"fit\":\"[^\"]*\"", "\"fit\":\"other\"")
      Files.write(lock, other.getBytes(UTF_8))
      hit.go()
      gates.open()
      val error = intercept[CancelledException](over(handle).result())
      assert(error.getMessage.contains("checkpointDir: fit other of the driver on host"), error)
      assert(Files.readString(lock) == other, "it is not ours to give back")
    }
  }

  test("a folder that cannot be written to is refused before anything starts") {
    start(
      "local[2]",
      "spark.hadoop.fs.norename.impl" -> classOf[NoRename].getName,
      "spark.hadoop.fs.incomplete.impl" -> classOf[Incomplete].getName,
      "spark.hadoop.fs.lost.impl" -> "org.apache.hadoop.fs.s3a.LostFileSystem"
    )
    val choose = "choose a folder that this user may write to"
    val aws = s"spark.jars.packages=org.apache.hadoop:hadoop-aws:${VersionInfo.getVersion}"
    val file = Files.createTempFile("candlewick", "file")
    for {
      (dir, wanted, todo) <- Seq(
        (s"$file/below", "checkpointDir: no checkpoint can be written to", choose),
        ("nosuch://host/folder", "No FileSystem for scheme", choose),
        (s"norename://${freshPath()}", "norename has no rename", choose),
        (
          s"incomplete://${freshPath()}",
          "the class sdk.Client is missing",
          "put the jar of this file system"
        ),
        (s"lost://bucket/a", "the class org.apache.hadoop.fs.s3a.LostFileSystem is missing", aws)
      )
    } {
      val error = intercept[InvalidParameterException](kept(dir).fit(points()))
      assert(error.getMessage.contains(wanted), error)
      assert(error.getMessage.contains(todo), error)
    }
  }

  test("a fit goes on where its folder is deleted, and writes into a new one") {
    start("local-cluster[2,1,1024]")
    val (data, dir) = (points(), freshPath())
    held(s"train.step=3") { gates =>
      val handle = kept(dir).startFit(data)
      val hit = gates.next()
      val gone = folder(dir)
      files(gone).foreach(Files.delete)
      Files.delete(gone)
      hit.go()
      gates.open()
      over(handle).result()
    }
    assert(steps(dir).last == 5 * StepsOfEpoch)
  }

  test("without checkpoints at epochs and steps there is that of the end") {
    start("local[2]")
    val (data, dir) = (points(), freshPath())
    kept(dir).setCheckpointInterval(-1).fit(data)
    assert(steps(dir) == Seq(5L * StepsOfEpoch))
  }

  test("a fit goes on where a checkpoint could not be written, and says so") {
    start("local-cluster[2,1,1024]")
    val (data, dir) = (points(), freshPath())
    val expected = gang.fit(data)
    held(s"train.step=3") { gates =>
      val handle = kept(dir).startFit(data)
      val hit = gates.next()
      // A folder stands where the last state is to be.
      val state = CheckpointFolder.stateName(5L * StepsOfEpoch, handle.id)
      Files.createDirectories(folder(dir).resolve(state).resolve("full"))
      hit.go()
      gates.open()
      same(over(handle).result(), expected)
      val told = handle.progressLines().mkString("\n")
      assert(told.contains("a checkpoint was not written to") && told.contains("training goes on"), told)
    }
    assert(!steps(dir).contains(5L * StepsOfEpoch), steps(dir))
  }
}

object CheckpointSuite {

  /** Of 200 rows about a fifth are put aside. */
  private val StepsOfEpoch = 6
}

/** A file system that cannot rename. */
final class NoRename extends RawLocalFileSystem {
  override def getScheme: String = "norename"
  override def getUri: java.net.URI = java.net.URI.create("norename:///")
  override def rename(from: HadoopPath, to: HadoopPath): Boolean =
    throw new UnsupportedOperationException("norename has no rename")
}

/** A file system whose own dependencies are not on the class path. */
final class Incomplete extends RawLocalFileSystem {
  override def getScheme: String = "incomplete"
  override def getUri: java.net.URI = java.net.URI.create("incomplete:///")
  override def mkdirs(path: HadoopPath): Boolean = throw new NoClassDefFoundError("sdk/Client")
}

/** A file system some of whose files cannot be opened. */
final class Unread extends RawLocalFileSystem {
  override def getScheme: String = "unread"
  override def getUri: java.net.URI = java.net.URI.create("unread:///")
  override def open(path: HadoopPath, buffer: Int): FSDataInputStream = {
    Unread.failure.foreach { case (ending, why) => if (path.getName.endsWith(ending)) throw why }
    super.open(path, buffer)
  }
}

object Unread {

  /** How the names of the files end, and what is said of them. */
  @volatile var failure = Option.empty[(String, IOException)]
}
