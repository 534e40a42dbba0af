//! How the process ends: with its parent, with a panic, in order.

use candlewick_protocol::Failure;
use std::io::Read;
use std::panic::PanicHookInfo;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// Exit status after the end of the job, or because the parent closed stdin.
pub const OK: i32 = 0;
/// Exit status after a failure.
pub const FAILED: i32 = 1;
/// Exit status after a wrong command line or configuration.
pub const USAGE: i32 = 2;

/// How long a panic's message may take to reach the coordinator.
const LAST_WORDS: Duration = Duration::from_millis(500);

type LastWords = Box<dyn Fn(Failure) + Send + Sync>;

static TELL: OnceLock<RwLock<Option<LastWords>>> = OnceLock::new();

/// Ends the process at once when stdin ends: the parent is gone or wants it. A thread of its own, so that it works
/// whatever the others do.
///
/// # Errors
/// `Unavailable` where no thread can be started.
pub fn when_stdin_ends() -> Result<(), Failure> {
    let watch = || {
        let mut bytes = [0; 256];
        let mut stdin = std::io::stdin().lock();
        loop {
            match stdin.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        tracing::info!("stdin has ended: the parent is gone or wants this process to end");
        end(OK);
    };
    std::thread::Builder::new()
        .name("candlewick-stdin".to_owned())
        .spawn(watch)
        .map(drop)
        .map_err(|error| Failure::unavailable(format!("a thread cannot be started: {error}")))
}

/// From now on a panic in any thread is logged, told with `tell`, and ends the process with status 1.
pub fn on_panic(tell: impl Fn(Failure) + Send + Sync + 'static) {
    let slot = TELL.get_or_init(RwLock::default);
    *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(tell));
    std::panic::set_hook(Box::new(last_words));
}

fn last_words(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned());
    let place = info
        .location()
        .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let message =
        format!("thread {thread} panicked{place}: {text}; this is a defect of Candlewick, please report it");
    // On a thread of its own: the panic may have come from the log, or from within what tells, with a lock held.
    let words = std::thread::Builder::new().name("candlewick-last-words".to_owned());
    let (said, heard) = std::sync::mpsc::channel();
    let speak = move || {
        tracing::error!("{message}");
        if let Some(slot) = TELL.get().and_then(|slot| slot.try_read().ok())
            && let Some(tell) = &*slot
        {
            tell(Failure::internal(message));
            std::thread::sleep(LAST_WORDS);
        }
        let _ = said.send(());
    };
    if words.spawn(speak).is_ok() {
        let _ = heard.recv_timeout(LAST_WORDS * 4);
    }
    end(FAILED)
}

/// Ends the process, which drops nothing.
fn end(status: i32) -> ! {
    crate::spill::leave();
    std::process::exit(status);
}

/// The user that this process acts as.
#[must_use]
pub(crate) fn user() -> u32 {
    // SAFETY: geteuid takes nothing, changes nothing and cannot fail.
    unsafe { libc::geteuid() }
}
