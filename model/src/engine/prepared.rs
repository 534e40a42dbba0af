//! Weights of a network that are laid out once for scoring, and read by every predictor of it.

use super::plan::{Plan, Stage};
use crate::kernels::{Arithmetic, PackedLinear};
use crate::layers::Operation;
use std::collections::BTreeMap;
use std::ops::Range;

/// Weights that are kept a second time at most: 64 MiB. Where layers have more, packing them for every block is what their memory is
/// worth.
const MOST_WEIGHTS: usize = 1 << 24;

/// The linear layers of a network with their weights packed: what [`super::Predictor::prepare`] makes.
#[derive(Debug, Default)]
pub struct Prepared {
    /// By where their weights lie: a layer that stands at several places is packed once.
    layers: BTreeMap<(usize, usize), PackedLinear>,
}

impl Prepared {
    pub(super) fn of(plan: &Plan, weights: &[f32], arithmetic: Arithmetic) -> Self {
        let linear = plan.stages.iter().filter_map(|stage| match &stage.operation {
            Operation::Module(module) => Some((stage.weights.clone(), module)),
            _ => None,
        });
        let mut prepared = Prepared::default();
        let mut left = MOST_WEIGHTS;
        for (range, module) in linear {
            let place = place(&range);
            if range.is_empty() || range.len() > left || prepared.layers.contains_key(&place) {
                continue;
            }
            if let Some(packed) = module.packed(arithmetic, &weights[range.clone()]) {
                left -= range.len();
                prepared.layers.insert(place, packed);
            }
        }
        prepared
    }

    /// The layer of a stage, where it is here.
    pub(super) fn layer(&self, stage: &Stage) -> Option<&PackedLinear> {
        match stage.operation {
            Operation::Module(_) => self.layers.get(&place(&stage.weights)),
            _ => None,
        }
    }
}

fn place(range: &Range<usize>) -> (usize, usize) {
    (range.start, range.end)
}
