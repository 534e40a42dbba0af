//! The state machine among threads: one lock, the links to the trainers, the clock.

use crate::command::Command;
use crate::machine::{Machine, Now, Output, Snapshot};
use crate::queue::{EventQueue, Overflow};
use candlewick_protocol::Failure;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::message::{BULK_CHUNK, ToCoordinator, ToTrainer, TrainerInfo};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How often deadlines are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// Messages that may wait for a trainer that does not read; more, and its link is cut.
pub(crate) const OUTBOX: usize = 1024;

/// The coordinator's end of a trainer's stream. Dropping it closes the stream after what was sent.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) outbox: mpsc::Sender<ToTrainer>,
    /// What is too large for one message: it waits for its turn.
    pub(crate) bulk: mpsc::Sender<(ToTrainer, Vec<u8>)>,
    /// Dropped with the link, which ends the task that reads the stream.
    pub(crate) _reader: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    links: HashMap<String, Link>,
}

/// What the service, the clock and the driver's calls share.
#[derive(Debug)]
pub(crate) struct Shared {
    began: Instant,
    inner: Mutex<Inner>,
    pub(crate) events: EventQueue,
}

impl Shared {
    pub(crate) fn new(machine: Machine) -> Self {
        let inner = Mutex::new(Inner {
            machine,
            links: HashMap::new(),
        });
        Shared {
            began: Instant::now(),
            inner,
            events: EventQueue::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the machine an input and does what it wants done, under one lock so that the order is kept.
    fn drive<T>(&self, input: impl FnOnce(&mut Machine, Now) -> T) -> T {
        let mut inner = self.lock();
        let now = self.began.elapsed();
        let answer = input(&mut inner.machine, now);
        self.perform(&mut inner, now);
        answer
    }

    fn perform(&self, inner: &mut Inner, now: Now) {
        loop {
            let outputs = inner.machine.take_outputs();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::Event(event) => {
                        if self.events.push(event) == Err(Overflow) {
                            inner.machine.driver_overflow();
                        }
                    }
                    Output::Close { trainer } => {
                        inner.links.remove(&trainer);
                    }
                    Output::Restore {
                        trainer,
                        counter,
                        state,
                    } => {
                        if let Some(link) = inner.links.get(&trainer) {
                            send_state(link.bulk.clone(), counter, state);
                        }
                    }
                    Output::Send { trainer, message } => {
                        let link = inner.links.get(&trainer);
                        let full = |link: &Link| link.outbox.try_send(message).is_err();
                        if link.is_some_and(full) {
                            inner.links.remove(&trainer);
                            inner.machine.disconnect(now, &trainer);
                        }
                    }
                }
            }
        }
    }

    /// Where everybody stood when the job failed, or stands now.
    pub(crate) fn record(&self) -> Value {
        self.lock().machine.record()
    }

    /// The youngest state that a gang has sent and nobody has taken.
    pub(crate) fn take_snapshot(&self) -> Option<Snapshot> {
        self.lock().machine.take_snapshot()
    }

    /// A part of the state that training is to go on from.
    pub(crate) fn resume_from(&self, offset: u64, part: &[u8]) -> Result<(), Failure> {
        self.lock().machine.resume_from(offset, part)
    }

    /// A trainer's first message; `link` is kept where it is accepted.
    pub(crate) fn connect(&self, info: TrainerInfo, link: Link) -> Result<(), Failure> {
        let mut inner = self.lock();
        let now = self.began.elapsed();
        let id = info.id.clone();
        inner.machine.connect(now, info)?;
        inner.links.insert(id, link);
        self.perform(&mut inner, now);
        Ok(())
    }

    pub(crate) fn message(&self, from: &str, message: ToCoordinator, body: &[u8]) {
        self.drive(|machine, now| machine.message(now, from, message, body));
    }

    pub(crate) fn disconnect(&self, from: &str) {
        self.drive(|machine, now| machine.disconnect(now, from));
        self.lock().links.remove(from);
    }

    pub(crate) fn command(&self, command: Command) -> Result<Value, Failure> {
        self.drive(|machine, now| machine.command(now, command))
    }

    pub(crate) fn tick(&self) {
        self.drive(Machine::tick);
    }

    pub(crate) fn job(&self) -> JobSpec {
        self.lock().machine.job().clone()
    }

    /// The weights file and its weightsHash.
    pub(crate) fn weights(&self) -> Result<(Arc<Vec<u8>>, String), Failure> {
        self.lock().machine.weights()
    }

    pub(crate) fn shut_down(&self) {
        self.drive(|machine, _| machine.shut_down());
        self.lock().links.clear();
    }
}

/// Sends a state in parts from a thread of its own, which waits while earlier parts are on their way. It ends with the link.
fn send_state(bulk: mpsc::Sender<(ToTrainer, Vec<u8>)>, counter: ProgramCounter, state: Arc<Vec<u8>>) {
    let spawned = std::thread::Builder::new()
        .name("candlewick-state".to_owned())
        .spawn(move || {
            let total = state.len() as u64;
            let mut offset = 0;
            for part in state.chunks(BULK_CHUNK) {
                let message = ToTrainer::Restore {
                    counter,
                    offset,
                    total,
                };
                if bulk.blocking_send((message, part.to_vec())).is_err() {
                    return;
                }
                offset += part.len() as u64;
            }
        });
    if let Err(error) = spawned {
        // Nothing comes of it: the wait for the trainer's answer has a deadline.
        tracing::error!("a thread cannot be started: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Event;
    use crate::machine::tests::{TIMEOUTS, info, job};
    use crate::queue::LIMIT;

    /// Trainers that come and go at launch: each is an event that the driver must not miss.
    #[test]
    fn a_driver_that_ticks_and_takes_no_event_fails_the_job_before_the_memory_is_full() {
        let shared = Shared::new(Machine::new(job(), TIMEOUTS));
        let mut inner = shared.lock();
        for at in 0..LIMIT {
            let lost = Event::Lost {
                trainer: at.to_string(),
                why: String::new(),
            };
            shared.events.push(lost).unwrap();
        }
        inner.machine.connect(Duration::ZERO, info("t", "1")).unwrap();
        shared.perform(&mut inner, Duration::ZERO);
        drop(inner);
        let last = std::iter::from_fn(|| shared.events.poll(Duration::ZERO)).last();
        let Some(Event::Failed { failure }) = last else {
            panic!("{last:?}")
        };
        assert!(failure.message.contains("has taken no event"), "{failure}");
    }
}
