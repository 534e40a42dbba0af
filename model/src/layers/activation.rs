//! Activations: functions of single elements, with PyTorch's constants.

use super::{BuiltLayer, Elementwise, ElementwiseContext, Family, Operation, SavedForBackward};
use crate::arguments::Arguments;
use crate::kernels::{self, Elu, SimdLevel, Softplus, Threshold};
use crate::layers::error::LayerError;
use crate::numbers::to_f32;
use std::fmt::Debug;
use std::sync::Arc;

/// An elementwise function and its gradient, which takes what the function keeps. Both take its constants.
#[derive(Debug)]
struct Activation<C> {
    constants: C,
    keeps: SavedForBackward,
    cost: usize,
    forward: fn(SimdLevel, C, &mut [f32]),
    backward: fn(SimdLevel, C, &[f32], &mut [f32]),
}

impl<C: Copy + Debug + Send + Sync> Elementwise for Activation<C> {
    fn saved_for_backward(&self) -> SavedForBackward {
        self.keeps
    }

    fn cost(&self) -> usize {
        self.cost
    }

    fn forward(&self, context: &ElementwiseContext<'_>, values: &mut [f32]) {
        (self.forward)(context.level, self.constants, values);
    }

    fn backward(&self, context: &ElementwiseContext<'_>, saved: &[f32], gradient: &mut [f32]) {
        (self.backward)(context.level, self.constants, saved, gradient);
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("ReLU", make),
    ("Tanh", make),
    ("Sigmoid", make),
    ("GELU", make),
    ("LeakyReLU", make),
    ("ELU", make),
    ("SELU", make),
    ("CELU", make),
    ("SiLU", make),
    ("Mish", make),
    ("Softplus", make),
    ("Softsign", make),
    ("LogSigmoid", make),
    ("ReLU6", make),
    ("Hardtanh", make),
    ("Hardsigmoid", make),
    ("Hardswish", make),
    ("Hardshrink", make),
    ("Softshrink", make),
    ("Tanhshrink", make),
    ("Threshold", make),
    ("Eq", make),
    ("Identity", make),
];

/// SELU's constants (Klambauer et al., Self-Normalizing Neural Networks, 2017).
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

fn make(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let operation = if arguments.name() == "Identity" {
        Operation::View
    } else {
        Operation::Elementwise(map(arguments)?)
    };
    Ok(BuiltLayer {
        operation,
        output: input.to_vec(),
    })
}

/// A function without constants.
fn plain(
    keeps: SavedForBackward,
    cost: usize,
    forward: fn(SimdLevel, &mut [f32]),
    backward: fn(SimdLevel, &[f32], &mut [f32]),
) -> Arc<dyn Elementwise> {
    Arc::new(Activation {
        constants: (forward, backward),
        keeps,
        cost,
        forward: |level, (forward, _), values| forward(level, values),
        backward: |level, (_, backward), saved, gradient| backward(level, saved, gradient),
    })
}

fn map(arguments: &Arguments) -> Result<Arc<dyn Elementwise>, LayerError> {
    use SavedForBackward::{Input, Output};
    let map = match (arguments.name(), arguments.text("approximate")) {
        ("ReLU", _) => plain(Output, 1, kernels::relu, kernels::relu_gradient),
        ("Tanh", _) => plain(Output, 16, kernels::tanh, kernels::tanh_gradient),
        ("Sigmoid", _) => plain(Output, 12, kernels::sigmoid, kernels::sigmoid_gradient),
        ("GELU", "tanh") => plain(Input, 24, kernels::gelu_tanh, kernels::gelu_tanh_gradient),
        ("GELU", _) => plain(Input, 24, kernels::gelu, kernels::gelu_gradient),
        ("SiLU", _) => plain(Input, 14, kernels::silu, kernels::silu_gradient),
        ("Mish", _) => plain(Input, 20, kernels::mish, kernels::mish_gradient),
        ("Softsign", _) => plain(Input, 3, kernels::softsign, kernels::softsign_gradient),
        ("LogSigmoid", _) => plain(Input, 24, kernels::log_sigmoid, kernels::log_sigmoid_gradient),
        ("Hardsigmoid", _) => plain(Input, 2, kernels::hardsigmoid, kernels::hardsigmoid_gradient),
        ("Hardswish", _) => plain(Input, 3, kernels::hardswish, kernels::hardswish_gradient),
        ("LeakyReLU", _) => leaky(to_f32(arguments.real("negative_slope"))),
        ("ELU" | "SELU" | "CELU", _) => elu(arguments)?,
        ("Softplus", _) => softplus(arguments)?,
        ("Tanhshrink", _) => plain(Input, 17, kernels::tanhshrink, kernels::tanhshrink_gradient),
        ("Hardshrink", _) => shrink(arguments, kernels::hardshrink),
        ("Softshrink", _) => shrink(arguments, kernels::softshrink),
        ("Threshold", _) => threshold(arguments),
        ("Eq", _) => equal(arguments),
        ("ReLU6", _) => hardtanh(0.0, 6.0),
        ("Hardtanh", _) => {
            let (low, high) = (arguments.real("min_val"), arguments.real("max_val"));
            if low >= high {
                return Err(format!(
                    "min_val = {low} is not below max_val = {high}; choose two numbers in this order"
                )
                .into());
            }
            hardtanh(to_f32(low), to_f32(high))
        }
        (other, _) => return Err(format!("{other} is not an activation").into()),
    };
    Ok(map)
}

fn leaky(slope: f32) -> Arc<dyn Elementwise> {
    Arc::new(Activation {
        constants: slope,
        // A negative slope turns signs round: the output does not tell the side then.
        keeps: if slope >= 0.0 {
            SavedForBackward::Output
        } else {
            SavedForBackward::Input
        },
        cost: 1,
        forward: kernels::leaky_relu,
        backward: kernels::leaky_relu_gradient,
    })
}

fn elu(arguments: &Arguments) -> Result<Arc<dyn Elementwise>, LayerError> {
    let alpha = arguments.real("alpha");
    let (above, below, rate) = match arguments.name() {
        "SELU" => (SELU_SCALE, SELU_SCALE * SELU_ALPHA, 1.0),
        "CELU" if alpha == 0.0 => return Err("alpha = 0 is not legal: choose a number above 0".into()),
        "CELU" => (1.0, alpha, 1.0 / alpha),
        _ => (1.0, alpha, 1.0),
    };
    Ok(Arc::new(Activation {
        constants: Elu {
            above: to_f32(above),
            below: to_f32(below),
            rate: to_f32(rate),
        },
        keeps: SavedForBackward::Input,
        cost: 14,
        forward: kernels::elu,
        backward: kernels::elu_gradient,
    }))
}

fn softplus(arguments: &Arguments) -> Result<Arc<dyn Elementwise>, LayerError> {
    let beta = arguments.real("beta");
    if beta == 0.0 {
        return Err("beta = 0 is not legal: choose a number above 0".into());
    }
    Ok(Arc::new(Activation {
        constants: Softplus {
            beta: to_f32(beta),
            threshold: to_f32(arguments.real("threshold")),
        },
        keeps: SavedForBackward::Input,
        cost: 26,
        forward: kernels::softplus,
        backward: kernels::softplus_gradient,
    }))
}

fn shrink(arguments: &Arguments, forward: fn(SimdLevel, f32, &mut [f32])) -> Arc<dyn Elementwise> {
    Arc::new(Activation {
        constants: to_f32(arguments.real("lambd")),
        keeps: SavedForBackward::Input,
        cost: 2,
        forward,
        backward: kernels::shrink_gradient,
    })
}

fn threshold(arguments: &Arguments) -> Arc<dyn Elementwise> {
    Arc::new(Activation {
        constants: Threshold {
            threshold: to_f32(arguments.real("threshold")),
            value: to_f32(arguments.real("value")),
        },
        keeps: SavedForBackward::Input,
        cost: 1,
        forward: kernels::threshold,
        backward: kernels::threshold_gradient,
    })
}

fn equal(arguments: &Arguments) -> Arc<dyn Elementwise> {
    Arc::new(Activation {
        constants: to_f32(arguments.real("other")),
        keeps: SavedForBackward::Nothing,
        cost: 1,
        forward: |_, other, values| {
            for value in values {
                *value = f32::from(u8::from(*value == other));
            }
        },
        backward: |_, _, _, gradient| gradient.fill(0.0),
    })
}

fn hardtanh(low: f32, high: f32) -> Arc<dyn Elementwise> {
    Arc::new(Activation {
        constants: [low, high],
        keeps: SavedForBackward::Output,
        cost: 2,
        forward: |level, [low, high], values| kernels::hardtanh(level, low, high, values),
        backward: |level, [low, high], saved, gradient| {
            kernels::hardtanh_gradient(level, low, high, saved, gradient);
        },
    })
}
