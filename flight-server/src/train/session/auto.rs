//! `gradientCompression="auto"`: before the first step of a fit trainers try how long a step takes and decide, all alike, by what
//! their links take. From then on the decision is a part of the state: whatever happens to trainers, the fit goes on with it.

use super::{HostBatch, Rows, Session};
use crate::train::compress::Compressor;
use crate::train::reduce::StepExchange;
use crate::train::{Interrupt, Reduce, TrainPlan};
use candlewick_collective::{Forecast, Speed, StepShape};
use candlewick_model::compression::packing_seconds;
use candlewick_model::engine::{Batch, Exchange, Gradient, NodeGradient};
use candlewick_model::probe::PartTimes;
use candlewick_protocol::compression::{CompressionChoice, CompressionUse, GradientCompression};
use candlewick_protocol::{Failure, tree};
use std::ops::Range;

/// Steps that are tried; the first one makes room, and the fastest counts.
const TRIES: usize = 3;
/// For messages.
const WHAT: &str = "how gradients are compressed";

impl Session {
    /// Follows what was decided, where the state has it.
    pub(super) fn follow_choice(&mut self, plan: &TrainPlan) -> Result<(), Failure> {
        let Some(choice) = &self.state.choice else {
            return Ok(());
        };
        if choice.kind.is_none() || self.compressor.is_none() {
            let shards = plan.job.train.logical_shards;
            self.compressor = Compressor::new(choice.kind, shards, &self.network, &self.engine.workers())?;
        }
        Ok(())
    }

    /// Decides, where the job leaves it to the trainers and nobody has decided yet.
    pub(super) fn choose_compression(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        rows: &Rows,
    ) -> Result<(), Interrupt> {
        if !plan.job.train.gradient_compression.is_auto() {
            return Ok(());
        }
        // A halt may have come when some had decided and others not.
        let known = reduce.gather(WHAT, &[f64::from(u8::from(self.state.choice.is_some()))])?;
        match known.iter().position(|known| *known != 0.0) {
            Some(root) => self.take_choice(root, reduce)?,
            None => {
                let choice = self.try_steps(plan, reduce, rows)?;
                tracing::info!(
                    "gradientCompression = \"auto\" becomes \"{}\": {}",
                    choice.kind,
                    choice.reason
                );
                self.state.choice = Some(choice);
            }
        }
        self.follow_choice(plan)?;
        Ok(())
    }

    /// What this trainer sent of its gradients, and what was decided about them.
    pub(super) fn compression(&self) -> Option<CompressionUse> {
        let sent = self.compressor.as_ref().and_then(Compressor::sent);
        match &self.state.choice {
            None => sent,
            choice => Some(CompressionUse {
                choice: choice.clone().map(Box::new),
                ..sent.unwrap_or_default()
            }),
        }
    }

    /// Writes it down, where it is something.
    pub(super) fn tell_sent(&self) {
        if let Some(CompressionUse {
            sent_bytes,
            plain_bytes,
            ..
        }) = self.compressor.as_ref().and_then(Compressor::sent)
        {
            tracing::info!("compressed gradients: {sent_bytes} bytes sent in the place of {plain_bytes}");
        }
    }

    /// What the trainer of rank `root` knows.
    fn take_choice(&mut self, root: usize, reduce: &mut dyn Reduce) -> Result<(), Interrupt> {
        let wrong = |error| Failure::internal(format!("{WHAT} cannot be told: {error}"));
        let mine = serde_json::to_vec(&self.state.choice).map_err(wrong)?;
        let told = reduce.broadcast(WHAT, root, &mine, &|| ())?;
        if self.state.choice.is_none() {
            self.state.choice = serde_json::from_slice(&told).map_err(wrong)?;
        }
        Ok(())
    }

    /// Tries the first step, which changes nothing, and decides by what all trainers found: the slowest of them counts.
    fn try_steps(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        rows: &Rows,
    ) -> Result<CompressionChoice, Interrupt> {
        let none = |reason: &str| {
            Ok(CompressionChoice {
                kind: GradientCompression::None,
                reason: reason.to_owned(),
            })
        };
        if plan.job.train.has_own_weights() {
            return none("localSteps and asynchrony=\"stale\" exchange weights, which are not compressed");
        }
        if Gradient::node_len(&self.network) == 0 {
            return none("all of the gradient goes by rows, which are not compressed");
        }
        if reduce.rank().1 == 1 {
            return none("one trainer sends nothing");
        }
        let Some(forecast) = told_links(reduce.forecast()) else {
            return none("the links between the trainers were not measured");
        };
        let delayed = plan.job.train.asynchrony.is_delayed();
        let parts = if delayed {
            self.engine.parts(usize::MAX)
        } else {
            self.parts(reduce)?
        };
        let batch = rows.next()?;
        let tried = self.tried(plan, reduce, &batch, &parts);
        rows.put_back(batch);
        let mut tried = tried?;
        let owned = plan.owned().len();
        let values = Gradient::node_len(&self.network);
        let mine = (owned, self.engine.workers().threads());
        tried.push(packing_seconds(GradientCompression::Auto, values, mine, false)?);
        let slowest = slowest(&reduce.gather(WHAT, &tried)?, tried.len());
        let ready = slowest.iter().zip(&parts);
        Ok(forecast.compression(&StepShape {
            compute: slowest[parts.len() - 1],
            parts: ready.map(|(ready, part)| (*ready, part.len())).collect(),
            delayed,
            codec: slowest[parts.len()],
        }))
    }

    /// When each part is final, the last one with all that is computed: seconds of the fastest of some steps that are all the next one.
    fn tried(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        prepared: &HostBatch,
        parts: &[Range<usize>],
    ) -> Result<Vec<f64>, Interrupt> {
        let batch = Batch {
            step: self.counter().step,
            slices: &prepared.slices,
            features: prepared.features(),
            labels: &prepared.rows.labels,
            weights: prepared.weights(self.classes.is_some()),
        };
        let owned = plan.owned();
        let cover = tree::cover(owned.start, owned.end, plan.job.train.logical_shards);
        let mut nodes: Vec<NodeGradient> = cover
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi))
            .collect();
        let mut fastest = vec![f64::INFINITY; parts.len()];
        for _ in 0..TRIES {
            let mut watch = Watch {
                exchange: StepExchange::new(&mut *reduce, batch.step),
                parts: PartTimes::new(parts),
            };
            let computed = self
                .engine
                .step_with(self.state.weights.view(), &batch, &mut nodes, &mut watch);
            if let Err(failure) = computed {
                return Err(watch.exchange.why(failure));
            }
            let ready = watch.parts.end();
            if ready.last() < fastest.last() {
                fastest = ready;
            }
        }
        Ok(fastest)
    }
}

/// Of what all trainers found, by number, the most.
fn slowest(all: &[f64], count: usize) -> Vec<f64> {
    let most = |at: usize| all.iter().skip(at).step_by(count).copied().fold(0.0, f64::max);
    (0..count).map(most).collect()
}

/// Links as a test says that they are: seconds of latency and bytes a second.
fn told_links(measured: Option<Forecast>) -> Option<Forecast> {
    let Err(said) = candlewick_failpoint::reach("train.links", 0) else {
        return measured;
    };
    let numbers: Vec<f64> = said
        .message
        .split(' ')
        .filter_map(|one| one.parse().ok())
        .collect();
    let [latency, bytes] = numbers[..] else {
        return measured;
    };
    Some(measured?.with_links(Speed {
        latency,
        per_byte: 1.0 / bytes,
    }))
}

/// The exchanges of a step that is tried, and when its parts are final.
struct Watch<'a> {
    exchange: StepExchange<'a>,
    parts: PartTimes<'a>,
}

impl Exchange for Watch<'_> {
    fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure> {
        self.exchange.gather(own)
    }

    fn ready(&mut self, from: usize, _nodes: &[Option<&[f32]>]) -> Result<(), Failure> {
        self.parts.ready(from);
        Ok(())
    }
}
