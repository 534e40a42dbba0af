//! Elementwise functions that are bent at a threshold, and gated halves.
//!
//! Comparisons are written so that NaN stays NaN, as in PyTorch. Gradients are computed from the input.

use super::activations::logistic;
use super::{math, simd_dispatch};

simd_dispatch! {
    /// 0 within ±`lambd`, x elsewhere.
    pub(crate) fn hardshrink(lambd: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = if *x >= -lambd && *x <= lambd { 0.0 } else { *x });
    }
}

simd_dispatch! {
    /// The gradient of [`hardshrink`] and of [`softshrink`], given their input.
    pub(crate) fn shrink_gradient(lambd: f32, input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            *g = if *x >= -lambd && *x <= lambd { 0.0 } else { *g };
        }
    }
}

simd_dispatch! {
    /// x nearer to 0 by `lambd`, 0 within ±`lambd`.
    pub(crate) fn softshrink(lambd: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|x| {
            let inner = *x * 0.0;
            let below = if *x < -lambd { *x + lambd } else { inner };
            *x = if *x > lambd { *x - lambd } else { below };
        });
    }
}

simd_dispatch! {
    /// x - tanh(x).
    pub(crate) fn tanhshrink(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x -= math::tanh_of(*x));
    }
}

simd_dispatch! {
    /// The gradient of [`tanhshrink`], given its input.
    pub(crate) fn tanhshrink_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let t = math::tanh_of(*x);
            *g *= t * t;
        }
    }
}

/// Constants of [`threshold`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Threshold {
    /// What x has to be above.
    pub threshold: f32,
    /// What comes out where it is not.
    pub value: f32,
}

simd_dispatch! {
    /// x above a threshold, a value elsewhere.
    pub(crate) fn threshold(constants: Threshold, values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = if *x <= constants.threshold { constants.value } else { *x });
    }
}

simd_dispatch! {
    /// The gradient of [`threshold`], given its input.
    pub(crate) fn threshold_gradient(constants: Threshold, input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            *g = if *x <= constants.threshold { 0.0 } else { *g };
        }
    }
}

simd_dispatch! {
    /// Values times the logistic function of their gates.
    pub(crate) fn gated(values: &[f32], gates: &[f32], output: &mut [f32]) {
        for (y, (a, b)) in output.iter_mut().zip(values.iter().zip(gates)) {
            *y = *a * logistic(*b).0;
        }
    }
}

/// Both halves of what [`gated`] reads, and of its gradient.
pub(crate) struct Halves<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Their gates.
    pub gates: &'a [f32],
    /// Receives the gradient of the values.
    pub of_values: &'a mut [f32],
    /// Receives the gradient of the gates.
    pub of_gates: &'a mut [f32],
}

simd_dispatch! {
    /// The gradient of [`gated`], given its inputs.
    pub(crate) fn gated_gradient(halves: Halves<'_>, gradient: &[f32]) {
        let inputs = halves.values.iter().zip(halves.gates);
        let results = halves.of_values.iter_mut().zip(halves.of_gates);
        for (((a, b), (da, db)), g) in inputs.zip(results).zip(gradient) {
            let (likely, unlikely) = logistic(*b);
            *da = *g * likely;
            *db = *g * *a * likely * unlikely;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::SimdLevel;

    /// Name, function and gradient.
    type Named = (
        &'static str,
        fn(SimdLevel, &mut [f32]),
        fn(SimdLevel, &[f32], &mut [f32]),
    );

    const CONSTANTS: Threshold = Threshold {
        threshold: 0.5,
        value: -3.0,
    };

    const ALL: [Named; 4] = [
        (
            "hardshrink",
            |level, x| hardshrink(level, 0.7, x),
            |level, x, g| shrink_gradient(level, 0.7, x, g),
        ),
        (
            "softshrink",
            |level, x| softshrink(level, 0.7, x),
            |level, x, g| shrink_gradient(level, 0.7, x, g),
        ),
        ("tanhshrink", tanhshrink, tanhshrink_gradient),
        (
            "threshold",
            |level, x| threshold(level, CONSTANTS, x),
            |level, x, g| threshold_gradient(level, CONSTANTS, x, g),
        ),
    ];

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn every_level_and_every_position_gives_the_same_bits() {
        let input: Vec<f32> = (0..1_003).map(|at| (at as f32 - 500.0) * 0.0137).collect();
        for (name, forward, backward) in ALL {
            let (mut values, mut gradient) = (input.clone(), input.clone());
            forward(SimdLevel::Generic, &mut values);
            backward(SimdLevel::Generic, &input, &mut gradient);
            for level in SimdLevel::available() {
                let (mut other, mut slopes) = (input.clone(), input.clone());
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
    fn gates_have_the_same_bits_at_every_level() {
        let input: Vec<f32> = (0..331).map(|at| (at as f32 - 150.0) * 0.041).collect();
        let gates: Vec<f32> = input.iter().map(|x| 1.0 - x * 0.7).collect();
        let run = |level| {
            let mut output = vec![0.0; input.len()];
            gated(level, &input, &gates, &mut output);
            let (mut of_values, mut of_gates) = (output.clone(), output.clone());
            let halves = Halves {
                values: &input,
                gates: &gates,
                of_values: &mut of_values,
                of_gates: &mut of_gates,
            };
            gated_gradient(level, halves, &output);
            [bits(&output), bits(&of_values), bits(&of_gates)]
        };
        for level in SimdLevel::available() {
            assert_eq!(run(level), run(SimdLevel::Generic), "{level:?}");
        }
    }

    #[test]
    fn the_thresholds_themselves_and_not_a_number() {
        for (name, forward, _) in ALL {
            let mut values = [f32::NAN, 0.7, -0.7, 0.5, 2.0];
            forward(SimdLevel::detect(), &mut values);
            assert!(values[0].is_nan(), "{name}");
            let wanted = match name {
                "hardshrink" => [0.0, 0.0, 0.0, 2.0],
                "softshrink" => [0.0, 0.0, 0.0, 1.3],
                "threshold" => [0.7, -3.0, -3.0, 2.0],
                _ => continue,
            };
            assert_eq!(values[1..], wanted, "{name}");
        }
    }
}
