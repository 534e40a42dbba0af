package org.apache.spark.ml.util

/** Whether Spark saves and loads on the driver's own disk. Since 4.1 its `saveToLocal` and `loadFromLocal` set a variable of
  * the thread and then call `save` and `load` of every stage with plain paths; 4.0 has no such variable, so it is looked for
  * by name.
  */
object CandlewickLocal {

  /** True while this thread saves or loads there. */
  def active: Boolean = state.exists(variable => java.lang.Boolean.TRUE == variable.get)

  private lazy val state: Option[ThreadLocal[_]] =
    try {
      val utilities =
        Class.forName("org.apache.spark.ml.util.ReadWriteUtils$", true, classOf[MLWriter].getClassLoader)
      val instance = utilities.getField("MODULE$").get(null)
      Some(utilities.getMethod("localSavingModeState").invoke(instance).asInstanceOf[ThreadLocal[_]])
    } catch { case _: ReflectiveOperationException => None }
}
