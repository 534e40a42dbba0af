//! Small helpers that all writers share: wrapping of sentences, quoting, names.

use candlewick_model::catalogue::{Arg, ArgType, Range};
use candlewick_protocol::params::{Param, ParamType};
use serde_json::Value;

/// First line of every file written here, after the comment sign.
pub(crate) const HEADER: &str = "Written by candlewick-codegen (`make generate`); do not edit.";

/// Breaks `text` into lines of at most `width` characters; `first` starts the first line, `rest` the others.
pub(crate) fn wrap(text: &str, width: usize, first: &str, rest: &str) -> String {
    let mut lines = vec![];
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines.join("\n")
}

/// `featuresCol` -> `FeaturesCol`.
pub(crate) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}

/// A double-quoted literal, legal in Scala, Python and JSON.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The text of a parameter's default, `None` where it has none. Documents become their JSON text.
pub(crate) fn default_of(param: &Param) -> Option<Value> {
    match (param.default, param.kind) {
        ("", _) => None,
        (text, ParamType::Document) => Some(Value::from(text)),
        (text, _) => serde_json::from_str(text).ok(),
    }
}

/// What the type is called in the documentation.
pub(crate) fn type_words(kind: ParamType) -> String {
    match kind {
        ParamType::Text { options: [] } => "text".to_owned(),
        ParamType::Text { options } => options
            .iter()
            .map(|option| format!("\"{option}\""))
            .collect::<Vec<_>>()
            .join(" or "),
        ParamType::Int { min, max } => format!("whole number, {min} to {max}"),
        ParamType::Long => "whole number of 64 bits".to_owned(),
        ParamType::Double { above } => format!("number above {above}"),
        ParamType::Fraction => "number of at least 0 and below 1".to_owned(),
        ParamType::Boolean => "true or false".to_owned(),
        ParamType::TextList => "list of texts".to_owned(),
        ParamType::IntList => "list of whole numbers of at least 1".to_owned(),
        ParamType::DoubleList => "list of numbers from 0 to 1".to_owned(),
        ParamType::Duration => "duration such as \"15s\", \"500ms\", \"2min\"".to_owned(),
        ParamType::Bytes => "size such as \"64m\", \"1g\"".to_owned(),
        ParamType::Document => "builder object or JSON document".to_owned(),
    }
}

/// What an argument of the catalogue does and which values it takes.
pub(crate) fn arg_words(arg: &Arg) -> String {
    let what = match arg.ty {
        ArgType::Int => "whole number",
        ArgType::Real => "number",
        ArgType::Bool => "true or false",
        ArgType::Text => "text",
        ArgType::RealPair => "two numbers",
        ArgType::RealList => "list of numbers",
        ArgType::IntList => "list of whole numbers",
        ArgType::Size(1) => "whole number",
        ArgType::Size(_) => "whole number, or one for every dimension",
        ArgType::OpenSize(_) => "whole number, or one or none for every dimension",
        ArgType::Padding(_) => "\"same\", \"valid\", whole number, or one for every dimension",
        ArgType::Document(_) => "object",
        ArgType::Documents(_) => "list of objects",
        ArgType::Groups => "list of groups",
    };
    let legal = match arg.range {
        Range::Any => what.to_owned(),
        // The largest size is a technical limit, not worth its digits.
        Range::Ints { min: 1, .. } => format!("{what} from 1"),
        Range::Ints { min, max } => format!("{what} from {min} to {max}"),
        Range::AtLeast(min) => format!("{what} of at least {min}"),
        Range::Closed { min, max } => format!("{what} from {min} to {max}"),
        Range::HalfOpen { min, below } => format!("{what} of at least {min} and below {below}"),
        Range::OneOf(texts) => texts
            .iter()
            .map(|text| quoted(text))
            .collect::<Vec<_>>()
            .join(" or "),
    };
    let inferred = match (arg.input, arg.nullable) {
        (true, _) => "; may be left out",
        (false, true) => "; or none",
        (false, false) => "",
    };
    format!("{} ({legal}{inferred})", arg.doc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_words_and_keeps_prefixes() {
        assert_eq!(wrap("one two three", 8, "- ", "  "), "- one\n  two\n  three");
        assert_eq!(wrap("one two three", 11, "", ""), "one two\nthree");
    }

    #[test]
    fn names_and_quotes() {
        assert_eq!(capital("featuresCol"), "FeaturesCol");
        assert_eq!(quoted("a \"b\""), "\"a \\\"b\\\"\"");
    }
}
