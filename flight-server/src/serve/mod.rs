//! A trainer as a plain Arrow Flight server: any Flight client feeds rows, trains and reads the weights. The protocol
//! is described in docs/flight.md. Spool, plan and engine are those of a gang, so the weights are too.

mod configure;
mod egress;
mod ingest;
mod service;
mod state;

use crate::exit;
use crate::memory::Ledger;
use crate::spill::Spill;
use candlewick_protocol::Failure;
use candlewick_protocol::launch::TrainerMemory;
use candlewick_protocol::ports::unbracketed;
use candlewick_wire::{AuthMode, ServerAuth, Windows};
use service::ServeService;
use state::ServerState;
use std::fs::{File, Metadata};
use std::io::{BufRead, Read, Write};
use std::net::ToSocketAddrs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Bytes of a token file that are read: what is longer is no token.
const LONGEST_TOKEN: u64 = 4096;

/// Where the bearer token comes from; never from the command line, which every user of the machine can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// A file that only its owner can read.
    File(PathBuf),
    /// The first line of stdin.
    Stdin,
}

/// Options of `serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeConfig {
    /// Host to bind.
    pub host: String,
    /// `"0"`, a port or a range.
    pub port: String,
    /// Compute threads; 0 = one per core.
    pub threads: usize,
    /// Where the token comes from.
    pub token: TokenSource,
    /// The memory it may use, and where rows go that do not fit.
    pub memory: TrainerMemory,
}

/// Serves until the action "shutdown" or a signal; returns the exit status.
///
/// # Errors
/// What kept it from starting.
pub fn run(config: &ServeConfig) -> Result<i32, Failure> {
    check_loopback(&config.host)?;
    let token = read_token(&config.token)?;
    exit::on_panic(|_| {});
    let listener = candlewick_wire::bind(&config.host, &config.port)?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::unavailable(format!("the port cannot be read: {error}")))?;
    let threads = match config.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("candlewick-flight")
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("threads cannot be started: {error}")))?;
    let auth = ServerAuth::new(AuthMode::Bearer(token));
    let (stop, mut stopped) = mpsc::channel::<()>(1);
    let windows = Windows::default();
    let spill = Spill::new(&config.memory, Ledger::of_process(&config.memory, windows), || {})?;
    let service = ServeService::new(Arc::new(ServerState::new(threads, spill)), stop);
    let plain = unbracketed(&config.host);
    let host = if plain.contains(':') {
        format!("[{plain}]")
    } else {
        plain.to_owned()
    };
    let mut stdout = std::io::stdout().lock();
    writeln!(
        stdout,
        "candlewick-trainer listening on grpc://{host}:{}",
        address.port()
    )
    .and_then(|()| stdout.flush())
    .map_err(|error| Failure::unavailable(format!("nobody reads stdout: {error}")))?;
    drop(stdout);
    runtime.block_on(candlewick_wire::serve(
        listener,
        service,
        (auth, windows),
        async move {
            let _ = stopped.recv().await;
        },
    ))?;
    // A training in progress is nobody's any more.
    runtime.shutdown_background();
    Ok(exit::OK)
}

/// The token goes over the link as it is: it must not leave the machine.
fn check_loopback(host: &str) -> Result<(), Failure> {
    let addresses = (unbracketed(host), 0)
        .to_socket_addrs()
        .map_err(|error| Failure::parameter(format!("cannot listen on host {host}: {error}")))?;
    match addresses.into_iter().find(|address| !address.ip().is_loopback()) {
        None => Ok(()),
        Some(address) => Err(Failure::parameter(format!(
            "--host {host} is {}, not a loopback address: the token and the rows would cross the network \
             unencrypted. Listen on 127.0.0.1 and come through an SSH tunnel (ssh -L) or through a proxy on this machine that \
             speaks TLS",
            address.ip()
        ))),
    }
}

fn read_token(source: &TokenSource) -> Result<String, Failure> {
    let text = match source {
        TokenSource::File(path) => read_token_file(path)?,
        TokenSource::Stdin => {
            let mut line = String::new();
            let outcome = std::io::stdin().lock().read_line(&mut line);
            outcome.map_err(|error| Failure::parameter(format!("no token on stdin: {error}")))?;
            line
        }
    };
    let token = text.trim();
    if token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::parameter(
            "the token must be one line of at least 16 printable ASCII characters without blanks, for example the \
             output of `openssl rand -hex 32`",
        ));
    }
    Ok(token.to_owned())
}

/// Opens the file once and looks at what it has opened: a path may lead elsewhere a moment later.
fn read_token_file(path: &Path) -> Result<String, Failure> {
    let unreadable = |error| {
        Failure::parameter(format!(
            "the token file {} cannot be read: {error}",
            path.display()
        ))
    };
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    check_token_file(path, &about, exit::user())?;
    let mut text = String::new();
    file.take(LONGEST_TOKEN)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// Refuses a token file that others than `user` may have written or read.
fn check_token_file(path: &Path, about: &Metadata, user: u32) -> Result<(), Failure> {
    if about.uid() != user {
        return Err(Failure::parameter(format!(
            "the token file {} belongs to user {}, not to user {user}, who runs this process: that user knows the token; use a \
             file of your own",
            path.display(),
            about.uid()
        )));
    }
    let mode = about.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Failure::parameter(format!(
            "the token file {} has mode {:03o}: others can read it; chmod 600 it",
            path.display(),
            mode & 0o777
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_on_loopback_only() {
        for host in ["127.0.0.1", "127.0.0.7", "::1", "localhost"] {
            check_loopback(host).unwrap();
        }
        for host in ["0.0.0.0", "::", "192.0.2.1"] {
            let config = ServeConfig {
                host: host.into(),
                port: "0".into(),
                threads: 1,
                token: TokenSource::File("/nowhere/token".into()),
                memory: TrainerMemory::default(),
            };
            let failure = run(&config).unwrap_err();
            assert_eq!(failure.kind, candlewick_protocol::ErrorKind::InvalidParameter);
            assert!(
                failure.message.contains("not a loopback address") && failure.message.contains("SSH tunnel"),
                "{failure}"
            );
        }
    }

    #[test]
    fn a_token_file_must_be_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let source = TokenSource::File(path.clone());
        assert!(
            read_token(&source)
                .unwrap_err()
                .message
                .contains("has mode 644: others can read it")
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_token(&source).unwrap(), "0123456789abcdef");
        let about = std::fs::metadata(&path).unwrap();
        let stranger = check_token_file(&path, &about, about.uid() + 1).unwrap_err();
        assert!(
            stranger
                .message
                .contains(&format!("belongs to user {}", about.uid())),
            "{stranger}"
        );
        std::fs::write(&path, "short\n").unwrap();
        assert!(read_token(&source).unwrap_err().message.contains("at least 16"));
    }
}
