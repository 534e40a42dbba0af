//! The instruction sets there are kernels for.

/// An instruction set. All give the same bits; they differ in speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust, for every processor.
    Generic,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL), AVX2 and FMA.
    Avx512,
}

impl Level {
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
            if avx2 && avx512 {
                return Level::Avx512;
            }
            if avx2 {
                return Level::Avx2;
            }
        }
        Level::Generic
    }

    /// Every level this processor has, the plain one first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let best = Self::detect();
        [Level::Generic, Level::Avx2, Level::Avx512]
            .into_iter()
            .filter(|level| *level <= best)
            .collect()
    }

    /// `generic`, `avx2` or `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Generic => "generic",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }
}
