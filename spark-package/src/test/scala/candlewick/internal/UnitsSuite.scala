package candlewick.internal

import candlewick.jni.InvalidParameterException
import org.scalatest.funsuite.AnyFunSuite

class UnitsSuite extends AnyFunSuite {

  test("durations have the units of the native library") {
    assert(Units.durationMs("t", "15s") == 15000)
    assert(Units.durationMs("t", "500ms") == 500)
    assert(Units.durationMs("t", "2min") == 120000)
    assert(Units.durationMs("t", "1h") == 3600000)
    assert(Units.durationMs("t", "7") == 7000)
  }

  test("sizes are powers of 1024") {
    assert(Units.bytes("m", "64m") == 64L << 20)
    assert(Units.bytes("m", "1G") == 1L << 30)
    assert(Units.bytes("m", "12") == 12)
  }

  test("what is no quantity names the parameter") {
    val error = intercept[InvalidParameterException](Units.durationMs("launchTimeout", "soon"))
    assert(error.getMessage.startsWith("parameter launchTimeout = \"soon\" is not legal"))
    intercept[InvalidParameterException](Units.bytes("feedMemory", "0m"))
  }
}
