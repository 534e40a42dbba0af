//! exp, log, tanh and erf of our own: a few additions and multiplications each, without branches, so that a loop over
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
    let whole = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).cast_signed();
    let half = whole >> 1;
    let rest = whole - half;
    let power = |n: i32| f32::from_bits((n + 127).cast_unsigned() << 23);
    value * power(half) * power(rest)
}

/// 2^n for n in -126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n + 127).cast_unsigned() << 23)
}

/// e^x - 1, within 2 units in the last place also near 0; -1 below -17.4, infinity above 88.72.
#[inline(always)]
#[must_use]
pub fn expm1(x: f32) -> f32 {
    // As exp, but for e^r - 1, to which 1 - 2^-n is added before it is scaled by 2^n: nothing for n = 0.
    const MAGIC: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-18.0, 89.0);
    let shifted = clamped * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_66;
    p = p * r + 0.5;
    let whole = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).cast_signed();
    // Beyond 2^100 the 1 is far below the last digit.
    let value = p * (r * r) + r + (1.0 - power_of_two(-whole.min(100)));
    let half = whole >> 1;
    value * power_of_two(half) * power_of_two(whole - half)
}

/// Bits of sqrt(1/2).
const SQRT_HALF_BITS: i32 = 0x3f35_04f3;

/// log of 2^n (1 + f) for f from sqrt(1/2) - 1 to sqrt(2) - 1 (Cephes).
#[inline(always)]
fn log_of_parts(n: f32, f: f32) -> f32 {
    let z = f * f;
    let mut p = 7.037_683_6e-2;
    p = p * f - 0.115_146_1;
    p = p * f + 0.116_769_98;
    p = p * f - 0.124_201_41;
    p = p * f + 0.142_493_23;
    p = p * f - 0.166_680_58;
    p = p * f + 0.200_007_15;
    p = p * f - 0.249_999_94;
    p = p * f + 0.333_333_3;
    let tail = p * f * z - n * 2.121_944_4e-4 - 0.5 * z;
    f + tail + n * 0.693_359_4
}

/// log(1 + x), within 3 units in the last place also near 0; minus infinity of -1, NaN below.
#[inline(always)]
#[must_use]
pub fn log1p(x: f32) -> f32 {
    let sum = 1.0 + x;
    // What the sum lost, exactly.
    let lost = if x.abs() <= 1.0 {
        x - (sum - 1.0)
    } else {
        1.0 - (sum - x)
    };
    let bits = sum.to_bits().cast_signed().wrapping_sub(SQRT_HALF_BITS);
    let n = bits >> 23;
    let mantissa = f32::from_bits(((bits & 0x007f_ffff) + SQRT_HALF_BITS).cast_unsigned());
    // Beyond 2^100 what was lost is far below the last digit.
    let f = (mantissa - 1.0) + lost * power_of_two(-n.clamp(-100, 100));
    #[expect(clippy::cast_precision_loss, reason = "an exponent")]
    let value = log_of_parts(n as f32, f);
    let value = if x == f32::INFINITY { x } else { value };
    let value = if x > -1.0 { value } else { f32::NAN };
    if x == -1.0 { f32::NEG_INFINITY } else { value }
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

/// erf x, within a few units in the last place: a ratio of polynomials, 1 beyond 3.92.
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
    // 1 itself beyond 3.92, as rounding makes it: x (1 + erf x) of GELU then vanishes.
    if x.abs() > 3.92 {
        1.0f32.copysign(x)
    } else {
        t * p / q
    }
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
    fn logarithms_and_expm1_are_close_to_exact() {
        for (from, to) in [(-17.0, 88.0), (-1.0, 1.0), (-1e-3, 1e-3), (-1e-30, 1e-30)] {
            let wrong = worst(expm1, libm::expm1, from, to);
            assert!(wrong < 2.5e-7, "expm1 {from} {to} {wrong:e}");
        }
        for (from, to) in [
            (-0.999, 1.0),
            (-0.01, 0.01),
            (-1e-9, 1e-9),
            (1.0, 100.0),
            (1e3, 3e38),
        ] {
            let wrong = worst(log1p, libm::log1p, from, to);
            assert!(wrong < 2.5e-7, "log1p {from} {to} {wrong:e}");
        }
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
        assert_eq!((expm1(-200.0), expm1(f32::NEG_INFINITY)), (-1.0, -1.0));
        assert_eq!((expm1(0.0), expm1(200.0)), (0.0, f32::INFINITY));
        assert_eq!(log1p(f32::INFINITY), f32::INFINITY);
        assert_eq!((log1p(0.0), log1p(-1.0)), (0.0, f32::NEG_INFINITY));
        for nothing in [expm1(f32::NAN), log1p(f32::NAN), log1p(-1.5)] {
            assert!(nothing.is_nan());
        }
        assert_eq!(tanh_of(-0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(tanh_of(f32::NEG_INFINITY), -1.0);
        assert!(tanh_of(f32::NAN).is_nan());
        assert_eq!(erf(0.0), 0.0);
        assert_eq!((erf(9.0), erf(f32::NEG_INFINITY)), (1.0, -1.0));
        assert!(erf(f32::NAN).is_nan());
    }
}
