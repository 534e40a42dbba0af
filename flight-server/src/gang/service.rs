//! The Flight service of a gang trainer: DoPut of rows, nothing else.

use super::state::State;
use crate::frame::{self, Frame};
use crate::refused::unimplemented;
use crate::spool::{Spool, StreamWriter, Taken};
use arrow_flight::{ActionType, Empty, FlightData, PutResult};
use candlewick_protocol::feed::{FrameHeader, StreamEnd, StreamId, StreamSealed};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_wire::{Answer, Caller, PartialFlight, to_status};
use futures::StreamExt;
use futures::stream;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status, Streaming};

/// How long a stream may wait for the Welcome and for its round: the coordinator sent both before the feeders learned
/// of this trainer.
const ROUND_WAIT: Duration = Duration::from_secs(10);
/// Bytes of a frame up to which it is decoded and hashed where it arrived, in some 50 us: its bytes are in the cache of that
/// core, and nobody has to be woken. A feeder's frames have no more, but for rows that are longer.
const DECODED_AT_ONCE: usize = 256 * 1024;
/// Other frames of one stream that are decoded, hashed and, where memory does not hold them, written while others arrive.
const IN_FLIGHT: usize = 2;

/// See the module.
pub(super) struct GangService {
    state: Arc<State>,
}

impl GangService {
    pub(super) fn new(state: Arc<State>) -> Self {
        GangService { state }
    }
}

/// Takes a whole stream into the spool. One that says nothing for `silence` is cancelled: a feeder that waits for rows
/// sends an empty frame each second (`KEEP_ALIVE`).
async fn take(
    (spool, client): (Arc<Spool>, String),
    mut frames: Streaming<FlightData>,
    silence: Duration,
) -> Result<StreamSealed, Failure> {
    let broken = |status: Status| candlewick_wire::from_status(&status, "the feed stream broke");
    let first = tokio::time::timeout(silence, frames.message()).await;
    let first = first
        .map_err(|_| silent("a feed stream", silence))?
        .map_err(broken)?;
    let first = first.ok_or_else(|| Failure::data("the feed stream is empty: it begins with its schema"))?;
    let id = first
        .flight_descriptor
        .as_ref()
        .and_then(|named| serde_json::from_slice::<StreamId>(&named.cmd).ok());
    let id = id.ok_or_else(|| {
        Failure::data("the descriptor of a feed stream names job, round, partition, attempt")
    })?;
    frame::check_schema(&first.data_header, spool.shape())?;
    spool.wait_open(id.round, ROUND_WAIT).await;
    let name = format!("partition {}, attempt {}", id.partition, id.attempt);
    let mut intake = Intake {
        writer: spool.begin_of(&client, id.clone())?,
        spool,
        id,
        sequence: 0,
        hashing: VecDeque::new(),
    };
    let mut cancelled = std::pin::pin!(intake.writer.cancelled());
    loop {
        let next = tokio::select! {
            biased;
            why = &mut cancelled => return Err(why),
            next = tokio::time::timeout(silence, frames.message()) => next,
        };
        let data = next.map_err(|_| silent(&name, silence))?.map_err(broken)?;
        let Some(data) = data else {
            let message = format!("{name} ended without its last frame: the attempt was cancelled");
            return Err(Failure::new(ErrorKind::Cancelled, message));
        };
        if data.app_metadata.is_empty() && data.data_header.is_empty() {
            continue;
        }
        if let Some(end) = intake.accept(data).await? {
            while intake.collect().await? {}
            return intake.writer.finish(Some(end));
        }
    }
}

fn silent(who: &str, limit: Duration) -> Failure {
    Failure::unavailable(format!(
        "{who} was silent for {:.0} s: its executor is gone or hangs",
        limit.as_secs_f64()
    ))
}

struct Intake {
    writer: StreamWriter,
    spool: Arc<Spool>,
    id: StreamId,
    sequence: u64,
    hashing: VecDeque<JoinHandle<Result<Taken, Failure>>>,
}

impl Intake {
    /// Checks a frame's place in the stream and begins to decode it; what the last frame says.
    async fn accept(&mut self, data: FlightData) -> Result<Option<StreamEnd>, Failure> {
        let header: FrameHeader = serde_json::from_slice(&data.app_metadata)
            .map_err(|error| Failure::data(format!("the header of a feed frame cannot be read: {error}")))?;
        if header.stream != self.id || header.sequence != self.sequence {
            return Err(Failure::data(format!(
                "frame {} of partition {}, attempt {} came where frame {} of partition {}, attempt {} was due",
                header.sequence,
                header.stream.partition,
                header.stream.attempt,
                self.sequence,
                self.id.partition,
                self.id.attempt
            )));
        }
        self.sequence += 1;
        if header.end.is_some() {
            return Ok(header.end);
        }
        let bytes = data.data_body.len();
        let at_once = bytes <= DECODED_AT_ONCE && self.spool.has_room(bytes);
        // Rows stay in order.
        while self.hashing.len() >= if at_once { 1 } else { IN_FLIGHT } {
            self.collect().await?;
        }
        let round = self.writer.round();
        if at_once {
            let taken = taken(&data, header, (&self.spool, round), self.writer.owned())?;
            self.writer.add(taken)?;
        } else {
            let (spool, owned) = (Arc::clone(&self.spool), self.writer.owned().clone());
            let take = move || taken(&data, header, (&spool, round), &owned);
            self.hashing.push_back(tokio::task::spawn_blocking(take));
        }
        Ok(None)
    }

    /// Puts the oldest frame into the spool; false where none is left.
    async fn collect(&mut self) -> Result<bool, Failure> {
        let Some(oldest) = self.hashing.pop_front() else {
            return Ok(false);
        };
        let taken = oldest
            .await
            .map_err(|error| Failure::internal(format!("a frame was not decoded: {error}")))??;
        self.writer.add(taken)?;
        Ok(true)
    }
}

/// The rows of a frame, in the spool.
fn taken(
    data: &FlightData,
    header: FrameHeader,
    (spool, round): (&Spool, u32),
    owned: &ShardSet,
) -> Result<Taken, Failure> {
    let place = format!(
        "frame {} of partition {}",
        header.sequence, header.stream.partition
    );
    let frame = Frame {
        header: &data.data_header,
        body: &data.data_body,
        home: header.home,
        copies: header.copies,
        place: &place,
    };
    let chunk = frame::decode(frame, spool.shape(), owned)?;
    spool.take(round, chunk)
}

#[tonic::async_trait]
impl PartialFlight for GangService {
    fn refuse(&self, method: &str) -> Status {
        unimplemented(method)
    }

    async fn do_put(&self, caller: Caller, request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        let spool = self.state.spool_within(ROUND_WAIT).await;
        let spool =
            spool.ok_or_else(|| Status::unavailable("this trainer has not been welcomed to its job yet"))?;
        let taken = take(
            (spool, caller.client),
            request.into_inner(),
            self.state.silence_limit(),
        )
        .await;
        let sealed = taken.map_err(|failure| {
            // Attempts that Spark gives up are nothing to warn of.
            if failure.kind == ErrorKind::Cancelled {
                tracing::debug!("{}", failure.message);
            } else {
                tracing::warn!("a feed stream was refused: {}", failure.message);
            }
            to_status(&failure)
        })?;
        let json = serde_json::to_vec(&sealed).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(
            stream::iter([Ok(PutResult {
                app_metadata: json.into(),
            })])
            .boxed(),
        ))
    }

    async fn list_actions(&self, _caller: Caller, _request: Request<Empty>) -> Answer<ActionType> {
        Ok(Response::new(stream::empty().boxed()))
    }
}
