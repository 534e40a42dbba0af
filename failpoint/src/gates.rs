//! The test's side: holds another process at its points.

use crate::armed::{POINTS, SOCKET};
use candlewick_protocol::Failure;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where the processes of one test report.
#[derive(Debug)]
pub struct Gates {
    listener: UnixListener,
    path: PathBuf,
    /// Those that came while another was waited for.
    waiting: RefCell<Vec<Hit>>,
}

/// A process that stands at a point. Dropped, it goes on.
#[derive(Debug)]
pub struct Hit {
    /// The point.
    pub name: String,
    /// What it counted.
    pub at: u64,
    /// Process id.
    pub pid: u32,
    stream: UnixStream,
}

impl Gates {
    /// No process yet.
    ///
    /// # Errors
    /// Where no socket can be made.
    pub fn new() -> std::io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("candlewick-gates-{}-{number}", std::process::id()));
        // Of an earlier process of the same id.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok(Gates {
            listener,
            path,
            waiting: RefCell::default(),
        })
    }

    /// The environment of a process that is to be held at `points`: `"train.step=500"`, more of them by commas.
    #[must_use]
    pub fn environment(&self, points: &str) -> [(&'static str, String); 2] {
        [
            (POINTS, points.to_owned()),
            (SOCKET, self.path.to_string_lossy().into_owned()),
        ]
    }

    /// Waits until a process stands at the point `name`, counted `at`.
    ///
    /// # Errors
    /// `Unavailable` where none comes within `limit`.
    pub fn hit(&self, name: &str, at: u64, limit: Duration) -> Result<Hit, Failure> {
        let deadline = Instant::now() + limit;
        loop {
            let mut waiting = self.waiting.borrow_mut();
            if let Some(found) = waiting.iter().position(|hit| hit.name == name && hit.at == at) {
                return Ok(waiting.swap_remove(found));
            }
            match self.listener.accept() {
                Ok((stream, _)) => waiting.push(introduced(stream).map_err(unreadable)?),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(unreadable(error)),
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => {
                    let others: Vec<String> = waiting
                        .iter()
                        .map(|hit| format!("{} {}", hit.name, hit.at))
                        .collect();
                    return Err(Failure::unavailable(format!(
                        "no process came to {name} {at} within {limit:?}; at other points stand {others:?}"
                    )));
                }
            }
        }
    }
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::unavailable(format!("the socket of the failpoints: {error}"))
}

fn introduced(stream: UnixStream) -> std::io::Result<Hit> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let mut number = || {
        words
            .next()
            .and_then(|word| word.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let at = number();
    Ok(Hit {
        name,
        at,
        pid: u32::try_from(number()).unwrap_or(0),
        stream,
    })
}

impl Drop for Gates {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Hit {
    /// Lets it go on.
    pub fn go(self) {
        drop(self);
    }

    /// Its code meets a failure there.
    pub fn fail(mut self, message: &str) {
        let _ = write!(self.stream, "fail {message}");
    }

    /// Its code panics there.
    pub fn panic(mut self) {
        let _ = write!(self.stream, "panic");
    }
}
