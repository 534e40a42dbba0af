//! Optimisers: one pass over flat memory, in PyTorch's order of operations.

mod rules;

use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::engine::Engine;
use crate::kernels::{Level, Workers, leveled};
use candlewick_protocol::Failure;
use rules::{Part, Rule};
use serde_json::Value;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Limits of the gradient, applied after it was divided by the denominator: first the norm, then the values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Clip {
    /// Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_).
    pub norm: Option<f64>,
    /// Largest absolute value of an element (torch.nn.utils.clip_grad_value_).
    pub value: Option<f64>,
}

/// Weights' updates and the state they need.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    steps: u64,
    state: Vec<Vec<f32>>,
    level: Level,
    workers: Option<Arc<Workers>>,
}

/// Weights that are worth a thread.
const PARALLEL_WEIGHTS: usize = 1 << 16;
/// Elements of a partial sum of a norm, rule B6.
const NORM_BLOCK: usize = 4_096;

leveled! {
    /// `values *= factor`, then bounded by `limit` on both sides (infinity: not bounded).
    fn scale_and_bound(factor: f32, limit: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = (*value * factor).clamp(-limit.abs(), limit.abs()));
    }
}

impl Optimizer {
    /// The optimiser of a document, with state for `num_parameters` weights.
    ///
    /// # Errors
    /// `InvalidParameter` where the document is not legal.
    pub fn from_document(document: &Value, num_parameters: usize) -> Result<Self, Failure> {
        let arguments = read(document)?;
        let rule = Rule::of(&arguments);
        let state = (0..rule.state_vectors())
            .map(|_| vec![0.0; num_parameters])
            .collect();
        Ok(Optimizer {
            rule,
            steps: 0,
            state,
            level: Level::detect(),
            workers: None,
        })
    }

    /// Lets updates run on the threads of an engine. Every weight is updated by itself: the bits do not change.
    pub fn use_threads_of(&mut self, engine: &Engine) {
        self.workers = Some(engine.workers());
    }

    /// Divides the gradient of the weighted sum by the denominator (in place, once, by its f32 reciprocal), clips it
    /// and updates the weights. A denominator of 0 means that no row counted: nothing changes and the answer is
    /// false.
    ///
    /// # Errors
    /// `Internal` where the lengths do not agree with the optimiser's.
    pub fn update(
        &mut self,
        weights: &mut [f32],
        gradient_sum: &mut [f32],
        denominator: f64,
        clip: &Clip,
    ) -> Result<bool, Failure> {
        let length = self.state.first().map_or(weights.len(), Vec::len);
        if weights.len() != length || gradient_sum.len() != length {
            return Err(Failure::internal(format!(
                "update of {} weights with {} gradients by an optimiser for {length}",
                weights.len(),
                gradient_sum.len()
            )));
        }
        if denominator == 0.0 {
            return Ok(false);
        }
        #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
        let mut scale = (1.0 / denominator) as f32;
        if clip.norm.is_some() || clip.value.is_some() {
            scale_and_bound(self.level, scale, f32::INFINITY, gradient_sum);
            scale = clip
                .norm
                .map_or(1.0, |largest| norm_factor(gradient_sum, largest));
        }
        if let Some(limit) = clip.value {
            #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
            scale_and_bound(self.level, scale, limit as f32, gradient_sum);
            scale = 1.0;
        }
        self.steps += 1;
        let workers = self.workers.clone();
        let (rule, level, steps) = (self.rule, self.level, self.steps);
        let mut parts = self.parts(weights, gradient_sum);
        let apply = |_: usize, part: &mut Part<'_>| rule.apply(level, steps, scale, part);
        match &workers {
            Some(workers) => workers.each(&mut parts, apply),
            None => parts.iter_mut().for_each(|part| apply(0, part)),
        }
        Ok(true)
    }

    /// Cuts weights, gradient and state into a part for every thread.
    fn parts<'a>(&'a mut self, weights: &'a mut [f32], gradient: &'a [f32]) -> Vec<Part<'a>> {
        let threads = self.workers.as_ref().map_or(1, |workers| workers.threads());
        let count = (weights.len() / PARALLEL_WEIGHTS).clamp(1, threads);
        let size = weights.len().div_ceil(count).max(1);
        let mut parts: Vec<Part<'_>> = weights
            .chunks_mut(size)
            .zip(gradient.chunks(size))
            .map(|(weights, gradient)| Part {
                weights,
                gradient,
                state: Vec::new(),
            })
            .collect();
        for values in &mut self.state {
            for (part, values) in parts.iter_mut().zip(values.chunks_mut(size)) {
                part.state.push(values);
            }
        }
        parts
    }

    /// The learning rate of the next update.
    #[must_use]
    pub fn lr(&self) -> f64 {
        self.rule.lr()
    }

    /// Updates made so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// XXH3-128, 32 hexadecimal digits, over the number of updates (u64), the weights, and every vector of the state,
    /// all little endian: equal on all trainers at all times (rule B11).
    #[must_use]
    pub fn state_hash(&self, weights: &[f32]) -> String {
        let mut hasher = Xxh3::new();
        hasher.update(&self.steps.to_le_bytes());
        for values in std::iter::once(weights).chain(self.state.iter().map(Vec::as_slice)) {
            crate::weights::update_with_values(&mut hasher, values);
        }
        format!("{:032x}", hasher.digest128())
    }
}

/// Reads and checks an optimiser's document.
pub(crate) fn read(document: &Value) -> Result<Arguments, Failure> {
    let arguments = Arguments::read(Kind::Optimizer, document, "optimizer")?;
    if arguments.flag("nesterov") && (arguments.real("momentum") <= 0.0 || arguments.real("dampening") != 0.0)
    {
        return Err(Failure::parameter(format!(
            "optimizer (SGD): nesterov = true needs a momentum above 0 and dampening = 0, got momentum = {} and \
             dampening = {}; set momentum (for example to 0.9), or leave nesterov out",
            arguments.real("momentum"),
            arguments.real("dampening")
        )));
    }
    Ok(arguments)
}

/// What the gradient is multiplied by so that its norm is at most `largest`, as torch.nn.utils.clip_grad_norm_ does.
fn norm_factor(gradient: &[f32], largest: f64) -> f32 {
    let square = |value: &f32| f64::from(*value) * f64::from(*value);
    let sum: f64 = gradient
        .chunks(NORM_BLOCK)
        .map(|block| block.iter().map(square).sum::<f64>())
        .sum();
    #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
    let factor = (largest / (libm::sqrt(sum) + 1e-6)).min(1.0) as f32;
    factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_denominator_of_zero_changes_nothing() {
        let mut adam = Optimizer::from_document(&json!({"type": "Adam"}), 2).unwrap();
        let mut weights = [1.0, 2.0];
        let before = adam.state_hash(&weights);
        assert_eq!(
            adam.update(&mut weights, &mut [1.0, 1.0], 0.0, &Clip::default()),
            Ok(false)
        );
        assert_eq!(adam.state_hash(&weights), before);
        assert_eq!(
            adam.update(&mut weights, &mut [1.0, 1.0], 2.0, &Clip::default()),
            Ok(true)
        );
        assert_ne!(adam.state_hash(&weights), before);
        assert_eq!(adam.steps(), 1);
    }

    #[test]
    fn clipping_bounds_norm_then_values() {
        let mut sgd = Optimizer::from_document(&json!({"type": "SGD", "lr": 1}), 2).unwrap();
        let mut weights = [0.0, 0.0];
        let clip = Clip {
            norm: Some(1.0),
            value: Some(0.7),
        };
        sgd.update(&mut weights, &mut [6.0, 8.0], 2.0, &clip).unwrap();
        assert!(
            (weights[0] + 0.6).abs() < 1e-6 && (weights[1] + 0.7).abs() < 1e-6,
            "{weights:?}"
        );
    }

    #[test]
    fn nesterov_needs_momentum() {
        let failure = Optimizer::from_document(&json!({"type": "SGD", "nesterov": true}), 1).unwrap_err();
        assert!(
            failure
                .message
                .contains("nesterov = true needs a momentum above 0"),
            "{failure}"
        );
    }

    #[test]
    fn a_wrong_length_is_refused() {
        let mut adam = Optimizer::from_document(&json!({"type": "Adam"}), 2).unwrap();
        assert!(
            adam.update(&mut [1.0], &mut [1.0], 1.0, &Clip::default())
                .is_err()
        );
    }
}
