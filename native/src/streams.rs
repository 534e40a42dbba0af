//! One DoPut stream from a feed task to one trainer.

use crate::connections::Connection;
use crate::runtime::{self, Wait};
use arrow_flight::FlightData;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::StreamSealed;
use candlewick_wire::{Client, put_rows};
use std::time::Duration;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Frames between the task and the connection: enough that both work at the same time. With the one that the task fills,
/// the one that is encoded and the one that HTTP/2 holds a stream has `candlewick_protocol::feed::BATCHES_OF_A_STREAM`.
const FRAMES_IN_FLIGHT: usize = 1;
/// Wait for the reason after a stream broke; it is on its way already.
const REASON_LIMIT: Duration = Duration::from_secs(2);

/// An open stream. Dropped before its last frame it is a cancelled attempt, of which the trainer keeps nothing.
#[derive(Debug)]
pub struct Stream {
    /// Taken at the end of the stream.
    frames: Option<mpsc::Sender<FlightData>>,
    answer: oneshot::Receiver<Result<StreamSealed, Failure>>,
    task: AbortHandle,
    /// Whom it goes to, for messages.
    name: String,
    connection: Connection,
}

impl Stream {
    /// Opens a stream with its first message.
    ///
    /// # Errors
    /// `JobFailed` where there are no threads.
    pub fn open(
        client: &Client,
        opening: FlightData,
        name: String,
        connection: Connection,
    ) -> Result<Stream, Failure> {
        let (frames, receiver) = mpsc::channel(FRAMES_IN_FLIGHT);
        let (sender, answer) = oneshot::channel();
        // The channel is new and has room.
        let _ = frames.try_send(opening);
        let put = put_rows(client.clone(), receiver, format!("feeding {name}"));
        let task = runtime::shared()?.spawn(async move {
            // Nobody listens any more where the stream was dropped.
            let _ = sender.send(put.await);
        });
        Ok(Stream {
            frames: Some(frames),
            answer,
            task: task.abort_handle(),
            name,
            connection,
        })
    }

    /// Sends a frame; waits while the trainer is busy with those before, for at most `limit`.
    ///
    /// # Errors
    /// The trainer's failure, `Unavailable` after the limit, `Cancelled` where the wait was ended.
    pub fn send(&mut self, frame: FlightData, wait: &mut Wait<'_>, limit: Duration) -> Result<(), Failure> {
        let Some(frames) = self.frames.clone() else {
            return Err(Failure::internal("a frame for a stream that has ended"));
        };
        let frame = match frames.try_send(frame) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(self.reason(wait, limit)),
            Err(TrySendError::Full(frame)) => frame,
        };
        let name = &self.name;
        let late = || {
            format!(
                "feeding {name}: no frame was taken for {:.0} s",
                limit.as_secs_f64()
            )
        };
        match wait.on(frames.reserve(), limit, late) {
            Ok(Ok(permit)) => {
                permit.send(frame);
                Ok(())
            }
            Ok(Err(_)) => Err(self.reason(wait, limit)),
            Err(failure) => {
                self.connection.discard();
                Err(failure)
            }
        }
    }

    /// Ends the stream: no frame follows.
    pub fn end(&mut self) {
        self.frames = None;
    }

    /// Waits for the trainer's answer after [`Stream::end`], for what is left of `limit`.
    ///
    /// # Errors
    /// As [`Stream::send`].
    pub fn sealed(
        &mut self,
        wait: &mut Wait<'_>,
        left: Duration,
        limit: Duration,
    ) -> Result<StreamSealed, Failure> {
        let name = &self.name;
        let late = || {
            format!(
                "feeding {name}: the rows were not sealed within {:.0} s",
                limit.as_secs_f64()
            )
        };
        let answer = wait.on(&mut self.answer, left, late);
        let answer = answer.and_then(|answer| answer.unwrap_or_else(|_| Err(lost(name))));
        answer.inspect_err(|_| self.connection.discard())
    }

    /// Why the stream broke.
    fn reason(&mut self, wait: &mut Wait<'_>, limit: Duration) -> Failure {
        self.connection.discard();
        let name = &self.name;
        let limit = REASON_LIMIT.min(limit);
        match wait.on(&mut self.answer, limit, || {
            format!("feeding {name}: the stream broke")
        }) {
            Ok(Ok(Err(failure))) | Err(failure) => failure,
            Ok(Ok(Ok(_))) => {
                Failure::internal(format!("feeding {name}: it sealed the stream before its end"))
            }
            Ok(Err(_)) => lost(name),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lost(name: &str) -> Failure {
    Failure::unavailable(format!("feeding {name}: the stream was abandoned"))
}
