//! The state behind `serve`: a job, its rows, what training gave. One training at a time, and no rows during it.

use super::configure::{Configured, JOB, configure};
use crate::chunk::Shape;
use crate::memory::Ledger;
use crate::spill::Spill;
use crate::spool::{Spool, StreamWriter, Taken};
use crate::train::{Interrupt, Needs, Observer, Onward, Session, SingleProcess, TrainPlan, Trained};
use candlewick_model::network::Network;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::feed::StreamId;
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::{ErrorKind, Failure};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// The one feed round of `serve`; it stays open between trainings.
pub(super) const ROUND: u32 = 0;

/// A trained model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) network: Network,
    pub(super) weights: Vec<f32>,
    pub(super) history: Vec<EpochRecord>,
    pub(super) trained: Trained,
}

#[derive(Debug, Default)]
struct Inner {
    configured: Option<Configured>,
    spool: Option<Arc<Spool>>,
    streams: u64,
    /// DoPut calls going on.
    puts: usize,
    /// Rows of the finished ones.
    rows: u64,
    training: bool,
    model: Option<Arc<Model>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct ServerState {
    threads: usize,
    spill: Arc<Spill>,
    inner: Mutex<Inner>,
    steps: AtomicU64,
}

fn busy(what: &str) -> Failure {
    Failure::unavailable(format!("{what}: wait for it to end and try again"))
}

impl ServerState {
    pub(super) fn new(threads: usize, spill: Arc<Spill>) -> Self {
        ServerState {
            threads,
            spill,
            inner: Mutex::default(),
            steps: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, unless a training or a DoPut goes on.
    fn idle(&self, what: &str) -> Result<MutexGuard<'_, Inner>, Failure> {
        let inner = self.lock();
        if inner.training {
            return Err(busy(&format!("{what} is refused during a training run")));
        }
        if inner.puts > 0 {
            return Err(busy(&format!(
                "{what} is refused while {} DoPut go on",
                inner.puts
            )));
        }
        Ok(inner)
    }

    pub(super) fn configure(&self, body: &[u8]) -> Result<Value, Failure> {
        let configured = configure(body)?;
        let shape = Shape::of(&configured.job.data, configured.job.train.logical_shards);
        let mut inner = self.idle("configure")?;
        let fits = inner.spool.as_ref().is_some_and(|spool| *spool.shape() == shape);
        if !fits {
            if inner.rows > 0 {
                return Err(Failure::parameter(format!(
                    "there are {} rows of another shape (features, label, logicalShards, validationFraction or the seed \
                     that puts rows aside differ): send the action \"reset\" first",
                    inner.rows
                )));
            }
            // The client hears it: its DoPut fails.
            let spool = Spool::new(JOB, shape.clone(), Arc::clone(&self.spill), |_| {});
            spool.open(ROUND, (0..shape.logical_shards).into())?;
            inner.spool = Some(Arc::new(spool));
        }
        let answer = configured.answer.clone();
        inner.configured = Some(configured);
        inner.model = None;
        Ok(answer)
    }

    pub(super) fn reset(&self) -> Result<Value, Failure> {
        *self.idle("reset")? = Inner::default();
        self.steps.store(0, Ordering::Relaxed);
        Ok(json!({}))
    }

    /// Begins a DoPut.
    pub(super) fn begin_put(self: &Arc<Self>) -> Result<Put, Failure> {
        let mut inner = self.lock();
        if inner.training {
            return Err(busy("DoPut is refused during a training run"));
        }
        let spool = inner.spool.clone().ok_or_else(not_configured)?;
        let number = inner.streams;
        inner.streams += 1;
        inner.puts += 1;
        drop(inner);
        let mut put = Put {
            state: Arc::clone(self),
            spool,
            writer: None,
            rows: 0,
        };
        let partition = u32::try_from(number)
            .map_err(|_| Failure::unavailable("too many DoPut: send the action \"reset\""))?;
        let id = StreamId {
            job: JOB.to_owned(),
            round: ROUND,
            partition,
            attempt: number,
        };
        put.writer = Some(put.spool.begin(id)?);
        Ok(put)
    }

    pub(super) fn model(&self) -> Result<Arc<Model>, Failure> {
        let model = self.lock().model.clone();
        model.ok_or_else(|| Failure::unavailable("there are no weights yet: send the action \"train\" first"))
    }

    pub(super) fn rows(&self) -> u64 {
        self.lock().rows
    }

    pub(super) fn shape(&self) -> Option<Shape> {
        self.lock().spool.as_ref().map(|spool| spool.shape().clone())
    }

    pub(super) fn status(&self) -> Value {
        let inner = self.lock();
        let state = match (&inner.configured, inner.training, &inner.model) {
            (_, true, _) => "training",
            (_, _, Some(_)) => "trained",
            (Some(_), _, _) => "configured",
            _ => "empty",
        };
        let job = inner
            .configured
            .as_ref()
            .map(|configured| json!({"data": configured.job.data, "train": configured.job.train}));
        let model = inner.model.as_ref();
        json!({
            "state": state,
            "rows": inner.rows,
            "puts": inner.puts,
            "step": self.steps.load(Ordering::Relaxed),
            "job": job,
            "weightsHash": model.map(|model| &model.trained.weights_hash),
            "classWeights": model.and_then(|model| model.trained.class_weights.as_ref()),
            "steps": model.map(|model| model.trained.steps),
            "history": model.map(|model| &model.history),
            "threads": self.threads,
            "cpuLevel": candlewick_model::cpu_level(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// Trains on a thread of its own from the initial weights; records, then the end of the channel or a failure.
    pub(super) fn train(self: &Arc<Self>) -> Result<mpsc::Receiver<Result<EpochRecord, Failure>>, Failure> {
        let mut inner = self.idle("train")?;
        let configured = inner.configured.clone().ok_or_else(not_configured)?;
        let spool = inner.spool.clone().ok_or_else(not_configured)?;
        inner.training = true;
        inner.model = None;
        drop(inner);
        self.steps.store(0, Ordering::Relaxed);
        let (records, receiver) = mpsc::channel(64);
        let state = Arc::clone(self);
        let teacher = std::thread::Builder::new().name("candlewick-train".to_owned());
        let spawned = teacher.spawn(move || {
            let observer = ClientObserver {
                records,
                steps: &state.steps,
                history: Mutex::default(),
            };
            let outcome = train(
                &configured,
                (&spool, state.spill.ledger()),
                state.threads,
                &observer,
            );
            let mut inner = state.lock();
            inner.training = false;
            match outcome {
                Ok(model) => inner.model = Some(Arc::new(model)),
                Err(failure) => {
                    drop(inner);
                    tracing::error!("training failed: {}", failure.message);
                    // Where the client has gone there is nobody to tell.
                    let _ = observer.records.blocking_send(Err(failure));
                }
            }
        });
        if let Err(error) = spawned {
            self.lock().training = false;
            return Err(Failure::unavailable(format!(
                "a thread cannot be started: {error}"
            )));
        }
        Ok(receiver)
    }
}

fn not_configured() -> Failure {
    Failure::parameter("this trainer does not know its job yet: send the action \"configure\" first")
}

fn train(
    configured: &Configured,
    (spool, ledger): (&Spool, &Arc<Ledger>),
    threads: usize,
    observer: &ClientObserver<'_>,
) -> Result<Model, Failure> {
    let _needs = Needs::of(&configured.job, 0..configured.job.train.logical_shards, ledger)?;
    let mut data = spool.snapshot(ROUND, threads)?;
    data.deal_alone()?;
    let sums = data.sums();
    let plan = TrainPlan::new(configured.job.clone(), data, &sums)?;
    let mut session = Session::new(&configured.job, threads)?;
    let mut alone = SingleProcess {
        logical_shards: configured.job.train.logical_shards,
    };
    let trained = session
        .run(&plan, &mut alone, observer)
        .map_err(|stop| match stop {
            Interrupt::Halted => Failure::new(
                ErrorKind::Cancelled,
                "the caller of \"train\" went away: training was given up",
            ),
            Interrupt::Peer(error) => error.failure,
            Interrupt::Failed(failure) => failure,
        })?;
    let history = std::mem::take(&mut *observer.history());
    Ok(Model {
        network: session.network().clone(),
        weights: session.model()?.into_owned(),
        history,
        trained,
    })
}

/// Tells the client of "train"; training ends with the client.
struct ClientObserver<'a> {
    records: mpsc::Sender<Result<EpochRecord, Failure>>,
    steps: &'a AtomicU64,
    history: Mutex<Vec<EpochRecord>>,
}

impl ClientObserver<'_> {
    fn history(&self) -> MutexGuard<'_, Vec<EpochRecord>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for ClientObserver<'_> {
    fn boundary(&self, _: ProgramCounter) -> Result<Onward, Interrupt> {
        if self.records.is_closed() {
            Err(Interrupt::Halted)
        } else {
            Ok(Onward::Go)
        }
    }

    fn progress(&self, counter: ProgramCounter) {
        self.steps.store(counter.step, Ordering::Relaxed);
    }

    fn epoch(&self, record: &EpochRecord) -> Result<(), Interrupt> {
        self.history().push(record.clone());
        self.records
            .blocking_send(Ok(record.clone()))
            .map_err(|_| Interrupt::Halted)
    }

    fn epochs_acknowledged(&self) -> u32 {
        u32::try_from(self.history().len()).unwrap_or(u32::MAX)
    }
}

/// A DoPut going on; its rows count once it is finished.
#[derive(Debug)]
pub(super) struct Put {
    state: Arc<ServerState>,
    pub(super) spool: Arc<Spool>,
    writer: Option<StreamWriter>,
    rows: u64,
}

impl Put {
    pub(super) fn add(&mut self, taken: Taken) -> Result<(), Failure> {
        self.rows += taken.rows();
        match &mut self.writer {
            Some(writer) => writer.add(taken),
            None => Err(Failure::internal("rows after the end of their stream")),
        }
    }

    /// Rows of this DoPut, and of all so far. Where others came than were announced, none of them counts.
    pub(super) fn finish(mut self, announced: Option<u64>) -> Result<(u64, u64), Failure> {
        let came = self.rows;
        if let Some(announced) = announced.filter(|announced| *announced != came) {
            return Err(Failure::data(format!(
                "{came} rows came, but the descriptor announced {announced}: none of them counts; send all of them again"
            )));
        }
        let writer = self
            .writer
            .take()
            .ok_or_else(|| Failure::internal("a stream ended twice"))?;
        let sealed = writer.finish(None)?;
        let mut inner = self.state.lock();
        inner.rows += sealed.rows;
        if sealed.rows > 0 {
            // What was trained before is not their model.
            inner.model = None;
        }
        Ok((sealed.rows, inner.rows))
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        self.writer = None;
        self.state.lock().puts -= 1;
    }
}

#[cfg(test)]
mod tests;
