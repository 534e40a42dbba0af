//! The server's side: who may call.

use crate::AUTH_HEADER;
use crate::connection::{Connection, remote_of};
use crate::session::{Accepted, Caller, Full, Sessions};
use crate::status::to_status;
use arrow_flight::{HandshakeRequest, HandshakeResponse};
use candlewick_protocol::auth::{
    ClientHello, ClientProof, HANDSHAKE_TIMEOUT_MS, MAX_PENDING, Responder, nonce, short,
};
use candlewick_protocol::keys::{Key, KeyRing, Purpose};
use candlewick_protocol::message::MAX_UNAUTHENTICATED_FRAME;
use candlewick_protocol::throttle::Throttle;
use candlewick_protocol::{ErrorKind, Failure};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};

/// Who a server lets in.
#[derive(Clone)]
pub enum AuthMode {
    /// Processes of one job, by handshake.
    Job {
        /// Id of the job.
        job: String,
        /// Id of this server.
        server: String,
        /// The keys of what callers may come for.
        keys: KeyRing,
    },
    /// Whoever sends this token with every call, as `authorization: Bearer <token>`.
    Bearer(String),
}

/// What [`crate::serve`] found out about a request before its handler runs.
#[derive(Debug, Clone)]
pub(crate) struct Checked(pub(crate) Caller);

/// Why a handshake gives no session.
enum Turned {
    /// It is refused for good, or went wrong.
    Away(Failure),
    /// There is no place for another session: `ResourceExhausted`, after which a client tries again.
    Full(Full),
}

impl From<Failure> for Turned {
    fn from(failure: Failure) -> Self {
        Turned::Away(failure)
    }
}

impl From<Full> for Turned {
    fn from(full: Full) -> Self {
        Turned::Full(full)
    }
}

struct Inner {
    mode: AuthMode,
    sessions: Mutex<Sessions>,
    pending: Arc<Semaphore>,
    complaints: Throttle,
}

/// Authentication of a server; clones share their sessions.
#[derive(Clone)]
pub struct ServerAuth(Arc<Inner>);

impl ServerAuth {
    /// Authentication of one server.
    #[must_use]
    pub fn new(mode: AuthMode) -> Self {
        let pending = Arc::new(Semaphore::new(MAX_PENDING));
        ServerAuth(Arc::new(Inner {
            mode,
            sessions: Mutex::default(),
            pending,
            complaints: Throttle::new(),
        }))
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(&self.0.mode, AuthMode::Job { keys, .. } if keys.is_tls())
    }

    /// Answers Flight's `Handshake` call: one a connection, within 5 s; refusals are logged. `ResourceExhausted` where
    /// trying again helps. Refusals after the first message come as the stream's last item.
    pub(crate) async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<HandshakeResponse, Status>>>, Status> {
        let connection = request.extensions().get::<Connection>().cloned();
        let remote = remote_of(connection.as_ref().map(Connection::info).as_ref());
        let refuse = |reason: &str| Err(self.refuse(&remote, "Handshake", &refusal(reason)));
        if matches!(self.0.mode, AuthMode::Bearer(_)) {
            return refuse("this server expects a bearer token with every call");
        }
        if connection
            .as_ref()
            .is_some_and(|connection| !connection.begin_handshake())
        {
            return refuse("a connection makes one handshake, and this one has begun its own before");
        }
        let Ok(permit) = Arc::clone(&self.0.pending).try_acquire_owned() else {
            return Err(Status::resource_exhausted(
                "too many handshakes at once; try again",
            ));
        };
        let (answers, receiver) = mpsc::channel(2);
        let auth = self.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let talk = auth.converse(request.into_inner(), &answers, connection.as_ref());
            let outcome = match tokio::time::timeout(Duration::from_millis(HANDSHAKE_TIMEOUT_MS), talk).await
            {
                Ok(outcome) => outcome,
                Err(_) => Err(Turned::Away(refusal(format!(
                    "its handshake took longer than {HANDSHAKE_TIMEOUT_MS} ms"
                )))),
            };
            let answer = match outcome {
                Ok(accepted) => {
                    if let Some(connection) = connection {
                        connection.authenticated();
                    }
                    Ok(accepted)
                }
                Err(Turned::Away(failure)) => Err(auth.refuse(&remote, "Handshake", &failure)),
                Err(Turned::Full(full)) => {
                    auth.complain(&remote, "Handshake", &full.to_string());
                    Err(Status::resource_exhausted(full.to_string()))
                }
            };
            // Where the client has gone there is nobody to tell.
            let _ = answers.send(answer).await;
        });
        Ok(Response::new(ReceiverStream::new(receiver).boxed()))
    }

    /// Who made a call of `method`, the gRPC name of the method: "DoPut", "DoAction". Good for one look: a call token is
    /// used up by it.
    pub(crate) fn check(
        &self,
        method: &str,
        map: &MetadataMap,
        connection: Option<&Connection>,
    ) -> Result<Caller, Status> {
        let outcome = match &self.0.mode {
            AuthMode::Bearer(token) => check_bearer(token, map),
            AuthMode::Job { .. } => match map.get(AUTH_HEADER).map(|value| value.to_str()) {
                Some(Ok(token)) => self
                    .sessions()
                    .check(token, method, connection.map(Connection::liveness)),
                Some(Err(_)) => Err(refusal("its call token has the wrong form")),
                None => Err(refusal(
                    "it carries no call token; a client makes the handshake first",
                )),
            },
        };
        outcome.map_err(|failure| {
            let remote = remote_of(connection.map(Connection::info).as_ref());
            self.refuse(&remote, method, &failure)
        })
    }

    /// Logs a refusal and makes the status that tells the caller.
    fn refuse(&self, remote: &str, method: &str, failure: &Failure) -> Status {
        self.complain(remote, method, &failure.message);
        to_status(&Failure::new(
            failure.kind,
            format!("refused: {}", failure.message),
        ))
    }

    fn complain(&self, remote: &str, method: &str, why: &str) {
        if let Some(suppressed) = self.0.complaints.admit(Instant::now()) {
            // The caller chose it, and has proved nothing.
            let method = short(method);
            tracing::warn!(%remote, %method, suppressed, "refused a call: {why}");
        }
    }

    /// The handshake from the client's first message to the accepted session.
    async fn converse(
        &self,
        mut messages: Streaming<HandshakeRequest>,
        answers: &mpsc::Sender<Result<HandshakeResponse, Status>>,
        connection: Option<&Connection>,
    ) -> Result<HandshakeResponse, Turned> {
        let hello: ClientHello = next_message(&mut messages).await?;
        let (key, server, purpose) = self.key_for(&hello)?;
        let (responder, answer) =
            Responder::new(key, &server, hello, connection.and_then(Connection::binding))?;
        answers
            .send(Ok(response(&answer)?))
            .await
            .map_err(|_| refusal("it went away"))?;
        let proof: ClientProof = next_message(&mut messages).await?;
        let session_key = responder.accept(&proof)?;
        let caller = Caller {
            client: responder.hello().client.clone(),
            purpose: Some(purpose),
        };
        let mut session = nonce()?;
        session.truncate(32);
        let liveness = connection.map(Connection::liveness);
        self.sessions()
            .add(session.clone(), (session_key, caller), liveness)?;
        Ok(response(&Accepted { session })?)
    }

    fn key_for(&self, hello: &ClientHello) -> Result<(Key, String, Purpose), Failure> {
        let AuthMode::Job { job, server, keys } = &self.0.mode else {
            return Err(refusal("this server expects a bearer token"));
        };
        if hello.job != *job {
            return Err(refusal(format!(
                "it belongs to job {}, this is job {job}",
                short(&hello.job)
            )));
        }
        let purpose = Purpose::of(&hello.purpose).filter(|purpose| keys.key(*purpose).is_ok());
        let purpose = purpose.ok_or_else(|| {
            let legal: Vec<&str> = keys.purposes().into_iter().map(Purpose::name).collect();
            refusal(format!(
                "it came for \"{}\", this server is for: {}",
                short(&hello.purpose),
                legal.join(", ")
            ))
        })?;
        Ok((keys.key(purpose)?.clone(), server.clone(), purpose))
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerAuth(..)")
    }
}

fn check_bearer(token: &str, map: &MetadataMap) -> Result<Caller, Failure> {
    let Some(Ok(text)) = map.get("authorization").map(|value| value.to_str()) else {
        return Err(refusal(
            "it carries no token; send authorization: Bearer <token> with every call",
        ));
    };
    let given = text.strip_prefix("Bearer ").unwrap_or_default();
    if token.is_empty() || !constant_time_eq::constant_time_eq(token.as_bytes(), given.as_bytes()) {
        return Err(refusal("its token is not this server's"));
    }
    Ok(Caller {
        client: String::new(),
        purpose: None,
    })
}

async fn next_message<T: DeserializeOwned>(messages: &mut Streaming<HandshakeRequest>) -> Result<T, Failure> {
    let too_long = || {
        refusal(format!(
            "a message of its handshake is longer than {MAX_UNAUTHENTICATED_FRAME} bytes"
        ))
    };
    let message = match messages.message().await {
        Ok(Some(message)) => message,
        Ok(None) => return Err(refusal("it ended the handshake early")),
        Err(status) if status.code() == Code::OutOfRange => return Err(too_long()),
        Err(status) => {
            return Err(refusal(format!(
                "its handshake broke: {}",
                short(status.message())
            )));
        }
    };
    if message.payload.len() > MAX_UNAUTHENTICATED_FRAME {
        return Err(too_long());
    }
    serde_json::from_slice(&message.payload).map_err(|_| refusal("its handshake is not Candlewick's"))
}

fn response<T: Serialize>(message: &T) -> Result<HandshakeResponse, Failure> {
    let payload = serde_json::to_vec(message).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(HandshakeResponse {
        protocol_version: 0,
        payload: payload.into(),
    })
}

fn refusal(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Unauthenticated, message)
}

#[cfg(test)]
mod tests;
