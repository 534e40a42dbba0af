//! The gradient of a node of the reduction tree, and that of a step. Parameters of which a step touches few rows
//! ([`Network::sparse_parameters`]) are given by those rows: what was not touched is neither computed nor added up nor
//! sent.

use super::plan::{ParamSlot, Stage};
use crate::network::Network;
use crate::parameter::{SparseLayout, SparseParameter};
use crate::resident::{DeviceVec, FlatRef, HeldRows, RowPlaces, Run, gaps};
use candlewick_protocol::Failure;
use candlewick_protocol::rows::SparseRows;
use std::convert::Infallible;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Gradient of the weighted sum of the loss over the shards `lo..hi`: a node of the reduction tree. Nothing is
/// divided yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeGradient {
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
    /// False where no shard of it has rows in this step; the values mean nothing then.
    pub present: bool,
    /// The gradient of the dense parameters, in the order of the weights, and behind it what further calls of shared layers
    /// add; given its length by the engine.
    pub values: Vec<f32>,
    /// The rows that the step touched, of every sparse parameter of the network, and behind them those of further calls of
    /// shared layers.
    pub sparse_rows: Vec<SparseRows>,
    /// What may stay on a device does.
    stays: bool,
    /// What lies on a device, and where it would begin among the values; those mean nothing there.
    held: Vec<(usize, Run)>,
    /// The tables that lie there; their rows above are none.
    held_tables: Vec<Run>,
}

impl NodeGradient {
    /// A node without values yet.
    #[must_use]
    pub fn new(lo: u32, hi: u32) -> Self {
        NodeGradient {
            lo,
            hi,
            ..NodeGradient::default()
        }
    }

    /// The same, of which what lies on a device is left there: for who applies it by himself and sends it to nobody.
    #[must_use]
    pub fn staying(self) -> Self {
        NodeGradient { stays: true, ..self }
    }

    /// Whether some of it is on a device.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.held.is_empty() || !self.held_tables.is_empty()
    }

    /// Takes the gradient of a stage's weights from a device.
    pub(super) fn take_held(
        &mut self,
        held: DeviceVec,
        stage: &Stage,
        resident: bool,
    ) -> Result<(), Failure> {
        let from = stage.values_from;
        if self.stays && resident {
            let run = Run::whole(stage.weights.clone(), held);
            self.held.push((from, run));
            return Ok(());
        }
        held.read(&mut self.values[from..from + stage.weights.len()])
    }

    /// Takes the gradient of a stage's table, the sparse parameter `at`, from a device.
    pub(super) fn take_rows(
        &mut self,
        held: HeldRows,
        at: usize,
        stage: &Stage,
        resident: bool,
    ) -> Result<(), Failure> {
        let own = &mut self.sparse_rows[at];
        own.clear();
        if self.stays && resident {
            self.held_tables.push(Run {
                place: stage.weights.clone(),
                values: held.values,
                rows: Some(Arc::new(RowPlaces::new(held.indices, (own.entries, own.width)))),
            });
            return Ok(());
        }
        if !held.indices.is_empty() {
            own.values.resize(held.indices.len() * own.width, 0.0);
            held.values.read(&mut own.values)?;
        }
        own.indices = held.indices;
        Ok(())
    }

    /// The gradient of all weights in order, zeros included, of a node that is on the host.
    #[must_use]
    pub fn flat(&self, network: &Network) -> Vec<f32> {
        let mut gradient = Gradient::new(network);
        gradient.set(self);
        gradient.values
    }

    /// Makes room for the gradient of a network.
    pub(super) fn fit(&mut self, network: &Network) {
        self.held.clear();
        self.held_tables.clear();
        self.values.resize(Repeat::dense_len(network), 0.0);
        let rows = Repeat::rows(network);
        if self.sparse_rows.len() != rows.len() {
            self.sparse_rows = rows;
        }
    }
}

/// The gradient of a step over all shards: flat, in the order of the weights, for what works on whole vectors, and
/// for each sparse parameter the rows that may differ from 0, for what need not look at the others.
///
/// It can be read as a slice; [`Gradient::as_mut_dense`] lets its elements be changed.
#[derive(Debug, Clone, Default)]
pub struct Gradient {
    values: Vec<f32>,
    sparse_parameters: Vec<SparseParameter>,
    /// Elements outside of the sparse parameters.
    dense: Vec<Range<usize>>,
    /// As a node has them, where they are not one range.
    packed: Vec<f32>,
    /// What the last step set.
    rows: Vec<SparseRows>,
    repeats: Vec<Repeat>,
    known: bool,
    /// What lies on a device; its elements here mean nothing.
    held: Vec<Run>,
}

/// What a further call of a shared layer adds to a parameter, and where it lies in a node's gradient.
#[derive(Debug, Clone)]
enum Repeat {
    /// Elements of a node's values, and those of the weights that they belong to.
    Dense(Range<usize>, Range<usize>),
    /// Rows of a node, and the sparse parameter that they belong to, by their indices.
    Sparse(usize, usize),
}

impl Repeat {
    fn all(network: &Network) -> Vec<Repeat> {
        let repeats = network.repeats().iter().enumerate();
        let made = repeats.map(|(at, parameter)| {
            let parameter = &network.parameters()[*parameter];
            match ParamSlot::of_repeat(at, network) {
                ParamSlot::Values(range) => {
                    Repeat::Dense(range, parameter.offset..parameter.offset + parameter.len())
                }
                ParamSlot::Sparse(rows) => {
                    let sparse = network.sparse_parameters();
                    Repeat::Sparse(rows, sparse.partition_point(|one| one.offset < parameter.offset))
                }
            }
        });
        made.collect()
    }

    /// Number of a node's values.
    fn dense_len(network: &Network) -> usize {
        let ends = Repeat::all(network)
            .into_iter()
            .filter_map(|repeat| match repeat {
                Repeat::Dense(range, _) => Some(range.end),
                Repeat::Sparse(..) => None,
            });
        ends.max().unwrap_or_else(|| network.num_dense())
    }

    /// A node's rows, empty.
    fn rows(network: &Network) -> Vec<SparseRows> {
        let own = network.sparse_parameters();
        let repeats = Repeat::all(network)
            .into_iter()
            .filter_map(|repeat| match repeat {
                Repeat::Dense(..) => None,
                Repeat::Sparse(_, of) => Some(own[of]),
            });
        let all = own.iter().copied().chain(repeats);
        all.map(|sparse| SparseRows::new(sparse.entries, sparse.width))
            .collect()
    }
}

/// Elements outside of the sparse parameters.
fn dense_ranges(network: &Network) -> Vec<Range<usize>> {
    let mut dense: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for sparse in network.sparse_parameters() {
        dense.push(start..sparse.offset);
        start = sparse.offset + sparse.len();
    }
    dense.push(start..network.num_parameters());
    dense.retain(|range| !range.is_empty());
    dense
}

/// The rows of a sparse parameter that may differ from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TouchedRows<'a> {
    /// The parameter.
    pub parameter: SparseParameter,
    /// The rows, ascending.
    pub indices: &'a [u32],
}

impl Gradient {
    /// A gradient of zeros for a network.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let dense = dense_ranges(network);
        let packed = Gradient::packed_len(network);
        Gradient {
            values: vec![0.0; network.num_parameters()],
            sparse_parameters: network.sparse_parameters().to_vec(),
            rows: Repeat::rows(network),
            repeats: Repeat::all(network),
            packed: vec![0.0; packed],
            dense,
            known: true,
            held: Vec::new(),
        }
    }

    /// Number of a node's values for a network.
    #[must_use]
    pub fn node_len(network: &Network) -> usize {
        Repeat::dense_len(network)
    }

    /// Number of the values that a gradient has once more, as nodes have them: none where they are one range of the weights, which
    /// they are written to.
    #[must_use]
    pub fn packed_len(network: &Network) -> usize {
        let wanted = Repeat::dense_len(network);
        if dense_ranges(network).len() == 1 && wanted == network.num_dense() {
            0
        } else {
            wanted
        }
    }

    /// Becomes what `fill` writes: the elements of the dense parameters, and the rows of every sparse one.
    ///
    /// # Errors
    /// Those of `fill`; what the gradient holds is not specified then.
    pub fn assign<T, E>(
        &mut self,
        fill: impl FnOnce(&mut [f32], &mut [SparseRows]) -> Result<T, E>,
    ) -> Result<T, E> {
        self.clear_rows();
        self.known = false;
        self.held.clear();
        let done = match self.dense.as_slice() {
            [only] if self.packed.is_empty() => fill(&mut self.values[only.clone()], &mut self.rows)?,
            _ => fill(&mut self.packed, &mut self.rows)?,
        };
        if !self.packed.is_empty() {
            let mut start = 0;
            for range in &self.dense {
                let end = start + range.len();
                self.values[range.clone()].copy_from_slice(&self.packed[start..end]);
                start = end;
            }
        }
        self.add_repeats();
        for (sparse, rows) in self.sparse_parameters.iter().zip(&self.rows) {
            let values = &mut self.values[sparse.offset..sparse.offset + sparse.len()];
            sparse.write(rows.view(), values);
        }
        self.known = true;
        Ok(done)
    }

    /// Adds what further calls of shared layers give, in the order of the calls.
    fn add_repeats(&mut self) {
        for repeat in &self.repeats {
            match repeat {
                Repeat::Dense(from, to) => {
                    let added = self.values[to.clone()].iter_mut().zip(&self.packed[from.clone()]);
                    added.for_each(|(sum, part)| *sum += part);
                }
                Repeat::Sparse(from, to) => {
                    let mut sum = SparseRows::new(self.rows[*to].entries, self.rows[*to].width);
                    sum.set_sum(self.rows[*to].view(), self.rows[*from].view());
                    self.rows[*to] = sum;
                }
            }
        }
    }

    /// Becomes the gradient of a node, which is present.
    pub fn set(&mut self, node: &NodeGradient) {
        if node.is_held() {
            return self.set_held(node);
        }
        let Ok(()) = self.assign::<(), Infallible>(|dense, sparse| {
            dense.copy_from_slice(&node.values);
            for (into, rows) in sparse.iter_mut().zip(&node.sparse_rows) {
                into.set(rows.view());
            }
            Ok(())
        });
    }

    /// As [`Gradient::set`], where some of it is on a device and stays there. Networks whose layers are called again have nothing
    /// there that a further call adds to.
    fn set_held(&mut self, node: &NodeGradient) {
        self.clear_rows();
        let mut held: Vec<&(usize, Run)> = node.held.iter().collect();
        held.sort_by_key(|(from, _)| *from);
        let runs = held.iter().map(|(from, run)| *from..*from + run.place.len());
        for gap in gaps(node.values.len(), runs) {
            if !self.packed.is_empty() {
                self.packed[gap.clone()].copy_from_slice(&node.values[gap.clone()]);
            }
            let mut start = 0;
            for range in &self.dense {
                let own = gap.start.max(start)..gap.end.min(start + range.len());
                if !own.is_empty() {
                    let to = range.start + own.start - start;
                    self.values[to..to + own.len()].copy_from_slice(&node.values[own.clone()]);
                }
                start += range.len();
            }
        }
        let held = held.into_iter().map(|(_, run)| run);
        self.held = held.chain(&node.held_tables).cloned().collect();
        self.held.sort_by_key(|run| run.place.start);
        for (into, rows) in self.rows.iter_mut().zip(&node.sparse_rows) {
            into.set(rows.view());
        }
        self.add_repeats();
        for (sparse, rows) in self.sparse_parameters.iter().zip(&self.rows) {
            let values = &mut self.values[sparse.offset..sparse.offset + sparse.len()];
            sparse.write(rows.view(), values);
        }
        self.known = true;
    }

    /// Brings up what is to be applied to weights on a device, where it is not there.
    pub(crate) fn go_up(&mut self, weights: FlatRef<'_>) -> Result<(), Failure> {
        if self.held.len() == weights.runs().len() {
            return Ok(());
        }
        let held = weights.runs().iter().map(|run| {
            let values = &self.values[run.place.clone()];
            let Some(rows) = self.rows_of(&run.place) else {
                return Ok(Run::whole(run.place.clone(), run.values.beside(values)?));
            };
            Ok(Run {
                place: run.place.clone(),
                values: run.values.beside(&rows.of(values))?,
                rows: Some(Arc::new(rows)),
            })
        });
        self.held = held.collect::<Result<_, Failure>>()?;
        Ok(())
    }

    /// The rows of a table that may differ from 0, where elements of the weights are a table and its rows are known.
    fn rows_of(&self, place: &Range<usize>) -> Option<RowPlaces> {
        let of = |sparse: &SparseParameter| sparse.offset..sparse.offset + sparse.len();
        let mut all = self.sparse_parameters.iter().zip(&self.rows);
        let found = all.find(|(sparse, _)| of(sparse) == *place && sparse.layout == SparseLayout::Rows);
        let (sparse, rows) = found.filter(|_| self.known)?;
        let size = (sparse.entries, sparse.width);
        Some(RowPlaces::new(rows.indices.clone(), size))
    }

    /// What lies on a device.
    pub(crate) fn held_mut(&mut self) -> &mut Vec<Run> {
        &mut self.held
    }

    /// Whether all elements are finite. Of what lies on a device a number comes down.
    ///
    /// # Errors
    /// `JobFailed` where the device does.
    pub fn is_finite(&self) -> Result<bool, Failure> {
        let runs = self.held.iter().map(|run| run.place.clone());
        if !gaps(self.values.len(), runs).all(|gap| all_finite(&self.values[gap])) {
            return Ok(false);
        }
        let flaws = self.held.iter().map(|run| run.values.flaw());
        let flaws = DeviceVec::sums(&flaws.collect::<Result<Vec<_>, _>>()?)?;
        Ok(flaws.iter().all(|flaw| *flaw == 0.0))
    }

    /// Multiplies all elements.
    ///
    /// # Errors
    /// `JobFailed` where some of it is on a device that fails.
    pub fn scale(&mut self, factor: f32) -> Result<(), Failure> {
        for run in &mut self.held {
            run.values = run.values.times(factor)?;
        }
        let runs: Vec<Range<usize>> = self.held.iter().map(|run| run.place.clone()).collect();
        for gap in gaps(self.values.len(), runs.into_iter()) {
            self.values[gap].iter_mut().for_each(|value| *value *= factor);
        }
        Ok(())
    }

    /// All elements, to be changed at will: the rows that may differ from 0 are not known until the next step sets
    /// them.
    pub fn as_mut_dense(&mut self) -> &mut [f32] {
        self.known = false;
        &mut self.values
    }

    fn clear_rows(&mut self) {
        for (sparse, rows) in self.sparse_parameters.iter().zip(&self.rows) {
            let values = &mut self.values[sparse.offset..sparse.offset + sparse.len()];
            if self.known {
                sparse.clear(&rows.indices, values);
            } else {
                values.fill(0.0);
            }
        }
        self.rows.iter_mut().for_each(SparseRows::clear);
    }

    /// The elements, the rows of the sparse parameters where they are known, and what lies on a device. They stay known: elements
    /// of other rows are to stay 0.
    pub(crate) fn touched(&mut self) -> (&mut [f32], Vec<TouchedRows<'_>>, &[Run]) {
        let known = self
            .sparse_parameters
            .iter()
            .zip(&self.rows)
            .filter(|_| self.known);
        let touched = known.map(|(parameter, rows)| TouchedRows {
            parameter: *parameter,
            indices: &rows.indices,
        });
        (&mut self.values, touched.collect(), &self.held)
    }

    /// The rows that differ from 0 are not known any longer.
    pub(crate) fn forget(&mut self) {
        self.known = false;
    }
}

impl Deref for Gradient {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

/// Whether all values are finite: branch-free within a chunk, so that it costs no more than reading them.
///
/// ```
/// use candlewick_model::engine::all_finite;
/// assert!(all_finite(&[1.0, -0.0]) && !all_finite(&[1.0, f32::NAN]));
/// ```
#[must_use]
pub fn all_finite(values: &[f32]) -> bool {
    const MAGNITUDE: u32 = 0x7fff_ffff;
    const CHUNK: usize = 4096;
    values.chunks(CHUNK).all(|chunk| {
        let most = chunk
            .iter()
            .fold(0, |most: u32, value| most.max(value.to_bits() & MAGNITUDE));
        most < f32::INFINITY.to_bits()
    })
}
