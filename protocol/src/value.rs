//! The one language for what a user may set: types and ranges of values, for the parameters of the estimators and for
//! the arguments of layers, losses and optimisers alike.
//!
//! [`Domain::check`] is the only checker in Rust. The setters of Scala and Python are generated from the same facts,
//! with the same words.

use crate::compression::{self, GradientCompression};
use serde_json::Value;

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A network: `nn.Sequential`, `nn.Graph`.
    Network,
    /// A layer of a network: `nn.*`.
    Layer,
    /// A loss: `nn.*`.
    Loss,
    /// An optimiser: `optim.*`.
    Optimizer,
    /// A schedule of the learning rate: `optim.lr_scheduler.*`.
    Scheduler,
    /// How parameters start: `nn.init.*`.
    Initializer,
    /// When training ends early: `EarlyStopping`.
    Stopping,
}

impl Kind {
    /// The document of one.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Kind::Network => "{\"format\": \"candlewick.network/1\", \"layers\": [...]}",
            Kind::Layer => "{\"type\": \"ReLU\"}",
            Kind::Loss => "{\"type\": \"MSELoss\"}",
            Kind::Optimizer => "{\"type\": \"AdamW\", \"lr\": 0.001}",
            Kind::Scheduler => "{\"type\": \"StepLR\", \"step_size\": 10}",
            Kind::Initializer => "{\"type\": \"kaiming_normal_\"}",
            Kind::Stopping => "{\"type\": \"EarlyStopping\", \"patience\": 3}",
        }
    }
}

/// Type of a value in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A whole number.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A finite real number.
    Real,
    /// true or false.
    Bool,
    /// A text.
    Text,
    /// One of the texts of its range, of which "true" and "false" may be given as truth values too.
    Switch,
    /// A text, or a list of at least one.
    Texts,
    /// A list of texts, at least one.
    TextList,
    /// Texts by names, at least one: an object.
    TextMap,
    /// A list of two finite real numbers.
    RealPair,
    /// A list of finite real numbers, at least one.
    RealList,
    /// "balanced", or an object that has finite real numbers by classes: whole numbers from 0, as texts.
    ClassWeights,
    /// List of numbers of at least 0, at most one of them 0: what the probabilities of classes are divided by.
    Thresholds,
    /// A list of whole numbers, at least one.
    IntList,
    /// A whole number for all dimensions, or a list with one for each of so many (PyTorch's `_size_2_t`); 0 for a list
    /// of any length.
    Size(usize),
    /// As [`ValueType::Size`], but in a list null stands for the size of the input (PyTorch's `_size_2_opt_t`).
    OpenSize(usize),
    /// As [`ValueType::Size`], or "same" or "valid".
    Padding(usize),
    /// A duration such as "15s"; see [`duration_ms`].
    Duration,
    /// A size of memory such as "64m"; see [`bytes`].
    Bytes,
    /// How gradients are compressed; see [`crate::compression`].
    Compression,
    /// Folders of a machine, by absolute paths with commas between.
    Folders,
    /// The path of a file of weights, or the file itself as text.
    Weights,
    /// A document of that kind.
    Document(Kind),
    /// A list of documents of that kind, at least one.
    Documents(Kind),
    /// A list of an optimiser's groups, at least one: objects with `params`, a pattern of parameter names or a list of
    /// them, and with `frozen` or numbers among the optimiser's arguments.
    Groups,
}

/// Which values of its type are legal; of a list, which items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Every value.
    Any,
    /// Whole numbers in `min..=max`.
    Ints {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// Whole numbers in `min..=max`, or another one, which says something else.
    IntsOr {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// The other one.
        or: i64,
    },
    /// Reals from `min` on, without an upper bound.
    AtLeast(f64),
    /// Reals above a bound, which itself is not legal.
    Above(f64),
    /// Reals in `min..=max`.
    Closed {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// Reals in `min..below`: the upper bound itself is not legal.
    HalfOpen {
        /// Smallest.
        min: f64,
        /// Upper bound.
        below: f64,
    },
    /// One of these texts; of true and false, those that are there.
    OneOf(&'static [&'static str]),
}

/// Largest size of a dimension that can be asked for. Messages leave it out: nobody gets near it but by mistake.
pub const MAX_SIZE: i64 = 1 << 31;

/// Words of [`ValueType::Padding`].
pub const PADDINGS: [&str; 2] = ["same", "valid"];

/// The word of [`ValueType::ClassWeights`].
pub const BALANCED: &str = "balanced";

/// The class that a key of [`ValueType::ClassWeights`] names, if it names one.
#[must_use]
pub fn class_of(key: &str) -> Option<u32> {
    // "+1" and "01" are other ways to name a class, which could then be named twice.
    key.parse().ok().filter(|class: &u32| class.to_string() == key)
}

/// Units of durations and their milliseconds; the first is that of a bare number, seconds, as in Spark's conf.
pub const DURATION_UNITS: [(&str, u64); 6] = [
    ("", 1_000),
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
];

/// Units of sizes and their bytes, powers of 1,024; the first is that of a bare number.
pub const BYTE_UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1 << 30),
];

/// Digits that a duration or a size may have, leading zeros aside: what is larger is a mistake.
pub const MAX_DIGITS: usize = 9;

/// Milliseconds of a duration such as "15s", "500ms", "2min": above 0, in any case of letters.
#[must_use]
pub fn duration_ms(text: &str) -> Option<u64> {
    quantity(text, &DURATION_UNITS)
}

/// Bytes of a size such as "64m", "1g": above 0, in any case of letters.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    quantity(text, &BYTE_UNITS)
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let split = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (digits, unit) = (&lower[..split], lower[split..].trim());
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    if digits.trim_start_matches('0').len() > MAX_DIGITS {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(*factor).filter(|amount| *amount > 0)
}

/// A regular expression, legal in Java and Python, that fits a whole quantity of these units, ignoring case: what
/// [`duration_ms`] and [`bytes`] take.
#[must_use]
pub fn pattern(units: &[(&str, u64)]) -> String {
    let names: Vec<&str> = units
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.is_empty())
        .collect();
    format!(
        "\\s*0*[1-9][0-9]{{0,{}}}\\s*({})?\\s*",
        MAX_DIGITS - 1,
        names.join("|")
    )
}

/// The legal values of one parameter or argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Domain {
    /// Type.
    pub ty: ValueType,
    /// Range; of a list, that of its items.
    pub range: Range,
    /// Null is legal too, and means "without".
    pub nullable: bool,
}

impl Domain {
    /// Checks a value; the message names it, and what is legal.
    ///
    /// ```
    /// use candlewick_protocol::value::{Domain, Range, ValueType};
    /// let epochs = Domain { ty: ValueType::Int, range: Range::Ints { min: 0, max: 1_000_000 }, nullable: false };
    /// assert_eq!(
    ///     epochs.check("epochs", &(-1).into()).unwrap_err(),
    ///     "epochs = -1 is not legal: expected a whole number from 0 to 1000000"
    /// );
    /// ```
    ///
    /// # Errors
    /// That message.
    pub fn check(&self, name: &str, value: &Value) -> Result<(), String> {
        if self.admits(value) {
            return Ok(());
        }
        Err(format!(
            "{name} = {} is not legal: expected {}",
            excerpt(value),
            self.expected()
        ))
    }

    fn admits(&self, value: &Value) -> bool {
        if value.is_null() {
            return self.nullable;
        }
        let whole = |item: &Value| self.is_whole(item);
        let real = |item: &Value| self.is_real(item);
        let text = |item: &Value| self.is_text(item);
        let items = value.as_array().filter(|items| !items.is_empty());
        let each = |legal: &dyn Fn(&Value) -> bool| items.is_some_and(|items| items.iter().all(legal));
        match self.ty {
            ValueType::Int => whole(value),
            ValueType::Long => value.is_i64() || value.is_u64(),
            ValueType::Real => real(value),
            ValueType::Bool => match self.range {
                Range::OneOf(words) => value.is_boolean() && words.contains(&value.to_string().as_str()),
                _ => value.is_boolean(),
            },
            ValueType::Text | ValueType::Weights => text(value),
            ValueType::Switch => value.is_boolean() || text(value),
            ValueType::TextList => each(&text),
            ValueType::Texts => text(value) || each(&text),
            ValueType::TextMap => value.as_object().is_some_and(|fields| {
                !fields.is_empty()
                    && fields
                        .iter()
                        .all(|(name, item)| !name.is_empty() && is_filled(item))
            }),
            ValueType::RealPair => each(&real) && items.is_some_and(|items| items.len() == 2),
            ValueType::RealList => each(&real),
            ValueType::Thresholds => {
                let zero = |item: &&Value| item.as_f64() == Some(0.0);
                each(&|item| real(item) && item.as_f64() >= Some(0.0))
                    && items.is_some_and(|items| items.iter().filter(zero).count() <= 1)
            }
            ValueType::ClassWeights => value == BALANCED || self.is_by_class(value),
            ValueType::IntList => each(&whole),
            ValueType::Padding(_) if value.is_string() => PADDINGS.iter().any(|word| value == word),
            ValueType::Size(count) | ValueType::Padding(count) => match items {
                Some(items) => (count == 0 || items.len() == count) && items.iter().all(whole),
                None => whole(value),
            },
            ValueType::OpenSize(count) => match items {
                Some(items) => items.len() == count && items.iter().all(|item| item.is_null() || whole(item)),
                None => whole(value),
            },
            ValueType::Duration => value.as_str().is_some_and(|text| duration_ms(text).is_some()),
            ValueType::Bytes => value.as_str().is_some_and(|text| bytes(text).is_some()),
            ValueType::Compression => value.as_str().and_then(GradientCompression::read).is_some(),
            ValueType::Folders => value.as_str().is_some_and(are_folders),
            // Its owner reads it, and says where in it something is wrong.
            ValueType::Document(_) => value.is_object(),
            ValueType::Documents(_) | ValueType::Groups => each(&Value::is_object),
        }
    }

    fn is_whole(&self, value: &Value) -> bool {
        value.as_i64().is_some_and(|number| match self.range {
            Range::Ints { min, max } => (min..=max).contains(&number),
            Range::IntsOr { min, max, or } => number == or || (min..=max).contains(&number),
            _ => true,
        })
    }

    fn is_by_class(&self, value: &Value) -> bool {
        let classes = value.as_object().filter(|classes| !classes.is_empty());
        let legal = |(class, weight): (&String, &Value)| class_of(class).is_some() && self.is_real(weight);
        classes.is_some_and(|classes| classes.iter().all(legal))
    }

    fn is_real(&self, value: &Value) -> bool {
        value.as_f64().is_some_and(|number| {
            number.is_finite()
                && match self.range {
                    Range::AtLeast(min) => number >= min,
                    Range::Above(bound) => number > bound,
                    Range::Closed { min, max } => (min..=max).contains(&number),
                    Range::HalfOpen { min, below } => (min..below).contains(&number),
                    Range::Any | Range::Ints { .. } | Range::IntsOr { .. } | Range::OneOf(_) => true,
                }
        })
    }

    fn is_text(&self, value: &Value) -> bool {
        value.as_str().is_some_and(|text| match self.range {
            Range::OneOf(legal) => legal.contains(&text),
            _ => true,
        })
    }

    /// What is legal, in words: "a whole number from 0 to 10, or null".
    #[must_use]
    pub fn expected(&self) -> String {
        let what = self.what();
        let legal = match self.range {
            Range::Any => what.trim_end_matches(',').trim_end_matches(", each").to_owned(),
            Range::Ints { min, max } if max >= MAX_SIZE - 1 => format!("{what} of at least {min}"),
            Range::Ints { min, max } => format!("{what} from {min} to {max}"),
            Range::IntsOr { min, max, or } if max >= MAX_SIZE - 1 => {
                format!("{what} of at least {min}, or {or}")
            }
            Range::IntsOr { min, max, or } => format!("{what} from {min} to {max}, or {or}"),
            Range::AtLeast(min) => format!("{what} of at least {min}"),
            Range::Above(bound) => format!("{what} above {bound}"),
            Range::Closed { min, max } => format!("{what} from {min} to {max}"),
            Range::HalfOpen { min, below } => format!("{what} of at least {min} and below {below}"),
            Range::OneOf(texts) if self.ty == ValueType::Switch => {
                let word = |text: &&str| !["true", "false"].contains(text);
                let quoted: Vec<String> = texts
                    .iter()
                    .copied()
                    .filter(word)
                    .map(|text| format!("{text:?}"))
                    .collect();
                format!("{}, true or false", quoted.join(", "))
            }
            Range::OneOf(words) if self.ty == ValueType::Bool => {
                format!("{} (or leave it out)", words.join(" or "))
            }
            Range::OneOf(texts) => {
                let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
                quoted.join(" or ")
            }
        };
        if self.nullable {
            format!("{legal}, or null")
        } else {
            legal
        }
    }

    fn what(&self) -> String {
        match self.ty {
            ValueType::Int | ValueType::Size(1) => "a whole number",
            ValueType::Long => "a whole number of 64 bits",
            ValueType::Real => "a finite number",
            ValueType::Bool => "true or false",
            ValueType::Text | ValueType::Switch => "a text",
            ValueType::TextList => "a list of at least one text, each",
            ValueType::Texts => "a text, or a list of at least one, each",
            ValueType::TextMap => {
                "an object of at least one name with a text, such as {\"embed\": \"embedding\"}"
            }
            ValueType::RealPair => "a list of two numbers, each",
            ValueType::RealList => "a list of at least one number, each",
            ValueType::Thresholds => {
                "a list of at least one number, each of at least 0, at most one of them 0"
            }
            ValueType::ClassWeights => {
                "\"balanced\", or an object with a number for classes such as {\"0\": 1.0, \"1\": 12.0}, each"
            }
            ValueType::IntList => "a list of at least one whole number, each",
            ValueType::Size(_) => "a whole number, or a list with one for every dimension,",
            ValueType::OpenSize(_) => "a whole number, or a list with one, or null, for every dimension,",
            ValueType::Padding(_) => {
                "\"same\", \"valid\", a whole number, or a list with one for every dimension,"
            }
            ValueType::Duration => {
                "a duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds"
            }
            ValueType::Bytes => "a size such as \"64m\" or \"1g\"",
            ValueType::Compression => compression::EXPECTED,
            ValueType::Folders => {
                "absolute paths of folders, without \"file:\" and with commas between, such as \"/data/1,/data/2\""
            }
            ValueType::Weights => "a path, or the bytes of a file",
            ValueType::Document(kind) => return format!("an object such as {}", kind.example()),
            ValueType::Documents(kind) => {
                return format!("a list of at least one object such as {}", kind.example());
            }
            ValueType::Groups => "a list of at least one object such as {\"params\": \"0.*\", \"lr\": 0.001}",
        }
        .to_owned()
    }
}

/// A regular expression, legal in Java and Python, that fits a value of [`ValueType::Folders`].
pub const FOLDERS: &str = "\\s*/[^,]*(,\\s*/[^,]*)*";

/// Whether all that stands between commas is an absolute path.
fn are_folders(text: &str) -> bool {
    // What \s is, in Java and Python.
    let space = |letter| matches!(letter, ' ' | '\t'..='\r');
    text.split(',')
        .all(|folder| folder.trim_start_matches(space).starts_with('/'))
}

/// A text that is not empty.
fn is_filled(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// A value's JSON text, cut where it is long.
#[must_use]
pub fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 {
        return text;
    }
    let head: String = text.chars().take(77).collect();
    format!("{head}...")
}

#[cfg(test)]
mod tests;
