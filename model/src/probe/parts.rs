//! When the parts of a gradient are final within a step.

use std::ops::Range;
use std::time::Instant;

/// Takes the times of one step, which begins when it is made.
#[derive(Debug)]
pub struct PartTimes<'a> {
    parts: &'a [Range<usize>],
    began: Instant,
    ready: Vec<f64>,
}

impl<'a> PartTimes<'a> {
    /// Of these parts, see [`Engine::parts`](crate::engine::Engine::parts).
    #[must_use]
    pub fn new(parts: &'a [Range<usize>]) -> Self {
        PartTimes {
            parts,
            began: Instant::now(),
            ready: Vec::with_capacity(parts.len()),
        }
    }

    /// All values from there on are final, as [`Exchange::ready`](crate::engine::Exchange::ready) has it.
    pub fn ready(&mut self, from: usize) {
        // What goes with the last part is there at the end of the step.
        while self.ready.len() + 1 < self.parts.len() && self.parts[self.ready.len()].start >= from {
            self.ready.push(self.began.elapsed().as_secs_f64());
        }
    }

    /// The step is computed: seconds after which each part was final.
    #[must_use]
    pub fn end(mut self) -> Vec<f64> {
        self.ready
            .resize(self.parts.len(), self.began.elapsed().as_secs_f64());
        self.ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_the_time_at_which_it_was_final_and_the_last_one_that_of_the_end() {
        let parts = [6..9, 3..6, 0..3];
        let mut times = PartTimes::new(&parts);
        times.ready(7);
        assert!(times.ready.is_empty());
        times.ready(6);
        assert_eq!(times.ready.len(), 1);
        // The first values wait for what goes with them.
        times.ready(0);
        assert_eq!(times.ready.len(), 2);
        let ready = times.end();
        assert!(ready.len() == 3 && ready.is_sorted(), "{ready:?}");
    }
}
