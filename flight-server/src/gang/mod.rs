//! A trainer of a gang: listeners, the stream to the coordinator, the computing thread.
//!
//! Threads: `candlewick-stdin` ends the process with its parent; `candlewick-control` (this module's caller) holds
//! the stream to the coordinator, beats, and ends the process when the coordinator is gone; `candlewick-flight` are
//! tokio workers that take rows; `candlewick-train` seals, connects to the peers and computes.

mod control;
mod moves;
mod pace;
mod reserve;
mod runner;
mod service;
mod snapshots;
mod state;

use crate::memory::Ledger;
use crate::spill::Spill;
use crate::{exit, words};
use candlewick_collective::{Credentials, Listener};
use candlewick_protocol::Failure;
use candlewick_protocol::keys::Purpose;
use candlewick_protocol::launch::{Listening, TrainerConfig};
use candlewick_protocol::message::{ToCoordinator, TrainerInfo};
use candlewick_protocol::ports::unbracketed;
use candlewick_wire::{AuthMode, ServerAuth, Windows};
use service::GangService;
use state::State;
use std::io::{BufRead, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

/// Runs until the job or the process that started this one ends; returns the exit status.
///
/// # Errors
/// What kept it from starting.
pub fn run() -> Result<i32, Failure> {
    let (config, initial) = read_config()?;
    exit::when_stdin_ends()?;
    let threads = config.threads.max(1);
    let credentials = Credentials {
        job: config.job.clone(),
        trainer: config.trainer.clone(),
        key: config.keys.key(Purpose::Peer)?.clone(),
    };
    let peers = Listener::bind(&config.bind_host, &config.port_range, credentials)?;
    let listener = candlewick_wire::bind(&config.bind_host, &config.port_range)?;
    let flight_port = listener
        .local_addr()
        .map_err(|error| Failure::unavailable(format!("the Flight port cannot be read: {error}")))?
        .port();
    let (state, outbox) = State::new();
    let state = Arc::new(state);
    let teller = Arc::clone(&state);
    let ledger = Ledger::of_process(&config.memory, Windows::of(config.feeders));
    let spill = Spill::new(&config.memory, ledger, move || teller.tick())?;
    let teller = Arc::clone(&state);
    exit::on_panic(move |failure| teller.fail(failure));
    let teller = Arc::clone(&state);
    words::pass_to(move |error, line| teller.mention(ToCoordinator::Log { error, line }));
    serve(&config, listener, &state)?;
    let info = TrainerInfo {
        id: config.trainer.clone(),
        host: unbracketed(&config.bind_host).to_owned(),
        executor: config.executor.clone(),
        index: config.index,
        flight_port,
        collective_port: peers.port(),
        pid: std::process::id(),
        threads: u32::try_from(threads).unwrap_or(u32::MAX),
        cpu_level: candlewick_model::cpu_level().to_owned(),
        device: candlewick_model::device::kind().to_owned(),
    };
    announce(&Listening {
        pid: info.pid,
        flight_port,
        collective_port: info.collective_port,
    })?;
    let orders = runner::start(
        &config,
        initial,
        peers,
        Arc::clone(&state),
        Arc::clone(spill.ledger()),
    )?;
    control::run(&config, info, (&state, spill), &orders, outbox)
}

/// The configuration, and the weights file that follows it where it says so.
fn read_config() -> Result<(TrainerConfig, Option<Vec<u8>>), Failure> {
    let mut stdin = std::io::stdin().lock();
    let mut line = String::new();
    stdin
        .read_line(&mut line)
        .map_err(|error| Failure::parameter(format!("no configuration on stdin: {error}")))?;
    let config = TrainerConfig::read(&line)?;
    let initial = config.initial_weights_bytes.map(|bytes| {
        let mut file = Vec::new();
        // Read as it comes: a wrong length decides no allocation.
        let read = stdin.by_ref().take(bytes).read_to_end(&mut file);
        let have = read.map_err(|error| Failure::unavailable(format!("no weights on stdin: {error}")))?;
        if have as u64 == bytes {
            Ok(file)
        } else {
            Err(Failure::unavailable(format!(
                "the weights on stdin ended after {have} of {bytes} bytes"
            )))
        }
    });
    Ok((config, initial.transpose()?))
}

fn announce(listening: &Listening) -> Result<(), Failure> {
    let line = serde_json::to_string(listening).map_err(|error| Failure::internal(error.to_string()))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::unavailable(format!("the parent does not read stdout: {error}")))
}

/// Starts the Flight server on threads of its own; they live as long as the process.
fn serve(config: &TrainerConfig, listener: TcpListener, state: &Arc<State>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Rows are hashed on both: more threads than cores would only take turns.
        .worker_threads(config.threads.clamp(2, 16))
        .max_blocking_threads(config.threads.clamp(2, 16))
        .thread_name("candlewick-flight")
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("threads cannot be started: {error}")))?;
    let auth = ServerAuth::new(AuthMode::Job {
        job: config.job.clone(),
        server: config.trainer.clone(),
        keys: config.keys.only(&[Purpose::Feed])?,
    });
    let windows = Windows::of(config.feeders);
    let service = GangService::new(Arc::clone(state));
    let state = Arc::clone(state);
    let spawn = std::thread::Builder::new().name("candlewick-serve".to_owned());
    spawn
        .spawn(move || {
            let outcome = runtime.block_on(candlewick_wire::serve(
                listener,
                service,
                (auth, windows),
                std::future::pending(),
            ));
            if let Err(failure) = outcome {
                state.fail(failure);
            }
        })
        .map(drop)
        .map_err(|error| Failure::unavailable(format!("a thread cannot be started: {error}")))
}
