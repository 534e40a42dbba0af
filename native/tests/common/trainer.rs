//! A Flight server in the place of a trainer: it keeps what is put, and answers as it is told.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_flight::utils::flight_data_to_batches;
use arrow_flight::{FlightData, PutResult};
use candlewick_protocol::Failure;
use candlewick_protocol::feed::{FrameHeader, Owner, StreamId, StreamSealed};
use candlewick_protocol::keys::{JobSecret, KeyRing, Purpose};
use candlewick_protocol::row::RowHasher;
use candlewick_wire::{Answer, AuthMode, Caller, PartialFlight, ServerAuth, Windows, bind, serve, to_status};
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
    /// DoPut calls that came, those of them that ended without their last frame, and empty frames.
    pub calls: u32,
    pub cancelled: u32,
    pub alive: u32,
}

pub struct Trainer {
    id: String,
    pub seen: Arc<Mutex<Seen>>,
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Service {
    manner: Manner,
    seen: Arc<Mutex<Seen>>,
}

impl Trainer {
    /// A trainer that proves itself as "t0".
    pub fn start(job: &str, secret: &JobSecret, manner: Manner) -> Trainer {
        Self::start_as("t0", job, secret, manner)
    }

    pub fn start_as(id: &str, job: &str, secret: &JobSecret, manner: Manner) -> Trainer {
        Self::start_with(id, (job, &secret.ring(job, &[Purpose::Feed], false)), manner)
    }

    /// With these keys of its job, which say whether its connections are encrypted.
    pub fn start_with(id: &str, (job, keys): (&str, &KeyRing), manner: Manner) -> Trainer {
        let listener = bind("127.0.0.1", "0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let auth = ServerAuth::new(AuthMode::Job {
            job: job.to_owned(),
            server: id.to_owned(),
            keys: keys.clone(),
        });
        let seen = Arc::new(Mutex::new(Seen::default()));
        let service = Service {
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
                .block_on(serve(listener, service, (auth, Windows::default()), async {
                    drop(stopped.await)
                }))
                .unwrap();
            runtime.shutdown_background();
        });
        Trainer {
            id: id.to_owned(),
            seen,
            port,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn owner(&self, lo: u32, hi: u32) -> Owner {
        Owner {
            trainer: self.id.clone(),
            host: "127.0.0.1".to_owned(),
            executor: self.id.clone(),
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

/// Counts a call that ends, or is given up, without its last frame.
struct Unended(Option<Arc<Mutex<Seen>>>);

impl Drop for Unended {
    fn drop(&mut self) {
        if let Some(seen) = self.0.take() {
            seen.lock().unwrap().cancelled += 1;
        }
    }
}

impl Service {
    async fn receive(self: &Service, mut frames: Streaming<FlightData>) -> Result<StreamSealed, Status> {
        let mut all = Vec::new();
        let mut end = None;
        let mut unended = Unended(Some(Arc::clone(&self.seen)));
        while let Some(frame) = frames.message().await? {
            if frame.app_metadata.is_empty() && frame.data_header.is_empty() {
                self.seen.lock().unwrap().alive += 1;
                continue;
            }
            if frame.flight_descriptor.is_none() {
                let header: FrameHeader = serde_json::from_slice(&frame.app_metadata).unwrap();
                if header.end.is_some() {
                    assert_eq!(header.sequence as usize, all.len() - 1);
                    end = header.end;
                    break;
                }
            }
            if self.manner == Manner::Refuses && all.len() == 2 {
                return Err(to_status(&Failure::new(
                    candlewick_protocol::ErrorKind::JobFailed,
                    "the spool is full",
                )));
            }
            all.push(frame);
        }
        let end = end.ok_or_else(|| Status::cancelled("no last frame"))?;
        unended.0 = None;
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
        assert_eq!((end.rows, end.hash_sum), (sealed.rows, sealed.hash_sum));
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
impl PartialFlight for Service {
    fn refuse(&self, method: &str) -> Status {
        Status::unimplemented(method)
    }

    async fn do_put(&self, _caller: Caller, request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        self.seen.lock().unwrap().calls += 1;
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
}
