package candlewick.checkpoint

import candlewick._
import candlewick.internal.Clock
import candlewick.jni.{CancelledException, InvalidParameterException}
import java.io.{File, IOException}
import java.lang.management.ManagementFactory
import java.net.{InetAddress, InetSocketAddress, Socket}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.Paths
import java.util.concurrent.TimeUnit
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{
  EtagSource,
  FileStatus,
  FileSystem,
  FilterFileSystem,
  FSDataInputStream,
  FSDataOutputStream,
  Path
}
import org.apache.hadoop.fs.permission.FsPermission
import org.apache.hadoop.util.Progressable
import org.apache.spark.sql.{DataFrame, SparkSession}
import scala.jdk.CollectionConverters._

/** Checkpoints, models, initial weights and rows on an S3-compatible server, through Hadoop's S3A. */
class S3Suite extends ClusterSuite {
  import S3Suite._

  private lazy val server = new S3Server(Bucket, "large")

  /** It has a port at which nobody listens, so nobody else can. */
  private lazy val deaf = new Socket()
  private lazy val nobody = {
    deaf.bind(new InetSocketAddress(InetAddress.getLoopbackAddress, 0))
    s"http://127.0.0.1:${deaf.getLocalPort}"
  }

  /** Those of the server, and of buckets that cannot be used; `silent` is tried as long as S3A likes. */
  private def settings: Seq[(String, String)] = server.settings() ++ Seq(
    "wrongkey.access.key" -> "AKIAXXXXXXXXXXXXXXXX",
    "wrongsecret.secret.key" -> "another",
    "silent.endpoint" -> nobody,
    "nowhere.endpoint" -> nobody,
    "nowhere.attempts.maximum" -> "1",
    "nowhere.retry.limit" -> "0",
    "large.multipart.size" -> "5M",
    "large.multipart.threshold" -> "5M"
  ).map { case (name, value) => s"spark.hadoop.fs.s3a.bucket.$name" -> value }

  private def started(master: String, more: (String, String)*): Unit =
    start(master, settings ++ more: _*): Unit

  /** Hadoop's view of the settings, without Spark. */
  private lazy val conf: Configuration = {
    val made = new Configuration()
    settings.foreach { case (name, value) => made.set(name.stripPrefix("spark.hadoop."), value) }
    made
  }
  private lazy val files: FileSystem = new Path(Root).getFileSystem(conf)

  override protected def afterAll(): Unit =
    try super.afterAll()
    finally {
      deaf.close()
      server.close()
    }

  private def statuses(folder: Path): Seq[FileStatus] = {
    val files = folder.getFileSystem(conf)
    if (files.exists(folder)) files.listStatus(folder).toSeq.sortBy(_.getPath.getName) else Nil
  }

  private def names(folder: Path): Seq[String] = statuses(folder).map(_.getPath.getName)

  /** The folders of fits in a checkpointDir. */
  private def folders(dir: String): Seq[Path] = names(new Path(dir)).map(new Path(dir, _))

  private def folder(dir: String): Path = {
    val found = folders(dir)
    assert(found.length == 1, found)
    found.head
  }

  private def manifests(dir: String): Seq[Path] = for {
    folder <- folders(dir)
    name <- names(folder) if name.endsWith(".json")
  } yield new Path(folder, name)

  private def read(path: Path): Array[Byte] = {
    val in = files.open(path)
    try in.readAllBytes()
    finally in.close()
  }

  private def write(path: Path, content: Array[Byte]): Unit = {
    val out = files.create(path, true)
    try out.write(content)
    finally out.close()
  }

  test("a fit goes on from a checkpoint on S3 with the same bits, and one at a time has the folder") {
    started("local-cluster[1,2,1024]")
    points().write.parquet(s"$Root/rows")
    val (data, dir) = (current.read.parquet(s"$Root/rows"), s"$Root/checkpoints")
    def kept = gang.setCheckpointDir(dir).setNumTrainers(2)
    val expected = gang.fit(data)
    held(s"train.step=${2 * StepsOfEpoch}") { gates =>
      val handle = kept.setNumTrainers(1).startFit(data)
      gates.next()
      eventually {
        val there = folders(dir).flatMap(names)
        assert(there.contains("step-000000000014.json") && there.contains("driver.lock"), s"$handle $there")
      }
      val error = intercept[InvalidParameterException](kept.setNumTrainers(1).fit(data))
      assert(error.getMessage.contains(s"fit ${handle.id} of the driver on host"), error)
      handle.cancel("the test ends it")
      gates.open()
      intercept[CancelledException](over(handle).result())
    }
    assert(names(folder(dir)).forall(_.startsWith("step-")))
    val model = kept.fit(data)
    assert(model.summary.resumedFromStep.contains(14L))
    assert(model.weightsHash == expected.weightsHash)
    // keepCheckpoints is 2. Which one is there beside the last depends on how fast they are written.
    val left = names(folder(dir))
    assert(
      left.length == 4 && left.forall(_.startsWith("step-")) && left.last == "step-000000000035.json",
      left
    )
    damaged(kept, data, dir, expected.weightsHash)
  }

  /** The newest checkpoint is damaged in several ways: the one before it is used, and the newest is written anew. */
  private def damaged(kept: => NeuralClassifier, data: DataFrame, dir: String, hash: String): Unit = {
    val manifest = new Path(folder(dir), "step-000000000035.json")
    def state = names(folder(dir)).find(_.matches("step-000000000035\\..*safetensors")).get
    gang.setCheckpointDir(s"$Root/others").setSeed(8).fit(data)
    val foreign = manifests(s"$Root/others").last
    val damages = Seq[(String, () => Unit)](
      "bytes, expected" -> { () =>
        val path = new Path(folder(dir), state)
        write(path, read(path).dropRight(1))
      },
      "is damaged: its SHA-256" -> { () =>
        val path = new Path(folder(dir), state)
        val bytes = read(path)
        bytes(bytes.length / 2) = (bytes(bytes.length / 2) ^ 1).toByte
        write(path, bytes)
      },
      "the manifest is damaged" -> { () =>
        write(
          manifest,
          new String(read(manifest), UTF_8).replace("\"step\":35", "\"step\":34").getBytes(UTF_8)
        )
      },
      "seed is 7 and was 8" -> { () => write(manifest, read(foreign)) }
    )
    damages.foreach { case (told, damage) =>
      val before = names(folder(dir)).collect { case s"step-$step.json" => step.toLong }.init.last
      damage()
      val handle = kept.startFit(data)
      val model = over(handle).result()
      assert(model.summary.resumedFromStep.contains(before) && model.weightsHash == hash, told)
      val lines = handle.progressLines().mkString("\n")
      assert(lines.contains("the checkpoint of step 35") && lines.contains(told), lines)
    }
    assert(kept.fit(data).summary.resumedFromStep.contains(35L))
    assert(names(folder(dir)).length == 4)
  }

  test("a fit whose driver was killed goes on from S3 with the same bits") {
    started("local[2]")
    val (data, dir) = (points(), s"$Root/killed")
    killedWhileTraining(dir)
    // As a driver leaves it that was killed while it wrote.
    val unfinished = new Path(folder(dir), "step-000000000007.0.safetensors.x.unfinished")
    write(unfinished, Array[Byte](1))
    assert(names(folder(dir)).contains("driver.lock"))
    val newest = Manifest.parse(new String(read(manifests(dir).last), UTF_8))
    val epochs = newest.epoch + 2
    val model = gang.setEpochs(epochs).setCheckpointDir(dir).fit(data)
    assert(model.summary.resumedFromStep.contains(newest.step))
    assert(model.weightsHash == gang.setEpochs(epochs).fit(data).weightsHash)
    val left = names(folder(dir))
    assert(left.length == 4 && left.forall(_.startsWith("step-")), left)
  }

  /** A driver of its own that trains without an end, killed once it has written checkpoints. */
  private def killedWhileTraining(dir: String): Unit = {
    val own = ManagementFactory.getRuntimeMXBean.getInputArguments.asScala
    val spark = settings ++ Seq(
      "spark.master" -> "local[2]",
      "spark.app.name" -> "killed",
      "spark.ui.enabled" -> "false",
      "spark.driver.host" -> "127.0.0.1",
      "spark.driver.bindAddress" -> "127.0.0.1",
      "candlewick.native.dir" -> sys.props("candlewick.native.dir")
    )
    val java = Paths.get(sys.props("java.home"), "bin", "java").toString
    val command = Seq(java) ++ own ++ spark.map { case (name, value) => s"-D$name=$value" } ++
      Seq("-cp", sys.props("java.class.path"), "candlewick.checkpoint.S3Driver", dir)
    val log = new File(freshPath())
    val driver =
      new ProcessBuilder(command: _*).redirectErrorStream(true).redirectOutput(log).start()
    try
      eventually(assert(manifests(dir).length >= 2, s"alive: ${driver.isAlive}, see $log"))
    finally kill(driver.toHandle)
  }

  test("states that S3A uploads and copies in parts are whole") {
    started("local[2]")
    val (data, dir) = (points(), "s3a://large/checkpoints")
    def wide = gang
      .setNetwork(nn.Sequential(nn.Linear(1024), nn.ReLU(), nn.Linear(1024), nn.ReLU(), nn.Linear(3)))
    wide.setEpochs(1).setCheckpointDir(dir).fit(data)
    val state = statuses(folder(dir)).find(_.getPath.getName.endsWith(".safetensors")).get
    assert(state.getLen > (10 << 20))
    assert(state.asInstanceOf[EtagSource].getEtag.contains("-"), "it is an object of one part")
    val model = wide.setEpochs(2).setCheckpointDir(dir).fit(data)
    assert(model.summary.resumedFromStep.contains(StepsOfEpoch.toLong))
    assert(model.weightsHash == wide.setEpochs(2).fit(data).weightsHash)
  }

  test("models, the states of their optimisers and initial weights lie on S3") {
    started("local[2]")
    val (data, at) = (points(), s"$Root/model")
    val half = gang.setSaveOptimizer(true).setEpochs(2).fit(data)
    // Its state lies on the driver's disk, which is another file system.
    half.write.overwrite().save(at)
    assert(intercept[IOException](half.write.save(at)).getMessage.contains("already exists"))
    val loaded = NeuralClassificationModel.load(at)
    assert(loaded.weightsHash == half.weightsHash)
    def scores(of: NeuralClassificationModel) = of.transform(data).select("rawPrediction").collect().toSeq
    assert(scores(loaded) == scores(half))
    // Written over what it was loaded from, whose state is still there only.
    loaded.write.overwrite().save(at)
    val again = NeuralClassificationModel.load(at)
    val more = gang.setInitialModel(again).setResumeOptimizer(true).fit(data)
    assert(more.summary.resumedFromStep.contains(2L * StepsOfEpoch))
    assert(more.weightsHash == gang.fit(data).weightsHash)
    val weights = new Path(at, "data/weights.safetensors")
    val warm = gang.setInitialWeights(weights.toString).fit(data)
    assert(warm.weightsHash == gang.setInitialModel(half).fit(data).weightsHash)
    write(weights, read(weights).dropRight(1))
    val error = intercept[InvalidParameterException](NeuralClassificationModel.load(at))
    assert(error.getMessage.contains(s"the file data/weights.safetensors in $at is damaged"), error)
  }

  test("a bucket that cannot be used is told before anything starts, with why") {
    started("local[2]")
    val data = points()
    val model = gang.setEpochs(1).fit(data)
    for (
      (bucket, wanted) <- Seq(
        "missing" -> "NoSuchBucket",
        "wrongkey" -> "Status Code: 403",
        "wrongsecret" -> "Status Code: 403",
        "nowhere" -> "Connection refused"
      )
    ) {
      val at = s"s3a://$bucket/folder"
      val tried = Seq[(String, () => Any)](
        s"no checkpoint can be written to $at: " -> { () => gang.setCheckpointDir(at).fit(data) },
        s"initialWeights: the file $at cannot be read: " -> { () => gang.setInitialWeights(at).fit(data) },
        at -> { () => model.write.overwrite().save(at) },
        at -> { () => NeuralClassificationModel.load(at) }
      )
      tried.foreach { case (told, body) =>
        val message = intercept[Exception](body()).toString
        assert(message.contains(told) && message.contains(wanted), message)
      }
    }
  }

  test("a server that is not there is not waited for as long as S3A would") {
    started("local[2]")
    val error =
      try
        intercept[InvalidParameterException](
          CheckpointFolder.check(conf, "s3a://silent/folder", stays = true) { () =>
            Clock.nanos = () => System.nanoTime() + TimeUnit.HOURS.toNanos(1)
          }
        )
      finally Clock.nanos = () => System.nanoTime()
    assert(error.getMessage.contains("its file system has not answered for 180 s"), error)
    // It is told meanwhile, and does not hold up who cancels the fit.
    val handle = gang.setCheckpointDir("s3a://silent/folder").startFit(points())
    val line = "checkpointDir: still waiting for the file system of s3a://silent/folder"
    eventually(assert(handle.progressLines().contains(line), handle))
    handle.cancel("the test ends it")
    cancelled(handle)
  }

  test("a fit goes on where S3 is gone meanwhile, and says so") {
    val leaving = new S3Server("leaving")
    try {
      val of = "bucket.leaving."
      val few = Seq("attempts.maximum" -> "1", "retry.limit" -> "0").map { case (name, value) =>
        s"spark.hadoop.fs.s3a.$of$name" -> value
      }
      started("local-cluster[1,1,1024]", leaving.settings(of) ++ few: _*)
      val (data, dir) = (points(), "s3a://leaving/checkpoints")
      held(s"train.step=${StepsOfEpoch + 3}") { gates =>
        val handle = gang.setCheckpointDir(dir).startFit(data)
        val hit = gates.next()
        // The session's own settings know the bucket.
        val bucket = new Path(dir).getFileSystem(current.sparkContext.hadoopConfiguration)
        def written =
          bucket.listStatus(new Path(dir)).toSeq.flatMap(folder => bucket.listStatus(folder.getPath).toSeq)
        eventually(assert(written.exists(_.getPath.getName == "step-000000000007.json"), handle))
        leaving.close()
        hit.go()
        gates.open()
        assert(over(handle).result().weightsHash == gang.fit(data).weightsHash)
        val told = handle.progressLines().mkString("\n")
        assert(
          told.contains(s"a checkpoint was not written to $dir") && told.contains("training goes on"),
          told
        )
      }
    } finally leaving.close()
  }

  test("a lock that its driver renews while it is read is read again") {
    val folder = new Path(s"$Root/lock")
    val owner = new FolderLock(files, folder, "first")
    owner.acquire(_ => fail("waits"))
    var renewals = 1
    val reader = new FilterFileSystem(files) {
      override def open(path: Path, bufferSize: Int): FSDataInputStream = {
        val in = super.open(path, bufferSize)
        renewals -= 1
        if (renewals == 0) owner.renew()
        in
      }
    }
    val second = new FolderLock(reader, folder, "second")
    val error = intercept[InvalidParameterException](second.acquire(_ => fail("waits")))
    assert(error.getMessage.contains("fit first of the driver on host"), error)
    assert(renewals < 0, "it was not read again")
    owner.release()
    assert(names(folder).isEmpty)
  }

  test("a driver whose lock is written over by one that made it at once finds out") {
    val folder = new Path(s"$Root/race")
    val second = new FolderLock(files, folder, "second")
    var raced = false
    val racing = new FilterFileSystem(files) {
      override def create(
          path: Path,
          permission: FsPermission,
          overwrite: Boolean,
          bufferSize: Int,
          replication: Short,
          blockSize: Long,
          progress: Progressable
      ): FSDataOutputStream = {
        val out =
          super.create(path, permission, overwrite, bufferSize, replication, blockSize, progress)
        raced = true
        second.acquire(_ => fail("waits"))
        out
      }
    }
    val first = new FolderLock(racing, folder, "first")
    first.acquire(_ => fail("waits"))
    assert(raced)
    first.check()
    val error = intercept[InvalidParameterException](second.check())
    assert(error.getMessage.contains("fit first of the driver on host"), error)
    second.release()
    first.check()
    first.release()
    assert(names(folder).isEmpty)
  }
}

object S3Suite {
  private val Bucket = "candlewick"
  private val Root = s"s3a://$Bucket"

  /** 200 rows, 32 at a time. */
  private val StepsOfEpoch = 7

  /** What all of it trains. */
  private[checkpoint] def gang: NeuralClassifier = new NeuralClassifier()
    .setNetwork(nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(3)))
    .setOptimizer(optim.AdamW(lr = 0.05))
    .setBatchSize(32)
    .setEpochs(5)
    .setSeed(7)
    .setInputShape(Array(4))
    .setNumTrainers(1)
    .setThreadsPerTrainer(1)
}

/** A driver of its own, for the suite to kill. Its settings are properties of the JVM. */
object S3Driver {
  def main(arguments: Array[String]): Unit = {
    val session = SparkSession.builder().getOrCreate()
    S3Suite.gang.setEpochs(1000000).setCheckpointDir(arguments(0)).fit(ClusterSuite.points(session)): Unit
  }
}
