package candlewick

import java.net.URI
import java.nio.file.{Files, Path, Paths}
import javax.tools.ToolProvider
import org.apache.spark.sql.CandlewickShim
import org.apache.spark.sql.api.java.UDF1
import org.apache.spark.sql.functions.{col, udf}
import org.apache.spark.sql.types.DoubleType

/** What `addArtifact` brings into a session is there where the rows of a fit are read. */
class ArtifactSuite extends SparkSuite {

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
    folder.resolve("Same.class")
  }

  test("a function whose class is an artifact of the session runs in the rows of a fit") {
    val session = spark.newSession()
    session.addArtifact(compiled().toUri: URI)
    val data = session.createDataFrame(blobs(40).rdd, blobs(40).schema)
    val model = CandlewickShim.withArtifacts(session) {
      val made =
        Thread.currentThread.getContextClassLoader.loadClass("Same").getDeclaredConstructor().newInstance()
      val same = udf(made.asInstanceOf[UDF1[Double, Double]], DoubleType)
      classifier().setEpochs(1).fit(data.withColumn("label", same(col("label"))))
    }
    assert(model.summary.history.map(_.rows).toSeq == Seq(40L))
  }
}
