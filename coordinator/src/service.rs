//! The coordinator's Flight service: control streams of trainers (DoExchange), reports of executors (DoAction).

use crate::command::{Command, ExitReport};
use crate::runtime::{Link, OUTBOX, Shared};
use arrow_flight::{Action, ActionType, Empty, FlightData};
use candlewick_protocol::message::ToCoordinator;
use candlewick_wire::{Answer, BULK, Caller, ControlReader, PartialFlight, outgoing, to_status};
use futures::StreamExt;
use futures::stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status, Streaming};

/// Longest wait for the first message of a control stream.
const REGISTER_WITHIN: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
}

impl Service {
    /// Registers the caller of a control stream; its first message must come soon and bear the caller's own id.
    async fn register(
        &self,
        client: &str,
        inbound: &mut Streaming<FlightData>,
        link: Link,
    ) -> Result<String, Status> {
        let first = tokio::time::timeout(REGISTER_WITHIN, inbound.message()).await;
        let Ok(Ok(Some(data))) = first else {
            return Err(Status::deadline_exceeded("a control stream begins with Register"));
        };
        let first = ControlReader::default().read(&data);
        match first.map_err(|failure| to_status(&failure))? {
            Some(ToCoordinator::Register { trainer }) if trainer.id == client => {
                let id = trainer.id.clone();
                self.shared
                    .connect(trainer, link)
                    .map_err(|failure| to_status(&failure))?;
                Ok(id)
            }
            Some(ToCoordinator::Register { .. }) => Err(Status::permission_denied(
                "a trainer registers under the id of its handshake",
            )),
            _ => Err(Status::invalid_argument("a control stream begins with Register")),
        }
    }
}

/// Reads a trainer's messages until its stream ends or the coordinator closes the link.
async fn read(
    shared: Arc<Shared>,
    id: String,
    mut inbound: Streaming<FlightData>,
    mut closed: oneshot::Receiver<()>,
) {
    let mut reader = ControlReader::default();
    loop {
        let next = tokio::select! {
            next = inbound.message() => next,
            _ = &mut closed => break,
        };
        let Ok(Some(data)) = next else { break };
        match reader.read(&data) {
            Ok(Some(message)) => shared.message(&id, message, &data.data_body),
            Ok(None) => {}
            Err(failure) => {
                tracing::warn!(trainer = id, "{}", failure.message);
                shared.message(&id, ToCoordinator::Failed { failure }, &[]);
                break;
            }
        }
    }
    shared.disconnect(&id);
}

#[tonic::async_trait]
impl PartialFlight for Service {
    fn refuse(&self, method: &str) -> Status {
        Status::unimplemented(format!(
            "a Candlewick coordinator does not offer {method}: it has DoExchange (trainers) and DoAction \"exited\" \
             (executors)"
        ))
    }

    async fn do_exchange(
        &self,
        caller: Caller,
        request: Request<Streaming<FlightData>>,
    ) -> Answer<FlightData> {
        let mut inbound = request.into_inner();
        let (outbox, words) = mpsc::channel(OUTBOX);
        let (bulk, parts) = mpsc::channel(BULK);
        let (reader, closed) = oneshot::channel();
        let id = self
            .register(
                &caller.client,
                &mut inbound,
                Link {
                    outbox,
                    bulk,
                    _reader: reader,
                },
            )
            .await?;
        tokio::spawn(read(Arc::clone(&self.shared), id, inbound, closed));
        Ok(Response::new(outgoing(words, parts).map(Ok).boxed()))
    }

    async fn do_action(&self, _caller: Caller, request: Request<Action>) -> Answer<arrow_flight::Result> {
        let action = request.into_inner();
        if action.r#type != "exited" {
            return Err(self.refuse(&format!("the action \"{}\"", action.r#type)));
        }
        let report: ExitReport = serde_json::from_slice(&action.body)
            .map_err(|error| Status::invalid_argument(format!("the report cannot be read: {error}")))?;
        self.shared
            .command(Command::Exited(report))
            .map_err(|failure| to_status(&failure))?;
        Ok(Response::new(stream::empty().boxed()))
    }

    async fn list_actions(&self, _caller: Caller, _request: Request<Empty>) -> Answer<ActionType> {
        let description = "An executor reports how a trainer process ended".to_owned();
        let exited = ActionType {
            r#type: "exited".to_owned(),
            description,
        };
        Ok(Response::new(stream::iter([Ok(exited)]).boxed()))
    }
}
