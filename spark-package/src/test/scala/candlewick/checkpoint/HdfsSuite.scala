package candlewick.checkpoint

import candlewick.TestFolders
import candlewick.ClusterSuite
import candlewick.internal.Json
import candlewick.jni.{CancelledException, InvalidParameterException}
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, Path}
import org.apache.hadoop.hdfs.MiniDFSCluster

/** Checkpoints on a real HDFS: a name node and a data node in this JVM. */
class HdfsSuite extends ClusterSuite {
  private lazy val conf = {
    val made = new Configuration()
    made.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, TestFolders.fresh("hdfs").toString)
    made
  }
  private lazy val hdfs = new MiniDFSCluster.Builder(conf).numDataNodes(1).build()
  private lazy val files: FileSystem = hdfs.getFileSystem()

  override protected def afterAll(): Unit =
    try super.afterAll()
    finally hdfs.shutdown()

  private def names(folder: Path): Seq[String] =
    if (files.exists(folder)) files.listStatus(folder).toSeq.map(_.getPath.getName).sorted else Nil

  test("a fit goes on from a checkpoint on HDFS with the same bits") {
    start("local-cluster[2,2,1024]")
    val (data, dir) = (points(), new Path(files.getUri.toString, "/checkpoints/digits"))
    def gang = classifier().setNumTrainers(2).setThreadsPerTrainer(1).setInputShape(Array(4))
    def kept = gang.setCheckpointDir(dir.toString)
    val expected = gang.fit(data)
    held("train.step=14") { gates =>
      val handle = kept.startFit(data)
      gates.next()
      eventually {
        val there = names(dir).flatMap(folder => names(new Path(dir, folder)))
        assert(there.contains("step-000000000014.json") && there.contains("driver.lock"), s"$handle $there")
      }
      val error = intercept[InvalidParameterException](kept.setNumTrainers(1).fit(data))
      assert(error.getMessage.contains(s"fit ${handle.id} of the driver on host"), error)
      handle.cancel("the test ends it")
      gates.open()
      intercept[CancelledException](over(handle).result())
    }
    val model = kept.fit(data)
    assert(model.summary.resumedFromStep.contains(14L))
    assert(model.weightsHash == expected.weightsHash)
    val folder = new Path(dir, names(dir).head)
    val left = names(folder)
    assert(left.last.startsWith("step-") && left.contains("step-000000000035.json"), left)
    assert(left.length == 4, left)
    // What is torn off is found out on HDFS too.
    val state = left.find(name => name.startsWith("step-000000000035.") && name.endsWith(".safetensors")).get
    val torn = files.create(new Path(folder, state), true)
    torn.write(new Array[Byte](100))
    torn.close()
    assert(kept.fit(data).summary.resumedFromStep.exists(_ < 35))
  }

  test("a checkpoint that is there is whole even where its driver could not close it") {
    val folder = new CheckpointFolder(conf, new Path(files.getUri.toString, "/checkpoints/whole"))
    folder.make()
    // A driver that is gone leaves files open, and HDFS knows their length late.
    val open = files.create(new Path(folder.path, s"step-000000000007.0.safetensors.x.unfinished"))
    open.write(1)
    folder.write(CheckpointFolder.stateName(3, "0123456789"))(_.write(Array[Byte](1, 2, 3)))
    folder.writeManifest(3, Json.obj("format" -> "another").toString)
    assert(folder.steps == Seq(3))
    assert(
      intercept[DamagedException](folder.manifest(3)).getMessage.contains("its format is 'another'")
    )
    folder.clean()
    assert(names(folder.path) == Seq("step-000000000003.01234567.safetensors", "step-000000000003.json"))
  }
}
