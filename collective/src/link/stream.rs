//! The connection to another trainer: TCP, or TLS over it where connections of the job are encrypted.

use candlewick_protocol::Failure;
use candlewick_protocol::auth::Binding;
use candlewick_tls::rustls::Connection;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that are encrypted at a time: what the socket does not take of them waits here.
const PIECE: usize = 256 * 1024;

/// See the module. While it is set up its methods wait until a deadline, later ([`Stream::set_up`]) none of them waits.
#[derive(Debug)]
pub(crate) struct Stream {
    tcp: TcpStream,
    tls: Option<Mutex<Connection>>,
    /// Nothing is written any more.
    finished: AtomicBool,
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Stream {
            tcp,
            tls: None,
            finished: AtomicBool::new(false),
        }
    }
}

impl Stream {
    /// The side that dialled; with TLS after its handshake.
    ///
    /// # Errors
    /// `Unavailable` where the other side does not speak TLS, goes away or is late.
    pub(crate) fn client(tcp: TcpStream, tls: bool, deadline: Instant) -> Result<Self, Failure> {
        let connection = tls.then(candlewick_tls::client).transpose()?;
        Self::of(tcp, connection.map(Connection::Client), deadline)
    }

    /// The side that answers.
    ///
    /// # Errors
    /// As [`Stream::client`].
    pub(crate) fn server(tcp: TcpStream, tls: bool, deadline: Instant) -> Result<Self, Failure> {
        let connection = tls.then(candlewick_tls::server).transpose()?;
        Self::of(tcp, connection.map(Connection::Server), deadline)
    }

    fn of(tcp: TcpStream, connection: Option<Connection>, deadline: Instant) -> Result<Self, Failure> {
        let Some(mut connection) = connection else {
            return Ok(tcp.into());
        };
        while connection.is_handshaking() {
            let mut timed = Timed { tcp: &tcp, deadline };
            connection
                .complete_io(&mut timed)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        Failure::unavailable("the handshake of TLS took too long")
                    }
                    io::ErrorKind::UnexpectedEof => {
                        Failure::unavailable("it closed the connection during the handshake of TLS")
                    }
                    _ => Failure::unavailable(format!("no handshake of TLS: {error}")),
                })?;
        }
        // The bounds are here.
        connection.set_buffer_limit(None);
        Ok(Stream {
            tls: Some(Mutex::new(connection)),
            ..tcp.into()
        })
    }

    /// The connection below, for what is asked of it and not sent through it.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether what it carries is encrypted, which finds every byte that is changed on its way.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What a proof over it is bound to.
    ///
    /// # Errors
    /// `Internal` where TLS does not give it.
    pub(crate) fn binding(&self) -> Result<Option<Binding>, Failure> {
        self.session()
            .map(|session| match &*session {
                Connection::Client(client) => candlewick_tls::binding(client),
                Connection::Server(server) => candlewick_tls::binding(server),
            })
            .transpose()
    }

    fn session(&self) -> Option<MutexGuard<'_, Connection>> {
        let tls = self.tls.as_ref()?;
        Some(tls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends all of it, waiting until the deadline at most.
    pub(crate) fn send(&self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let mut timed = Timed {
            tcp: &self.tcp,
            deadline,
        };
        let Some(mut session) = self.session() else {
            return timed.write_all(bytes);
        };
        session.writer().write_all(bytes)?;
        while session.wants_write() {
            session.write_tls(&mut timed)?;
        }
        Ok(())
    }

    /// Receives some bytes, 0 at its end, waiting until the deadline at most.
    pub(crate) fn receive(&self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let mut timed = Timed {
            tcp: &self.tcp,
            deadline,
        };
        match self.session() {
            None => timed.read(into),
            Some(mut session) => decrypted(&mut session, &mut timed, &mut [IoSliceMut::new(into)]),
        }
    }

    /// From now on nothing waits.
    pub(crate) fn set_up(&self) -> io::Result<()> {
        self.tcp.set_read_timeout(None)?;
        self.tcp.set_write_timeout(None)?;
        self.tcp.set_nodelay(true)?;
        self.tcp.set_nonblocking(true)
    }

    /// Writes once; `WouldBlock` where there is no room.
    pub(crate) fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(mut session) = self.session() else {
            return (&self.tcp).write_vectored(parts);
        };
        let mut tcp = &self.tcp;
        // What is encrypted goes first: no more than a piece of it waits here.
        while session.wants_write() {
            session.write_tls(&mut tcp)?;
        }
        let mut taken = 0;
        for part in parts {
            let part = &part[..part.len().min(PIECE - taken)];
            session.writer().write_all(part)?;
            taken += part.len();
        }
        while session.wants_write() {
            match session.write_tls(&mut tcp) {
                Ok(_) => {}
                // It goes with what is written next.
                Err(error) if is_later(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Reads once; `WouldBlock` where nothing is there, 0 where nothing will be.
    pub(crate) fn read(&self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self.session() {
            None => (&self.tcp).read_vectored(into),
            Some(mut session) => all_decrypted(&mut session, &mut &self.tcp, into),
        }
    }

    /// Whether bytes were taken that the socket has not: [`Stream::flush`] sends them.
    pub(crate) fn is_behind(&self) -> bool {
        let unsent = self.session().is_some_and(|session| session.wants_write());
        unsent && !self.finished.load(Ordering::Acquire)
    }

    /// Sends what was taken, as far as the socket takes it.
    pub(crate) fn flush(&self) -> io::Result<usize> {
        let mut sent = 0;
        if self.is_behind()
            && let Some(mut session) = self.session()
        {
            while session.wants_write() {
                sent += session.write_tls(&mut &self.tcp)?;
            }
        }
        Ok(sent)
    }

    /// Whether bytes are here that poll(2) does not see.
    pub(crate) fn is_ahead(&self) -> bool {
        self.session().is_some_and(|mut session| {
            let seen = session.process_new_packets();
            seen.is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
        })
    }

    /// Says that this side has written all it will.
    pub(crate) fn finish_writing(&self) -> io::Result<()> {
        if let Some(mut session) = self.session() {
            session.send_close_notify();
            // Where the socket does not take it, its own end says the same, and nothing is sent after that.
            let _ = session.write_tls(&mut &self.tcp);
            self.finished.store(true, Ordering::Release);
        }
        self.tcp.shutdown(Shutdown::Write)
    }
}

/// Bytes that were received and decrypted; at least one, or it is the end.
fn decrypted(
    session: &mut Connection,
    from: &mut dyn Read,
    into: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    if into.iter().all(|part| part.is_empty()) {
        return Ok(0);
    }
    loop {
        match session.reader().read_vectored(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Whoever is killed closes without a word; a frame that is cut off shows by its length.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            read => return read,
        }
        // What is here already; what is wrong with it is told each time.
        let state = session
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if state.plaintext_bytes_to_read() > 0 {
            continue;
        }
        match session.read_tls(from) {
            Ok(0) if session.wants_read() => return Ok(0),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The same, record after record, of which each has 16 KiB at most, as long as there are some and up to a piece.
fn all_decrypted(
    session: &mut Connection,
    from: &mut dyn Read,
    mut into: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    let mut read = decrypted(session, from, into)?;
    let mut last = read;
    while last > 0 && read < PIECE {
        IoSliceMut::advance_slices(&mut into, last);
        // An end, or what is wrong, is met again by whoever reads next.
        last = decrypted(session, from, into).unwrap_or(0);
        read += last;
    }
    Ok(read)
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// A connection on which every read and write waits until the deadline at most, however slowly the bytes drip.
struct Timed<'a> {
    tcp: &'a TcpStream,
    deadline: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(Some(left))
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(self.left()?)?;
        let mut tcp = self.tcp;
        tcp.read(into)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(self.left()?)?;
        let mut tcp = self.tcp;
        tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
