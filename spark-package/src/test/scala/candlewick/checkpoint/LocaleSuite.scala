package candlewick.checkpoint

import candlewick.TestFolders
import candlewick.internal.{FileNames, Json, ShardedWeights, WeightsFile}
import java.nio.{ByteBuffer, ByteOrder}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path => LocalPath}
import java.util.Locale
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import org.scalatest.funsuite.AnyFunSuite
import scala.jdk.CollectionConverters._

/** Names of files, where the locale writes numbers in digits of its own. */
class LocaleSuite extends AnyFunSuite {
  private val conf = new Configuration

  private def inPersian[T](body: => T): T = {
    val before = Locale.getDefault
    Locale.setDefault(Locale.forLanguageTag("fa-IR"))
    try {
      assert("%d".format(1) == "\u06f1", "the locale has digits of its own")
      body
    } finally Locale.setDefault(before)
  }

  private def names(folder: LocalPath): Seq[String] = {
    val listed = Files.list(folder)
    try listed.iterator().asScala.map(_.getFileName.toString).filterNot(_.startsWith(".")).toSeq.sorted
    finally listed.close()
  }

  test("a checkpoint is found again") {
    val local = TestFolders.fresh("locale")
    val folder = new CheckpointFolder(conf, new Path(local.toUri))
    val state = inPersian {
      folder.writeManifest(120, "{}")
      CheckpointFolder.stateName(120, "0123456789")
    }
    assert(state == "step-000000000120.01234567.safetensors")
    assert(names(local) == Seq("step-000000000120.json"))
    assert(inPersian(folder.steps) == Seq(120L) && folder.steps == Seq(120L))
    // Nor is its state taken for one that belongs to nothing, or left behind with it.
    Files.createFile(local.resolve(state))
    inPersian(folder.clean())
    assert(names(local).contains(state))
    inPersian(folder.delete(120))
    assert(names(local).isEmpty)
  }

  test("weights in several files have the names that others look for") {
    val local = TestFolders.fresh("locale")
    def tensor(from: Int) =
      Json.obj("dtype" -> "F32", "shape" -> Seq(1), "data_offsets" -> Seq(from, from + 4))
    val header = Json.obj("a" -> tensor(0), "b" -> tensor(4)).toString.getBytes(UTF_8)
    val file = ByteBuffer.allocate(8 + header.length + 8).order(ByteOrder.LITTLE_ENDIAN)
    file.putLong(header.length.toLong).put(header).putFloat(1.0f).putFloat(2.0f): Unit
    val folder = new Path(local.toUri)
    inPersian(ShardedWeights.write(conf, folder, "weights", 4)(WeightsFile.of(file.array)))
    val both = (1 to 2).map(at => s"weights-0000$at-of-00002.safetensors")
    assert(names(local) == both :+ "weights.safetensors.index.json")
    assert(ShardedWeights.read(conf, new Path(folder, "weights.safetensors.index.json")).bytes > 8)
  }

  test("names that lead out of a folder are none of its files") {
    assert(
      Seq("state.safetensors", "step-000000000120.01234567.safetensors", "a b").forall(FileNames.isPlain)
    )
    val others = Seq("", ".", "..", ".hidden", "../a", "a/b", "/a", "a/..", "a\\b", "file:a", "hdfs://host/a")
    assert(others.filter(FileNames.isPlain).isEmpty)
  }
}
