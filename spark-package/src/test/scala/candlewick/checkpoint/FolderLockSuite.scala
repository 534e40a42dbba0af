package candlewick.checkpoint

import candlewick.TestFolders
import candlewick.internal.{Clock, Json}
import candlewick.jni.InvalidParameterException
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path}
import java.util.concurrent.TimeUnit
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{Path => HadoopPath}
import org.scalatest.funsuite.AnyFunSuite

/** Who has a folder. */
class FolderLockSuite extends AnyFunSuite {
  private val folder = TestFolders.fresh("lock")
  private val place = folder.resolve("driver.lock")

  private def lock(fit: String, scheme: String = "file"): FolderLock = {
    val path = new HadoopPath(s"$scheme://$folder")
    val conf = new Configuration()
    conf.set("fs.plain.impl", classOf[Plain].getName)
    new FolderLock(path.getFileSystem(conf), path, fit)
  }

  private def never(line: Option[String]): Unit = fail(s"waits: $line")

  private def holder: String = Json.parse(Files.readString(place)).get("fit").asText

  /** The lock of a driver elsewhere. */
  private def write(place: Path, fields: (String, Any)*): Unit = {
    val all =
      Seq("fit" -> "other", "host" -> "elsewhere", "kernel" -> "k", "pid" -> 1, "started" -> 0, "beats" -> 0)
    val content = Json.obj(all.filterNot { case (name, _) => fields.exists(_._1 == name) } ++ fields: _*)
    Files.write(place, content.toString.getBytes(UTF_8)): Unit
  }

  private def ours(name: String): Any = {
    val probe = lock("probe")
    probe.acquire(never)
    val value = Json.parse(Files.readString(place)).get(name)
    probe.release()
    value
  }

  for (scheme <- Seq("file", "plain"))
    test(s"one at a time has it, on $scheme") {
      val (first, second) = (lock("first", scheme), lock("second", scheme))
      first.acquire(never)
      assert(holder == "first")
      val error = intercept[InvalidParameterException](second.acquire(never))
      assert(error.getMessage.contains("fit first of the driver on host"), error)
      first.check()
      second.release()
      first.release()
      assert(!Files.exists(place))
      second.acquire(never)
      second.release()
    }

  test("one that was given back does not come back, whoever says once more that it lives") {
    val mine = lock("mine")
    mine.acquire(never)
    mine.release()
    mine.renew()
    mine.check()
    assert(!Files.exists(place))
  }

  test("that of a driver that is gone is taken over at once where it was on this host") {
    val here = Seq("host" -> ours("host"), "kernel" -> ours("kernel"))
    // No process, another one with its number, and a fit of this JVM that did not give it back.
    val started = ours("started")
    for (
      fields <- Seq(
        Seq("pid" -> Int.MaxValue),
        Seq("pid" -> 1),
        Seq("pid" -> ours("pid"), "started" -> started)
      )
    ) {
      write(place, here ++ fields: _*)
      assert(lock("mine").isLeft)
      val mine = lock("mine")
      mine.acquire(never)
      assert(holder == "mine")
      mine.release()
    }
  }

  test("that of another host is watched: one that does not change is nobody's") {
    write(place)
    var told = Seq.empty[String]
    val mine = lock("mine")
    try
      mine.acquire { line =>
        told ++= line
        Clock.nanos = () => System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(FolderLock.ExpiryMs)
      }
    finally Clock.nanos = () => System.nanoTime()
    assert(told.length == 1 && told.head.contains("fit other of the driver on host elsewhere"), told)
    assert(holder == "mine")
    mine.release()
  }

  test("that of another host that changes is somebody's") {
    write(place)
    val error = intercept[InvalidParameterException](lock("mine").acquire(_ => write(place, "beats" -> 1)))
    assert(error.getMessage.contains("host elsewhere"), error)
    // One that is given back meanwhile is free.
    val mine = lock("mine")
    mine.acquire(_ => Files.delete(place))
    assert(holder == "mine")
    mine.release()
  }

  test("what cannot be read is watched too: it may be being written") {
    Files.write(place, Array.emptyByteArray)
    assert(!lock("mine").isLeft)
    val mine = lock("mine")
    mine.acquire(_ => Files.deleteIfExists(place): Unit)
    mine.release()
  }

  test("who was taken over finds out") {
    val mine = lock("mine")
    mine.acquire(never)
    write(place)
    assert(intercept[InvalidParameterException](mine.check()).getMessage.contains("fit other"))
    mine.release()
    assert(holder == "other")
    Files.delete(place)
  }

  test("one that somebody deletes, or that a full disk has emptied, is made again") {
    val mine = lock("mine")
    mine.acquire(never)
    Files.delete(place)
    mine.check()
    assert(holder == "mine")
    Files.write(place, Array.emptyByteArray)
    mine.renew()
    assert(holder == "mine")
    mine.release()
    assert(!Files.exists(place))
  }

  for (scheme <- Seq("file", "plain"))
    test(s"it says that it lives, on $scheme") {
      val mine = lock("mine", scheme)
      mine.acquire(never)
      val taken = Files.readAllBytes(place).toSeq
      mine.renew()
      assert(holder == "mine" && Files.readAllBytes(place).toSeq != taken)
      assert(Files.list(folder).count() == 1)
      mine.release()
    }

  test("one that this user may not delete is no reason to try for ever") {
    write(place, "host" -> ours("host"), "kernel" -> ours("kernel"), "pid" -> Int.MaxValue)
    val path = new HadoopPath(s"stubborn://$folder")
    val conf = new Configuration()
    conf.set("fs.stubborn.impl", classOf[Stubborn].getName)
    val mine = new FolderLock(path.getFileSystem(conf), path, "mine")
    val error = intercept[InvalidParameterException](mine.acquire(never))
    assert(error.getMessage.contains("which is gone, and this user may not delete it"), error)
    Files.delete(place)
  }
}

/** One that lets nobody delete anything. */
final class Stubborn extends org.apache.hadoop.fs.RawLocalFileSystem {
  override def getScheme: String = "stubborn"
  override def getUri: java.net.URI = java.net.URI.create("stubborn:///")
  override def delete(path: HadoopPath, recursive: Boolean): Boolean = false
}

/** Local files by the ways of a remote file system. */
final class Plain extends org.apache.hadoop.fs.RawLocalFileSystem {
  override def getScheme: String = "plain"
  override def getUri: java.net.URI = java.net.URI.create("plain:///")
}
