//! Forming a gang: one connection per pair. The higher rank dials, the lower rank's listener takes.

use crate::config::{CollectiveError, Config, Credentials, HaltToken, POLL_INTERVAL, seconds};
use crate::handshake::dial;
use crate::io::is_later;
use crate::link::{Link, Shared, Stream, answer, keep_alive, offer};
use crate::listener::Listener;
use crate::peer::{Peer, name_of};
use candlewick_protocol::auth::HANDSHAKE_TIMEOUT_MS;
use candlewick_protocol::{ErrorKind, Failure};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Connects to every other member, in rank order.
pub(crate) fn connect_all(
    listener: &Listener,
    config: &Config,
    halt: &HaltToken,
) -> Result<Vec<Peer>, CollectiveError> {
    let deadline = Instant::now() + config.timeout;
    let dials: Vec<_> = (0..config.rank)
        .map(|rank| start_dial(listener, config, rank, deadline, halt))
        .collect();
    let mut peers = Vec::new();
    for (rank, member) in config
        .members
        .iter()
        .enumerate()
        .filter(|(rank, _)| *rank != config.rank)
    {
        let (stream, shared) = match dials.get(rank) {
            Some(dial) => await_dial(dial, config, halt)?,
            None => await_arrival(listener, config, rank, deadline, halt)?,
        };
        let (id, name) = (member.trainer.id.clone(), name_of(rank, member));
        let away = prepare(&stream, config.timeout).map_err(|error| {
            CollectiveError::peer(
                &id,
                Failure::unavailable(format!("{name}: its connection broke: {error}")),
            )
        })?;
        peers.push(Peer {
            rank,
            id,
            name,
            // TLS has a code of its own over every byte.
            summed: shared.is_none() && !stream.is_tls() && (away || !same_host(config, rank)),
            link: Link::new(stream, shared),
        });
    }
    Ok(peers)
}

/// Whether a member's host has the name of this one's: they may share memory then.
fn same_host(config: &Config, rank: usize) -> bool {
    config.members[rank].trainer.host == config.members[config.rank].trainer.host
}

/// A connection, and memory beside it.
type Connected = (Stream, Option<Shared>);

type Dial = mpsc::Receiver<Result<Connected, CollectiveError>>;

/// Dials on a thread of its own: connecting to a host that does not answer cannot be interrupted.
fn start_dial(
    listener: &Listener,
    config: &Config,
    rank: usize,
    deadline: Instant,
    halt: &HaltToken,
) -> Dial {
    let (sender, receiver) = mpsc::channel();
    let (credentials, config, halt) = (listener.credentials().clone(), config.clone(), halt.clone());
    let dial = move || {
        // Nobody waits any more after a halt.
        let _ = sender.send(dial_until(&credentials, &config, rank, deadline, &halt));
    };
    // Where there is no thread, the receiver finds that its sender is gone.
    let _ = thread::Builder::new().name("collective-dial".into()).spawn(dial);
    receiver
}

fn await_dial(dial: &Dial, config: &Config, halt: &HaltToken) -> Result<Connected, CollectiveError> {
    loop {
        match dial.recv_timeout(POLL_INTERVAL) {
            Ok(outcome) => return outcome,
            Err(mpsc::RecvTimeoutError::Timeout) if halt.is_cancelled() => {
                return Err(CollectiveError::halted(&what(config)));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(CollectiveError::of(Failure::internal(
                    "no thread to connect to another trainer",
                )));
            }
        }
    }
}

fn await_arrival(
    listener: &Listener,
    config: &Config,
    rank: usize,
    deadline: Instant,
    halt: &HaltToken,
) -> Result<Connected, CollectiveError> {
    let member = &config.members[rank];
    let what = what(config);
    let name = name_of(rank, member);
    let mut why = String::new();
    loop {
        let Some(stream) = listener.take(&member.trainer.id, config.generation, deadline, halt) else {
            if halt.is_cancelled() {
                return Err(CollectiveError::halted(&what));
            }
            let waited = seconds(config.timeout);
            let message = format!("{name} did not connect within {waited} while {what}{why}");
            return Err(CollectiveError::peer(
                &member.trainer.id,
                Failure::unavailable(message),
            ));
        };
        if !config.shared_memory || !same_host(config, rank) {
            return Ok((stream, None));
        }
        let answered = await_bytes(stream.tcp(), deadline, halt).and_then(|()| answer(&stream, deadline));
        match answered {
            Ok(shared) => return Ok((stream, shared)),
            // It may have given this connection up and dial again.
            Err(failure) => why = format!(": {}", failure.message),
        }
    }
}

/// Waits for the first byte of a message; a halt ends it.
fn await_bytes(stream: &TcpStream, deadline: Instant, halt: &HaltToken) -> Result<(), Failure> {
    let broken = |error: io::Error| Failure::unavailable(format!("the connection broke: {error}"));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || halt.is_cancelled() {
            return Err(Failure::unavailable("it did not say whether it shares memory"));
        }
        stream
            .set_read_timeout(Some(left.min(POLL_INTERVAL)))
            .map_err(broken)?;
        match stream.peek(&mut [0]) {
            Ok(_) => return Ok(()),
            Err(error) if is_later(&error) => {}
            Err(error) => return Err(broken(error)),
        }
    }
}

fn what(config: &Config) -> String {
    format!("forming generation {}", config.generation)
}

/// Sets the stream up, whose other host is to answer within `timeout`; true where its two ends have different addresses. A proxy may give both ends one: hosts count as one
/// only where their names are the same too.
fn prepare(stream: &Stream, timeout: Duration) -> io::Result<bool> {
    stream.set_up()?;
    let tcp = stream.tcp();
    // A system that does not take it finds out later.
    let _ = keep_alive(tcp, timeout);
    Ok(tcp.peer_addr()?.ip() != tcp.local_addr()?.ip())
}

/// Why a dial failed whose look-up met the deadline.
const NO_NAME_IN_TIME: &str = "no name server said in time where its host is";

/// Dials until it works: a peer may not be up yet. Only a failed proof ends it at once.
fn dial_until(
    credentials: &Credentials,
    config: &Config,
    rank: usize,
    deadline: Instant,
    halt: &HaltToken,
) -> Result<Connected, CollectiveError> {
    let member = &config.members[rank];
    let what = what(config);
    let mut earlier = None;
    loop {
        let failure = match dial_once(credentials, config, rank, deadline) {
            Ok(connected) => return Ok(connected),
            // The last try may begin with hardly any time left: what the one before found out says more.
            Err(late) if late.message == NO_NAME_IN_TIME => earlier.take().unwrap_or(late),
            Err(failure) => failure,
        };
        if halt.is_cancelled() {
            return Err(CollectiveError::halted(&what));
        }
        let fatal = failure.kind != ErrorKind::Unavailable;
        if fatal || Instant::now() + POLL_INTERVAL >= deadline {
            let tried = if fatal {
                String::new()
            } else {
                format!(" within {}", seconds(config.timeout))
            };
            let message = format!(
                "{} at {}:{} could not be connected to{tried} while {what}: {}",
                name_of(rank, member),
                member.trainer.host,
                member.trainer.collective_port,
                failure.message
            );
            return Err(CollectiveError::peer(
                &member.trainer.id,
                Failure::new(failure.kind, message),
            ));
        }
        earlier = Some(failure);
        thread::sleep(POLL_INTERVAL);
    }
}

fn dial_once(
    credentials: &Credentials,
    config: &Config,
    rank: usize,
    deadline: Instant,
) -> Result<Connected, Failure> {
    let trainer = &config.members[rank].trainer;
    let (host, port) = (trainer.host.clone(), trainer.collective_port);
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => resolve(move || Ok((host, port).to_socket_addrs()?.collect()), deadline)?,
    };
    let mut failure = Failure::unavailable("its host has no address");
    for address in addresses {
        let step = deadline.min(Instant::now() + Duration::from_millis(HANDSHAKE_TIMEOUT_MS));
        let left = step
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(tcp) => {
                let _ = tcp.set_nodelay(true);
                let stream = Stream::client(tcp, credentials.key.is_tls(), step)?;
                dial(&stream, credentials, &trainer.id, config.generation, step)?;
                let shares = config.shared_memory && same_host(config, rank);
                let shared = shares
                    .then(|| offer(&stream, &trainer.id, deadline))
                    .transpose()?;
                return Ok((stream, shared.flatten()));
            }
            Err(error) => failure = Failure::unavailable(error.to_string()),
        }
    }
    Err(failure)
}

/// The addresses of a host, looked up on a thread of its own: a name server that does not answer cannot be interrupted.
fn resolve(
    lookup: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, Failure> {
    let (sender, receiver) = mpsc::channel();
    let look = move || {
        // After the deadline nobody waits any more.
        let _ = sender.send(lookup());
    };
    // Where there is no thread, the receiver finds that its sender is gone.
    let _ = thread::Builder::new().name("collective-name".into()).spawn(look);
    let left = deadline.saturating_duration_since(Instant::now());
    match receiver.recv_timeout(left) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(Failure::unavailable(format!(
            "its host is not known here: {error}"
        ))),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure::unavailable(NO_NAME_IN_TIME)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Failure::internal(
            "no thread to look up the host of another trainer",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_that_does_not_answer_is_not_waited_for_beyond_the_deadline() {
        let (release, held) = mpsc::channel::<()>();
        let hanging = move || {
            // Ends with the test.
            let _ = held.recv();
            Ok(Vec::new())
        };
        let failure = resolve(hanging, Instant::now() + POLL_INTERVAL).unwrap_err();
        assert_eq!(
            failure,
            Failure::unavailable("no name server said in time where its host is")
        );
        drop(release);
    }

    #[test]
    fn addresses_and_errors_of_a_lookup_arrive() {
        let deadline = Instant::now() + Duration::from_secs(60);
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        assert_eq!(resolve(move || Ok(vec![address]), deadline).unwrap(), [address]);
        let failure = resolve(|| Err(io::ErrorKind::NotFound.into()), deadline).unwrap_err();
        assert!(
            failure.message.starts_with("its host is not known here"),
            "{failure}"
        );
    }
}
