//! Conversions between numbers, each where its loss is meant.

/// What was computed in f64, as it is applied: rounded to f32.
#[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
pub(crate) fn to_f32(value: f64) -> f32 {
    value as f32
}

/// A count of steps or updates as a real number.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// A size in 32 bits; what is larger becomes the largest.
pub(crate) fn clamp_u32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
