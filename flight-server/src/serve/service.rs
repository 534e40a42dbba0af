//! The Flight service of `serve`; docs/flight.md describes it for its users.

use super::egress::{metrics, metrics_schema, rows_schema, weights, weights_schema};
use super::ingest::to_chunk;
use super::state::{ROUND, ServerState};
use crate::refused::unimplemented;
use arrow_array::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo,
    IpcMessage, PutResult, SchemaAsIpc, SchemaResult, Ticket,
};
use arrow_schema::Schema;
use candlewick_protocol::Failure;
use candlewick_protocol::message::{BULK_CHUNK, MAX_FLIGHT_MESSAGE};
use candlewick_wire::{Answer, Caller, PartialFlight, from_status, to_status};
use futures::stream;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tonic::{Code, Request, Response, Status, Streaming};

/// Actions and what they do, as ListActions tells them.
const ACTIONS: [(&str, &str); 6] = [
    (
        "configure",
        "What is trained and how (JSON); answers with the defaults filled in",
    ),
    (
        "train",
        "Trains from the initial weights; one JSON record per epoch",
    ),
    ("status", "What this trainer holds and does (JSON)"),
    ("weights.safetensors", "The weights file, in pieces to be joined"),
    ("reset", "Forgets job, rows and weights"),
    ("shutdown", "Ends the process"),
];

/// See the module.
pub(super) struct ServeService {
    state: Arc<ServerState>,
    stop: mpsc::Sender<()>,
}

fn json_result(value: &Value) -> Answer<arrow_flight::Result> {
    let result = arrow_flight::Result::new(value.to_string());
    Ok(Response::new(stream::iter([Ok(result)]).boxed()))
}

fn status(failure: Failure) -> Status {
    to_status(&failure)
}

fn flight_error(error: FlightError) -> Failure {
    match error {
        // Before a message is read its length says that it is too long.
        FlightError::Tonic(status) if status.code() == Code::OutOfRange => Failure::parameter(format!(
            "a batch of rows is longer than {} MiB, the most that one message may have: send fewer rows in a batch (pyarrow: \
             write_table(table, max_chunksize=...)): {}",
            MAX_FLIGHT_MESSAGE >> 20,
            status.message()
        )),
        FlightError::Tonic(status) => from_status(&status, "the stream of rows broke"),
        other => Failure::data(format!("the rows cannot be read as Arrow: {other}")),
    }
}

/// The number of rows that the descriptor of a DoPut announces, if it does.
fn announcement(path: &[String]) -> Result<Option<u64>, Failure> {
    let wrong = || {
        Failure::parameter(format!(
            "DoPut takes the descriptor path [\"rows\"], or [\"rows\", \"1000\"] where 1000 rows are meant to come, got {path:?}"
        ))
    };
    match path {
        [name] if name == "rows" => Ok(None),
        [name, rows] if name == "rows" => rows.parse().map(Some).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

impl ServeService {
    pub(super) fn new(state: Arc<ServerState>, stop: mpsc::Sender<()>) -> Self {
        ServeService { state, stop }
    }

    /// Rows of one DoPut into the spool.
    async fn take(&self, frames: Streaming<FlightData>) -> Result<Value, Failure> {
        let mut frames = frames.peekable();
        let mut put = self.state.begin_put()?;
        let mut announced = None;
        if let Some(Ok(first)) = std::pin::Pin::new(&mut frames).peek().await {
            let path = first
                .flight_descriptor
                .as_ref()
                .map(|descriptor| descriptor.path.clone())
                .unwrap_or_default();
            announced = announcement(&path)?;
        }
        let mut batches = FlightRecordBatchStream::new_from_flight_data(frames.map_err(FlightError::from));
        let mut number = 0;
        while let Some(batch) = batches.try_next().await.map_err(flight_error)? {
            let spool = Arc::clone(&put.spool);
            let taken =
                spawn_blocking(move || spool.take(ROUND, to_chunk(&batch, number, spool.shape())?)).await;
            put.add(taken.map_err(|error| Failure::internal(format!("a batch was not read: {error}")))??)?;
            number += 1;
        }
        let (rows, total) = put.finish(announced)?;
        Ok(json!({"rows": rows, "total": total}))
    }

    fn train(&self) -> Answer<arrow_flight::Result> {
        let records = self.state.train().map_err(status)?;
        let results = stream::unfold(records, async |mut records| {
            let item = match records.recv().await? {
                Ok(record) => serde_json::to_string(&record)
                    .map(arrow_flight::Result::new)
                    .map_err(|error| Status::internal(error.to_string())),
                Err(failure) => Err(to_status(&failure)),
            };
            Some((item, records))
        });
        Ok(Response::new(results.boxed()))
    }

    fn weights_file(&self) -> Answer<arrow_flight::Result> {
        let model = self.state.model().map_err(status)?;
        let file = model.network.save_weights(&model.weights).map_err(status)?;
        let pieces: Vec<Result<arrow_flight::Result, Status>> = file
            .chunks(BULK_CHUNK)
            .map(|piece| Ok(arrow_flight::Result::new(piece.to_vec())))
            .collect();
        Ok(Response::new(stream::iter(pieces).boxed()))
    }

    /// What is here: name, columns, rows.
    fn flights(&self) -> Vec<(&'static str, Schema, usize)> {
        let mut flights = Vec::new();
        if let Some(shape) = self.state.shape() {
            let rows = usize::try_from(self.state.rows()).unwrap_or(usize::MAX);
            flights.push(("rows", rows_schema(&shape), rows));
        }
        if let Ok(model) = self.state.model() {
            flights.push(("weights", weights_schema(), model.network.parameters().len()));
            flights.push(("metrics", metrics_schema(&model.history), model.history.len()));
        }
        flights
    }

    fn find(&self, descriptor: &FlightDescriptor) -> Result<(&'static str, Schema, usize), Status> {
        let flights = self.flights();
        let have: Vec<&str> = flights.iter().map(|(name, ..)| *name).collect();
        let told = format!(
            "there is no flight with path {:?}; this trainer holds {have:?}",
            descriptor.path
        );
        let [name] = descriptor.path.as_slice() else {
            return Err(Status::not_found(told));
        };
        flights
            .into_iter()
            .find(|flight| flight.0 == name)
            .ok_or_else(|| Status::not_found(told))
    }
}

fn info((name, schema, records): (&'static str, Schema, usize)) -> Result<FlightInfo, Status> {
    let info = FlightInfo::new()
        .try_with_schema(&schema)
        .map_err(|error| Status::internal(error.to_string()))?
        .with_descriptor(FlightDescriptor::new_path(vec![name.to_owned()]))
        .with_total_records(i64::try_from(records).unwrap_or(i64::MAX));
    // Rows go in, they do not come out.
    let readable = name != "rows";
    Ok(if readable {
        info.with_endpoint(FlightEndpoint::new().with_ticket(Ticket::new(name)))
    } else {
        info
    })
}

fn batches(schema: Schema, batches: Vec<RecordBatch>) -> Answer<FlightData> {
    let batches = stream::iter(batches.into_iter().map(Ok));
    let frames = FlightDataEncoderBuilder::new()
        .with_schema(Arc::new(schema))
        .build(batches);
    Ok(Response::new(frames.map_err(Status::from).boxed()))
}

#[tonic::async_trait]
impl PartialFlight for ServeService {
    fn refuse(&self, method: &str) -> Status {
        unimplemented(method)
    }

    async fn list_flights(&self, _caller: Caller, _request: Request<Criteria>) -> Answer<FlightInfo> {
        let flights: Vec<Result<FlightInfo, Status>> = self.flights().into_iter().map(info).collect();
        Ok(Response::new(stream::iter(flights).boxed()))
    }

    async fn get_flight_info(
        &self,
        _caller: Caller,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(self.find(request.get_ref())?).map(Response::new)
    }

    async fn get_schema(
        &self,
        _caller: Caller,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let (_, schema, _) = self.find(request.get_ref())?;
        let options = arrow_ipc::writer::IpcWriteOptions::default();
        let IpcMessage(schema) = SchemaAsIpc::new(&schema, &options)
            .try_into()
            .map_err(|error: arrow_schema::ArrowError| Status::internal(error.to_string()))?;
        Ok(Response::new(SchemaResult { schema }))
    }

    async fn do_put(&self, _caller: Caller, request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        let answer = self.take(request.into_inner()).await.map_err(status)?;
        let result = PutResult {
            app_metadata: answer.to_string().into(),
        };
        Ok(Response::new(stream::iter([Ok(result)]).boxed()))
    }

    async fn do_get(&self, _caller: Caller, request: Request<Ticket>) -> Answer<FlightData> {
        let ticket = request.into_inner().ticket;
        match ticket.as_ref() {
            b"weights" => {
                let model = self.state.model().map_err(status)?;
                batches(weights_schema(), weights(&model).map_err(status)?)
            }
            b"metrics" => {
                let model = self.state.model().map_err(status)?;
                batches(
                    metrics_schema(&model.history),
                    vec![metrics(&model.history).map_err(status)?],
                )
            }
            other => Err(Status::not_found(format!(
                "there is no ticket {:?}; tickets are \"weights\" and \"metrics\"",
                String::from_utf8_lossy(other)
            ))),
        }
    }

    async fn do_action(&self, _caller: Caller, request: Request<Action>) -> Answer<arrow_flight::Result> {
        let action = request.into_inner();
        match action.r#type.as_str() {
            "configure" => json_result(&self.state.configure(&action.body).map_err(status)?),
            "train" => self.train(),
            "status" => json_result(&self.state.status()),
            "weights.safetensors" => self.weights_file(),
            "reset" => json_result(&self.state.reset().map_err(status)?),
            "shutdown" => {
                // Full means that someone else asked already.
                let _ = self.stop.try_send(());
                json_result(&json!({}))
            }
            other => {
                let have: Vec<&str> = ACTIONS.iter().map(|(name, _)| *name).collect();
                Err(Status::invalid_argument(format!(
                    "there is no action \"{other}\"; actions are {have:?}"
                )))
            }
        }
    }

    async fn list_actions(&self, _caller: Caller, _request: Request<Empty>) -> Answer<ActionType> {
        let list = ACTIONS.map(|(name, description)| {
            Ok(ActionType {
                r#type: name.to_owned(),
                description: description.to_owned(),
            })
        });
        Ok(Response::new(stream::iter(list).boxed()))
    }
}
