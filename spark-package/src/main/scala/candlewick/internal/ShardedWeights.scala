package candlewick.internal

import com.fasterxml.jackson.databind.JsonNode
import java.io.{
  ByteArrayInputStream,
  DataInputStream,
  FileNotFoundException,
  InputStream,
  OutputStream,
  SequenceInputStream
}
import java.nio.{ByteBuffer, ByteOrder}
import java.nio.charset.StandardCharsets
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import scala.collection.mutable

/** Weights in one file or, beyond a limit, in several with an index that says which tensor is where: the convention of
  * Hugging Face. Tensors are not cut; one that is longer than the limit has a file of its own.
  */
private[candlewick] object ShardedWeights {

  /** Bytes of tensors in a file. */
  val Limit: Long = 1L << 31

  /** What the name of an index ends with. */
  val IndexEnd = ".safetensors.index.json"

  /** A tensor and its place among the data of a file. */
  private final case class Tensor(name: String, dtype: String, shape: JsonNode, begin: Long, end: Long)

  /** A file that is open where its data begin. */
  private final class Part(val name: String, val tensors: Seq[Tensor], val in: InputStream) {
    def bytes: Long = tensors.last.end
  }

  private val LengthBytes = 8

  /** Longest header that safetensors allows. */
  private val MaxHeader = 100000000L

  /** Writes `BASE.safetensors`, or `BASE-00001-of-00003.safetensors` and so on with `BASE.safetensors.index.json`. */
  def write(conf: Configuration, folder: Path, base: String, limit: Long)(weights: WeightsFile): Unit = {
    def file(name: String)(content: OutputStream => Unit): Unit = {
      val out = Files.create(conf, new Path(folder, name))
      try content(out)
      finally out.close()
    }
    val (start, tensors) = headerOf(weights)
    if (tensors.isEmpty || tensors.last.end <= limit) file(s"$base.safetensors")(out => weights.write(out))
    else {
      val groups = grouped(tensors, limit)
      val names = groups.indices.map { at =>
        s"$base-${numbered(at + 1)}-of-${numbered(groups.length)}.safetensors"
      }
      for ((group, name) <- groups.zip(names)) file(name) { out =>
        out.write(head(group))
        weights.write(out, start + group.head.begin, group.last.end - group.head.begin)
      }
      val places = groups.zip(names).flatMap { case (group, name) => group.map(_.name -> name) }
      val index = Json.obj(
        "metadata" -> Json.obj("total_size" -> tensors.last.end),
        "weight_map" -> Json.obj(places: _*)
      )
      file(s"$base$IndexEnd")(_.write(index.toString.getBytes(StandardCharsets.UTF_8)))
    }
  }

  private def numbered(at: Int): String = FileNames.padded(at.toLong, 5)

  /** Reads the files of an index as the one file that they were. */
  def read(conf: Configuration, index: Path): WeightsFile = {
    val text = new String(Files.readWhole(conf, index)(), StandardCharsets.UTF_8)
    val places = Json.fields(Json.field(Json.parseObject(index.getName, text), "weight_map")).map {
      case (tensor, file) => tensor -> file.asText
    }
    val parts = mutable.ArrayBuffer.empty[Part]
    try {
      for (name <- places.map(_._2).distinct.sorted) parts += open(conf, index.getParent, name)
      check(places, parts.toSeq)
      val starts = parts.scanLeft(0L)(_ + _.bytes)
      val tensors = parts.zip(starts).flatMap { case (part, start) =>
        part.tensors.map(tensor => tensor.copy(begin = start + tensor.begin, end = start + tensor.end))
      }
      val front = head(tensors.toSeq)
      val streams = (new ByteArrayInputStream(front) +: parts.map(_.in)).iterator
      val all = new SequenceInputStream(new java.util.Enumeration[InputStream] {
        override def hasMoreElements: Boolean = streams.hasNext
        override def nextElement(): InputStream = streams.next()
      })
      WeightsFile.of(all, front.length + starts.last)
    } finally parts.foreach(_.in.close())
  }

  private def check(places: Seq[(String, String)], parts: Seq[Part]): Unit = {
    val found = parts.flatMap(part => part.tensors.map(_.name -> part.name)).toSet
    places.find(!found(_)).foreach { case (tensor, file) =>
      throw Failures.parameter(
        s"the file $file does not hold the tensor $tensor, which the index says is there"
      )
    }
    if (found.size > places.length) {
      val (tensor, file) = (found -- places).head
      throw Failures.parameter(
        s"the file $file holds the tensor $tensor, which the index does not name there"
      )
    }
  }

  private def open(conf: Configuration, folder: Path, name: String): Part = {
    def wrong(why: String) = Failures.parameter(s"the file $name in $folder $why")
    if (!FileNames.isPlain(name)) throw wrong("is no name of a file beside the index")
    val path = new Path(folder, name)
    val files = path.getFileSystem(conf)
    val length =
      try files.getFileStatus(path).getLen
      catch { case _: FileNotFoundException => throw wrong("is missing, but the index names it") }
    val in = files.open(path)
    var opened = false
    try {
      val header = read(in, length).getOrElse(throw wrong("is cut off, or is no safetensors file"))
      val tensors = parsed(header)
      if (tensors.isEmpty || LengthBytes + header.length + tensors.last.end != length)
        throw wrong("is cut off: its length is not that of its tensors")
      opened = true
      new Part(name, tensors, in)
    } finally if (!opened) in.close()
  }

  /** The text of the header of a file of `length` bytes. */
  private def read(in: InputStream, length: Long): Option[Array[Byte]] = {
    val data = new DataInputStream(in)
    if (length < LengthBytes) None
    else {
      val bytes = java.lang.Long.reverseBytes(data.readLong())
      if (bytes < 0 || bytes > MaxHeader || bytes > length - LengthBytes) None
      else {
        val text = new Array[Byte](bytes.toInt)
        data.readFully(text)
        Some(text)
      }
    }
  }

  /** Where the data of a file begin, and its tensors. */
  private def headerOf(weights: WeightsFile): (Long, Seq[Tensor]) = {
    val header = read(weights.stream, weights.bytes).getOrElse(Array.emptyByteArray)
    (LengthBytes + header.length.toLong, parsed(header))
  }

  /** The tensors of a header in the order of their data. */
  private def parsed(header: Array[Byte]): Seq[Tensor] = {
    val document = Json.parseObject("its header", new String(header, StandardCharsets.UTF_8))
    val tensors = Json.fields(document).filter(_._1 != "__metadata__").map { case (name, info) =>
      val offsets = Json.items(Json.field(info, "data_offsets")).map(_.asLong)
      Tensor(name, Json.field(info, "dtype").asText, Json.field(info, "shape"), offsets.head, offsets.last)
    }
    tensors.sortBy(tensor => (tensor.begin, tensor.end))
  }

  /** The first bytes of a file of tensors that stand one after another. */
  private def head(tensors: Seq[Tensor]): Array[Byte] = {
    val start = tensors.head.begin
    val infos = tensors.map { tensor =>
      val place = Seq(tensor.begin - start, tensor.end - start)
      tensor.name -> Json.obj("dtype" -> tensor.dtype, "shape" -> tensor.shape, "data_offsets" -> place)
    }
    val fields = ("__metadata__" -> Json.obj("format" -> "pt")) +: infos
    val text = Json.obj(fields: _*).toString.getBytes(StandardCharsets.UTF_8)
    val padded = text.padTo((text.length + LengthBytes - 1) / LengthBytes * LengthBytes, ' '.toByte)
    val front = ByteBuffer.allocate(LengthBytes + padded.length).order(ByteOrder.LITTLE_ENDIAN)
    front.putLong(padded.length.toLong).put(padded).array()
  }

  private def grouped(tensors: Seq[Tensor], limit: Long): Seq[Seq[Tensor]] = {
    val groups = mutable.ArrayBuffer.empty[mutable.ArrayBuffer[Tensor]]
    for (tensor <- tensors)
      if (groups.isEmpty || tensor.end - groups.last.head.begin > limit) groups += mutable.ArrayBuffer(tensor)
      else groups.last += tensor
    groups.map(_.toSeq).toSeq
  }
}
