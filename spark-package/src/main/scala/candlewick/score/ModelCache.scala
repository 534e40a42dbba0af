package candlewick.score

import candlewick.jni.{Model, Scorer}
import java.util.{LinkedHashMap => JavaLinkedHashMap, Map => JavaMap}

/** The models that this JVM has loaded, by key; the least recently used goes first. A scorer keeps what it needs of its
  * model, so a model can leave while tasks still score with it.
  */
private[score] object ModelCache {
  private val MaxModels = 8

  private val models = new JavaLinkedHashMap[String, Model](16, 0.75f, true) {
    override def removeEldestEntry(eldest: JavaMap.Entry[String, Model]): Boolean = {
      val over = this.size() > MaxModels
      if (over) eldest.getValue.close()
      over
    }
  }

  /** Opens a scorer of the model `key`, loading the model if it is not here. One lock: many tasks that start together
    * load it once, and no model is closed between look-up and opening.
    */
  def open(key: String, json: String, weights: => Array[Byte], scoreJson: String): Scorer = synchronized {
    val model = Option(models.get(key)).getOrElse {
      val loaded = Model.load(json, weights)
      models.put(key, loaded)
      loaded
    }
    Scorer.open(model, scoreJson)
  }

  /** Number of models in the cache. */
  def size: Int = synchronized(models.size())
}
