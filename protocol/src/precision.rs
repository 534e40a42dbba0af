//! What products of a network are computed in.

use crate::Failure;
use serde::{Deserialize, Serialize};

/// What products of a network round their operands to. Sums, weights, the optimiser, and all layers and losses that are no
/// products stay in f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Nothing is rounded.
    #[default]
    F32,
    /// bfloat16, to nearest, ties to even; the sums are f32 (rule B15).
    Bf16,
    /// The same with sums in the order in which Intel's AMX adds (rule B16), on processors.
    Bf16Amx,
    /// IEEE's 16 bits, on GPUs; the sums are f32, and the loss is scaled.
    Fp16,
}

impl Precision {
    /// All that there are.
    pub const ALL: [Precision; 4] = [
        Precision::F32,
        Precision::Bf16,
        Precision::Bf16Amx,
        Precision::Fp16,
    ];
    /// Those that processors compute in.
    pub const ON_PROCESSORS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Bf16Amx];

    /// Whether it is what jobs had before there was a choice: their documents do not name it.
    #[must_use]
    pub fn is_f32(&self) -> bool {
        *self == Precision::F32
    }

    /// Whether operands are rounded to bf16.
    #[must_use]
    pub fn is_bf16(&self) -> bool {
        matches!(self, Precision::Bf16 | Precision::Bf16Amx)
    }

    /// `f32`, `bf16`, `bf16_amx` or `fp16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::Bf16Amx => "bf16_amx",
            Precision::Fp16 => "fp16",
        }
    }

    /// The precision of a name that was set.
    ///
    /// ```
    /// use candlewick_protocol::job::Precision;
    /// assert_eq!(Precision::read("bf16")?, Precision::Bf16);
    /// assert!(Precision::read("int8").is_err());
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` where there is none of that name.
    pub fn read(name: &str) -> Result<Self, Failure> {
        let found = Precision::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| {
            Failure::parameter(format!(
                "parameter precision = \"{name}\" is not legal: expected \"f32\", \"bf16\", \"bf16_amx\" or \"fp16\""
            ))
        })
    }
}
