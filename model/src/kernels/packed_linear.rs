//! A linear layer whose weights are packed once, for any number of threads that score with it.

use super::arithmetic::Arithmetic;
use super::matrix::{Accumulate, Matrix};
use super::packed::{Packed, Packing};

/// The right operand of a linear layer's products, packed, and what they are added to. The bits are those of
/// [`super::Kernels::product`].
#[derive(Debug)]
pub(crate) struct PackedLinear {
    packing: Packing,
    operand: Packed,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
}

impl PackedLinear {
    /// Of weights as a linear layer has them: `outputs` x `inputs`, then its bias where it has one.
    pub(crate) fn new(
        arithmetic: Arithmetic,
        weights: &[f32],
        (inputs, outputs): (usize, usize),
        bias: bool,
    ) -> Self {
        let mut packing = Packing::default();
        packing.begin([(outputs, inputs)].into_iter());
        let operand = packing.pack(arithmetic, Matrix::new(weights, outputs, inputs));
        let bias = bias.then(|| weights[outputs * inputs..][..outputs].to_vec());
        PackedLinear {
            packing,
            operand,
            bias,
            inputs,
            outputs,
        }
    }

    /// The outputs of all that `inputs` holds: how often the layer is applied to a row is a matter of the place where it stands, and
    /// one layer may stand at several. `scratch` is memory that is reused.
    ///
    /// # Panics
    /// Where there are fewer outputs: a defect of the caller.
    pub(crate) fn forward(&self, inputs: &[f32], outputs: &mut [f32], scratch: &mut Vec<f32>) {
        let start = self
            .bias
            .as_ref()
            .map_or(Accumulate::Zero, |bias| Accumulate::Bias(bias));
        let inputs = Matrix::new(inputs, inputs.len() / self.inputs.max(1), self.inputs);
        let outputs = (outputs, self.outputs);
        self.packing
            .values()
            .product(inputs, self.operand, start, outputs, scratch);
    }
}
