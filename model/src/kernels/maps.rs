//! Elementwise functions over slices, compiled for every instruction set.

use super::math;
use super::simd::simd_dispatch;

simd_dispatch! {
    /// `left += right`.
    pub fn add_into(left: &mut [f32], right: &[f32]) {
        for (left, right) in left.iter_mut().zip(right) {
            *left += *right;
        }
    }
}

simd_dispatch! {
    /// max(x, 0); NaN stays NaN.
    pub fn relu(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = if *x <= 0.0 { 0.0 } else { *x });
    }
}

simd_dispatch! {
    /// The gradient of [`relu`], given its output.
    pub fn relu_gradient(output: &[f32], gradient: &mut [f32]) {
        for (g, y) in gradient.iter_mut().zip(output) {
            *g = if *y <= 0.0 { 0.0 } else { *g };
        }
    }
}

simd_dispatch! {
    /// Hyperbolic tangent.
    pub fn tanh(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = math::tanh_of(*x));
    }
}

simd_dispatch! {
    /// The gradient of [`tanh`], given its output.
    pub fn tanh_gradient(output: &[f32], gradient: &mut [f32]) {
        for (g, y) in gradient.iter_mut().zip(output) {
            *g *= 1.0 - *y * *y;
        }
    }
}

simd_dispatch! {
    /// Logistic function.
    pub fn sigmoid(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = 1.0 / (1.0 + math::exp(-*x)));
    }
}

simd_dispatch! {
    /// The gradient of [`sigmoid`], given its output.
    pub fn sigmoid_gradient(output: &[f32], gradient: &mut [f32]) {
        for (g, y) in gradient.iter_mut().zip(output) {
            *g *= (1.0 - *y) * *y;
        }
    }
}

const SQRT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// 1 / sqrt(2 pi).
const NORMAL: f32 = 0.398_942_3;
/// sqrt(2 / pi).
const GELU_SCALE: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;

simd_dispatch! {
    /// GELU: x Φ(x).
    pub fn gelu(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = *x * 0.5 * (1.0 + math::erf(*x * SQRT_HALF)));
    }
}

simd_dispatch! {
    /// The gradient of [`gelu`], given its input.
    pub fn gelu_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let cumulative = 0.5 * (1.0 + math::erf(*x * SQRT_HALF));
            let density = NORMAL * math::exp(-0.5 * *x * *x);
            *g *= cumulative + *x * density;
        }
    }
}

simd_dispatch! {
    /// GELU approximated by tanh.
    pub fn gelu_tanh(values: &mut [f32]) {
        values.iter_mut().for_each(|x| {
            let inner = GELU_SCALE * (*x + GELU_CUBE * *x * *x * *x);
            *x = 0.5 * *x * (1.0 + math::tanh_of(inner));
        });
    }
}

simd_dispatch! {
    /// The gradient of [`gelu_tanh`], given its input.
    pub fn gelu_tanh_gradient(input: &[f32], gradient: &mut [f32]) {
        for (g, x) in gradient.iter_mut().zip(input) {
            let t = math::tanh_of(GELU_SCALE * (*x + GELU_CUBE * *x * *x * *x));
            let slope = GELU_SCALE * (1.0 + 3.0 * GELU_CUBE * *x * *x);
            *g *= 0.5 * (1.0 + t) + 0.5 * *x * (1.0 - t * t) * slope;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::SimdLevel;

    /// An elementwise function and its name.
    type Named = (&'static str, fn(SimdLevel, &mut [f32]));

    /// The gradient of one and its name.
    type NamedGradient = (&'static str, fn(SimdLevel, &[f32], &mut [f32]));

    const MAPS: [Named; 5] = [
        ("relu", relu),
        ("tanh", tanh),
        ("sigmoid", sigmoid),
        ("gelu", gelu),
        ("gelu_tanh", gelu_tanh),
    ];

    #[test]
    fn every_level_and_every_position_gives_the_same_bits() {
        let input: Vec<f32> = (0..1_003).map(|at| (at as f32 - 500.0) * 0.037).collect();
        for (name, map) in MAPS {
            let mut whole = input.clone();
            map(SimdLevel::Generic, &mut whole);
            for level in SimdLevel::available() {
                let mut other = input.clone();
                map(level, &mut other[..7]);
                map(level, &mut other[7..]);
                assert!(
                    whole.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{name} {level:?}"
                );
            }
        }
    }

    #[test]
    fn every_level_gives_the_same_gradients() {
        let kept: Vec<f32> = (0..517).map(|at| (at as f32 - 250.0) * 0.031).collect();
        let gradients: [NamedGradient; 5] = [
            ("relu", relu_gradient),
            ("tanh", tanh_gradient),
            ("sigmoid", sigmoid_gradient),
            ("gelu", gelu_gradient),
            ("gelu_tanh", gelu_tanh_gradient),
        ];
        for (name, map) in gradients {
            let at = |level| {
                let mut values: Vec<f32> = kept.iter().map(|x| x * 0.7 - 0.1).collect();
                map(level, &kept, &mut values);
                values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>()
            };
            for level in SimdLevel::available() {
                assert_eq!(at(level), at(SimdLevel::Generic), "{name} {level:?}");
            }
        }
    }

    #[test]
    fn relu_keeps_nan() {
        let mut values = [-1.0, 0.0, -0.0, 2.0, f32::NAN];
        relu(SimdLevel::detect(), &mut values);
        assert_eq!(values[..4], [0.0, 0.0, 0.0, 2.0]);
        assert!(values[4].is_nan());
    }
}
