//! What an entry of the catalogue and its arguments are.

use candlewick_protocol::value::Domain;
pub use candlewick_protocol::value::{Kind, MAX_SIZE, Range, ValueType};
use serde_json::Value;

/// One argument of a constructor.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Name, in documents and in both languages.
    pub name: &'static str,
    /// Type of its value.
    pub ty: ValueType,
    /// Default as JSON text; `None` = required (or inferred, where `input`).
    pub default: Option<&'static str>,
    /// True for a size of the input (such as `in_features`): the short form leaves it out and it is inferred; given,
    /// it is checked.
    pub input: bool,
    /// True where PyTorch takes it by keyword only.
    pub keyword: bool,
    /// True where null is legal and means "without": PyTorch's `None`.
    pub nullable: bool,
    /// Legal values; of a list, of its items.
    pub range: Range,
    /// What it does, one sentence or more.
    pub doc: &'static str,
}

/// One layer, loss or optimiser.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Name, PyTorch's.
    pub name: &'static str,
    /// What it does, one sentence or more.
    pub doc: &'static str,
    /// Arguments in positional order.
    pub args: &'static [Arg],
}

impl Arg {
    /// The legal values.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        Domain {
            ty: self.ty,
            range: self.range,
            nullable: self.nullable,
        }
    }
}

/// The default of an argument as a JSON value; null where it is required or inferred.
#[must_use]
pub fn default_of(arg: &Arg) -> Value {
    arg.default
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

pub(super) const fn arg(
    name: &'static str,
    ty: ValueType,
    default: &'static str,
    range: Range,
    doc: &'static str,
) -> Arg {
    Arg {
        name,
        ty,
        default: Some(default),
        input: false,
        keyword: false,
        nullable: false,
        range,
        doc,
    }
}

pub(super) const fn keyword(arg: Arg) -> Arg {
    Arg { keyword: true, ..arg }
}

/// An argument that may be null, which is its default.
pub(super) const fn nullable(arg: Arg) -> Arg {
    Arg {
        default: Some("null"),
        nullable: true,
        ..arg
    }
}

pub(super) const fn required(arg: Arg) -> Arg {
    Arg { default: None, ..arg }
}

pub(super) const fn inferred(arg: Arg) -> Arg {
    Arg {
        default: None,
        input: true,
        ..arg
    }
}

pub(super) const fn layer(name: &'static str, args: &'static [Arg], doc: &'static str) -> Entry {
    Entry {
        kind: Kind::Layer,
        name,
        doc,
        args,
    }
}

pub(super) const SIZE: Range = Range::Ints {
    min: 1,
    max: MAX_SIZE,
};

pub(super) const POSITIVE: Range = Range::AtLeast(0.0);

/// Of layers over sequences: in PyTorch it says where a batch that the caller stacked has its rows; here the engine stacks
/// them.
pub const BATCH_FIRST: Arg = arg(
    "batch_first",
    ValueType::Bool,
    "true",
    Range::OneOf(&["true"]),
    "A row of the data is a sequence, so the batch is always the first dimension. PyTorch's default is \
     false.",
);
