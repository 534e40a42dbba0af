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
        self.count(values, time.as_secs_f64());
    }

    fn count(&mut self, values: usize, seconds: f64) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn remembering(lengths: std::ops::Range<usize>) -> Chooser {
        let mut chooser = Chooser::default();
        lengths.for_each(|values| chooser.remember(values, Choice::set(Algorithm::Direct, "a test")));
        chooser
    }

    #[test]
    fn the_summary_tells_of_the_length_that_was_most_of_all() {
        let mut chooser = remembering(10..13);
        assert_eq!(chooser.most(), None, "nothing was exchanged yet");
        chooser.count(12, 3.0);
        for seconds in [0.5, 0.25, 1.0] {
            chooser.count(10, seconds);
        }
        chooser.count(99, 1.0);
        let most = chooser.most().unwrap();
        // 3 times 10 values are more than 12.
        assert_eq!(
            (most.values, most.count, most.seconds, most.least),
            (10, 3, 1.75, 0.25)
        );
    }

    #[test]
    fn lengths_of_long_ago_are_forgotten() {
        let chooser = remembering(0..LENGTHS + 3);
        let values: Vec<usize> = chooser.known.iter().map(|known| known.values).collect();
        assert!(values.into_iter().eq(3..LENGTHS + 3));
    }
}
