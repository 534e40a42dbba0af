//! What an engine computes of outputs, beside the steps it makes.

use super::plan::Source;
use super::{Engine, SliceSums, taken};
use crate::losses::SliceRows;
use candlewick_protocol::Failure;

impl Engine {
    /// Outputs of the network in the latest step, row after row: as it computed them, dropout included.
    #[must_use]
    pub fn outputs(&self) -> &[f32] {
        match self.plan.output {
            Source::Stage(at) => {
                let stage = &self.plan.stages[at];
                let values = &self.memory.values[stage.output];
                &values[..(self.rows.len() * stage.width).min(values.len())]
            }
            Source::Features => &[],
        }
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
        let mut gradient = taken(&mut self.memory.gradients[0], outputs.len());
        let slice = SliceRows {
            outputs,
            labels,
            weights,
            gradient: &mut gradient[..outputs.len()],
        };
        let sums = self.loss.slice(self.kernels.level(), width, slice);
        self.memory.gradients[0] = gradient;
        let sums = sums?;
        Ok(SliceSums {
            shard,
            rows: rows as u64,
            loss: sums.loss,
            denominator: sums.denominator,
        })
    }
}
