//! Which elements of the flat weights are updated, by what, and how they are cut for threads.

use super::norms::BLOCK;
use super::step::{ParamSlice, Touched};
use crate::engine::TouchedRows;
use crate::parameter::{Parameter, SparseLayout};
use std::ops::Range;

/// Weights that are worth a thread.
const PARALLEL_WEIGHTS: usize = 1 << 16;

/// One of so many columns is enough for all of them to be visited: each is in a cache line of its own, and all of them one after
/// another are soon passed (measured: `benches/sparse_input.rs`).
const DENSE: usize = 32;

/// A tensor that is updated.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    /// Index of its parameter in the network.
    pub parameter: usize,
    /// Its elements in the flat weights.
    pub weights: Range<usize>,
    /// Its elements in every vector of the state.
    pub state: Range<usize>,
    /// Index of its group.
    pub group: usize,
}

/// A slice of a tensor: its index and its elements in the flat weights.
#[derive(Debug, Clone)]
struct Piece {
    tensor: usize,
    group: usize,
    weights: Range<usize>,
    state: Range<usize>,
}

/// Neighbouring tensors of one group in a run of the weights that lies on a device.
#[derive(Debug, Clone)]
pub(super) struct Span {
    /// Index of the run.
    pub run: usize,
    /// Index among those that have a part of the state.
    pub state_run: usize,
    pub group: usize,
    /// Elements of the run.
    pub weights: Range<usize>,
    /// Elements of what the run has of a vector of the state.
    pub state: Range<usize>,
}

/// The tensors that are updated, in the order of the parameters.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// All elements of the network, updated or not.
    pub length: usize,
    /// Elements that are updated: the length of a vector of the state.
    pub updated: usize,
    pub tensors: Vec<Tensor>,
    /// Of what lies on the host.
    pieces: Vec<Piece>,
    /// Threads that the pieces were cut for.
    pub threads: usize,
    /// Runs of the weights that lie on a device.
    held: Vec<Range<usize>>,
    /// What they have of a vector of the state, where they have any.
    pub held_state: Vec<Range<usize>>,
    /// What is updated there.
    pub spans: Vec<Span>,
}

impl Layout {
    /// `groups` has the group of every parameter, `None` where it is not updated.
    pub(super) fn new(parameters: &[Parameter], groups: &[Option<usize>]) -> Self {
        let length = parameters
            .iter()
            .map(|parameter| parameter.offset + parameter.len())
            .max()
            .unwrap_or(0);
        let mut tensors = Vec::new();
        let mut updated = 0;
        for (index, (parameter, group)) in parameters.iter().zip(groups).enumerate() {
            if let Some(group) = *group {
                let end = updated + parameter.len();
                tensors.push(Tensor {
                    parameter: index,
                    weights: parameter.offset..parameter.offset + parameter.len(),
                    state: updated..end,
                    group,
                });
                updated = end;
            }
        }
        let mut layout = Layout {
            length,
            updated,
            tensors,
            pieces: Vec::new(),
            threads: 1,
            held: Vec::new(),
            held_state: Vec::new(),
            spans: Vec::new(),
        };
        layout.cut(1);
        layout
    }

    /// Cuts for so many threads, fewer where there is little to do. Pieces start at multiples of a block of their
    /// tensor, so that sums do not depend on the cut.
    pub(super) fn cut(&mut self, threads: usize) {
        self.threads = (self.updated / PARALLEL_WEIGHTS).clamp(1, threads.max(1));
        let size = self
            .updated
            .div_ceil(self.threads)
            .next_multiple_of(BLOCK)
            .max(BLOCK);
        self.pieces.clear();
        for (index, tensor) in self.tensors.iter().enumerate() {
            if self.held.iter().any(|run| run.contains(&tensor.weights.start)) {
                continue;
            }
            for start in tensor.weights.clone().step_by(size) {
                let weights = start..(start + size).min(tensor.weights.end);
                let before = start - tensor.weights.start + tensor.state.start;
                self.pieces.push(Piece {
                    tensor: index,
                    group: tensor.group,
                    state: before..before + weights.len(),
                    weights,
                });
            }
        }
    }

    /// These runs of the weights lie on a device from now on. Neighbouring tensors are updated together there, but for groups that
    /// measure each: their ratios differ.
    pub(super) fn hold(&mut self, runs: &[Range<usize>], measures: impl Fn(usize) -> bool) {
        self.spans.clear();
        self.held = runs.to_vec();
        self.held_state.clear();
        for (run, place) in runs.iter().enumerate() {
            // They are in the order of their places.
            let first = self
                .tensors
                .partition_point(|tensor| tensor.weights.start < place.start);
            let own = &self.tensors[first..];
            let own = &own[..own.partition_point(|tensor| tensor.weights.start < place.end)];
            let [start, end] = match own {
                [] => continue,
                [one] => [one.state.start, one.state.end],
                [first, .., last] => [first.state.start, last.state.end],
            };
            let state_run = self.held_state.len();
            self.held_state.push(start..end);
            for tensor in own {
                let within = |range: &Range<usize>, from: usize| range.start - from..range.end - from;
                let span = Span {
                    run,
                    state_run,
                    group: tensor.group,
                    weights: within(&tensor.weights, place.start),
                    state: within(&tensor.state, start),
                };
                match self.spans.last_mut() {
                    Some(last)
                        if (last.run, last.group) == (run, span.group)
                            && last.weights.end == span.weights.start
                            && !measures(span.group) =>
                    {
                        last.weights.end = span.weights.end;
                        last.state.end = span.state.end;
                    }
                    _ => self.spans.push(span),
                }
            }
        }
        self.cut(self.threads);
    }

    /// The pieces with their weights, gradient and state; `sparse` are the parameters of which some rows are touched only.
    pub(super) fn slices<'a>(
        &self,
        weights: &'a mut [f32],
        gradient: &'a mut [f32],
        state: Vec<&'a mut [f32]>,
        sparse: &[TouchedRows<'a>],
    ) -> Vec<ParamSlice<'a>> {
        let (mut weights, mut gradient) = (Rest::of(weights), Rest::of(gradient));
        let mut state: Vec<Rest<'a>> = state.into_iter().map(Rest::of).collect();
        self.pieces
            .iter()
            .map(|piece| ParamSlice {
                weights: weights.take(&piece.weights),
                gradient: gradient.take(&piece.weights),
                touched: touched(sparse, &piece.weights),
                state: state.iter_mut().map(|rest| rest.take(&piece.state)).collect(),
                group: piece.group,
                tensor: piece.tensor,
                sums: Vec::new(),
                ratio: 1.0,
            })
            .collect()
    }
}

/// The rows of a sparse parameter that lie in a piece, in whole or in part, where it pays to look for them.
fn touched<'a>(sparse: &[TouchedRows<'a>], piece: &Range<usize>) -> Touched<'a> {
    let own = |touched: &&TouchedRows<'_>| {
        let parameter = touched.parameter;
        (parameter.offset..parameter.offset + parameter.len()).contains(&piece.start)
    };
    let Some(TouchedRows { parameter, indices }) = sparse.iter().find(own) else {
        return Touched::All;
    };
    let start = piece.start - parameter.offset;
    if parameter.layout == SparseLayout::Columns {
        if indices.len() * DENSE >= parameter.entries {
            return Touched::All;
        }
        return Touched::Columns {
            indices,
            entries: parameter.entries,
            start,
        };
    }
    let first = indices.partition_point(|row| (*row as usize + 1) * parameter.width <= start);
    let last = indices.partition_point(|row| *row as usize * parameter.width < start + piece.len());
    Touched::Rows {
        indices: &indices[first..last],
        width: parameter.width,
        start,
    }
}

/// What is left of a slice whose ranges are taken in ascending order.
struct Rest<'a> {
    start: usize,
    values: &'a mut [f32],
}

impl<'a> Rest<'a> {
    fn of(values: &'a mut [f32]) -> Self {
        Rest { start: 0, values }
    }

    /// The elements of a range; fewer where the slice ends before.
    fn take(&mut self, range: &Range<usize>) -> &'a mut [f32] {
        let values = std::mem::take(&mut self.values);
        let skipped = range.start.saturating_sub(self.start).min(values.len());
        let (_, values) = values.split_at_mut(skipped);
        let (taken, rest) = values.split_at_mut(range.len().min(values.len()));
        self.start = range.end;
        self.values = rest;
        taken
    }
}
