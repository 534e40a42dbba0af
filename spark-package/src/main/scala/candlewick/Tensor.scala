package candlewick

import java.util.concurrent.atomic.AtomicLong

/** What a node of a graph will return: the result of `nn.Input` and of calling a layer. It holds no values.
  *
  * @param at
  *   position in the order in which tensors were made, in which they can be computed too
  */
final class Tensor private (
    private[candlewick] val layer: Option[Document],
    private[candlewick] val inputs: Seq[Tensor],
    private[candlewick] val name: Option[String],
    private[candlewick] val shape: Size,
    private[candlewick] val at: Long
) {
  override def toString: String = layer.fold(s"Input(${name.getOrElse("")})")(module => s"Tensor($module)")
}

private[candlewick] object Tensor {
  private val made = new AtomicLong

  /** An input of a graph. */
  def input(name: String, shape: Size): Tensor = {
    if (shape.sizes.isEmpty || shape.sizes.exists(_ < 1))
      throw new IllegalArgumentException(
        s"nn.Input($name): the shape must be a list of sizes of at least 1, not ${shape.sizes.mkString("(", ", ", ")")}"
      )
    new Tensor(None, Nil, Some(legal(name)), shape, made.getAndIncrement())
  }

  /** The node that a called layer is. */
  def node(layer: Document, inputs: Seq[Tensor], name: Option[String]): Tensor = {
    if (inputs.isEmpty)
      throw new IllegalArgumentException(
        s"$layer is called without a tensor; call it with nn.Input or another layer's result"
      )
    new Tensor(Some(layer), inputs, name.map(legal), Size(1), made.getAndIncrement())
  }

  /** A name that can be part of parameters' names. */
  def legal(name: String): String = {
    val wrong =
      name.isEmpty || name.length > 200 || name.exists(c => "./\"\\".indexOf(c.toInt) >= 0 || c.isControl)
    if (wrong)
      throw new IllegalArgumentException(
        s"'$name' cannot be the name of a node: it must be a text without dots, slashes and quotes"
      )
    name
  }
}
