//! A stream of rows to a trainer: Flight's DoPut.
//!
//! tonic would copy each message into a buffer of its own. Here a message is what gRPC wants before its rows, some hundred
//! bytes, and then the very memory that the rows were written to, which goes to the socket from there. What crosses the wire
//! is the same ([ADR 31](../docs/adr/0031-frames-without-copies.md)).

use crate::client::Client;
use crate::status::from_status;
use arrow_flight::{FlightData, PutResult};
use candlewick_protocol::Failure;
use candlewick_protocol::feed::{KEEP_ALIVE, StreamSealed};
use candlewick_protocol::message::MAX_FLIGHT_MESSAGE;
use futures::future::BoxFuture;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use std::future::poll_fn;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codec::{DecodeBuf, Decoder};
use tonic::codegen::{Bytes, Service, http};
use tonic::{Code, Request, Status, Streaming};

const DO_PUT: &str = "/arrow.flight.protocol.FlightService/DoPut";
/// The tag of `FlightData.data_body`: field 1000, bytes.
const BODY_TAG: [u8; 2] = [0xc2, 0x3e];

/// Sends the frames of a stream, the opening first, and gives the trainer's answer once the sender is dropped. `context`
/// says for messages what is done: "feeding trainer 1".
///
/// # Errors
/// The trainer's failure, `Unavailable` where the connection ends.
pub fn put_rows(
    client: Client,
    frames: mpsc::Receiver<FlightData>,
    context: String,
) -> BoxFuture<'static, Result<StreamSealed, Failure>> {
    // In a box, so that its code is compiled here.
    Box::pin(put(client, frames, context))
}

async fn put(
    client: Client,
    frames: mpsc::Receiver<FlightData>,
    context: String,
) -> Result<StreamSealed, Failure> {
    let mut alive = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Where no frame comes in time an empty one says that the task is there.
    let frames = ReceiverStream::new(frames).timeout_repeating(alive);
    let parts = frames.map(|frame| parts(frame.unwrap_or_default()));
    let parts = futures::StreamExt::flat_map(parts, |[head, body]| {
        stream::iter([head, body].into_iter().filter(|part| !part.is_empty()))
    });
    let body = StreamBody::new(parts.map(|part| Ok::<_, Status>(Frame::data(part))));
    let answered = call(&client, Body::new(body)).await;
    let answer = answered.map_err(|status| from_status(&status, &context))?;
    let answer =
        answer.ok_or_else(|| Failure::unavailable(format!("{context}: it ended without an answer")))?;
    serde_json::from_slice(&answer.app_metadata)
        .map_err(|error| Failure::internal(format!("{context}: an answer that is no StreamSealed: {error}")))
}

/// A message as gRPC frames it: all but the bytes of its body, and those.
fn parts(mut frame: FlightData) -> [Bytes; 2] {
    let body = std::mem::take(&mut frame.data_body);
    let mut head = vec![0; 5];
    frame.encode_raw(&mut head);
    if !body.is_empty() {
        head.extend(BODY_TAG);
        prost::encoding::encode_varint(body.len() as u64, &mut head);
    }
    // One that is larger was refused when the batch was opened.
    let length = u32::try_from(head.len() - 5 + body.len()).unwrap_or(u32::MAX);
    head[1..5].copy_from_slice(&length.to_be_bytes());
    [head.into(), body]
}

/// Makes the call; the first message of its answer.
async fn call(client: &Client, body: Body) -> Result<Option<PutResult>, Status> {
    let headers = client.authorize("DoPut", Request::new(())).into_parts().0;
    let mut request = http::Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = http::Uri::from_static(DO_PUT);
    *request.headers_mut() = headers.into_headers();
    let fixed = [("te", "trailers"), ("content-type", "application/grpc")];
    for (name, value) in fixed {
        let value = http::HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);
    }
    let mut channel = client.channel();
    poll_fn(|context| channel.poll_ready(context))
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let response = channel.call(request).await;
    let response = response.map_err(|error| Status::from_error(error.into()))?;
    // A call that is refused at once has its status where others have their headers.
    let refused = Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok);
    if let Some(status) = refused {
        return Err(status);
    }
    let (status, most) = (response.status(), Some(MAX_FLIGHT_MESSAGE));
    Streaming::new_response(Answers, response.into_body(), status, None, most)
        .message()
        .await
}

/// Decodes answers.
struct Answers;

impl Decoder for Answers {
    type Item = PutResult;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<PutResult>, Status> {
        let answer = PutResult::decode(bytes);
        answer
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_flight::FlightDescriptor;

    #[test]
    fn a_message_has_the_bytes_that_grpc_and_protobuf_ask_for() {
        let plain = FlightData::new()
            .with_app_metadata("{}")
            .with_data_header(vec![1; 300]);
        let opening = plain.clone().with_descriptor(FlightDescriptor::new_cmd("x"));
        let row = plain.clone().with_data_body(vec![7; 5]);
        let large = plain.clone().with_data_body(vec![8; 70_000]);
        for frame in [FlightData::new(), plain, opening, row, large] {
            let mut expected = vec![0];
            expected.extend((frame.encoded_len() as u32).to_be_bytes());
            frame.encode(&mut expected).unwrap();
            let body = frame.data_body.as_ptr();
            let parts = parts(frame);
            assert_eq!(parts.concat(), expected);
            assert!(
                parts[1].is_empty() || parts[1].as_ptr() == body,
                "the rows stay where they are"
            );
        }
    }
}
