//! The hot loops of decoding: numbers of any width to f32, with one flag for "something in here is not finite".
//!
//! No branch per element, so that the compiler makes vector code of it; on x86 each loop exists twice, and the AVX2 one
//! is taken where the CPU has it. Both give the same bits: a conversion and one multiplication are exact operations of
//! IEEE 754, whatever their width.

/// Converts every number with `read`, in f64, times `scale`, to f32.
///
/// Returns true where all results are finite.
#[inline(always)]
fn convert<const N: usize>(
    from: &[[u8; N]],
    out: &mut [f32],
    scale: f64,
    read: impl Fn([u8; N]) -> f64,
) -> bool {
    let mut worst = 0;
    for (value, out) in from.iter().zip(out.iter_mut()) {
        #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
        let number = (read(*value) * scale) as f32;
        *out = number;
        // The exponent bits of infinity and NaN are all ones: no finite number reaches 0x7f80_0000 without its sign.
        worst = worst.max(number.to_bits() & 0x7fff_ffff);
    }
    worst < 0x7f80_0000
}

macro_rules! kernels {
    ($($(#[$doc:meta])* $name:ident, $wide:ident, $bytes:literal, $read:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(from: &[[u8; $bytes]], out: &mut [f32], scale: f64) -> bool {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the CPU has AVX2, which is all that the function needs.
                return unsafe { $wide(from, out, scale) };
            }
            convert(from, out, scale, $read)
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn $wide(from: &[[u8; $bytes]], out: &mut [f32], scale: f64) -> bool {
            convert(from, out, scale, $read)
        }
    )*};
}

kernels! {
    /// double.
    doubles, doubles_avx2, 8, f64::from_le_bytes;
    /// float; the detour over f64 makes equal values of both types equal.
    scaled_floats, scaled_floats_avx2, 4, |bytes| f64::from(f32::from_le_bytes(bytes));
    /// bigint.
    longs, longs_avx2, 8, |bytes| {
        #[expect(clippy::cast_precision_loss, reason = "as Spark's cast to double does")]
        let number = i64::from_le_bytes(bytes) as f64;
        number
    };
    /// int.
    ints, ints_avx2, 4, |bytes| f64::from(i32::from_le_bytes(bytes));
    /// smallint.
    shorts, shorts_avx2, 2, |bytes| f64::from(i16::from_le_bytes(bytes));
    /// tinyint.
    tinies, tinies_avx2, 1, |bytes: [u8; 1]| f64::from(bytes[0].cast_signed());
    /// boolean.
    booleans, booleans_avx2, 1, |bytes: [u8; 1]| f64::from(u8::from(bytes[0] != 0));
    /// Unsigned bytes of a binary column.
    unsigned, unsigned_avx2, 1, |bytes: [u8; 1]| f64::from(bytes[0]);
}

/// float. Without a scale nothing is computed: the bits are those that the detour over f64 would give.
pub fn floats(from: &[[u8; 4]], out: &mut [f32], scale: f64) -> bool {
    #[expect(clippy::float_cmp, reason = "exactly 1 is what an absent scale is")]
    if scale != 1.0 {
        return scaled_floats(from, out, scale);
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2, which is all that the function needs.
        return unsafe { plain_floats_avx2(from, out) };
    }
    plain_floats(from, out)
}

#[inline(always)]
fn plain_floats(from: &[[u8; 4]], out: &mut [f32]) -> bool {
    let mut worst = 0;
    for (value, out) in from.iter().zip(out.iter_mut()) {
        let bits = u32::from_le_bytes(*value);
        *out = f32::from_bits(bits);
        worst = worst.max(bits & 0x7fff_ffff);
    }
    worst < 0x7f80_0000
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn plain_floats_avx2(from: &[[u8; 4]], out: &mut [f32]) -> bool {
    plain_floats(from, out)
}

/// The index of the first value that is not finite.
#[must_use]
pub fn first_not_finite(values: &[f32]) -> Option<usize> {
    values.iter().position(|value| !value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_finite_is_seen_anywhere() {
        for length in [1, 7, 8, 63, 100] {
            for at in 0..length {
                for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39] {
                    let mut values = vec![[0u8; 8]; length];
                    values[at] = bad.to_le_bytes();
                    let mut out = vec![0.0; length];
                    assert!(!doubles(&values, &mut out, 1.0));
                    assert_eq!(first_not_finite(&out), Some(at));
                }
            }
        }
    }

    #[test]
    fn the_same_values_of_all_types_are_the_same() {
        let mut out = [0.0];
        let scale = 1.0 / 255.0;
        assert!(unsigned(&[[200]], &mut out, scale));
        let expected = out[0];
        assert!(ints(&[200i32.to_le_bytes()], &mut out, scale) && out[0] == expected);
        assert!(longs(&[200i64.to_le_bytes()], &mut out, scale) && out[0] == expected);
        assert!(floats(&[200f32.to_le_bytes()], &mut out, scale) && out[0] == expected);
        assert!(doubles(&[200f64.to_le_bytes()], &mut out, scale) && out[0] == expected);
        assert!(shorts(&[200i16.to_le_bytes()], &mut out, scale) && out[0] == expected);
        assert!(tinies(&[[0xfb]], &mut out, 1.0) && out[0] == -5.0);
        assert!(booleans(&[[1]], &mut out, 2.0) && out[0] == 2.0);
    }

    /// Numbers of every size, written as `N` bytes.
    fn some<const N: usize>(count: usize) -> Vec<[u8; N]> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..count).map(|_| std::array::from_fn(|_| next())).collect()
    }

    #[test]
    fn both_loops_give_the_same_bits() {
        macro_rules! check {
            ($name:ident, $read:expr) => {
                for length in [0, 1, 7, 33] {
                    let from = some(length);
                    let (mut wide, mut plain) = (vec![0.0; length], vec![0.0; length]);
                    let finite = $name(&from, &mut wide, 0.1);
                    assert_eq!(finite, convert(&from, &mut plain, 0.1, $read));
                    // Which of all NaNs comes out is not said; no row with one is fed.
                    let number = |value: &f32| (!value.is_nan()).then_some(value.to_bits());
                    let bits = |values: &[f32]| values.iter().map(number).collect::<Vec<_>>();
                    assert_eq!(bits(&wide), bits(&plain), "{}", stringify!($name));
                }
            };
        }
        check!(doubles, f64::from_le_bytes);
        check!(scaled_floats, |bytes| f64::from(f32::from_le_bytes(bytes)));
        check!(longs, |bytes| i64::from_le_bytes(bytes) as f64);
        check!(ints, |bytes| f64::from(i32::from_le_bytes(bytes)));
        check!(shorts, |bytes| f64::from(i16::from_le_bytes(bytes)));
        check!(tinies, |bytes: [u8; 1]| f64::from(bytes[0].cast_signed()));
        check!(booleans, |bytes: [u8; 1]| f64::from(u8::from(bytes[0] != 0)));
        check!(unsigned, |bytes: [u8; 1]| f64::from(bytes[0]));
    }

    #[test]
    fn denormals_and_the_largest_numbers_are_finite() {
        let values = [f32::MAX, f32::MIN, f32::MIN_POSITIVE / 4.0, -0.0].map(f32::to_le_bytes);
        let mut out = [1.0; 4];
        assert!(floats(&values, &mut out, 1.0));
        assert_eq!(out.map(f32::to_le_bytes), values);
        assert!(scaled_floats(&values, &mut out, 1.0));
        assert_eq!(out.map(f32::to_le_bytes), values);
    }

    #[test]
    fn floats_without_a_scale_are_those_times_1() {
        for length in [0, 1, 7, 33, 784] {
            let mut from = some::<4>(length);
            for odd in [false, true] {
                if odd && length > 0 {
                    from[length / 2] = f32::INFINITY.to_le_bytes();
                } else {
                    from.iter_mut().for_each(|bytes| bytes[3] &= 0x3f);
                }
                let (mut plain, mut scaled) = (vec![0.0; length], vec![0.0; length]);
                assert_eq!(floats(&from, &mut plain, 1.0), length == 0 || !odd);
                assert_eq!(scaled_floats(&from, &mut scaled, 1.0), length == 0 || !odd);
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&plain), bits(&scaled));
            }
        }
    }
}
