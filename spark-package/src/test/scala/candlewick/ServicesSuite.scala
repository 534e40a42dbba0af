package candlewick

import java.io.File
import java.lang.reflect.Modifier
import java.nio.file.{Files, Path, Paths}
import java.util.ServiceLoader
import java.util.jar.JarFile
import org.apache.spark.ml.{Estimator, Model, Transformer}
import org.apache.spark.ml.param.Params
import scala.jdk.CollectionConverters._

/** What a server of Spark Connect asks of our stages: it knows them by service files, makes them by a constructor with their
  * id, and loads them by static methods.
  */
class ServicesSuite extends SparkSuite {

  /** Every class of the package, of the folder or jar that it comes from. */
  private def classes: Seq[Class[_]] = {
    val place = Paths.get(classOf[NeuralClassifier].getProtectionDomain.getCodeSource.getLocation.toURI)
    val names = if (Files.isDirectory(place)) inFolder(place) else inJar(place.toFile)
    names
      .filter(name => name.matches("candlewick/\\w+\\.class"))
      .map(name =>
        Class.forName(name.stripSuffix(".class").replace('/', '.'), false, getClass.getClassLoader)
      )
  }

  private def inFolder(folder: Path): Seq[String] = {
    val files = Files.walk(folder)
    try files.iterator().asScala.map(file => folder.relativize(file).toString).toList
    finally files.close()
  }

  private def inJar(file: File): Seq[String] = {
    val jar = new JarFile(file)
    try jar.entries().asScala.map(_.getName).toList
    finally jar.close()
  }

  /** Those that users make or get. */
  private def stages(kind: Class[_]): Set[String] = classes
    .filter(one => kind.isAssignableFrom(one) && !Modifier.isAbstract(one.getModifiers))
    .map(_.getName)
    .toSet

  private def services[T](kind: Class[T]): Map[String, Class[_ <: T]] = ServiceLoader
    .load(kind, getClass.getClassLoader)
    .stream()
    .iterator()
    .asScala
    .map(provider => provider.`type`().getName -> provider.`type`())
    .filter(_._1.startsWith("candlewick."))
    .toMap

  test("every estimator and every model is in the service files, and nothing else") {
    assert(stages(classOf[Estimator[_]]) == services(classOf[Estimator[_]]).keySet)
    assert(stages(classOf[Transformer]) == services(classOf[Transformer]).keySet)
    assert(services(classOf[Estimator[_]]).contains("candlewick.NeuralClassifier"))
    assert(services(classOf[Transformer]).contains("candlewick.NeuralRegressionModel"))
  }

  test("a server makes them and loads them") {
    val models = services(classOf[Transformer])
    val estimators = services(classOf[Estimator[_]])
    for ((name, kind) <- (models: Map[String, Class[_]]) ++ estimators) {
      val made = kind.getConstructor().newInstance().asInstanceOf[Params]
      assert(made.uid.startsWith(kind.getSimpleName))
      for (static <- Seq(kind.getMethod("load", classOf[String]), kind.getMethod("read")))
        assert(Modifier.isStatic(static.getModifiers), s"$name.${static.getName}")
    }
    for (kind <- estimators.values) {
      val made = kind.getConstructor(classOf[String]).newInstance("given").asInstanceOf[Estimator[_]]
      assert(made.uid == "given")
    }
    assert(models.values.forall(classOf[Model[_]].isAssignableFrom(_)))
  }

  test("a summary has the numbers by Spark's own trait") {
    val summary = classifier().setEpochs(2).fit(blobs(60)).summary
    val spark: org.apache.spark.ml.classification.CandlewickTrainingSummary = summary
    assert(spark.objectiveHistory.toSeq == summary.history.map(_.loss).toSeq)
    assert(spark.totalIterations == summary.totalSteps)
  }
}
