package candlewick.columns

import candlewick.internal.Failures
import java.util.Locale
import org.apache.spark.ml.attribute.AttributeGroup
import org.apache.spark.ml.linalg.SQLDataTypes
import org.apache.spark.sql.Column
import org.apache.spark.sql.functions.flatten
import org.apache.spark.sql.types._
import scala.annotation.tailrec

/** What a column of features, labels or weights may be, and how wide it is as far as the schema tells. */
private[candlewick] object ColumnRules {

  /** The column `name` that parameter `param` asks for. */
  def find(schema: StructType, name: String, param: String, caseSensitive: Boolean): StructField = {
    val exact = schema.fields.filter(_.name == name)
    val found =
      if (exact.nonEmpty || caseSensitive) exact else schema.fields.filter(_.name.equalsIgnoreCase(name))
    found match {
      case Array(field) => field
      case Array() =>
        throw Failures.parameter(
          s"$param: there is no column '$name' in the DataFrame, which has: ${listed(schema.fieldNames)}; " +
            remedy(schema, name, param)
        )
      case _ =>
        throw Failures.parameter(
          s"$param: the DataFrame has ${found.length} columns '$name'; rename them so that each name is there once"
        )
    }
  }

  /** Throws where a query cannot tell one of these columns, each with its parameter, from another of the DataFrame: their names
    * differ in case alone.
    */
  def checkTold(schema: StructType, columns: Seq[(String, StructField)], caseSensitive: Boolean): Unit = {
    def key(name: String) = name.toLowerCase(Locale.ROOT)
    val alike = if (caseSensitive) Map.empty[String, Array[String]] else schema.fieldNames.groupBy(key)
    for {
      (param, field) <- columns
      names <- alike.get(key(field.name)) if names.length > 1
    } throw Failures.parameter(
      s"$param: the DataFrame has the columns ${names.mkString("'", "' and '", "'")}, one name to Spark where spark.sql.caseSensitive " +
        "is false; rename or drop one of them"
    )
  }

  /** Names of columns for a message: where there are thousands, the first of them. */
  private def listed(names: Array[String]): String =
    if (names.length <= Listed) names.mkString(", ")
    else names.take(Listed).mkString("", ", ", s" and ${names.length - Listed} more")

  /** How to name a column that is there in another way. */
  private def remedy(schema: StructType, name: String, param: String): String = {
    val bare = name.stripPrefix("`").stripSuffix("`")
    val outer = name.takeWhile(_ != '.')
    val nested = name.contains('.') && schema.fields.exists { field =>
      field.name == outer && field.dataType.isInstanceOf[StructType]
    }
    if (bare != name && schema.fieldNames.contains(bare)) s"set $param to '$bare', without backticks"
    else if (nested) s"a field of a struct has to be a column of its own: select col('$name').alias('name')"
    else s"set $param to one of them"
  }

  /** Columns that a message names at most. */
  private val Listed = 50

  /** Throws unless the column can be part of the features. */
  def checkFeature(field: StructField): Unit = field.dataType match {
    case _: NumericType | BooleanType | BinaryType => ()
    case ArrayType(_: NumericType | BooleanType, _) => ()
    case kind if isVector(kind) => ()
    case kind if nested(kind) => ()
    case StringType =>
      throw Failures.parameter(
        s"features: column '${field.name}' is a string; index it with StringIndexer (and OneHotEncoder) first"
      )
    case kind =>
      throw Failures.parameter(
        s"features: column '${field.name}' is ${kind.catalogString}; expected a Vector, an array of numbers " +
          "(or of such arrays), a number or binary; convert it first, for example with VectorAssembler"
      )
  }

  /** Throws unless the column can be the label. */
  def checkLabel(field: StructField, classifier: Boolean, param: String): Unit = field.dataType match {
    case _: NumericType | BooleanType => ()
    case StringType =>
      throw Failures.parameter(
        s"$param: column '${field.name}' is a string; index it with StringIndexer and train on the indices"
      )
    case kind if !classifier && isVector(kind) => ()
    case ArrayType(_: NumericType | BooleanType, _) if !classifier => ()
    case kind if !classifier && nested(kind) => ()
    case kind =>
      val wanted =
        if (classifier) "a number" else "a number, an array of numbers (or of such arrays) or a Vector"
      throw Failures.parameter(s"$param: column '${field.name}' is ${kind.catalogString}; expected $wanted")
  }

  /** Throws unless the column can be the weight. */
  def checkWeight(field: StructField): Unit = field.dataType match {
    case _: NumericType => ()
    case kind =>
      throw Failures.parameter(
        s"weightCol: column '${field.name}' is ${kind.catalogString}; expected a number"
      )
  }

  /** Throws unless the column can mark the validation rows. */
  def checkMark(field: StructField): Unit =
    if (field.dataType != BooleanType)
      throw Failures.parameter(
        s"validationIndicatorCol: column '${field.name}' is ${field.dataType.catalogString}; expected boolean: " +
          "cast it first"
      )

  /** Throws if a column that is to be appended is there already, or is named twice.
    *
    * @param outputs
    *   the parameter that names a column, and the name
    */
  def checkNew(schema: StructType, outputs: Seq[(String, String)], caseSensitive: Boolean): Unit = {
    def same(a: String, b: String) = if (caseSensitive) a == b else a.equalsIgnoreCase(b)
    outputs.zipWithIndex.foreach { case ((param, name), at) =>
      schema.fieldNames.find(same(_, name)).foreach { existing =>
        throw Failures.parameter(
          s"$param: the DataFrame already has a column '$existing'; drop or rename it, or set $param to another name"
        )
      }
      outputs.take(at).find { case (_, its) => same(its, name) }.foreach {
        case (`param`, its) =>
          throw Failures.parameter(
            s"$param: two outputs of the network would make the columns '$its' and '$name'; rename one of them"
          )
        case (other, _) =>
          throw Failures.parameter(s"$other and $param are both '$name'; give them different names")
      }
    }
  }

  /** Numbers the column holds, if the schema says so: 1 for a number, the attribute group's size for a Vector. */
  def knownWidth(field: StructField): Option[Int] = field.dataType match {
    case _: NumericType | BooleanType => Some(1)
    case kind if isVector(kind) =>
      val size = AttributeGroup.fromStructField(field).size
      if (size > 0) Some(size) else None
    case _ => None
  }

  /** Whether a type is arrays of numbers within arrays. */
  def nested(kind: DataType): Boolean = dimensions(kind).exists(_ > 1)

  /** Dimensions of an array of numbers, 0 of a number; None for all else. */
  @tailrec
  private def dimensions(kind: DataType, above: Int = 0): Option[Int] = kind match {
    case ArrayType(element, _) => dimensions(element, above + 1)
    case _: NumericType | BooleanType => Some(above)
    case _ => None
  }

  /** The sizes that the nested arrays of a column must have for a network whose input has a shape: those of its last
    * dimensions, unless the shape is another one than theirs, and so a view that somebody asked for.
    */
  def nestedSizes(kind: DataType, inputShape: Seq[Int]): Option[Seq[Int]] =
    dimensions(kind).filter(count => count > 1 && count <= inputShape.length).flatMap { count =>
      val (outer, sizes) = inputShape.splitAt(inputShape.length - count)
      if (outer.forall(_ == 1)) Some(sizes) else None
    }

  /** A column whose arrays within arrays are one array, row by row. */
  def flat(column: Column, kind: DataType): Column =
    (1 until dimensions(kind).getOrElse(1)).foldLeft(column)((so, _) => flatten(so))

  /** Whether a type is Spark ML's Vector. */
  def isVector(kind: DataType): Boolean = kind == SQLDataTypes.VectorType

  /** Whether the label has several values. */
  def isMulti(kind: DataType): Boolean = isVector(kind) || kind.isInstanceOf[ArrayType]

  /** The type's name as the native library knows it. */
  def typeName(kind: DataType): String = if (isVector(kind)) "vector" else kind.catalogString
}
