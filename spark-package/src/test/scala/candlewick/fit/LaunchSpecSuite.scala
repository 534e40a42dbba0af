package candlewick.fit

import candlewick.internal.Json
import candlewick.jni.Native
import org.scalatest.funsuite.AnyFunSuite

/** What the native library makes of the parameters that say how a fit runs, and what is read of it here. */
class LaunchSpecSuite extends AnyFunSuite {
  private def launch(params: (String, Any)*): LaunchSpec = {
    val network = Json.parse(
      """{"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]}"""
    )
    val request = Json.obj(
      "job" -> "00",
      "task" -> "classifier",
      "featureWidth" -> 4,
      "params" -> Json.obj((params :+ ("network" -> network)): _*)
    )
    LaunchSpec.of(Json.field(Json.parse(Native.resolve(request.toString)), "launch"))
  }

  test("durations are milliseconds, sizes are bytes, and each is what was set") {
    val found = launch(
      "device" -> "cuda",
      "numTrainers" -> 3,
      "minTrainers" -> 2,
      "maxTrainers" -> 4,
      "threadsPerTrainer" -> 5,
      "launchTimeout" -> "2min",
      "maxRecoveries" -> 6,
      "feedMemory" -> "3m",
      "trainerMemory" -> "2g",
      "spoolDir" -> "/data/1, /data/2",
      "transportSecurity" -> "none",
      "strictWeights" -> false,
      "verbose" -> "true",
      "checkpointDir" -> "hdfs:///here",
      "keepCheckpoints" -> 7,
      "saveOptimizer" -> true
    )
    val checkpoint = found.checkpoint.get
    assert(checkpoint.dir == "hdfs:///here" && checkpoint.keep == 7)
    assert(Json.fields(found.identity.get).map(_._1).toSet == Set("data", "train"))
    val expected = LaunchSpec(
      "cuda",
      Map.empty,
      false,
      3,
      2,
      4,
      5,
      120000L,
      6,
      3L << 20,
      2L << 30,
      Seq("/data/1", "/data/2"),
      transportSecurity = "none",
      strictWeights = false,
      verbose = "true",
      found.checkpoint,
      saveOptimizer = true,
      found.identity
    )
    assert(found == expected)
  }

  test("what is not set is the default") {
    val expected = LaunchSpec(
      "auto",
      Map.empty,
      false,
      0,
      0,
      0,
      0,
      300000L,
      3,
      64L << 20,
      0L,
      Nil,
      transportSecurity = "auto",
      strictWeights = true,
      verbose = "auto",
      None,
      saveOptimizer = false,
      None
    )
    assert(launch() == expected)
  }

  test("what a device does not compute is known before one is chosen") {
    assert(launch("precision" -> "bf16").deviceRefusals.isEmpty)
    val amx = launch("precision" -> "bf16_amx").deviceRefusals
    assert(amx.keySet == Set("cuda") && amx("cuda").contains("is for processors only"), amx)
    val refusals = launch("precision" -> "fp16").deviceRefusals
    assert(refusals.keySet == Set("cpu") && refusals("cpu").contains("set precision to \"bf16\""), refusals)
  }
}
