//! Scoring: the network in evaluation mode.

use super::stages::{self, Source, Stage};
use super::{PARALLEL_COST, context};
use crate::kernels::Kernels;
use crate::layers::Operation;
use crate::network::Network;
use candlewick_protocol::Failure;

/// Rows that go through the layers together: keeps their values in cache.
const BLOCK_ROWS: usize = 1_024;

/// Computes outputs. The bits of a row do not depend on the rows it comes with (rule B13).
#[derive(Debug)]
pub struct Predictor {
    stages: Vec<Stage>,
    kernels: Kernels,
    buffers: Vec<Vec<f32>>,
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
    /// `Unavailable` where the operating system gives no threads.
    pub fn new(network: &Network, threads: usize) -> Result<Self, Failure> {
        let (stages, buffers) = stages::for_scoring(network);
        Ok(Predictor {
            stages,
            kernels: Kernels::new(threads)?,
            buffers: vec![Vec::new(); buffers],
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
            Some(pool) => pool.install(|| self.compute(weights, features)),
            None => self.compute(weights, features),
        }
        Ok(&self.outputs)
    }

    fn compute(&mut self, weights: &[f32], features: &[f32]) {
        let mut outputs = std::mem::take(&mut self.outputs);
        let blocks = features.chunks(BLOCK_ROWS * self.input_width);
        for (block, into) in blocks.zip(outputs.chunks_mut(BLOCK_ROWS * self.output_width)) {
            self.block(weights, block, into);
        }
        self.outputs = outputs;
    }

    fn block(&mut self, weights: &[f32], features: &[f32], into: &mut [f32]) {
        let rows = features.len() / self.input_width;
        for stage in &self.stages {
            let mut output = std::mem::take(&mut self.buffers[stage.output]);
            output.resize(rows * stage.width, 0.0);
            let input = match stage.input {
                Source::Features => features,
                Source::Buffer(at) => &self.buffers[at],
            };
            match &stage.operation {
                Operation::Module(module) => {
                    module.forward(
                        &mut self.kernels,
                        &weights[stage.weights.clone()],
                        rows,
                        input,
                        &mut output,
                    );
                }
                Operation::Map(map) => {
                    if stage.input == Source::Features {
                        output.copy_from_slice(input);
                    }
                    let context = context(&self.kernels, 0, 0, stage.width);
                    let least = PARALLEL_COST / map.cost();
                    self.kernels
                        .workers()
                        .chunks(&mut output, stage.width, least, |_, part| {
                            map.forward(&context, part);
                        });
                }
                Operation::View => {}
            }
            self.buffers[stage.output] = output;
        }
        if let Some(stage) = self.stages.last() {
            into.copy_from_slice(&self.buffers[stage.output]);
        }
    }
}
