package org.apache.spark

/** Waits until the listeners have heard of everything so far. */
object ListenerEvents {
  def drain(context: SparkContext): Unit = context.listenerBus.waitUntilEmpty()
}
