package candlewick.fit

import candlewick.internal.{Failures, Json}
import candlewick.jni.{CandlewickException, GpuTrainer, Native}
import java.util.Arrays
import org.apache.spark.SparkEnv

/** Asks the trainer for GPUs, on an executor, whether it can train there. */
private[candlewick] object GpuProbe {
  private val Python = "spark.pyspark.python"
  private val PythonVariable = "PYSPARK_PYTHON"

  /** Throws where the driver, the GPU or the libraries of this executor do not let it, with what to do. */
  def check(gpu: String, executor: String): Unit = {
    val told =
      try GpuTrainer.probe(gpu, Arrays.asList(pythons: _*))
      catch {
        case error: CandlewickException =>
          throw Failures.of(
            error.kind,
            s"executor $executor cannot train on its GPU $gpu: ${error.getMessage}"
          )
      }
    checkVersion(Json.field(Json.parse(told), "version").asText, Native.version())
  }

  /** Whether this executor has the program. Takes what a job gives each task. */
  def isThere(ignored: Iterator[String]): Boolean = {
    if (ignored.hasNext) ignored.next(): Unit
    GpuTrainer.isThere
  }

  /** Two artifacts of different versions speak different protocols. */
  private[fit] def checkVersion(ofTrainer: String, ofLibrary: String): Unit =
    if (ofTrainer != ofLibrary)
      throw Failures.parameter(
        s"candlewick-cuda is of version $ofTrainer and Candlewick of $ofLibrary: use jars of one version"
      )

  /** Interpreters whose packages may have CUDA's libraries. */
  private[candlewick] def pythons: Seq[String] = {
    val conf = SparkEnv.get.conf
    (conf.getOption(Python) ++ sys.env.get(PythonVariable) ++ Seq("python3")).toSeq.distinct
  }
}
