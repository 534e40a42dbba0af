//! States on their way to the driver: taken as a copy in memory by the computing thread, written and sent by another.
//!
//! One is sent at a time and one may wait. A younger one takes the place of the one that waits: where the way to the driver
//! is slow there are fewer checkpoints, and training never waits for them but at its end. Memory is kept for one of them (rule D):
//! where there is none for another beside it, there are fewer too.

use super::state::State;
use crate::memory::{Charge, Ledger};
use candlewick_collective::HaltToken;
use candlewick_model::optim::SavedFile;
use candlewick_protocol::Failure;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::message::{BULK_CHUNK, ToCoordinator};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often who waits for the last one says that it lives.
const LOOK: Duration = Duration::from_millis(100);

/// A state to be sent.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) generation: u64,
    pub(super) counter: ProgramCounter,
    /// Training is over.
    pub(super) last: bool,
    pub(super) file: SavedFile,
    /// Of its memory.
    pub(super) charge: Charge,
    /// Ends the sending with its generation.
    pub(super) halt: HaltToken,
}

#[derive(Debug, Default)]
struct Slot {
    waiting: Option<Snapshot>,
    sending: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    slot: Mutex<Slot>,
    changed: Condvar,
}

impl Snapshots {
    /// Starts the thread that sends; it lives as long as the process.
    pub(super) fn start(state: Arc<State>) -> Result<Arc<Self>, Failure> {
        let snapshots = Arc::new(Snapshots::default());
        let own = Arc::clone(&snapshots);
        std::thread::Builder::new()
            .name("candlewick-snapshot".to_owned())
            .spawn(move || {
                loop {
                    let next = own.next();
                    if let Err(failure) = send(&state, next) {
                        state.fail(failure);
                    }
                    own.lock().sending = false;
                    own.changed.notify_all();
                }
            })
            .map_err(|error| Failure::unavailable(format!("a thread cannot be started: {error}")))?;
        Ok(snapshots)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts one up for sending, in the place of one that waits.
    pub(super) fn put(&self, snapshot: Snapshot) {
        self.lock().waiting = Some(snapshot);
        self.changed.notify_all();
    }

    /// Whether a copy of the state at a counter may be made: the last one in any case, others where there is memory for them beside
    /// one that is being sent. One that waits is left out, and its memory given back.
    pub(super) fn admits(
        &self,
        (counter, last): (ProgramCounter, bool),
        ledger: &Ledger,
        (halt, alive): (&HaltToken, &dyn Fn()),
    ) -> bool {
        let (waited, sending) = {
            let mut slot = self.lock();
            (slot.waiting.take(), slot.sending)
        };
        if let Some(waited) = waited {
            let left_out = waited.counter;
            tracing::info!("the checkpoint at {left_out} is left out: an earlier one is still on its way");
            // Its memory is enough.
            return true;
        }
        if !sending || ledger.has_room_for_state() {
            return true;
        }
        if last {
            self.flush(halt, alive);
        } else {
            tracing::info!(
                "the checkpoint at {counter} is left out: an earlier one is still on its way, and memory does not hold both"
            );
        }
        last
    }

    fn next(&self) -> Snapshot {
        let mut slot = self.lock();
        loop {
            if let Some(next) = slot.waiting.take() {
                slot.sending = true;
                return next;
            }
            slot = self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until everything is sent or `halt` says that nobody wants it any more; `alive` is called while it waits.
    pub(super) fn flush(&self, halt: &HaltToken, alive: impl Fn()) {
        let mut slot = self.lock();
        while (slot.sending || slot.waiting.is_some()) && !halt.is_cancelled() {
            alive();
            let (woken, _) = self
                .changed
                .wait_timeout(slot, LOOK)
                .unwrap_or_else(PoisonError::into_inner);
            slot = woken;
        }
    }
}

fn send(state: &State, snapshot: Snapshot) -> Result<(), Failure> {
    let Snapshot {
        generation,
        counter,
        last,
        mut file,
        mut charge,
        halt,
    } = snapshot;
    let total = file.left();
    while file.left() > 0 {
        candlewick_failpoint::reach("gang.snapshot", counter.step)?;
        if halt.is_cancelled() {
            return Ok(());
        }
        let message = ToCoordinator::Snapshot {
            generation,
            counter,
            last,
            offset: total - file.left(),
            total,
        };
        state.send_bulk(message, file.piece(BULK_CHUNK));
        charge.set(file.held());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Account;
    use candlewick_collective::Halts;
    use candlewick_model::optim::{Saved, SavedTensor};
    use candlewick_protocol::counter::ProgramPhase;
    use std::cell::Cell;

    const AT: ProgramCounter = ProgramCounter {
        epoch: 0,
        step: 3,
        phase: ProgramPhase::Step,
    };

    fn state(halt: &HaltToken, ledger: &Arc<Ledger>) -> Snapshot {
        let tensor = SavedTensor {
            name: "weights".to_owned(),
            shape: vec![1_000],
            values: vec![1.0; 1_000],
        };
        let saved = Saved {
            tensors: vec![tensor],
            ..Saved::default()
        };
        let file = saved.into_file().unwrap();
        Snapshot {
            generation: 1,
            counter: AT,
            last: false,
            charge: ledger.charge(Account::States, file.left()),
            file,
            halt: halt.clone(),
        }
    }

    #[test]
    fn beside_one_that_is_sent_another_is_copied_where_memory_holds_both() {
        let halts = Halts::default();
        let halt = halts.token(1);
        for (limit, holds) in [(0, true), (20_000, true), (12_000, false)] {
            let ledger = Ledger::new(limit);
            let _kept = ledger.keep_for_state(4_200);
            let _rows = ledger.charge(Account::Rows, 6_000);
            let snapshots = Snapshots::default();
            let looked = Cell::new(0);
            let admits = |last: bool| {
                let alive = || looked.set(looked.get() + 1);
                snapshots.admits((AT, last), &ledger, (&halt, &alive))
            };
            assert!(admits(false), "none is on its way");
            snapshots.put(state(&halt, &ledger));
            let sent = snapshots.next();
            assert_eq!(admits(false), holds, "of {limit} bytes");
            // One that waits gives its memory to a younger one.
            snapshots.put(state(&halt, &ledger));
            let with_two = ledger.now(Account::States);
            assert!(admits(false));
            assert_eq!(ledger.now(Account::States), with_two / 2);
            assert_eq!(looked.get(), 0, "nobody waits");
            drop(sent);
        }
    }

    #[test]
    fn the_last_one_waits_for_memory_and_not_for_one_that_nobody_wants() {
        let halts = Halts::default();
        let halt = halts.token(1);
        let ledger = Ledger::new(10_000);
        let _kept = ledger.keep_for_state(4_200);
        let _rows = ledger.charge(Account::Rows, 4_000);
        let snapshots = Snapshots::default();
        snapshots.put(state(&halt, &ledger));
        let sent = snapshots.next();
        assert!(!ledger.has_room_for_state());
        let (waits, waiting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let snapshots = &snapshots;
            scope.spawn(move || {
                waiting.recv().unwrap();
                drop(sent);
                snapshots.lock().sending = false;
                snapshots.changed.notify_all();
            });
            let alive = move || {
                let _ = waits.send(());
            };
            assert!(snapshots.admits((AT, true), &ledger, (&halt, &alive)));
        });
        assert!(ledger.has_room_for_state(), "it is sent");

        snapshots.put(state(&halt, &ledger));
        let _sent = snapshots.next();
        halts.halt_through(1);
        assert!(snapshots.admits((AT, true), &ledger, (&halt, &|| {})));
    }
}
