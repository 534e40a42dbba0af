package candlewick.cluster

import java.nio.file.Files
import org.apache.spark.SparkConf
import org.scalatest.funsuite.AnyFunSuite

/** What memory trainers may use, by Spark's settings and by the machine. */
class MemoryLimitSuite extends AnyFunSuite {
  private val Gib = 1L << 30
  private val Mib = 1L << 20

  private def conf(settings: (String, String)*): SparkConf = {
    val made = new SparkConf(false)
    settings.foreach { case (name, value) => made.set(name, value) }
    made
  }

  private val nothing = FoundMemory(None, None)

  /** Of so many trainers that have all of an executor. */
  private def all(trainers: Int) = Share(trainers, 4, 4, 4)

  private def bytes(master: String, trainers: Int, settings: (String, String)*): Option[Long] =
    MemoryLimit.of(conf(settings: _*), master, 0L, all(trainers), nothing).map(_.bytes)

  test("the overhead is what Spark makes of its settings") {
    def mib(kubernetes: Boolean, settings: (String, String)*) =
      MemoryLimit.overhead(conf(settings: _*), kubernetes) / Mib
    assert(mib(kubernetes = false) == 384)
    assert(mib(kubernetes = false, "spark.executor.memory" -> "8g") == 819)
    assert(mib(kubernetes = false, "spark.executor.memoryOverhead" -> "3g") == 3072)
    assert(mib(kubernetes = false, "spark.executor.memoryOverhead" -> "700") == 700)
    val factor = Seq("spark.executor.memory" -> "8g", "spark.executor.memoryOverheadFactor" -> "0.5")
    assert(mib(kubernetes = false, factor: _*) == 4096)
    val pod = Seq("spark.executor.memory" -> "10g", "spark.kubernetes.memoryOverheadFactor" -> "0.4")
    assert(mib(kubernetes = true, pod: _*) == 4096 && mib(kubernetes = false, pod: _*) == 1024)
    assert(mib(kubernetes = false, "spark.executor.minMemoryOverhead" -> "1g") == 1024)
  }

  test("in a container the trainers share a part of the overhead") {
    val set = "spark.executor.memoryOverhead" -> "1000m"
    assert(bytes("yarn", 1, set).exists(found => math.abs(found - 600 * Mib) < 1024))
    assert(bytes("k8s://https://here", 2, set).exists(found => math.abs(found - 300 * Mib) < 1024))
    val shared = MemoryLimit.of(conf(set), "yarn", 0L, all(2), FoundMemory(Some(64 * Gib), None)).get
    assert(shared.source.contains("60 % of spark.executor.memoryOverhead, which is 1000m, for 2 trainers"))
    assert(shared.overhead.contains(2.0))
    val part = MemoryLimit.of(conf(set), "yarn", 0L, Share(1, 1, 4, 4), nothing).get
    assert(math.abs(part.bytes - 150 * Mib) < 1024 && part.overhead.contains(4.0))
    assert(part.source.endsWith(", for 1 trainer(s) with 1 of the executor's 4 cores"))
  }

  test("elsewhere the machine bounds them, and what is asked for goes before all") {
    val set = "spark.executor.memoryOverhead" -> "1000m"
    def here(master: String, trainers: Int) =
      MemoryLimit.of(conf(set), master, 0L, all(trainers), FoundMemory(Some(16 * Gib), None)).get.bytes
    assert(math.abs(here("local[2]", 1) - 4 * Gib) < 1024 && math.abs(here("local[4]", 2) - 2 * Gib) < 1024)
    assert(math.abs(here("local-cluster[2,1,1024]", 1) - 2 * Gib) < 1024)
    assert(bytes("spark://here:7077", 1, set).isEmpty)
    val asked = MemoryLimit.of(conf(set), "yarn", 5 * Gib, all(2), nothing).get
    assert(asked == MemoryLimit(5 * Gib, "trainerMemory", None))
  }

  test("a control group that has less goes before all") {
    def limit(asked: Long, group: Long, trainers: Int = 1) =
      MemoryLimit.of(conf(), "local[2]", asked, all(trainers), FoundMemory(Some(16 * Gib), Some(group))).get
    assert(
      limit(5 * Gib, 3 * Gib).bytes == 3 * Gib && limit(5 * Gib, 3 * Gib).source.contains("control group")
    )
    assert(limit(2 * Gib, 3 * Gib) == MemoryLimit(2 * Gib, "trainerMemory", None))
    val shared = limit(2 * Gib, 3 * Gib, 2)
    assert(
      shared.bytes == 3 * Gib / 2 && shared.source.endsWith("for 2 trainers") && shared.group.contains(2)
    )
    assert(limit(0L, 3 * Gib).bytes == 3 * Gib && limit(0L, 9 * Gib).bytes < 5 * Gib)
  }

  test("the overhead that is told holds what it is told for") {
    for (bytes <- Seq(100 * Mib, 3 * Gib, 3 * Gib + 1); trainers <- 1 to 3) {
      val wanted = "spark.executor.memoryOverhead" -> s"${MemoryLimit.overheadFor(bytes, trainers)}m"
      val found = MemoryLimit.of(conf(wanted), "yarn", 0L, all(trainers), nothing).get.bytes
      assert(found >= bytes - 1024 && found < bytes + (128L << 20))
    }
  }

  test("rows go to the folders that Spark has for its own files") {
    val (one, two) = (Files.createTempDirectory("one").toString, Files.createTempDirectory("two").toString)
    def dirs(env: (String, String)*) = Machine.localDirs(conf("spark.local.dir" -> two), env.toMap.get)
    assert(dirs() == Seq(two))
    assert(dirs("SPARK_LOCAL_DIRS" -> s"$one,$two, /is/not/there") == Seq(one, two))
    assert(dirs("SPARK_EXECUTOR_DIRS" -> s"$two:$one") == Seq(two, one))
    assert(dirs("CONTAINER_ID" -> "c", "LOCAL_DIRS" -> one, "SPARK_LOCAL_DIRS" -> two) == Seq(one))
    assert(Machine.localDirs(conf(), _ => None) == Seq(sys.props("java.io.tmpdir")))
    assert(Machine.memory().exists(_ > (64L << 20)))
    Seq(one, two).foreach(folder => Files.delete(java.nio.file.Paths.get(folder)))
  }

  test("a container's limit is the memory of its machine") {
    val root = Files.createTempDirectory("groups")
    def write(path: String, text: String): Unit = {
      val file = root.resolve(path)
      Files.createDirectories(file.getParent)
      Files.write(file, text.getBytes("US-ASCII")): Unit
    }
    write("memory.max", "max\n")
    write("pods/memory.max", "5000\n")
    write("pods/a/memory.max", "7000\n")
    write("memory/b/memory.limit_in_bytes", "9223372036854771712\n")
    write("memory/memory.limit_in_bytes", "4000\n")
    def limit(groups: String) = Machine.groupLimit(groups, root.toString)
    assert(limit("0::/\n").isEmpty && limit("").isEmpty)
    assert(limit("0::/pods/a\n").contains(5000L))
    assert(limit("4:cpu,memory:/b\n3:pids:/b\n").contains(4000L))
  }
}
