//! Rounds of several steps: the memory of a step's rows is free for those that come as soon as the step is computed.

use super::super::{BATCHES, Rows};
use super::*;
use crate::rows::Takes;
use crate::train::batch::{Ends, prepare};
use crate::train::settled::INTERVAL;

/// Stands where the gathering thread does: it fills free memory with the rows of the next step, and sees when there is none.
struct Gathers {
    /// The rows of every step, as they are gathered.
    source: Mutex<Rows>,
    ends: Mutex<Ends>,
    computed: AtomicU64,
}

impl Gathers {
    /// Fills memory that is free; false where there is none.
    fn fills(&self) -> bool {
        let (free, ready) = &*self.ends.lock().unwrap();
        let Ok(_memory) = free.try_recv() else {
            return false;
        };
        // There are none behind the last step.
        if let Ok(batch) = self.source.lock().unwrap().next() {
            ready.send(Ok(batch)).unwrap();
        }
        true
    }
}

impl Observer for Gathers {
    fn boundary(&self, _: ProgramCounter) -> Result<Onward, Interrupt> {
        Ok(Onward::Go)
    }

    /// Comes with each step, while its rows are held.
    fn progress(&self, _: ProgramCounter) {
        let before = self.computed.fetch_add(1, Ordering::Relaxed);
        assert_eq!(self.fills(), before > 0, "behind step {before}");
    }

    fn epoch(&self, _: &EpochRecord) -> Result<(), Interrupt> {
        Ok(())
    }

    fn epochs_acknowledged(&self) -> u32 {
        0
    }
}

#[test]
fn the_rows_of_the_next_step_are_gathered_while_one_of_a_round_is_computed() {
    for (name, value) in [("localSteps", json!(5)), ("asynchrony", json!("stale"))] {
        let mut job = json!({"task": "classifier", "params": {
            "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]}, "epochs": 1}});
        job["params"][name] = value;
        let plan = &plan(&job);
        let steps = plan.steps();
        let mut session = Session::new(&plan.job, 1).unwrap();
        std::thread::scope(|scope| {
            let (source, gathering) = Rows::of(steps as usize, Takes::Dense);
            let network = session.network().clone();
            scope.spawn(move || prepare(plan, (&network, None), 0, gathering));
            let (rows, ends) = Rows::of(BATCHES, Takes::Dense);
            let gathers = Gathers {
                source: Mutex::new(source),
                ends: Mutex::new(ends),
                computed: AtomicU64::new(0),
            };
            (0..BATCHES).for_each(|_| assert!(gathers.fills()));
            let mut alone = SingleProcess { logical_shards: 4 };
            let round = match name {
                "localSteps" => session.round(plan, &mut alone, &gathers, &rows),
                _ => session.stale_round(plan, &mut alone, &gathers, &rows),
            };
            round.unwrap();
            // Where trainers do not wait they agree every few steps.
            let wanted = if name == "localSteps" {
                steps
            } else {
                steps.min(INTERVAL)
            };
            assert_eq!(gathers.computed.into_inner(), wanted, "{name}: one round");
        });
    }
}
