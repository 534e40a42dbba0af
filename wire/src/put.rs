//! A stream of rows to a trainer: Flight's DoPut.

use crate::client::Client;
use crate::status::from_status;
use arrow_flight::FlightData;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::{KEEP_ALIVE, StreamSealed};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

/// Sends the frames of a stream, the opening first, and gives the trainer's answer once the sender is dropped. `context`
/// says for messages what is done: "feeding trainer 1".
///
/// # Errors
/// The trainer's failure, `Unavailable` where the connection ends.
pub async fn put_rows(
    client: Client,
    frames: mpsc::Receiver<FlightData>,
    context: String,
) -> Result<StreamSealed, Failure> {
    let mut alive = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Where no frame comes in time an empty one says that the task is there.
    let frames = ReceiverStream::new(frames).timeout_repeating(alive);
    let frames = frames.map(|frame| frame.unwrap_or_default());
    let request = client.authorize("DoPut", Request::new(frames));
    let answers = client
        .flight()
        .do_put(request)
        .await
        .map_err(|status| from_status(&status, &context))?;
    let mut answers = answers.into_inner();
    let answer = answers
        .message()
        .await
        .map_err(|status| from_status(&status, &context))?;
    let answer =
        answer.ok_or_else(|| Failure::unavailable(format!("{context}: it ended without an answer")))?;
    serde_json::from_slice(&answer.app_metadata)
        .map_err(|error| Failure::internal(format!("{context}: an answer that is no StreamSealed: {error}")))
}
