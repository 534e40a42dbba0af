//! How long the computing thread works, and how long it waits for the others.

use crate::train::{Interrupt, Reduce};
use candlewick_collective::{Forecast, Reduced};
use candlewick_model::engine::NodeGradient;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::exchange::ExchangeUse;
use candlewick_protocol::message::Pace;
use candlewick_protocol::rows::SparseRows;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time in exchanges.
#[derive(Debug, Clone, Default)]
pub(super) struct Waited(Arc<AtomicU64>);

impl Waited {
    fn so_far(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Exchanges whose time is counted.
pub(super) struct Timed {
    inner: Box<dyn Reduce>,
    waited: Waited,
}

impl Timed {
    pub(super) fn new(inner: Box<dyn Reduce>) -> Self {
        Timed {
            inner,
            waited: Waited::default(),
        }
    }

    /// The time, counted on.
    pub(super) fn waited(&self) -> Waited {
        self.waited.clone()
    }

    fn count<T>(&mut self, exchange: impl FnOnce(&mut dyn Reduce) -> T) -> T {
        let began = Instant::now();
        let outcome = exchange(self.inner.as_mut());
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited.0.fetch_add(nanos, Ordering::Relaxed);
        outcome
    }
}

impl Reduce for Timed {
    fn sum(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: (&mut [f32], &mut [SparseRows]),
    ) -> Result<Reduced, Interrupt> {
        self.count(|inner| inner.sum(step, scalars, nodes, out))
    }

    fn words(
        &mut self,
        step: u64,
        sequence: u32,
        words: Vec<Vec<f32>>,
        most: usize,
    ) -> Result<Vec<Vec<f32>>, Interrupt> {
        self.count(|inner| inner.words(step, sequence, words, most))
    }

    fn rank(&self) -> (usize, usize) {
        self.inner.rank()
    }

    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Interrupt> {
        self.count(|inner| inner.gather(what, mine))
    }

    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Interrupt> {
        self.count(|inner| inner.exchange(step, sequence, own))
    }

    fn broadcast(
        &mut self,
        what: &str,
        root: usize,
        mine: &[u8],
        alive: &dyn Fn(),
    ) -> Result<Vec<u8>, Interrupt> {
        self.count(|inner| inner.broadcast(what, root, mine, alive))
    }

    fn exchanged(&self) -> Option<ExchangeUse> {
        self.inner.exchanged()
    }

    fn forecast(&self) -> Option<Forecast> {
        self.inner.forecast()
    }

    fn all_equal(&mut self, tag: &str, value: &str) -> Result<(), Interrupt> {
        self.count(|inner| inner.all_equal(tag, value))
    }

    fn part(&mut self, number: u32) {
        self.inner.part(number);
    }

    fn overlaps(&self) -> bool {
        self.inner.overlaps()
    }

    fn waits(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.waited.0.fetch_add(nanos, Ordering::Relaxed);
    }

    fn patience(&self) -> Duration {
        self.inner.patience()
    }

    fn blame(&self, who: usize, why: &str) -> Interrupt {
        self.inner.blame(who, why)
    }

    fn hid(&mut self, time: Duration) {
        // It is part of what was counted, but for what two clocks differ.
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let less = |counted: u64| Some(counted.saturating_sub(nanos));
        let _ = self
            .waited
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// Where a measurement began: when, after how much waiting, at which step.
#[derive(Debug, Clone, Copy)]
struct Start {
    at: Instant,
    waited: Duration,
    step: u64,
    /// True until a step is made.
    fresh: bool,
}

/// The clock of one generation.
#[derive(Debug)]
pub(super) struct Stopwatch {
    waited: Waited,
    first: u64,
    start: Mutex<Option<Start>>,
}

impl Stopwatch {
    /// Which begins at a step.
    pub(super) fn new(waited: Waited, counter: ProgramCounter) -> Self {
        Stopwatch {
            waited,
            first: counter.step,
            start: Mutex::new(None),
        }
    }

    /// The program goes on: from the first time on it is measured. What it `waited` for before the first step of an epoch is
    /// no work.
    pub(super) fn goes_on(&self, waited: bool) {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = start.get_or_insert_with(|| Start {
            at: Instant::now(),
            waited: self.waited.so_far(),
            step: self.first,
            fresh: true,
        });
        if waited && begun.fresh {
            (begun.at, begun.waited) = (Instant::now(), self.waited.so_far());
        }
        begun.fresh = false;
    }

    /// An epoch is over after so many steps; nothing where it is only told again.
    pub(super) fn lap(&self, epoch: u32, step: u64) -> Option<Pace> {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let since = (*start)?;
        let (now, waited) = (Instant::now(), self.waited.so_far());
        *start = Some(Start {
            at: now,
            waited,
            step,
            fresh: true,
        });
        let (all, waited) = (now.duration_since(since.at), waited.saturating_sub(since.waited));
        Some(Pace {
            epoch,
            steps: u32::try_from(step.saturating_sub(since.step)).unwrap_or(u32::MAX),
            busy_seconds: all.saturating_sub(waited).as_secs_f64(),
            waited_seconds: waited.as_secs_f64(),
            most_shards: None,
        })
    }
}
