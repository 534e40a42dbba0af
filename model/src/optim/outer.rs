//! The optimiser of the outer step, where logical shards meet that made steps by themselves.

use super::state::{Saved, SavedTensor};
use crate::network::Network;
use crate::numbers::to_f32;
use crate::weights::update_with_values;
use candlewick_protocol::Failure;
use candlewick_protocol::local_steps::LocalSteps;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// Start of the message where it cannot be restored, and the tensor in a saved state.
const WHAT: &str = "the saved state of the outer optimiser";
const VELOCITY: &str = "momentum_buffer";

/// The optimiser of the outer step, whose gradient is what the weights were before the round less the mean of what they became.
#[derive(Debug)]
pub(super) struct Outer {
    lr: f32,
    momentum: f32,
    /// One value for each weight; none without momentum.
    velocity: Vec<f32>,
    /// Where running statistics lie, which are averaged and nothing else.
    buffers: Vec<Range<usize>>,
}

impl Outer {
    pub(super) fn new(local: &LocalSteps, network: &Network) -> Self {
        let buffers = network.parameters().iter().filter(|one| !one.trained);
        let length = if local.outer_momentum > 0.0 {
            network.num_parameters()
        } else {
            0
        };
        Outer {
            lr: to_f32(local.outer_learning_rate),
            momentum: to_f32(local.outer_momentum),
            velocity: vec![0.0; length],
            buffers: buffers.map(|one| one.offset..one.offset + one.len()).collect(),
        }
    }

    /// torch.optim.SGD(nesterov=True) over the gradient `scale * sum`.
    pub(super) fn step(&mut self, weights: &mut [f32], sum: &[f32], scale: f32) {
        let mut buffers = self.buffers.iter().peekable();
        for (at, (weight, sum)) in weights.iter_mut().zip(sum).enumerate() {
            let gradient = sum * scale;
            buffers.next_if(|range| range.end <= at);
            if buffers.peek().is_some_and(|range| range.contains(&at)) {
                *weight -= gradient;
                continue;
            }
            let direction = match self.velocity.get_mut(at) {
                Some(velocity) => {
                    *velocity = self.momentum * *velocity + gradient;
                    gradient + self.momentum * *velocity
                }
                None => gradient,
            };
            *weight -= self.lr * direction;
        }
    }

    pub(super) fn state(&self) -> Saved {
        let tensors = if self.velocity.is_empty() {
            Vec::new()
        } else {
            vec![SavedTensor {
                name: VELOCITY.to_owned(),
                shape: vec![self.velocity.len()],
                values: self.velocity.clone(),
            }]
        };
        Saved {
            tensors,
            ..Saved::default()
        }
    }

    pub(super) fn restore(&mut self, saved: &Saved) -> Result<(), Failure> {
        if self.velocity.is_empty() {
            return saved.expect_tensors(WHAT, &[]);
        }
        saved.expect_tensors(WHAT, &[(VELOCITY.to_owned(), vec![self.velocity.len()])])?;
        self.velocity
            .copy_from_slice(&saved.tensor(WHAT, VELOCITY)?.values);
        Ok(())
    }

    pub(super) fn hash_into(&self, hasher: &mut Xxh3) {
        update_with_values(hasher, &self.velocity);
    }
}
