package candlewick.fit

import candlewick.TestFolders
import candlewick.ClusterSuite
import candlewick.internal.Json
import candlewick.jni._
import java.io.IOException
import java.nio.file.{Files, Path}
import java.nio.file.attribute.PosixFilePermissions
import org.apache.spark.sql.functions.{col, lit, raise_error, when}
import scala.jdk.CollectionConverters._

/** What is left of a fit that failed. */
class FlightRecordSuite extends ClusterSuite {
  private def gang = classifier().setNumTrainers(2).setInputShape(Array(4)).setMaxRecoveries(0)

  private def records(folder: Path): Seq[Path] =
    if (!Files.exists(folder)) Nil
    else {
      val listed = Files.list(folder)
      try listed.iterator().asScala.toSeq.filterNot(_.getFileName.toString.startsWith("."))
      finally listed.close()
    }

  test("a fit that failed leaves one file that says who stood where, what was said last, and no secret") {
    val folder = TestFolders.fresh("test").resolve("records")
    start(
      "local-cluster[2,1,1024]",
      FlightRecord.FolderSetting -> folder.toString,
      "spark.hadoop.fs.s3a.secret.key" -> "hidden-1",
      "spark.hadoop.fs.azure.account.key.mine" -> "hidden-2",
      "spark.my.setting" -> "password=hidden-3"
    )
    val error = held("train.step=9") { gates =>
      val handle = gang.startFit(points())
      val hits = Seq(gates.next(), gates.next())
      kill(hits.head.process)
      gates.open()
      hits.last.go()
      val error = intercept[JobFailedException](over(handle).result())
      assert(handle.progressLines().exists(_.contains("what was said last is in ")))
      error
    }
    val file = records(folder) match {
      case Seq(only) => only
      case others => fail(s"$others")
    }
    assert(error.getMessage.contains("killed by signal 9"), error)
    assert(
      error.getMessage.endsWith(s"The flight record is in ${new org.apache.hadoop.fs.Path(file.toString)}"),
      error
    )
    assert(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)) == "rwx------")
    assert(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)) == "rw-------")
    val text = Files.readString(file)
    assert(!text.contains("hidden-"))
    val record = Json.parse(text)
    assert(error.getMessage.startsWith(record.get("failure").get("message").asText), record)
    val trainers = Json.items(record.get("trainers"))
    assert(trainers.map(_.get("shards").asText).sorted == Seq("0 to 3", "4 to 7"), record)
    assert(trainers.forall(_.get("progress").get("residentBytes").asLong > (1L << 20)), record)
    assert(trainers.count(_.get("exit").isNull) == 1, record)
    val said = Json.items(record.get("events")).map(_.get("what").asText)
    assert(
      said.exists(_.startsWith("is told START generation 1")) && said.exists(_.contains("ended: killed by")),
      said
    )
    val driver = record.get("driver")
    assert(driver.get("heapMaxBytes").asLong > 0 && driver.get("phases").has("feed"), driver)
    assert(driver.get("settings").get("spark.master").asText == "local-cluster[2,1,1024]")
  }

  test("a failure keeps its class, whatever record it names") {
    val failures = Seq(
      new JobFailedException("why"),
      new NativePanicException("why"),
      new RetryableException("why"),
      new UnauthenticatedException("why"),
      new CandlewickException("why")
    )
    failures.foreach { failure =>
      val told = FlightRecord.told(failure, "there")
      assert(told.getClass == failure.getClass && told.getCause == failure, told)
      assert(told.getMessage == "why\nThe flight record is in there")
    }
    val other = new IllegalStateException("why")
    assert(FlightRecord.told(other, "there") eq other)
  }

  private def mode(path: Path): String = PosixFilePermissions.toString(Files.getPosixFilePermissions(path))

  test("a folder that nobody chose is this user's own: no link, no file, and nobody else writes there") {
    val context = start("local[2]").sparkContext
    val temporary = TestFolders.fresh("temporary")
    val own = temporary.resolve(s"candlewick-flight-records-${sys.props("user.name")}")
    def write() = FlightRecord.write(
      context,
      context.hadoopConfiguration,
      "a1b2c3d4e5f6",
      Json.obj(),
      Json.obj(),
      temporary.toString
    )
    def refused(why: String): Unit = {
      val told = intercept[IOException](write()).getMessage
      assert(told.contains(why) && told.contains(s"set ${FlightRecord.FolderSetting}"), told)
      Files.delete(own)
    }
    val elsewhere = Files.createDirectory(temporary.resolve("elsewhere"))
    val others =
      (10 to 12 + FlightRecord.Kept).map(at => Files.createFile(elsewhere.resolve(s"fit-$at.json")))
    Files.createSymbolicLink(own, elsewhere)
    refused("is there and is no folder")
    assert(records(elsewhere).toSet == others.toSet)
    Files.createFile(own)
    refused("is there and is no folder")
    Files.createDirectory(own)
    Files.setPosixFilePermissions(own, PosixFilePermissions.fromString("rwxrwxrwx"))
    refused("is writable by others")
    val path = write()
    val kept = records(own)
    assert(kept.map(file => s"file:$file") == Seq(path))
    assert(mode(own) == "rwx------" && mode(kept.head) == "rw-------")
    // Of its own records it keeps the newest.
    (10 to 12 + FlightRecord.Kept).foreach(at => Files.createFile(own.resolve(s"fit-$at.json")))
    Files.delete(kept.head)
    write(): Unit
    assert(records(own).length == FlightRecord.Kept && records(own).contains(kept.head))
  }

  test("where no record can be written, the fit says so beside its failure") {
    val file = Files.createFile(TestFolders.fresh("test").resolve("records"))
    start("local[2]", FlightRecord.FolderSetting -> s"$file/below")
    val off = raise_error(lit("off")).cast("double")
    val broken = points().withColumn("label", when(col("label") === 2, off).otherwise(col("label")))
    val handle = gang.startFit(broken)
    val error = intercept[Exception](over(handle).result())
    assert(error.getMessage.contains("off") && !error.getMessage.contains("flight record"), error)
    assert(handle.progressLines().exists(_.contains("the fit failed, and no flight record was written: ")))
  }

  test("what the message alone says how to mend leaves none") {
    val folder = TestFolders.fresh("test").resolve("records")
    start("local[2]", FlightRecord.FolderSetting -> folder.toString)
    val wrong = points().withColumn("label", when(col("label") === 2, lit(7.0)).otherwise(col("label")))
    intercept[InvalidDataException](gang.fit(wrong))
    val handle = endless.startFit(points())
    eventually(assert(trainers().nonEmpty))
    handle.cancel("the test ends it")
    intercept[CancelledException](over(handle).result())
    assert(records(folder).isEmpty)
  }
}
