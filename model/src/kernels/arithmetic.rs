//! Which kernels compute a product: by instruction set and by precision.

use super::simd::SimdLevel;
use candlewick_protocol::job::Precision;

/// The instruction set and the precision of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arithmetic {
    /// The instruction set.
    pub level: SimdLevel,
    /// What products round their operands to.
    pub precision: Precision,
}

impl Arithmetic {
    /// The same, at no level that this processor does not have.
    pub(super) fn bounded(self) -> Self {
        Arithmetic {
            level: self.level.min(SimdLevel::detect()),
            ..self
        }
    }
}

/// Evaluates an expression with a name for the kernels that some [`Arithmetic`] asks for.
macro_rules! with_isa {
    ($arithmetic:expr, $isa:ident => $body:expr) => {{
        let arithmetic: $crate::kernels::Arithmetic = $arithmetic;
        match (arithmetic.precision, arithmetic.level) {
            #[cfg(target_arch = "x86_64")]
            (
                candlewick_protocol::job::Precision::F32 | candlewick_protocol::job::Precision::Fp16,
                $crate::kernels::SimdLevel::Avx512 | $crate::kernels::SimdLevel::Avx512Bf16,
            ) => {
                type $isa = $crate::kernels::x86::Avx512;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            (
                candlewick_protocol::job::Precision::F32 | candlewick_protocol::job::Precision::Fp16,
                $crate::kernels::SimdLevel::Avx2,
            ) => {
                type $isa = $crate::kernels::x86::Avx2;
                $body
            }
            // fp16 is of devices: what the host computes of such a network is f32.
            (candlewick_protocol::job::Precision::F32 | candlewick_protocol::job::Precision::Fp16, _) => {
                type $isa = $crate::kernels::generic::Generic;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            (candlewick_protocol::job::Precision::Bf16, $crate::kernels::SimdLevel::Avx512Bf16) => {
                type $isa = $crate::kernels::bf16::Bf16Avx512;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            (candlewick_protocol::job::Precision::Bf16, $crate::kernels::SimdLevel::Avx512) => {
                type $isa = $crate::kernels::bf16::EmulatedAvx512;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            (candlewick_protocol::job::Precision::Bf16, $crate::kernels::SimdLevel::Avx2) => {
                type $isa = $crate::kernels::bf16::EmulatedAvx2;
                $body
            }
            (candlewick_protocol::job::Precision::Bf16, _) => {
                type $isa = $crate::kernels::bf16::EmulatedGeneric;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            (candlewick_protocol::job::Precision::Bf16Amx, $crate::kernels::SimdLevel::Avx512Bf16)
                if $crate::kernels::bf16::has_amx() =>
            {
                type $isa = $crate::kernels::bf16::Amx;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            (
                candlewick_protocol::job::Precision::Bf16Amx,
                $crate::kernels::SimdLevel::Avx512 | $crate::kernels::SimdLevel::Avx512Bf16,
            ) => {
                type $isa = $crate::kernels::bf16::AmxAvx512;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            (candlewick_protocol::job::Precision::Bf16Amx, $crate::kernels::SimdLevel::Avx2) => {
                type $isa = $crate::kernels::bf16::AmxAvx2;
                $body
            }
            (candlewick_protocol::job::Precision::Bf16Amx, _) => {
                type $isa = $crate::kernels::bf16::AmxGeneric;
                $body
            }
        }
    }};
}
pub(crate) use with_isa;
