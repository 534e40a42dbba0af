//! How the Python builders refuse a wrong argument: by the catalogue's types and ranges, in its words.

use crate::text::literal;
use candlewick_model::catalogue::{Arg, Entry};
use candlewick_protocol::value::{Range, ValueType};
use serde_json::Value;
use std::fmt::Write as _;

/// Longest line of code.
const LINE: usize = 120;

/// The names of `candlewick._domains` that domains are made of, in the order of imports.
pub(crate) const NAMES: [&str; 15] = [
    "Domain",
    "any_text",
    "list_of",
    "mapping",
    "maybe",
    "one_of",
    "one_or_more",
    "one_truth",
    "open_size",
    "pair_of",
    "real",
    "size",
    "size_or_word",
    "truth",
    "whole",
];

/// The class attribute with the domains of an entry's arguments, but for those in `without`; empty where there are none.
pub(crate) fn attribute(entry: &Entry, without: Option<&str>) -> String {
    let args = entry.args.iter().filter(|arg| Some(arg.name) != without);
    let mut out = String::new();
    for arg in args {
        let (check, expected) = (check(arg), literal(&Value::from(arg.domain().expected())));
        let line = format!("        \"{}\": Domain({check}, {expected}),", arg.name);
        if line.chars().count() <= LINE {
            let _ = writeln!(out, "{line}");
        } else {
            let _ = writeln!(
                out,
                "        \"{}\": Domain(\n            {check},\n            {expected},\n        ),",
                arg.name
            );
        }
    }
    if out.is_empty() {
        return out;
    }
    format!("\n    _domains = {{\n{out}    }}\n")
}

/// What tells whether a value is legal.
fn check(arg: &Arg) -> String {
    let whole = || ranged("whole", arg.range);
    let real = || ranged("real", arg.range);
    let check = match arg.ty {
        ValueType::Int | ValueType::Size(1) | ValueType::Long => whole(),
        ValueType::Real => real(),
        ValueType::Bool => match arg.range {
            Range::OneOf(words) => format!("one_truth({})", if words == ["true"] { "True" } else { "False" }),
            _ => "truth".to_owned(),
        },
        ValueType::Text
        | ValueType::Switch
        | ValueType::Duration
        | ValueType::Bytes
        | ValueType::Compression
        | ValueType::Folders
        | ValueType::Weights
        | ValueType::ClassWeights => text(arg.range),
        ValueType::TextList => format!("list_of({})", text(arg.range)),
        ValueType::Texts => format!("one_or_more({})", text(arg.range)),
        ValueType::RealPair => format!("pair_of({})", real()),
        ValueType::RealList | ValueType::Thresholds => format!("list_of({})", real()),
        ValueType::IntList => format!("list_of({})", whole()),
        ValueType::Size(count) => format!("size({count}, {})", whole()),
        ValueType::OpenSize(count) => format!("open_size({count}, {})", whole()),
        ValueType::Padding(count) => format!("size_or_word({count}, {})", whole()),
        ValueType::Document(_) | ValueType::TextMap => "mapping".to_owned(),
        ValueType::Documents(_) | ValueType::Groups => "list_of(mapping)".to_owned(),
    };
    if arg.nullable || arg.input {
        format!("maybe({check})")
    } else {
        check
    }
}

fn text(range: Range) -> String {
    match range {
        Range::OneOf(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| literal(&Value::from(*text))).collect();
            format!("one_of({})", texts.join(", "))
        }
        _ => "any_text".to_owned(),
    }
}

/// Numbers of a kind within their bounds.
fn ranged(kind: &str, range: Range) -> String {
    let bounds = match range {
        Range::Any | Range::OneOf(_) => String::new(),
        Range::Ints { min, max } => format!("{min}, {max}"),
        Range::IntsOr { min, max, or } => format!("{min}, {max}, also={or}"),
        Range::AtLeast(min) => format!("{min:?}"),
        Range::Above(bound) => format!("above={bound:?}"),
        Range::Closed { min, max } => format!("{min:?}, {max:?}"),
        Range::HalfOpen { min, below } => format!("{min:?}, below={below:?}"),
    };
    format!("{kind}({bounds})")
}
