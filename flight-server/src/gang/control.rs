//! The stream to the coordinator: beats, orders, and the end of the process when the coordinator is gone.
//!
//! Runs on a thread and runtime of its own, so that no amount of rows or computing delays a beat.

use super::state::{Outbox, State};
use crate::chunk::Shape;
use crate::exit;
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
    let inbound = client
        .flight()
        .do_exchange(request)
        .await
        .map_err(|status| from_status(&status, "the coordinator refused this trainer"))?;
    let mut inbound = Inbound {
        frames: inbound.into_inner(),
        reader: ControlReader::default(),
        restored: Assembly::new(STATE),
    };
    let job = welcome(&mut inbound).await?;
    let failure_timeout = Duration::from_millis(job.failure_timeout_ms);
    state.begin_lease(failure_timeout);
    let shape = Shape::of(&job.data, job.train.logical_shards);
    if let Err(failure) = state.reserve.begin(&job, spill.ledger()) {
        state.fail(failure);
    }
    let teller = Arc::clone(state);
    let spool = Spool::new(job.job.clone(), shape, spill, move |failure| teller.fail(failure));
    state.set_spool(Arc::new(spool))?;
    send(orders, Order::Prepare(job))?;
    converse(
        &mut inbound,
        state,
        orders,
        (failure_timeout / 20).clamp(SHORTEST_BEAT, LONGEST_BEAT),
    )
    .await
}

async fn welcome(inbound: &mut Inbound) -> Result<Box<candlewick_protocol::job::JobSpec>, Failure> {
    let first = tokio::time::timeout(CONNECT, inbound.next()).await;
    let (first, _) =
        first.map_err(|_| Failure::unavailable("the coordinator did not answer the registration"))??;
    match first {
        ToTrainer::Welcome { job } => Ok(job),
        ToTrainer::Die { reason } => Err(Failure::new(ErrorKind::Cancelled, reason)),
        other => Err(Failure::internal(format!("the coordinator began with {other:?}"))),
    }
}

/// The coordinator's messages.
struct Inbound {
    frames: Streaming<FlightData>,
    reader: ControlReader,
    /// A state to go on from, on its way.
    restored: Assembly,
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

impl Inbound {
    /// Takes a part of a state; the state, once it is whole.
    fn take_part(&mut self, offset: u64, total: u64, part: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        if offset == 0 {
            self.restored = Assembly::new(STATE);
        }
        self.restored.add(offset, total, part)?;
        let whole = self.restored.is_complete();
        Ok(whole.then(|| std::mem::replace(&mut self.restored, Assembly::new(STATE)).into_bytes()))
    }
}

async fn converse(
    inbound: &mut Inbound,
    state: &Arc<State>,
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
            if let Some(file) = inbound.take_part(offset, total, &frame.data_body)? {
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
            if let Err(failure) = state.reserve.opened(&shards) {
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
            tracing::error!("told to end: {reason}");
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
