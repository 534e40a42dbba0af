//! The computing thread: obeys the coordinator's orders one after another.

use super::moves::{self, Mover};
use super::pace::{Stopwatch, Timed};
use super::snapshots::{Snapshot, Snapshots};
use super::state::State;
use crate::dataset::Dataset;
use crate::memory::{Account, Charge, Ledger};
use crate::train::{
    Interrupt, Observer, Onward, Reduce, Session, SingleProcess, TrainPlan, Trained, step_plan,
};
use candlewick_collective::{Algorithm, Collective, Config, HaltToken, Listener};
use candlewick_membership::{Boundary, Formation, Order, Place, Seat, Shift};
use candlewick_model::optim::Saved;
use candlewick_protocol::Failure;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::dealing::Deal;
use candlewick_protocol::feed::{ShardSum, Winner};
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::keys::{Key, Purpose};
use candlewick_protocol::launch::TrainerConfig;
use candlewick_protocol::message::{BULK_CHUNK, EpochRecord, Pace, ToCoordinator};
use candlewick_protocol::shards::ShardSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Peer waits expire so much later than beats do, so that the one waited for is blamed (rule C2).
const AFTER_BEATS: Duration = Duration::from_secs(10);
/// How often a paused trainer looks whether the coordinator answers again, or lets it begin another epoch.
const PAUSE: Duration = Duration::from_millis(2);

/// Starts the thread; it lives as long as the process.
pub(super) fn start(
    config: &TrainerConfig,
    initial: Option<Vec<u8>>,
    listener: Listener,
    state: Arc<State>,
    ledger: Arc<Ledger>,
) -> Result<Sender<Order>, Failure> {
    let (orders, inbox) = channel();
    let snapshots = Snapshots::start(Arc::clone(&state))?;
    let (id, threads) = (config.trainer.clone(), config.threads.max(1));
    let key = config.keys.key(Purpose::Feed)?.clone();
    std::thread::Builder::new()
        .name("candlewick-train".to_owned())
        .spawn(move || {
            let mut runner = Runner {
                seat: Seat::new(id),
                ledger,
                threads,
                initial,
                listener,
                state,
                snapshots,
                job: None,
                session: None,
                key,
                sums: Vec::new(),
                data: None,
                plan: None,
                gang: None,
            };
            runner.obey(&inbox);
        })
        .map_err(|error| Failure::unavailable(format!("a thread cannot be started: {error}")))?;
    Ok(orders)
}

/// The connections of a generation.
struct Gang {
    reduce: Timed,
    halt: HaltToken,
    _links: Charge,
}

struct Runner {
    seat: Seat,
    ledger: Arc<Ledger>,
    threads: usize,
    /// The weights file to start from, until the session has it.
    initial: Option<Vec<u8>>,
    listener: Listener,
    state: Arc<State>,
    snapshots: Arc<Snapshots>,
    job: Option<JobSpec>,
    session: Option<Session>,
    /// For rows that move to others.
    key: Key,
    /// Rows of all shards of the job, once they are fed.
    sums: Vec<ShardSum>,
    /// The rows of this trainer, until there is a plan.
    data: Option<Dataset>,
    plan: Option<TrainPlan>,
    gang: Option<Gang>,
}

impl Runner {
    fn obey(&mut self, inbox: &Receiver<Order>) {
        while let Ok(order) = inbox.recv() {
            self.state.tick();
            let generation = match &order {
                Order::Form(Formation { generation, .. })
                | Order::Start { generation }
                | Order::Halt { generation } => *generation,
                Order::Prepare(_)
                | Order::Seal { .. }
                | Order::Move(_)
                | Order::Deal(..)
                | Order::Restore { .. } => 0,
            };
            let outcome = match order {
                Order::Prepare(job) => self.prepare(*job).map_err(Interrupt::Failed),
                Order::Seal {
                    round,
                    winners,
                    expected,
                    incomplete,
                    dealt,
                } => {
                    self.sums = expected;
                    self.seal(round, &winners, &incomplete, dealt)
                        .map_err(Interrupt::Failed)
                }
                Order::Move(order) => self.send_rows(&order).map_err(Interrupt::Failed),
                Order::Deal(order, deal) => self.deal_rows(&order, &deal).map_err(Interrupt::Failed),
                Order::Restore { counter, file } => self.restore(counter, &file).map_err(Interrupt::Failed),
                Order::Form(formation) => self.form(&formation),
                Order::Halt { generation } => self.halt(generation).map_err(Interrupt::Failed),
                Order::Start { generation } => self.train(generation),
            };
            self.state.tick();
            match outcome {
                Ok(()) => {}
                // The next order says how it goes on.
                Err(Interrupt::Halted) => tracing::debug!(generation, "halted"),
                Err(Interrupt::Failed(failure)) => self.state.fail(failure),
                Err(Interrupt::Peer(error)) => {
                    // The gang may well go on without it, or it has halted before this trainer, for shards that move. The
                    // coordinator knows, and tells what became of it.
                    tracing::info!(generation, "{error}");
                    self.state.tell(self.seat.suspect(generation, error));
                }
            }
        }
    }

    /// Builds network and engine while the rows come.
    fn prepare(&mut self, job: JobSpec) -> Result<(), Failure> {
        candlewick_failpoint::reach("gang.prepare", 0)?;
        let initial = self.initial.take();
        self.session = Some(Session::starting_from(&job, self.threads, initial.as_deref())?);
        self.job = Some(job);
        self.state.tick();
        // One that has come while the fit runs is waited for: it says at once that it is there.
        self.state.mention(self.state.beat());
        Ok(())
    }

    fn seal(
        &mut self,
        round: u32,
        winners: &[Winner],
        incomplete: &ShardSet,
        dealt: Option<ShardSet>,
    ) -> Result<(), Failure> {
        let spool = self
            .state
            .spool()
            .ok_or_else(|| Failure::internal("SEAL before Welcome"))?;
        candlewick_failpoint::reach("gang.seal", u64::from(round))?;
        let sealed = spool.seal(round, winners, incomplete, self.threads)?;
        let took = sealed.shards();
        let rows = self.sums.iter().map(|sum| sum.rows).sum();
        let job = self.job.as_ref().ok_or_else(|| early("SEAL"))?;
        let dealing = job.dealing(rows);
        // What earlier rounds sealed stays; a plan over it is made anew, since there are other rows now.
        match (self.rows(), dealt) {
            (Some(data), Some(homes)) => data.deal(sealed, &homes, dealing)?,
            (Some(data), None) => {
                // What others have dealt meanwhile comes in the place of what is here as it was fed.
                data.retain(&data.shards().filter(|shard| !took.contains(shard)));
                data.absorb(sealed)?;
            }
            (None, None) => self.data = Some(sealed),
            (None, Some(_)) => return Err(Failure::internal("rows were dealt before any were fed")),
        }
        // Counted again from all that is here. The coordinator compares.
        let (shards, heaped) = match &self.data {
            Some(data) => (data.sums_of(&took), data.heaped(&took, dealing)?),
            None => (Vec::new(), ShardSet::default()),
        };
        self.state.tell(ToCoordinator::Sealed {
            round,
            shards,
            heaped,
        });
        Ok(())
    }

    /// The rows of this trainer, taken out of the plan: their shards change.
    fn rows(&mut self) -> Option<&mut Dataset> {
        if let Some(plan) = self.plan.take() {
            self.data = Some(plan.into_data());
        }
        self.data.as_mut()
    }

    /// Hands shards over to the members that own them from now on. They stay here until the next generation is formed.
    fn send_rows(&mut self, order: &Shift) -> Result<(), Failure> {
        candlewick_failpoint::reach("gang.move", u64::from(order.round))?;
        let mover = self.mover("MOVE")?;
        let state = Arc::clone(&self.state);
        let data = self.rows().ok_or_else(|| Failure::internal("MOVE before SEAL"))?;
        let outcome = mover.send(data, order, &|shard| data.rows(shard), &|| state.tick())?;
        let moves::Outcome { rows, lost, because } = outcome;
        self.state.tell(ToCoordinator::Moved {
            round: order.round,
            rows,
            lost,
            because,
        });
        Ok(())
    }

    /// Sends copies of rows to the members that own the shards that they belong to (rule A7). What belongs to shards of this
    /// trainer is dealt when the round is sealed.
    fn deal_rows(&mut self, order: &Shift, deal: &Deal) -> Result<(), Failure> {
        candlewick_failpoint::reach("gang.deal", u64::from(order.round))?;
        let mover = self.mover("DEAL")?;
        let state = Arc::clone(&self.state);
        let data = self.rows().ok_or_else(|| Failure::internal("DEAL before SEAL"))?;
        let Deal { dealing, homes } = deal;
        let owed = data.owed(homes, *dealing)?;
        let taken = order.owners.iter().map(|owner| owner.lo..owner.hi).collect();
        let (heaps, shares) = (owed.heaps(&taken), owed.shares(&taken));
        let outcome = mover.send(data, order, &|shard| owed.rows(data, shard), &|| state.tick())?;
        self.state.tell(ToCoordinator::Dealt {
            round: order.round,
            lost: outcome.lost,
            because: outcome.because,
            heaps,
            shares,
        });
        Ok(())
    }

    /// Sends rows to other trainers.
    fn mover(&self, order: &str) -> Result<Mover, Failure> {
        let job = self.job.as_ref().ok_or_else(|| early(order))?;
        Ok(Mover {
            job: job.job.clone(),
            id: self.seat.id().to_owned(),
            key: self.key.clone(),
            timeout: Duration::from_millis(job.failure_timeout_ms) + AFTER_BEATS,
        })
    }

    /// Steps of an epoch.
    fn steps_per_epoch(&self) -> Result<u64, Failure> {
        let job = self.job.as_ref().ok_or_else(|| early("SEAL"))?;
        Ok(step_plan(job, &self.sums)?.steps_per_epoch())
    }

    /// The generations up to this one are over: closes the connections and tells where the state stands.
    fn halt(&mut self, generation: u64) -> Result<(), Failure> {
        let session = self.session.as_ref().ok_or_else(|| early("HALT"))?;
        let answer = self.seat.halt(generation, session.counter(), session.made());
        if self.seat.place().is_none() {
            self.gang = None;
        }
        if let Some(answer) = answer {
            self.state.tell(answer);
        }
        Ok(())
    }

    /// Goes to a saved state, before anything was trained.
    fn restore(&mut self, counter: ProgramCounter, file: &[u8]) -> Result<(), Failure> {
        let steps = self.steps_per_epoch()?;
        let session = self.session.as_mut().ok_or_else(|| early("a state"))?;
        candlewick_failpoint::reach("gang.restore", counter.step)?;
        let _file = self.state.arrived();
        if session.counter() > counter {
            // Others gave it that state while this one was on its way, and it has gone on.
            tracing::info!(
                "leaves a saved state at {counter}: it stands at {}",
                session.counter()
            );
            return Ok(());
        }
        session.restore(steps, file)?;
        let answer = self.seat.restored(session.counter(), counter)?;
        self.state.progressed(counter);
        self.state.tell(answer);
        Ok(())
    }

    fn form(&mut self, formation: &Formation) -> Result<(), Interrupt> {
        let place = self.seat.form(formation)?;
        self.state.turn_to(place.generation);
        // The old connections close first: the peers' new ones may need the same resources.
        self.gang = None;
        if self.sums != formation.sums {
            // What others hold is part of the plan too.
            self.rows();
            self.sums.clone_from(&formation.sums);
        }
        let mut gang = self.connect(formation, &place)?;
        // Whoever has many rows to give up is waited for in the exchange, which has more patience than a connection.
        self.keep_shards(&place)?;
        candlewick_failpoint::reach("gang.form", place.generation)?;
        self.take_state(&place, &mut gang.reduce)?;
        // One that was halted before its first step has heard of that, and one that joins has not: their states are compared.
        let steps = self.steps_per_epoch()?;
        let session = self.session.as_mut().ok_or_else(|| early("FORM"))?;
        session.of_epochs(steps)?;
        let (stands, state_hash) = (session.counter(), session.state_hash()?);
        let answer = self.seat.ready(place, stands, state_hash)?;
        self.gang = Some(gang);
        self.state.tell(answer);
        Ok(())
    }

    /// Every shard of this member must be sealed here (invariant I5), and the copies that it keeps (rule A5); others have gone
    /// to their owners, and are given up.
    fn keep_shards(&mut self, place: &Place) -> Result<(), Failure> {
        let as_it_is = |plan: &TrainPlan| plan.owned() == place.shards && plan.held() == place.keeps;
        if self.plan.as_ref().is_some_and(as_it_is) {
            return Ok(());
        }
        candlewick_failpoint::reach("gang.keep", place.generation)?;
        let data = self.rows().ok_or_else(|| Failure::internal("FORM before SEAL"))?;
        data.retain(&place.keeps);
        let held = data.shards();
        if held != place.keeps {
            return Err(Failure::internal(format!(
                "generation {} says that this trainer has the shards {}, but it has {held}",
                place.generation, place.keeps
            )));
        }
        let aside = place.shards.clone().map(|shard| data.held_out_rows(shard)).max();
        let job = self.job.clone().ok_or_else(|| early("FORM"))?;
        self.state.reserve.own(place.shards.clone(), aside.unwrap_or(0))?;
        if let Some(data) = self.data.take() {
            self.plan = Some(TrainPlan::over(job, data, &self.sums, place.shards.clone())?);
        }
        Ok(())
    }

    /// Connects to the members of a generation.
    fn connect(&self, formation: &Formation, place: &Place) -> Result<Gang, Interrupt> {
        let job = self.job.as_ref().ok_or_else(|| early("FORM"))?;
        let (generation, members) = (place.generation, formation.members.clone());
        let others = members.len() - 1;
        let (reduce, shared): (Box<dyn Reduce>, u64) = if others == 0 {
            let logical_shards = job.train.logical_shards;
            (Box::new(SingleProcess { logical_shards }), 0)
        } else {
            let timeout = Duration::from_millis(job.failure_timeout_ms) + AFTER_BEATS;
            let config = Config {
                generation,
                rank: place.rank,
                members,
                timeout,
                patience: Duration::from_millis(job.progress_timeout_ms) + AFTER_BEATS,
                shared_memory: true,
                algorithm: set_algorithm(generation),
                any_order: job.train.any_order,
            };
            let collective = Collective::connect(&self.listener, config, self.state.halts())?;
            let (near, bytes) = collective.shared_memory();
            tracing::info!(
                "generation {generation}: {near} of {others} other trainers share memory with this one"
            );
            (Box::new(collective), bytes)
        };
        Ok(Gang {
            reduce: Timed::new(reduce),
            halt: self.state.halts().token(generation),
            _links: self.ledger.charge(Account::Links, shared),
        })
    }

    /// Takes the donor's state where this trainer is behind; gives it where it is the donor.
    fn take_state(&mut self, place: &Place, reduce: &mut dyn Reduce) -> Result<(), Interrupt> {
        let Some(root) = place.donor() else {
            return Ok(());
        };
        let steps = self.steps_per_epoch()?;
        let session = self.session.as_mut().ok_or_else(|| early("FORM"))?;
        let mine = if place.gives() {
            session.save()?
        } else {
            Vec::new()
        };
        let mut charge = self.ledger.charge(Account::States, mine.len() as u64);
        let what = format!("the state of trainer {root}");
        let file = reduce.broadcast(&what, root, &mine, &|| self.state.tick())?;
        charge.set((mine.len() + file.len()) as u64);
        if place.takes(session.counter()) {
            tracing::info!("takes the state of trainer {root}");
            session.restore(steps, &file)?;
        }
        Ok(())
    }

    fn train(&mut self, generation: u64) -> Result<(), Interrupt> {
        let tells = self.seat.start(generation)?.tells();
        let (Some(session), Some(gang), Some(plan)) = (&mut self.session, &mut self.gang, &self.plan) else {
            // A halt came between: a later order says how it goes on.
            return Err(Interrupt::Halted);
        };
        let observer = GangObserver {
            state: &self.state,
            halt: &gang.halt,
            generation,
            tells,
            snapshots: &self.snapshots,
            ledger: &self.ledger,
            stopwatch: Stopwatch::new(gang.reduce.waited(), session.counter()),
        };
        let Trained {
            steps,
            state_hash,
            weights_hash,
            stopping,
            class_weights,
            compression,
        } = session.run(plan, &mut gang.reduce, &observer)?;
        // After DONE the coordinator may let everybody go.
        self.snapshots.flush(&gang.halt, || self.state.tick());
        self.state.tell(ToCoordinator::Done {
            generation,
            steps,
            state_hash,
            weights_hash,
            stopping,
            class_weights,
            memory: self.ledger.told(),
            compression,
            exchange: gang.reduce.exchanged(),
        });
        if tells {
            self.send_weights(generation)
        } else {
            Ok(())
        }
    }

    fn send_weights(&self, generation: u64) -> Result<(), Interrupt> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        let model = session.model()?;
        let file = session.network().weights_file(&model)?;
        let total = file.total();
        let mut offset = 0;
        let halt = self.state.halts().token(generation);
        for part in file.pieces(BULK_CHUNK) {
            candlewick_failpoint::reach("gang.weights", offset)?;
            if halt.is_cancelled() {
                return Err(Interrupt::Halted);
            }
            let message = ToCoordinator::Weights {
                generation,
                offset,
                total,
            };
            offset += part.len() as u64;
            self.state.send_bulk(message, part);
            self.state.tick();
        }
        Ok(())
    }
}

/// The algorithm of the allreduce where a test says which; else what was measured says it.
fn set_algorithm(generation: u64) -> Option<Algorithm> {
    let said = candlewick_failpoint::reach("gang.algorithm", generation).err()?;
    Algorithm::of_name(&said.message)
}

/// An order that comes before what it builds on.
fn early(order: &str) -> Failure {
    Failure::internal(format!("{order} before Welcome"))
}

/// Reports progress and obeys halts and the lease (rule C1).
struct GangObserver<'a> {
    state: &'a State,
    halt: &'a HaltToken,
    generation: u64,
    /// See [`Place::tells`].
    tells: bool,
    snapshots: &'a Snapshots,
    ledger: &'a Arc<Ledger>,
    stopwatch: Stopwatch,
}

impl Observer for GangObserver<'_> {
    fn boundary(&self, counter: ProgramCounter) -> Result<Onward, Interrupt> {
        let mut waited = false;
        // The control thread ends the process when the lease is over.
        loop {
            match self.state.boundary(self.halt, counter.epoch) {
                Boundary::Go => break,
                Boundary::Pause => std::thread::sleep(PAUSE),
                Boundary::End => return Ok(Onward::End),
                Boundary::Halted => return Err(Interrupt::Halted),
            }
            waited = true;
        }
        self.stopwatch.goes_on(waited);
        Ok(Onward::Go)
    }

    fn trained(&self, loss: Option<f64>, steps_per_epoch: u64) {
        self.state.trained(loss, steps_per_epoch);
    }

    fn progress(&self, counter: ProgramCounter) {
        self.state.progressed(counter);
    }

    fn epoch(&self, record: &EpochRecord) -> Result<(), Interrupt> {
        if self.tells {
            self.state.tell(ToCoordinator::Epoch {
                generation: self.generation,
                record: record.clone(),
            });
        }
        if let Some(pace) = self.stopwatch.lap(record.epoch, record.step) {
            let most_shards = self.state.reserve.most_shards()?;
            let pace = Pace { most_shards, ..pace };
            self.state.tell(ToCoordinator::Pace {
                generation: self.generation,
                pace,
            });
        }
        Ok(())
    }

    fn snapshot(
        &self,
        counter: ProgramCounter,
        last: bool,
        copy: &dyn Fn() -> Result<Saved, Failure>,
    ) -> Result<(), Interrupt> {
        if !self.tells {
            return Ok(());
        }
        let alive = || self.state.tick();
        if !self
            .snapshots
            .admits((counter, last), self.ledger, (self.halt, &alive))
        {
            return Ok(());
        }
        let file = copy()?.into_file()?;
        self.snapshots.put(Snapshot {
            generation: self.generation,
            counter,
            last,
            charge: self.ledger.charge(Account::States, file.left()),
            file,
            halt: self.halt.clone(),
        });
        Ok(())
    }

    fn epochs_acknowledged(&self) -> u32 {
        self.state.epochs_acknowledged()
    }
}
