//! Finding out whether two trainers can share memory. Names and addresses prove nothing: containers and proxies share them. So
//! the one that dialled makes memory with a nonce in it and says where it is; the other one says what it read there.

use super::shared::{NONCE, place};
use super::{Shared, Stream};
use crate::handshake::{receive, send};
use candlewick_protocol::Failure;
use candlewick_protocol::auth::nonce;
use rustix::fd::OwnedFd;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Instant;

/// Where memory is: an open file of a process.
#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    memory: Option<(u32, i32)>,
}

/// What was found there.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    nonce: Option<String>,
    /// Why nothing.
    why: String,
}

/// Whether it is used.
#[derive(Debug, Serialize, Deserialize)]
struct Verdict {
    shared: bool,
}

/// The dialling side, on a connection that was proven; none where the two share no memory, which is logged with the reason.
///
/// # Errors
/// `Unavailable` where the connection breaks or the other side does not answer in time.
pub(crate) fn offer(stream: &Stream, peer: &str, deadline: Instant) -> Result<Option<Shared>, Failure> {
    offer_of(stream, peer, deadline, Shared::create)
}

/// As [`offer`], of memory that `make` makes.
pub(super) fn offer_of(
    stream: &Stream,
    peer: &str,
    deadline: Instant,
    make: impl FnOnce(&[u8; NONCE]) -> io::Result<(Shared, OwnedFd)>,
) -> Result<Option<Shared>, Failure> {
    let nonce = nonce()?;
    let Some(bytes) = nonce.as_bytes().first_chunk::<NONCE>() else {
        return Err(Failure::internal("a nonce of another length"));
    };
    let made = make(bytes);
    if let Err(error) = &made {
        tracing::info!("no memory to share with {peer}, gradients go over TCP: {error}");
    }
    // The file stays open until the other side has answered.
    let (shared, file) = made.ok().unzip();
    let memory = file.as_ref().map(place);
    send(stream, &Offer { memory }, deadline)?;
    let found: Found = receive(stream, deadline)?;
    let proven = shared.filter(|_| found.nonce.as_deref() == Some(nonce.as_str()));
    if memory.is_some() && proven.is_none() {
        let why = if found.nonce.is_some() {
            "what it read there is not what we wrote"
        } else {
            &found.why
        };
        let why: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
        tracing::info!("{peer} does not share our memory, gradients go over TCP: {why}");
    }
    send(
        stream,
        &Verdict {
            shared: proven.is_some(),
        },
        deadline,
    )?;
    Ok(proven)
}

/// The other side.
///
/// # Errors
/// As [`offer`].
pub(crate) fn answer(stream: &Stream, deadline: Instant) -> Result<Option<Shared>, Failure> {
    let offer: Offer = receive(stream, deadline)?;
    let opened = match offer.memory {
        None => Err("none was offered".to_owned()),
        Some((pid, fd)) => Shared::open(pid, fd).map_err(|error| error.to_string()),
    };
    let found = match &opened {
        Ok((_, nonce)) => Found {
            nonce: Some(String::from_utf8_lossy(nonce).into_owned()),
            why: String::new(),
        },
        Err(why) => Found {
            nonce: None,
            why: why.clone(),
        },
    };
    send(stream, &found, deadline)?;
    let verdict: Verdict = receive(stream, deadline)?;
    Ok(opened.ok().map(|(shared, _)| shared).filter(|_| verdict.shared))
}
