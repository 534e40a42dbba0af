package candlewick.checkpoint

import org.apache.hadoop.util.VersionInfo

/** File systems that Hadoop knows and whose jars Spark does not bring. */
private[candlewick] object FileSystems {

  /** What S3A is, and what it needs. */
  private val OfS3 = Seq("org.apache.hadoop.fs.s3a.", "software.amazon.awssdk.", "com.amazonaws.")

  /** Which jar to add, where a class of a file system is missing. */
  def missing(error: Throwable): Option[String] =
    Iterator
      .iterate(error)(_.getCause)
      .takeWhile(_ != null)
      .collectFirst { case lost @ (_: ClassNotFoundException | _: NoClassDefFoundError) =>
        lost.getMessage
      }
      .map { told =>
        // "Class a.b.C not found", "a.b.C", "a/b/C".
        val name = told.replace('/', '.').stripPrefix("Class ").stripSuffix(" not found")
        val jar =
          if (OfS3.exists(name.startsWith(_)))
            s"start the session with spark.jars.packages=org.apache.hadoop:hadoop-aws:${VersionInfo.getVersion}, the version " +
              "of its Hadoop, which brings the SDK of AWS"
          else "put the jar of this file system, with all that it needs, on spark.jars or spark.jars.packages"
        s"the class $name is missing; $jar"
      }
}
