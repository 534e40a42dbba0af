package candlewick.score

import candlewick.internal.Clock
import candlewick.jni.{CandlewickException, InvalidParameterException, RetryableException}
import java.util.concurrent.TimeUnit
import org.scalatest.funsuite.AnyFunSuite

class GpuAnswersSuite extends AnyFunSuite {
  private val answers = new GpuAnswers

  private def ask(gpu: String, falls: Boolean = true)(answer: => String): String =
    answers.of(gpu, falls)(why => s"GPU $gpu: $why")(answer)

  private def told(body: => String): String = intercept[CandlewickException](body).getMessage

  private def hoursLater(body: => Unit): Unit = {
    Clock.nanos = () => System.nanoTime() + TimeUnit.HOURS.toNanos(5)
    try body
    finally Clock.nanos = () => System.nanoTime()
  }

  test("a GPU that did not answer in time is left alone for a while, and then asked again") {
    assert(told(ask("0")(throw new RetryableException("no answer"))) == "GPU 0: no answer")
    assert(told(ask("0")(fail("it is asked once"))) == "GPU 0: no answer")
    hoursLater {
      assert(ask("0")("ready") == "ready")
      assert(ask("0")("still") == "still")
    }
  }

  test("what is wrong for good is not asked again by who falls back") {
    intercept[InvalidParameterException](ask("1")(throw new InvalidParameterException("no driver")))
    hoursLater(assert(told(ask("1")(fail("it is asked once"))) == "GPU 1: no driver"): Unit)
    // Who wants that GPU asks each time, and what is mended is so for all.
    assert(ask("1", falls = false)("mended") == "mended")
    assert(ask("1")("ready") == "ready" && ask("2")("another") == "another")
  }
}
