//! What a trainer needs of memory, from the job alone: the one home of the estimate. Trainers reserve it before rows come
//! (rule D), the driver compares it with what there is before it starts any.

use crate::engine::{Gradient, Predictor};
use crate::layers::Operation;
use crate::meeting;
use crate::metrics::SLICE_ROWS;
use crate::network::{LayerNode, Network, ValueRef};
use crate::optim;
use crate::parameter::{SparseLayout, SparseParameter};
use crate::summary::step_memory;
use candlewick_protocol::features::FeatureType;
use candlewick_protocol::feed::RowFormat;
use candlewick_protocol::job::{DataSpec, JobSpec, SnapshotSpec, TrainSpec};
use candlewick_protocol::params::Complete;
use candlewick_protocol::{Failure, tree};
use std::ops::Range;

/// Batches in memory: one being computed, one being gathered.
pub const BATCHES: usize = 2;

/// Values of a part of a step's gradient at least, where it is exchanged part by part while earlier layers are computed: 256 KiB,
/// which take 2 ms at 1 Gbit/s, ten times as long as the two messages more.
pub const PART_VALUES: usize = 1 << 16;

/// Bytes of a row's hash, beside its values.
const HASH: u64 = 16;
/// Bytes of the index of a row that is in memory: its hash, where it is, its place in the order of an epoch.
pub const INDEX: u64 = 28;

/// Bytes of what a step finds out about each value of its rows that is not zero (`kernels/columns.rs`): where its column is, and
/// the value once more by its column.
const NONZERO: usize = 12;
/// Bytes of a column that a step touches: its index, where its values end, and where those of a node begin and end.
const COLUMN: usize = 28;

/// What is packed at a time for a product: columns of the right operand (one panel where the left one is a single block of rows),
/// rows of the left one, and how deep.
const COLUMNS: usize = 2_048;
const PANEL: usize = 32;
const ROWS: usize = 336;
/// Rows of a tile, of which blocks of rows are made up.
const TILE: usize = 14;
const DEPTH: usize = 512;

/// Bytes that a trainer needs, by account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrainingMemory {
    /// Weights and buffers, and what copies of them the parameters ask for: the moving average, the best epoch's.
    pub weights: u64,
    /// The gradient of a step, of each node of the reduction tree that the trainer computes, and what accumulates of it.
    pub gradients: u64,
    /// State of the optimiser.
    pub optimizer: u64,
    /// A copy of the state of training, on its way to the driver or to another trainer; none where a trainer has no others and
    /// nobody keeps states.
    pub states: u64,
    /// What the layers put out and keep in a step, the gradients of it, and what one thread packs for products; and the same of
    /// rows that are judged, where some are put aside.
    pub activations: u64,
    /// Rows of the step at hand and of the next one, and those that are judged together.
    pub batches: u64,
    /// One row that stays in memory.
    pub row: u64,
    /// What finds a row that stays in memory.
    pub index: u64,
    /// One row on its way to a trainer.
    pub sent: u64,
}

impl TrainingMemory {
    /// What a trainer needs that owns these logical shards.
    ///
    /// ```
    /// use candlewick_model::{job::complete, memory::TrainingMemory};
    /// use serde_json::json;
    /// let input = json!({"job": "00", "task": "classifier", "featureWidth": 4, "params": {
    ///     "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]},
    ///     "optimizer": {"type": "Adam"}, "batchSize": 16}});
    /// let job = complete(&serde_json::from_value(input)?)?.job;
    /// let alone = TrainingMemory::of(&job, 0..8)?;
    /// assert_eq!((alone.weights, alone.gradients, alone.optimizer), (60, 120, 120));
    /// assert_eq!(alone.batches, 2 * 16 * (4 * 4 + 8 + 8));
    /// assert!(TrainingMemory::of(&job, 0..4)?.activations < alone.activations);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` where a document of the job is wrong.
    pub fn of(job: &JobSpec, shards: Range<u32>) -> Result<Self, Failure> {
        TrainingMemory::judging(job, shards, judged_rows(job))
    }

    /// What every trainer of the job needs, before it is known which shards it owns: by account the less of what one shard takes and
    /// of what all do, since a trainer that has others keeps parts of gradients on their way to them, and one alone does not.
    ///
    /// # Errors
    /// As [`TrainingMemory::of`].
    pub fn least(job: &JobSpec) -> Result<Self, Failure> {
        let (one, all) = (
            TrainingMemory::of(job, 0..1)?,
            TrainingMemory::of(job, 0..job.train.logical_shards)?,
        );
        Ok(TrainingMemory {
            weights: one.weights.min(all.weights),
            gradients: one.gradients.min(all.gradients),
            optimizer: one.optimizer.min(all.optimizer),
            states: one.states.min(all.states),
            ..one
        })
    }

    /// As [`TrainingMemory::of`], where it is known how many rows are put aside at most in one shard.
    ///
    /// # Errors
    /// As there.
    pub fn judging(job: &JobSpec, shards: Range<u32>, aside: usize) -> Result<Self, Failure> {
        let nodes = tree::cover(shards.start, shards.end, job.train.logical_shards).len() as u64;
        TrainingMemory::with(job, &shards, nodes, aside)
    }

    /// What a trainer of at most so many shards needs, whichever they are; `aside` as known of those that it has.
    ///
    /// # Errors
    /// As [`TrainingMemory::of`].
    pub fn at_most(job: &JobSpec, shards: u32, aside: usize) -> Result<Self, Failure> {
        let nodes = u64::from(tree::most_nodes(shards));
        TrainingMemory::with(job, &(0..shards), nodes, aside.max(judged_rows(job)))
    }

    fn with(job: &JobSpec, shards: &Range<u32>, nodes: u64, aside: usize) -> Result<Self, Failure> {
        let (train, data) = (&job.train, &job.data);
        let network = Network::of_job(job)?;
        let optimizer = optim::state_size_of_job(train, &network)?.bytes();
        let rows = step_rows(job, shards);
        let step = step_memory(&network, usize::try_from(rows).unwrap_or(usize::MAX), optimizer);
        let format = RowFormat::new(
            data.feature_width as usize,
            data.feature_encoding.kind,
            &data.label,
            data.validation,
        );
        let copies = kept_weights(train);
        let sums = u64::from(train.gradient_accumulation_steps > 1);
        let bytes = |values: usize| values as u64 * size_of::<f32>() as u64;
        let compressed = compressed(train, &network, shards);
        // What is exchanged while the next step is computed, and the state to go back to.
        let late = u64::from(train.asynchrony.is_delayed());
        // Parts of them on their way, where a trainer has others.
        let others = u64::from(shards.end - shards.start) < u64::from(train.logical_shards);
        let compression = train.gradient_compression;
        let alone = (compression.is_none() || compression.is_auto()) && !train.has_own_weights();
        // A further call of a shared layer has values of its own there.
        let node = Gradient::node_len(&network);
        let twice = late.max(u64::from(others && node > PART_VALUES && alone));
        let copies = copies + compressed.states.max(late);
        let local = local(train, nodes, shards);
        let own = own(train, others);
        let told = met(meeting::told(job, &network)?, train, shards);
        let touched = touched(&network, data, rows);
        let touched_bytes = bytes(touched + touched_rows(&network, data, rows));
        // Rows of a step are as the network takes them. Of weights that meet sparse ones, those that they touch are packed.
        let (gathered, columns) = if network.has_sparse_input() {
            let sorted = sorted_bytes(network.input_width(), nonzeros(data), rows);
            let turned = bytes(turned(&network, data, rows));
            (format.held_bytes(&data.feature_encoding), turned + sorted)
        } else {
            (format.row_bytes(), 0)
        };
        let columns = columns + counted_bytes(&network, data, rows);
        // Rows that are judged have a network of their own to go through, whose memory stays.
        let judged = aside.min(SLICE_ROWS);
        let judging = if judged > 0 {
            Predictor::values(&network, judged) + packed(&network, judged as u64, false)
        } else {
            0
        };
        Ok(TrainingMemory {
            weights: step.weights * (1 + copies + local.replicas + local.velocity + own.weights),
            // Of parameters of which a step touches few rows, a node holds those rows alone; their sum has them once more.
            gradients: step.weights * (1 + sums)
                + nodes * (1 + twice) * bytes(node)
                + bytes(Gradient::packed_len(&network))
                + (nodes * (1 + late) + 1) * touched_bytes
                + compressed.gradients
                + compressed.leaves * late
                + (step.weights + step.optimizer) * local.nodes
                + step.optimizer * own.met
                + told,
            optimizer: step.optimizer * (1 + compressed.states.max(late) + local.states + own.states),
            states: state(job, others, &network, (step.weights, step.optimizer)),
            activations: step.activations + bytes(packed(&network, rows, true) + judging) + columns,
            batches: rows.saturating_mul(gathered) * (BATCHES as u64 + late) + judged as u64 * gathered,
            row: format.held_bytes(&data.feature_encoding) + HASH,
            index: INDEX,
            sent: format.held_bytes(&data.feature_encoding),
        })
    }

    /// All that is there before any row is.
    #[must_use]
    pub fn beside_rows(&self) -> u64 {
        let parts = [
            self.weights,
            self.gradients,
            self.optimizer,
            self.states,
            self.activations,
            self.batches,
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// Rows of a shard that are judged together at most, as far as they are known. Hashes put about as many into each shard: few shards
/// have three times the root of that more. Where they have, equal rows for example, a trainer knows it once it has its rows.
fn judged_rows(job: &JobSpec) -> usize {
    let Some(validation) = job.data.validation else {
        return 0;
    };
    let Some(rows) = job.data.rows else {
        return SLICE_ROWS;
    };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let mean = rows as f64 * validation.share() / f64::from(job.train.logical_shards.max(1));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates"
    )]
    let most = ((mean + 3.0 * mean.sqrt()).ceil() as usize).saturating_add(1);
    most.min(usize::try_from(rows).unwrap_or(usize::MAX))
        .min(SLICE_ROWS)
}

/// Copies of the weights that the parameters ask for: the moving average, the best epoch's.
fn kept_weights(train: &TrainSpec) -> u64 {
    let early = train.evaluation.early_stopping.as_ref();
    u64::from(train.ema_decay.is_some()) + u64::from(early.is_some_and(|early| early.restore_best))
}

/// Bytes of the state of training (rule B10), by those of weights and optimiser, where it is ever sent.
fn state(job: &JobSpec, others: bool, network: &Network, (weights, optimizer): (u64, u64)) -> u64 {
    if !others && job.snapshots == SnapshotSpec::default() {
        return 0;
    }
    let train = &job.train;
    let velocity = train
        .local_steps
        .as_ref()
        .is_some_and(|local| local.outer_momentum > 0.0);
    // What waits for an update.
    let sum = train.gradient_accumulation_steps > 1;
    let left = if train.gradient_compression.remembers() {
        Gradient::node_len(network) as u64 * size_of::<f32>() as u64
    } else {
        0
    };
    weights * (1 + kept_weights(train) + u64::from(velocity) + u64::from(sum)) + optimizer + left
}

/// What `gradientCompression` takes.
#[derive(Debug, Clone, Copy, Default)]
struct Compressed {
    /// Copies of the state: the one to go back to.
    states: u64,
    /// The gradient of each shard, what it did not send, and what is packed.
    gradients: u64,
    /// The first of them alone.
    leaves: u64,
}

fn compressed(train: &TrainSpec, network: &Network, shards: &Range<u32>) -> Compressed {
    let compression = train.gradient_compression;
    // What the trainers decide takes most as bf16; weights of trainers' own are not compressed.
    if compression.is_none() || train.has_own_weights() {
        return Compressed::default();
    }
    let values = Gradient::node_len(network) as u64 * size_of::<f32>() as u64;
    let own = u64::from(shards.end - shards.start);
    let vectors = if compression.remembers() {
        // Of each shard its gradient and what it did not send; that over all, and one more at work.
        2 * own + 2
    } else {
        own
    };
    // What is packed for others and comes from them: half of a gradient each at most, but for all trainers' leaves.
    let packed = values.saturating_mul(2);
    Compressed {
        states: u64::from(compression.remembers()),
        leaves: values.saturating_mul(own),
        gradients: values.saturating_mul(vectors).saturating_add(packed),
    }
}

/// What `localSteps` takes, each in so many times the weights or the optimiser's state.
#[derive(Debug, Clone, Copy, Default)]
struct Local {
    /// Weights of each shard.
    replicas: u64,
    /// State of the optimiser of each shard, and of none of them.
    states: u64,
    /// That of the outer step.
    velocity: u64,
    /// What shards bring to a meeting: of each node of the reduction tree, and of all.
    nodes: u64,
}

fn local(train: &TrainSpec, nodes: u64, shards: &Range<u32>) -> Local {
    let Some(local) = &train.local_steps else {
        return Local::default();
    };
    let own = u64::from(shards.end - shards.start);
    Local {
        replicas: own,
        states: own + 1,
        velocity: u64::from(local.outer_momentum > 0.0),
        nodes: nodes + 1,
    }
}

/// Bytes of what shards tell each other at a meeting, where one tells so many: a trainer's own, and beside others what it sends of
/// that and what comes of theirs, and all as it is read.
fn met(told: u64, train: &TrainSpec, shards: &Range<u32>) -> u64 {
    let (own, all) = (
        u64::from(shards.end - shards.start),
        u64::from(train.logical_shards),
    );
    let times = match train.asynchrony.staleness() {
        // One that is alone has nobody to be stale to.
        Some(_) if own == all => 0,
        _ if own < all => own + 2 * all,
        _ => own,
    };
    told.saturating_mul(times)
}

/// What `asynchrony = "stale"` takes, each in so many times the weights or the optimiser's state.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    /// Weights: the trainer's own and those before a step, those on which all agree; updates that wait, that are under way, and
    /// that come.
    weights: u64,
    /// State of the optimiser: the trainer's own, and that of none.
    states: u64,
    /// The state as it is brought to a meeting, and the sum.
    met: u64,
}

fn own(train: &TrainSpec, others: bool) -> Own {
    match train.asynchrony.staleness() {
        None => Own::default(),
        Some(_) => Own {
            weights: if others { 6 } else { 0 },
            states: 1 + u64::from(others),
            met: if others { 2 } else { 0 },
        },
    }
}

/// Rows of a step that the owner of these shards computes, where shards are equal.
#[must_use]
pub fn step_rows(job: &JobSpec, shards: &Range<u32>) -> u64 {
    let all = u64::from(job.train.batch_size) * u64::from(shards.end - shards.start);
    all.div_ceil(u64::from(job.train.logical_shards.max(1)))
}

/// Values that a thread packs at most for the products of a layer: blocks of both operands (`kernels/tiles.rs`). Rows that are only
/// scored have no products for gradients.
fn packed(network: &Network, rows: u64, training: bool) -> usize {
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let tables: Vec<usize> = network.sparse_parameters().iter().map(|one| one.offset).collect();
    let (mut left, mut right, mut lanes, mut pairs) = (0, 0, 0, 0);
    for node in network.layers() {
        let given: usize = match node.inputs.first() {
            Some(ValueRef::Layer(at)) => network.layers()[*at].output.iter().product(),
            _ => network.input_width(),
        };
        // In bf16 the gradient of a convolution's weights reads a copy of what the window slides over, as pairs.
        if network.precision().is_bf16() && node.name.starts_with("Conv") {
            let output: usize = node.output.iter().product();
            pairs = pairs.max(rows.saturating_mul(match node.name.starts_with("ConvTranspose") {
                true => output,
                false => given,
            }));
        }
        let matrices = network.parameters()[node.parameters.clone()].iter();
        for matrix in matrices.filter(|one| one.shape.len() > 1 && !tables.contains(&one.offset)) {
            let outputs = matrix.shape[0].max(1);
            let inputs = matrix.len() / outputs;
            // Every place of a sequence is a row of its own.
            let places = if matrix.shape.len() == 2 {
                (given / inputs.max(1)).max(1)
            } else {
                1
            };
            // What a recurrent layer has of the step at hand, in three buffers that take turns.
            if matches!(node.name, "LSTM" | "GRU" | "RNN") {
                lanes = lanes.max(rows.saturating_mul(3 * (outputs + 2 * inputs)));
            }
            let rows = rows.saturating_mul(places);
            // Recurrent layers and convolutions pack all of their weights.
            let all = matrix.shape.len() > 2 || matches!(node.name, "LSTM" | "GRU" | "RNN");
            let across = |count: usize, kept: bool| count.min(if all || kept { COLUMNS } else { PANEL });
            right = right.max(across(outputs, rows > ROWS) * inputs.min(DEPTH));
            left = left.max(rows.min(ROWS) * inputs.min(DEPTH));
            if training {
                let down = (ROWS.min(ROWS * DEPTH / rows.max(1)) / TILE).max(1) * TILE;
                right = right.max(across(inputs, rows > ROWS) * outputs.min(DEPTH)).max(
                    across(inputs, outputs > down)
                        .saturating_mul(rows)
                        .min(COLUMNS * DEPTH),
                );
                left = left.max(outputs.saturating_mul(rows).min(ROWS * DEPTH));
            }
        }
    }
    left + right + lanes + pairs
}

/// Values of a row that are not zero, as far as that is known.
fn nonzeros(data: &DataSpec) -> usize {
    let width = data.feature_width as usize;
    let encoding = data.feature_encoding;
    let known = encoding.nonzeros.filter(|_| encoding.kind == FeatureType::Sparse);
    known.map_or(width, |known| usize::try_from(known).unwrap_or(width).min(width))
}

/// At most so many values of sparse parameters does a step over `rows` rows touch.
#[must_use]
pub fn touched(network: &Network, data: &DataSpec, rows: u64) -> usize {
    let all = network.sparse_parameters().iter();
    all.map(|sparse| most_touched(network, sparse, data, rows) * sparse.width)
        .sum()
}

/// The same in rows of them.
fn touched_rows(network: &Network, data: &DataSpec, rows: u64) -> usize {
    let all = network.sparse_parameters().iter();
    all.map(|sparse| most_touched(network, sparse, data, rows)).sum()
}

/// Those of weights whose columns are turned to be multiplied.
fn turned(network: &Network, data: &DataSpec, rows: u64) -> usize {
    let all = network.sparse_parameters().iter();
    let columns = all.filter(|sparse| sparse.layout == SparseLayout::Columns);
    columns
        .map(|sparse| most_touched(network, sparse, data, rows) * sparse.width)
        .sum()
}

/// Rows of a sparse parameter: of one that is met by values that are computed, all.
fn most_touched(network: &Network, sparse: &SparseParameter, data: &DataSpec, rows: u64) -> usize {
    let met = |node: &&LayerNode| node.weights.contains(&sparse.offset);
    let mut bags = network
        .layers()
        .iter()
        .filter(met)
        .filter(|node| is_of_counts(node));
    if bags.any(|node| !network.reads_features(node)) {
        return sparse.entries;
    }
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    sparse.entries.min(rows.saturating_mul(nonzeros(data)))
}

/// Whether it is a bag of counts, which passes over zeros.
fn is_of_counts(node: &LayerNode) -> bool {
    matches!(&node.operation, Operation::Module(module) if module.skips_zeros())
}

/// Bytes by which a step over so many sparse rows of `width` values finds their columns.
fn sorted_bytes(width: usize, nonzeros: usize, rows: u64) -> u64 {
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let values = rows.saturating_mul(nonzeros);
    // A bit for each column, and 32 of them for each 64 of those.
    let bits = width / 8 + width / 16;
    let all = values.saturating_mul(NONZERO) + width.min(values) * COLUMN + bits;
    all as u64
}

/// Bytes of rows that bags of counts make sparse, one after another, and of their columns.
fn counted_bytes(network: &Network, data: &DataSpec, rows: u64) -> u64 {
    let bags = network.layers().iter().filter(|node| is_of_counts(node));
    let most = bags.map(|node| {
        let sparse = &network.parameters()[node.parameters.start];
        let width = sparse.shape.first().copied().unwrap_or_default();
        let features = network.reads_features(node);
        if features && network.has_sparse_input() {
            return 0;
        }
        let nonzeros = if features { nonzeros(data) } else { width };
        let made = rows.saturating_mul((nonzeros * 2 * size_of::<f32>() + size_of::<usize>()) as u64);
        made.saturating_add(sorted_bytes(width, nonzeros, rows))
    });
    most.max().unwrap_or_default()
}

/// `trainerMemory` in bytes; 0 where it is not set.
pub(crate) fn limit(params: &Complete) -> Result<u64, Failure> {
    if params.is_null("trainerMemory") {
        return Ok(0);
    }
    params.bytes("trainerMemory")
}

/// The folders of `spoolDir`.
pub(crate) fn folders(params: &Complete) -> Vec<String> {
    let text = params.value("spoolDir").as_str().unwrap_or_default();
    let all = text.split(',').map(str::trim).filter(|folder| !folder.is_empty());
    all.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::complete;
    use serde_json::json;

    fn batches(validation: &serde_json::Value, rows: Option<u64>) -> u64 {
        let mut params = json!({"batchSize": 16, "logicalShards": 8, "optimizer": {"type": "SGD"},
            "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]}});
        if let (Some(params), Some(more)) = (params.as_object_mut(), validation.as_object()) {
            params.extend(more.clone());
        }
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 4, "params": params});
        let mut job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        job.data.rows = rows;
        TrainingMemory::of(&job, 0..8).unwrap().batches
    }

    #[test]
    fn room_for_a_state_is_kept_where_one_is_sent() {
        let of = |params: serde_json::Value, shards: Range<u32>| {
            let mut params = params;
            params["network"] =
                json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]});
            params["optimizer"] = json!({"type": "Adam"});
            let input = json!({"job": "00", "task": "classifier", "featureWidth": 4, "params": params});
            let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
            (
                TrainingMemory::of(&job, shards).unwrap().states,
                TrainingMemory::least(&job).unwrap().states,
            )
        };
        // 15 weights, their two moments, and the average.
        assert_eq!(of(json!({}), 0..8), (0, 0), "of a trainer that has no others");
        assert_eq!(of(json!({}), 0..4), (180, 0), "for one that joins");
        assert_eq!(of(json!({"checkpointDir": "/c"}), 0..8), (180, 180));
        assert_eq!(
            of(json!({"saveOptimizer": true, "emaDecay": 0.9}), 0..8),
            (240, 240)
        );
    }

    #[test]
    fn few_rows_that_are_put_aside_are_charged_as_few() {
        // A row takes 32 bytes; two batches of 16 are there in any case.
        let judged = |validation, rows| (batches(&validation, rows) - 2 * 16 * 32) / 32;
        let tenth = || json!({"validationFraction": 0.1});
        assert_eq!(judged(tenth(), None), 1024);
        // A shard has 5 of 400: 5 + 3 * 2.24, and one more.
        assert_eq!(judged(tenth(), Some(400)), 13);
        assert_eq!(judged(tenth(), Some(3)), 2);
        assert_eq!(judged(tenth(), Some(1 << 40)), 1024);
        assert_eq!(judged(json!({}), Some(400)), 0);
        // A column may mark any of them.
        assert_eq!(judged(json!({"validationIndicatorCol": "aside"}), Some(400)), 73);
    }
}
