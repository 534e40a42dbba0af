//! `_params`: the parameters of the Python estimators and models, a module for each group, and the constructors.

use crate::parts::{Owner, has, parts};
use crate::python_builders::uses;
use crate::scala_params::{SHARED, owners};
use crate::text::{self, HEADER, capital, literal, param_words, quoted, wrap};
use crate::{Generated, PYTHON};
use candlewick_protocol::compression;
use candlewick_protocol::params::{self, GROUPS, Group, Param, Scope};
use candlewick_protocol::value::{BYTE_UNITS, DURATION_UNITS, FOLDERS, Kind, Range, ValueType, pattern};
use serde_json::Value;
use std::fmt::Write as _;

const WIDTH: usize = 108;
/// Longest line of code, with its end.
const LINE: usize = 121;

/// What the constructors take beside the parameters: see setInitialModel.
const INITIAL_MODEL: &str = "A trained model whose weights training starts from, instead of initialWeights; with \
    resumeOptimizer=True training goes on where that of the model ended.";

/// The same, last.
const CALLBACKS: &str = "Functions and candlewick.Callback objects that look on from the driver and may end the training; see setCallbacks.";

/// What a module takes from elsewhere, by source.
const IMPORTS: [(&str, &[&str]); 9] = [
    ("candlewick._callbacks", &["CallbackLike"]),
    ("candlewick._class_weight", &["ClassWeightLike", "ClassWeights"]),
    (
        "candlewick._convert",
        &[
            "to_duration",
            "to_int",
            "to_long",
            "to_switch",
            "to_text",
            "to_text_map",
        ],
    ),
    (
        "candlewick._document",
        &[
            "Loss",
            "LossLike",
            "LRScheduler",
            "NetworkLike",
            "Optimizer",
            "OptimizerLike",
            "SchedulerLike",
            "Sequential",
            "Stopping",
            "StoppingLike",
            "to_network",
            "to_optimizer",
            "to_scheduler",
            "to_stopping",
        ],
    ),
    (
        "candlewick._legal",
        &[
            "Legal", "Range", "each", "keywords", "matches", "one_of", "one_zero",
        ],
    ),
    ("candlewick._losses", &["to_loss"]),
    (
        "candlewick._params",
        &[
            "NeuralClassifierEstimatorParams",
            "NeuralEstimatorParams",
            "NeuralGeneralParams",
        ],
    ),
    (
        "candlewick._reading",
        &[
            "as_loss",
            "as_network",
            "as_optimizer",
            "as_scheduler",
            "as_stopping",
        ],
    ),
    ("candlewick._weights", &["WeightsLike", "to_weights"]),
];

/// Every file.
pub(crate) fn files() -> Vec<Generated> {
    let file = |name: &str, content| Generated {
        path: format!("{PYTHON}/_params/{name}.py"),
        content,
    };
    let mut files: Vec<Generated> = GROUPS
        .iter()
        .map(|group| file(group.name, group_module(group)))
        .collect();
    files.push(file("__init__", package()));
    for (name, parents, doc) in [
        (
            "classifier",
            "NeuralClassifierEstimatorParams, NeuralEstimatorParams",
            "Trains a neural network that tells classes apart.",
        ),
        (
            "regressor",
            "NeuralEstimatorParams",
            "Trains a neural network that predicts one or several numbers.",
        ),
        (
            "estimator",
            "NeuralGeneralParams, NeuralEstimatorParams",
            "Trains any neural network by losses over its outputs and label columns.",
        ),
    ] {
        files.push(file(name, constructor_module(name, parents, doc)));
    }
    files
}

/// A module: its imports are what its body uses.
fn module(doc: &str, body: &str) -> String {
    let uses = |name: &str| uses(body, name);
    let mut out = format!("# {HEADER}\n\"\"\"{doc}\"\"\"\n\nfrom __future__ import annotations\n\n");
    if uses("json.loads") {
        out.push_str("import json\n");
    }
    let abstracts: Vec<&str> = ["Mapping", "Sequence"]
        .into_iter()
        .filter(|name| uses(name))
        .collect();
    if !abstracts.is_empty() {
        let _ = writeln!(out, "from collections.abc import {}", abstracts.join(", "));
    }
    out.push_str(if uses("Any") {
        "from typing import TYPE_CHECKING, Any\n"
    } else {
        "from typing import TYPE_CHECKING\n"
    });
    if uses("Params._dummy") {
        let names: Vec<&str> = ["Param", "Params", "TypeConverters"]
            .into_iter()
            .filter(|name| uses(name))
            .collect();
        let _ = write!(out, "\nfrom pyspark.ml.param import {}\n", names.join(", "));
        let mut parents: Vec<&str> = SHARED.iter().map(|shared| shared.owner).collect();
        parents.retain(|name| uses(name));
        parents.sort_unstable();
        if !parents.is_empty() {
            let line = format!("from pyspark.ml.param.shared import {}\n", parents.join(", "));
            out.push_str(&if line.len() <= LINE {
                line
            } else {
                format!(
                    "from pyspark.ml.param.shared import (\n    {},\n)\n",
                    parents.join(",\n    ")
                )
            });
        }
    }
    out.push('\n');
    for (source, names) in IMPORTS {
        let names: Vec<&str> = names.iter().copied().filter(|name| uses(name)).collect();
        if !names.is_empty() {
            let line = format!("from {source} import {}\n", names.join(", "));
            out.push_str(&if line.len() <= LINE {
                line
            } else {
                format!("from {source} import (\n    {},\n)\n", names.join(",\n    "))
            });
        }
    }
    out.push_str("\nif TYPE_CHECKING:\n    from typing_extensions import Self\n");
    out.push_str(body);
    out
}

fn group_module(group: &'static Group) -> String {
    let mut body = String::new();
    for part in parts(group) {
        let (name, params) = (&part.name, &part.defined);
        let mut parents: Vec<&str> = part.of.as_deref().into_iter().collect();
        parents.extend(self::owners(params.iter().copied()));
        if parents.is_empty() {
            parents.push("Params");
        }
        let mut head = format!("class {name}({}):\n", parents.join(", "));
        if head.len() > LINE {
            head = format!("class {name}(\n    {}\n):\n", parents.join(", "));
        }
        let _ = write!(body, "\n\n{head}    \"\"\"{} {}\"\"\"\n", part.about, group.doc);
        for param in params {
            declaration(&mut body, param);
        }
        if !params.is_empty() {
            body.push_str("\n    def __init__(self) -> None:\n        super().__init__()\n");
        }
        let defaults: Vec<String> = params
            .iter()
            .filter_map(|param| {
                text::default_of(param).map(|value| format!("{}={}", param.name, literal(&value)))
            })
            .collect();
        if !defaults.is_empty() {
            let _ = write!(
                body,
                "        self._setDefault(\n            {},\n        )\n",
                defaults.join(",\n            ")
            );
        }
        for param in group.params {
            if has(params, param) {
                getter(&mut body, param);
            }
            if has(&part.set, param) {
                setter(&mut body, param);
            }
        }
    }
    module(group.doc, &body)
}

fn declaration(out: &mut String, param: &Param) {
    let (value, _, converter) = types(param.ty);
    let converter = match legal(param) {
        Some(check) => format!(
            "Legal(\n            {},\n            {converter},\n            {},\n            {check},\n        )",
            quoted(param.name),
            literal(&Value::from(param.domain().expected()))
        ),
        None if param.ty == ValueType::ClassWeights => {
            format!(
                "{converter}(\n            {}\n        )",
                literal(&Value::from(param.domain().expected()))
            )
        }
        None => converter.to_owned(),
    };
    let _ = write!(
        out,
        "\n    {}: Param[{value}] = Param(\n        Params._dummy(),\n        {},\n        {},\n        \
         typeConverter={converter},\n    )",
        param.name,
        quoted(param.name),
        literal(&Value::from(param_words(param)))
    );
    out.push('\n');
}

fn getter(out: &mut String, param: &Param) {
    let (value, _, _) = types(param.ty);
    let (name, upper) = (param.name, capital(param.name));
    let kept = format!("self.getOrDefault(self.{name})");
    let (value, got) = match read(param.ty) {
        Some((object, reader)) => (object, format!("{reader}({kept})")),
        None if param.ty == ValueType::TextMap => ("dict[str, str]", format!("dict(json.loads({kept}))")),
        None => (value, kept),
    };
    let _ = write!(
        out,
        "\n    def get{upper}(self) -> {value}:\n        \"\"\"Value of {name}, or its default.\"\"\"\n        return {got}\n"
    );
}

fn setter(out: &mut String, param: &Param) {
    let (_, given, _) = types(param.ty);
    let (name, upper) = (param.name, capital(param.name));
    let doc = wrap(&param_words(param), WIDTH, "        \"\"\"", "        ");
    let end = if doc.contains('\n') { "\n        " } else { "" };
    let _ = write!(
        out,
        "\n    def set{upper}(self, value: {given}) -> Self:\n{doc}{end}\"\"\"\n        return self._set({name}=value)\n"
    );
}

/// What joins the groups to the parents of estimators and models.
fn package() -> String {
    let of = |owners: &[Owner]| -> Vec<String> {
        let parts = GROUPS.iter().flat_map(parts);
        let named = parts.filter(|part| owners.contains(&part.owner));
        named.map(|part| part.name).collect()
    };
    let mut imports: Vec<String> = GROUPS
        .iter()
        .map(|group| {
            let mut names: Vec<String> = parts(group).into_iter().map(|part| part.name).collect();
            names.sort();
            import(&format!("candlewick._params.{}", group.name), &names)
        })
        .collect();
    imports.sort();
    let class = |name: &str, parents: &[&str], owners: &[Owner], doc: &str| {
        let mut parents: Vec<String> = parents.iter().map(|&parent| parent.to_owned()).collect();
        parents.extend(of(owners));
        joined(name, &parents, doc)
    };
    format!(
        "# {HEADER}\n\"\"\"Parameters of the estimators and models, a module for each group.\"\"\"\n\n{}{}{}{}{}{}{}",
        imports.concat(),
        class(
            "NeuralModelParams",
            &[],
            &[Owner::All],
            "Parameters that estimators and models share."
        ),
        class(
            "NeuralTrainingParams",
            &[],
            &[Owner::Training],
            "What estimators are set to, and models were trained with."
        ),
        class(
            "NeuralEstimatorParams",
            &["NeuralModelParams", "NeuralTrainingParams"],
            &[Owner::Estimator],
            "Parameters of every estimator."
        ),
        class(
            "NeuralClassifierParams",
            &[],
            &[Owner::Classifier, Owner::ClassifierTraining],
            "What a classifier and its model have beyond the others."
        ),
        class(
            "NeuralClassifierEstimatorParams",
            &["NeuralClassifierParams"],
            &[Owner::ClassifierEstimator],
            "What a classifier has beyond the other estimators."
        ),
        class(
            "NeuralGeneralParams",
            &[],
            &[Owner::General],
            "What a NeuralEstimator and its model have beyond the others."
        ),
    )
}

/// A class that is its parents and nothing else, as ruff lays it out.
fn joined(name: &str, parents: &[String], doc: &str) -> String {
    let line = parents.join(", ");
    let mut head = format!("class {name}({line}):\n");
    if head.len() > LINE {
        let inner = if line.len() + "    \n".len() <= LINE {
            line
        } else {
            format!("{},", parents.join(",\n    "))
        };
        head = format!("class {name}(\n    {inner}\n):\n");
    }
    format!("\n\n{head}    \"\"\"{doc}\"\"\"\n")
}

/// A line that imports names, several where it is too long.
fn import(source: &str, names: &[String]) -> String {
    let line = format!("from {source} import {}\n", names.join(", "));
    if line.len() <= LINE {
        line
    } else {
        format!("from {source} import (\n    {},\n)\n", names.join(",\n    "))
    }
}

fn constructor_module(name: &str, parents: &str, doc: &str) -> String {
    let has = |param: &&Param| match param.scope {
        Scope::Classifier | Scope::ClassifierEstimator => name == "classifier",
        Scope::General => name == "estimator",
        _ => true,
    };
    let mut signature = String::new();
    let mut arguments = String::new();
    for param in params::all().filter(has) {
        let (_, given, _) = types(param.ty);
        let default = text::default_of(param);
        let kind = if default.is_some() {
            given.to_owned()
        } else {
            format!("{given} | None")
        };
        let default = default.map_or("None".to_owned(), |value| literal(&value));
        let _ = writeln!(signature, "        {}: {kind} = {default},", param.name);
        arguments.push_str(&argument(param.name, &param_words(param)));
        if param.name == "initialWeights" {
            let _ = writeln!(signature, "        initialModel: Any = None,");
            arguments.push_str(&argument("initialModel", INITIAL_MODEL));
        }
    }
    let _ = writeln!(
        signature,
        "        callbacks: Sequence[CallbackLike] | None = None,"
    );
    arguments.push_str(&argument("callbacks", CALLBACKS));
    let body = format!(
        "\n\nclass Neural{}Base({parents}):\n    \"\"\"{doc}\"\"\"\n\n    _input_kwargs: dict[str, Any]\n\n    \
         if TYPE_CHECKING:\n\n        \
         def _attach(self, given: dict[str, Any]) -> None:\n            \
         \"\"\"Makes the companion in the JVM and sets what the constructor was given.\"\"\"\n\n    \
         @keywords\n    def __init__(\n        self,\n        *,\n{signature}    ) -> None:\n        \
         \"\"\"{doc}\n\n        Args:\n{arguments}        \"\"\"\n        \
         given = self._input_kwargs\n        super().__init__()\n        self._attach(given)\n\n    \
         @keywords\n    def setParams(\n        self,\n        *,\n{signature}    ) -> Self:\n        \
         \"\"\"Sets the parameters that are named, None unsets one; the others keep their values. See the constructor.\"\"\"\n        \
         return self._set(**self._input_kwargs)\n",
        capital(name)
    );
    module(&format!("The constructor of the {name}."), &body)
}

/// A constructor's argument in its docs.
fn argument(name: &str, words: &str) -> String {
    let first = format!("            {name}: ");
    wrap(words, WIDTH, &first, "                ") + "\n"
}

/// Type of the value kept, type of what a user may give, converter between them.
fn types(ty: ValueType) -> (&'static str, &'static str, &'static str) {
    match ty {
        ValueType::Int => ("int", "int", "to_int"),
        ValueType::Long => ("int", "int", "to_long"),
        ValueType::Real => ("float", "float", "TypeConverters.toFloat"),
        ValueType::Bool => ("bool", "bool", "TypeConverters.toBoolean"),
        ValueType::TextList => ("list[str]", "Sequence[str]", "TypeConverters.toListString"),
        ValueType::IntList => ("list[int]", "Sequence[int]", "TypeConverters.toListInt"),
        ValueType::RealList | ValueType::Thresholds => {
            ("list[float]", "Sequence[float]", "TypeConverters.toListFloat")
        }
        ValueType::Weights => ("str", "WeightsLike", "to_weights"),
        ValueType::Switch => ("str", "str | bool", "to_switch"),
        ValueType::ClassWeights => ("str", "ClassWeightLike", "ClassWeights"),
        ValueType::TextMap => ("str", "Mapping[str, str]", "to_text_map"),
        ValueType::Document(Kind::Network) => ("str", "NetworkLike", "to_network"),
        ValueType::Document(Kind::Loss) => ("str", "LossLike", "to_loss"),
        ValueType::Document(Kind::Optimizer) => ("str", "OptimizerLike", "to_optimizer"),
        ValueType::Document(Kind::Scheduler) => ("str", "SchedulerLike", "to_scheduler"),
        ValueType::Document(Kind::Stopping) => ("str", "StoppingLike", "to_stopping"),
        ValueType::Duration => ("str", "str | float", "to_duration"),
        _ => ("str", "str", "to_text"),
    }
}

/// Type of what a getter returns that is not the kept text, and what reads it.
fn read(ty: ValueType) -> Option<(&'static str, &'static str)> {
    let ValueType::Document(kind) = ty else {
        return None;
    };
    Some(match kind {
        Kind::Network => ("Sequential | Any", "as_network"),
        Kind::Loss => ("Loss", "as_loss"),
        Kind::Optimizer => ("Optimizer", "as_optimizer"),
        Kind::Scheduler => ("LRScheduler", "as_scheduler"),
        Kind::Stopping => ("Stopping", "as_stopping"),
        Kind::Layer | Kind::Initializer => return None,
    })
}

/// What refuses a wrong value; none where the converter does.
fn legal(param: &Param) -> Option<String> {
    Some(match param.ty {
        ValueType::Int | ValueType::Real => bounds(param.range)?,
        ValueType::IntList | ValueType::RealList => format!("each({})", bounds(param.range)?),
        ValueType::Thresholds => "one_zero".to_owned(),
        ValueType::TextList => "each()".to_owned(),
        ValueType::Duration => format!("matches({})", quoted(&pattern(&DURATION_UNITS))),
        ValueType::Bytes => format!("matches({})", quoted(&pattern(&BYTE_UNITS))),
        ValueType::Compression => format!("matches({})", quoted(compression::PATTERN)),
        ValueType::Folders => format!("matches({})", quoted(FOLDERS)),
        ValueType::Text | ValueType::Switch => match param.range {
            Range::OneOf(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                format!("one_of({})", texts.join(", "))
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn bounds(range: Range) -> Option<String> {
    Some(match range {
        Range::Any => "Range()".to_owned(),
        Range::Ints { min, max } => format!("Range({min}, {max})"),
        Range::IntsOr { min, max, or } => format!("Range({min}, {max}, also={or})"),
        Range::AtLeast(min) => format!("Range({min:?})"),
        Range::Above(bound) => format!("Range(above={bound:?})"),
        Range::Closed { min, max } => format!("Range({min:?}, {max:?})"),
        Range::HalfOpen { min, below } => format!("Range({min:?}, below={below:?})"),
        Range::OneOf(_) => return None,
    })
}
