//! Activations. Exponents are never positive, so nothing overflows on the way to a finite result or its gradient; NaN
//! stays NaN.

use super::layer::{Answer, Layer, Lowering, choose, filled};
use crate::resident::DeviceError;
use candle_core::Tensor;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("ReLU", |layer| clamp_below(layer.input())),
    ("Tanh", |layer| Ok(layer.input().tanh()?)),
    ("Sigmoid", |layer| sigmoid(layer.input())),
    ("GELU", gelu),
    ("LeakyReLU", leaky_relu),
    ("ELU", |layer| {
        exponential(layer, (1.0, layer.arguments.real("alpha"), 1.0))
    }),
    ("SELU", |layer| {
        exponential(layer, (SELU_SCALE, SELU_SCALE * SELU_ALPHA, 1.0))
    }),
    ("CELU", |layer| {
        let alpha = layer.arguments.real("alpha");
        exponential(layer, (1.0, alpha, 1.0 / alpha))
    }),
    ("SiLU", |layer| Ok((layer.input() * sigmoid(layer.input())?)?)),
    ("Mish", |layer| {
        Ok((layer.input() * softplus(layer.input())?.tanh()?)?)
    }),
    ("Softplus", sharp_softplus),
    ("Softsign", |layer| {
        let x = layer.input();
        Ok((x / (magnitude(x)?.1 + 1.0)?)?)
    }),
    ("LogSigmoid", |layer| Ok(softplus(&layer.input().neg()?)?.neg()?)),
    ("ReLU6", |layer| clamp(layer.input(), 0.0, 6.0)),
    ("Hardtanh", |layer| {
        let (low, high) = (layer.arguments.real("min_val"), layer.arguments.real("max_val"));
        clamp(layer.input(), low, high)
    }),
    ("Hardsigmoid", |layer| hardsigmoid(layer.input())),
    ("Hardswish", |layer| {
        Ok((layer.input() * hardsigmoid(layer.input())?)?)
    }),
    ("Hardshrink", |layer| {
        let inner = layer.input().zeros_like()?;
        outside(layer, layer.input(), layer.input(), &inner)
    }),
    ("Softshrink", |layer| {
        let (x, lambd) = (layer.input(), layer.arguments.real("lambd"));
        outside(layer, &(x - lambd)?, &(x + lambd)?, &(x * 0.0)?)
    }),
    ("Tanhshrink", |layer| Ok((layer.input() - layer.input().tanh()?)?)),
    ("Threshold", |layer| {
        let x = layer.input();
        let value = filled(x, layer.arguments.real("value"))?;
        choose(&x.le(layer.arguments.real("threshold"))?, &value, x)
    }),
    ("Identity", |layer| Ok(layer.input().clone())),
];

/// SELU's constants (Klambauer et al., Self-Normalizing Neural Networks, 2017).
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// max(x, 0), with a gradient of 0 at 0.
pub(super) fn clamp_below(x: &Tensor) -> Answer {
    // Zeros are made on the device; a number would have to go there first.
    let zeros = x.zeros_like()?;
    choose(&x.le(&zeros)?, &zeros, x)
}

fn clamp(x: &Tensor, low: f64, high: f64) -> Answer {
    let below = choose(&x.ge(high)?, &filled(x, high)?, x)?;
    choose(&x.le(low)?, &filled(x, low)?, &below)
}

/// Where x is at least 0, and |x|.
fn magnitude(x: &Tensor) -> Result<(Tensor, Tensor), DeviceError> {
    let positive = x.ge(&x.zeros_like()?)?;
    let magnitude = choose(&positive, x, &x.neg()?)?;
    Ok((positive, magnitude))
}

/// 1 / (1 + e^-x), with small values exact to their last digits: a logarithm may follow.
pub(super) fn sigmoid(x: &Tensor) -> Answer {
    let (positive, magnitude) = magnitude(x)?;
    let decay = magnitude.neg()?.exp()?;
    let above = (&decay + 1.0)?.recip()?;
    choose(&positive, &above, &(decay * &above)?)
}

/// `above` where x is above lambd, `below` where it is below -lambd, `inner` between.
fn outside(layer: &Layer<'_>, above: &Tensor, below: &Tensor, inner: &Tensor) -> Answer {
    let (x, lambd) = (layer.input(), layer.arguments.real("lambd"));
    let rest = choose(&x.lt(-lambd)?, below, inner)?;
    choose(&x.gt(lambd)?, above, &rest)
}

/// log(1 + e^x).
fn softplus(x: &Tensor) -> Answer {
    let (positive, magnitude) = magnitude(x)?;
    let bend = (magnitude.neg()?.exp()? + 1.0)?.log()?;
    Ok((choose(&positive, x, &x.zeros_like()?)? + bend)?)
}

fn gelu(layer: &Layer<'_>) -> Answer {
    let x = layer.input();
    let inner = if layer.arguments.text("approximate") == "tanh" {
        let cube = (x.sqr()? * x)?;
        ((x + (cube * 0.044_715)?)? * (2.0 / std::f64::consts::PI).sqrt())?.tanh()?
    } else {
        (x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?
    };
    Ok(((x * 0.5)? * (inner + 1.0)?)?)
}

fn leaky_relu(layer: &Layer<'_>) -> Answer {
    let x = layer.input();
    let positive = x.gt(&x.zeros_like()?)?;
    choose(&positive, x, &(x * layer.arguments.real("negative_slope"))?)
}

/// `above` · x above 0, `below` · (e^(`rate` · x) - 1) below.
fn exponential(layer: &Layer<'_>, (above, below, rate): (f64, f64, f64)) -> Answer {
    let x = layer.input();
    let zeros = x.zeros_like()?;
    let positive = x.gt(&zeros)?;
    // Above 0 the exponential is not wanted, and could be infinite.
    let bounded = choose(&positive, &zeros, x)?;
    let bent = (((bounded * rate)?.exp()? - 1.0)? * below)?;
    choose(&positive, &(x * above)?, &bent)
}

fn sharp_softplus(layer: &Layer<'_>) -> Answer {
    let (x, beta) = (layer.input(), layer.arguments.real("beta"));
    let scaled = (x * beta)?;
    let straight = scaled.gt(layer.arguments.real("threshold"))?;
    choose(&straight, x, &(softplus(&scaled)? / beta)?)
}

/// (x + 3) / 6 bounded by 0 and 1.
fn hardsigmoid(x: &Tensor) -> Answer {
    clamp(&((x + 3.0)? / 6.0)?, 0.0, 1.0)
}
