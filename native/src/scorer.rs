//! Scoring: rows in, rows of predictions out. Weights are loaded once; each task has a scorer of its own.

mod columns;
mod compute;

use crate::decode::Decoder;
use crate::encode::{Encoder, OutputType};
use crate::row::Rows;
use crate::row_error::{self, RowError};
use crate::score_library::{DeviceModel, DeviceSpec};
use candlewick_model::engine::{Predictor, Prepared};
use candlewick_model::head::Head;
use candlewick_model::kernels::{ByInput, Csr};
use candlewick_model::network::Network;
use candlewick_model::saved;
use candlewick_protocol::feed::Columns;
use candlewick_protocol::job::{LabelKind, Precision};
use candlewick_protocol::score_abi::Description;
use candlewick_protocol::{ErrorKind, Failure};
use columns::{ColumnSlot, Reads, inner_node, numbered, slot_of};
pub use compute::Placed;
use compute::{Block, Compute};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Rows that a processor computes at a time: enough for the matrix products, little enough for the caches.
const BLOCK_ROWS: usize = 1024;
/// Rows that a GPU computes at a time: a call of it takes as long for a few.
const DEVICE_BLOCK_ROWS: usize = 16_384;
/// Values of the features of a block: bounds its memory (16 MiB) where rows are long.
const BLOCK_VALUES: usize = 1 << 22;

/// What a model is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    /// Network document.
    pub network: Value,
    /// Shape that views the features as a tensor.
    pub input_shape: Vec<usize>,
    /// What the label meant.
    pub label: LabelKind,
}

/// A network and its weights.
#[derive(Debug)]
pub struct Model {
    network: Network,
    weights: Vec<f32>,
    label: LabelKind,
    head: Head,
    /// For rows of zeros, once there are any: how they enter the network, if they can.
    entry: OnceLock<Option<ByInput>>,
    /// Its weights as products of each precision read them, for the predictors of all tasks.
    prepared: [OnceLock<Prepared>; Precision::ALL.len()],
    /// The model on each GPU that a task has asked for, by address, for the tasks that ask again.
    on_devices: Mutex<BTreeMap<String, Arc<DeviceModel>>>,
}

impl Model {
    /// Loads a model from its specification and its weights file (safetensors).
    ///
    /// # Errors
    /// `InvalidParameter` where they do not fit together.
    pub fn load(spec: &ModelSpec, safetensors: &[u8]) -> Result<Model, Failure> {
        let network = Network::from_document(&spec.network, &spec.input_shape)?;
        let weights = network.load_weights(safetensors)?;
        Model::of(network, weights, &spec.label)
    }

    /// A model of a network with its weights.
    ///
    /// # Errors
    /// `InvalidParameter` where the label does not fit the network.
    pub fn of(network: Network, weights: Vec<f32>, label: &LabelKind) -> Result<Model, Failure> {
        let head = Head::of(label, &network)?;
        Ok(Model {
            network,
            weights,
            label: label.clone(),
            head,
            entry: OnceLock::new(),
            prepared: Default::default(),
            on_devices: Mutex::default(),
        })
    }

    /// How rows of zeros enter the network, for a predictor that takes them.
    fn entry(&self, predictor: &Predictor) -> Option<&ByInput> {
        self.entry.get_or_init(|| predictor.entry(&self.weights)).as_ref()
    }

    fn prepared(&self, predictor: &Predictor) -> &Prepared {
        let of_precision = &self.prepared[predictor.precision() as usize];
        of_precision.get_or_init(|| predictor.prepare(&self.weights))
    }

    /// The model on a GPU, and whether it was put there by this call. Tasks that ask at the same time put it there once.
    fn on_device(&self, spec: &DeviceSpec) -> Result<(Arc<DeviceModel>, bool), Failure> {
        let mut all = self.on_devices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&spec.address) {
            return Ok((Arc::clone(known), false));
        }
        let description = Description {
            network: self.network.document().clone(),
            input_shape: self.network.input_shape().to_vec(),
            address: spec.address.clone(),
        };
        let opened = Arc::new(DeviceModel::open(spec, &description, &self.weights)?);
        all.insert(spec.address.clone(), Arc::clone(&opened));
        Ok((opened, true))
    }

    /// What the model is, for Java.
    #[must_use]
    pub fn info(&self) -> Value {
        json!({
            "weightsHash": self.network.weights_hash(&self.weights),
            "parameters": self.network.num_parameters(),
            "inputWidth": self.network.input_width(),
            "outputWidth": self.network.output_width(),
            "bytes": self.weights.len() * 4,
        })
    }

    /// Its golden vectors, a safetensors file.
    ///
    /// # Errors
    /// `Unavailable` where the operating system refuses threads.
    pub fn golden(&self) -> Result<Vec<u8>, Failure> {
        saved::golden(&self.network, &self.weights)
    }

    /// Fails unless it gives the outputs of the golden vectors in a file.
    ///
    /// # Errors
    /// `InvalidParameter`, with the first output that is another.
    pub fn check_golden(&self, file: &[u8]) -> Result<(), Failure> {
        saved::check_golden(&self.network, &self.weights, file)
    }
}

/// A column that scoring appends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Output {
    /// The network's outputs, as [`Head::raw_predictions`] gives them.
    RawPrediction,
    /// Probabilities of the classes.
    Probability,
    /// The class, or the value(s).
    Prediction,
    /// What one output of a graph says.
    Named {
        /// Name of the output.
        output: String,
        /// What of it.
        #[serde(default)]
        part: Part,
    },
    /// What a layer of a chain or a node of a graph puts out, a Vector.
    Inner {
        /// Path of the layer, or name of the node.
        node: String,
    },
}

/// What of an output is a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// As [`Output::RawPrediction`].
    RawPrediction,
    /// As [`Output::Probability`].
    Probability,
    /// As [`Output::Prediction`].
    #[default]
    Prediction,
}

/// What becomes of an invalid row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Invalid {
    /// It is an error.
    #[default]
    Error,
    /// It is left out.
    Skip,
    /// Its results are null.
    Keep,
}

/// What [`Scorer::row_mask`] says of a row: left out.
pub const LEFT_OUT: u8 = 0;
/// It has a result.
pub const SCORED: u8 = 1;
/// Its results are null.
pub const NULLS: u8 = 2;

/// What a scoring task is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreTask {
    /// How rows are read.
    pub columns: Columns,
    /// The columns to append, in order.
    pub outputs: Vec<Output>,
    /// A threshold per class, if set.
    pub thresholds: Option<Vec<f64>>,
    /// Partition, for messages; none where rows come one by one.
    pub partition: Option<u32>,
    /// What becomes of invalid rows.
    #[serde(default)]
    pub handle_invalid: Invalid,
    /// What products are computed in.
    #[serde(default)]
    pub precision: Precision,
    /// The GPU that computes; none for the processor.
    #[serde(default)]
    pub device: Option<DeviceSpec>,
}

/// Scores batches of rows.
#[derive(Debug)]
pub struct Scorer {
    model: Arc<Model>,
    compute: Compute,
    decoder: Decoder,
    encoder: Encoder,
    slots: Vec<ColumnSlot>,
    reads: Reads,
    task: ScoreTask,
    /// Rows seen so far, for messages.
    rows: u64,
    /// A block of decoded rows, or of those of rows that are sparse.
    features: Vec<f32>,
    sparse: Csr,
    /// Whether the block at hand is sparse.
    is_sparse: bool,
    block_rows: usize,
    /// The same of sparse rows.
    given_rows: usize,
    /// Of each row of the block that has a result, in order, its position in the batch and whether it has features.
    order: Vec<(usize, bool)>,
    /// Raw predictions and probabilities of one row.
    raw: Vec<f64>,
    probabilities: Vec<f64>,
    /// Those of one output of it.
    part: Vec<f64>,
    result: Vec<u8>,
    row_mask: Vec<u8>,
}

impl Scorer {
    /// A scorer.
    ///
    /// # Errors
    /// `InvalidParameter` where columns, outputs or thresholds do not fit the model, or a GPU that is asked for cannot be used;
    /// `JobFailed` where it fails.
    pub fn new(model: Arc<Model>, mut task: ScoreTask) -> Result<Scorer, Failure> {
        // A label plays no part, even where the column is there.
        (task.columns.label_kind, task.columns.weight) = (None, None);
        task.columns.labels.clear();
        task.columns.limits = model.network.feature_limits();
        let decoder = Decoder::new(&task.columns)?;
        let (width, wanted) = (decoder.width(), model.network.input_width());
        if width != wanted {
            return Err(Failure::parameter(format!(
                "the features have {width} values, but the model was trained on {wanted}"
            )));
        }
        let head = model.head;
        if let Some(has) = task
            .thresholds
            .as_ref()
            .map(Vec::len)
            .filter(|has| *has != head.width())
        {
            let classes = head.width();
            return Err(Failure::parameter(format!(
                "thresholds has {has} values, but there are {classes} classes"
            )));
        }
        let slots: Vec<ColumnSlot> = task
            .outputs
            .iter()
            .map(|output| slot_of(output, &model))
            .collect::<Result<_, _>>()?;
        let types: Vec<OutputType> = slots.iter().map(|slot| slot.kind).collect();
        let compute = Compute::of(&model, &task)?;
        let most = compute.block_rows();
        // What comes out of a row is held for a block, too.
        let inner = task.outputs.iter().filter_map(inner_node);
        let inner = inner.map(|node| model.network.inner_width(node));
        let given = inner.sum::<Result<usize, _>>()? + model.network.output_width();
        Ok(Scorer {
            compute,
            encoder: Encoder::new(&types),
            reads: Reads::of(&slots, task.thresholds.is_some()),
            slots: numbered(slots),
            rows: 0,
            features: Vec::new(),
            sparse: Csr::default(),
            is_sparse: false,
            block_rows: (BLOCK_VALUES / width.max(given).max(1)).clamp(1, most),
            given_rows: (BLOCK_VALUES / given.max(1)).clamp(1, BLOCK_ROWS),
            order: Vec::with_capacity(most),
            raw: vec![0.0; head.width()],
            probabilities: vec![0.0; head.width()],
            part: Vec::new(),
            result: Vec::new(),
            row_mask: Vec::new(),
            model,
            decoder,
            task,
        })
    }

    /// Scores the `count` rows in `bytes`; the result is in [`Scorer::result`] and [`Scorer::row_mask`] until the next call.
    ///
    /// # Errors
    /// `InvalidData` for an invalid row, unless such rows are left out; `Internal` for a corrupt one.
    pub fn run(&mut self, bytes: &[u8], count: usize) -> Result<(), Failure> {
        self.result.clear();
        self.row_mask.clear();
        self.result.reserve(count * self.encoder.row_bytes());
        self.order.clear();
        let mut filled = 0;
        for (position, row) in Rows::new(bytes, count).enumerate() {
            let row = row?;
            let index = self.rows;
            self.rows += 1;
            if filled == 0 {
                self.begin_block(row, count - position);
            }
            match self.decode(row, filled) {
                Ok(()) => {
                    filled += 1;
                    self.row_mask.push(SCORED);
                    self.order.push((position, true));
                }
                Err(invalid @ RowError::Data { .. }) => {
                    let mask = self.mask_of_invalid(|task| invalid.when_scored(task.partition, index))?;
                    self.row_mask.push(mask);
                    if mask == NULLS {
                        self.order.push((position, false));
                    }
                }
                Err(corrupt) => return Err(corrupt.when_scored(self.task.partition, index)),
            }
            if self.is_full(filled) {
                self.block(filled)?;
                filled = 0;
            }
        }
        self.block(filled)
    }

    /// A block whose first row this is, of `left` that are left: sparse where that is by so much that it is faster, and the network can take it so. The bits
    /// are the same either way.
    fn begin_block(&mut self, row: &[u8], left: usize) {
        self.sparse.clear();
        let sparse = self.compute.sparse_from().zip(self.decoder.given_of_sparse(row));
        self.is_sparse =
            sparse.is_some_and(|(from, given)| given.saturating_mul(from) <= self.decoder.width());
        let values = self.block_rows.min(left) * self.decoder.width();
        if !self.is_sparse && self.features.len() < values {
            self.features.resize(values, 0.0);
        }
    }

    fn is_full(&self, rows: usize) -> bool {
        if self.is_sparse {
            rows == self.given_rows || self.sparse.nonzeros() >= BLOCK_VALUES
        } else {
            rows == self.block_rows
        }
    }

    /// Decodes a row into place `at` of the block.
    fn decode(&mut self, row: &[u8], at: usize) -> Result<(), RowError> {
        if self.is_sparse {
            return self.decoder.decode_sparse(row, &mut self.sparse);
        }
        let width = self.decoder.width();
        let place = &mut self.features[at * width..(at + 1) * width];
        self.decoder.decode(row, place, &mut []).map(|_| ())
    }

    /// What the mask says of an invalid row.
    fn mask_of_invalid(&self, failure: impl FnOnce(&ScoreTask) -> Failure) -> Result<u8, Failure> {
        match self.task.handle_invalid {
            Invalid::Error => Err(failure(&self.task)),
            Invalid::Skip => Ok(LEFT_OUT),
            Invalid::Keep => Ok(NULLS),
        }
    }

    /// Results of the rows in `order`, of which `rows` have features.
    fn block(&mut self, rows: usize) -> Result<(), Failure> {
        let mut order = std::mem::take(&mut self.order);
        let scored = match self.score(0..rows, &order) {
            // A layer refuses a value that another layer gave it: each row is asked by itself.
            Err(failure) if failure.kind == ErrorKind::InvalidData => self.one_by_one(&order),
            done => done,
        };
        order.clear();
        self.order = order;
        scored
    }

    fn one_by_one(&mut self, order: &[(usize, bool)]) -> Result<(), Failure> {
        let before = self.rows - self.row_mask.len() as u64;
        let mut at = 0;
        for entry in order {
            let row = at..at + usize::from(entry.1);
            at = row.end;
            match self.score(row, std::slice::from_ref(entry)) {
                Err(failure) if failure.kind == ErrorKind::InvalidData => {
                    let mask = self.mask_of_invalid(|task| {
                        let index = before + entry.0 as u64;
                        row_error::scored(&failure.message, task.partition, index)
                    })?;
                    self.row_mask[entry.0] = mask;
                    if mask == NULLS {
                        self.encoder.push_nulls(&mut self.result);
                    }
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Computes the outputs of rows of the block.
    fn predict(&mut self, rows: Range<usize>) -> Result<(), Failure> {
        let block = Block {
            features: &self.features,
            sparse: self.is_sparse.then_some(&self.sparse),
            width: self.decoder.width(),
        };
        self.compute.predict(&self.model, &block, rows)
    }

    /// Appends the results of `order`, whose rows with features are those of `rows` in the block; none where that fails.
    fn score(&mut self, rows: Range<usize>, order: &[(usize, bool)]) -> Result<(), Failure> {
        let head = self.model.head;
        self.predict(rows)?;
        let mut outputs = self.compute.outputs().chunks_exact(head.output_width());
        let mut at = 0;
        for (_, has_features) in order {
            let Some(outputs) = has_features.then(|| outputs.next()).flatten() else {
                self.encoder.push_nulls(&mut self.result);
                continue;
            };
            // The class alone is told by the outputs, but for rows where two are nearly equal.
            let class = self.reads.class(head, outputs);
            if self.reads.raw {
                head.raw_predictions(outputs, &mut self.raw);
            }
            if self.reads.probabilities || (self.reads.prediction && class.is_none()) {
                head.probabilities(outputs, &mut self.probabilities);
            }
            let row = self.encoder.push(&mut self.result);
            for (column, slot) in self.slots.iter().enumerate() {
                if let Some((head, part)) = slot.classes {
                    let outputs = outputs.get(slot.range.clone()).unwrap_or_default();
                    let values = part.values(head, outputs, &mut self.part);
                    self.encoder.set(row, column, values.iter().copied());
                    continue;
                }
                let raw = self.raw.get(slot.range.clone()).unwrap_or_default();
                match (&slot.output, slot.kind) {
                    (Output::Inner { .. }, _) => {
                        let width = slot.range.len();
                        let values = &self.compute.inner(slot.inner)[at * width..(at + 1) * width];
                        self.encoder
                            .set(row, column, values.iter().copied().map(f64::from));
                    }
                    (Output::Probability, _) => {
                        self.encoder.set(row, column, self.probabilities.iter().copied());
                    }
                    (Output::Prediction, OutputType::Double) => {
                        let thresholds = self.task.thresholds.as_deref();
                        let class = class.unwrap_or_else(|| head.prediction(&self.probabilities, thresholds));
                        self.encoder.set(row, column, [class]);
                    }
                    _ => self.encoder.set(row, column, raw.iter().copied()),
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// Bytes of a row of the result, with its frame.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.encoder.row_bytes()
    }

    /// Where rows are computed.
    #[must_use]
    pub fn placed(&self) -> Placed {
        self.compute.placed()
    }

    /// For every row of the last batch that was kept one row of the outputs, each `[u32 size][u32 0][row]`.
    #[must_use]
    pub fn result(&self) -> &[u8] {
        &self.result
    }

    /// One byte per row of the last batch: [`LEFT_OUT`], [`SCORED`] or [`NULLS`].
    #[must_use]
    pub fn row_mask(&self) -> &[u8] {
        &self.row_mask
    }
}

impl Part {
    /// What this part of an output's classes holds, of one row.
    fn values<'a>(self, head: Head, outputs: &[f32], space: &'a mut Vec<f64>) -> &'a [f64] {
        space.resize(head.width(), 0.0);
        match self {
            Part::RawPrediction => head.raw_predictions(outputs, space),
            Part::Probability => head.probabilities(outputs, space),
            Part::Prediction => {
                head.probabilities(outputs, space);
                let class = head.prediction(space, None);
                space.clear();
                space.push(class);
            }
        }
        space
    }
}
