//! The mutual proof of the secret on a fresh connection: short frames, `u32 length` and JSON, under one deadline.

use crate::config::Credentials;
use crate::link::Stream;
use candlewick_protocol::auth::{Call, ClientHello, ClientProof, Initiator, Responder, ServerHello, short};
use candlewick_protocol::keys::Purpose;
use candlewick_protocol::message::MAX_UNAUTHENTICATED_FRAME;
use candlewick_protocol::{ErrorKind, Failure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Instant;

/// What the answering side says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Hello(ServerHello),
    Accepted,
    Refused(String),
}

/// Who was let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuthenticatedPeer {
    pub(crate) trainer: String,
    pub(crate) generation: u64,
}

/// Dialling side. `Unauthenticated` = never try again; `Unavailable` = the connection broke or was late.
pub(crate) fn dial(
    stream: &Stream,
    credentials: &Credentials,
    peer: &str,
    generation: u64,
    deadline: Instant,
) -> Result<(), Failure> {
    let call = Call {
        job: &credentials.job,
        purpose: Purpose::Peer,
        client: &credentials.trainer,
        server: peer,
        generation,
    };
    let initiator = Initiator::new(credentials.key.clone(), &call, stream.binding()?)?;
    send(stream, initiator.hello(), deadline)?;
    let hello = match receive(stream, deadline)? {
        Answer::Hello(hello) => hello,
        Answer::Refused(reason) => return Err(refusal(format!("it refused us: {}", short_reason(&reason)))),
        Answer::Accepted => return Err(refusal("it accepted before it proved itself")),
    };
    match initiator.prove(&hello) {
        Ok((proof, _)) => send(stream, &proof, deadline)?,
        Err(failure) => {
            // So that its log says why we left; it learns nothing else.
            let _ = send(stream, &ClientProof { proof: String::new() }, deadline);
            return Err(failure);
        }
    }
    match receive(stream, deadline)? {
        Answer::Accepted => Ok(()),
        Answer::Refused(reason) => Err(refusal(format!(
            "it refused our proof: {}",
            short_reason(&reason)
        ))),
        Answer::Hello(_) => Err(refusal("it said hello twice")),
    }
}

/// Answering side. The failure's message says why the other side is refused; it is told the same. `proven` is called once
/// the other side has proved itself and before it is told so: false where its connection made room for another.
pub(crate) fn answer(
    stream: &Stream,
    credentials: &Credentials,
    deadline: Instant,
    proven: impl FnOnce() -> bool,
) -> Result<AuthenticatedPeer, Failure> {
    let outcome = talk(stream, credentials, deadline, proven);
    if let Err(failure) = &outcome
        && failure.kind == ErrorKind::Unauthenticated
    {
        // The other side may be gone.
        let _ = send(stream, &Answer::Refused(failure.message.clone()), deadline);
    }
    outcome
}

fn talk(
    stream: &Stream,
    credentials: &Credentials,
    deadline: Instant,
    proven: impl FnOnce() -> bool,
) -> Result<AuthenticatedPeer, Failure> {
    let hello: ClientHello = receive(stream, deadline)?;
    if hello.job != credentials.job {
        return Err(refusal(format!(
            "it belongs to job {}, this is job {}",
            short(&hello.job),
            credentials.job
        )));
    }
    if Purpose::of(&hello.purpose) != Some(Purpose::Peer) {
        return Err(refusal(format!(
            "it came for \"{}\", expected \"peer\"",
            short(&hello.purpose)
        )));
    }
    let (key, binding) = (credentials.key.clone(), stream.binding()?);
    let (responder, answer) = Responder::new(key, &credentials.trainer, hello, binding)
        .map_err(|failure| refusal(failure.message))?;
    send(stream, &Answer::Hello(answer), deadline)?;
    let proof: ClientProof = receive(stream, deadline)?;
    responder.accept(&proof)?;
    // Before the peer is told, so that what it believes to be its connection makes room for no other.
    if !proven() {
        return Err(Failure::unavailable("it made room for another connection"));
    }
    send(stream, &Answer::Accepted, deadline)?;
    let hello = responder.hello();
    Ok(AuthenticatedPeer {
        trainer: hello.client.clone(),
        generation: hello.generation,
    })
}

fn refusal(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Unauthenticated, message)
}

fn short_reason(reason: &str) -> String {
    reason
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(300)
        .collect()
}

fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Failure::unavailable("the handshake took too long")
        }
        io::ErrorKind::UnexpectedEof => Failure::unavailable("it closed the connection during the handshake"),
        _ => Failure::unavailable(format!("the connection broke during the handshake: {error}")),
    }
}

pub(crate) fn send<T: Serialize>(stream: &Stream, message: &T, deadline: Instant) -> Result<(), Failure> {
    let body = serde_json::to_vec(message).map_err(|error| Failure::internal(error.to_string()))?;
    let mut frame = u32::try_from(body.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    frame.extend(body);
    stream.send(&frame, deadline).map_err(|error| broken(&error))
}

pub(crate) fn receive<T: DeserializeOwned>(stream: &Stream, deadline: Instant) -> Result<T, Failure> {
    let mut length = [0; 4];
    fill(stream, &mut length, deadline)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_UNAUTHENTICATED_FRAME {
        return Err(refusal(format!(
            "a frame of {length} bytes before authentication; at most {MAX_UNAUTHENTICATED_FRAME} are legal"
        )));
    }
    let mut body = vec![0; length];
    fill(stream, &mut body, deadline)?;
    serde_json::from_slice(&body).map_err(|_| refusal("its handshake is not Candlewick's"))
}

/// Reads all of `buffer` before the deadline, however slowly the bytes drip.
fn fill(stream: &Stream, buffer: &mut [u8], deadline: Instant) -> Result<(), Failure> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.receive(&mut buffer[filled..], deadline) {
            Ok(0) => return Err(broken(&io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(&error)),
        }
    }
    Ok(())
}
