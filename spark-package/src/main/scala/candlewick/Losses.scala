package candlewick

import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import java.util.Locale

/** Losses over named outputs. */
private[candlewick] object Losses {
  private val Term = "LossTerm"
  private val Output = "output"
  private val Type = "type"

  /** Losses that ask of each output whether a row has that class, and whether they want logits. */
  private val OfTags =
    Map("bcewithlogitsloss" -> true, "multilabelsoftmarginloss" -> true, "bceloss" -> false)

  /** Losses whose labels are no values of outputs: OTHER_LABELS of the native library. */
  private val OtherLabels =
    Set("tripletmarginloss", "cosineembeddingloss", "hingeembeddingloss", "multilabelmarginloss")

  /** Whether the values of an output are logits, where its loss asks of each whether the row has that class; else None.
    *
    * @param loss
    *   the document of the model's loss, or its name
    * @param output
    *   name of the output; empty: the only one
    */
  def tagLogits(loss: JsonNode, output: String): Option[Boolean] =
    names(loss, output).flatMap(name => OfTags.get(name.toLowerCase(Locale.ROOT))).headOption

  /** The loss of an output by which the label says something else than what the network puts out, if it has such a one: the
    * two cannot be compared.
    */
  def ofOtherLabels(loss: JsonNode, output: String): Option[String] =
    names(loss, output).find(name => OtherLabels(name.toLowerCase(Locale.ROOT)))

  private def names(loss: JsonNode, output: String): Seq[String] = {
    val terms = Option(loss.get("losses")).fold(Seq(loss))(Json.items(_))
    val own = terms.filter(term => output.isEmpty || term.path(Output).asText(output) == output)
    own.map(term => if (term.path(Type).asText == Term) term.path("loss") else term).map { one =>
      if (one.isTextual) one.asText else one.path(Type).asText
    }
  }

  /** The sum of a loss for each output. */
  def byOutput(losses: Seq[(String, Loss)]): Loss = {
    losses.groupBy(_._1).find(_._2.length > 1).foreach { case (output, _) =>
      throw Failures.parameter(
        s"loss: the output '$output' is named twice; give it one loss, such as nn.MultiLoss with two of nn.LossTerm over it"
      )
    }
    nn.MultiLoss(losses.map { case (output, loss) => term(output, loss) })
  }

  private def term(output: String, loss: Loss): Loss =
    loss.node.get("type").asText match {
      case Term =>
        val said = loss.node.get(Output)
        if (said != null && !said.isNull && said.asText != output)
          throw Failures.parameter(
            s"loss: the loss of the output '$output' is a LossTerm over the output $said; leave output out of it"
          )
        val named = loss.node.deepCopy()
        named.put(Output, output): Unit
        new Loss(named)
      case "MultiLoss" =>
        throw Failures.parameter(
          s"loss: the loss of the output '$output' is a MultiLoss; give the whole loss as one nn.MultiLoss, whose terms " +
            "name their outputs: nn.LossTerm(loss, output = \"" + output + "\")"
        )
      case _ => nn.LossTerm(loss, output = output)
    }
}
