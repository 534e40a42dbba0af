//! How the Scala builders refuse a wrong argument: by the catalogue's types and ranges, in its words.

use crate::text::quoted;
use candlewick_model::catalogue::{Arg, Entry};
use candlewick_protocol::value::{PADDINGS, Range, ValueType};

/// What the document is given for an argument: its name and value, checked where its type does not say it all.
/// `opt`: the value is an `Opt`.
pub(crate) fn argument(entry: &Entry, arg: &Arg, value: &str, opt: bool) -> String {
    let name = quoted(arg.name);
    match check(arg) {
        None => format!("{name} -> {value}"),
        Some(check) => {
            let check = if opt {
                format!("Argument.opt({check})")
            } else {
                check
            };
            let (owner, expected) = (quoted(entry.name), quoted(&arg.domain().expected()));
            format!("Argument({owner}, {name}, {value}, {expected})({check})")
        }
    }
}

/// What refuses a wrong value of an argument's type; none where the type says it all.
fn check(arg: &Arg) -> Option<String> {
    let whole = || {
        whole(arg.range).unwrap_or_else(|| "Legal.whole(Int.MinValue.toLong, Int.MaxValue.toLong)".to_owned())
    };
    Some(match arg.ty {
        ValueType::Int | ValueType::Size(1) => self::whole(arg.range)?,
        ValueType::Real => bounds(arg.range)?,
        ValueType::RealPair => format!("Argument.pair({})", bounds(arg.range)?),
        ValueType::RealList => format!("Argument.items({})", bounds(arg.range)?),
        ValueType::IntList => format!("Argument.items({})", whole()),
        ValueType::Size(count) => format!("Argument.sizes({count}, {})", whole()),
        ValueType::OpenSize(count) => format!("Argument.openSizes({count}, {})", whole()),
        ValueType::Padding(count) => {
            format!("Argument.padding({count}, {}, {})", whole(), texts(&PADDINGS))
        }
        ValueType::TextList | ValueType::Documents(_) | ValueType::Groups => "Argument.filled".to_owned(),
        ValueType::Text => one_of(arg.range)?,
        ValueType::Bool => match arg.range {
            Range::OneOf(words) => format!(
                "(value: Boolean) => {}value",
                if words == ["true"] { "" } else { "!" }
            ),
            _ => return None,
        },
        ValueType::Long
        | ValueType::Switch
        | ValueType::Document(_)
        | ValueType::Duration
        | ValueType::Bytes
        | ValueType::Compression
        | ValueType::Folders
        | ValueType::Thresholds
        | ValueType::ClassWeights
        | ValueType::TextMap
        | ValueType::Texts
        | ValueType::Weights => return None,
    })
}

/// A validator of whole numbers in a range.
fn whole(range: Range) -> Option<String> {
    match range {
        Range::Ints { min, max } => Some(format!("Legal.whole({min}L, {max}L)")),
        Range::IntsOr { min, max, or } => Some(format!("Legal.or({or}, Legal.whole({min}L, {max}L))")),
        _ => None,
    }
}

/// A validator of texts in a range.
pub(crate) fn one_of(range: Range) -> Option<String> {
    match range {
        Range::OneOf(legal) => Some(format!("ParamValidators.inArray({})", texts(legal))),
        _ => None,
    }
}

fn texts(texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("Array({})", texts.join(", "))
}

/// Spark's validator of a range. Infinity and NaN are in none.
pub(crate) fn bounds(range: Range) -> Option<String> {
    let (low, high, inclusive) = match range {
        Range::Ints { min, max } => (min.to_string(), max.to_string(), (true, true)),
        Range::IntsOr { .. } => return whole(range),
        Range::Any => return Some("Legal.finite".to_owned()),
        Range::AtLeast(min) => (format!("{min:?}"), "Double.MaxValue".to_owned(), (true, true)),
        Range::Above(bound) => (format!("{bound:?}"), "Double.MaxValue".to_owned(), (false, true)),
        Range::Closed { min, max } => (format!("{min:?}"), format!("{max:?}"), (true, true)),
        Range::HalfOpen { min, below } => (format!("{min:?}"), format!("{below:?}"), (true, false)),
        Range::OneOf(_) => return None,
    };
    Some(match inclusive {
        (true, true) => format!("ParamValidators.inRange({low}, {high})"),
        (lower, upper) => format!("ParamValidators.inRange({low}, {high}, {lower}, {upper})"),
    })
}
