//! Rounding to bf16 and sums of pairs, value by value: what every instruction set has to give.

/// The bits of a value without its sign.
const MAGNITUDE: u32 = 0x7FFF_FFFF;

/// A value rounded to bf16, in the upper half of a word whose lower half is zero.
#[inline(always)]
pub(in crate::kernels) fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    let magnitude = bits & MAGNITUDE;
    let nearest = bits.wrapping_add(0x7FFF + ((bits >> 16) & 1));
    let quiet = if magnitude > 0x7F80_0000 {
        bits | 0x0040_0000
    } else {
        nearest
    };
    let flushed = if magnitude < 0x0080_0000 {
        bits & !MAGNITUDE
    } else {
        quiet
    };
    flushed & 0xFFFF_0000
}

/// Two values as an element of a packed operand.
#[inline(always)]
pub(in crate::kernels) fn pair(even: f32, odd: f32) -> f32 {
    f32::from_bits(rounded(odd) | rounded(even) >> 16)
}

/// Where results become subnormal: the smallest normal number less half the distance of the numbers below it, were there room for
/// their exponent. What lies above rounds to that number and is not flushed.
const TINY: f64 = f32::MIN_POSITIVE as f64 - f64::from_bits((1023 - 151) << 52);

/// `left * right + sum` of bf16 values and an f32 that is not subnormal, rounded once, and zero where that is subnormal.
#[inline(always)]
pub(in crate::kernels) fn multiply_add(left: f32, right: f32, sum: f32) -> f32 {
    let value = left.mul_add(right, sum);
    if value.abs() > f32::MIN_POSITIVE || value.is_nan() {
        return value;
    }
    flush_edge(left, right, sum, value)
}

/// Flushes a result that is not above the smallest normal number. It may be that number because a subnormal one was
/// rounded up; f64 holds enough of the exact result to tell.
fn flush_edge(left: f32, right: f32, sum: f32, value: f32) -> f32 {
    let exact = f64::from(left) * f64::from(right) + f64::from(sum);
    if value.abs() == f32::MIN_POSITIVE && exact.abs() >= TINY {
        value
    } else {
        0.0f32.copysign(value)
    }
}

/// The odd and the even values of a pair of each operand.
#[inline(always)]
fn values(left: u32, right: u32) -> [(f32, f32); 2] {
    [0xFFFF_0000, 0xFFFF].map(|half| {
        let value = |pair: u32| f32::from_bits((pair & half) << if half == 0xFFFF { 16 } else { 0 });
        (value(left), value(right))
    })
}

/// The sum after a pair.
#[inline(always)]
pub(in crate::kernels) fn add_pair(left: u32, right: u32, sum: f32) -> f32 {
    let [odd, even] = values(left, right);
    multiply_add(even.0, even.1, multiply_add(odd.0, odd.1, sum))
}

/// Pairs whose products AMX adds up before it adds them to a sum.
pub(in crate::kernels) const CHUNK: usize = 16;

/// The products of the even values and those of the odd ones of a chunk of pairs, each added up, with a further pair.
#[inline(always)]
pub(in crate::kernels) fn add_in_chunk(left: u32, right: u32, (evens, odds): (f32, f32)) -> (f32, f32) {
    let [odd, even] = values(left, right);
    (
        multiply_add(even.0, even.1, evens),
        multiply_add(odd.0, odd.1, odds),
    )
}

/// The sum after a chunk. Where a sum of two values is subnormal it is exact.
#[inline(always)]
pub(in crate::kernels) fn add_chunk((evens, odds): (f32, f32), sum: f32) -> f32 {
    let flushed = |value: f32| {
        if value.is_subnormal() {
            0.0f32.copysign(value)
        } else {
            value
        }
    };
    flushed(sum + flushed(evens + odds))
}
