//! What a job will need and how long a step will take: for the driver, before it starts any trainer.

use candlewick_model::memory::{TrainingMemory, step_rows, touched};
use candlewick_model::network::Network;
use candlewick_model::probe::seconds_of_step;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::{Failure, tree};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

/// A trainer before it holds anything: the program, its threads, one connection's window.
const PROCESS: u64 = 24 << 20;
/// What is sent over loopback to see how fast that is.
const SENT: usize = 32 << 20;
const PIECE: usize = 1 << 20;
/// A few bytes, and how often they go there and back.
const WORD: usize = 256;
const TRIPS: u32 = 200;

/// What `trainingPlan` is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanRequest {
    job: JobSpec,
    trainers: u32,
    threads: usize,
    /// How long steps are tried, milliseconds; 0: not at all.
    #[serde(default)]
    probe_ms: u64,
    /// Trainers that share the cores and the memory of a machine like this one: so many are tried side by side.
    #[serde(default)]
    side_by_side: usize,
}

impl PlanRequest {
    /// The answer: accounts of the largest trainer in bytes, what a row takes, what the trainers send in a step, and the
    /// seconds of a step and the bytes a second over loopback where they were tried.
    pub(crate) fn plan(&self) -> Result<Value, Failure> {
        let shards = self.shards();
        let largest = shards
            .iter()
            .max_by_key(|range| range.end - range.start)
            .cloned()
            .unwrap_or(0..1);
        let memory = TrainingMemory::of(&self.job, largest.clone())?;
        let probed = self.probe_ms > 0;
        let patience = Duration::from_millis(self.probe_ms);
        let of_step = |shards, threads| seconds_of_step(&self.job, shards, threads, patience);
        let step = probed
            .then(|| together(self.side_by_side, || of_step(largest.clone(), self.threads)))
            .transpose()?;
        let several = probed && self.trainers > 1;
        let whole = 0..self.job.train.logical_shards;
        let alone = several.then(|| of_step(whole, self.threads)).transpose()?;
        let loopback = probed.then(loopback).flatten();
        Ok(json!({
            "memory": {
                "process": PROCESS,
                "weights": memory.weights,
                "gradients": memory.gradients,
                "optimizer": memory.optimizer,
                "activations": memory.activations,
                "batches": memory.batches,
            },
            "rowBytes": memory.row,
            "sentRowBytes": memory.sent,
            "exchangeBytes": self.exchange_bytes(&shards)?,
            "stepSeconds": step,
            "stepSecondsAlone": alone,
            "loopbackBytesPerSecond": loopback.map(|tried| tried.bytes_per_second),
            "loopbackRoundTripSeconds": loopback.map(|tried| tried.round_trip),
        }))
    }

    /// The shards of each trainer: ranges as equal as they can be.
    fn shards(&self) -> Vec<Range<u32>> {
        let (v, n) = (
            u64::from(self.job.train.logical_shards),
            u64::from(self.trainers.max(1)),
        );
        let bound = |at: u64| u32::try_from(v * at / n).unwrap_or(u32::MAX);
        (0..n).map(|at| bound(at)..bound(at + 1)).collect()
    }

    /// Bytes that all trainers send together in a step: the values of their nodes, and the sum to everybody. Of tables of
    /// which a step touches few rows, those.
    fn exchange_bytes(&self, shards: &[Range<u32>]) -> Result<u64, Failure> {
        let train = &self.job.train;
        let network = Network::of_job(&self.job)?;
        let (values, compression) = (network.num_dense() as u64, train.gradient_compression);
        let node = compression.node_bytes(values);
        let rows = |own: &Range<u32>| touched(&network, &self.job.data, step_rows(&self.job, own)) as u64 * 4;
        let (v, others) = (train.logical_shards, shards.len() as u64 - 1);
        let nodes = shards.iter().map(|own| {
            let nodes = tree::cover(own.start, own.end, v).len() as u64;
            let sent = if compression.sends_leaves() {
                u64::from(own.end - own.start)
            } else {
                nodes
            };
            sent * node + nodes * rows(own)
        });
        let sum = compression.sum_bytes(values, v) + rows(&(0..v));
        Ok(nodes.sum::<u64>() * others / shards.len() as u64 + others * sum)
    }
}

/// Most that are tried side by side.
const MOST_TOGETHER: usize = 8;

/// What `seconds` gives where so many run at once, each on a thread of its own: the mean.
#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn together(count: usize, seconds: impl Fn() -> Result<f64, Failure> + Sync) -> Result<f64, Failure> {
    let count = count.clamp(1, MOST_TOGETHER);
    if count == 1 {
        return seconds();
    }
    let all: Result<Vec<f64>, Failure> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..count).map(|_| scope.spawn(&seconds)).collect();
        let lost = || Failure::internal("a probe has panicked");
        let ended = started
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| Err(lost())));
        ended.collect()
    });
    Ok(all?.iter().sum::<f64>() / count as f64)
}

/// What a connection over loopback does.
#[derive(Debug, Clone, Copy)]
struct Loopback {
    bytes_per_second: f64,
    /// Of a few bytes there and back.
    round_trip: f64,
}

/// Tries a connection over loopback; none where that cannot be.
#[expect(clippy::cast_precision_loss, reason = "a rate with three digits")]
fn loopback() -> Option<Loopback> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).ok()?;
    let address = listener.local_addr().ok()?;
    let sender = std::thread::spawn(move || {
        let piece = vec![1u8; PIECE];
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut word = [0; WORD];
        for _ in 0..TRIPS {
            stream.read_exact(&mut word)?;
            stream.write_all(&word)?;
        }
        for _ in 0..SENT / PIECE {
            stream.write_all(&piece)?;
        }
        Ok::<(), std::io::Error>(())
    });
    let (mut stream, _) = listener.accept().ok()?;
    stream.set_nodelay(true).ok()?;
    let (begin, mut word) = (Instant::now(), [1; WORD]);
    for _ in 0..TRIPS {
        stream.write_all(&word).ok()?;
        stream.read_exact(&mut word).ok()?;
    }
    let round_trip = begin.elapsed().as_secs_f64() / f64::from(TRIPS);
    let (begin, mut piece, mut got) = (Instant::now(), vec![0; PIECE], 0usize);
    loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(bytes) => got += bytes,
        }
    }
    let bytes_per_second = got as f64 / begin.elapsed().as_secs_f64();
    sender.join().ok()?.ok()?;
    Some(Loopback {
        bytes_per_second,
        round_trip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_model::job::complete;

    fn request(trainers: u32, probe_ms: u64) -> PlanRequest {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 4, "params": {
            "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]}}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        PlanRequest {
            job,
            trainers,
            threads: 1,
            probe_ms,
            side_by_side: trainers as usize,
        }
    }

    #[test]
    fn of_a_table_the_rows_that_a_step_touches_are_sent() {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 2, "params": {
            "batchSize": 80, "logicalShards": 8, "optimizer": {"type": "SGD", "lr": 0.1},
            "network": {"format": "candlewick.network/1", "layers": [
                {"type": "EmbeddingBag", "num_embeddings": 100_000, "embedding_dim": 8},
                {"type": "Linear", "out_features": 3}]}}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        let plan = PlanRequest { job, ..request(2, 0) }.plan().unwrap();
        // 27 weights of the last layer; 40 rows touch 80 of the table at most, all of them 160.
        assert_eq!(plan["exchangeBytes"], 108 + 80 * 8 * 4 + 108 + 160 * 8 * 4);
    }

    #[test]
    fn one_trainer_sends_nothing_and_two_the_sums_and_the_result() {
        assert_eq!(request(1, 0).plan().unwrap()["exchangeBytes"], 0);
        // 15 weights, one node each: half of it to the other, and half of the sum back.
        assert_eq!(request(2, 0).plan().unwrap()["exchangeBytes"], 60 + 60);
        let three = request(3, 0);
        assert_eq!(three.shards(), [0..2, 2..5, 5..8]);
    }

    #[test]
    fn what_is_tried_takes_time() {
        let plan = request(2, 2).plan().unwrap();
        for name in [
            "stepSeconds",
            "stepSecondsAlone",
            "loopbackBytesPerSecond",
            "loopbackRoundTripSeconds",
        ] {
            assert!(plan[name].as_f64().unwrap() > 0.0, "{name}");
        }
        assert!(request(2, 0).plan().unwrap()["stepSeconds"].is_null());
    }
}
