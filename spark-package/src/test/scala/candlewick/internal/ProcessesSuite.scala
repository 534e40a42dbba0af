package candlewick.internal

import candlewick.TestFolders
import java.util.concurrent.TimeUnit
import org.scalatest.concurrent.Eventually
import org.scalatest.funsuite.AnyFunSuite
import org.scalatest.time.{Seconds, Span}

/** Processes as /proc tells of them, next to what Java 9 says. */
class ProcessesSuite extends AnyFunSuite with Eventually {
  implicit override val patienceConfig: PatienceConfig = PatienceConfig(timeout = Span(60, Seconds))

  test("this process is known by its id and its start") {
    assert(Processes.own == ProcessHandle.current().pid())
    val start = Processes.startOf(Processes.own)
    assert(start.exists(_ > 0) && start == Processes.startOf(Processes.own))
    assert(start != Processes.startOf(1L))
  }

  test("a process has no start once it has ended, even where nobody has taken notice") {
    // It waits for a line, so that it lives; its child ends at once, and its name has blanks and brackets.
    val process = new ProcessBuilder(
      "sh",
      "-c",
      "ln -s /bin/sleep \"$0/a) b (\"; \"$0/a) b (\" 0 & echo $!; read line",
      folder
    ).start()
    try {
      assert(Processes.startOf(process.pid()).isDefined)
      val child = process.getInputStream
      val digits = Iterator.continually(child.read()).takeWhile(_ != '\n').map(_.toChar).mkString
      eventually(assert(Processes.startOf(digits.toLong).isEmpty))
    } finally {
      process.destroyForcibly()
      assert(process.waitFor(60, TimeUnit.SECONDS))
    }
    assert(Processes.startOf(process.pid()).isEmpty)
    assert(Processes.startOf(Int.MaxValue.toLong).isEmpty)
  }

  private def folder = TestFolders.fresh("processes").toString
}
