//! Values of parameters, checked.

use super::{Complete, all, find};
use crate::error::Failure;
use crate::suggest;
use serde_json::{Map, Value};

/// Checks names, types and ranges of what a user set and fills in the defaults. Null counts as not set.
///
/// # Errors
/// `InvalidParameter` naming the parameter, its value and what it may be.
pub fn check(set: &Map<String, Value>) -> Result<Complete, Failure> {
    for (name, value) in set {
        let param = find(name).ok_or_else(|| {
            let names = all().map(|param| param.name);
            let hint = suggest::hint(name, names);
            Failure::parameter(format!("there is no parameter '{name}'{hint}"))
        })?;
        if !value.is_null() {
            let legal = param.domain().check(name, value);
            legal.map_err(|wrong| Failure::parameter(format!("parameter {wrong}")))?;
        }
    }
    let full = all().map(|param| {
        let given = set.get(param.name).filter(|value| !value.is_null());
        let value = given.cloned().unwrap_or_else(|| param.default_value());
        (param.name.to_owned(), value)
    });
    Ok(Complete(full.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_default_is_legal_and_every_doc_a_sentence() {
        for param in all() {
            assert!(param.doc.ends_with('.'), "{}", param.name);
            if param.default.is_some() {
                param.domain().check(param.name, &param.default_value()).unwrap();
            }
        }
    }

    #[test]
    fn a_wrong_value_names_parameter_value_and_range() {
        let told = |set: Value| check(set.as_object().unwrap()).unwrap_err().message;
        assert_eq!(
            told(json!({"batchSize": 0})),
            "parameter batchSize = 0 is not legal: expected a whole number from 1 to 16777216"
        );
        assert_eq!(
            told(json!({"clipNorm": 0.0})),
            "parameter clipNorm = 0.0 is not legal: expected a finite number above 0"
        );
        assert_eq!(
            told(json!({"handleInvalid": "drop"})),
            "parameter handleInvalid = \"drop\" is not legal: expected \"error\" or \"skip\" or \"keep\""
        );
        assert_eq!(
            told(json!({"batchsize": 1})),
            "there is no parameter 'batchsize'; did you mean 'batchSize'?"
        );
        assert_eq!(told(json!({"colour": 1})), "there is no parameter 'colour'");
    }

    #[test]
    fn defaults_fill_what_is_not_set() {
        let full = check(json!({"epochs": 3, "seed": null}).as_object().unwrap()).unwrap();
        assert_eq!(
            (full.value("epochs"), full.value("batchSize")),
            (&json!(3), &json!(256))
        );
        assert_eq!(full.value("seed"), &json!(0));
        assert!(full.is_null("weightCol"));
    }
}
