//! The instruction sets there are kernels for.

/// An instruction set. All give the same bits; they differ in speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimdLevel {
    /// Plain Rust, for every processor.
    Generic,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL), AVX2 and FMA.
    Avx512,
    /// The same with products of bf16; all else is as at [`SimdLevel::Avx512`].
    Avx512Bf16,
}

impl SimdLevel {
    /// The best level of this processor.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 && is_x86_feature_detected!("avx512bf16") {
                return SimdLevel::Avx512Bf16;
            }
            if avx2 && avx512 {
                return SimdLevel::Avx512;
            }
            if avx2 {
                return SimdLevel::Avx2;
            }
        }
        SimdLevel::Generic
    }

    /// Every level this processor has, the plain one first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let best = Self::detect();
        let all = [
            SimdLevel::Generic,
            SimdLevel::Avx2,
            SimdLevel::Avx512,
            SimdLevel::Avx512Bf16,
        ];
        all.into_iter().filter(|level| *level <= best).collect()
    }

    /// `generic`, `avx2`, `avx512` or `avx512_bf16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SimdLevel::Generic => "generic",
            SimdLevel::Avx2 => "avx2",
            SimdLevel::Avx512 => "avx512",
            SimdLevel::Avx512Bf16 => "avx512_bf16",
        }
    }
}

/// Defines a function whose body is compiled for every [`SimdLevel`] and which takes the level as its first argument.
/// The compiler never fuses or reorders floating-point operations, so all versions give the same bits.
macro_rules! simd_dispatch {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $vis fn $name(level: $crate::kernels::SimdLevel, $($arg: $ty),*) {
            #[inline(always)]
            fn body($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($arg: $ty),*) {
                body($($arg),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) {
                body($($arg),*);
            }
            match level.min($crate::kernels::SimdLevel::detect()) {
                // SAFETY: the level was just bounded by what this processor has.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::SimdLevel::Avx512 | $crate::kernels::SimdLevel::Avx512Bf16 => unsafe {
                    avx512($($arg),*)
                },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::SimdLevel::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    };
}
pub(crate) use simd_dispatch;
