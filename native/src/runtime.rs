//! The threads of the library: one small tokio runtime, started at first use. They never enter the JVM.

use candlewick_protocol::{ErrorKind, Failure};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

/// How often a waiting thread looks whether it was told to stop.
const SLICE: Duration = Duration::from_millis(20);

/// The runtime. Where it cannot start, the next call tries again.
///
/// # Errors
/// `JobFailed` where the system gives no threads: that is trouble of this process, and no trainer is to be given up for it.
pub fn shared() -> Result<&'static Runtime, Failure> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    start_log();
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .thread_name("candlewick-native")
        .enable_all();
    let runtime = builder.build().map_err(|error| {
        let message = format!(
            "cannot start native threads: {error}; raise the limits of files and threads of this process (ulimit -n, ulimit -u)"
        );
        Failure::new(ErrorKind::JobFailed, message)
    })?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// Warnings go to the JVM's stderr; `RUST_LOG` chooses otherwise.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // Where the process has a subscriber already, that one stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would say so on stderr, with a panic where that has no room.
        .log_internal_errors(false)
        .try_init();
}

/// What may end a wait early.
pub struct Wait<'a> {
    /// Set when the object that waits is closed.
    pub closed: &'a AtomicBool,
    /// Asks whether the thread was interrupted.
    pub interrupted: &'a mut dyn FnMut() -> bool,
    /// The time: `Instant::now`, but in tests of deadlines.
    pub clock: &'a dyn Fn() -> Instant,
}

impl Wait<'_> {
    /// Fails if the waiting is to end.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check(&mut self) -> Result<(), Failure> {
        if self.closed.load(Ordering::Relaxed) || (self.interrupted)() {
            return Err(Failure::new(ErrorKind::Cancelled, "the task was told to stop"));
        }
        Ok(())
    }

    /// Runs a future to its end, on the calling thread, for at most `limit`.
    ///
    /// # Errors
    /// `Cancelled` where the waiting was ended, `Unavailable` with what `late` says after `limit`.
    pub fn on<T>(
        &mut self,
        future: impl Future<Output = T>,
        limit: Duration,
        late: impl FnOnce() -> String,
    ) -> Result<T, Failure> {
        let runtime = shared()?;
        let start = (self.clock)();
        let mut future = pin!(future);
        loop {
            let slice = async { tokio::time::timeout(SLICE, future.as_mut()).await };
            if let Ok(value) = runtime.block_on(slice) {
                return Ok(value);
            }
            self.check()?;
            if (self.clock)().duration_since(start) >= limit {
                return Err(Failure::unavailable(late()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_by_its_value_its_limit_or_a_stop() {
        let closed = AtomicBool::new(false);
        let mut no = || false;
        let mut wait = Wait {
            closed: &closed,
            interrupted: &mut no,
            clock: &Instant::now,
        };
        assert_eq!(wait.on(async { 3 }, Duration::ZERO, String::new).unwrap(), 3);
        let late = wait
            .on(std::future::pending::<()>(), Duration::ZERO, || "late".into())
            .unwrap_err();
        assert_eq!(
            (late.kind, late.message.as_str()),
            (ErrorKind::Unavailable, "late")
        );
        closed.store(true, Ordering::Relaxed);
        let stopped = wait
            .on(std::future::pending::<()>(), Duration::MAX, String::new)
            .unwrap_err();
        assert_eq!(stopped.kind, ErrorKind::Cancelled);
        let (open, mut yes) = (AtomicBool::new(false), || true);
        let mut wait = Wait {
            closed: &open,
            interrupted: &mut yes,
            clock: &Instant::now,
        };
        assert!(
            wait.on(std::future::pending::<()>(), Duration::MAX, String::new)
                .is_err()
        );
    }
}
