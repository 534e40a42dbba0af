//! The server's side: who may call.

use crate::AUTH_HEADER;
use crate::server::Connection;
use crate::session::Sessions;
use arrow_flight::{HandshakeRequest, HandshakeResponse};
use candlewick_protocol::auth::{
    ClientHello, ClientProof, HANDSHAKE_TIMEOUT_MS, MAX_PENDING, Responder, nonce, purpose_name, purpose_of,
    short,
};
use candlewick_protocol::keys::{JobSecret, Key, Purpose};
use candlewick_protocol::message::MAX_UNAUTHENTICATED_FRAME;
use candlewick_protocol::{ErrorKind, Failure};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
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
        /// The job's secret.
        secret: JobSecret,
        /// What callers may come for; each has a key of its own.
        purposes: Vec<Purpose>,
    },
    /// Whoever sends this token with every call, as `authorization: Bearer <token>`.
    Bearer(String),
}

/// Who called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its id; empty for a bearer token.
    pub client: String,
    /// What it came for; `None` for a bearer token.
    pub purpose: Option<Purpose>,
}

/// Last message of the handshake.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) session: String,
}

/// What [`crate::serve`] found out about a request before its handler runs.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) method: String,
    pub(crate) caller: Caller,
}

struct Inner {
    mode: AuthMode,
    sessions: Mutex<Sessions>,
    pending: Arc<Semaphore>,
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
        }))
    }

    /// Answers Flight's `Handshake` call. It ends within 5 s; at most 64 go on at once; refusals are logged.
    ///
    /// # Errors
    /// `Unauthenticated` where this server wants a bearer token, `ResourceExhausted` where too many are going on.
    /// Refusals after the first message come as the stream's last item.
    pub async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<HandshakeResponse, Status>>>, Status> {
        let remote = remote_of(&request);
        if matches!(self.0.mode, AuthMode::Bearer(_)) {
            return Err(refuse(
                &remote,
                "Handshake",
                "this server wants a bearer token with every call",
            ));
        }
        let Ok(permit) = Arc::clone(&self.0.pending).try_acquire_owned() else {
            tracing::warn!(%remote, "refused a handshake: {MAX_PENDING} others are going on");
            return Err(Status::resource_exhausted(
                "too many handshakes at once; try again",
            ));
        };
        let connection = request.extensions().get::<Connection>().cloned();
        let (answers, receiver) = mpsc::channel(2);
        let auth = self.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let talk = auth.converse(request.into_inner(), &answers);
            let outcome = match tokio::time::timeout(Duration::from_millis(HANDSHAKE_TIMEOUT_MS), talk).await
            {
                Ok(outcome) => outcome,
                Err(_) => Err(refusal(format!(
                    "its handshake took longer than {HANDSHAKE_TIMEOUT_MS} ms"
                ))),
            };
            let answer = match outcome {
                Ok(accepted) => {
                    if let Some(connection) = connection {
                        connection.authenticated();
                    }
                    Ok(accepted)
                }
                Err(failure) => Err(refuse(&remote, "Handshake", &failure.message)),
            };
            // Where the client has gone there is nobody to tell.
            let _ = answers.send(answer).await;
        });
        Ok(Response::new(ReceiverStream::new(receiver).boxed()))
    }

    /// Who made this call of `method`, the gRPC name of the method: "DoPut", "DoAction". Behind [`crate::serve`] the
    /// proof was checked before the call got here; elsewhere it is checked now, and only once.
    ///
    /// # Errors
    /// `Unauthenticated` where the call is not authorised; the refusal is logged.
    pub fn check<T>(&self, method: &str, request: &Request<T>) -> Result<Caller, Status> {
        match request.extensions().get::<Checked>() {
            Some(checked) if checked.method == method => Ok(checked.caller.clone()),
            Some(checked) => Err(refuse(
                &remote_of(request),
                method,
                &format!(
                    "its handler asks for {method}, but the call is {}",
                    checked.method
                ),
            )),
            None => self.check_metadata(method, request.metadata(), &remote_of(request)),
        }
    }

    pub(crate) fn check_metadata(
        &self,
        method: &str,
        map: &MetadataMap,
        remote: &str,
    ) -> Result<Caller, Status> {
        let outcome = match &self.0.mode {
            AuthMode::Bearer(token) => check_bearer(token, map),
            AuthMode::Job { .. } => match map.get(AUTH_HEADER).map(|value| value.to_str()) {
                Some(Ok(text)) => self.sessions().check(text, method),
                Some(Err(_)) => Err("its proof has the wrong form"),
                None => Err("it carries no proof; a client makes the handshake first"),
            },
        };
        outcome.map_err(|reason| refuse(remote, method, reason))
    }

    /// The handshake from the client's first message to the accepted session.
    async fn converse(
        &self,
        mut messages: Streaming<HandshakeRequest>,
        answers: &mpsc::Sender<Result<HandshakeResponse, Status>>,
    ) -> Result<HandshakeResponse, Failure> {
        let hello: ClientHello = next_message(&mut messages).await?;
        let (key, server, purpose) = self.key_for(&hello)?;
        let (responder, answer) = Responder::new(key, &server, hello)?;
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
        self.sessions().add(session.clone(), session_key, caller);
        response(&Accepted { session })
    }

    fn key_for(&self, hello: &ClientHello) -> Result<(Key, String, Purpose), Failure> {
        let AuthMode::Job {
            job,
            server,
            secret,
            purposes,
        } = &self.0.mode
        else {
            return Err(refusal("this server wants a bearer token"));
        };
        if hello.job != *job {
            return Err(refusal(format!(
                "it belongs to job {}, this is job {job}",
                short(&hello.job)
            )));
        }
        let purpose = purpose_of(&hello.purpose)
            .filter(|purpose| purposes.contains(purpose))
            .ok_or_else(|| {
                let legal: Vec<&str> = purposes.iter().map(|purpose| purpose_name(*purpose)).collect();
                refusal(format!(
                    "it came for \"{}\", this server is for: {}",
                    short(&hello.purpose),
                    legal.join(", ")
                ))
            })?;
        Ok((secret.derive(job, purpose), server.clone(), purpose))
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

fn check_bearer(token: &str, map: &MetadataMap) -> Result<Caller, &'static str> {
    let Some(Ok(text)) = map.get("authorization").map(|value| value.to_str()) else {
        return Err("it carries no token; send authorization: Bearer <token> with every call");
    };
    let given = text.strip_prefix("Bearer ").unwrap_or_default();
    if token.is_empty() || !constant_time_eq::constant_time_eq(token.as_bytes(), given.as_bytes()) {
        return Err("its token is not this server's");
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

/// Logs a refusal and makes the status that tells the caller.
fn refuse(remote: &str, method: &str, reason: &str) -> Status {
    tracing::warn!(%remote, %method, "refused a call: {reason}");
    Status::unauthenticated(format!("refused: {reason}"))
}

pub(crate) fn remote_of<T>(request: &Request<T>) -> String {
    request
        .remote_addr()
        .map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}
