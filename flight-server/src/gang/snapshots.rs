//! States on their way to the driver: taken as a copy in memory by the computing thread, written and sent by another.
//!
//! One is sent at a time and one may wait. A younger one takes the place of the one that waits: where the way to the driver
//! is slow there are fewer checkpoints, and training never waits for them but at its end.

use super::state::State;
use crate::memory::Charge;
use candlewick_collective::HaltToken;
use candlewick_model::optim::Saved;
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
    pub(super) saved: Saved,
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

    /// Puts one up for sending; whether it takes the place of another.
    pub(super) fn put(&self, snapshot: Snapshot) -> bool {
        let replaced = self.lock().waiting.replace(snapshot).is_some();
        self.changed.notify_all();
        replaced
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
        saved,
        charge,
        halt,
    } = snapshot;
    let file = saved.to_bytes()?;
    // Both are there for a moment.
    let _file = charge.beside(file.len() as u64);
    drop((saved, charge));
    let total = file.len() as u64;
    let mut offset = 0;
    for part in file.chunks(BULK_CHUNK) {
        candlewick_failpoint::reach("gang.snapshot", counter.step)?;
        if halt.is_cancelled() {
            return Ok(());
        }
        let message = ToCoordinator::Snapshot {
            generation,
            counter,
            last,
            offset,
            total,
        };
        state.send_bulk(message, part.to_vec());
        offset += part.len() as u64;
    }
    Ok(())
}
