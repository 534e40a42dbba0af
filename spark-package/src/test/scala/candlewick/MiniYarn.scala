package candlewick

import java.io.FileOutputStream
import java.nio.file.{Files, Path, Paths}
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.hdfs.MiniDFSCluster
import org.apache.hadoop.yarn.conf.YarnConfiguration
import org.apache.hadoop.yarn.server.MiniYARNCluster
import scala.concurrent.duration.DurationInt

/** A real YARN with a real HDFS on loopback, in a JVM of its own: resource manager, two node managers, name node and data
  * node of Hadoop. `java ... candlewick.MiniYarn FOLDER` writes `FOLDER/conf`, for HADOOP_CONF_DIR, says `ready` and
  * runs until its standard input ends, as it does with whoever started it. Node managers work in `target` of the folder
  * that it is started in. For tests/e2e/yarn.py.
  */
object MiniYarn {
  private val Deadline = 60.seconds

  def main(args: Array[String]): Unit = {
    val status =
      try {
        run(Paths.get(args(0)).toAbsolutePath)
        0
      } catch {
        case error: Throwable =>
          error.printStackTrace()
          1
      }
    // Stopped one by one, Hadoop's servers take half a minute, and not all of their threads end.
    killContainers()
    Runtime.getRuntime.halt(status)
  }

  private def run(folder: Path): Unit = {
    val hdfs = new MiniDFSCluster.Builder(storage(folder)).numDataNodes(1).build()
    val conf = settings(hdfs.getFileSystem().getUri.toString)
    val yarn = new MiniYARNCluster("candlewick", 2, 1, 1)
    yarn.init(conf)
    yarn.start()
    assert(yarn.waitForNodeManagersToConnect(Deadline.toMillis), "the node managers do not come")
    write(folder.resolve("conf"), yarn.getConfig)
    println("ready")
    while (System.in.read() >= 0) ()
  }

  /** They are this process's children, their executors and trainers too. A node manager may be starting one just now. */
  private def killContainers(): Unit = {
    def living = ProcessHandle.current().descendants().filter(_.isAlive)
    while (living.findAny().isPresent) living.forEach(child => child.destroyForcibly(): Unit)
  }

  private def storage(folder: Path): Configuration = {
    val conf = new Configuration()
    conf.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("hdfs").toString)
    conf
  }

  private def settings(files: String): YarnConfiguration = {
    val conf = new YarnConfiguration()
    val queue = "yarn.scheduler.capacity.root"
    Seq(
      "fs.defaultFS" -> files,
      YarnConfiguration.RM_HOSTNAME -> "127.0.0.1",
      // The jar of Hadoop's servers has no capacity-scheduler.xml.
      s"$queue.queues" -> "default",
      s"$queue.default.capacity" -> "100",
      "yarn.scheduler.capacity.maximum-am-resource-percent" -> "0.5",
      YarnConfiguration.RM_SCHEDULER_MINIMUM_ALLOCATION_MB -> "128",
      YarnConfiguration.RM_SCHEDULER_MAXIMUM_ALLOCATION_MB -> "4096",
      YarnConfiguration.NM_VCORES -> "4",
      YarnConfiguration.NM_VMEM_CHECK_ENABLED -> "false",
      // How full its disk is, is this machine's business.
      YarnConfiguration.NM_MAX_PER_DISK_UTILIZATION_PERCENTAGE -> "100"
    ).foreach { case (name, value) => conf.set(name, value) }
    conf
  }

  /** One file is all: Hadoop's clients read core-site.xml, and those of YARN yarn-site.xml too. */
  private def write(folder: Path, conf: Configuration): Unit = {
    Files.createDirectories(folder)
    Seq("core-site.xml", "yarn-site.xml").foreach { name =>
      val out = new FileOutputStream(folder.resolve(name).toFile)
      try conf.writeXml(out)
      finally out.close()
    }
  }
}
