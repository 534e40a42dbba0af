//! What the threads of a gang trainer share.

use super::reserve::Reserve;
use crate::memory::{Charge, resident_bytes};
use crate::spool::Spool;
use candlewick_collective::{HaltToken, Halts};
use candlewick_membership::{Boundary, Control, Heard};
use candlewick_protocol::Failure;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::feed::KEEP_ALIVE;
use candlewick_protocol::message::{Progress, ToCoordinator, ToTrainer};
use candlewick_wire::BULK;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{SetOnce, mpsc};

/// Words that may wait to be sent.
const WORDS: usize = 256;
/// How often and how long after each other a failure is tried where the queue is full.
const LAST_TRIES: (u32, Duration) = (20, Duration::from_millis(10));

/// Both ends of what goes to the coordinator: words first, bulk when there is room.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) words: mpsc::Receiver<ToCoordinator>,
    pub(super) bulk: mpsc::Receiver<(ToCoordinator, Vec<u8>)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    began: Instant,
    spool: SetOnce<Arc<Spool>>,
    /// Memory of the job, beside rows.
    pub(super) reserve: Reserve,
    counter: Mutex<ProgramCounter>,
    /// Mean loss over the epoch so far, by its bits, and steps of an epoch.
    loss: AtomicU64,
    steps_per_epoch: AtomicU64,
    ticks: AtomicU64,
    control: Mutex<Control>,
    /// Ends the waits of generations that are over.
    halts: Halts,
    words: mpsc::Sender<ToCoordinator>,
    bulk: mpsc::Sender<(ToCoordinator, Vec<u8>)>,
    /// Memory of a saved state, from its first part until it is restored.
    arriving: Mutex<Charge>,
}

impl State {
    pub(super) fn new() -> (Self, Outbox) {
        let (words, word_inbox) = mpsc::channel(WORDS);
        let (bulk, bulk_inbox) = mpsc::channel(BULK);
        let halts = Halts::default();
        let state = State {
            began: Instant::now(),
            spool: SetOnce::new(),
            reserve: Reserve::default(),
            counter: Mutex::default(),
            loss: AtomicU64::new(f64::NAN.to_bits()),
            steps_per_epoch: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            control: Mutex::new(Control::new(halts.clone())),
            halts,
            words,
            bulk,
            arriving: Mutex::default(),
        };
        (
            state,
            Outbox {
                words: word_inbox,
                bulk: bulk_inbox,
            },
        )
    }

    /// A saved state begins to come, in the place of one that has not come as a whole.
    pub(super) fn arrives(&self, charge: Charge) {
        *self.arriving.lock().unwrap_or_else(PoisonError::into_inner) = charge;
    }

    /// What the state that has come is charged, for who holds it from now on.
    pub(super) fn arrived(&self) -> Charge {
        std::mem::take(&mut *self.arriving.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says something to the coordinator; waits while it does not read, which the lease (rule C1) bounds. For the
    /// computing thread.
    pub(super) fn tell(&self, message: ToCoordinator) {
        // Without a receiver the control thread is about to end the process.
        let _ = self.words.blocking_send(message);
    }

    /// Says something that may as well be left out where the coordinator does not read: a beat.
    pub(super) fn mention(&self, message: ToCoordinator) {
        let _ = self.words.try_send(message);
    }

    /// Tells a failure, from any thread. Where the coordinator does not read it learns of the end of the process instead.
    pub(super) fn fail(&self, failure: Failure) {
        tracing::error!("{}", failure.message);
        let mut message = ToCoordinator::Failed { failure };
        let (tries, pause) = LAST_TRIES;
        for _ in 0..tries {
            match self.words.try_send(message) {
                Ok(()) | Err(TrySendError::Closed(_)) => return,
                Err(TrySendError::Full(back)) => message = back,
            }
            std::thread::sleep(pause);
        }
    }

    /// A feed stream that says nothing for so long is cancelled.
    pub(super) fn silence_limit(&self) -> Duration {
        self.control().timeout().max(KEEP_ALIVE * 5)
    }

    /// Sends a part of the weights or of a state; waits while earlier ones are on their way. Not for the control thread.
    pub(super) fn send_bulk(&self, message: ToCoordinator, body: Vec<u8>) {
        let _ = self.bulk.blocking_send((message, body));
    }

    pub(super) fn set_spool(&self, spool: Arc<Spool>) -> Result<(), Failure> {
        self.spool
            .set(spool)
            .map_err(|_| Failure::internal("the coordinator said Welcome twice"))
    }

    pub(super) fn spool(&self) -> Option<&Arc<Spool>> {
        self.spool.get()
    }

    /// The spool, waited for: a feeder may be faster than the coordinator's Welcome.
    pub(super) async fn spool_within(&self, timeout: Duration) -> Option<Arc<Spool>> {
        tokio::time::timeout(timeout, self.spool.wait())
            .await
            .ok()
            .cloned()
    }

    /// The computing thread did something, and stands there.
    pub(super) fn progressed(&self, counter: ProgramCounter) {
        *self.counter.lock().unwrap_or_else(PoisonError::into_inner) = counter;
        self.tick();
    }

    /// A step was made.
    pub(super) fn trained(&self, loss: Option<f64>, steps_per_epoch: u64) {
        self.loss
            .store(loss.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
        self.steps_per_epoch.store(steps_per_epoch, Ordering::Relaxed);
    }

    /// The computing thread did something.
    pub(super) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// The computing thread turns to a generation.
    pub(super) fn turn_to(&self, generation: u64) {
        self.control().turn_to(generation);
    }

    /// The next beat, as it is sent.
    pub(super) fn beat(&self) -> ToCoordinator {
        let progress = Progress {
            counter: *self.counter.lock().unwrap_or_else(PoisonError::into_inner),
            rows_spooled: self.spool.get().map_or(0, |spool| spool.rows()),
            ticks: self.ticks.load(Ordering::Relaxed),
            resident_bytes: resident_bytes(),
            loss: Some(f64::from_bits(self.loss.load(Ordering::Relaxed))).filter(|loss| loss.is_finite()),
            steps_per_epoch: self.steps_per_epoch.load(Ordering::Relaxed),
        };
        let (number, generation) = self.control().beat(self.began.elapsed());
        ToCoordinator::Beat {
            number,
            generation,
            progress,
        }
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_lease(&self, failure_timeout: Duration) {
        self.control().begin(self.began.elapsed(), failure_timeout);
    }

    /// The coordinator said something, just now.
    pub(super) fn hear(&self, message: ToTrainer) -> Result<Heard, Failure> {
        self.control().hear(self.began.elapsed(), message)
    }

    /// Whether the next point of the program may begin, see [`Control::boundary`].
    pub(super) fn boundary(&self, halt: &HaltToken, epoch: u32) -> Boundary {
        self.control().boundary(self.began.elapsed(), halt, epoch)
    }

    /// Rule C1, see [`Control::must_exit`].
    pub(super) fn must_exit(&self) -> bool {
        self.control().must_exit(self.began.elapsed())
    }

    /// The coordinator has the records of so many epochs.
    pub(super) fn epochs_acknowledged(&self) -> u32 {
        self.control().epochs_acknowledged()
    }

    /// The generations that are over.
    pub(super) fn halts(&self) -> &Halts {
        &self.halts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinator_that_does_not_read_costs_no_more_than_the_queue() {
        let (state, outbox) = State::new();
        for _ in 0..10 * WORDS {
            state.mention(state.beat());
        }
        assert_eq!(outbox.words.len(), WORDS);
        state.fail(Failure::internal("a failure does not wait for ever"));
        assert_eq!(outbox.words.len(), WORDS);
    }

    #[test]
    fn a_failure_goes_out_where_there_is_room() {
        let (state, mut outbox) = State::new();
        state.fail(Failure::internal("x"));
        assert!(matches!(
            outbox.words.try_recv(),
            Ok(ToCoordinator::Failed { .. })
        ));
    }
}
