//! `Params.scala`: the parameter traits of the Scala estimators and models.

use crate::python_params::is_schedule;
use crate::text::{self, HEADER, capital, quoted, wrap};
use candlewick_protocol::params::{PARAMS, Param, ParamType, Scope};
use std::fmt::Write as _;

const WIDTH: usize = 100;

const MODEL_TRAIT: &str = "\
/** Parameters that estimators and models share. */
trait NeuralModelParams extends Params {

  /** Every parameter that was set, not the defaults, as one JSON object: what the native library resolves.
    */
  def paramsJson(): String = {
    // A file that is given by its bytes would only be copied.
    val asked = params.filter(param => isSet(param) && param.name != \"initialWeights\")
    val set = asked.map(param => s\"\\\"${param.name}\\\":${jsonValue(param)}\")
    set.mkString(\"{\", \",\", \"}\")
  }

  private def jsonValue[T](param: Param[T]): String =
    if (NeuralModelParams.documents.contains(param.name))
      Document.parse(s\"parameter ${param.name}\", $(param).toString).toString
    else param.jsonEncode($(param))
";

/// The whole file.
pub(crate) fn file() -> String {
    let documents = PARAMS.iter().filter(|param| param.kind == ParamType::Document);
    let documents = documents
        .map(|param| quoted(param.name))
        .collect::<Vec<_>>()
        .join(", ");
    let mut out = format!(
        "// {HEADER}\npackage candlewick.generated\n\n\
         import candlewick._\n\
         import org.apache.spark.ml.param._\n\n{MODEL_TRAIT}"
    );
    members(&mut out, Scope::All);
    let _ = write!(
        out,
        "}}\n\nprivate[generated] object NeuralModelParams {{\n\n  \
         /** Parameters whose text is a JSON document. */\n  \
         val documents: Set[String] = Set({documents})\n}}\n\n\
         /** Parameters of every estimator. */\ntrait NeuralEstimatorParams extends NeuralModelParams {{\n"
    );
    members(&mut out, Scope::Estimator);
    out.push_str(
        "}\n\n/** What a classifier and its model have beyond the others. */\n\
         trait NeuralClassifierParams extends NeuralModelParams {\n",
    );
    members(&mut out, Scope::Classifier);
    out.push_str("}\n");
    out
}

fn members(out: &mut String, scope: Scope) {
    for param in PARAMS.iter().filter(|param| param.scope == scope) {
        member(out, param);
    }
}

fn member(out: &mut String, param: &Param) {
    let Param { name, kind, .. } = *param;
    let (class, value) = types(kind);
    let upper = capital(name);
    let doc = |group: &str| {
        wrap(
            &format!("{} ({})", param.doc, text::type_words(kind)),
            WIDTH,
            "  /** ",
            "    * ",
        ) + &format!("\n    * @group {group}\n    */\n")
    };
    let _ = write!(
        out,
        "\n{}  final val {name}: {class} = new {class}(\n    this,\n    {},\n    {}\n  )\n",
        doc("param"),
        quoted(name),
        quoted(param.doc)
    );
    if let Some(default) = text::default_of(param) {
        let suffix = if kind == ParamType::Long { "L" } else { "" };
        let _ = writeln!(out, "  setDefault({name}, {default}{suffix})");
    }
    let _ = write!(
        out,
        "\n{}  def get{upper}: {value} = $({name})\n",
        doc("getParam")
    );
    let _ = write!(
        out,
        "\n{}  def set{upper}(value: {value}): this.type = set({name}, value)\n",
        doc("setParam")
    );
    if kind == ParamType::Document {
        let _ = write!(
            out,
            "\n{}  def set{upper}(value: {}): this.type = set({name}, value.json)\n",
            doc("setParam"),
            document_class(name)
        );
    }
}

/// Class of the builder objects that a document parameter takes.
fn document_class(name: &str) -> &'static str {
    match name {
        "network" => "Network",
        "loss" => "Loss",
        "earlyStopping" => "EarlyStopping",
        name if is_schedule(name) => "LRScheduler",
        _ => "Optimizer",
    }
}

/// Class of the parameter and type of its value.
fn types(kind: ParamType) -> (&'static str, &'static str) {
    match kind {
        ParamType::Text { .. } | ParamType::Duration | ParamType::Bytes | ParamType::Document => {
            ("Param[String]", "String")
        }
        ParamType::Int { .. } => ("IntParam", "Int"),
        ParamType::Long => ("LongParam", "Long"),
        ParamType::Double { .. } | ParamType::Fraction => ("DoubleParam", "Double"),
        ParamType::Boolean => ("BooleanParam", "Boolean"),
        ParamType::TextList => ("StringArrayParam", "Array[String]"),
        ParamType::IntList => ("IntArrayParam", "Array[Int]"),
        ParamType::DoubleList => ("DoubleArrayParam", "Array[Double]"),
    }
}
