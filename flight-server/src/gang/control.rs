//! The stream to the coordinator: beats, orders, and the end of the process when the coordinator is gone.
//!
//! Runs on a thread and runtime of its own, so that no amount of rows or computing delays a beat.

use super::state::{Outbox, State};
use crate::chunk::Shape;
use crate::exit;
use crate::memory::{Account, Ledger};
use crate::spill::Spill;
use crate::spool::Spool;
use arrow_flight::FlightData;
use candlewick_membership::{End, Heard, Order};
use candlewick_protocol::auth::COORDINATOR;
use candlewick_protocol::keys::Purpose;
use candlewick_protocol::launch::TrainerConfig;
use candlewick_protocol::message::{ToCoordinator, ToTrainer, TrainerInfo};
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_wire::{Assembly, Client, ControlReader, Identity, from_status, outgoing};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tonic::{Request, Streaming};

/// Start of the message where its parts do not follow each other.
const STATE: &str = "the saved state";
/// Longest wait for the coordinator at the start.
const CONNECT: Duration = Duration::from_secs(10);
/// Bounds of the time between beats; within them failureTimeout / 20.
const SHORTEST_BEAT: Duration = Duration::from_millis(50);
const LONGEST_BEAT: Duration = Duration::from_millis(1_000);

/// Talks with the coordinator until the end; returns the exit status.
pub(super) fn run(
    config: &TrainerConfig,
    info: TrainerInfo,
    state: (&Arc<State>, Arc<Spill>),
    orders: &Sender<Order>,
    outbox: Outbox,
) -> Result<i32, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("the control thread cannot start: {error}")))?;
    let outcome = runtime.block_on(talk(config, info, state, orders, outbox));
    // Nothing on this thread is worth waiting for any more.
    runtime.shutdown_background();
    outcome
}

async fn talk(
    config: &TrainerConfig,
    info: TrainerInfo,
    state: (&Arc<State>, Arc<Spill>),
    orders: &Sender<Order>,
    outbox: Outbox,
) -> Result<i32, Failure> {
    let (state, spill) = state;
    let identity = Identity {
        job: config.job.clone(),
        client: config.trainer.clone(),
        server: COORDINATOR.to_owned(),
        key: config.keys.key(Purpose::Control)?.clone(),
        purpose: Purpose::Control,
    };
    let client = Client::connect(
        &config.coordinator_host,
        config.coordinator_port,
        &identity,
        CONNECT,
    )
    .await?;
    state.mention(ToCoordinator::Register { trainer: info });
    let request = client.authorize("DoExchange", Request::new(outgoing(outbox.words, outbox.bulk)));
    let mut flight = client.flight();
    let inbound = tokio::time::timeout(CONNECT, flight.do_exchange(request))
        .await
        .map_err(|_| unanswered())?
        .map_err(|status| from_status(&status, "the coordinator refused this trainer"))?;
    let mut inbound = Inbound {
        frames: inbound.into_inner(),
        reader: ControlReader::default(),
        restored: Arriving::new(),
    };
    let job = welcome(&mut inbound).await?;
    let failure_timeout = Duration::from_millis(job.failure_timeout_ms);
    state.begin_lease(failure_timeout);
    let shape = Shape::of(&job.data, job.train.logical_shards);
    if let Err(failure) = state.reserve.begin(&job, spill.ledger()) {
        state.fail(failure);
    }
    let (teller, ledger) = (Arc::clone(state), Arc::clone(spill.ledger()));
    let spool = Spool::new(job.job.clone(), shape, spill, move |failure| teller.fail(failure));
    state.set_spool(Arc::new(spool))?;
    send(orders, Order::Prepare(job))?;
    converse(
        &mut inbound,
        (state, &ledger),
        orders,
        (failure_timeout / 20).clamp(SHORTEST_BEAT, LONGEST_BEAT),
    )
    .await
}

async fn welcome(inbound: &mut Inbound) -> Result<Box<candlewick_protocol::job::JobSpec>, Failure> {
    let first = tokio::time::timeout(CONNECT, inbound.next()).await;
    let (first, _) = first.map_err(|_| unanswered())??;
    match first {
        ToTrainer::Welcome { job } => Ok(job),
        ToTrainer::Die { reason } => Err(Failure::new(ErrorKind::Cancelled, reason)),
        other => Err(Failure::internal(format!("the coordinator began with {other:?}"))),
    }
}

fn unanswered() -> Failure {
    let seconds = CONNECT.as_secs();
    Failure::unavailable(format!(
        "the coordinator did not answer the registration within {seconds} s"
    ))
}

/// The coordinator's messages.
struct Inbound {
    frames: Streaming<FlightData>,
    reader: ControlReader,
    /// A state to go on from, on its way.
    restored: Arriving,
}

impl Inbound {
    /// The next message, with the frame that holds its body. Dropped before it is there, nothing is lost: the parts that
    /// came are kept.
    async fn next(&mut self) -> Result<(ToTrainer, FlightData), Failure> {
        loop {
            let frame = self
                .frames
                .message()
                .await
                .map_err(|status| from_status(&status, "the coordinator is gone"))?;
            let frame =
                frame.ok_or_else(|| Failure::unavailable("the coordinator is gone: it closed the stream"))?;
            if let Some(message) = self.reader.read(&frame)? {
                return Ok((message, frame));
            }
        }
    }
}

/// A state on its way.
struct Arriving(Assembly);

impl Arriving {
    fn new() -> Self {
        Arriving(Assembly::new(STATE))
    }

    /// Takes a part; the state, once it is whole. Its memory is taken with the first part, and charged then.
    fn take(
        &mut self,
        (offset, total, part): (u64, u64, &[u8]),
        (state, ledger): (&State, &Arc<Ledger>),
    ) -> Result<Option<Vec<u8>>, Failure> {
        if offset == 0 {
            *self = Arriving::new();
            state.arrives(ledger.charge(Account::States, total));
        }
        self.0.add(offset, total, part)?;
        let whole = self.0.is_complete();
        Ok(whole.then(|| std::mem::replace(self, Arriving::new()).0.into_bytes()))
    }
}

async fn converse(
    inbound: &mut Inbound,
    (state, ledger): (&Arc<State>, &Arc<Ledger>),
    orders: &Sender<Order>,
    beat: Duration,
) -> Result<i32, Failure> {
    let mut beats = tokio::time::interval(beat);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let (message, frame) = tokio::select! {
            message = inbound.next() => message?,
            _ = beats.tick() => {
                if state.must_exit() {
                    return Err(Failure::unavailable(
                        "the coordinator did not answer for failureTimeout: it counts this trainer as lost",
                    ));
                }
                state.mention(state.beat());
                continue;
            }
        };
        if let ToTrainer::Restore {
            counter,
            offset,
            total,
        } = message
        {
            state.tick();
            let part = (offset, total, frame.data_body.as_ref());
            if let Some(file) = inbound.restored.take(part, (state, ledger))? {
                send(orders, Order::Restore { counter, file })?;
            }
        } else if let Some(status) = obey(message, state, orders)? {
            return Ok(status);
        }
    }
}

/// Obeys one message; returns the exit status where it is the last.
fn obey(message: ToTrainer, state: &Arc<State>, orders: &Sender<Order>) -> Result<Option<i32>, Failure> {
    match state.hear(message)? {
        Heard::Nothing => {}
        Heard::Open { round, shards } => {
            let spool = state.spool();
            let spool = spool.ok_or_else(|| Failure::internal("Open before Welcome"))?;
            // Before its rows come.
            if let Err(failure) = state.reserve.opened(round, &shards) {
                state.fail(failure);
                return Ok(None);
            }
            spool.open(round, shards)?;
        }
        Heard::Order(order) => send(orders, order)?,
        Heard::End(End::Finished) => {
            tracing::debug!("the job is over");
            return Ok(Some(exit::OK));
        }
        Heard::End(End::Told(reason)) => {
            // Whoever told knows why, and tells its user.
            tracing::info!("told to end: {reason}");
            return Ok(Some(exit::FAILED));
        }
    }
    Ok(None)
}

fn send(orders: &Sender<Order>, order: Order) -> Result<(), Failure> {
    orders
        .send(order)
        .map_err(|_| Failure::internal("the computing thread has ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_on_its_way_is_charged_from_its_first_part_on() {
        let (state, _outbox) = State::new();
        let (ledger, mut arriving) = (Ledger::new(0), Arriving::new());
        let held = |ledger: &Ledger| ledger.now(Account::States);
        assert_eq!(arriving.take((0, 5, b"ab"), (&state, &ledger)).unwrap(), None);
        assert_eq!(held(&ledger), 5);
        let whole = arriving.take((2, 5, b"cde"), (&state, &ledger)).unwrap();
        assert_eq!((whole.as_deref(), held(&ledger)), (Some(&b"abcde"[..]), 5));
        // Who goes to the state gives it back.
        drop(state.arrived());
        assert_eq!(held(&ledger), 0);
        // One that begins anew takes the place of what has come.
        arriving.take((0, 9, b"a"), (&state, &ledger)).unwrap();
        arriving.take((0, 7, b"a"), (&state, &ledger)).unwrap();
        assert_eq!(held(&ledger), 7);
    }
}
