//! A complete set of parameters: what was set, and the defaults of the rest.

use crate::error::Failure;
use crate::value;
use serde_json::{Map, Value};

/// Values of all parameters, their types and ranges checked: what a getter still refuses is a defect of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Complete(pub(super) Map<String, Value>);

impl Complete {
    /// The value of a parameter; null where it is not set and has no default.
    #[must_use]
    pub fn value(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// True where the parameter is not set and has no default.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.value(name).is_null()
    }

    /// A truth value; false where it is not set.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or_default()
    }

    /// A text that may be given as a truth value: "true", "false" or another.
    #[must_use]
    pub fn switch(&self, name: &str) -> String {
        let value = self.value(name);
        let text = value.as_str().map(str::to_owned);
        text.unwrap_or_else(|| value.as_bool().unwrap_or_default().to_string())
    }

    /// A whole number.
    ///
    /// # Errors
    /// `Internal` where the parameter has none.
    pub fn whole(&self, name: &str) -> Result<u32, Failure> {
        let number = self.value(name).as_u64();
        let number = number.and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| missing(name, "whole number"))
    }

    /// The seed. Spark's Long: a negative one is as good as any.
    ///
    /// # Errors
    /// `Internal` where there is none.
    pub fn seed(&self) -> Result<u64, Failure> {
        let value = self.value("seed");
        let seed = value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned));
        seed.ok_or_else(|| missing("seed", "whole number"))
    }

    /// Whole numbers of at least 0, if they are set.
    #[must_use]
    pub fn sizes(&self, name: &str) -> Option<Vec<usize>> {
        let list = self.value(name).as_array()?;
        list.iter()
            .map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok()))
            .collect()
    }

    /// Milliseconds of a duration.
    ///
    /// # Errors
    /// `Internal` where the parameter has none.
    pub fn duration_ms(&self, name: &str) -> Result<u64, Failure> {
        let text = self.value(name).as_str();
        text.and_then(value::duration_ms)
            .ok_or_else(|| missing(name, "duration"))
    }

    /// Bytes of a size.
    ///
    /// # Errors
    /// `Internal` where the parameter has none.
    pub fn bytes(&self, name: &str) -> Result<u64, Failure> {
        let text = self.value(name).as_str();
        text.and_then(value::bytes).ok_or_else(|| missing(name, "size"))
    }
}

fn missing(name: &str, what: &str) -> Failure {
    Failure::internal(format!("parameter {name} has no {what}"))
}
