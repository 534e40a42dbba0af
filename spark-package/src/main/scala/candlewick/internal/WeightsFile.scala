package candlewick.internal

import candlewick.jni.Blob
import java.io.{ByteArrayInputStream, InputStream, OutputStream, SequenceInputStream}
import java.security.MessageDigest
import org.apache.spark.SparkContext

/** A safetensors file in memory, in pieces: an array of the JVM holds less than 2 GiB, and a heap seldom has room for one
  * as long as that. Never changed.
  *
  * @param pieces
  *   of [[WeightsFile.PieceBytes]] each but the last, or one of any length
  */
private[candlewick] final class WeightsFile(val pieces: Seq[Array[Byte]]) {

  /** Its size. */
  val bytes: Long = pieces.map(_.length.toLong).sum

  /** The pieces, for Java. */
  def iterable: java.lang.Iterable[Array[Byte]] = java.util.Arrays.asList(pieces: _*)

  /** SHA-256 of what is in `digest` already and of the file. */
  def hash(digest: MessageDigest): String = {
    pieces.foreach(digest.update(_))
    Sha256.hex(digest)
  }

  /** Writes the file. */
  def write(out: OutputStream): Unit = pieces.foreach(out.write(_))

  /** Writes `length` bytes of the file from `begin` on. */
  def write(out: OutputStream, begin: Long, length: Long): Unit = {
    val starts = pieces.scanLeft(0L)(_ + _.length)
    for ((piece, start) <- pieces.zip(starts)) {
      val from = math.max(begin - start, 0L)
      val until = math.min(begin + length - start, piece.length.toLong)
      if (from < until) out.write(piece, from.toInt, (until - from).toInt)
    }
  }

  /** The file as a stream. */
  def stream: InputStream = new SequenceInputStream(new java.util.Enumeration[InputStream] {
    private val left = pieces.iterator
    override def hasMoreElements: Boolean = left.hasNext
    override def nextElement(): InputStream = new ByteArrayInputStream(left.next())
  })

  /** The file as one array of the caller's own; throws where there is none so long.
    *
    * @param what
    *   asks for it, in the message
    */
  def array(what: String): Array[Byte] = {
    WeightsFile.checkArray(what, bytes)
    val whole = new Array[Byte](bytes.toInt)
    var at = 0
    pieces.foreach { piece =>
      System.arraycopy(piece, 0, whole, at, piece.length)
      at += piece.length
    }
    whole
  }

  /** The file as whoever computes in this JVM reads it. */
  def here: SentWeights = new HandedWeights(java.util.Arrays.asList(pieces: _*), bytes)

  /** Puts it where the tasks of the application can read it. */
  def send(sc: SparkContext): SentWeights =
    // In local mode the tasks run in this JVM: a broadcast would be a second copy.
    if (sc.isLocal) here
    else new BroadcastWeights(pieces.map(BroadcastWeights.send(sc, _)), bytes)
}

private[candlewick] object WeightsFile {

  /** Bytes of a piece: 32 MiB, less the header of an array, so that a heap of regions has no empty one behind it. */
  val PieceBytes: Int = (32 << 20) - 64

  /** What an array of the JVM can hold. */
  val MaxArray: Int = Int.MaxValue - 8

  /** Throws where a file is too long for an array, with the way out. */
  def checkArray(what: String, bytes: Long): Unit =
    if (bytes > MaxArray)
      throw Failures.parameter(
        s"$what: the weights have $bytes bytes, and an array of the JVM holds at most $MaxArray: save the model, and use " +
          "data/weights.safetensors in its folder, or the files that data/weights.safetensors.index.json names"
      )

  /** A file that is there as one array. */
  def of(file: Array[Byte]): WeightsFile = new WeightsFile(Seq(file))

  /** Reads `bytes` bytes; `part` gives the next part, of the length that is asked for. */
  def read(bytes: Long, pieceBytes: Int = PieceBytes)(part: (Long, Int) => Array[Byte]): WeightsFile =
    new WeightsFile(
      Iterator
        .iterate(0L)(_ + pieceBytes)
        .takeWhile(_ < bytes)
        .map(offset => part(offset, math.min(pieceBytes.toLong, bytes - offset).toInt))
        .toVector
    )

  /** Takes a file out of native memory. */
  def of(blob: Blob): WeightsFile = read(blob.bytes())(blob.read(_, _))

  /** Reads a stream of `bytes` bytes. */
  def of(in: InputStream, bytes: Long): WeightsFile = read(bytes) { (_, length) =>
    val piece = new Array[Byte](length)
    new java.io.DataInputStream(in).readFully(piece)
    piece
  }
}
