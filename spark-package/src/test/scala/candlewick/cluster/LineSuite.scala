package candlewick.cluster

import candlewick.jni.PerJvm
import java.net.{URL, URLClassLoader}
import java.util.UUID
import java.util.function.BiFunction
import org.scalatest.funsuite.AnyFunSuite

/** Fits of one application whose classes come from several class loaders, as sessions of Spark Connect that attached a jar
  * each have them.
  */
class LineSuite extends AnyFunSuite {

  /** Loads Candlewick anew, and all else as this suite does. */
  private final class Anew(urls: Array[URL]) extends URLClassLoader(urls, classOf[LineSuite].getClassLoader) {
    override def loadClass(name: String, resolve: Boolean): Class[_] =
      if (!name.startsWith("candlewick.")) super.loadClass(name, resolve)
      else getClassLoadingLock(name).synchronized(Option(findLoadedClass(name)).getOrElse(findClass(name)))
  }

  private def anew(application: String): BiFunction[String, String, String] = {
    val places = Seq(classOf[Admission], classOf[PerJvm], classOf[OtherFits])
    val urls = places.map(_.getProtectionDomain.getCodeSource.getLocation).distinct
    val found = new Anew(urls.toArray).loadClass(classOf[OtherFits].getName)
    assert(found != classOf[OtherFits])
    val made = found.getConstructor(classOf[String]).newInstance(application)
    made.asInstanceOf[BiFunction[String, String, String]]
  }

  test("fits of all class loaders wait in one line, for the cores that are left") {
    val application = UUID.randomUUID().toString
    val (one, other) = (anew(application), anew(application))
    one.apply("begin", "f"): Unit
    other.apply("begin", "g"): Unit
    assert(one.apply("admit", "f") == "2")
    assert(other.apply("admit", "g") == "none", "f has all cores")
    assert(other.apply("holders", "") == "f 2" && one.apply("othersWait", "f") == "true")
    assert(other.apply("othersStart", "g") == "true" && other.apply("several", "") == "true")
    assert(one.apply("fed", "f") == "" && other.apply("othersStart", "g") == "false")
    assert(other.apply("signals", "") == "", "nobody has left")
    assert(one.apply("release", "f") == "" && other.apply("signals", "") == "g")
    assert(other.apply("admit", "g") == "2" && one.apply("holders", "") == "g 2")
    // Another application has executors of its own.
    val beside = anew(UUID.randomUUID().toString)
    beside.apply("begin", "h"): Unit
    assert(beside.apply("admit", "h") == "2")
    Admission.forget(application)
    assert(anew(application).apply("holders", "") == "")
  }
}

/** Fits of one class loader, on an executor of two cores and a GPU: what to do, and which fit. */
final class OtherFits(application: String) extends BiFunction[String, String, String] {
  private val admission = Admission.of(application)
  private val executor = Executor("0", "hostA", 2, Seq("0"))
  private val request = Request(1, 8, 2, gpus = Some(GpuRequest(1, 1, "")))
  private var signals = Seq.empty[String]

  override def apply(what: String, fit: String): String = what match {
    case "begin" =>
      admission.begin(fit)(() => signals :+= fit)
      admission.enqueue(fit)
      ""
    case "admit" =>
      admission.admit(fit, request, Seq(executor), _.cores).fold("none")(_.map(_.cores).mkString(","))
    case "holders" => admission.holders.map { case (id, cores) => s"$id $cores" }.mkString(",")
    case "othersWait" => admission.othersWait(fit).toString
    case "othersStart" => admission.othersStart(fit).toString
    case "several" => admission.several.toString
    case "signals" => signals.mkString(",")
    case "fed" =>
      admission.fed(fit)
      ""
    case "release" =>
      admission.release(fit)
      admission.signalAll()
      ""
  }
}
