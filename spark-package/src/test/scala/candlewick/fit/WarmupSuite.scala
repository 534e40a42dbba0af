package candlewick.fit

import candlewick.SparkSuite
import java.nio.file.{Files, Paths}
import scala.concurrent.Await
import scala.concurrent.duration.DurationInt

/** What is made ready before a first fit: it has to be all of it, and to leave no trace. */
class WarmupSuite extends SparkSuite {

  /** A job of Spark, by its number: they are counted. */
  private def job(): Int = {
    val counted = spark.sparkContext.parallelize(Seq(1), 1).countAsync()
    Await.ready(counted, 1.minute)
    counted.jobIds.last
  }

  test("all classes of the packages that a fit goes through are linked") {
    val home = Paths.get(classOf[FitControl].getProtectionDomain.getCodeSource.getLocation.toURI)
    def classes(name: String): Int =
      Files.list(home.resolve("candlewick").resolve(name)).toArray.count(_.toString.endsWith(".class"))
    assert(OwnClasses.link() == Seq("fit", "columns", "cluster", "internal", "checkpoint").map(classes).sum)
  }

  test("a rehearsal of a fit runs no job and takes no number") {
    val (number, before) = (new FitControl("before").number, job())
    assert(Rehearsal.run(spark) == 1)
    assert(job() == before + 1)
    assert(new FitControl("after").number == number + 1)
  }
}
