//! exp, tanh and erf of our own: a few additions and multiplications each, without branches, so that a loop over
//! them becomes vector code, and without the library of the host, whose last bits differ between machines.

/// e^x, within 2 units in the last place; 0 below -104, infinity above 88.72.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    // Cody and Waite: x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts so that n ln 2 is exact.
    const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to a whole number
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Beyond these the result is 0 or infinity by itself; NaN passes through.
    let clamped = x.clamp(-104.0, 89.0);
    let shifted = clamped * LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_66;
    p = p * r + 0.5;
    let value = p * (r * r) + r + 1.0;
    // 2^n in two factors, so that neither over- nor underflows where the product does not.
    let whole = shifted.to_bits().wrapping_sub(MAGIC.to_bits());
    let half = (whole as i32) >> 1;
    let rest = (whole as i32) - half;
    let power = |n: i32| f32::from_bits(((n + 127) as u32) << 23);
    value * power(half) * power(rest)
}

/// tanh x, within a few units in the last place.
#[inline(always)]
#[must_use]
pub fn tanh_of(x: f32) -> f32 {
    let size = x.abs();
    let large = 1.0 - 2.0 / (exp(2.0 * size) + 1.0);
    // Near 0 the formula above cancels: an odd polynomial instead (Cephes).
    let z = x * x;
    let mut p = -5.704_988_7e-3;
    p = p * z + 2.063_908_8e-2;
    p = p * z - 5.373_971_5e-2;
    p = p * z + 0.133_314_42;
    p = p * z - 0.333_332_83;
    let small = p * z * size + size;
    let value = if size < 0.625 { small } else { large };
    value.copysign(x)
}

/// erf x, within a few units in the last place: a ratio of polynomials, 1 beyond 4.
#[inline(always)]
#[must_use]
pub fn erf(x: f32) -> f32 {
    let t = x.clamp(-4.0, 4.0);
    let z = t * t;
    let mut p = -2.726_142_3e-10;
    p = p * z + 2.770_681_4e-8;
    p = p * z - 2.101_024_1e-6;
    p = p * z - 5.692_506_4e-5;
    p = p * z - 7.349_906_3e-4;
    p = p * z - 2.954_6e-3;
    p = p * z - 1.609_603_3e-2;
    let mut q = -1.456_607_2e-5;
    q = q * z - 2.133_740_5e-4;
    q = q * z - 1.682_827e-3;
    q = q * z - 7.373_329_2e-3;
    q = q * z - 1.426_473_9e-2;
    t * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let steps = 200_000;
        (0..=steps)
            .map(|at| {
                let x = from + (to - from) * at as f32 / steps as f32;
                let wanted = exact(f64::from(x));
                (f64::from(f(x)) - wanted).abs() / wanted.abs().max(1e-37)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_close_to_exact() {
        assert!(
            worst(exp, libm::exp, -87.0, 88.0) < 3e-7,
            "{}",
            worst(exp, libm::exp, -87.0, 88.0)
        );
        assert!(
            worst(tanh_of, libm::tanh, -12.0, 12.1) < 4e-7,
            "{}",
            worst(tanh_of, libm::tanh, -12.0, 12.1)
        );
        assert!(
            worst(erf, libm::erf, -5.0, 5.1) < 7e-7,
            "{}",
            worst(erf, libm::erf, -5.0, 5.1)
        );
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-200.0), 0.0);
        assert!(exp(-100.0) > 0.0 && exp(-100.0) < 1e-43);
        assert!(exp(88.72).is_finite() && exp(88.73).is_infinite());
        assert_eq!(exp(200.0), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(tanh_of(50.0), 1.0);
        assert_eq!(tanh_of(-0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(tanh_of(f32::NEG_INFINITY), -1.0);
        assert!(tanh_of(f32::NAN).is_nan());
        assert_eq!(erf(0.0), 0.0);
        assert!((erf(9.0) - 1.0).abs() < 1e-6);
        assert!(erf(f32::NAN).is_nan());
    }
}
