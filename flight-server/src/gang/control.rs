//! The stream to the coordinator: beats, orders, and the end of the process when the coordinator is gone.
//!
//! Runs on a thread and runtime of its own, so that no amount of rows or computing delays a beat.

use super::runner::{Formation, Order};
use super::state::{Outbox, State};
use crate::chunk::Shape;
use crate::exit;
use crate::spool::Spool;
use arrow_flight::FlightData;
use candlewick_protocol::auth::COORDINATOR;
use candlewick_protocol::keys::Purpose;
use candlewick_protocol::launch::TrainerConfig;
use candlewick_protocol::message::{ToCoordinator, ToTrainer, TrainerInfo};
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_wire::{Client, ControlReader, Identity, control_frames, from_status};
use futures::{Stream, StreamExt, stream};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tonic::{Request, Streaming};

/// Longest wait for the coordinator at the start.
const CONNECT: Duration = Duration::from_secs(10);
/// Bounds of the time between beats; within them failureTimeout / 20.
const SHORTEST_BEAT: Duration = Duration::from_millis(50);
const LONGEST_BEAT: Duration = Duration::from_millis(1_000);

/// Talks with the coordinator until the end; returns the exit status.
pub(super) fn run(
    config: &TrainerConfig,
    info: TrainerInfo,
    state: &Arc<State>,
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
    state: &Arc<State>,
    orders: &Sender<Order>,
    outbox: Outbox,
) -> Result<i32, Failure> {
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
    let request = client.authorize("DoExchange", Request::new(frames(outbox)));
    let inbound = client
        .flight()
        .do_exchange(request)
        .await
        .map_err(|status| from_status(&status, "the coordinator refused this trainer"))?;
    let mut inbound = Inbound {
        frames: inbound.into_inner(),
        reader: ControlReader::default(),
    };
    let job = welcome(&mut inbound).await?;
    let failure_timeout = Duration::from_millis(job.failure_timeout_ms);
    state.begin_lease(failure_timeout);
    let spool = Spool::new(job.job.clone(), Shape::of(&job.data, job.train.logical_shards));
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

/// What goes out: words before bulk.
fn frames(outbox: Outbox) -> impl Stream<Item = FlightData> + Send {
    stream::unfold(outbox, |mut outbox| async move {
        let (message, body) = tokio::select! {
            biased;
            Some(word) = outbox.words.recv() => (word, Vec::new()),
            Some(bulk) = outbox.bulk.recv() => bulk,
            else => return None,
        };
        // A message of our own types can always be written.
        let frames = control_frames(&message, body).unwrap_or_default();
        Some((stream::iter(frames), outbox))
    })
    .flatten()
}

async fn welcome(inbound: &mut Inbound) -> Result<Box<candlewick_protocol::job::JobSpec>, Failure> {
    let first = tokio::time::timeout(CONNECT, inbound.next()).await;
    match first.map_err(|_| Failure::unavailable("the coordinator did not answer the registration"))?? {
        ToTrainer::Welcome { job } => Ok(job),
        ToTrainer::Die { reason } => Err(Failure::new(ErrorKind::Cancelled, reason)),
        other => Err(Failure::internal(format!("the coordinator began with {other:?}"))),
    }
}

/// The coordinator's messages.
struct Inbound {
    frames: Streaming<FlightData>,
    reader: ControlReader,
}

impl Inbound {
    /// The next message. Dropped before it is there, nothing is lost: the parts that came are kept.
    async fn next(&mut self) -> Result<ToTrainer, Failure> {
        loop {
            let frame = self
                .frames
                .message()
                .await
                .map_err(|status| from_status(&status, "the coordinator is gone"))?;
            let frame =
                frame.ok_or_else(|| Failure::unavailable("the coordinator is gone: it closed the stream"))?;
            if let Some(message) = self.reader.read(&frame)? {
                return Ok(message);
            }
        }
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
        let message = tokio::select! {
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
        if let Some(status) = obey(message, state, orders)? {
            return Ok(status);
        }
    }
}

/// Obeys one message; returns the exit status where it is the last.
fn obey(message: ToTrainer, state: &Arc<State>, orders: &Sender<Order>) -> Result<Option<i32>, Failure> {
    match message {
        ToTrainer::BeatAck { number, epochs } => {
            state.answered(number);
            state.acknowledge_epochs(epochs);
        }
        ToTrainer::Welcome { .. } => return Err(Failure::internal("the coordinator said Welcome twice")),
        ToTrainer::Open { round, shards } => {
            let spool = state
                .spool()
                .ok_or_else(|| Failure::internal("Open before Welcome"))?;
            spool.open(round, shards)?;
        }
        ToTrainer::Seal {
            round,
            winners,
            expected,
            incomplete,
        } => {
            send(
                orders,
                Order::Seal {
                    round,
                    winners,
                    expected,
                    incomplete,
                },
            )?;
        }
        ToTrainer::Form {
            generation,
            members,
            counter,
            donor,
        } => {
            // Whatever this trainer still does belongs to an older generation.
            state.halts().halt_through(generation.saturating_sub(1));
            send(
                orders,
                Order::Form(Formation {
                    generation,
                    members,
                    counter,
                    donor,
                }),
            )?;
        }
        ToTrainer::Start { generation } => send(orders, Order::Start { generation })?,
        ToTrainer::Halt { generation } => {
            state.halts().halt_through(generation);
            send(orders, Order::Halt { generation })?;
        }
        ToTrainer::Finish => {
            tracing::debug!("the job is over");
            return Ok(Some(exit::OK));
        }
        ToTrainer::Die { reason } => {
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
