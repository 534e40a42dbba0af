//! What an engine tells of outputs, beside the steps it makes.

use super::{Engine, SliceSums};
use crate::losses::SliceRows;
use candlewick_protocol::Failure;

impl Engine {
    /// Outputs of the network in the latest step, row after row: as it computed them, dropout included.
    #[must_use]
    pub fn outputs(&self) -> &[f32] {
        self.stages
            .last()
            .map_or(&[], |stage| self.values[stage.output].as_slice())
    }

    /// The loss of the rows of one slice whose outputs are known ([`super::Predictor`]). Nothing is trained.
    ///
    /// # Errors
    /// `InvalidData` where a label is not one of the loss's; `Internal` where the lengths do not fit.
    pub fn evaluate(
        &mut self,
        shard: u32,
        outputs: &[f32],
        labels: &[f64],
        weights: &[f64],
    ) -> Result<SliceSums, Failure> {
        let (rows, width) = (weights.len(), self.network.output_width());
        if outputs.len() != rows * width || labels.len() != rows * self.label_width {
            return Err(Failure::internal(format!(
                "{rows} rows to evaluate have {} outputs and {} label values",
                outputs.len(),
                labels.len()
            )));
        }
        let gradient = &mut self.gradients[0];
        gradient.resize(outputs.len(), 0.0);
        let slice = SliceRows {
            outputs,
            labels,
            weights,
            gradient,
        };
        let sums = self.loss.slice(self.kernels.level(), width, slice)?;
        Ok(SliceSums {
            shard,
            rows: rows as u64,
            loss: sums.loss,
            denominator: sums.denominator,
        })
    }
}
