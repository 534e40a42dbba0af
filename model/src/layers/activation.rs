//! Activations: ReLU, Tanh, Sigmoid, GELU.

use super::{Family, Keeps, Made, Map, MapContext, Operation};
use crate::arguments::Arguments;
use crate::kernels::{self, Level};
use std::sync::Arc;

/// An elementwise function and its gradient, which takes what the function keeps.
#[derive(Debug)]
struct Activation {
    keeps: Keeps,
    cost: usize,
    forward: fn(Level, &mut [f32]),
    backward: fn(Level, &[f32], &mut [f32]),
}

impl Map for Activation {
    fn keeps(&self) -> Keeps {
        self.keeps
    }

    fn cost(&self) -> usize {
        self.cost
    }

    fn forward(&self, context: &MapContext<'_>, values: &mut [f32]) {
        (self.forward)(context.level, values);
    }

    fn backward(&self, context: &MapContext<'_>, kept: &[f32], gradient: &mut [f32]) {
        (self.backward)(context.level, kept, gradient);
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[("ReLU", make), ("Tanh", make), ("Sigmoid", make), ("GELU", make)];

fn make(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<Made, String> {
    let of_output = |cost, forward, backward| Activation {
        keeps: Keeps::Output,
        cost,
        forward,
        backward,
    };
    let of_input = |cost, forward, backward| Activation {
        keeps: Keeps::Input,
        cost,
        forward,
        backward,
    };
    let activation = match (arguments.name(), arguments.text("approximate")) {
        ("ReLU", _) => of_output(1, kernels::relu, kernels::relu_gradient),
        ("Tanh", _) => of_output(16, kernels::tanh, kernels::tanh_gradient),
        ("Sigmoid", _) => of_output(12, kernels::sigmoid, kernels::sigmoid_gradient),
        ("GELU", "tanh") => of_input(24, kernels::gelu_tanh, kernels::gelu_tanh_gradient),
        ("GELU", _) => of_input(24, kernels::gelu, kernels::gelu_gradient),
        (other, _) => return Err(format!("{other} is no activation")),
    };
    Ok(Made {
        operation: Operation::Map(Arc::new(activation)),
        output: input.to_vec(),
    })
}
