//! Values of parameters, checked.

use super::{Complete, PARAMS, Param, ParamType, default_of, find};
use crate::error::Failure;
use crate::suggest;
use serde_json::{Map, Value, json};

/// Checks names, types and ranges of what a user set and fills in the defaults.
///
/// # Errors
/// `InvalidParameter` naming the parameter, its value and what it may be.
pub fn check(set: &Map<String, Value>) -> Result<Complete, Failure> {
    for (name, value) in set {
        let param = find(name).ok_or_else(|| {
            let names = PARAMS.iter().map(|param| param.name);
            Failure::parameter(format!(
                "there is no parameter '{name}'{}",
                suggest::hint(name, names)
            ))
        })?;
        if !value.is_null() {
            check_value(param, value)?;
        }
    }
    let mut full = Map::new();
    for param in PARAMS {
        let value = match set.get(param.name) {
            None | Some(Value::Null) => default_of(param.name),
            Some(value) => value.clone(),
        };
        full.insert(param.name.to_owned(), value);
    }
    Ok(Complete(full))
}

fn check_value(param: &Param, value: &Value) -> Result<(), Failure> {
    if fits(param.kind, value) {
        return Ok(());
    }
    let wanted = match param.kind {
        ParamType::Text { options: [] } => "a text".to_owned(),
        ParamType::Text { options } => format!("one of {}", json!(options)),
        ParamType::Int { min, max } => format!("a whole number from {min} to {max}"),
        ParamType::Long => "a whole number of 64 bits".to_owned(),
        ParamType::Double { above } => format!("a number above {above}"),
        ParamType::Boolean => "true or false".to_owned(),
        ParamType::Fraction => "a number of at least 0 and below 1".to_owned(),
        ParamType::TextList => "a list of texts, at least one".to_owned(),
        ParamType::IntList => "a list of whole numbers of at least 1".to_owned(),
        ParamType::DoubleList => "a list of numbers from 0 to 1".to_owned(),
        ParamType::Duration => "a duration such as \"15s\", \"500ms\" or \"2min\"".to_owned(),
        ParamType::Bytes => "a size such as \"64m\" or \"1g\"".to_owned(),
        ParamType::Document => "a document made by nn.*, optim.* or EarlyStopping".to_owned(),
    };
    Err(Failure::parameter(format!(
        "parameter {} = {value} is not legal: expected {wanted}",
        param.name
    )))
}

fn fits(kind: ParamType, value: &Value) -> bool {
    let list = |each: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|items| items.iter().all(each));
    let filled = value.as_array().is_some_and(|items| !items.is_empty());
    match kind {
        ParamType::Text { options: [] } => value.is_string(),
        ParamType::Text { options } => value.as_str().is_some_and(|text| options.contains(&text)),
        ParamType::Int { min, max } => value.as_i64().is_some_and(|number| (min..=max).contains(&number)),
        ParamType::Long => value.is_i64() || value.is_u64(),
        #[expect(clippy::cast_precision_loss, reason = "bounds are small whole numbers")]
        ParamType::Double { above } => value
            .as_f64()
            .is_some_and(|number| number.is_finite() && number > above as f64),
        ParamType::Fraction => value.as_f64().is_some_and(|number| (0.0..1.0).contains(&number)),
        ParamType::Boolean => value.is_boolean(),
        ParamType::TextList => filled && list(&Value::is_string),
        ParamType::IntList => filled && list(&|item| item.as_i64().is_some_and(|number| number >= 1)),
        ParamType::DoubleList => {
            list(&|item| item.as_f64().is_some_and(|number| (0.0..=1.0).contains(&number)))
        }
        ParamType::Duration => value
            .as_str()
            .is_some_and(|text| parse_duration_ms(text).is_some()),
        ParamType::Bytes => value.as_str().is_some_and(|text| parse_bytes(text).is_some()),
        ParamType::Document => value.is_object(),
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

/// Milliseconds of a duration with unit ms, s, m or min, h; without a unit, seconds, as in Spark's conf.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = split_unit(&lower)?;
    let factor = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|ms| *ms > 0)
}

/// Bytes of a size with unit b, k, m, g (powers of 1,024); without a unit, bytes.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = split_unit(&lower)?;
    let factor = match unit {
        "b" | "" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_legal_and_every_doc_a_sentence() {
        for param in PARAMS {
            assert!(param.doc.ends_with('.'), "{}", param.name);
            if !param.default.is_empty() {
                check_value(param, &default_of(param.name)).unwrap();
            }
        }
    }

    #[test]
    fn a_wrong_value_names_parameter_value_and_range() {
        let set = json!({"batchSize": 0});
        let failure = check(set.as_object().unwrap()).unwrap_err();
        assert_eq!(
            failure.message,
            "parameter batchSize = 0 is not legal: expected a whole number from 1 to 16777216"
        );
        let unknown = check(json!({"batchsize": 1}).as_object().unwrap()).unwrap_err();
        assert_eq!(
            unknown.message,
            "there is no parameter 'batchsize'; did you mean 'batchSize'?"
        );
        assert!(check(json!({"clipNorm": 0.0}).as_object().unwrap()).is_err());
        assert!(check(json!({"handleInvalid": "keep"}).as_object().unwrap()).is_err());
    }

    #[test]
    fn defaults_fill_what_is_not_set() {
        let full = check(json!({"epochs": 3}).as_object().unwrap()).unwrap();
        assert_eq!(
            (full.value("epochs"), full.value("batchSize")),
            (&json!(3), &json!(256))
        );
        assert!(full.is_null("weightCol"));
    }

    #[test]
    fn durations_and_sizes() {
        assert_eq!(parse_duration_ms("15s"), Some(15_000));
        assert_eq!(parse_duration_ms("15S"), Some(15_000));
        assert_eq!(parse_duration_ms("2min"), Some(120_000));
        assert_eq!(parse_duration_ms("0s"), None);
        assert_eq!(parse_duration_ms("soon"), None);
        assert_eq!(parse_bytes("64m"), Some(64 << 20));
        assert_eq!(parse_bytes("x"), None);
    }
}
