//! The listener of a trainer: one for the life of the process, for all generations.

use crate::config::{Credentials, HaltToken, POLL_INTERVAL};
use crate::handshake::{AuthenticatedPeer, answer};
use crate::link::Stream;
use candlewick_protocol::auth::{HANDSHAKE_TIMEOUT_MS, MAX_PENDING};
use candlewick_protocol::pending::Pending;
use candlewick_protocol::throttle::Throttle;
use candlewick_protocol::{Failure, ports};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Connections that may wait to be taken by [`crate::Collective::connect`]; the oldest makes room.
const MAX_ARRIVALS: usize = 1024;

/// A connection that proved itself and waits for its generation.
struct Arrival {
    peer: AuthenticatedPeer,
    stream: Stream,
}

#[derive(Default)]
struct State {
    arrivals: Vec<Arrival>,
    /// Second handles of the connections in the handshake, to close them from outside.
    pending: Pending<TcpStream>,
}

struct Shared {
    credentials: Credentials,
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
    complaints: Throttle,
}

/// Accepts the connections of other trainers. Who does not prove that it has the job's key is refused, and the refusal
/// logged: frames of at most 4 KiB, 5 s, 64 connections at once before that; one more displaces the oldest of the address
/// that has most of them.
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
            complaints: Throttle::new(),
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

    /// Waits for the connection of `trainer` in `generation`; `None` after the deadline or a halt. Connections of
    /// earlier generations are dropped.
    pub(crate) fn take(
        &self,
        trainer: &str,
        generation: u64,
        deadline: Instant,
        halt: &HaltToken,
    ) -> Option<Stream> {
        let mut state = self.shared.lock();
        loop {
            state
                .arrivals
                .retain(|arrival| arrival.peer.generation >= generation);
            let wanted =
                |arrival: &Arrival| arrival.peer.generation == generation && arrival.peer.trainer == trainer;
            // The latest: the one before was given up by the other side.
            if let Some(at) = state.arrivals.iter().rposition(wanted) {
                return Some(state.arrivals.remove(at).stream);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || halt.is_cancelled() {
                return None;
            }
            state = match self.shared.changed.wait_timeout(state, left.min(POLL_INTERVAL)) {
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

    /// Adds a connection to those in the handshake; its number among them. Where they are too many, one is closed.
    fn begin(&self, stream: &TcpStream, from: SocketAddr) -> std::io::Result<u64> {
        let (id, displaced) = self.lock().pending.add(from.ip(), stream.try_clone()?);
        if let Some((from, displaced)) = displaced {
            if let Some(suppressed) = self.complaints.admit(Instant::now()) {
                tracing::warn!(remote = %from, suppressed, "closed a connection: {MAX_PENDING} have yet to prove themselves, most of them from there");
            }
            // An error means that it is closed already.
            let _ = displaced.shutdown(Shutdown::Both);
        }
        Ok(id)
    }
}

/// A place among the connections in the handshake; given back also where the thread panics.
struct Place(Arc<Shared>, u64);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().pending.remove(self.1);
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stopped() {
        let accepted = listener
            .accept()
            .and_then(|(stream, address)| Ok((shared.begin(&stream, address)?, stream, address)));
        match accepted {
            Ok(_) if shared.stopped() => return,
            Ok((id, stream, address)) => {
                let place = Place(Arc::clone(shared), id);
                let spawned = thread::Builder::new()
                    .name("collective-hello".into())
                    .spawn(move || welcome(stream, address, &place));
                if let Err(error) = spawned {
                    tracing::warn!(remote = %address, "no thread for a connection: {error}");
                }
            }
            Err(error) => {
                if let Some(suppressed) = shared.complaints.admit(Instant::now()) {
                    tracing::warn!(suppressed, "cannot accept a connection: {error}");
                }
                // Out of file descriptors, for instance: give others time to close theirs.
                thread::sleep(POLL_INTERVAL);
            }
        }
    }
}

fn welcome(stream: TcpStream, address: SocketAddr, place: &Place) {
    let shared = &place.0;
    let deadline = Instant::now() + Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    let proven = || shared.lock().pending.remove(place.1).is_some();
    let credentials = &shared.credentials;
    let outcome = Stream::server(stream, credentials.key.is_tls(), deadline).and_then(|stream| {
        let peer = answer(&stream, credentials, deadline, proven)?;
        Ok((peer, stream))
    });
    match outcome {
        Ok((peer, stream)) => {
            let mut state = shared.lock();
            if state.arrivals.len() >= MAX_ARRIVALS {
                state.arrivals.remove(0);
            }
            state.arrivals.push(Arrival { peer, stream });
            shared.changed.notify_all();
        }
        Err(failure) if shared.stopped() => tracing::debug!("{}", failure.message),
        Err(failure) => {
            if let Some(suppressed) = shared.complaints.admit(Instant::now()) {
                tracing::warn!(remote = %address, suppressed, "refused a connection to the collective: {failure}");
            }
        }
    }
}
