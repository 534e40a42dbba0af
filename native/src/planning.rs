//! What a job will need and how long a step will take: for the driver, before it starts any trainer.

use crate::forecasting::{BYTES_PER_SECOND, Found, Outlook};
use crate::handing::{cipher_seconds_per_byte, seconds_per_byte};
use crate::probing::Trial;
use candlewick_collective::SHARED_BYTES;
use candlewick_model::compression::{LowRank, packing_seconds};
use candlewick_model::engine::Gradient;
use candlewick_model::memory::{TrainingMemory, step_rows, touched};
use candlewick_model::network::Network;
use candlewick_model::optim;
use candlewick_protocol::asynchrony::AGREE_EVERY;
use candlewick_protocol::compression::GradientCompression;
use candlewick_protocol::features::FeatureType;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::{Failure, tree};
use candlewick_wire::Windows;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::Range;
use std::time::Duration;

/// A trainer before it holds anything: the program and its threads.
const PROCESS: u64 = 8 << 20;

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
    /// Trainers that share the cores and the memory of a machine: so many are tried side by side.
    #[serde(default)]
    side_by_side: usize,
    /// Rows of the job; 0 where they are not known.
    #[serde(default)]
    rows: u64,
    /// Tasks that feed at the same time on a machine.
    #[serde(default)]
    tasks: usize,
    /// Processes that feed, and tasks of all of them at a time, each with a stream to every trainer; 0: as many as fill a window.
    #[serde(default)]
    feeders: u32,
    #[serde(default)]
    streams: u64,
    /// Connections are encrypted.
    #[serde(default)]
    tls: bool,
}

impl PlanRequest {
    /// The answer: accounts of the largest trainer in bytes, what a row takes, what the trainers send in a step, and, where steps
    /// were tried, what they and what goes with them take.
    pub(crate) fn plan(&self) -> Result<Value, Failure> {
        let shards = self.shards();
        let largest = shards
            .iter()
            .max_by_key(|range| range.end - range.start)
            .cloned()
            .unwrap_or(0..1);
        let memory = TrainingMemory::of(&self.job, largest.clone())?;
        let streams = if self.streams > 0 { self.streams } else { u64::MAX };
        let windows = Windows::of(self.feeders.max(1)).bytes(streams);
        let links = (self.side_by_side.max(1) - 1) * SHARED_BYTES;
        let mut plan = json!({
            "memory": {
                "process": PROCESS,
                "weights": memory.weights,
                "gradients": memory.gradients,
                "optimizer": memory.optimizer,
                "states": memory.states,
                "activations": memory.activations,
                "batches": memory.batches,
                "windows": windows,
                "links": links,
            },
            "rowBytes": memory.row,
            "indexBytes": memory.index,
            // Of all rows, as far as hashes put as many into each shard.
            "share": f64::from(largest.end - largest.start) / f64::from(self.job.train.logical_shards.max(1)),
            "sentRowBytes": memory.sent,
            "exchangeBytes": self.exchange_bytes(&shards)?,
            "networkSecondsPerByte": 1.0 / BYTES_PER_SECOND,
        });
        if shards.len() > 1 {
            // What is tried is one that has all shards, too.
            let alone = TrainingMemory::of(&self.job, 0..self.job.train.logical_shards)?;
            plan["aloneBytes"] = json!(alone.beside_rows());
        }
        if self.probe_ms > 0 {
            plan["tried"] = self.tried(&shards, largest)?;
        }
        Ok(plan)
    }

    /// What steps take: of the trainers that share a machine, side by side, and of one that has no others.
    fn tried(&self, shards: &[Range<u32>], largest: Range<u32>) -> Result<Value, Failure> {
        let trial = Trial {
            job: &self.job,
            threads: self.threads,
            rows: self.rows,
            patience: Duration::from_millis(self.probe_ms),
        };
        let together = self.side_by_side.clamp(1, MOST_TOGETHER).min(shards.len());
        let own = 0..largest.end - largest.start;
        let (step, speeds) = if together > 1 {
            trial.run(&shards[..together])?
        } else {
            trial.run(std::slice::from_ref(&own))?
        };
        let whole = 0..self.job.train.logical_shards;
        let alone = if shards.len() > 1 {
            let (tried, _) = trial.run(std::slice::from_ref(&whole))?;
            Some(tried.step + self.codec(whole.len(), true)?)
        } else {
            None
        };
        // Trainers of one machine exchange through memory.
        let cipher = if self.tls && self.hosts().len() > 1 {
            cipher_seconds_per_byte()?
        } else {
            0.0
        };
        let outlook = Outlook {
            job: &self.job,
            hosts: self.hosts(),
            together,
            codec: self.codec(own.len(), shards.len() < 2)?,
            rows: self.row_bytes(shards)?,
            cipher,
            tried: &step,
            speeds,
        };
        let Found {
            compute,
            exchange,
            hidden,
            way,
        } = outlook.found()?;
        let row = self.row_values();
        Ok(json!({
            "compute": compute,
            "exchange": exchange,
            "hidden": hidden,
            "way": way,
            "begin": step.begin,
            "epoch": step.epoch,
            "judged": step.judged,
            "stepAlone": alone,
            "secondsPerByte": seconds_per_byte(self.tasks, row, self.tls),
        }))
    }

    /// Seconds in which a trainer of so many shards compresses its gradients, where it does.
    fn codec(&self, shards: usize, alone: bool) -> Result<f64, Failure> {
        let kind = self.job.train.gradient_compression;
        let values = Gradient::node_len(&Network::of_job(&self.job)?);
        packing_seconds(kind, values, (shards, self.threads), alone)
    }

    /// Trainers of each machine: the last one has what is left.
    fn hosts(&self) -> Vec<usize> {
        let (all, near) = (self.trainers.max(1) as usize, self.side_by_side.max(1));
        (0..all)
            .step_by(near)
            .map(|first| near.min(all - first))
            .collect()
    }

    /// Bytes of rows of tables that a trainer sends in a step, where there are other machines.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 bytes")]
    fn row_bytes(&self, shards: &[Range<u32>]) -> Result<f64, Failure> {
        let network = Network::of_job(&self.job)?;
        if self.hosts().len() < 2 || network.sparse_parameters().is_empty() {
            return Ok(0.0);
        }
        let touched =
            |own: &Range<u32>| touched(&network, &self.job.data, step_rows(&self.job, own)) as f64 * 4.0;
        let sent: f64 = shards.iter().map(touched).sum();
        // Its rows to the others, and the sums of those that it owns.
        let each = shards.len() as f64;
        Ok((sent + touched(&(0..self.job.train.logical_shards)) * each) / each)
    }

    /// Features of a row that are not left out of its hash.
    fn row_values(&self) -> usize {
        let data = &self.job.data;
        let all = data.feature_width as usize;
        let few = data
            .feature_encoding
            .nonzeros
            .filter(|_| data.feature_encoding.kind == FeatureType::Sparse);
        few.map_or(all, |few| usize::try_from(few).unwrap_or(all).min(all))
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
        let (weights, compression) = (network.num_dense() as u64, train.gradient_compression);
        let (values, meetings) = match &train.local_steps {
            // At a meeting weights and the state of the optimiser are exchanged; in a step, a share of that.
            Some(local) => {
                let state = optim::state_size_of_job(train, &network)?;
                let state = state.bytes() as u64 / size_of::<f32>() as u64;
                (weights + state, u64::from(local.steps.max(1)))
            }
            // At most one exchange a step, and the optimiser's state where all agree.
            None if train.asynchrony.staleness().is_some() => {
                let state = optim::state_size_of_job(train, &network)?;
                let state = state.bytes() as u64 / size_of::<f32>() as u64;
                (weights + state.div_ceil(AGREE_EVERY), 1)
            }
            None => (exchanged(compression, &network), 1),
        };
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
        let sent = nodes.sum::<u64>() * others / shards.len() as u64 + others * sum;
        Ok(sent.div_ceil(meetings))
    }
}

/// Values that are exchanged of a gradient, before they are packed.
fn exchanged(compression: GradientCompression, network: &Network) -> u64 {
    // A further call of a shared layer has values of its own.
    let values = Gradient::node_len(network);
    let Some(rank) = compression.rank() else {
        return values as u64;
    };
    let low = LowRank::new(rank, network, values);
    (low.first_len() + low.factors_len()) as u64
}

/// Most that are tried side by side.
const MOST_TOGETHER: usize = 8;

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
            rows: 1_000,
            tasks: 2,
            feeders: 1,
            streams: 2,
            tls: false,
        }
    }

    #[test]
    fn windows_of_many_processes_take_no_more_than_those_of_a_few() {
        let of = |feeders, streams| {
            let request = PlanRequest {
                feeders,
                streams,
                ..request(1, 0)
            };
            request.plan().unwrap()["memory"]["windows"].as_u64().unwrap() >> 20
        };
        assert_eq!((of(1, 1), of(1, 2), of(1, 8), of(0, 0)), (8, 16, 16, 16));
        assert_eq!((of(4, 16), of(100, 400)), (64, 63));
    }

    #[test]
    fn one_that_has_all_shards_needs_more_than_each_of_several() {
        assert!(request(1, 0).plan().unwrap()["aloneBytes"].is_null());
        let alone = request(1, 0).plan().unwrap()["memory"].clone();
        let sum = |names: &[&str]| {
            names
                .iter()
                .map(|name| alone[name].as_u64().unwrap())
                .sum::<u64>()
        };
        let parts = [
            "weights",
            "gradients",
            "optimizer",
            "states",
            "activations",
            "batches",
        ];
        assert_eq!(request(4, 0).plan().unwrap()["aloneBytes"], sum(&parts));
    }

    #[test]
    fn a_trainer_has_whole_shards() {
        let share = |trainers| request(trainers, 0).plan().unwrap()["share"].as_f64().unwrap();
        assert_eq!(
            [1, 2, 3, 5, 7, 8].map(share),
            [1.0, 0.5, 0.375, 0.25, 0.25, 0.125]
        );
    }

    #[test]
    fn a_further_call_of_a_shared_layer_sends_values_of_its_own() {
        let bytes = |layers: Value| {
            let input = json!({"job": "00", "task": "classifier", "featureWidth": 4, "params": {
                "network": {"format": "candlewick.network/1", "layers": layers}}});
            let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
            let plan = PlanRequest { job, ..request(2, 0) }.plan().unwrap();
            plan["exchangeBytes"].as_u64().unwrap()
        };
        let linear = json!({"type": "Linear", "out_features": 4});
        assert_eq!(bytes(json!([linear])), 2 * 20 * 4);
        assert_eq!(
            bytes(json!([linear, {"type": "ReLU"}, {"shares": "0"}])),
            2 * 40 * 4
        );
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
    fn of_a_table_of_counts_the_rows_that_are_not_zero_are_sent() {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 100_000, "featureTypes": ["vector"], "nonzeros": 2,
            "params": {"batchSize": 80, "logicalShards": 8, "optimizer": {"type": "SGD", "lr": 0.1},
            "network": {"format": "candlewick.network/1", "layers": [
                {"type": "EmbeddingBag", "num_embeddings": 100_000, "embedding_dim": 8, "input": "counts"},
                {"type": "Linear", "out_features": 3}]}}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        let plan = PlanRequest { job, ..request(2, 0) }.plan().unwrap();
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
            "compute",
            "exchange",
            "begin",
            "epoch",
            "stepAlone",
            "secondsPerByte",
        ] {
            assert!(plan["tried"][name].as_f64().unwrap() > 0.0, "{name}");
        }
        assert!(request(2, 0).plan().unwrap()["tried"].is_null());
        // On hosts of their own they share nothing.
        let apart = PlanRequest {
            side_by_side: 1,
            ..request(2, 2)
        };
        let tried = &apart.plan().unwrap()["tried"];
        // Two rounds of a network that is taken to be one.
        let seconds = tried["exchange"].as_f64().unwrap();
        assert!((200e-6..201e-6).contains(&seconds), "{tried}");
        assert_eq!(tried["way"]["algorithm"], "direct", "{tried}");
    }

    #[test]
    fn what_is_encrypted_takes_longer_between_machines() {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 1_000, "params": {
            "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 300}]}}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        let exchange = |side_by_side, tls| {
            let request = PlanRequest {
                job: job.clone(),
                side_by_side,
                tls,
                ..request(2, 1)
            };
            let plan = request.plan().unwrap();
            assert!(plan["tried"]["secondsPerByte"].as_f64().unwrap() > 0.0);
            plan["tried"]["exchange"].as_f64().unwrap()
        };
        // In the clear it is computed and not measured: the same each time.
        let plain = exchange(1, false);
        assert!(plain == exchange(1, false) && exchange(1, true) > plain);
    }

    #[test]
    fn memory_that_trainers_of_a_machine_share_is_counted() {
        assert_eq!(request(1, 0).plan().unwrap()["memory"]["links"], 0);
        assert_eq!(request(3, 0).plan().unwrap()["memory"]["links"], 2 * SHARED_BYTES);
    }
}
