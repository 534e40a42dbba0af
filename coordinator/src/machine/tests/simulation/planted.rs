//! Faults that are planted in the rules, to see that the simulation finds them.

use super::{outcome, truth};
use candlewick_failpoint::{Fault, plant};

/// Each must be found within so many seeds.
const SEEDS: u64 = 2_000;

#[test]
fn every_simulated_fit_with_a_planted_fault_is_found_out() {
    truth::truth();
    for fault in Fault::ALL {
        plant(Some(fault));
        let found = (1..=SEEDS).find_map(|seed| Some((seed, outcome(seed).err()?)));
        plant(None);
        let (seed, what) = found.unwrap_or_else(|| panic!("{fault:?} is not found within {SEEDS} seeds"));
        println!(
            "{fault:?}: seed {seed}: {}",
            what.lines().next().unwrap_or_default()
        );
        for seed in 1..=seed {
            if let Err(what) = outcome(seed) {
                panic!("without {fault:?}: {what}");
            }
        }
    }
}
