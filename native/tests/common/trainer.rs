//! A Flight server in the place of a trainer: it keeps what is put, and answers as it is told.

use super::Items;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::utils::flight_data_to_batches;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use candlewick_protocol::Failure;
use candlewick_protocol::feed::{FrameHeader, Owner, StreamId, StreamSealed};
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_protocol::row::RowHasher;
use candlewick_wire::{AuthMode, ServerAuth, bind, serve, to_status};
use futures::stream::{self, StreamExt};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};

/// How the trainer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// Says one row more than it got.
    Miscounts,
    /// Refuses the second frame.
    Refuses,
    /// Reads nothing.
    Stalls,
    /// Reads all and never answers.
    Silent,
}

/// A row as it arrived.
pub type Arrived = (Vec<f32>, Vec<f64>, f64);

#[derive(Debug, Default)]
pub struct Seen {
    pub rows: Vec<Arrived>,
    pub streams: Vec<StreamId>,
}

pub struct Trainer {
    pub seen: Arc<Mutex<Seen>>,
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Service {
    auth: ServerAuth,
    manner: Manner,
    seen: Arc<Mutex<Seen>>,
}

impl Trainer {
    pub fn start(job: &str, secret: &JobSecret, manner: Manner) -> Trainer {
        let listener = bind("127.0.0.1", "0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let auth = ServerAuth::new(AuthMode::Job {
            job: job.to_owned(),
            server: "trainer".to_owned(),
            secret: secret.clone(),
            purposes: vec![Purpose::Feed],
        });
        let seen = Arc::new(Mutex::new(Seen::default()));
        let service = Service {
            auth: auth.clone(),
            manner,
            seen: Arc::clone(&seen),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime
                .block_on(serve(listener, service, auth, async { drop(stopped.await) }))
                .unwrap();
            runtime.shutdown_background();
        });
        Trainer {
            seen,
            port,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn owner(&self, lo: u32, hi: u32) -> Owner {
        Owner {
            trainer: format!("t{lo}"),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            lo,
            hi,
        }
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Service {
    async fn receive(self: &Service, mut frames: Streaming<FlightData>) -> Result<StreamSealed, Status> {
        let mut all = Vec::new();
        while let Some(frame) = frames.message().await? {
            if self.manner == Manner::Refuses && all.len() == 2 {
                return Err(to_status(&Failure::new(
                    candlewick_protocol::ErrorKind::JobFailed,
                    "the spool is full",
                )));
            }
            all.push(frame);
        }
        let stream: StreamId =
            serde_json::from_slice(&all[0].flight_descriptor.as_ref().unwrap().cmd).unwrap();
        for (at, frame) in all[1..].iter().enumerate() {
            let header: FrameHeader = serde_json::from_slice(&frame.app_metadata).unwrap();
            assert_eq!((header.stream, header.sequence), (stream.clone(), at as u64));
        }
        let mut hasher = RowHasher::default();
        let mut sealed = StreamSealed {
            stream: stream.clone(),
            rows: 0,
            hash_sum: 0,
        };
        let mut seen = self.seen.lock().unwrap();
        seen.streams.push(stream);
        for batch in flight_data_to_batches(&all).unwrap() {
            for row in rows(&batch) {
                sealed.rows += 1;
                sealed.hash_sum = sealed
                    .hash_sum
                    .wrapping_add(hasher.hash(&row.0, &row.1, row.2, false));
                seen.rows.push(row);
            }
        }
        sealed.rows += u64::from(self.manner == Manner::Miscounts);
        Ok(sealed)
    }
}

fn rows(batch: &RecordBatch) -> Vec<Arrived> {
    let (features, labels) = (
        batch.column(0).as_fixed_size_list(),
        batch.column(1).as_fixed_size_list(),
    );
    let weights = batch.column(2).as_primitive::<Float64Type>();
    let row = |at: usize| {
        let features = features.value(at).as_primitive::<Float32Type>().values().to_vec();
        (
            features,
            labels.value(at).as_primitive::<Float64Type>().values().to_vec(),
            weights.value(at),
        )
    };
    (0..batch.num_rows()).map(row).collect()
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Items<HandshakeResponse>;
    type ListFlightsStream = Items<FlightInfo>;
    type DoGetStream = Items<FlightData>;
    type DoPutStream = Items<PutResult>;
    type DoExchangeStream = Items<FlightData>;
    type DoActionStream = Items<arrow_flight::Result>;
    type ListActionsStream = Items<ActionType>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        self.auth.handshake(request).await
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        self.auth.check("DoPut", &request)?;
        if self.manner == Manner::Stalls {
            let _kept = request;
            return std::future::pending().await;
        }
        let sealed = self.receive(request.into_inner()).await?;
        if self.manner == Manner::Silent {
            return std::future::pending().await;
        }
        let app_metadata = serde_json::to_vec(&sealed).unwrap().into();
        Ok(Response::new(
            stream::iter([Ok(PutResult { app_metadata })]).boxed(),
        ))
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn do_get(&self, _: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn do_action(&self, _: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        Err(Status::unimplemented(""))
    }
}
