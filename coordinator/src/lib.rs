//! The coordinator of a Candlewick job: membership, feed rounds, training, failure.
//!
//! A library in the driver's process. Trainers keep one Flight `DoExchange` stream each to it; the driver commands it
//! with JSON, polls JSON events from a bounded queue and takes the weights at the end. What happens when is decided
//! by a pure state machine (`machine`); this module owns the threads, two tokio workers that never touch a JVM.
//!
//! A failure is reported once, with the first cause in causal order: a trainer that ended is blamed before those that
//! complained about it, and its exit status and last stderr lines (reported by the JVM that started it) are waited
//! for up to two seconds. After it every trainer is told to die and its stream is closed.

// A cast that loses something says why; tests cast at will.
#![cfg_attr(
    not(test),
    deny(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

mod command;
mod config;
mod homes;
mod ledger;
mod machine;
mod members;
mod queue;
mod runtime;
mod service;

pub use command::{Command, Event, ExitReport};
pub use config::CoordinatorConfig;
pub use machine::Snapshot;

use candlewick_protocol::Failure;
use candlewick_protocol::auth::COORDINATOR;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::keys::{KeyRing, Purpose};
use candlewick_wire::{AuthMode, ServerAuth, Windows};
use machine::Machine;
use runtime::{Shared, TICK};
use service::Service;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest wait for the last messages to leave at the shutdown; a trainer that does not read is not waited for.
const SHUTDOWN_WAIT: Duration = Duration::from_millis(300);

/// A running coordinator. Its methods block shortly or not at all and may be called from any thread that is not a
/// tokio worker.
#[derive(Debug)]
pub struct Coordinator {
    shared: Arc<Shared>,
    address: (String, u16),
    running: Mutex<Option<Running>>,
}

/// What a job has trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedModel {
    /// The job.
    pub job: JobSpec,
    /// The weights file (safetensors) as it arrived.
    pub file: Arc<Vec<u8>>,
    /// weightsHash of the model, as every trainer computed it.
    pub weights_hash: String,
}

#[derive(Debug)]
struct Running {
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Coordinator {
    /// Binds the port and begins to serve. Of the job's `keys` it needs the one for control.
    ///
    /// # Errors
    /// `InvalidParameter` for a wrong port or host, `Unavailable` where no port is free or no thread can be started,
    /// `Unauthenticated` without a key for control.
    pub fn start(config: CoordinatorConfig, keys: &KeyRing) -> Result<Self, Failure> {
        let keys = keys.only(&[Purpose::Control])?;
        let listener = candlewick_wire::bind(&config.bind_host, &config.port)?;
        let local = listener.local_addr().map_err(|error| {
            Failure::unavailable(format!("the coordinator's port cannot be read: {error}"))
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("candlewick-coord")
            .enable_all()
            .build()
            .map_err(|error| {
                Failure::unavailable(format!("the coordinator's threads cannot start: {error}"))
            })?;
        let auth = ServerAuth::new(AuthMode::Job {
            job: config.job.job.clone(),
            server: COORDINATOR.to_owned(),
            keys,
        });
        let timeouts = config.timeouts();
        let shared = Arc::new(Shared::new(Machine::new(config.job, timeouts)));
        let (stop, stopped) = oneshot::channel();
        let service = Service {
            shared: Arc::clone(&shared),
        };
        let server = runtime.spawn(serve(listener, service, auth, stopped));
        let clock = Arc::clone(&shared);
        runtime.spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                clock.tick();
            }
        });
        let running = Mutex::new(Some(Running {
            runtime,
            stop,
            server,
        }));
        Ok(Coordinator {
            shared,
            address: (config.bind_host, local.port()),
            running,
        })
    }

    /// Host and port trainers and executors reach it at.
    #[must_use]
    pub fn address(&self) -> (String, u16) {
        self.address.clone()
    }

    /// Obeys a command (see [`Command`]); the answer is a JSON object, `{}` where there is nothing to say.
    ///
    /// # Errors
    /// `InvalidParameter` where the text is no command; else what the command's documentation says.
    pub fn command(&self, json: &str) -> Result<String, Failure> {
        let command: Command = serde_json::from_str(json)
            .map_err(|error| Failure::parameter(format!("the coordinator knows no such command: {error}")))?;
        self.shared.command(command).map(|answer| answer.to_string())
    }

    /// The next event (see [`Event`]) as JSON, waited for up to `timeout`.
    #[must_use]
    pub fn poll(&self, timeout: Duration) -> Option<String> {
        let event = self.shared.events.poll(timeout)?;
        serde_json::to_string(&event).ok()
    }

    /// The driver lives; to be called about once a second.
    pub fn tick(&self) {
        // A tick cannot fail.
        let _ = self.shared.command(Command::Tick);
    }

    /// The youngest state of the training run that no call before has taken; the event `snapshot` says that there is one.
    #[must_use]
    pub fn take_snapshot(&self) -> Option<Snapshot> {
        self.shared.take_snapshot()
    }

    /// The flight record as JSON: where everybody stood when the job failed, or stands now, and what was said last.
    #[must_use]
    pub fn record(&self) -> String {
        self.shared.record().to_string()
    }

    /// Takes a part of a saved state, in order; the command `train` with `resume` goes on from it. A part at 0 begins anew.
    ///
    /// # Errors
    /// `Internal` where it is not the next part.
    pub fn resume_from(&self, offset: u64, part: &[u8]) -> Result<(), Failure> {
        self.shared.resume_from(offset, part)
    }

    /// The weights file (safetensors), complete after the event `done`, as it arrived.
    ///
    /// # Errors
    /// `Unavailable` before that.
    pub fn weights(&self) -> Result<Arc<Vec<u8>>, Failure> {
        self.shared.weights().map(|(file, _)| file)
    }

    /// The model: what is needed to see that the file is what the trainers computed.
    ///
    /// # Errors
    /// `Unavailable` before the event `done`.
    pub fn model(&self) -> Result<TrainedModel, Failure> {
        let (file, weights_hash) = self.shared.weights()?;
        Ok(TrainedModel {
            job: self.shared.job(),
            file,
            weights_hash,
        })
    }

    /// Tells every trainer still connected to die, closes streams and port and ends the threads. Again: nothing.
    pub fn shutdown(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running {
            runtime,
            stop,
            server,
        }) = running
        else {
            return;
        };
        self.shared.shut_down();
        // An error means that the server has ended already.
        let _ = stop.send(());
        let _ = runtime.block_on(async { tokio::time::timeout(SHUTDOWN_WAIT, server).await });
        runtime.shutdown_timeout(SHUTDOWN_WAIT);
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.shutdown();
    }
}

async fn serve(listener: TcpListener, service: Service, auth: ServerAuth, stopped: oneshot::Receiver<()>) {
    let stop = async {
        // The sender gone counts as told.
        let _ = stopped.await;
    };
    if let Err(failure) = candlewick_wire::serve(listener, service, (auth, Windows::default()), stop).await {
        tracing::error!("the coordinator's server ended: {}", failure.message);
    }
}
