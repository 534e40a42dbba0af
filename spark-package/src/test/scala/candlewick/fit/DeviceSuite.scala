package candlewick.fit

import candlewick.cluster.{Capacity, GpuRequest, Gpus, Request}
import candlewick.jni.InvalidParameterException
import org.scalatest.funsuite.AnyFunSuite

class DeviceSuite extends AnyFunSuite {
  private val some = Gpus(2, 1.0, local = false)
  private val none = Gpus(0, 0.0, local = false)

  private def refused(asked: String, gpus: Gpus, trainer: Boolean): String =
    intercept[InvalidParameterException](Device.choose(asked, gpus, trainer)).getMessage

  test("auto computes on GPUs where Spark gave some and the trainer is there, and says why not") {
    val found = Device.choose("auto", some, has = true)
    assert(
      found.gpus.contains(some) && found.name == "cuda" && found.reason.contains("each executor 2 GPU(s)")
    )
    val without = Device.choose("auto", none, fail("nobody is asked"))
    assert(without.name == "cpu" && !without.unused)
    assert(without.reason.contains("no GPU (spark.executor.resource.gpu.amount is not set)"))
    val lacking = Device.choose("auto", some, has = false)
    assert(lacking.name == "cpu" && lacking.unused)
    assert(
      lacking.reason.contains("2 GPU(s), but the trainer for GPUs is not there: add the jar candlewick-cuda")
    )
    assert(Device.choose("cpu", some, fail("nobody is asked")).name == "cpu")
  }

  test(
    "a device that does not compute what is asked for: auto takes the other one, else it is refused with why"
  ) {
    val why = "precision = \"thin\" is too thin: set precision to \"f32\""
    def choose(asked: String, gpus: Gpus, device: String) =
      Device.choose(asked, gpus, has = true, refusals = Map(device -> why))
    def told(asked: String, gpus: Gpus, device: String) =
      intercept[InvalidParameterException](choose(asked, gpus, device)).getMessage
    val other = choose("auto", some, "cuda")
    assert(other.name == "cpu" && other.unused)
    assert(other.reason == s"Spark gives each executor 2 GPU(s), but $why")
    assert(told("cuda", some, "cuda") == "device=\"cuda\": " + why)
    assert(choose("cpu", some, "cuda").name == "cpu" && choose("auto", none, "cuda").name == "cpu")
    assert(choose("auto", some, "cpu").name == "cuda" && choose("cuda", some, "cpu").name == "cuda")
    assert(told("cpu", some, "cpu") == "device=\"cpu\": " + why)
    val nowhere = told("auto", none, "cpu")
    assert(
      nowhere.startsWith("trainers would compute on processors (Spark gives each executor no GPU") &&
        nowhere.endsWith(s"), and $why"),
      nowhere
    )
  }

  test("cuda without GPUs, or without the trainer, is refused with what to add") {
    assert(refused("cuda", none, trainer = true).contains("spark.executor.resource.gpu.amount=1"))
    assert(refused("cuda", some, trainer = false).contains("pip install candlewick[cuda]"))
    val local = refused("cuda", none.copy(local = true), trainer = true)
    assert(local.contains("spark.driver.resource.gpu.amount=1"), local)
  }

  test("scoring is refused in its own words") {
    val told =
      intercept[InvalidParameterException](
        Device.choose("cuda", some, has = false, Device.Scoring)
      ).getMessage
    assert(
      told.startsWith("scoreDevice=\"cuda\": ") && told.endsWith("or set scoreDevice to \"cpu\" or \"auto\""),
      told
    )
    assert(told.contains("the library that scores on GPUs is not there: add the jar candlewick-cuda"), told)
  }

  test("more trainers than GPUs are refused with the numbers, as soon as the cluster's size is known") {
    val capacity = Capacity(dynamic = false, Some(2), Some(16), "local-cluster[2,8,1024]")
    def told(wanted: Int, share: Int) = {
      val request = Request(wanted, 64, 0, gpus = Some(GpuRequest(2, share, "amounts")))
      Search.refusal(request, capacity, 0).map(_.getMessage)
    }
    assert(told(4, 1).isEmpty && told(8, 2).isEmpty && told(0, 1).isEmpty)
    val many = told(5, 1).get
    assert(
      many.startsWith("numTrainers=5 is more than the GPUs of the cluster can take: they have 4 place(s)"),
      many
    )
    assert(many.contains("each GPU takes one trainer") && many.contains("0.5 or less"), many)
    assert(told(9, 2).get.contains("they have 8 place(s), up to 2 trainers share a GPU"))
  }

  test("jars of two versions are refused") {
    GpuProbe.checkVersion("0.1.0", "0.1.0")
    val told = intercept[InvalidParameterException](GpuProbe.checkVersion("0.1.0", "0.2.0")).getMessage
    assert(told.contains("candlewick-cuda is of version 0.1.0 and Candlewick of 0.2.0"))
  }
}
