//! What a feed task does: hash, route, DoPut, ledger.

use super::Gang;
use super::data::{FEATURES, Row};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch};
use arrow_flight::utils::batches_to_flight_data;
use arrow_flight::{FlightData, FlightDescriptor};
use arrow_schema::Field;
use candlewick_protocol::features::{FeatureEncoding, FeatureRow, FeatureType};
use candlewick_protocol::feed::{
    FrameHeader, Owner, RowFormat, ShardSum, StreamEnd, StreamId, StreamSealed, TaskLedger,
};
use candlewick_protocol::job::{DataSpec, JobSpec};
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_protocol::placement::first_home;
use candlewick_protocol::row::{RowHasher, shard_of};
use candlewick_protocol::shuffle::{DataShuffle, Home};
use candlewick_protocol::validation::FedShard;
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_wire::{BatchFormat, Client, Identity, OpenBatch, from_status};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Request;

/// Rows of one frame.
const FRAME_ROWS: usize = 50;
/// Rows of one partition of a round.
pub const PARTITION_ROWS: usize = 97;

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let list = |values: ArrayRef, width: usize| -> ArrayRef {
        let item = Arc::new(Field::new("item", values.data_type().clone(), false));
        Arc::new(FixedSizeListArray::new(item, width as i32, values, None))
    };
    let features: Vec<f32> = rows.iter().flat_map(|row| row.features.iter().copied()).collect();
    let labels = Float64Array::from_iter_values(rows.iter().map(|row| row.label));
    let weights: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.weight)));
    let width = rows.first().map_or(FEATURES, |row| row.features.len());
    let features = list(Arc::new(Float32Array::from(features)), width);
    RecordBatch::try_from_iter([
        ("features", features),
        ("label", list(Arc::new(labels), 1)),
        ("weight", weights),
    ])
    .unwrap()
}

/// The frames of a stream.
pub fn frames(id: &StreamId, rows: &[Row]) -> Vec<FlightData> {
    frames_of(id, rows, FRAME_ROWS)
}

/// The frames of a stream, `size` rows each.
pub fn frames_of(id: &StreamId, rows: &[Row], size: usize) -> Vec<FlightData> {
    let batches: Vec<RecordBatch> = rows.chunks(size).map(batch).collect();
    let schema = batch(&rows[..rows.len().min(1)]).schema();
    let mut frames = batches_to_flight_data(&schema, &batches).unwrap();
    let command = serde_json::to_vec(id).unwrap();
    frames[0].flight_descriptor = Some(FlightDescriptor::new_cmd(command));
    for (sequence, frame) in (0..).zip(&mut frames[1..]) {
        let header = FrameHeader {
            stream: id.clone(),
            sequence,
            home: None,
            copies: Vec::new(),
            end: None,
        };
        frame.app_metadata = serde_json::to_vec(&header).unwrap().into();
    }
    let mut hasher = RowHasher::default();
    let hashes = rows
        .iter()
        .map(|row| hasher.hash(&row.features, &[row.label], row.weight, false));
    let header = FrameHeader {
        stream: id.clone(),
        sequence: frames.len() as u64 - 1,
        home: None,
        copies: Vec::new(),
        end: Some(StreamEnd {
            rows: rows.len() as u64,
            hash_sum: hashes.fold(0, u128::wrapping_add),
        }),
    };
    frames.push(FlightData::new().with_app_metadata(serde_json::to_vec(&header).unwrap()));
    frames
}

/// The frames of a stream whose features are of a job's type: small integers times its scale, or those that are not zero.
pub fn typed_frames(job: &JobSpec, id: &StreamId, rows: &[Row]) -> Vec<FlightData> {
    let DataSpec {
        feature_encoding: FeatureEncoding { kind, scale, .. },
        feature_width,
        label,
        validation,
        ..
    } = &job.data;
    let format = RowFormat::new(*feature_width as usize, *kind, label, *validation);
    let format = BatchFormat::new(format, u64::MAX).unwrap();
    let mut batch = OpenBatch::new(format.clone());
    let mut frames = vec![format.opening(id).unwrap()];
    let mut hasher = RowHasher::default();
    let mut end = StreamEnd { rows: 0, hash_sum: 0 };
    for (at, row) in (1..).zip(rows) {
        let hash = hasher.hash(&row.features, &[row.label], row.weight, false);
        (end.rows, end.hash_sum) = (end.rows + 1, end.hash_sum.wrapping_add(hash));
        let integers = row.features.iter().map(|value| (f64::from(*value) / scale) as u8);
        let pairs = (0u32..).zip(row.features.iter().copied());
        let full = match kind {
            FeatureType::UInt8 => {
                let values: Vec<u8> = integers.collect();
                batch.push(FeatureRow::UInt8(&values), &[row.label], row.weight)
            }
            FeatureType::Sparse => {
                let (indices, values): (Vec<u32>, Vec<f32>) =
                    pairs.filter(|(_, value)| *value != 0.0).unzip();
                batch.push(FeatureRow::Sparse(&indices, &values), &[row.label], row.weight)
            }
            other => panic!("no test sends {other:?}"),
        };
        if full || at % FRAME_ROWS == 0 || at == rows.len() {
            frames.extend(batch.frame(id).unwrap().map(|(frame, _)| frame));
        }
    }
    frames.push(batch.last(id, end).unwrap());
    frames
}

/// A DoPut that stays open: its frames are sent one by one.
pub struct OpenPut {
    frames: Option<mpsc::Sender<FlightData>>,
    answer: JoinHandle<Result<StreamSealed, Failure>>,
}

impl OpenPut {
    pub fn begin(client: &Client) -> Self {
        let (frames, receiver) = mpsc::channel(1);
        let stream = futures::stream::unfold(receiver, async |mut receiver: mpsc::Receiver<FlightData>| {
            Some((receiver.recv().await?, receiver))
        });
        let client = client.clone();
        OpenPut {
            frames: Some(frames),
            answer: tokio::spawn(async move { put_stream(&client, stream).await }),
        }
    }

    pub async fn send(&self, frame: FlightData) {
        let frames = self.frames.as_ref().unwrap();
        let _ = tokio::time::timeout(super::WAIT, frames.send(frame))
            .await
            .unwrap();
    }

    /// Ends the call as gRPC does; the answer.
    pub async fn end(mut self) -> Result<StreamSealed, Failure> {
        self.frames = None;
        self.answer().await
    }

    /// The answer while the call is open from this side.
    pub async fn answer(self) -> Result<StreamSealed, Failure> {
        let answer = tokio::time::timeout(super::WAIT, self.answer).await;
        answer
            .unwrap_or_else(|_| panic!("no answer to DoPut within {:?}", super::WAIT))
            .unwrap()
    }
}

pub async fn connect(owner: &Owner, job: &str, secret: &JobSecret) -> Result<Client, Failure> {
    let identity = Identity {
        job: job.into(),
        client: "executor-0".into(),
        server: owner.trainer.clone(),
        key: secret.derive(job, Purpose::Feed, false),
        purpose: Purpose::Feed,
    };
    Client::connect(&owner.host, owner.port, &identity, super::WAIT).await
}

/// Sends frames as one DoPut and gives the answer.
pub async fn put(client: &Client, frames: Vec<FlightData>) -> Result<StreamSealed, Failure> {
    put_stream(client, futures::stream::iter(frames)).await
}

async fn put_stream(
    client: &Client,
    frames: impl futures::Stream<Item = FlightData> + Send + 'static,
) -> Result<StreamSealed, Failure> {
    let request = client.authorize("DoPut", Request::new(frames));
    let mut answers = client
        .flight()
        .do_put(request)
        .await
        .map_err(|status| from_status(&status, "DoPut"))?
        .into_inner();
    let answer = answers
        .message()
        .await
        .map_err(|status| from_status(&status, "DoPut"))?;
    let answer = answer.ok_or_else(|| Failure::new(ErrorKind::Internal, "DoPut without an answer"))?;
    Ok(serde_json::from_slice(&answer.app_metadata).unwrap())
}

/// Their rows belong to these shards.
pub fn within(mut frames: Vec<FlightData>, home: Option<Home>) -> Vec<FlightData> {
    for frame in &mut frames[1..] {
        let mut header: FrameHeader = serde_json::from_slice(&frame.app_metadata).unwrap();
        header.home = home;
        frame.app_metadata = serde_json::to_vec(&header).unwrap().into();
    }
    frames
}

/// The shard of a row, and its hash.
fn shard_of_row(hasher: &mut RowHasher, row: &Row, job: &JobSpec, home: Option<Home>) -> (FedShard, u128) {
    let hash = hasher.hash(&row.features, &[row.label], row.weight, false);
    let held_out = job
        .data
        .validation
        .is_some_and(|rows| rows.holds_out(hash, false));
    let mut shard = FedShard::of(hash, held_out, job.train.logical_shards);
    if let Some(home) = home {
        shard.shard = home.shard_of(hash);
    }
    (shard, hash)
}

/// The sums of all shards.
fn sums(rows: &[Row], job: &JobSpec, home: Option<Home>) -> Vec<ShardSum> {
    let mut hasher = RowHasher::default();
    let mut sums: BTreeMap<u32, (u64, u128)> = BTreeMap::new();
    for row in rows {
        let (shard, hash) = shard_of_row(&mut hasher, row, job, home);
        let sum = sums.entry(shard.number(job.train.logical_shards)).or_default();
        *sum = (sum.0 + 1, sum.1.wrapping_add(hash));
    }
    let sums = sums.into_iter().map(|(shard, (rows, hash_sum))| ShardSum {
        shard,
        rows,
        hash_sum,
    });
    sums.collect()
}

/// The rows that go to an owner, and the sums of its shards.
pub fn route(rows: &[Row], owner: &Owner, shards: u32) -> (Vec<Row>, BTreeMap<u32, (u64, u128)>) {
    let mut hasher = RowHasher::default();
    let mut sums: BTreeMap<u32, (u64, u128)> = BTreeMap::new();
    let mut mine = Vec::new();
    for row in rows {
        let hash = hasher.hash(&row.features, &[row.label], row.weight, false);
        let shard = shard_of(hash, shards);
        if (owner.lo..owner.hi).contains(&shard) {
            let sum = sums.entry(shard).or_default();
            *sum = (sum.0 + 1, sum.1.wrapping_add(hash));
            mine.push(row.clone());
        }
    }
    (mine, sums)
}

impl Gang {
    /// Feeds one partition as one attempt; gives its ledger.
    pub async fn feed_partition(
        &self,
        clients: &[Client],
        partition: u32,
        attempt: u64,
        rows: &[Row],
    ) -> TaskLedger {
        let mut shards = Vec::new();
        for (owner, client) in self.owners.iter().zip(clients) {
            let (mine, sums) = route(rows, owner, self.job.train.logical_shards);
            let sums = sums.into_iter().map(|(shard, (rows, hash_sum))| ShardSum {
                shard,
                rows,
                hash_sum,
            });
            shards.extend(sums);
            if mine.is_empty() {
                continue;
            }
            let id = StreamId {
                job: self.job.job.clone(),
                round: 0,
                partition,
                attempt,
            };
            let sealed = put(client, frames(&id, &mine)).await.unwrap();
            assert_eq!(sealed.rows, mine.len() as u64);
        }
        TaskLedger {
            partition,
            attempt,
            rows_read: rows.len() as u64,
            rows_sent: rows.len() as u64,
            feature_bytes: (rows.len() * FEATURES * 4) as u64,
            shards,
            ..TaskLedger::default()
        }
    }

    /// Feeds one partition in a round to those of its owners that live; the ledger as a feed task gives it.
    async fn feed_part(
        &self,
        round: (u32, &[(Owner, Option<Client>)]),
        partition: u32,
        rows: &[Row],
    ) -> TaskLedger {
        let (round, owners) = round;
        let home = self.home(round, owners.iter().map(|(owner, _)| owner), partition);
        let fed = owners.iter().map(|(owner, _)| owner.lo..owner.hi).collect();
        if home.is_some_and(|home| !home.meets(&fed)) {
            return TaskLedger {
                partition,
                home,
                ..TaskLedger::default()
            };
        }
        let mut ledger = TaskLedger {
            home,
            partition,
            attempt: 1000 * u64::from(round) + u64::from(partition),
            rows_read: rows.len() as u64,
            feature_bytes: (rows.len() * FEATURES * 4) as u64,
            shards: sums(rows, &self.job, home),
            ..TaskLedger::default()
        };
        let mut hasher = RowHasher::default();
        for (owner, client) in owners {
            let mine = rows.iter().filter(|row| {
                let (shard, _) = shard_of_row(&mut hasher, row, &self.job, home);
                (owner.lo..owner.hi).contains(&shard.shard)
            });
            let mine: Vec<Row> = mine.cloned().collect();
            let id = StreamId {
                job: self.job.job.clone(),
                round,
                partition,
                attempt: ledger.attempt,
            };
            let handed_over = match client {
                _ if mine.is_empty() => continue,
                Some(client) => {
                    let frames = if self.job.data.feature_encoding.is_default() {
                        frames(&id, &mine)
                    } else {
                        typed_frames(&self.job, &id, &mine)
                    };
                    put(client, within(frames, home)).await.is_ok()
                }
                None => false,
            };
            if handed_over {
                ledger.rows_sent += mine.len() as u64;
            } else {
                ledger.lost_shards.extend(owner.lo..owner.hi);
            }
        }
        ledger.rows_passed_over = ledger.rows_read - ledger.rows_sent;
        ledger
    }

    /// Where a partition goes, where that is not decided row by row.
    fn home<'a>(&self, round: u32, owners: impl Iterator<Item = &'a Owner>, partition: u32) -> Option<Home> {
        match self.job.data.data_shuffle {
            DataShuffle::Hash => None,
            DataShuffle::None if round == 0 => {
                let owners: Vec<Owner> = owners.cloned().collect();
                let executor = (self.runs_on)(partition).to_string();
                first_home(&owners, &executor, "elsewhere", partition)
            }
            DataShuffle::None => self.homes.as_ref().unwrap().of(partition),
        }
    }

    /// Feeds a round over all partitions, as the driver does; `between` is called before each partition with its number.
    pub fn feed_round(
        &mut self,
        round: u32,
        owners: &[Owner],
        rows: &[Row],
        mut between: impl FnMut(&mut Gang, u32),
    ) -> Vec<TaskLedger> {
        let runtime = runtime();
        let mut ledgers = Vec::new();
        for (partition, part) in (0u32..).zip(rows.chunks(PARTITION_ROWS)) {
            between(self, partition);
            let ledger = runtime.block_on(async {
                let mut reached = Vec::new();
                for owner in owners {
                    let client = connect(owner, &self.job.job, &self.secret).await.ok();
                    reached.push((owner.clone(), client));
                }
                self.feed_part((round, &reached), partition, part).await
            });
            ledgers.push(ledger);
        }
        ledgers
    }

    /// Feeds a round that the coordinator has asked for, with something between the partitions.
    pub fn serve_feed(&mut self, asked: &Value, rows: &[Row], between: impl FnMut(&mut Gang, u32)) {
        let round = u32::try_from(asked["round"].as_u64().unwrap()).unwrap();
        let owners: Vec<Owner> = serde_json::from_value(asked["owners"].clone()).unwrap();
        self.homes = asked
            .get("homes")
            .map(|homes| serde_json::from_value(homes.clone()).unwrap());
        let ledgers = self.feed_round(round, &owners, rows, between);
        self.command(&json!({"cmd": "seal", "round": round, "ledgers": ledgers}));
    }

    pub async fn clients(&self) -> Vec<Client> {
        let mut clients = Vec::new();
        for owner in &self.owners {
            clients.push(connect(owner, &self.job.job, &self.secret).await.unwrap());
        }
        clients
    }

    /// Feeds all rows in partitions of `split` rows; attempts are numbered from 100.
    pub fn feed(&self, rows: &[Row], split: usize) -> Vec<TaskLedger> {
        runtime().block_on(async {
            let clients = self.clients().await;
            let mut ledgers = Vec::new();
            for (partition, part) in (0u32..).zip(rows.chunks(split)) {
                let attempt = 100 + u64::from(partition);
                ledgers.push(self.feed_partition(&clients, partition, attempt, part).await);
            }
            ledgers
        })
    }
}
