//! The parameters of the estimators: name, type, default, range and documentation, once for Scala and Python.
//!
//! The traits of both languages are generated from [`GROUPS`], a file for each; [`check`] validates what a user set.
//! Names are those of Spark ML where it has one.

mod check;
mod columns;
mod complete;
mod durability;
mod exchange;
mod gang;
mod network;
mod training;

pub use check::check;
pub use complete::Complete;

use crate::value::{Domain, MAX_SIZE, Range, ValueType};
use serde_json::Value;

/// Which estimators and models have a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Estimators and models.
    All,
    /// Estimators and models of classifiers only.
    Classifier,
    /// NeuralEstimator and its models only.
    General,
    /// Estimators; their models know what they were trained with.
    Estimator,
    /// The same, of classifiers only.
    ClassifierEstimator,
    /// Estimators only: what a model has otherwise, or would only carry around.
    EstimatorAlone,
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name, in both languages.
    pub name: &'static str,
    /// Who has it.
    pub scope: Scope,
    /// Type.
    pub ty: ValueType,
    /// Range; of a list, that of its items.
    pub range: Range,
    /// Default as JSON text; `None` = not set.
    pub default: Option<&'static str>,
    /// True where it enters the model and means something without Spark: `candlewick-trainer serve` takes it.
    pub standalone: bool,
    /// What it does, one paragraph.
    pub doc: &'static str,
}

impl Param {
    /// The legal values.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        Domain {
            ty: self.ty,
            range: self.range,
            nullable: false,
        }
    }

    /// The default; null where there is none.
    #[must_use]
    pub fn default_value(&self) -> Value {
        self.default
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Value::Null)
    }
}

const fn param(
    name: &'static str,
    scope: Scope,
    ty: ValueType,
    range: Range,
    default: Option<&'static str>,
    doc: &'static str,
) -> Param {
    Param {
        name,
        scope,
        ty,
        range,
        default,
        standalone: false,
        doc,
    }
}

/// A parameter that means something without Spark.
const fn standalone(
    name: &'static str,
    scope: Scope,
    ty: ValueType,
    range: Range,
    default: Option<&'static str>,
    doc: &'static str,
) -> Param {
    Param {
        standalone: true,
        ..param(name, scope, ty, range, default, doc)
    }
}

const fn ints(min: i64, max: i64) -> Range {
    Range::Ints { min, max }
}

const SIZE: Range = Range::Ints {
    min: 1,
    max: MAX_SIZE - 1,
};
const FRACTION: Range = Range::HalfOpen { min: 0.0, below: 1.0 };

/// Parameters that stand together: a section of the documentation, a file in each language.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Name of the section.
    pub name: &'static str,
    /// What they are about, a sentence.
    pub doc: &'static str,
    /// The parameters, in the order of the documentation.
    pub params: &'static [Param],
}

/// Every parameter, by group, in the order of the documentation.
pub const GROUPS: &[Group] = &[
    Group {
        name: "columns",
        doc: "Columns that are read and appended, and how they are read.",
        params: columns::PARAMS,
    },
    Group {
        name: "network",
        doc: "What is trained.",
        params: network::PARAMS,
    },
    Group {
        name: "training",
        doc: "How it is trained.",
        params: training::PARAMS,
    },
    Group {
        name: "gang",
        doc: "The processes that train.",
        params: gang::PARAMS,
    },
    Group {
        name: "exchange",
        doc: "What trainers exchange, and when.",
        params: exchange::PARAMS,
    },
    Group {
        name: "durability",
        doc: "Checkpoints of the training, and models that it goes on from.",
        params: durability::PARAMS,
    },
];

/// Every parameter, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Param> + Clone {
    GROUPS.iter().flat_map(|group| group.params)
}

/// The parameter called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Param> {
    all().find(|param| param.name == name)
}

/// The default of `name`, `Value::Null` where there is none or the name is unknown.
#[must_use]
pub fn default_of(name: &str) -> Value {
    find(name).map_or(Value::Null, Param::default_value)
}
