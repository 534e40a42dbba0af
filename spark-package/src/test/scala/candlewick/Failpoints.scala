package candlewick

import java.io.{BufferedReader, InputStreamReader}
import java.net.{StandardProtocolFamily, UnixDomainSocketAddress}
import java.nio.ByteBuffer
import java.nio.channels.{Channels, ServerSocketChannel, SocketChannel}
import java.nio.charset.StandardCharsets.UTF_8
import java.util.concurrent.{LinkedBlockingQueue, TimeUnit}
import org.scalatest.Assertions

/** Holds trainer processes at named points of their program, so that a test strikes in the middle of what it means. The
  * other side is the crate candlewick-failpoint.
  */
final class Failpoints extends AutoCloseable with Assertions {
  private val path = TestFolders.fresh("failpoints").resolve("socket")
  private val server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)
  server.bind(UnixDomainSocketAddress.of(path))
  private val arrived = new LinkedBlockingQueue[Failpoints.Hit]()
  @volatile private var opened = false
  private val listening = new Thread(() => listen(), "failpoints")
  listening.setDaemon(true)
  listening.start()

  /** Shell lines that arm a process. */
  def environment(points: String): String =
    s"export CANDLEWICK_FAILPOINTS='$points' CANDLEWICK_FAILPOINTS_SOCKET='$path'\n"

  /** The next process that stands at a point. */
  def next(): Failpoints.Hit = {
    val hit = arrived.poll(120, TimeUnit.SECONDS)
    assert(hit != null, "no trainer came to a failpoint within 120 s")
    hit
  }

  /** Lets everybody go, and whoever comes later: a step that is made again comes by again. */
  def open(): Unit = {
    opened = true
    arrived.forEach(_.go())
  }

  private def listen(): Unit =
    try
      while (true) {
        val channel = server.accept()
        val line =
          new BufferedReader(new InputStreamReader(Channels.newInputStream(channel), UTF_8)).readLine()
        val words = line.split(' ')
        arrived.add(new Failpoints.Hit(words(0), words(1).toLong, words(2).toLong, channel))
        if (opened) open()
      }
    catch { case _: java.io.IOException => () } // closed

  override def close(): Unit = {
    open()
    server.close()
    TestFolders.remove(path.getParent)
  }
}

object Failpoints {

  /** A process that stands at a point. */
  final class Hit(val point: String, val at: Long, val pid: Long, channel: SocketChannel) {

    /** Lets it go on. */
    def go(): Unit = channel.close()

    /** Its code meets a failure there. */
    def fail(why: String): Unit = {
      channel.write(ByteBuffer.wrap(s"fail $why".getBytes(UTF_8)))
      channel.close()
    }

    /** Known from here on, also once it has ended. */
    val process: ProcessHandle = ProcessHandle.of(pid).get()
  }
}
