//! `localSteps`: steps that logical shards make by themselves, before all of them meet.

use crate::Failure;
use serde::{Deserialize, Serialize};

/// How often shards meet, and what becomes there of what they did. It is part of the arithmetic: one trainer alone computes every
/// shard's steps apart, too.
///
/// ```
/// use candlewick_protocol::local_steps::LocalSteps;
/// let local = LocalSteps { steps: 4, outer_learning_rate: 0.7, outer_momentum: 0.9 };
/// let meetings: Vec<u64> = (1..=10).filter(|made| local.meets_after(*made, 10)).collect();
/// assert_eq!(meetings, [4, 8, 10]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalSteps {
    /// Steps of an epoch from one meeting to the next.
    pub steps: u32,
    /// Learning rate of the outer step, which takes the mean of what shards have moved by as its gradient.
    pub outer_learning_rate: f64,
    /// Nesterov momentum of it.
    pub outer_momentum: f64,
}

impl LocalSteps {
    /// What the parameters say; none where every step is one of all shards together.
    #[must_use]
    pub fn of(steps: u32, outer_learning_rate: f64, outer_momentum: f64) -> Option<Self> {
        (steps > 1).then_some(LocalSteps {
            steps,
            outer_learning_rate,
            outer_momentum,
        })
    }

    /// Whether shards meet after so many steps of a training whose epochs have so many.
    #[must_use]
    pub fn meets_after(&self, made: u64, steps_per_epoch: u64) -> bool {
        let within = made % steps_per_epoch.max(1);
        within.is_multiple_of(u64::from(self.steps.max(1)))
    }

    /// Refuses it beside a parameter that says something else about the exchange.
    ///
    /// # Errors
    /// `InvalidParameter` with both, and what to change.
    pub fn refused(&self, with: &str, why: &str) -> Failure {
        Failure::parameter(format!(
            "localSteps = {} does not go together with {with}: {why}; set localSteps to 1, or leave the other out",
            self.steps
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_is_none_and_the_end_of_an_epoch_is_always_a_meeting() {
        assert_eq!(LocalSteps::of(1, 0.7, 0.9), None);
        let local = LocalSteps::of(100, 1.0, 0.0).unwrap();
        let meetings: Vec<u64> = (1..=14).filter(|made| local.meets_after(*made, 7)).collect();
        assert_eq!(meetings, [7, 14]);
        let text = serde_json::to_string(&local).unwrap();
        assert_eq!(
            text,
            r#"{"steps":100,"outerLearningRate":1.0,"outerMomentum":0.0}"#
        );
        assert_eq!(serde_json::from_str::<LocalSteps>(&text).unwrap(), local);
    }
}
