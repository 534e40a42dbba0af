//! `gradientCompression`: what gradients are made of on their way from trainer to trainer.

use crate::error::Failure;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a gradient's values become before trainers exchange them. It is part of the arithmetic: one trainer alone computes
/// the same.
///
/// ```
/// use candlewick_protocol::compression::GradientCompression;
/// assert_eq!(GradientCompression::read("bf16"), Some(GradientCompression::Bf16));
/// assert_eq!(GradientCompression::read("topk:0.01").unwrap().to_string(), "topk:0.01");
/// assert_eq!(GradientCompression::read("topk:2"), None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GradientCompression {
    /// They stay f32.
    #[default]
    None,
    /// What the trainers decide once they have measured their links: none or bf16, for the whole fit.
    Auto,
    /// 16 bits with the exponents of f32.
    Bf16,
    /// 16 bits of IEEE 754.
    Fp16,
    /// The largest values of each parameter: this share of them.
    TopK(f64),
    /// Signs, and two means for 128 values.
    OneBit,
    /// Two factors of this rank for each matrix.
    PowerSgd(u32),
}

/// What a value may be, for messages.
pub const EXPECTED: &str = "\"none\", \"auto\", \"bf16\", \"fp16\", \"1bit\", \"topk:\" and the share of the values that is sent, above 0 and at \
                            most 1, such as \"topk:0.01\", or \"powersgd:\" and a rank from 1 to 9999, such as \"powersgd:4\"";

/// A regular expression, legal in Java and Python, that fits what [`GradientCompression::read`] takes. Sizes and durations are
/// read in any case of letters, this as the words of other parameters are.
pub const PATTERN: &str =
    "(?-i:none|auto|bf16|fp16|1bit|topk:(0?\\.[0-9]{0,8}[1-9]|1(\\.0)?)|powersgd:[1-9][0-9]{0,3})";

/// Digits behind the point of a share at most.
const DIGITS: usize = 9;

impl GradientCompression {
    /// The compression that a text names; none where it names none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "none" => Some(GradientCompression::None),
            "auto" => Some(GradientCompression::Auto),
            "bf16" => Some(GradientCompression::Bf16),
            "fp16" => Some(GradientCompression::Fp16),
            "1bit" => Some(GradientCompression::OneBit),
            text => match text.strip_prefix("powersgd:") {
                Some(digits) => rank(digits).map(GradientCompression::PowerSgd),
                None => share(text.strip_prefix("topk:")?).map(GradientCompression::TopK),
            },
        }
    }

    /// True for [`GradientCompression::None`].
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == GradientCompression::None
    }

    /// True for [`GradientCompression::Auto`].
    #[must_use]
    pub fn is_auto(&self) -> bool {
        *self == GradientCompression::Auto
    }

    /// True where a logical shard remembers from step to step what was not sent.
    #[must_use]
    pub fn remembers(&self) -> bool {
        use GradientCompression::{OneBit, PowerSgd, TopK};
        matches!(self, TopK(_) | OneBit | PowerSgd(_))
    }

    /// Of the factors of a matrix; none where there are none.
    #[must_use]
    pub fn rank(&self) -> Option<u32> {
        match self {
            GradientCompression::PowerSgd(rank) => Some(*rank),
            _ => None,
        }
    }
}

impl GradientCompression {
    /// True where each logical shard's gradient travels by itself, and not the sums of a trainer's.
    #[must_use]
    pub fn sends_leaves(&self) -> bool {
        self.remembers() && self.rank().is_none()
    }

    /// Bytes that a node of so many values takes at most; of matrices of low rank, as if they had their full one, and of what is not
    /// decided yet, as if it was not compressed.
    #[must_use]
    pub fn node_bytes(&self, values: u64) -> u64 {
        match self {
            GradientCompression::None | GradientCompression::Auto | GradientCompression::PowerSgd(_) => {
                values * 4
            }
            GradientCompression::Bf16 | GradientCompression::Fp16 => values * 2,
            GradientCompression::TopK(share) => pairs(*share, values),
            // A bit each, and two means.
            GradientCompression::OneBit => values.div_ceil(8) + values.div_ceil(128) * 8,
        }
    }

    /// Bytes that the sum of so many shards takes at most, on its way back.
    #[must_use]
    pub fn sum_bytes(&self, values: u64, shards: u32) -> u64 {
        match self {
            GradientCompression::TopK(share) => pairs(share * f64::from(shards), values),
            GradientCompression::OneBit => values * 2,
            _ => self.node_bytes(values),
        }
    }
}

/// A place and a value for each, or all values where that is less.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of values is far below 2^53, and a share of it is one of them"
)]
fn pairs(share: f64, values: u64) -> u64 {
    let kept = (share * values as f64).ceil() as u64;
    kept.saturating_mul(8).min(values * 4)
}

fn rank(digits: &str) -> Option<u32> {
    let plain = digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain && !digits.starts_with('0'))
}

fn share(text: &str) -> Option<f64> {
    if matches!(text, "1" | "1.0") {
        return Some(1.0);
    }
    let digits = text.strip_prefix('0').unwrap_or(text).strip_prefix('.')?;
    let plain = digits.len() <= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let legal = plain && digits.bytes().last().is_some_and(|last| last != b'0');
    text.parse().ok().filter(|share| legal && *share > 0.0)
}

impl fmt::Display for GradientCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GradientCompression::None => f.write_str("none"),
            GradientCompression::Auto => f.write_str("auto"),
            GradientCompression::Bf16 => f.write_str("bf16"),
            GradientCompression::Fp16 => f.write_str("fp16"),
            GradientCompression::TopK(share) => write!(f, "topk:{share}"),
            GradientCompression::OneBit => f.write_str("1bit"),
            GradientCompression::PowerSgd(rank) => write!(f, "powersgd:{rank}"),
        }
    }
}

impl TryFrom<String> for GradientCompression {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self, Failure> {
        GradientCompression::read(&text).ok_or_else(|| {
            Failure::parameter(format!(
                "gradientCompression = {text:?} is not legal: expected {EXPECTED}"
            ))
        })
    }
}

impl From<GradientCompression> for String {
    fn from(compression: GradientCompression) -> String {
        compression.to_string()
    }
}

/// What [`GradientCompression::Auto`] has become in a fit, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompressionChoice {
    /// None or bf16.
    pub kind: GradientCompression,
    /// With the numbers that decided.
    pub reason: String,
}

/// What trainers sent each other of their gradients, as they are compressed and as they would have been; no part of the state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompressionUse {
    /// What was decided, where the trainers decided it.
    #[serde(flatten)]
    pub choice: Option<Box<CompressionChoice>>,
    /// Bytes that were sent.
    pub sent_bytes: u64,
    /// Bytes in whose place.
    pub plain_bytes: u64,
}

impl CompressionUse {
    /// That of several trainers together; none where none of them compressed.
    ///
    /// ```
    /// use candlewick_protocol::compression::CompressionUse;
    /// let one = CompressionUse { sent_bytes: 10, plain_bytes: 40, choice: None };
    /// let all = CompressionUse { sent_bytes: 20, plain_bytes: 80, choice: None };
    /// assert_eq!(CompressionUse::of_all([Some(one.clone()), None, Some(one)]), Some(all));
    /// assert_eq!(CompressionUse::of_all([None]), None);
    /// ```
    pub fn of_all(trainers: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        trainers.into_iter().flatten().reduce(|sum, one| CompressionUse {
            // All trainers have decided alike.
            choice: sum.choice.or(one.choice),
            sent_bytes: sum.sent_bytes + one.sent_bytes,
            plain_bytes: sum.plain_bytes + one.plain_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_nodes_and_of_their_sum() {
        let bytes = |name: &str| {
            let kind = GradientCompression::read(name).unwrap();
            (kind.node_bytes(8_192), kind.sum_bytes(8_192, 4))
        };
        assert_eq!(
            (bytes("none"), bytes("bf16")),
            ((32_768, 32_768), (16_384, 16_384))
        );
        assert_eq!(
            (bytes("topk:0.01"), bytes("topk:0.5")),
            ((656, 2_624), (32_768, 32_768))
        );
        assert_eq!(bytes("1bit"), (1_024 + 512, 16_384));
    }

    #[test]
    fn what_was_decided_stands_beside_the_bytes_and_is_told_once() {
        let choice = CompressionChoice {
            kind: GradientCompression::Bf16,
            reason: "slow".to_owned(),
        };
        let one = CompressionUse {
            choice: Some(Box::new(choice)),
            sent_bytes: 10,
            plain_bytes: 20,
        };
        let all =
            CompressionUse::of_all([Some(CompressionUse::default()), Some(one.clone()), Some(one)]).unwrap();
        let text = serde_json::to_value(&all).unwrap();
        let expected =
            serde_json::json!({"kind": "bf16", "reason": "slow", "sentBytes": 20, "plainBytes": 40});
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_value::<CompressionUse>(text).unwrap(), all);
        let plain = CompressionUse::default();
        let text = serde_json::to_value(&plain).unwrap();
        assert_eq!(text, serde_json::json!({"sentBytes": 0, "plainBytes": 0}));
        assert_eq!(serde_json::from_value::<CompressionUse>(text).unwrap(), plain);
    }

    #[test]
    fn names_are_read_and_written() {
        for name in [
            "none",
            "auto",
            "bf16",
            "fp16",
            "1bit",
            "topk:0.01",
            "topk:0.000000001",
            "topk:1",
            "powersgd:1",
            "powersgd:9999",
        ] {
            assert_eq!(GradientCompression::read(name).unwrap().to_string(), name);
        }
        assert_eq!(
            GradientCompression::read("topk:.5"),
            Some(GradientCompression::TopK(0.5))
        );
        for wrong in [
            "",
            "BF16",
            "TopK:0.01",
            "bf32",
            "topk",
            "topk:",
            "topk:0",
            "topk:0.0",
            "topk:0.10",
            "topk:1.5",
            "topk:-0.1",
            "topk:nan",
            "topk:1e-3",
            "topk:0.0000000001",
            "topk:00.1",
            "bf16 ",
            "2bit",
            "powersgd",
            "powersgd:0",
            "powersgd:04",
            "powersgd:-1",
            "powersgd:10000",
        ] {
            assert_eq!(GradientCompression::read(wrong), None, "{wrong}");
        }
        let told = GradientCompression::try_from("bf15".to_owned())
            .unwrap_err()
            .message;
        assert!(
            told.contains("gradientCompression = \"bf15\"") && told.contains("\"topk:0.01\""),
            "{told}"
        );
    }
}
