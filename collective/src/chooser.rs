//! What every length of vectors takes, and how long that took.

use crate::gang::Gang;
use crate::plan::Algorithm;
use crate::plan::choose::{Choice, choose};
use crate::plan::times::Speeds;
use std::time::Duration;

/// Lengths that are remembered.
const LENGTHS: usize = 64;

/// Exchanges of one length so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchanged {
    /// Values that were added up.
    pub values: usize,
    /// How, and why so.
    pub choice: Choice,
    /// How often.
    pub count: u64,
    /// All of it; who comes first waits for the others.
    pub seconds: f64,
    /// The fastest one.
    pub least: f64,
}

/// Chooses once for each length.
#[derive(Debug, Default)]
pub(crate) struct Chooser {
    /// What was measured, where it was.
    pub(crate) speeds: Option<Speeds>,
    known: Vec<Exchanged>,
}

impl Chooser {
    /// How sums of so many values are formed. Rows of tables go directly: every row has one owner, whom all know.
    pub(crate) fn algorithm(&mut self, gang: &Gang, values: usize, tables: usize) -> Algorithm {
        if tables > 0 {
            return Algorithm::Direct;
        }
        match (gang.config.algorithm, self.speeds) {
            (Some(algorithm), _) => algorithm,
            (None, None) => Algorithm::Direct,
            (None, Some(speeds)) => self.of(gang, values, &speeds),
        }
    }

    fn of(&mut self, gang: &Gang, values: usize, speeds: &Speeds) -> Algorithm {
        if let Some(known) = self.known.iter().find(|known| known.values == values) {
            return known.choice.algorithm;
        }
        let choice = choose(&gang.shape, speeds, values, gang.config.any_order);
        let algorithm = choice.algorithm;
        tracing::info!(
            "generation {}: {values} values are added up by {}: {}",
            gang.config.generation,
            algorithm.name(),
            choice.reason
        );
        self.remember(values, choice);
        algorithm
    }

    fn remember(&mut self, values: usize, choice: Choice) {
        if self.known.len() == LENGTHS {
            self.known.remove(0);
        }
        self.known.push(Exchanged {
            values,
            choice,
            count: 0,
            seconds: 0.0,
            least: f64::INFINITY,
        });
    }

    /// An exchange of so many values took so long.
    pub(crate) fn took(&mut self, gang: &Gang, (values, tables): (usize, usize), time: Duration) {
        if !self.known.iter().any(|known| known.values == values) {
            let (algorithm, reason) = match gang.config.algorithm {
                _ if tables > 0 => (Algorithm::Direct, "rows of tables have one owner each"),
                Some(algorithm) => (algorithm, "it was set"),
                None => (Algorithm::Direct, "nothing was measured"),
            };
            self.remember(values, Choice::set(algorithm, reason));
        }
        let seconds = time.as_secs_f64();
        for known in self.known.iter_mut().filter(|known| known.values == values) {
            known.count += 1;
            known.seconds += seconds;
            known.least = known.least.min(seconds);
        }
    }

    /// Those of the length that was most of all that was exchanged.
    pub(crate) fn most(&self) -> Option<&Exchanged> {
        let values = |known: &&Exchanged| (known.values as u64 + 1).saturating_mul(known.count);
        self.known
            .iter()
            .max_by_key(values)
            .filter(|known| known.count > 0)
    }
}
