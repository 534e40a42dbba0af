//! What a job will need and how long a step will take: for the driver, before it starts any trainer.

use candlewick_model::memory::TrainingMemory;
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
            .then(|| of_step(largest.clone(), self.threads))
            .transpose()?;
        let several = probed && self.trainers > 1;
        let whole = 0..self.job.train.logical_shards;
        let alone = several.then(|| of_step(whole, self.threads)).transpose()?;
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
            "loopbackBytesPerSecond": several.then(loopback).flatten(),
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

    /// Bytes that all trainers send together in a step: the values of their nodes, and the sum to everybody. Rows of
    /// tables that a step touches are left out.
    fn exchange_bytes(&self, shards: &[Range<u32>]) -> Result<u64, Failure> {
        let network = Network::from_document(&self.job.train.network, &self.job.data.input_shape)?;
        let dense = network.num_dense() as u64 * 4;
        let (v, others) = (self.job.train.logical_shards, shards.len() as u64 - 1);
        let nodes = shards
            .iter()
            .map(|own| tree::cover(own.start, own.end, v).len() as u64);
        Ok(nodes.sum::<u64>() * dense * others / shards.len() as u64 + others * dense)
    }
}

/// Bytes a second over loopback; none where it cannot be tried.
#[expect(clippy::cast_precision_loss, reason = "a rate with three digits")]
fn loopback() -> Option<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).ok()?;
    let address = listener.local_addr().ok()?;
    let sender = std::thread::spawn(move || {
        let piece = vec![1u8; PIECE];
        let mut stream = TcpStream::connect(address)?;
        for _ in 0..SENT / PIECE {
            stream.write_all(&piece)?;
        }
        Ok::<(), std::io::Error>(())
    });
    let (mut stream, _) = listener.accept().ok()?;
    let (begin, mut piece, mut got) = (Instant::now(), vec![0; PIECE], 0usize);
    loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(bytes) => got += bytes,
        }
    }
    let done = sender.join().ok()?.is_ok();
    done.then(|| got as f64 / begin.elapsed().as_secs_f64())
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
        }
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
        for name in ["stepSeconds", "stepSecondsAlone", "loopbackBytesPerSecond"] {
            assert!(plan[name].as_f64().unwrap() > 0.0, "{name}");
        }
        assert!(request(2, 0).plan().unwrap()["stepSeconds"].is_null());
    }
}
