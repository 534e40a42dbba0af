//! The client's side: connect, prove, authorise every call.

use crate::secure::Dial;
use crate::session::{Accepted, call_token};
use crate::status::{from_status, root_cause};
use crate::windows::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::{AUTH_HEADER, HEADER_LIST, HTTP_FRAME};
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{HandshakeRequest, HandshakeResponse};
use candlewick_protocol::auth::{Binding, Call, ClientProof, Initiator, ServerHello};
use candlewick_protocol::keys::{Key, Purpose};
use candlewick_protocol::message::MAX_FLIGHT_MESSAGE;
use candlewick_protocol::ports::unbracketed;
use candlewick_protocol::{ErrorKind, Failure};
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

/// Pauses before a busy server is asked again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What Linux says where a process, or the machine, has no files left, and where there is no memory for a connection.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
const EADDRNOTAVAIL: i32 = 99;
const ENOMEM: i32 = 12;
const ENOBUFS: i32 = 105;

/// Who calls whom, and for what.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Id of the job.
    pub job: String,
    /// Id of the caller.
    pub client: String,
    /// Id of the server that is meant; another one at its address is refused.
    pub server: String,
    /// The job's key for `purpose`.
    pub key: Key,
    /// What the calls are for.
    pub purpose: Purpose,
}

enum Credentials {
    Session {
        id: String,
        key: Key,
        counter: AtomicU64,
    },
    Bearer(MetadataValue<Ascii>),
}

/// A connection to a Flight server that has proved itself. Clones share the connection.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    credentials: Arc<Credentials>,
    /// Of a connection that no other one can take the place of, that it has ended.
    over: Option<Arc<AtomicBool>>,
}

impl Client {
    /// Connects and makes the handshake, all within `timeout`. A server that is busy with other handshakes is asked again.
    ///
    /// # Errors
    /// `Unavailable` where nobody listens or answers in time, or another server than the one meant does;
    /// `Unauthenticated` where one side did not prove that it has the job's key; `JobFailed` where this process can open no
    /// connection at all; the message names host and port.
    pub fn connect<'a>(
        host: &'a str,
        port: u16,
        identity: &'a Identity,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Self, Failure>> {
        // In a box its code is compiled here, with that of HTTP/2, and not by each crate that waits for it.
        Box::pin(within(host, port, timeout, proven(host, port, identity, timeout)))
    }

    /// Connects to a server in `serve` mode, which expects `token` with every call.
    ///
    /// # Errors
    /// `Unavailable` where nobody listens or answers in time; `InvalidParameter` where the token cannot be sent.
    pub fn connect_bearer<'a>(
        host: &'a str,
        port: u16,
        token: &'a str,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Self, Failure>> {
        Box::pin(async move {
            let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
                .parse()
                .map_err(|_| Failure::parameter("a bearer token is printable ASCII text"))?;
            value.set_sensitive(true);
            let channel = within(host, port, timeout, open(host, port, timeout)).await?;
            Ok(Client {
                channel,
                credentials: Arc::new(Credentials::Bearer(value)),
                over: None,
            })
        })
    }

    /// Whether the connection has ended and every call will fail. One that is not encrypted is made again by itself.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
            .as_ref()
            .is_some_and(|over| over.load(Ordering::Acquire))
    }

    /// The generated client, with the limits both sides keep; cheap.
    #[must_use]
    pub fn flight(&self) -> FlightServiceClient<Channel> {
        FlightServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_FLIGHT_MESSAGE)
            .max_encoding_message_size(MAX_FLIGHT_MESSAGE)
    }

    /// The connection itself, for a call that is not made by the generated client.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Authorises one call. `method` is the gRPC name of the method the request is for: "DoPut", "DoGet", "DoAction",
    /// "DoExchange", "ListActions". The token is good for one call only.
    #[must_use]
    pub fn authorize<T>(&self, method: &'static str, mut request: Request<T>) -> Request<T> {
        match &*self.credentials {
            Credentials::Session { id, key, counter } => {
                let counter = counter.fetch_add(1, Ordering::Relaxed);
                if let Ok(value) = call_token(id, key, method, counter).parse() {
                    request.metadata_mut().insert(AUTH_HEADER, value);
                }
            }
            Credentials::Bearer(value) => {
                request.metadata_mut().insert("authorization", value.clone());
            }
        }
        request
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

/// A connection and its handshake; a server that is busy is asked again until `timeout` is over.
async fn proven(host: &str, port: u16, identity: &Identity, timeout: Duration) -> Result<Client, Failure> {
    let deadline = Instant::now() + timeout;
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt(host, port, identity, timeout).await {
            Ok(client) => return Ok(client),
            Err(Setback::Fatal(failure)) => return Err(failure),
            Err(Setback::Busy(failure)) if Instant::now() + pause >= deadline => {
                return Err(failure);
            }
            Err(Setback::Busy(_)) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn attempt(host: &str, port: u16, identity: &Identity, timeout: Duration) -> Result<Client, Setback> {
    let (channel, binding, over) = if identity.key.is_tls() {
        let dial = Dial::new(timeout);
        let (bound, over) = (dial.bound(), dial.over());
        let channel = open_tls(host, port, timeout, dial).await?;
        (channel, bound.get().copied(), Some(over))
    } else {
        (open(host, port, timeout).await?, None, None)
    };
    let credentials = Arc::new(shake_hands(&channel, (host, port), identity, binding).await?);
    Ok(Client {
        channel,
        credentials,
        over,
    })
}

async fn within<T>(
    host: &str,
    port: u16,
    timeout: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(timeout, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::unavailable(format!(
            "{host}:{port} did not answer within {:.1} s",
            timeout.as_secs_f64()
        ))),
    }
}

fn endpoint(host: &str, port: u16, timeout: Duration) -> Result<Endpoint, Failure> {
    let plain = unbracketed(host);
    let authority = if plain.contains(':') {
        format!("[{plain}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|_| Failure::parameter(format!("{authority} is no address")))?;
    Ok(endpoint
        .connect_timeout(timeout)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(HTTP_FRAME)
        .http2_max_header_list_size(HEADER_LIST))
}

async fn open(host: &str, port: u16, timeout: Duration) -> Result<Channel, Failure> {
    let channel = endpoint(host, port, timeout)?.connect().await;
    channel.map_err(|error| not_open(host, port, &error))
}

/// The same, inside of TLS.
async fn open_tls(host: &str, port: u16, timeout: Duration, dial: Dial) -> Result<Channel, Setback> {
    let channel = endpoint(host, port, timeout)?.connect_with_connector(dial).await;
    channel.map_err(|error| {
        let failure = not_open(host, port, &error);
        // As in `setback`: a connection that was made and ended.
        match io_error(&error).map(io::Error::kind) {
            Some(
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe,
            ) => Setback::Busy(failure),
            _ => Setback::Fatal(failure),
        }
    })
}

fn not_open(host: &str, port: u16, error: &tonic::transport::Error) -> Failure {
    let (kind, cause) = why_not(io_error(error), &root_cause(error));
    Failure::new(kind, format!("cannot connect to {host}:{port}: {cause}"))
}

/// Why there is no connection: the other side's doing, or trouble of this process, for which nobody else is to be given up.
fn why_not(error: Option<&io::Error>, cause: &str) -> (ErrorKind, String) {
    match error.and_then(io::Error::raw_os_error) {
        Some(EMFILE) => (
            ErrorKind::JobFailed,
            format!("{cause}: this process has no files left, raise their limit (ulimit -n)"),
        ),
        Some(ENFILE) => (
            ErrorKind::JobFailed,
            format!("{cause}: this machine has no files left, raise fs.file-max"),
        ),
        Some(EADDRNOTAVAIL) => (
            ErrorKind::JobFailed,
            format!(
                "{cause}: this host has no port left for a connection, widen net.ipv4.ip_local_port_range"
            ),
        ),
        Some(ENOMEM | ENOBUFS) => (
            ErrorKind::JobFailed,
            format!("{cause}: this machine has no memory left for a connection"),
        ),
        _ if error.map(io::Error::kind) == Some(io::ErrorKind::ConnectionRefused) => {
            (ErrorKind::Unavailable, "nothing listens there".to_owned())
        }
        _ => (ErrorKind::Unavailable, cause.to_owned()),
    }
}

fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        next = error.source();
    }
    None
}

/// Why a handshake did not succeed.
enum Setback {
    /// Trying again may help.
    Busy(Failure),
    Fatal(Failure),
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        Setback::Fatal(failure)
    }
}

fn setback(status: &Status, context: &str) -> Setback {
    let failure = from_status(status, context);
    // With a source the connection itself ended: a server that is full closes the oldest one that has proved nothing.
    if status.code() == Code::ResourceExhausted || status.source().is_some() {
        Setback::Busy(failure)
    } else {
        Setback::Fatal(failure)
    }
}

async fn shake_hands(
    channel: &Channel,
    (host, port): (&str, u16),
    identity: &Identity,
    binding: Option<Binding>,
) -> Result<Credentials, Setback> {
    let context = format!("handshake with {host}:{port}");
    let call = Call {
        job: &identity.job,
        purpose: identity.purpose,
        client: &identity.client,
        server: &identity.server,
        generation: 0,
    };
    let initiator = Initiator::new(identity.key.clone(), &call, binding)?;
    let (sender, receiver) = mpsc::channel(2);
    send(&sender, initiator.hello()).await?;
    let mut answers = FlightServiceClient::new(channel.clone())
        .handshake(ReceiverStream::new(receiver))
        .await
        .map_err(|status| setback(&status, &context))?
        .into_inner();
    let hello: ServerHello = next_answer(&mut answers, &context).await?;
    let (proof, session_key) = match initiator.prove(&hello) {
        Ok(proved) => proved,
        Err(failure) => {
            // The server learns why we leave; where it is a stranger it learns nothing else.
            let _ = send(&sender, &ClientProof { proof: String::new() }).await;
            let _ = answers.message().await;
            let message = format!("{context}: the server is a stranger: {}", failure.message);
            return Err(Failure::new(failure.kind, message).into());
        }
    };
    send(&sender, &proof).await?;
    let accepted: Accepted = next_answer(&mut answers, &context)
        .await
        .map_err(|setback| match setback {
            Setback::Fatal(failure) if failure.kind == ErrorKind::Unauthenticated => Failure::new(
                failure.kind,
                format!("{context}: the server refused our proof: {}", failure.message),
            )
            .into(),
            other => other,
        })?;
    Ok(Credentials::Session {
        id: accepted.session,
        key: session_key,
        counter: AtomicU64::new(1),
    })
}

async fn send<T: Serialize>(sender: &mpsc::Sender<HandshakeRequest>, message: &T) -> Result<(), Failure> {
    let payload = serde_json::to_vec(message).map_err(|error| Failure::internal(error.to_string()))?;
    let request = HandshakeRequest {
        protocol_version: 0,
        payload: payload.into(),
    };
    // Where the call has ended already, its answer says why.
    let _ = sender.send(request).await;
    Ok(())
}

async fn next_answer<T: DeserializeOwned>(
    answers: &mut Streaming<HandshakeResponse>,
    context: &str,
) -> Result<T, Setback> {
    let answer = answers
        .message()
        .await
        .map_err(|status| setback(&status, context))?;
    let answer = answer.ok_or_else(|| {
        Setback::Busy(Failure::unavailable(format!(
            "{context}: the server ended it early"
        )))
    })?;
    serde_json::from_slice(&answer.payload).map_err(|_| {
        Failure::new(
            ErrorKind::Unauthenticated,
            format!("{context}: the answer is not Candlewick's"),
        )
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_of_this_host_is_not_laid_on_others() {
        let told = |code: i32| why_not(Some(&io::Error::from_raw_os_error(code)), "cause");
        for (code, remedy) in [
            (EMFILE, "ulimit -n"),
            (ENFILE, "fs.file-max"),
            (EADDRNOTAVAIL, "net.ipv4.ip_local_port_range"),
            (ENOMEM, "no memory left"),
        ] {
            let (kind, message) = told(code);
            assert!(
                kind == ErrorKind::JobFailed && message.contains(remedy),
                "{code}: {message}"
            );
        }
        let refused = why_not(Some(&io::ErrorKind::ConnectionRefused.into()), "cause");
        assert_eq!(
            refused,
            (ErrorKind::Unavailable, "nothing listens there".to_owned())
        );
        assert_eq!(why_not(None, "cause").0, ErrorKind::Unavailable);
    }
}
