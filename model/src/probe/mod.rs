//! How long a trainer takes on this machine: for a few steps over rows that are made up, for what it makes before the first of
//! them, for the end of an epoch, for a row that is judged.

mod parts;
mod rows;

pub use parts::PartTimes;

use crate::engine::{Batch, Engine, Exchange, Gradient, NodeGradient, Predictor, Slice};
use crate::memory::{BATCHES, PART_VALUES, step_rows};
use crate::metrics::SLICE_ROWS;
use crate::network::Network;
use crate::optim::Updates;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::{Failure, order, tree};
use rows::{Held, Step, labels, slices};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Rows of all trainers of a probe take no more than this: it runs in the driver. A step of more rows is taken to be as much slower.
const MOST_BYTES: u64 = 128 << 20;
/// Steps of a probe.
const MOST_STEPS: u64 = 400;
/// Values of leaves of all trainers that are tried.
const MOST_LEAVES: u64 = 1 << 26;
/// Rows that are put in an order to see how long that takes.
const MOST_SORTED: u64 = 1 << 20;
/// Slices that are judged.
const JUDGED: usize = 2;

/// How a trainer of a probe gets at the others.
pub trait Peers: Send {
    /// The gradient of all shards into `out`.
    ///
    /// # Errors
    /// What came between.
    fn sum(
        &mut self,
        step: u64,
        sums: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: &mut Gradient,
    ) -> Result<(), Failure>;

    /// Every shard's numbers in the middle of a step.
    ///
    /// # Errors
    /// What came between.
    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Failure>;
}

/// There are no others.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Peers for Nobody {
    fn sum(
        &mut self,
        _: u64,
        _: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: &mut Gradient,
    ) -> Result<(), Failure> {
        if let Some(node) = nodes.iter().find(|node| node.present) {
            out.set(node);
        }
        Ok(())
    }

    fn exchange(
        &mut self,
        _: u64,
        _: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Failure> {
        crate::engine::Alone.gather(own)
    }
}

/// One exchange after another within a step.
struct Within<'a> {
    peers: &'a mut dyn Peers,
    step: u64,
    sequence: u32,
    parts: PartTimes<'a>,
}

impl Exchange for Within<'_> {
    fn ready(&mut self, from: usize, _nodes: &[Option<&[f32]>]) -> Result<(), Failure> {
        self.parts.ready(from);
        Ok(())
    }

    fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure> {
        let sequence = self.sequence;
        self.sequence += 1;
        self.peers.exchange(self.step, sequence, own)
    }
}

/// The gang of a probe, of which every trainer has a part.
#[derive(Debug)]
pub struct Course<'a> {
    job: &'a JobSpec,
    /// Threads of a trainer.
    threads: usize,
    /// Rows of the job, where they are known.
    rows: u64,
    trainers: u64,
    shards: u32,
    patience: Duration,
    /// The last step.
    last: AtomicU64,
}

/// Seconds that a trainer takes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tried {
    /// A step.
    pub step: f64,
    /// Of it, what it waits for the others and adds up with them.
    pub exchange: f64,
    /// Network, weights and optimiser, and the first step, as far as it takes longer than others.
    pub begin: f64,
    /// The rows of an epoch in its order, and the hash of the state at its end.
    pub epoch: f64,
    /// A row that is judged; 0 where none is put aside.
    pub judged: f64,
    /// The parts in which the gradient may go out ([`Engine::parts`]): when in a step each is final, and its values.
    pub parts: Vec<(f64, usize)>,
}

impl<'a> Course<'a> {
    /// Trainers of one machine that own `shards` shards together, tried for about `patience`.
    #[must_use]
    pub fn new(
        job: &'a JobSpec,
        (trainers, threads): (usize, usize),
        shards: u32,
        rows: u64,
        patience: Duration,
    ) -> Self {
        Course {
            job,
            threads: threads.max(1),
            rows,
            trainers: trainers.max(1) as u64,
            shards,
            patience,
            last: AtomicU64::new(u64::MAX),
        }
    }

    /// The part of the trainer of these shards. All of a gang run at the same time, and the one with the first shard says when it
    /// is enough.
    ///
    /// # Errors
    /// `InvalidParameter` where a document of the job is wrong; `Unavailable` where the operating system refuses threads; those
    /// of `peers`.
    pub fn run(&self, shards: Range<u32>, peers: &mut dyn Peers) -> Result<Tried, Failure> {
        let begun = Instant::now();
        let network = Network::of_job(self.job)?;
        let trainer = Trainer::new(self, &network, shards)?;
        let made = begun.elapsed().as_secs_f64();
        let mut tried = trainer.run(self, peers)?;
        tried.begin += made;
        Ok(tried)
    }
}

/// The nodes that a trainer computes: its shards' leaves where they are compressed, as far as there is room for them here.
fn spans(course: &Course<'_>, network: &Network, shards: &Range<u32>) -> Vec<(u32, u32)> {
    let compression = course.job.train.gradient_compression;
    let values = (Gradient::node_len(network) as u64).saturating_mul(shards.len() as u64 * course.trainers);
    if compression.is_none() || compression.is_auto() || values > MOST_LEAVES {
        return tree::cover(shards.start, shards.end, course.shards);
    }
    shards.clone().map(|shard| (shard, shard + 1)).collect()
}

/// One trainer.
struct Trainer<'a> {
    network: &'a Network,
    engine: Engine,
    updates: Updates,
    weights: Vec<f32>,
    gradient: Gradient,
    nodes: Vec<NodeGradient>,
    slices: Vec<Slice>,
    /// Rows of a step, as many as there is room for, and what part of them that is.
    rows: usize,
    scale: f64,
    /// Rows that it holds.
    held: usize,
    /// Rows that it puts in order for an epoch.
    own: u64,
    leads: bool,
}

impl<'a> Trainer<'a> {
    fn new(course: &Course<'_>, network: &'a Network, shards: Range<u32>) -> Result<Self, Failure> {
        let (train, data) = (&course.job.train, &course.job.data);
        let engine = Engine::new(network, &train.loss, &data.label, train.seed, course.threads)?;
        let owned = u64::from(shards.end - shards.start);
        let wanted = step_rows(course.job, &shards);
        let most = MOST_BYTES / course.trainers / (4 * network.input_width().max(1) as u64);
        let sparse =
            MOST_BYTES / course.trainers / data.feature_encoding.row_bytes(network.input_width()).max(1);
        let in_step = if network.has_sparse_input() { sparse } else { most };
        let slices = slices(wanted.min(in_step.max(owned)), &shards);
        let rows: usize = slices.iter().map(|slice| slice.rows).sum();
        let own = course.rows / u64::from(train.logical_shards.max(1)) * owned;
        let held = own.clamp(rows as u64, sparse.max(rows as u64));
        let weights = network.initial_weights(train.seed);
        let mut updates = Updates::new(train, network, &engine, &weights)?;
        updates.begin(MOST_STEPS + 1)?;
        let nodes = spans(course, network, &shards).into_iter();
        #[expect(clippy::cast_precision_loss, reason = "a step has far fewer than 2^53 rows")]
        let scale = wanted as f64 / rows.max(1) as f64;
        Ok(Trainer {
            engine,
            updates,
            weights,
            gradient: Gradient::new(network),
            nodes: nodes.map(|(lo, hi)| NodeGradient::new(lo, hi)).collect(),
            slices,
            rows,
            scale,
            held: usize::try_from(held).unwrap_or(usize::MAX),
            own,
            leads: shards.start == 0,
            network,
        })
    }

    /// Steps, with the thread beside them that gathers their rows, and what comes after an epoch.
    fn run(mut self, course: &Course<'_>, peers: &mut dyn Peers) -> Result<Tried, Failure> {
        let held = Held::made_up(self.network, &course.job.data, self.held);
        let (rows, last) = (self.rows, &course.last);
        let spent = std::thread::scope(|scope| {
            let (free, taken) = sync_channel::<Step>(BATCHES);
            let (ready, gathered) = sync_channel::<Step>(BATCHES);
            for _ in 0..BATCHES {
                // The receiver lives in the thread below.
                let _ = free.send(Step::new(self.network));
            }
            let gather = std::thread::Builder::new().name("candlewick-probe".to_owned());
            let held = &held;
            gather
                .spawn_scoped(scope, move || gather_steps(held, rows, &taken, &ready))
                .map_err(|error| Failure::unavailable(format!("a thread cannot be started: {error}")))?;
            // Both ends go with this call, and the thread ends.
            self.steps(course, peers, last, (free, gathered))
        })?;
        let mut tried = spent.told(self.scale);
        tried.epoch = self.end_of_epoch(course);
        if course.job.data.validation.is_some() {
            tried.judged = self.judge(course, &held)?;
        }
        Ok(tried)
    }

    fn steps(
        &mut self,
        course: &Course<'_>,
        peers: &mut dyn Peers,
        last: &AtomicU64,
        (free, gathered): (SyncSender<Step>, Receiver<Step>),
    ) -> Result<Spent, Failure> {
        let labels = labels(&course.job.data.label, self.rows);
        let ones = vec![1.0; self.rows];
        let parts = self.engine.parts(PART_VALUES);
        let mut spent = Spent {
            parts: parts.iter().map(Range::len).collect(),
            ..Spent::default()
        };
        let began = Instant::now();
        for step in 0.. {
            let start = Instant::now();
            let rows = gathered
                .recv()
                .map_err(|_| Failure::internal("the rows of a step did not come"))?;
            let batch = Batch {
                step,
                slices: &self.slices,
                features: rows.features(),
                labels: &labels,
                weights: &ones,
            };
            let mut within = Within {
                peers: &mut *peers,
                step,
                sequence: 0,
                parts: PartTimes::new(&parts),
            };
            let sums = self
                .engine
                .step_among(&self.weights, &batch, &mut self.nodes, &mut within)?;
            let ready = within.parts.end();
            // Before its part of the sum, without which nobody goes on.
            if self.leads && (began.elapsed() > course.patience || step == MOST_STEPS) {
                last.store(step, Ordering::SeqCst);
            }
            let computed = Instant::now();
            let scalars: Vec<(u32, Option<Vec<f64>>)> = sums
                .iter()
                .map(|one| (one.shard, Some(vec![one.loss, one.denominator, 1.0])))
                .collect();
            peers.sum(step, &scalars, &self.nodes, &mut self.gradient)?;
            let exchange = computed.elapsed();
            self.engine.update_buffers(&mut self.weights);
            let (weights, gradient) = (&mut self.weights, &mut self.gradient);
            #[expect(clippy::cast_precision_loss, reason = "a step has far fewer than 2^53 rows")]
            self.updates.step(weights, gradient, self.rows as f64, step)?;
            spent
                .steps
                .push((start.elapsed().as_secs_f64(), exchange.as_secs_f64()));
            spent.ready.push(ready);
            let _ = free.send(rows);
            if step >= last.load(Ordering::SeqCst) {
                break;
            }
        }
        Ok(spent)
    }

    /// What the end of an epoch takes, and the beginning of the next one.
    #[expect(clippy::cast_precision_loss, reason = "rows of a trainer are fewer than 2^53")]
    fn end_of_epoch(&self, course: &Course<'_>) -> f64 {
        let begin = Instant::now();
        let _hash = self.updates.state_hash(&self.weights);
        let hashed = begin.elapsed().as_secs_f64();
        let sorted = self.own.min(MOST_SORTED);
        let hashes: Vec<u128> = (0..u128::from(sorted))
            .map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
            .collect();
        let begin = Instant::now();
        let _order = order::epoch_order(&hashes, |hash| *hash, 0, (course.job.train.seed, 1));
        hashed + begin.elapsed().as_secs_f64() * self.own as f64 / sorted.max(1) as f64
    }

    /// What a row takes that is judged.
    #[expect(clippy::cast_precision_loss, reason = "there are few rows")]
    fn judge(&mut self, course: &Course<'_>, held: &Held) -> Result<f64, Failure> {
        let mut predictor = Predictor::new(self.network, course.threads)?;
        let (labels, ones) = (labels(&course.job.data.label, SLICE_ROWS), vec![1.0; SLICE_ROWS]);
        let (mut step, mut spent) = (Step::new(self.network), 0.0);
        // The first one makes room.
        for at in 0..=JUDGED {
            let begin = Instant::now();
            held.gather(at as u64, SLICE_ROWS, &mut step);
            let outputs = predictor.predict_features(&self.weights, step.features(), SLICE_ROWS)?;
            self.engine.evaluate(0, outputs, &labels, &ones)?;
            if at > 0 {
                spent += begin.elapsed().as_secs_f64();
            }
        }
        Ok(spent / (JUDGED * SLICE_ROWS) as f64)
    }
}

/// Gathers the rows of one step after another, until nobody takes them.
fn gather_steps(held: &Held, rows: usize, free: &Receiver<Step>, ready: &SyncSender<Step>) {
    for step in 0.. {
        let Ok(mut batch) = free.recv() else { return };
        held.gather(step, rows, &mut batch);
        if ready.send(batch).is_err() {
            return;
        }
    }
}

/// Seconds of steps, and of the exchange in them.
#[derive(Debug, Default)]
struct Spent {
    steps: Vec<(f64, f64)>,
    /// Of each step, when its parts were final.
    ready: Vec<Vec<f64>>,
    /// Values of a part.
    parts: Vec<usize>,
}

impl Spent {
    /// Means of the steps after the first: what they are kept from by others who use the processor is in them, as it is in those of
    /// a fit. `scale`: a step of the job is so many times one of these.
    #[expect(clippy::cast_precision_loss, reason = "there are few steps")]
    fn told(mut self, scale: f64) -> Tried {
        let first = self.steps.first().map_or(0.0, |(all, _)| *all);
        if self.steps.len() > 1 {
            self.steps.remove(0);
            self.ready.remove(0);
        }
        let count = self.steps.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.steps.iter().map(of).sum::<f64>() / count;
        let ready = |at: usize| self.ready.iter().map(|step| step[at]).sum::<f64>() / count;
        let parts = self.parts.iter().enumerate();
        let (step, exchange) = (mean(|one| one.0), mean(|one| one.1));
        Tried {
            step: (step - exchange) * scale + exchange,
            exchange,
            begin: (first - step).max(0.0),
            parts: parts.map(|(at, values)| (ready(at) * scale, *values)).collect(),
            ..Tried::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::complete;
    use serde_json::{Value, json};

    fn job(layers: &Value, width: usize) -> JobSpec {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": width, "params": {
            "validationFraction": 0.1,
            "network": {"format": "candlewick.network/1", "layers": layers}, "batchSize": 30}});
        complete(&serde_json::from_value(input).unwrap()).unwrap().job
    }

    #[test]
    fn a_step_of_any_input_takes_time() {
        let linear = |size: usize| json!({"type": "Linear", "out_features": size});
        let embedding = json!({"type": "EmbeddingBag", "num_embeddings": 50, "embedding_dim": 3});
        let counts =
            json!({"type": "EmbeddingBag", "num_embeddings": 9, "embedding_dim": 3, "input": "counts"});
        for job in [
            job(&json!([linear(9), {"type": "BatchNorm1d"}, linear(3)]), 5),
            job(&json!([embedding, linear(2)]), 7),
            job(&json!([counts, linear(2)]), 9),
        ] {
            for shards in [0..8, 0..3] {
                let course = Course::new(&job, (1, 1), shards.end, 1_000, Duration::from_millis(5));
                let tried = course.run(shards, &mut Nobody).unwrap();
                let all = [tried.step, tried.begin, tried.epoch, tried.judged];
                assert!(
                    all.iter().all(|seconds| (1e-9..60.0).contains(seconds)),
                    "{tried:?}"
                );
                assert!(tried.exchange < tried.step, "{tried:?}");
                let [(ready, values)] = tried.parts[..] else {
                    panic!("{tried:?}")
                };
                let dense = Network::of_job(&job).unwrap().num_dense();
                assert!(values == dense && ready > 0.0 && ready <= tried.step, "{tried:?}");
            }
        }
    }

    #[test]
    fn a_step_is_the_mean_of_all_but_the_first() {
        let steps = [9.0, 1.0, 2.0, 3.0];
        let spent = Spent {
            steps: steps.map(|all| (all, 1.0)).into(),
            ready: steps.map(|all| vec![all / 2.0, all]).into(),
            parts: vec![70, 30],
        };
        let tried = spent.told(3.0);
        assert_eq!((tried.step, tried.exchange, tried.begin), (4.0, 1.0, 7.0));
        assert_eq!(tried.parts, [(3.0, 70), (6.0, 30)]);
    }
}
