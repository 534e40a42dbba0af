//! What happens at a point: whoever armed the process decides.

use candlewick_protocol::Failure;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

/// Points to hold at, `name=at` (or `name=*`) separated by commas.
pub(crate) const POINTS: &str = "CANDLEWICK_FAILPOINTS";
/// Socket of the test that holds them.
pub(crate) const SOCKET: &str = "CANDLEWICK_FAILPOINTS_SOCKET";

type Controller = Box<dyn Fn(&'static str, u64) -> Result<(), Failure> + Send + Sync>;

static CONTROLLER: OnceLock<Controller> = OnceLock::new();

pub(crate) fn reach(name: &'static str, at: u64) -> Result<(), Failure> {
    match CONTROLLER.get() {
        Some(controller) => controller(name, at),
        None => Ok(()),
    }
}

/// From now on `controller` is asked at every point. The first call of a process counts.
pub fn arm(controller: impl Fn(&'static str, u64) -> Result<(), Failure> + Send + Sync + 'static) {
    let _ = CONTROLLER.set(Box::new(controller));
}

/// Arms the points that the environment names, for a test in another process (see `Gates`); without them nothing.
pub fn arm_from_environment() {
    let (Ok(points), Ok(socket)) = (std::env::var(POINTS), std::env::var(SOCKET)) else {
        return;
    };
    arm(move |name, at| {
        let armed = points.split(',').filter_map(|point| point.split_once('='));
        let mut here = armed.filter(|(armed, _)| *armed == name);
        if here.any(|(_, when)| when == "*" || when.parse() == Ok(at)) {
            ask(&socket, name, at)
        } else {
            Ok(())
        }
    });
}

/// Asks the test and waits for its answer: nothing or `go`, `fail MESSAGE`, `panic`.
fn ask(socket: &str, name: &str, at: u64) -> Result<(), Failure> {
    // Where the test has ended nobody holds anybody.
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return Ok(());
    };
    let mut answer = String::new();
    let asked = writeln!(stream, "{name} {at} {}", std::process::id())
        .and_then(|()| stream.read_to_string(&mut answer));
    match (asked, answer.as_str()) {
        (Err(_), _) | (Ok(_), "" | "go") => Ok(()),
        #[expect(clippy::panic, reason = "it is what the test asks for")]
        (Ok(_), "panic") => std::panic::panic_any(format!("the test wants a panic at {name}")),
        (Ok(_), other) => Err(Failure::unavailable(other.strip_prefix("fail ").unwrap_or(other))),
    }
}
