//! The listener of a trainer: one for the life of the process, for all generations.

use crate::handshake::{Guest, answer};
use crate::{Abort, Credentials};
use candlewick_protocol::auth::{HANDSHAKE_TIMEOUT_MS, MAX_PENDING};
use candlewick_protocol::{Failure, ports};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Connections that may wait to be taken by [`crate::Collective::connect`]; the oldest makes room.
const MAX_ARRIVALS: usize = 1024;
/// How often a wait looks for an abort.
pub(crate) const GLANCE: Duration = Duration::from_millis(20);

/// A connection that proved itself and waits for its generation.
struct Arrival {
    guest: Guest,
    stream: TcpStream,
}

#[derive(Default)]
struct State {
    arrivals: Vec<Arrival>,
    /// Connections in the handshake.
    pending: usize,
}

struct Shared {
    credentials: Credentials,
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

/// Accepts the connections of other trainers. Who does not prove that it knows the job's secret is refused, and the
/// refusal logged: frames of at most 4 KiB, 5 s, 64 connections at once before that.
pub struct Listener {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens at `host` on a free port of `port_range` ("0", "7000", "7000-7100").
    ///
    /// # Errors
    /// `InvalidParameter` where host or range is wrong, `Unavailable` where all its ports are in use.
    pub fn bind(host: &str, port_range: &str, credentials: Credentials) -> Result<Self, Failure> {
        let listener = ports::bind(host, port_range)?;
        let failed =
            |error| Failure::unavailable(format!("cannot listen for other trainers on {host}: {error}"));
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            credentials,
            state: Mutex::default(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("collective-accept".into())
            .spawn(move || accept_all(&listener, &accepting))
            .map_err(failed)?;
        Ok(Listener {
            shared,
            address,
            thread: Some(thread),
        })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How this trainer proves itself.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.shared.credentials
    }

    /// Waits for the connection of `trainer` in `generation`; `None` after the deadline or an abort. Connections of
    /// earlier generations are dropped.
    pub(crate) fn take(
        &self,
        trainer: &str,
        generation: u64,
        deadline: Instant,
        abort: &Abort,
    ) -> Option<TcpStream> {
        let mut state = self.shared.lock();
        loop {
            state
                .arrivals
                .retain(|arrival| arrival.guest.generation >= generation);
            let wanted = |arrival: &Arrival| {
                arrival.guest.generation == generation && arrival.guest.trainer == trainer
            };
            // The latest: the one before was given up by the other side.
            if let Some(at) = state.arrivals.iter().rposition(wanted) {
                return Some(state.arrivals.remove(at).stream);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || abort.is_set() {
                return None;
            }
            state = match self.shared.changed.wait_timeout(state, left.min(GLANCE)) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.changed.notify_all();
        // The accepting thread sleeps in accept(): a connection wakes it.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let ip = if address.is_ipv4() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            };
            address.set_ip(ip);
        }
        let woken = TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // It ends without a panic; there is nobody to tell if it did not.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Waits for a place among the connections in the handshake; false once the listener is dropped.
    fn wait_for_place(&self) -> bool {
        let mut state = self.lock();
        while state.pending >= MAX_PENDING && !self.stopped() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.pending += 1;
        !self.stopped()
    }
}

/// Gives the place among the connections in the handshake back, also where the thread panics.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().pending -= 1;
        self.0.changed.notify_all();
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    while shared.wait_for_place() {
        let place = Place(Arc::clone(shared));
        match listener.accept() {
            Ok(_) if shared.stopped() => return,
            Ok((stream, address)) => {
                let spawned = thread::Builder::new()
                    .name("collective-hello".into())
                    .spawn(move || welcome(stream, address, &place));
                if let Err(error) = spawned {
                    tracing::warn!(remote = %address, "no thread for a connection: {error}");
                }
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                // Out of file descriptors, for instance: give others time to close theirs.
                thread::sleep(GLANCE);
            }
        }
    }
}

fn welcome(mut stream: TcpStream, address: SocketAddr, place: &Place) {
    let shared = &place.0;
    let deadline = Instant::now() + Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    match answer(&mut stream, &shared.credentials, deadline) {
        Ok(guest) => {
            let mut state = shared.lock();
            if state.arrivals.len() >= MAX_ARRIVALS {
                state.arrivals.remove(0);
            }
            state.arrivals.push(Arrival { guest, stream });
            shared.changed.notify_all();
        }
        Err(failure) if shared.stopped() => tracing::debug!("{}", failure.message),
        Err(failure) => {
            tracing::warn!(remote = %address, "refused a connection to the collective: {failure}")
        }
    }
}
