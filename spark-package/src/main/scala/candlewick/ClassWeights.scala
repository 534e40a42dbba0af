package candlewick

import candlewick.internal.{Failures, Json, Legal}
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.ml.param.{Param, Params}
import scala.util.Try

/** The parameter `classWeight`: its text is "balanced", or a JSON object that has weights by classes.
  *
  * @param expected
  *   what is legal, in words
  */
private[candlewick] final class ClassWeightsParam(parent: Params, name: String, doc: String, expected: String)
    extends Param[String](parent, name, doc, (text: String) => ClassWeights.check(name, expected, text))

/** Values of `classWeight`. */
private[candlewick] object ClassWeights {
  private val Balanced = "balanced"
  private val Label = "0|[1-9][0-9]{0,9}"

  /** The text of weights by classes. */
  def json(weights: Map[Int, Double]): String =
    Json.obj(weights.toSeq.sortBy(_._1).map { case (label, weight) => label.toString -> weight }: _*).toString

  /** The value as the native library takes it: a text, or an object. */
  def encode(text: String): String = parsed(text).getOrElse(Json.list(Seq(text)).get(0)).toString

  /** True; what is not legal is refused with what is. */
  def check(name: String, expected: String, text: String): Boolean =
    if (text == Balanced || parsed(text).exists(isLegal)) true
    else
      throw Failures.parameter(s"parameter $name = ${encode(text)} is not legal: expected $expected")

  private def parsed(text: String): Option[JsonNode] =
    Try(Json.parse(text)).toOption.filter(node => node != null && node.isObject)

  private def isLegal(weights: JsonNode): Boolean = !weights.isEmpty &&
    Json.fields(weights).forall { case (label, weight) =>
      label.matches(Label) && weight.isNumber && weight.asDouble >= 0.0 && Legal.finite(weight.asDouble)
    }
}
