//! `_params.py`: parameters, their accessors and the constructors of the Python estimators.

use crate::text::{self, HEADER, capital, quoted, wrap};
use candlewick_protocol::params::{PARAMS, Param, ParamType, Scope};
use serde_json::Value;
use std::fmt::Write as _;

const WIDTH: usize = 108;

const IMPORTS: &str = r#"from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters

from candlewick._document import (
    LossLike,
    NetworkLike,
    OptimizerLike,
    SchedulerLike,
    to_int,
    to_long,
    to_loss,
    to_network,
    to_optimizer,
    to_scheduler,
)
from candlewick._stopping import StoppingLike, to_stopping
from candlewick._weights import WeightsLike, to_weights

if TYPE_CHECKING:
    from typing_extensions import Self
"#;

/// The whole file.
pub(crate) fn file() -> String {
    let mut out = format!("# {HEADER}\n\"\"\"Parameters of the estimators and models.\"\"\"\n\n{IMPORTS}");
    traits(
        &mut out,
        "NeuralModelParams",
        "Params",
        "Parameters that estimators and models share.",
        Scope::All,
    );
    let parent = "NeuralModelParams";
    traits(
        &mut out,
        "NeuralEstimatorParams",
        parent,
        "Parameters of every estimator.",
        Scope::Estimator,
    );
    let doc = "What a classifier and its model have beyond the others.";
    traits(&mut out, "NeuralClassifierParams", parent, doc, Scope::Classifier);
    constructor(
        &mut out,
        "NeuralClassifierBase",
        "NeuralEstimatorParams, NeuralClassifierParams",
        "Trains a neural network that tells classes apart.",
        &|_| true,
    );
    constructor(
        &mut out,
        "NeuralRegressorBase",
        "NeuralEstimatorParams",
        "Trains a neural network that predicts one or several numbers.",
        &|scope| scope != Scope::Classifier,
    );
    out
}

fn traits(out: &mut String, name: &str, parent: &str, doc: &str, scope: Scope) {
    let params: Vec<&Param> = PARAMS.iter().filter(|param| param.scope == scope).collect();
    let _ = write!(out, "\n\nclass {name}({parent}):\n    \"\"\"{doc}\"\"\"\n");
    for param in &params {
        let (value, _, converter) = types(param);
        let _ = write!(
            out,
            "\n    {}: Param[{value}] = Param(\n        Params._dummy(),\n        {},\n        {},\n        \
             typeConverter={converter},\n    )",
            param.name,
            quoted(param.name),
            literal(&Value::from(param.doc))
        );
    }
    out.push_str("\n\n    def __init__(self) -> None:\n        super().__init__()\n");
    let defaults: Vec<String> = params
        .iter()
        .filter_map(|param| {
            text::default_of(param).map(|value| format!("{}={}", param.name, literal(&value)))
        })
        .collect();
    if !defaults.is_empty() {
        let _ = write!(
            out,
            "        self._setDefault(\n            {},\n        )\n",
            defaults.join(",\n            ")
        );
    }
    for param in params {
        accessors(out, param);
    }
}

fn accessors(out: &mut String, param: &Param) {
    let (value, given, _) = types(param);
    let (name, upper) = (param.name, capital(param.name));
    let _ = write!(
        out,
        "\n    def get{upper}(self) -> {value}:\n        \"\"\"Value of {name}, or its default.\"\"\"\n        \
         return self.getOrDefault(self.{name})\n"
    );
    let doc = wrap(
        &format!("{} ({})", param.doc, text::type_words(param.kind)),
        WIDTH,
        "        \"\"\"",
        "        ",
    );
    let end = if doc.contains('\n') { "\n        " } else { "" };
    let _ = write!(
        out,
        "\n    def set{upper}(self, value: {given}) -> Self:\n{doc}{end}\"\"\"\n        \
         return self._set({name}=value)\n"
    );
}

fn constructor(out: &mut String, name: &str, parents: &str, doc: &str, has: &dyn Fn(Scope) -> bool) {
    let params: Vec<&Param> = PARAMS.iter().filter(|param| has(param.scope)).collect();
    let mut signature = String::new();
    let mut arguments = String::new();
    for param in params {
        let (_, given, _) = types(param);
        let default = text::default_of(param);
        let kind = if default.is_some() {
            given.to_owned()
        } else {
            format!("{given} | None")
        };
        let default = default.map_or("None".to_owned(), |value| literal(&value));
        let _ = writeln!(signature, "        {}: {kind} = {default},", param.name);
        let first = format!("            {}: ", param.name);
        let _ = writeln!(
            arguments,
            "{}",
            wrap(
                &format!("{} ({})", param.doc, text::type_words(param.kind)),
                WIDTH,
                &first,
                "                "
            )
        );
    }
    let _ = write!(
        out,
        "\n\nclass {name}({parents}):\n    \"\"\"{doc}\"\"\"\n\n    _input_kwargs: dict[str, Any]\n\n    \
         if TYPE_CHECKING:\n\n        \
         def _attach(self, given: dict[str, Any]) -> None:\n            \
         \"\"\"Makes the companion in the JVM and sets what the constructor was given.\"\"\"\n\n    \
         @keyword_only\n    def __init__(\n        self,\n        *,\n{signature}    ) -> None:\n        \
         \"\"\"{doc}\n\n        Args:\n{arguments}        \"\"\"\n        \
         given = self._input_kwargs\n        super().__init__()\n        self._attach(given)\n\n    \
         @keyword_only\n    def setParams(\n        self,\n        *,\n{signature}    ) -> Self:\n        \
         \"\"\"Sets the parameters that are named; the others keep their values. See the constructor.\"\"\"\n        \
         return self._set(**{{name: value for name, value in self._input_kwargs.items() if value is not None}})\n"
    );
}

/// Type of the value kept, type of what a user may give, converter between them.
fn types(param: &Param) -> (&'static str, &'static str, &'static str) {
    match param.kind {
        ParamType::Text { .. } if param.name == "initialWeights" => ("str", "WeightsLike", "to_weights"),
        ParamType::Text { .. } | ParamType::Duration | ParamType::Bytes => {
            ("str", "str", "TypeConverters.toString")
        }
        ParamType::Int { .. } => ("int", "int", "to_int"),
        ParamType::Long => ("int", "int", "to_long"),
        ParamType::Double { .. } | ParamType::Fraction => ("float", "float", "TypeConverters.toFloat"),
        ParamType::Boolean => ("bool", "bool", "TypeConverters.toBoolean"),
        ParamType::TextList => ("list[str]", "Sequence[str]", "TypeConverters.toListString"),
        ParamType::IntList => ("list[int]", "Sequence[int]", "TypeConverters.toListInt"),
        ParamType::DoubleList => ("list[float]", "Sequence[float]", "TypeConverters.toListFloat"),
        ParamType::Document => match param.name {
            "network" => ("str", "NetworkLike", "to_network"),
            "loss" => ("str", "LossLike", "to_loss"),
            "earlyStopping" => ("str", "StoppingLike", "to_stopping"),
            name if is_schedule(name) => ("str", "SchedulerLike", "to_scheduler"),
            _ => ("str", "OptimizerLike", "to_optimizer"),
        },
    }
}

/// Whether a document is a schedule of the learning rate.
pub(crate) fn is_schedule(name: &str) -> bool {
    name.to_lowercase().ends_with("scheduler")
}

/// The JSON value as Python writes it.
pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) if items.len() == 1 => format!("({},)", literal(&items[0])),
        Value::Array(items) => format!("({})", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::String(text) if text.contains('"') && !text.contains('\'') => format!("'{text}'"),
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .map_or(number.to_string(), |real| format!("{real:?}")),
        other => other.to_string(),
    }
}
