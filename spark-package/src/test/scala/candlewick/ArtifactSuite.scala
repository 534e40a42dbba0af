package candlewick

import candlewick.jni.TrainerHost
import java.io.File
import java.net.{URI, URLClassLoader}
import java.nio.file.{Files, Path, Paths}
import java.util.jar.{JarEntry, JarOutputStream}
import javax.tools.ToolProvider
import org.apache.spark.sql.api.java.UDF1
import org.apache.spark.sql.functions.{col, udf}
import org.apache.spark.sql.types.DoubleType
import scala.jdk.CollectionConverters._

/** What `addArtifact` brings into a session is there in all tasks of a fit: jars in every Spark job, classes in those of a
  * SQL execution, as which rows are read.
  */
class ArtifactSuite extends ClusterSuite {

  /** A class that is on no class path. */
  private def compiled(): Path = {
    val folder = Files.createDirectories(Paths.get(freshPath()))
    val source = folder.resolve("Same.java")
    Files.write(
      source,
      ("public final class Same implements org.apache.spark.sql.api.java.UDF1<Double, Double> {\n" +
        "  public Double call(Double label) { return label; }\n}\n").getBytes
    )
    val compiler = ToolProvider.getSystemJavaCompiler
    val options =
      Array("-proc:none", "-cp", sys.props("java.class.path"), "-d", folder.toString, source.toString)
    assert(compiler.run(null, null, null, options: _*) == 0)
    folder
  }

  /** Where the classes of Candlewick are: folders, or jars where the build has packed them already. */
  private val own: Seq[Path] = Seq(classOf[NeuralClassifier], classOf[TrainerHost])
    .map(one => Paths.get(one.getProtectionDomain.getCodeSource.getLocation.toURI))

  /** Candlewick's own classes, as users have them. */
  private def packed(): Seq[Path] =
    own.map(place => if (Files.isDirectory(place)) pack(place) else place)

  private def pack(folder: Path): Path = {
    // A session takes each name once.
    val (home, name) = (Files.createDirectories(Paths.get(freshPath())), folder.toString.hashCode.toHexString)
    val jar = home.resolve(s"candlewick-$name.jar")
    val out = new JarOutputStream(Files.newOutputStream(jar))
    try {
      val files = Files.walk(folder)
      try
        files.iterator().asScala.filter(Files.isRegularFile(_)).foreach { file =>
          out.putNextEntry(new JarEntry(folder.relativize(file).toString))
          Files.copy(file, out)
          out.closeEntry()
        }
      finally files.close()
    } finally out.close()
    jar
  }

  test("executors that have Candlewick and a user's function from the session alone train") {
    val others =
      sys.props("java.class.path").split(File.pathSeparator).filterNot(at => own.contains(Paths.get(at)))
    val session = start(
      "local-cluster[2,1,1024]",
      "spark.executor.extraClassPath" -> others.mkString(File.pathSeparator)
    )
    packed().foreach(jar => session.addArtifact(jar.toUri: URI))
    val folder = compiled()
    session.addArtifact(folder.resolve("Same.class").toUri: URI)
    val driver = new URLClassLoader(Array(folder.toUri.toURL), getClass.getClassLoader)
    val made = driver.loadClass("Same").getDeclaredConstructor().newInstance()
    val same = udf(made.asInstanceOf[UDF1[Double, Double]], DoubleType)
    val data = points(40).withColumn("label", same(col("label")))
    val model = over(classifier().setNumTrainers(2).setEpochs(1).startFit(data)).result()
    assert(model.summary.history.map(_.rows).toSeq == Seq(40L))
    // Its sample asks the same of them, and what that task gives back crosses from their classes to ours.
    val plan = classifier().setNumTrainers(2).plan(data)
    assert(plan.rows == 40 && plan.seconds > 0)
  }
}
