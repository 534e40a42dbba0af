//! The thread that exchanges gradients while the computing thread computes: the next step (`asynchrony = "delayed"`), or the layers
//! before those whose gradients are there already.
//!
//! It has the exchange to itself as long as something is under way: who wants another exchange meanwhile waits. So all trainers
//! exchange in one order, which is that of their programs.

use super::compress::Compressor;
use super::{Interrupt, Reduce};
use candlewick_collective::Reduced;
use candlewick_model::engine::{Gradient, NodeGradient};
use candlewick_protocol::Failure;
use candlewick_protocol::rows::SparseRows;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What one trainer has of a step, and what all of them come to.
pub(super) struct Parcel {
    pub(super) step: u64,
    pub(super) scalars: Vec<(u32, Option<Vec<f64>>)>,
    pub(super) nodes: Vec<NodeGradient>,
    /// The sum goes here.
    pub(super) gradient: Gradient,
    pub(super) compressor: Option<Compressor>,
}

impl Parcel {
    fn exchange(&mut self, reduce: &mut dyn Reduce) -> Result<Reduced, Interrupt> {
        match &mut self.compressor {
            Some(compressor) => {
                let step = (self.step, self.scalars.as_slice());
                compressor.reduce(reduce, step, &mut self.nodes, &mut self.gradient)
            }
            None => reduce.reduce(self.step, &self.scalars, &self.nodes, &mut self.gradient),
        }
    }
}

/// A part of the values of a step's nodes.
#[derive(Default)]
pub(super) struct Part {
    /// Counted within the step.
    number: u32,
    values: Range<usize>,
    /// With these values alone; the last part has the rows of tables too.
    nodes: Vec<NodeGradient>,
    /// With the last part.
    scalars: Vec<(u32, Option<Vec<f64>>)>,
    last: bool,
}

/// What the thread is asked for.
pub(super) enum Ask {
    /// To exchange it as a whole.
    Whole(Box<Parcel>),
    /// To exchange the parts of a step, which come one by one, into this gradient.
    Begin(u64, Gradient),
    /// One of them.
    Part(Part),
}

/// What the thread has done.
pub(super) enum Told {
    Whole(Box<Parcel>, Result<Reduced, Interrupt>, Duration),
    /// And why it was not exchanged, if so.
    Part(Part, Duration, Option<Interrupt>),
    /// After the last part, or the first one that failed.
    End(Gradient, Result<Reduced, Interrupt>),
}

/// The exchange of a generation, which two threads use in turn.
pub(super) type Shared<'x> = Mutex<&'x mut (dyn Reduce + 'x)>;

fn lock<'s, 'x>(shared: &'s Shared<'x>) -> MutexGuard<'s, &'x mut (dyn Reduce + 'x)> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ends of the channels that the thread has.
pub(super) type Ends = (Receiver<Ask>, Sender<Told>);

/// What the thread does, until no more is asked for. Where nobody hears what it tells, nobody asks either.
pub(super) fn carry(shared: &Shared<'_>, ends: Ends) {
    let (asked, told) = &ends;
    while let Ok(ask) = asked.recv() {
        let _ = told.send(match ask {
            Ask::Whole(mut parcel) => {
                let began = Instant::now();
                let outcome = parcel.exchange(&mut **lock(shared));
                Told::Whole(parcel, outcome, began.elapsed())
            }
            Ask::Begin(step, mut gradient) => {
                let outcome = gradient.assign(|values, tables| parts(shared, &ends, step, (values, tables)));
                Told::End(gradient, outcome)
            }
            // Of a step that has failed.
            Ask::Part(part) => Told::Part(part, Duration::ZERO, None),
        });
    }
}

/// The parts of a step, as they come.
fn parts(
    shared: &Shared<'_>,
    (asked, told): &Ends,
    step: u64,
    (values, tables): (&mut [f32], &mut [SparseRows]),
) -> Result<Reduced, Interrupt> {
    while let Ok(Ask::Part(part)) = asked.recv() {
        let began = Instant::now();
        let tables = if part.last { &mut *tables } else { &mut [] };
        let out = values.get_mut(part.values.clone()).unwrap_or_default();
        let reduced = {
            let mut reduce = lock(shared);
            reduce.part(part.number);
            reduce.sum(step, &part.scalars, &part.nodes, (out, tables))
        };
        let last = part.last;
        let why = reduced.as_ref().err().cloned();
        let _ = told.send(Told::Part(part, began.elapsed(), why));
        let reduced = reduced?;
        if last {
            return Ok(reduced);
        }
    }
    Err(Failure::internal("a step was left before its last part").into())
}

/// Time in exchanges, and how much of it was computed meanwhile.
#[derive(Debug, Clone, Copy, Default)]
struct Hidden {
    exchanged: Duration,
    hidden: Duration,
}

/// The computing thread's side.
pub(super) struct Courier<'s, 'x> {
    shared: &'s Shared<'x>,
    rank: (usize, usize),
    ask: Option<Sender<Ask>>,
    told: Receiver<Told>,
    /// Asked for and not told of.
    under_way: usize,
    whole: Option<(Box<Parcel>, Result<Reduced, Interrupt>)>,
    end: Option<(Gradient, Result<Reduced, Interrupt>)>,
    /// Why a part was not exchanged.
    stop: Option<Interrupt>,
    /// The parts of a step in the order in which they are final, and the nodes; none where a step goes as a whole.
    ranges: Vec<Range<usize>>,
    covers: Vec<(u32, u32)>,
    /// Parts of the step at hand that were sent.
    sent: usize,
    /// Memory of parts that were exchanged.
    free: Vec<Part>,
    /// In exchanges of the step at hand, and waiting for them.
    took: Duration,
    waited: Duration,
    hidden: Hidden,
}

impl<'s, 'x> Courier<'s, 'x> {
    /// A courier, and what its thread needs for [`carry`].
    pub(super) fn new(shared: &'s Shared<'x>) -> (Self, Ends) {
        let (ask, asked) = channel();
        let (tell, told) = channel();
        let courier = Courier {
            rank: lock(shared).rank(),
            shared,
            ask: Some(ask),
            told,
            under_way: 0,
            whole: None,
            end: None,
            stop: None,
            ranges: Vec::new(),
            covers: Vec::new(),
            sent: 0,
            free: Vec::new(),
            took: Duration::ZERO,
            waited: Duration::ZERO,
            hidden: Hidden::default(),
        };
        (courier, (asked, tell))
    }

    /// Has a step exchanged as a whole. One at a time is under way.
    pub(super) fn send(&mut self, parcel: Parcel) -> Result<(), Failure> {
        self.ask(Ask::Whole(Box::new(parcel)))?;
        self.under_way += 1;
        Ok(())
    }

    /// The step that was sent, once it has arrived.
    pub(super) fn receive(&mut self) -> Result<(Parcel, Result<Reduced, Interrupt>), Failure> {
        self.wait()?;
        self.count();
        let (parcel, outcome) = self.whole.take().ok_or_else(ended)?;
        Ok((*parcel, outcome))
    }

    /// The values of these nodes are exchanged in these parts.
    pub(super) fn split(mut self, ranges: Vec<Range<usize>>, nodes: &[NodeGradient]) -> Self {
        self.ranges = ranges;
        self.covers = nodes.iter().map(|node| (node.lo, node.hi)).collect();
        self
    }

    /// A step begins whose parts go out as they are final.
    pub(super) fn begin(&mut self, step: u64, gradient: Gradient) -> Result<(), Failure> {
        self.sent = 0;
        self.ask(Ask::Begin(step, gradient))
    }

    /// Sends the parts that are left of a step once it is computed, and waits for the sums of all of it. With the last part go
    /// the rows of tables and what the slices say.
    pub(super) fn finish(
        &mut self,
        nodes: &mut [NodeGradient],
        scalars: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<(Gradient, Result<Reduced, Interrupt>), Failure> {
        let mut scalars = Some(scalars);
        while self.sent < self.ranges.len() {
            let values = nodes
                .iter()
                .map(|node| node.present.then_some(node.values.as_slice()));
            let mut part = self.next_part(&values.collect::<Vec<_>>());
            if part.last {
                part.scalars = scalars.take().unwrap_or_default();
                for (into, node) in part.nodes.iter_mut().zip(nodes.iter_mut()) {
                    std::mem::swap(&mut into.sparse_rows, &mut node.sparse_rows);
                }
            }
            self.send_part(part)?;
        }
        self.end()
    }

    /// The part that is next, of the values of all nodes, in the memory that it had in the step before.
    fn next_part(&mut self, nodes: &[Option<&[f32]>]) -> Part {
        let number = u32::try_from(self.sent).unwrap_or(u32::MAX);
        let had = self.free.iter().position(|part| part.number == number);
        let mut part = had.map_or_else(Part::default, |at| self.free.swap_remove(at));
        part.number = number;
        part.values = self.ranges[self.sent].clone();
        part.nodes.resize_with(nodes.len(), NodeGradient::default);
        for ((into, node), cover) in part.nodes.iter_mut().zip(nodes).zip(&self.covers) {
            (into.lo, into.hi) = *cover;
            into.present = node.is_some();
            into.values.clear();
            let values = node.and_then(|node| node.get(part.values.clone()));
            into.values.extend_from_slice(values.unwrap_or_default());
        }
        self.sent += 1;
        part.last = self.sent == self.ranges.len();
        part
    }

    fn send_part(&mut self, part: Part) -> Result<(), Failure> {
        self.ask(Ask::Part(part))?;
        self.under_way += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(Gradient, Result<Reduced, Interrupt>), Failure> {
        let began = Instant::now();
        while self.under_way > 0 || self.end.is_none() {
            self.hear()?;
        }
        self.waited += began.elapsed();
        self.count();
        self.end.take().ok_or_else(ended)
    }

    /// The thread ends once it has nothing under way.
    pub(super) fn close(&mut self) {
        self.ask = None;
    }

    /// What was under way when training stopped, after the thread has ended.
    pub(super) fn leftover(&mut self) -> (Option<Parcel>, Option<Gradient>) {
        while self.hear().is_ok() {}
        let whole = self.whole.take().map(|(parcel, _)| *parcel);
        (whole, self.end.take().map(|(gradient, _)| gradient))
    }

    fn ask(&mut self, ask: Ask) -> Result<(), Failure> {
        let asked = self.ask.as_ref().is_some_and(|asked| asked.send(ask).is_ok());
        if asked { Ok(()) } else { Err(ended()) }
    }

    fn hear(&mut self) -> Result<(), Failure> {
        match self.told.recv().map_err(|_| ended())? {
            Told::Whole(parcel, outcome, took) => {
                self.whole = Some((parcel, outcome));
                self.under_way -= 1;
                self.took += took;
            }
            Told::Part(part, took, why) => {
                self.free.push(part);
                self.stop = self.stop.take().or(why);
                self.under_way -= 1;
                self.took += took;
            }
            Told::End(gradient, outcome) => self.end = Some((gradient, outcome)),
        }
        Ok(())
    }

    /// Nothing is under way after it.
    fn wait(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        while self.under_way > 0 {
            self.hear()?;
        }
        self.waited += began.elapsed();
        Ok(())
    }

    /// The exchanges of a step are over.
    fn count(&mut self) {
        let (took, waited) = (std::mem::take(&mut self.took), std::mem::take(&mut self.waited));
        let hidden = took.saturating_sub(waited);
        lock(self.shared).hid(hidden);
        self.hidden.exchanged += took;
        self.hidden.hidden += hidden;
    }

    /// Another exchange, after all that is under way.
    fn after<T>(
        &mut self,
        exchange: impl FnOnce(&mut dyn Reduce) -> Result<T, Interrupt>,
    ) -> Result<T, Interrupt> {
        self.wait()?;
        let whole = self
            .whole
            .as_ref()
            .and_then(|(_, outcome)| outcome.as_ref().err());
        if let Some(why) = self.stop.as_ref().or(whole) {
            return Err(why.clone());
        }
        exchange(&mut **lock(self.shared))
    }
}

fn ended() -> Failure {
    Failure::internal("the thread that exchanges gradients has ended")
}

impl Reduce for Courier<'_, '_> {
    fn sum(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: (&mut [f32], &mut [SparseRows]),
    ) -> Result<Reduced, Interrupt> {
        self.after(|reduce| reduce.sum(step, scalars, nodes, out))
    }

    fn words(
        &mut self,
        step: u64,
        sequence: u32,
        words: Vec<Vec<f32>>,
        most: usize,
    ) -> Result<Vec<Vec<f32>>, Interrupt> {
        self.after(|reduce| reduce.words(step, sequence, words, most))
    }

    fn rank(&self) -> (usize, usize) {
        self.rank
    }

    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Interrupt> {
        self.after(|reduce| reduce.gather(what, mine))
    }

    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Interrupt> {
        self.after(|reduce| reduce.exchange(step, sequence, own))
    }

    fn broadcast(
        &mut self,
        what: &str,
        root: usize,
        mine: &[u8],
        alive: &dyn Fn(),
    ) -> Result<Vec<u8>, Interrupt> {
        self.after(|reduce| reduce.broadcast(what, root, mine, alive))
    }

    fn all_equal(&mut self, tag: &str, value: &str) -> Result<(), Interrupt> {
        self.after(|reduce| reduce.all_equal(tag, value))
    }

    fn ready(&mut self, from: usize, nodes: &[Option<&[f32]>]) -> Result<(), Failure> {
        // The last part waits for what goes with it.
        while self.sent + 1 < self.ranges.len() && self.ranges[self.sent].start >= from {
            let part = self.next_part(nodes);
            self.send_part(part)?;
        }
        Ok(())
    }

    fn hidden(&mut self) -> Option<f64> {
        let Hidden { exchanged, hidden } = std::mem::take(&mut self.hidden);
        // Alone there is nothing to wait for.
        let counts = self.rank.1 > 1 && !exchanged.is_zero();
        counts.then(|| hidden.as_secs_f64() / exchanged.as_secs_f64())
    }
}
