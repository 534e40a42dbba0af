//! Loss and metrics over the validation rows of all trainers, rule B9: slices of 1,024 rows in the order of hashes, the
//! tree over the slices of a shard, then the tree over the shards.
//!
//! Areas under curves need all rows in one order. Every trainer gets the (score, weight) of all validation rows, 16
//! bytes each, one class at a time, and sorts them itself; its own rows take 16 bytes a class meanwhile.

use super::class_weights::ClassWeights;
use super::{Interrupt, Observer, Reduce, TrainPlan};
use crate::dataset::{Ahead, HeldOutRows, reading_ahead};
use crate::memory::{Account, Charge};
use crate::rows::{Gathered, Takes};
use candlewick_model::engine::{Engine, Predictor};
use candlewick_model::metrics::{Areas, MetricSet, Rows, SLICE_ROWS};
use candlewick_model::network::Network;
use candlewick_model::resident::FlatRef;
use candlewick_protocol::Failure;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::tree::{self, NodeValue};
use serde_json::{Map, Value};

/// Bytes of a score and its weight.
const POINT: u64 = 16;

/// What goes before the tally of a shard: 1 where it has rows, loss numerator, denominator.
const HEAD: usize = 3;

/// Evaluates weights over the validation rows.
#[derive(Debug)]
pub(super) struct Validator {
    set: MetricSet,
    predictor: Predictor,
    rows: Gathered,
    /// What the rows weigh in the loss, where their classes have weights.
    weighed: Vec<f64>,
}

/// What an evaluation looks at.
pub(super) struct EvalContext<'a> {
    pub(super) plan: &'a TrainPlan,
    pub(super) observer: &'a dyn Observer,
    pub(super) weights: FlatRef<'a>,
    /// What rows of each class weigh.
    pub(super) classes: Option<&'a ClassWeights>,
    /// For the observer.
    pub(super) counter: ProgramCounter,
}

/// The points of each curve.
type Curves = Vec<Vec<(f64, f64)>>;

impl Validator {
    pub(super) fn new(set: MetricSet, network: &Network, threads: usize) -> Result<Self, Failure> {
        Ok(Validator {
            set,
            predictor: Predictor::new(network, threads)?,
            rows: Gathered::new(Takes::of(network)),
            weighed: Vec::new(),
        })
    }

    /// `val_loss` and `val_<metric>` of all validation rows of the job, the same on every trainer.
    pub(super) fn evaluate(
        &mut self,
        context: &EvalContext<'_>,
        engine: &mut Engine,
        reduce: &mut dyn Reduce,
    ) -> Result<Map<String, Value>, Interrupt> {
        let mut curves: Curves = vec![Vec::new(); self.set.curves().len()];
        let mine = reading_ahead(|ahead| self.shards(context, engine, &mut curves, ahead))?;
        let all = reduce.gather("the sums of the validation rows", &mine)?;
        let (loss, tally) = self.combine(&all);
        drop(all);
        let mut areas = Vec::with_capacity(curves.len());
        let bytes = |curve: &Vec<(f64, f64)>| curve.len() as u64 * POINT;
        let own = context
            .plan
            .data
            .charge(Account::Scores, curves.iter().map(bytes).sum());
        for curve in curves {
            areas.push(area(curve, reduce, &own)?);
        }
        let mut record = Map::new();
        // Not finite, or no row counts: null.
        record.insert("val_loss".to_owned(), Value::from(loss));
        if let Some(tally) = tally {
            let named = self.set.values(&tally, &areas);
            record.extend(
                named
                    .into_iter()
                    .map(|(name, value)| (format!("val_{name}"), value)),
            );
        }
        Ok(record)
    }

    /// The sums of the validation rows of each shard that is here, one after another.
    fn shards<'a>(
        &mut self,
        context: &EvalContext<'a>,
        engine: &mut Engine,
        curves: &mut Curves,
        ahead: &Ahead<'a>,
    ) -> Result<Vec<f64>, Interrupt> {
        let mut mine = Vec::new();
        let mut readers = context
            .plan
            .owned()
            .map(|shard| (shard, context.plan.data.held_out(shard)))
            .peekable();
        while let Some((shard, mut rows)) = readers.next() {
            // What comes after its last bucket is the first one of the next shard.
            let next = readers.peek_mut().map(|(_, next)| next);
            let sums = self.shard(context, engine, (shard, &mut rows, next), (curves, ahead))?;
            mine.push(if sums.is_some() { 1.0 } else { 0.0 });
            mine.extend(sums.unwrap_or_else(|| vec![0.0; HEAD - 1 + self.set.width()]));
        }
        Ok(mine)
    }

    /// Loss numerator, denominator and tally of the validation rows of one shard. Few of its slices have theirs at a time: those
    /// of a matrix of many classes are large.
    fn shard<'a>(
        &mut self,
        context: &EvalContext<'a>,
        engine: &mut Engine,
        (shard, held_out, mut next): (u32, &mut HeldOutRows<'a>, Option<&mut HeldOutRows<'a>>),
        (curves, ahead): (&mut Curves, &Ahead<'a>),
    ) -> Result<Option<Vec<f64>>, Interrupt> {
        // Rows of a shard are counted in 32 bits.
        let total = context.plan.data.held_out_rows(shard);
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let set = self.set.clone();
        let mut failed = None;
        let mut slice = |at: u32| -> Result<Vec<f64>, Interrupt> {
            let start = at as usize * SLICE_ROWS;
            // Nothing ends within an epoch.
            let _ = context.observer.boundary(context.counter)?;
            self.rows.clear();
            held_out.gather(SLICE_ROWS.min(total - start), &mut self.rows, ahead)?;
            if start + SLICE_ROWS >= total
                && let Some(next) = next.take()
            {
                next.ask(ahead);
            }
            let sums = self.slice(context, engine, shard, curves)?;
            context.observer.progress(context.counter);
            Ok(sums)
        };
        let mut find = |lo: u32, hi: u32| match hi - lo {
            1 if failed.is_some() => NodeValue::Known(None),
            1 => NodeValue::Known(slice(lo).map_err(|error| failed = Some(error)).ok()),
            _ => NodeValue::Split,
        };
        let slices = u32::try_from(total.div_ceil(SLICE_ROWS)).unwrap_or(u32::MAX);
        let sums = tree::assemble(0, slices, &mut find, &mut |left, right| added(&set, left, &right));
        match failed {
            Some(error) => Err(error),
            None => Ok(sums),
        }
    }

    /// Those of the rows that were gathered.
    fn slice(
        &mut self,
        context: &EvalContext<'_>,
        engine: &mut Engine,
        shard: u32,
        curves: &mut Curves,
    ) -> Result<Vec<f64>, Interrupt> {
        let (features, weights, labels) = (self.rows.features(), &self.rows.weights, &self.rows.labels);
        let outputs = self
            .predictor
            .predict_with(context.weights, features, weights.len())?;
        let in_loss = match context.classes {
            Some(classes) => {
                classes.apply(labels, weights, &mut self.weighed);
                self.weighed.as_slice()
            }
            None => weights.as_slice(),
        };
        let sums = engine.evaluate(shard, outputs, labels, in_loss)?;
        let mut slice = vec![sums.loss, sums.denominator];
        if self.set.is_empty() {
            slice.resize(HEAD - 1 + self.set.width(), 0.0);
        } else {
            let rows = Rows {
                outputs,
                labels,
                weights,
            };
            self.set.points(&rows, curves);
            slice.extend(self.set.tally(&rows));
        }
        Ok(slice)
    }

    /// The mean loss of all shards, and their tally; `all` has those of each shard one after another.
    fn combine(&self, all: &[f64]) -> (Option<f64>, Option<Vec<f64>>) {
        let width = HEAD + self.set.width();
        let mut find = |lo: u32, hi: u32| match hi - lo {
            1 => {
                let sums = &all[lo as usize * width..][..width];
                NodeValue::Known((sums[0] > 0.0).then(|| sums[1..].to_vec()))
            }
            _ => NodeValue::Split,
        };
        let shards = u32::try_from(all.len() / width).unwrap_or(u32::MAX);
        let add = &mut |left, right: Vec<f64>| added(&self.set, left, &right);
        match tree::assemble(0, shards, &mut find, add) {
            Some(mut sums) => {
                let tally = sums.split_off(HEAD - 1);
                ((sums[1] > 0.0).then(|| sums[0] / sums[1]), Some(tally))
            }
            None => (None, None),
        }
    }
}

/// Loss numerator, denominator and tally of two nodes of the tree together.
fn added(set: &MetricSet, mut left: Vec<f64>, right: &[f64]) -> Vec<f64> {
    left.iter_mut()
        .zip(right)
        .take(HEAD - 1)
        .for_each(|(into, from)| *into += from);
    set.merge(&mut left[HEAD - 1..], &right[HEAD - 1..]);
    left
}

/// The areas of one class over the rows of all trainers.
fn area(own: Vec<(f64, f64)>, reduce: &mut dyn Reduce, charge: &Charge) -> Result<Areas, Interrupt> {
    let flat: Vec<f64> = own
        .into_iter()
        .flat_map(|(score, weight)| [score, weight])
        .collect();
    let all = reduce.gather("the scores of the validation rows", &flat)?;
    drop(flat);
    // As they came and as they are sorted.
    let _all = charge.beside(all.len() as u64 * POINT);
    let (pairs, _) = all.as_chunks::<2>();
    let mut points: Vec<(f64, f64)> = pairs.iter().map(|[score, weight]| (*score, *weight)).collect();
    drop(all);
    Ok(Areas::of(&mut points))
}
