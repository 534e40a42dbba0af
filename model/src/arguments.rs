//! Reads a constructor's arguments from a JSON document and checks each against the catalogue.

use crate::catalogue::{self, Arg, Entry, Kind};
use candlewick_protocol::Failure;
use candlewick_protocol::suggest;
use candlewick_protocol::value::ValueType;

pub(crate) use candlewick_protocol::value::excerpt;
use serde_json::{Map, Value};

/// The complete arguments of one layer, loss or optimiser: every name of its entry is there, of the right type and
/// in range. An inferred size that was left out is null.
#[derive(Debug, Clone)]
pub struct Arguments {
    entry: &'static Entry,
    values: Map<String, Value>,
}

impl Arguments {
    /// Reads `document` as an entry of `kind`. `place` starts the message of a failure, for example
    /// `layers.2 (Linear)` or `optimizer`; the type is added by the callee where it is known.
    ///
    /// # Errors
    /// `InvalidParameter` where the document is no object, has no or an unknown type, an unknown key, or a value of
    /// the wrong type or out of range.
    pub fn read(kind: Kind, document: &Value, place: &str) -> Result<Self, Failure> {
        let object = document.as_object().ok_or_else(|| {
            Failure::parameter(format!(
                "{place}: expected an object such as {}, got {}",
                kind.example(),
                excerpt(document)
            ))
        })?;
        let name = match object.get("type") {
            Some(Value::String(name)) => name.as_str(),
            other => {
                let got = other.map_or("none".to_owned(), excerpt);
                return Err(Failure::parameter(format!(
                    "{place}: expected a \"type\", one of {}; got {got}",
                    catalogue::names(kind).join(", ")
                )));
            }
        };
        let entry = catalogue::find(kind, name).ok_or_else(|| {
            Failure::parameter(format!(
                "{place}: unknown type {name:?}; legal types are {}{}",
                catalogue::names(kind).join(", "),
                suggest::hint(name, catalogue::names(kind))
            ))
        })?;
        Self::fill(entry, object, &format!("{place} ({name})"))
    }

    fn fill(entry: &'static Entry, object: &Map<String, Value>, place: &str) -> Result<Self, Failure> {
        for key in object.keys().filter(|key| *key != "type") {
            if !entry.args.iter().any(|arg| arg.name == key) {
                return Err(Failure::parameter(format!(
                    "{place}: unknown argument {key:?}; {}{}",
                    legal_keys(entry),
                    suggest::hint(key, entry.args.iter().map(|arg| arg.name))
                )));
            }
        }
        let mut values = Map::new();
        for arg in entry.args {
            let given = object
                .get(arg.name)
                .filter(|value| !(arg.input && value.is_null()));
            if let Some(value) = given {
                check(arg, value)
                    .and_then(|()| match arg.ty {
                        ValueType::Groups => check_groups(entry, value),
                        _ => Ok(()),
                    })
                    .map_err(|wrong| Failure::parameter(format!("{place}: {wrong}")))?;
            } else if arg.default.is_none() && !arg.input {
                return Err(Failure::parameter(format!(
                    "{place}: the argument {} is missing",
                    arg.name
                )));
            }
            values.insert(
                arg.name.to_owned(),
                given.cloned().unwrap_or_else(|| catalogue::default_of(arg)),
            );
        }
        Ok(Arguments { entry, values })
    }

    /// Name of the layer, loss or optimiser.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// A whole number of at least 0, if it is given.
    #[must_use]
    pub fn size(&self, name: &str) -> Option<usize> {
        self.values
            .get(name)?
            .as_u64()
            .and_then(|value| usize::try_from(value).ok())
    }

    /// A whole number; 0 where the entry has no such argument.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        self.values.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// A real number; 0 where the entry has no such argument.
    #[must_use]
    pub fn real(&self, name: &str) -> f64 {
        self.values.get(name).and_then(Value::as_f64).unwrap_or_default()
    }

    /// Two real numbers; zeros where the entry has no such argument.
    #[must_use]
    pub fn real_pair(&self, name: &str) -> [f64; 2] {
        let list = self.values.get(name).and_then(Value::as_array);
        let item = |at: usize| list.and_then(|list| list.get(at)?.as_f64()).unwrap_or_default();
        [item(0), item(1)]
    }

    /// Real numbers; empty where there are none.
    #[must_use]
    pub fn reals(&self, name: &str) -> Vec<f64> {
        let list = self.values.get(name).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_f64).collect())
            .unwrap_or_default()
    }

    /// Whole numbers; empty where there are none.
    #[must_use]
    pub fn ints(&self, name: &str) -> Vec<i64> {
        let list = self.values.get(name).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_i64).collect())
            .unwrap_or_default()
    }

    /// A size for each of `count` dimensions: given for each, or once for all. `None` where it is null or a text.
    #[must_use]
    pub fn sizes(&self, name: &str, count: usize) -> Option<Vec<usize>> {
        match self.values.get(name)? {
            Value::Array(list) => list
                .iter()
                .map(|item| item.as_u64().and_then(|value| usize::try_from(value).ok()))
                .collect(),
            _ => Some(vec![self.size(name)?; count]),
        }
    }

    /// A value as the document has it; null where there is none.
    #[must_use]
    pub fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }

    /// True where the value is null or the entry has no such argument.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.value(name).is_null()
    }

    /// A truth value; false where the entry has no such argument.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.values.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A text; empty where the entry has no such argument.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The same arguments, those that `values` names replaced.
    pub(crate) fn with(&self, values: &Map<String, Value>) -> Self {
        let mut changed = self.clone();
        for (name, value) in values {
            if let Some(old) = changed.values.get_mut(name) {
                *old = value.clone();
            }
        }
        changed
    }

    /// True where the entry has an argument of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Sets an inferred size.
    pub fn set_size(&mut self, name: &str, size: usize) {
        self.values.insert(name.to_owned(), Value::from(size));
    }

    /// Sets a value that was completed.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// The complete document: type first, then every argument in the catalogue's order.
    #[must_use]
    pub fn to_document(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), Value::from(self.entry.name));
        for arg in self.entry.args {
            object.insert(
                arg.name.to_owned(),
                self.values.get(arg.name).cloned().unwrap_or(Value::Null),
            );
        }
        Value::Object(object)
    }
}

/// Checks one argument's value; the message names the argument, the value and what is legal.
///
/// # Errors
/// That message.
pub fn check(arg: &Arg, value: &Value) -> Result<(), String> {
    arg.domain().check(arg.name, value)
}

/// Checks the items of [`ValueType::Groups`] against the entry that they are groups of.
fn check_groups(entry: &Entry, value: &Value) -> Result<(), String> {
    let groups = value.as_array().map_or(&[][..], Vec::as_slice);
    for (index, group) in groups.iter().filter_map(Value::as_object).enumerate() {
        let wrong = |message: String| format!("groups[{index}]: {message}");
        if !group.contains_key("params") {
            return Err(wrong(
                "the key params is missing: a pattern of parameter names such as \"0.*\", or a list of them"
                    .to_owned(),
            ));
        }
        for (key, value) in group {
            check_setting(entry, key, value).map_err(wrong)?;
        }
    }
    Ok(())
}

/// Checks one key of a group.
fn check_setting(entry: &Entry, key: &str, value: &Value) -> Result<(), String> {
    let text = |item: &Value| item.as_str().is_some_and(|text| !text.is_empty());
    let arg = entry.args.iter().find(|arg| arg.name == key);
    match (key, arg) {
        ("params", _) => {
            let texts = |items: &Vec<Value>| !items.is_empty() && items.iter().all(text);
            if text(value) || value.as_array().is_some_and(texts) {
                return Ok(());
            }
            Err(format!(
                "params = {} is not legal: expected a pattern of parameter names such as \"0.*\", or a list of them",
                excerpt(value)
            ))
        }
        ("frozen", _) if value.is_boolean() => Ok(()),
        ("frozen", _) => Err(format!(
            "frozen = {} is not legal: expected true or false",
            excerpt(value)
        )),
        (_, Some(arg)) if is_group_setting(arg) => check(arg, value),
        _ => {
            let settings = entry.args.iter().filter(|arg| is_group_setting(arg));
            let names: Vec<&str> = settings.map(|arg| arg.name).collect();
            Err(format!(
                "{key:?} cannot be set for a group; legal keys are params, frozen, {}",
                names.join(", ")
            ))
        }
    }
}

/// True for an argument that a group can have a value of its own for: numbers, but none that can be without.
fn is_group_setting(arg: &Arg) -> bool {
    !arg.nullable && matches!(arg.ty, ValueType::Int | ValueType::Real | ValueType::RealPair)
}

fn legal_keys(entry: &Entry) -> String {
    if entry.args.is_empty() {
        return format!("{} takes no arguments", entry.name);
    }
    let names: Vec<&str> = entry.args.iter().map(|arg| arg.name).collect();
    format!("legal arguments are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(kind: Kind, document: Value) -> String {
        Arguments::read(kind, &document, "here").unwrap_err().message
    }

    #[test]
    fn defaults_are_filled_in() {
        let adam = Arguments::read(Kind::Optimizer, &json!({"type": "Adam", "lr": 1}), "optimizer").unwrap();
        assert_eq!(
            adam.to_document().to_string(),
            "{\"type\":\"Adam\",\"lr\":1,\"betas\":[0.9,0.999],\"eps\":1e-8,\"weight_decay\":0,\
             \"amsgrad\":false,\"maximize\":false,\"decoupled_weight_decay\":false,\"groups\":null}"
        );
        assert!((adam.real("lr") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn messages_name_what_is_legal() {
        assert!(message(Kind::Layer, json!({"type": "Conv9d"})).contains("legal types are Linear, "));
        assert!(message(Kind::Layer, json!([1])).contains("expected an object such as"));
        assert!(message(Kind::Layer, json!({})).contains("got none"));
        assert_eq!(
            message(Kind::Layer, json!({"type": "Linear", "out": 3})),
            "here (Linear): unknown argument \"out\"; legal arguments are in_features, out_features, bias"
        );
        assert_eq!(
            message(Kind::Layer, json!({"type": "Linear"})),
            "here (Linear): the argument out_features is missing"
        );
        assert_eq!(
            message(Kind::Layer, json!({"type": "Dropout", "p": 1.5})),
            "here (Dropout): p = 1.5 is not legal: expected a finite number from 0 to 1"
        );
        assert!(
            message(Kind::Layer, json!({"type": "ReLU", "inplace": true})).contains("takes no arguments")
        );
        assert!(
            message(Kind::Layer, json!({"type": "GELU", "approximate": "x"}))
                .contains("\"none\" or \"tanh\"")
        );
        assert!(message(Kind::Optimizer, json!({"type": "Adam", "betas": [0.9]})).contains("two numbers"));
        assert!(message(Kind::Optimizer, json!({"type": "Adam", "betas": [0.9, 1.0]})).contains("below 1"));
        assert!(message(Kind::Optimizer, json!({"type": "SGD", "lr": -0.1})).contains("lr = -0.1"));
        assert!(
            message(Kind::Layer, json!({"type": "Linear", "out_features": 2.5})).contains("whole number")
        );
    }
}
