//! Small helpers that all writers share: wrapping of sentences, quoting, names.

use candlewick_model::catalogue::Arg;
use candlewick_protocol::params::Param;
use candlewick_protocol::value::{Domain, ValueType};
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

/// The default of a parameter as the languages keep it, `None` where it has none. Documents become their JSON text.
pub(crate) fn default_of(param: &Param) -> Option<Value> {
    match (param.default, param.ty) {
        (None, _) => None,
        (Some(text), ValueType::Document(_)) => Some(Value::from(text)),
        (Some(_), _) => Some(param.default_value()),
    }
}

/// What is legal, as the documentation says it: without the article.
fn words(domain: Domain) -> String {
    match domain.ty {
        ValueType::Document(_) => return "object of its builder, or its JSON document".to_owned(),
        ValueType::Documents(_) => return "list of objects".to_owned(),
        _ => {}
    }
    let expected = Domain {
        nullable: false,
        ..domain
    }
    .expected();
    let bare = expected
        .strip_prefix("a finite ")
        .or_else(|| expected.strip_prefix("a "))
        .unwrap_or(&expected);
    bare.to_owned()
}

/// What a parameter does and which values it takes.
pub(crate) fn param_words(param: &Param) -> String {
    format!("{} ({})", param.doc, words(param.domain()))
}

/// What an argument of the catalogue does and which values it takes.
pub(crate) fn arg_words(arg: &Arg) -> String {
    let without = match (arg.input, arg.nullable) {
        (true, _) => "; may be left out",
        (false, true) => "; or none",
        (false, false) => "",
    };
    format!("{} ({}{without})", arg.doc, words(arg.domain()))
}

/// The values that a parameter takes, as a column of a table.
pub(crate) fn legal_words(param: &Param) -> String {
    words(param.domain())
}

/// The JSON value as Python writes it.
pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) if items.len() == 1 => format!("({},)", literal(&items[0])),
        Value::Array(items) => format!("({})", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        // In the quotes that want fewer backslashes, as formatters have it.
        Value::String(text) if text.matches('"').count() > text.matches('\'').count() => {
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
        }
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .map_or(number.to_string(), |real| format!("{real:?}")),
        other => other.to_string(),
    }
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
        let python = |text: &str| literal(&Value::from(text));
        assert_eq!(python("a's \"b\""), r#"'a\'s "b"'"#);
        assert_eq!(python("a's \"b"), r#""a's \"b""#);
    }
}
