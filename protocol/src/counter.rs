//! The program counter of a training run: a name for every point between two changes of its state.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a training run does next. The order is that of time within an epoch, at equal steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProgramPhase {
    /// Evaluates the weights over the validation rows: at the end of an epoch, or within it (validationSteps).
    Evaluate,
    /// Closes the epoch: its record, the schedule's and early stopping's decisions.
    Close,
    /// Makes a step, or ends where there is none left.
    #[default]
    Step,
}

/// Where a training run stands: so much is completed and in the state, and this comes next (rule B10). Counters of one run
/// grow with time.
///
/// ```
/// use candlewick_protocol::counter::{ProgramCounter, ProgramPhase};
/// let close = ProgramCounter { epoch: 0, step: 10, phase: ProgramPhase::Close };
/// let next = ProgramCounter { epoch: 1, step: 10, phase: ProgramPhase::Step };
/// assert!(close < next);
/// assert_eq!(close.to_string(), "close of epoch 0, after step 10");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramCounter {
    /// Epoch, from 0.
    pub epoch: u32,
    /// Steps completed since the start of training.
    pub step: u64,
    /// What comes next.
    #[serde(default)]
    pub phase: ProgramPhase,
}

impl fmt::Display for ProgramCounter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProgramCounter { epoch, step, .. } = self;
        match self.phase {
            ProgramPhase::Step => write!(out, "step {step} of training, in epoch {epoch}"),
            ProgramPhase::Evaluate => write!(out, "evaluation in epoch {epoch}, after step {step}"),
            ProgramPhase::Close => write!(out, "close of epoch {epoch}, after step {step}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u32, step: u64, phase: ProgramPhase) -> ProgramCounter {
        ProgramCounter { epoch, step, phase }
    }

    #[test]
    fn counters_grow_with_time() {
        use ProgramPhase::{Close, Evaluate, Step};
        // Two epochs of two steps, with an evaluation after every step.
        let run = [
            at(0, 0, Step),
            at(0, 1, Evaluate),
            at(0, 1, Step),
            at(0, 2, Evaluate),
            at(0, 2, Close),
            at(1, 2, Step),
            at(1, 3, Evaluate),
            at(1, 3, Step),
            at(1, 4, Evaluate),
            at(1, 4, Close),
            at(2, 4, Step),
        ];
        assert!(run.is_sorted_by(|earlier, later| earlier < later), "{run:?}");
    }

    #[test]
    fn the_wire_has_names() {
        let json = serde_json::to_string(&at(1, 812, ProgramPhase::Evaluate)).unwrap();
        assert_eq!(json, r#"{"epoch":1,"step":812,"phase":"evaluate"}"#);
        assert_eq!(
            serde_json::from_str::<ProgramCounter>(&json).unwrap(),
            at(1, 812, ProgramPhase::Evaluate)
        );
    }
}
