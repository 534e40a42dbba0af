//! `asynchrony`: whether trainers compute while they exchange.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When a gradient is applied. It is part of the arithmetic: one trainer alone computes the same.
///
/// ```
/// use candlewick_protocol::asynchrony::Asynchrony;
/// assert_eq!(Asynchrony::read("delayed"), Some(Asynchrony::Delayed));
/// assert_eq!(Asynchrony::read("stale"), None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asynchrony {
    /// Before the next step is computed.
    #[default]
    None,
    /// While the next step is computed: that one has the weights from before it.
    Delayed,
}

/// What a value may be, for the parameter.
pub const NAMES: &[&str] = &["none", "delayed"];

impl Asynchrony {
    /// What a text names; none where it names none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Asynchrony::None),
            "delayed" => Some(Asynchrony::Delayed),
            _ => None,
        }
    }

    /// What a parameter that was checked says.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        value.as_str().and_then(Asynchrony::read).unwrap_or_default()
    }

    /// True for [`Asynchrony::None`].
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Asynchrony::None
    }

    /// True where a gradient is under way while the next one is computed.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        *self == Asynchrony::Delayed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_are_read() {
        let read: Vec<_> = NAMES.iter().filter_map(|name| Asynchrony::read(name)).collect();
        assert_eq!(read, [Asynchrony::None, Asynchrony::Delayed]);
        assert_eq!(Asynchrony::read("Delayed"), None);
        assert_eq!(Asynchrony::read("late"), None);
    }
}
