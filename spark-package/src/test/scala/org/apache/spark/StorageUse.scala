package org.apache.spark

/** What a JVM of Spark's holds in memory for its block manager. */
object StorageUse {

  /** Bytes, of the JVM that asks. */
  def here: Long = SparkEnv.get.memoryManager.storageMemoryUsed
}
