//! Scoring: the network in evaluation mode.

use super::plan::{Plan, Source};
use super::stage::{Memory, StageCall, run_stage};
use crate::kernels::Kernels;
use crate::layers::Alone;
use crate::network::Network;
use candlewick_protocol::Failure;

/// Rows that go through the layers together at most: keeps their values in cache.
const BLOCK_ROWS: usize = 1_024;
/// Elements of the widest value of the rows that go through the layers together: bounds the memory.
const BLOCK_VALUES: usize = 1 << 22;

/// Computes outputs. The bits of a row do not depend on the rows it comes with (rule B13).
#[derive(Debug)]
pub struct Predictor {
    plan: Plan,
    kernels: Kernels,
    memory: Memory,
    block_rows: usize,
    outputs: Vec<f32>,
    input_width: usize,
    output_width: usize,
    num_parameters: usize,
}

impl Predictor {
    /// A predictor on `threads` threads.
    ///
    /// ```
    /// use candlewick_model::{engine::Predictor, network::Network};
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 1}, {"type": "ReLU"}]});
    /// let network = Network::from_document(&document, &[2])?;
    /// let mut predictor = Predictor::new(&network, 1)?;
    /// let outputs = predictor.predict(&[2.0, 1.0, -3.0], &[1.0, 2.0, 0.0, 0.0], 2)?;
    /// assert_eq!(outputs, [1.0, 0.0]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `Unavailable` where the operating system refuses threads.
    pub fn new(network: &Network, threads: usize) -> Result<Self, Failure> {
        let plan = Plan::new(network, false);
        Ok(Predictor {
            block_rows: (BLOCK_VALUES / plan.widest()).clamp(1, BLOCK_ROWS),
            memory: Memory::of(&plan),
            plan,
            kernels: Kernels::new(threads)?,
            outputs: Vec::new(),
            input_width: network.input_width(),
            output_width: network.output_width(),
            num_parameters: network.num_parameters(),
        })
    }

    /// Outputs of `rows` rows of features, row after row.
    ///
    /// # Errors
    /// `Internal` where weights or features are not of the length that the network and `rows` say.
    pub fn predict(&mut self, weights: &[f32], features: &[f32], rows: usize) -> Result<&[f32], Failure> {
        if weights.len() != self.num_parameters || features.len() != rows * self.input_width {
            return Err(Failure::internal(format!(
                "{} weights and {} feature values to score {rows} rows, not {} and {}",
                weights.len(),
                features.len(),
                self.num_parameters,
                rows * self.input_width
            )));
        }
        self.outputs.resize(rows * self.output_width, 0.0);
        match self.kernels.workers().pool() {
            Some(pool) => pool.install(|| self.compute(weights, features))?,
            None => self.compute(weights, features)?,
        }
        Ok(&self.outputs)
    }

    fn compute(&mut self, weights: &[f32], features: &[f32]) -> Result<(), Failure> {
        let mut outputs = std::mem::take(&mut self.outputs);
        let blocks = features.chunks(self.block_rows * self.input_width);
        let mut done = Ok(());
        for (block, into) in blocks.zip(outputs.chunks_mut(self.block_rows * self.output_width)) {
            done = done.and_then(|()| self.block(weights, block, into));
        }
        self.outputs = outputs;
        done
    }

    fn block(&mut self, weights: &[f32], features: &[f32], into: &mut [f32]) -> Result<(), Failure> {
        let call = StageCall {
            weights,
            features,
            rows: features.len() / self.input_width,
            training: None,
        };
        for at in 0..self.plan.stages.len() {
            run_stage(
                &self.plan,
                &mut self.memory,
                &mut self.kernels,
                at,
                &call,
                &mut Alone,
            )?;
        }
        let values = match self.plan.output {
            Source::Stage(last) => &self.memory.values[self.plan.stages[last].output],
            // All layers are identities when scoring.
            Source::Features => features,
        };
        into.copy_from_slice(&values[..into.len()]);
        Ok(())
    }
}
