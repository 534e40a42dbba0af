//! Scoring: the network in evaluation mode.

use super::features::{Features, Input, TypedRows};
use super::plan::{Plan, Source, scored_values};
use super::prepared::Prepared;
use super::stage::{Memory, StageCall, run_stage, taken};
use crate::kernels::{ByInput, Csr, Kernels, SparseMemory};
use crate::layers::{Alone, Operation};
use crate::network::{InnerValue, Network, ValueRef};
use crate::resident::FlatRef;
use candlewick_protocol::Failure;
use candlewick_protocol::job::Precision;
use std::ops::Range;

/// Rows that go through the layers together at most: keeps their values in cache.
const BLOCK_ROWS: usize = 1_024;
/// Elements of the widest value of the rows that go through the layers together: bounds the memory.
const BLOCK_VALUES: usize = 1 << 22;
/// From one value in so many that is not zero on, products of rows of zeros take no longer than those of dense rows: with an operand
/// that is ready, and with columns that are copied for each block (`cargo bench -p candlewick-model --bench sparse_input`,
/// docs/performance.md).
const SPARSE_BY_ENTRY: usize = 32;
const SPARSE_BY_COLUMNS: usize = 128;

/// Computes outputs. The bits of a row do not depend on the rows it comes with (rule B13).
#[derive(Debug)]
pub struct Predictor {
    plan: Plan,
    kernels: Kernels,
    memory: Memory,
    block_rows: usize,
    outputs: Vec<f32>,
    /// What else is asked for: the elements of a row, and the values of all rows.
    inner: Vec<(usize, Vec<f32>)>,
    sparse: SparseMemory,
    /// Features of rows of integers, where layers read them on the host.
    expanded: Vec<f32>,
    /// Packed rows of a product with prepared weights.
    scratch: Vec<f32>,
    input_width: usize,
    output_width: usize,
    num_parameters: usize,
}

/// Rows that go through the layers together.
fn block_rows(plan: &Plan) -> usize {
    (BLOCK_VALUES / plan.widest()).clamp(1, BLOCK_ROWS)
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
        Predictor::with_inner(network, threads, &[])
    }

    /// A predictor that also gives what the layers or nodes of these names put out.
    ///
    /// ```
    /// use candlewick_model::{engine::Predictor, network::Network};
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 1}, {"type": "ReLU"}]});
    /// let network = Network::from_document(&document, &[1])?;
    /// let mut predictor = Predictor::with_inner(&network, 1, &["0"])?;
    /// assert_eq!(predictor.predict(&[2.0, -3.0], &[1.0, 2.0], 2)?, [0.0, 1.0]);
    /// assert_eq!(predictor.inner(0), [-1.0, 1.0]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` where the network has no such layer; `Unavailable` where the operating system refuses threads.
    pub fn with_inner(network: &Network, threads: usize, inner: &[&str]) -> Result<Self, Failure> {
        let found = inner.iter().map(|name| network.inner_value(name));
        let found: Vec<&InnerValue> = found.collect::<Result<_, _>>()?;
        let values: Vec<ValueRef> = found.iter().map(|inner| inner.value).collect();
        let plan = Plan::scoring(network, &values);
        Ok(Predictor {
            inner: found.iter().map(|inner| (inner.width, Vec::new())).collect(),
            block_rows: block_rows(&plan),
            memory: Memory::of(&plan),
            plan,
            kernels: Kernels::new(threads)?.with_precision(network.precision()),
            outputs: Vec::new(),
            sparse: SparseMemory::default(),
            expanded: Vec::new(),
            scratch: Vec::new(),
            input_width: network.input_width(),
            output_width: network.output_width(),
            num_parameters: network.num_parameters(),
        })
    }

    /// Values that one of this network holds that computes outputs of so many rows.
    #[must_use]
    pub fn values(network: &Network, rows: usize) -> usize {
        scored_values(network, |plan| block_rows(plan).min(rows))
            .saturating_add(rows.saturating_mul(network.output_width()))
    }

    /// Outputs of `rows` rows of features, row after row.
    ///
    /// # Errors
    /// `Internal` where weights or features are not of the length that the network and `rows` say.
    pub fn predict(&mut self, weights: &[f32], features: &[f32], rows: usize) -> Result<&[f32], Failure> {
        self.predict_prepared(weights, None, features, rows)
    }

    /// What products round their operands to: that of the network.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.kernels.arithmetic().precision
    }

    /// Weights of the network laid out for [`Predictor::predict_prepared`]. They serve any number of predictors of the same
    /// network in the same precision.
    #[must_use]
    pub fn prepare(&self, weights: &[f32]) -> Prepared {
        Prepared::of(&self.plan, weights, self.kernels.arithmetic())
    }

    /// As [`Predictor::predict`], with what [`Predictor::prepare`] made of the same weights; the outputs have the same bits. On
    /// several threads it is not used.
    ///
    /// ```
    /// use candlewick_model::{engine::Predictor, network::Network};
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 1}, {"type": "ReLU"}]});
    /// let network = Network::from_document(&document, &[2])?;
    /// let mut predictor = Predictor::new(&network, 1)?;
    /// let weights = [2.0, 1.0, -3.0];
    /// let prepared = predictor.prepare(&weights);
    /// let outputs = predictor.predict_prepared(&weights, Some(&prepared), &[1.0, 2.0, 0.0, 0.0], 2)?;
    /// assert_eq!(outputs, [1.0, 0.0]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn predict_prepared(
        &mut self,
        weights: &[f32],
        prepared: Option<&Prepared>,
        features: &[f32],
        rows: usize,
    ) -> Result<&[f32], Failure> {
        self.predict_dense(weights.into(), prepared, features.into(), rows)
    }

    fn predict_dense(
        &mut self,
        weights: FlatRef<'_>,
        prepared: Option<&Prepared>,
        features: TypedRows<'_>,
        rows: usize,
    ) -> Result<&[f32], Failure> {
        let values = features.values().count();
        if weights.len() != self.num_parameters || values != rows * self.input_width {
            return Err(Failure::internal(format!(
                "{} weights and {values} feature values to score {rows} rows, not {} and {}",
                weights.len(),
                self.num_parameters,
                rows * self.input_width
            )));
        }
        self.make_room(rows);
        match self.kernels.workers().pool() {
            Some(pool) => pool.install(|| self.compute(weights, None, features))?,
            None => self.compute(weights, prepared, features)?,
        }
        Ok(&self.outputs)
    }

    /// As [`Predictor::predict`], of features that may be given by what is not zero of them; the outputs have the same bits. Unlike
    /// [`Predictor::predict_sparse`] it takes weights that change from call to call, of which it reads what the rows touch.
    ///
    /// ```
    /// use candlewick_model::{engine::Predictor, kernels::Csr, network::Network};
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 1}, {"type": "ReLU"}]});
    /// let network = Network::from_document(&document, &[2])?;
    /// let mut predictor = Predictor::new(&network, 1)?;
    /// let mut rows = Csr::default();
    /// rows.push(0, 4.0);
    /// rows.end_row();
    /// assert_eq!(predictor.predict_features(&[2.0, 1.0, -3.0], (&rows).into(), 1)?, [5.0]);
    /// assert_eq!(predictor.predict_features(&[2.0, 1.0, -3.0], (&[4.0, 0.0]).into(), 1)?, [5.0]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `Internal` where weights or features are not of the length that the network and `rows` say, or something reads the features
    /// that does not take rows of zeros ([`Network::takes_sparse`]).
    pub fn predict_features(
        &mut self,
        weights: &[f32],
        features: Features<'_>,
        rows: usize,
    ) -> Result<&[f32], Failure> {
        self.predict_with(weights.into(), features, rows)
    }

    /// As [`Predictor::predict_features`], with weights that may live on a device.
    ///
    /// # Errors
    /// As there, and `JobFailed` where the device fails.
    pub fn predict_with(
        &mut self,
        weights: FlatRef<'_>,
        features: Features<'_>,
        rows: usize,
    ) -> Result<&[f32], Failure> {
        let all = match features {
            Features::Dense(values) => return self.predict_dense(weights, None, values.into(), rows),
            Features::Typed(typed) => return self.predict_dense(weights, None, typed, rows),
            Features::Sparse(all) => all,
        };
        if all.rows() != rows {
            return Err(Failure::internal(format!(
                "{} rows of zeros to score {rows} rows",
                all.rows()
            )));
        }
        self.predict_part(weights, all, 0..rows)
    }

    /// As [`Predictor::predict_features`], of the rows `of` some that are mostly zeros.
    ///
    /// # Errors
    /// As there.
    pub fn predict_rows(&mut self, weights: &[f32], rows: &Csr, of: Range<usize>) -> Result<&[f32], Failure> {
        self.predict_part(weights.into(), rows, of)
    }

    fn predict_part(
        &mut self,
        weights: FlatRef<'_>,
        rows: &Csr,
        of: Range<usize>,
    ) -> Result<&[f32], Failure> {
        if weights.len() != self.num_parameters || of.end > rows.rows() || !self.enters_sparse() {
            return Err(Failure::internal(format!(
                "{} weights to score rows of zeros, not {}, or fewer rows than asked for, or a network that does not begin with \
                 linear layers over whole rows or bags of counts",
                weights.len(),
                self.num_parameters,
            )));
        }
        self.make_room(of.len());
        let mut sparse = std::mem::take(&mut self.sparse);
        let done = match self.kernels.workers().pool() {
            Some(pool) => pool.install(|| self.compute_sparse(weights, (rows, of), &mut sparse)),
            None => self.compute_sparse(weights, (rows, of), &mut sparse),
        };
        self.sparse = sparse;
        done?;
        Ok(&self.outputs)
    }

    fn compute_sparse(
        &mut self,
        weights: FlatRef<'_>,
        (rows, of): (&Csr, Range<usize>),
        sparse: &mut SparseMemory,
    ) -> Result<(), Failure> {
        let mut outputs = std::mem::take(&mut self.outputs);
        let into = outputs.chunks_mut(self.block_rows * self.output_width);
        let mut done = Ok(());
        for (index, into) in into.enumerate() {
            let (before, count) = (index * self.block_rows, into.len() / self.output_width);
            let part = of.start + before..of.start + before + count;
            let input = done.and_then(|()| sparse.part(rows, part, self.input_width));
            done = input.and_then(|input| self.block((weights, None), Input::sparse(input), count, into));
            if done.is_ok() {
                self.keep_inner(before, count, &[]);
            }
        }
        self.outputs = outputs;
        done
    }

    /// Whether all that reads the features takes rows of zeros. Products of such rows are those of f32.
    fn enters_sparse(&self) -> bool {
        self.plan.takes_sparse() && (self.precision().is_f32() || self.plan.skips_zeros())
    }

    /// From one value in so many that is not zero on, rows of zeros are scored no slower as such than with their zeros; `None` where
    /// they cannot be. Where there is a [`Predictor::entry`] they take that, else [`Predictor::predict_rows`].
    ///
    /// ```
    /// use candlewick_model::{engine::Predictor, network::Network};
    /// let from = |layer| {
    ///     let document = serde_json::json!({"format": "candlewick.network/1", "layers": [layer]});
    ///     Predictor::new(&Network::from_document(&document, &[2])?, 1).map(|predictor| predictor.sparse_from())
    /// };
    /// assert_eq!(from(serde_json::json!({"type": "Linear", "out_features": 1}))?, Some(32));
    /// let bag = serde_json::json!({"type": "EmbeddingBag", "num_embeddings": 2, "embedding_dim": 1, "input": "counts"});
    /// assert_eq!(from(bag)?, Some(1));
    /// assert_eq!(from(serde_json::json!({"type": "LayerNorm"}))?, None);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn sparse_from(&self) -> Option<usize> {
        if !self.enters_sparse() {
            return None;
        }
        if self.plan.skips_zeros() {
            return Some(1);
        }
        // One linear layer is multiplied by its entry, several by the columns that the rows touch.
        Some(match self.entrance() {
            Some(_) => SPARSE_BY_ENTRY,
            None => SPARSE_BY_COLUMNS,
        })
    }

    /// How rows of zeros enter the network with these weights; `None` where they cannot. It has the weights of the first layer once
    /// more, and serves any number of predictors.
    #[must_use]
    pub fn entry(&self, weights: &[f32]) -> Option<ByInput> {
        let stage = &self.plan.stages[self.entrance()?];
        match &stage.operation {
            Operation::Module(module) => module.by_input(&weights[stage.weights.clone()]),
            _ => None,
        }
    }

    /// The only stage that reads the features.
    fn entrance(&self) -> Option<usize> {
        if !self.precision().is_f32() {
            // Products of rows of zeros are those of f32.
            return None;
        }
        let reads = |source: &Source| *source == Source::Features;
        let stages = self.plan.stages.iter().enumerate();
        let mut readers = stages.filter(|(_, stage)| stage.inputs.iter().any(reads));
        let first = readers.next()?.0;
        let asked = reads(&self.plan.output) || self.plan.inner.iter().any(reads);
        (readers.next().is_none() && !asked).then_some(first)
    }

    /// As [`Predictor::predict`], of the rows `of` some that are mostly zeros, by the [`Predictor::entry`] of the same weights. The
    /// outputs have the same bits.
    ///
    /// ```
    /// use candlewick_model::{engine::Predictor, kernels::Csr, network::Network};
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 1}, {"type": "ReLU"}]});
    /// let network = Network::from_document(&document, &[2])?;
    /// let mut predictor = Predictor::new(&network, 1)?;
    /// let weights = [2.0, 1.0, -3.0];
    /// let entry = predictor.entry(&weights).ok_or_else(|| candlewick_protocol::Failure::internal("no linear layer"))?;
    /// let mut rows = Csr::default();
    /// rows.push(0, 4.0);
    /// rows.end_row();
    /// assert_eq!(predictor.predict_sparse(&weights, &entry, &rows, 0..1)?, [5.0]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `Internal` where weights or entry are not those of the network.
    pub fn predict_sparse(
        &mut self,
        weights: &[f32],
        entry: &ByInput,
        rows: &Csr,
        of: Range<usize>,
    ) -> Result<&[f32], Failure> {
        let fits = weights.len() == self.num_parameters && entry.inputs() == self.input_width;
        let Some(entrance) = self.entrance().filter(|_| fits && of.end <= rows.rows()) else {
            return Err(Failure::internal(
                "rows of zeros for a network that does not begin with a linear layer of their width",
            ));
        };
        self.make_room(of.len());
        let mut outputs = std::mem::take(&mut self.outputs);
        let mut done = Ok(());
        let into = outputs.chunks_mut(self.block_rows * self.output_width);
        for (index, into) in into.enumerate() {
            let (before, count) = (index * self.block_rows, into.len() / self.output_width);
            let block = of.start + before..of.start + before + count;
            done = done.and_then(|()| self.sparse_block(weights, (entrance, entry), (rows, block), into));
            if done.is_ok() {
                self.keep_inner(before, count, &[]);
            }
        }
        self.outputs = outputs;
        done?;
        Ok(&self.outputs)
    }

    fn sparse_block(
        &mut self,
        weights: &[f32],
        (entrance, entry): (usize, &ByInput),
        (rows, block): (&Csr, Range<usize>),
        into: &mut [f32],
    ) -> Result<(), Failure> {
        let call = StageCall {
            weights: weights.into(),
            input: Input::dense(&[]),
            rows: block.len(),
            training: None,
        };
        for at in 0..self.plan.stages.len() {
            if at == entrance {
                let stage = &self.plan.stages[at];
                let length = block.len() * stage.width;
                let mut output = taken(&mut self.memory.values[stage.output], length);
                entry.products(self.kernels.level(), rows, block.clone(), &mut output[..length]);
                self.memory.values[stage.output] = output;
                continue;
            }
            self.stage(at, &call)?;
        }
        self.hand_over(&[], into);
        Ok(())
    }

    fn stage(&mut self, at: usize, call: &StageCall<'_>) -> Result<(), Failure> {
        run_stage(
            &self.plan,
            &mut self.memory,
            &mut self.kernels,
            at,
            call,
            &mut Alone,
        )
    }

    /// Copies the outputs of a block.
    fn hand_over(&self, features: &[f32], into: &mut [f32]) {
        let values = match self.plan.output {
            Source::Stage(last) => &self.memory.values[self.plan.stages[last].output],
            // All layers are identities when scoring.
            Source::Features => features,
        };
        into.copy_from_slice(&values[..into.len()]);
    }

    /// Makes room for the outputs, and what else is asked for, of so many rows.
    fn make_room(&mut self, rows: usize) {
        self.outputs.resize(rows * self.output_width, 0.0);
        for (width, values) in &mut self.inner {
            values.resize(rows * *width, 0.0);
        }
    }

    fn compute(
        &mut self,
        weights: FlatRef<'_>,
        prepared: Option<&Prepared>,
        features: TypedRows<'_>,
    ) -> Result<(), Failure> {
        let mut outputs = std::mem::take(&mut self.outputs);
        let mut expanded = std::mem::take(&mut self.expanded);
        let mut done = Ok(());
        let into = outputs.chunks_mut(self.block_rows * self.output_width);
        for (index, into) in into.enumerate() {
            let (before, rows) = (index * self.block_rows, into.len() / self.output_width);
            let block = features.part(before..before + rows, self.input_width);
            let size = (rows, self.input_width);
            done = done.and_then(|()| {
                let input = block.input(&self.plan, size, &mut self.memory.device, &mut expanded)?;
                self.block((weights, prepared), input, rows, into)?;
                self.keep_inner(before, rows, input.dense);
                Ok(())
            });
        }
        self.memory.device.bring(None);
        (self.outputs, self.expanded) = (outputs, expanded);
        done
    }

    fn block(
        &mut self,
        (weights, prepared): (FlatRef<'_>, Option<&Prepared>),
        input: Input<'_>,
        rows: usize,
        into: &mut [f32],
    ) -> Result<(), Failure> {
        let call = StageCall {
            weights,
            input,
            rows,
            training: None,
        };
        for at in 0..self.plan.stages.len() {
            if !prepared.is_some_and(|prepared| self.prepared_stage(at, prepared, &call)) {
                self.stage(at, &call)?;
            }
        }
        self.hand_over(input.dense, into);
        Ok(())
    }

    /// Computes a stage by its prepared weights; false where there are none.
    fn prepared_stage(&mut self, at: usize, prepared: &Prepared, call: &StageCall<'_>) -> bool {
        let stage = &self.plan.stages[at];
        let Some(layer) = prepared.layer(stage) else {
            return false;
        };
        let length = call.rows * stage.width;
        let mut output = taken(&mut self.memory.values[stage.output], length);
        let inputs = self.memory.inputs(&self.plan, stage, call.input.dense, call.rows);
        layer.forward(inputs[0], &mut output[..length], &mut self.scratch);
        self.memory.values[stage.output] = output;
        true
    }

    /// Keeps what was asked for of a block of `rows` rows that begins with row `start`.
    fn keep_inner(&mut self, start: usize, rows: usize, features: &[f32]) {
        for (source, (width, kept)) in self.plan.inner.iter().zip(&mut self.inner) {
            let values = match source {
                Source::Stage(at) => &self.memory.values[self.plan.stages[*at].output],
                Source::Features => features,
            };
            let length = rows * *width;
            kept[start * *width..][..length].copy_from_slice(&values[..length]);
        }
    }

    /// The outputs of the latest call again.
    #[must_use]
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// Of the rows of the latest call, what the layer with that index among the names put out, row after row.
    #[must_use]
    pub fn inner(&self, index: usize) -> &[f32] {
        self.inner.get(index).map_or(&[], |(_, values)| values)
    }
}
