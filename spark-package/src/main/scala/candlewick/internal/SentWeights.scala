package candlewick.internal

import candlewick.jni.PerJvm
import java.lang.ref.WeakReference
import java.util.UUID
import org.apache.spark.SparkContext
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.sql.CandlewickShim

/** A file of weights where tasks can read it. A task carries this, not the file. */
private[candlewick] sealed trait SentWeights extends Serializable {

  /** Size of the file. */
  def bytes: Long

  /** The pieces, each fetched when it is its turn. */
  def iterable: java.lang.Iterable[Array[Byte]]

  /** Removes it everywhere. */
  def destroy(): Unit
}

/** A file at the executors of a cluster: one broadcast for each piece, so that none of them holds more than one piece of
  * it as an array. What stays in their block managers are the blocks that executors pass on to each other, serialised; Spark
  * moves them to disk where it needs the memory.
  */
private[internal] final class BroadcastWeights(pieces: Seq[Broadcast[Array[Byte]]], val bytes: Long)
    extends SentWeights {

  override def iterable: java.lang.Iterable[Array[Byte]] = () =>
    new java.util.Iterator[Array[Byte]] {
      private val left = pieces.iterator
      override def hasNext: Boolean = left.hasNext
      override def next(): Array[Byte] = CandlewickShim.readOnce(left.next())
    }

  override def destroy(): Unit = pieces.foreach(_.destroy())
}

private[internal] object BroadcastWeights {

  /** Broadcasts a piece; the driver keeps its own array of it and no second entry for it in its block manager. */
  def send(sc: SparkContext, piece: Array[Byte]): Broadcast[Array[Byte]] = {
    val sent = sc.broadcast(piece)
    CandlewickShim.dropValue(sent)
    sent
  }
}

/** A file in local mode, where tasks run in the driver's JVM: they get the very pieces that the driver holds.
  *
  * The driver's object keeps the pieces alive, and so does every task that has come here; the registry does not. That is how
  * Spark treats its broadcasts: a plan that is still there can be run, and what nobody holds goes.
  *
  * @param pieces
  *   a list of the JDK: the registry is that of the JVM, whatever number of class loaders holds these classes
  */
private[internal] final class HandedWeights(
    @transient private var pieces: java.util.List[Array[Byte]],
    val bytes: Long
) extends SentWeights {
  private val id = UUID.randomUUID().toString
  HandedWeights.add(id, pieces)

  override def iterable: java.lang.Iterable[Array[Byte]] = Option(pieces).getOrElse {
    throw new IllegalStateException(
      "these weights are no longer in the driver: what they were sent for is over"
    )
  }

  override def destroy(): Unit = HandedWeights.remove(id)

  private def readObject(in: java.io.ObjectInputStream): Unit = {
    in.defaultReadObject()
    pieces = HandedWeights.find(id).orNull
  }
}

private[internal] object HandedWeights {
  private type Pieces = java.util.List[Array[Byte]]

  private def all = PerJvm.map[WeakReference[Pieces]]("weights")

  private def add(id: String, pieces: Pieces): Unit = {
    all.values.removeIf(_.get == null)
    all.put(id, new WeakReference(pieces)): Unit
  }

  private def find(id: String): Option[Pieces] = Option(all.get(id)).flatMap(entry => Option(entry.get))

  private def remove(id: String): Unit = all.remove(id): Unit
}
