//! More elementwise functions, with the constants that PyTorch gives them, and their gradients.
//!
//! Where a function saturates its gradient is computed from the input and not from the output, which has lost its
//! digits there.

use super::{math, simd_dispatch};

/// Constants of [`elu`]: ELU is `[1, alpha, 1]`, CELU `[1, alpha, 1 / alpha]`, SELU `[scale, scale alpha, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elu {
    /// Factor of x above 0.
    pub above: f32,
    /// Factor of e^(rate x) - 1 below 0.
    pub below: f32,
    /// Factor of x in the exponent.
    pub rate: f32,
}

/// Constants of [`softplus`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Softplus {
    /// Sharpness.
    pub beta: f32,
    /// Where beta x is above it, the function is x.
    pub threshold: f32,
}

/// 1 / (1 + e^-x) and 1 / (1 + e^x); neither cancels.
#[inline(always)]
pub(super) fn logistic(x: f32) -> (f32, f32) {
    let small = math::exp(-x.abs());
    let likely = 1.0 / (1.0 + small);
    let unlikely = small * likely;
    if x >= 0.0 {
        (likely, unlikely)
    } else {
        (unlikely, likely)
    }
}

/// log(1 + e^-|x|).
#[inline(always)]
fn log_rest(x: f32) -> f32 {
    math::log1p(math::exp(-x.abs()))
}

simd_dispatch! {
    /// x above 0, `slope` x below.
    pub fn leaky_relu(slope: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = if *x > 0.0 { *x } else { *x * slope });
    }
}

simd_dispatch! {
    /// The gradient of [`leaky_relu`], given its input, or its output where the slope is not negative.
    pub fn leaky_relu_gradient(slope: f32, saved: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(saved) {
            *g = if *x > 0.0 { *g } else { *g * slope };
        }
    }
}

simd_dispatch! {
    /// Exponential linear units, see [`Elu`].
    pub fn elu(elu: Elu, values: &mut [f32]) {
        values.iter_mut().for_each(|x| {
            let below = elu.below * math::expm1(*x * elu.rate);
            *x = if *x > 0.0 { *x * elu.above } else { below };
        });
    }
}

simd_dispatch! {
    /// The gradient of [`elu`], given its input.
    pub fn elu_gradient(elu: Elu, input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let below = elu.rate * elu.below * math::exp(*x * elu.rate);
            *g *= if *x > 0.0 { elu.above } else { below };
        }
    }
}

simd_dispatch! {
    /// x / (1 + e^-x), also called swish.
    pub fn silu(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x *= logistic(*x).0);
    }
}

simd_dispatch! {
    /// The gradient of [`silu`], given its input.
    pub fn silu_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let (likely, unlikely) = logistic(*x);
            *g *= likely * (1.0 + *x * unlikely);
        }
    }
}

/// e (e + 2) for e = e^x: tanh(log(1 + e)) is it divided by itself + 2. Above 20 it is so large that the quotient is 1.
#[inline(always)]
fn mish_part(x: f32) -> f32 {
    let e = math::exp(x.min(20.0));
    e * (e + 2.0)
}

simd_dispatch! {
    /// x tanh(log(1 + e^x)).
    pub fn mish(values: &mut [f32]) {
        values.iter_mut().for_each(|x| {
            let part = mish_part(*x);
            *x *= part / (part + 2.0);
        });
    }
}

simd_dispatch! {
    /// The gradient of [`mish`], given its input.
    pub fn mish_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let part = mish_part(*x);
            let t = part / (part + 2.0);
            let rest = 2.0 / (part + 2.0) * (1.0 + t);
            *g *= t + *x * rest * logistic(*x).0;
        }
    }
}

simd_dispatch! {
    /// log(1 + e^(beta x)) / beta.
    pub fn softplus(softplus: Softplus, values: &mut [f32]) {
        values.iter_mut().for_each(|x| {
            let scaled = *x * softplus.beta;
            let above = if scaled > 0.0 { scaled } else { 0.0 };
            let value = (above + log_rest(scaled)) / softplus.beta;
            *x = if scaled > softplus.threshold { *x } else { value };
        });
    }
}

simd_dispatch! {
    /// The gradient of [`softplus`], given its input.
    pub fn softplus_gradient(softplus: Softplus, input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let scaled = *x * softplus.beta;
            let slope = logistic(scaled).0;
            *g *= if scaled > softplus.threshold { 1.0 } else { slope };
        }
    }
}

simd_dispatch! {
    /// log(1 / (1 + e^-x)).
    pub fn log_sigmoid(values: &mut [f32]) {
        values.iter_mut().for_each(|x| {
            let below = if *x < 0.0 { *x } else { 0.0 };
            *x = below - log_rest(*x);
        });
    }
}

simd_dispatch! {
    /// The gradient of [`log_sigmoid`], given its input.
    pub fn log_sigmoid_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            *g *= logistic(*x).1;
        }
    }
}

simd_dispatch! {
    /// x / (1 + |x|).
    pub fn softsign(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x /= 1.0 + x.abs());
    }
}

simd_dispatch! {
    /// The gradient of [`softsign`], given its input.
    pub fn softsign_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let size = 1.0 + x.abs();
            *g /= size * size;
        }
    }
}

simd_dispatch! {
    /// x within `low..=high`; NaN stays NaN.
    pub fn hardtanh(low: f32, high: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|x| {
            let raised = if *x < low { low } else { *x };
            *x = if raised > high { high } else { raised };
        });
    }
}

simd_dispatch! {
    /// The gradient of [`hardtanh`], given its output.
    pub fn hardtanh_gradient(low: f32, high: f32, output: &[f32], gradient: &mut [f32]) {
        for (g, y) in gradient.iter_mut().zip(output) {
            *g = if *y <= low || *y >= high { 0.0 } else { *g };
        }
    }
}

/// x + 3 within 0 and 6; NaN stays NaN.
#[inline(always)]
fn ramp(x: f32) -> f32 {
    let shifted = x + 3.0;
    let raised = if shifted < 0.0 { 0.0 } else { shifted };
    if raised > 6.0 { 6.0 } else { raised }
}

simd_dispatch! {
    /// (x + 3) / 6 within 0 and 1.
    pub fn hardsigmoid(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = ramp(*x) / 6.0);
    }
}

simd_dispatch! {
    /// The gradient of [`hardsigmoid`], given its input.
    pub fn hardsigmoid_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            *g = if *x <= -3.0 || *x >= 3.0 { 0.0 } else { *g / 6.0 };
        }
    }
}

simd_dispatch! {
    /// x times [`hardsigmoid`].
    pub fn hardswish(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = *x * ramp(*x) / 6.0);
    }
}

simd_dispatch! {
    /// The gradient of [`hardswish`], given its input.
    pub fn hardswish_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let slope = if *x >= 3.0 { 1.0 } else { *x / 3.0 + 0.5 };
            *g = if *x <= -3.0 { 0.0 } else { *g * slope };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::SimdLevel;

    const ELU: Elu = Elu {
        above: 1.05,
        below: 1.7,
        rate: 0.8,
    };
    const SOFTPLUS: Softplus = Softplus {
        beta: 1.5,
        threshold: 20.0,
    };

    /// A function with its gradient, and the exact function.
    struct Case {
        name: &'static str,
        forward: fn(SimdLevel, &mut [f32]),
        backward: fn(SimdLevel, &[f32], &mut [f32]),
        exact: fn(f64) -> f64,
        slope: fn(f64) -> f64,
    }

    fn sigma(x: f64) -> f64 {
        1.0 / (1.0 + libm::exp(-x))
    }

    fn mish_slope(x: f64) -> f64 {
        let t = libm::tanh(libm::log1p(libm::exp(x)));
        t + x * (1.0 - t * t) * sigma(x)
    }

    fn exact_elu(x: f64) -> f64 {
        let (above, below, rate) = (f64::from(ELU.above), f64::from(ELU.below), f64::from(ELU.rate));
        if x > 0.0 {
            above * x
        } else {
            below * libm::expm1(rate * x)
        }
    }

    fn elu_slope(x: f64) -> f64 {
        let (above, below, rate) = (f64::from(ELU.above), f64::from(ELU.below), f64::from(ELU.rate));
        if x > 0.0 {
            above
        } else {
            below * rate * libm::exp(rate * x)
        }
    }

    const SMOOTH: [Case; 6] = [
        Case {
            name: "elu",
            forward: |level, x| elu(level, ELU, x),
            backward: |level, x, g| elu_gradient(level, ELU, x, g),
            exact: exact_elu,
            slope: elu_slope,
        },
        Case {
            name: "silu",
            forward: silu,
            backward: silu_gradient,
            exact: |x| x * sigma(x),
            slope: |x| sigma(x) * (1.0 + x * sigma(-x)),
        },
        Case {
            name: "mish",
            forward: mish,
            backward: mish_gradient,
            exact: |x| x * libm::tanh(libm::log1p(libm::exp(x))),
            slope: mish_slope,
        },
        Case {
            name: "softplus",
            forward: |level, x| softplus(level, SOFTPLUS, x),
            backward: |level, x, g| softplus_gradient(level, SOFTPLUS, x, g),
            exact: |x| libm::log1p(libm::exp(1.5 * x)) / 1.5,
            slope: |x| sigma(1.5 * x),
        },
        Case {
            name: "log_sigmoid",
            forward: log_sigmoid,
            backward: log_sigmoid_gradient,
            exact: |x| -libm::log1p(libm::exp(-x)),
            slope: |x| sigma(-x),
        },
        Case {
            name: "softsign",
            forward: softsign,
            backward: softsign_gradient,
            exact: |x| x / (1.0 + x.abs()),
            slope: |x| 1.0 / ((1.0 + x.abs()) * (1.0 + x.abs())),
        },
    ];

    /// Name, function and gradient.
    type Named = (
        &'static str,
        fn(SimdLevel, &mut [f32]),
        fn(SimdLevel, &[f32], &mut [f32]),
    );

    const BENT: [Named; 4] = [
        (
            "leaky_relu",
            |level, x| leaky_relu(level, 0.1, x),
            |level, x, g| leaky_relu_gradient(level, 0.1, x, g),
        ),
        (
            "hardtanh",
            |level, x| hardtanh(level, -1.5, 2.0, x),
            |level, x, g| hardtanh_gradient(level, -1.5, 2.0, x, g),
        ),
        ("hardsigmoid", hardsigmoid, hardsigmoid_gradient),
        ("hardswish", hardswish, hardswish_gradient),
    ];

    fn inputs() -> Vec<f32> {
        (0..1_003).map(|at| (at as f32 - 500.0) * 0.037).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn every_level_and_every_position_gives_the_same_bits() {
        let smooth = SMOOTH.iter().map(|case| (case.name, case.forward, case.backward));
        for (name, forward, backward) in smooth.chain(BENT) {
            let input = inputs();
            let start: Vec<f32> = input.iter().map(|x| 0.3 - x * 0.7).collect();
            let (mut values, mut gradient) = (input.clone(), start.clone());
            forward(SimdLevel::Generic, &mut values);
            backward(SimdLevel::Generic, &input, &mut gradient);
            for level in SimdLevel::available() {
                let (mut other, mut slopes) = (input.clone(), start.clone());
                let (left, right) = other.split_at_mut(7);
                forward(level, left);
                forward(level, right);
                let (left, right) = slopes.split_at_mut(11);
                backward(level, &input[..11], left);
                backward(level, &input[11..], right);
                assert_eq!(bits(&values), bits(&other), "{name} {level:?}");
                assert_eq!(bits(&gradient), bits(&slopes), "{name} {level:?}");
            }
        }
    }

    #[test]
    fn values_and_gradients_are_close_to_exact() {
        for case in &SMOOTH {
            let input = inputs();
            let (mut values, mut slopes) = (input.clone(), vec![1.0; input.len()]);
            (case.forward)(SimdLevel::detect(), &mut values);
            (case.backward)(SimdLevel::detect(), &input, &mut slopes);
            for (at, x) in input.iter().enumerate() {
                let (x, y, slope) = (f64::from(*x), f64::from(values[at]), f64::from(slopes[at]));
                let (value, wanted) = ((case.exact)(x), (case.slope)(x));
                // e^x has the relative error of its exponent's last digit too: |x| 2^-24.
                let tolerance = 4e-7 + 6e-8 * x.abs();
                assert!(
                    (y - value).abs() <= tolerance * value.abs(),
                    "{} {x} {y} {value}",
                    case.name
                );
                // Slopes that pass through 0 cancel there.
                assert!(
                    (slope - wanted).abs() <= tolerance * wanted.abs().max(0.1),
                    "{} slope {x} {slope} {wanted}",
                    case.name
                );
            }
        }
    }

    #[test]
    fn not_a_number_stays() {
        let smooth = SMOOTH.iter().map(|case| (case.name, case.forward));
        for (name, forward) in smooth.chain(BENT.map(|case| (case.0, case.1))) {
            let mut values = [f32::NAN, 1.0, -1.0, 1e30, -1e30];
            forward(SimdLevel::detect(), &mut values);
            assert!(
                values[0].is_nan() && values[1..].iter().all(|x| !x.is_nan()),
                "{name}: {values:?}"
            );
        }
    }
}
