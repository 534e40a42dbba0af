//! A server's connections: how much is read of one before it has proved itself, and which one makes room where too many
//! have not.

use candlewick_protocol::auth::{Binding, HANDSHAKE_TIMEOUT_MS, MAX_PENDING};
use candlewick_protocol::pending::Pending;
use candlewick_protocol::throttle::Throttle;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Bytes that are read of a connection before it has proved itself, whatever windows HTTP/2 grants it: a handshake needs
/// about 2 KiB, the headers of a first call with a bearer token somewhat more. The rest stays in the socket.
const UNPROVEN_BYTES: usize = 64 * 1024;

/// True until the connection ends.
#[derive(Debug, Clone)]
pub(crate) struct Liveness(Arc<AtomicBool>);

impl Liveness {
    pub(crate) fn new() -> Self {
        Liveness(Arc::new(AtomicBool::new(true)))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What a connection that has not proved itself may still send, and who waits for it to be allowed more.
#[derive(Debug)]
struct Allowance {
    left: usize,
    reader: Option<Waker>,
}

/// A connection, as the server keeps it beside the stream.
#[derive(Debug)]
struct Link {
    info: TcpConnectInfo,
    /// A second handle of the socket, to close it from outside.
    handle: std::net::TcpStream,
    liveness: Liveness,
    /// What belongs to it alone, once it has made a handshake of TLS.
    binding: OnceLock<Binding>,
    proven: AtomicBool,
    /// It has begun its one handshake.
    shaken: AtomicBool,
    allowance: Mutex<Allowance>,
    /// Its number among those that have yet to prove themselves.
    waiting: Mutex<Option<u64>>,
    connections: Arc<Connections>,
}

impl Link {
    fn close(&self) {
        self.liveness.end();
        self.leave_waiting();
        // An error means that it is closed already.
        let _ = self.handle.shutdown(Shutdown::Both);
        // Who waits for the allowance is not told by the socket, and would keep both handles of it for good.
        self.wake_reader();
    }

    fn wake_reader(&self) {
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = allowance.reader.take() {
            reader.wake();
        }
    }

    fn leave_waiting(&self) {
        let id = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(id) = id {
            self.connections.unproven().remove(id);
        }
    }
}

/// The connection a request came by; in the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<Link>);

impl Connection {
    /// It has proved itself: it may stay, and send as much as the windows allow.
    pub(crate) fn authenticated(&self) {
        let link = &self.0;
        if link.proven.swap(true, Ordering::AcqRel) {
            return;
        }
        link.leave_waiting();
        link.wake_reader();
    }

    /// True for the first handshake of the connection; it may make no other.
    pub(crate) fn begin_handshake(&self) -> bool {
        !self.0.shaken.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn liveness(&self) -> Liveness {
        self.0.liveness.clone()
    }

    /// It has made its handshake of TLS.
    pub(crate) fn bind(&self, binding: Binding) {
        // It makes one.
        let _ = self.0.binding.set(binding);
    }

    /// What a proof over it is bound to; none where it is not encrypted.
    pub(crate) fn binding(&self) -> Option<Binding> {
        self.0.binding.get().copied()
    }

    /// Says why it is of no use.
    pub(crate) fn has_no_tls(&self, error: &io::Error) {
        // Who only looks whether somebody listens says nothing and goes.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return;
        }
        if let Some(suppressed) = self.0.connections.complaints.admit(Instant::now()) {
            let remote = remote_of(Some(&self.0.info));
            tracing::warn!(%remote, suppressed, "refused a connection: connections of this job are encrypted, and it made no handshake of TLS: {error}");
        }
    }

    pub(crate) fn info(&self) -> TcpConnectInfo {
        self.0.info.clone()
    }
}

/// All connections that are open.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<Vec<Weak<Link>>>,
    unproven: Mutex<Pending<Weak<Link>>>,
    complaints: Throttle,
}

impl Connections {
    fn unproven(&self) -> MutexGuard<'_, Pending<Weak<Link>>> {
        self.unproven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts the next connection. Where too many have yet to prove themselves, one of them is closed.
    pub(crate) async fn accept(self: &Arc<Self>, listener: &TcpListener) -> io::Result<Io> {
        let (stream, address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let io = self.take(stream, address.ip())?;
        let watched = Arc::downgrade(&io.link);
        let connections = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(HANDSHAKE_TIMEOUT_MS)).await;
            let unproven = |link: &Arc<Link>| !link.proven.load(Ordering::Acquire) && link.liveness.is_open();
            if let Some(link) = watched.upgrade().filter(unproven) {
                if let Some(suppressed) = connections.complaints.admit(Instant::now()) {
                    tracing::warn!(remote = %address, suppressed, "closed a connection that did not prove itself in {HANDSHAKE_TIMEOUT_MS} ms");
                }
                link.close();
            }
        });
        Ok(io)
    }

    /// Says why none is accepted: while files are used up that happens again and again.
    pub(crate) fn cannot_accept(&self, error: &io::Error) {
        if let Some(suppressed) = self.complaints.admit(Instant::now()) {
            tracing::warn!(suppressed, "cannot accept a connection: {error}");
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, from: IpAddr) -> io::Result<Io> {
        let handle = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        let link = Arc::new(Link {
            info: TcpConnectInfo {
                local_addr: stream.local_addr().ok(),
                remote_addr: stream.peer_addr().ok(),
            },
            handle,
            liveness: Liveness::new(),
            binding: OnceLock::new(),
            proven: AtomicBool::new(false),
            shaken: AtomicBool::new(false),
            allowance: Mutex::new(Allowance {
                left: UNPROVEN_BYTES,
                reader: None,
            }),
            waiting: Mutex::new(None),
            connections: Arc::clone(self),
        });
        let (id, displaced) = self.unproven().add(from, Arc::downgrade(&link));
        *link.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        if let Some((from, displaced)) = displaced {
            if let Some(suppressed) = self.complaints.admit(Instant::now()) {
                tracing::warn!(remote = %from, suppressed, "closed a connection: {MAX_PENDING} have yet to prove themselves, most of them from there");
            }
            if let Some(displaced) = displaced.upgrade() {
                displaced.close();
            }
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|link| link.strong_count() > 0);
        open.push(Arc::downgrade(&link));
        Ok(Io { stream, link })
    }

    pub(crate) fn close_all(&self) {
        // Closing takes other locks.
        let open: Vec<Arc<Link>> = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.iter().filter_map(Weak::upgrade).collect()
        };
        open.iter().for_each(|link| link.close());
    }
}

/// The stream of a connection.
#[derive(Debug)]
pub(crate) struct Io {
    stream: TcpStream,
    link: Arc<Link>,
}

impl Io {
    /// Reads what an unproven connection may still send; pending once that is nothing, until it has proved itself or is closed, which
    /// is its end.
    fn poll_unproven(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut allowance = self.link.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        if allowance.left == 0 {
            // It is over before whoever closes it looks for a reader under this lock.
            if !self.link.liveness.is_open() {
                return Poll::Ready(Ok(()));
            }
            allowance.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut bytes = [0; 4096];
        let most = bytes.len().min(allowance.left).min(buf.remaining());
        let mut part = ReadBuf::new(&mut bytes[..most]);
        let outcome = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        if let Poll::Ready(Ok(())) = outcome {
            allowance.left -= part.filled().len();
            buf.put_slice(part.filled());
        }
        outcome
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        // Requests may hold the second handle for longer than the connection lives.
        self.link.close();
    }
}

impl Connected for Io {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        Connection(Arc::clone(&self.link))
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Proven after this look: whoever proved it wakes the reader under the allowance's lock.
        if !self.link.proven.load(Ordering::Acquire) {
            let outcome = self.poll_unproven(cx, buf);
            if outcome.is_ready() || !self.link.proven.load(Ordering::Acquire) {
                return outcome;
            }
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The address of a request's caller, for messages.
pub(crate) fn remote_of(info: Option<&TcpConnectInfo>) -> String {
    info.and_then(|info| info.remote_addr)
        .map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn an_unproven_connection_is_read_up_to_its_allowance_and_on_once_it_has_proved_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        const SENT: usize = 1 << 20;
        let writer = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(&vec![7; SENT]).unwrap();
            stream
        });
        let connections = Arc::new(Connections::default());
        let mut io = connections.accept(&listener).await.unwrap();
        let mut bytes = vec![0; UNPROVEN_BYTES];
        io.read_exact(&mut bytes).await.unwrap();
        // More is there, and is not read.
        let handle = io.link.handle.try_clone().unwrap();
        handle.set_nonblocking(false).unwrap();
        assert_eq!(handle.peek(&mut [0]).unwrap(), 1);
        handle.set_nonblocking(true).unwrap();
        let mut more = [0; 1];
        assert!(futures::poll!(std::pin::pin!(io.read(&mut more))).is_pending());
        let connection = io.connect_info();
        assert_eq!(connections.unproven().len(), 1);
        let waits = |link: &Link| link.allowance.lock().unwrap().reader.is_some();
        let link = Arc::clone(&io.link);
        link.allowance.lock().unwrap().reader = None;
        let rest = tokio::spawn(async move {
            let mut bytes = vec![0; SENT - UNPROVEN_BYTES];
            io.read_exact(&mut bytes).await.unwrap();
            bytes
        });
        while !waits(&link) {
            tokio::task::yield_now().await;
        }
        connection.authenticated();
        let rest = tokio::time::timeout(Duration::from_secs(60), rest)
            .await
            .expect("the reader is never woken");
        assert!(rest.unwrap().iter().all(|byte| *byte == 7));
        assert!(connections.unproven().is_empty());
        drop(writer.join().unwrap());
    }

    #[tokio::test]
    async fn a_connection_that_is_closed_with_its_allowance_used_up_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connections = Arc::new(Connections::default());
        let mut io = connections.accept(&listener).await.unwrap();
        let writer = std::thread::spawn(move || {
            stream.write_all(&vec![7; UNPROVEN_BYTES]).unwrap();
            stream
        });
        io.read_exact(&mut vec![0; UNPROVEN_BYTES]).await.unwrap();
        let link = Arc::clone(&io.link);
        let rest = tokio::spawn(async move { io.read(&mut [0; 1]).await.unwrap() });
        while link.allowance.lock().unwrap().reader.is_none() {
            tokio::task::yield_now().await;
        }
        link.close();
        let rest = tokio::time::timeout(Duration::from_secs(60), rest)
            .await
            .expect("the reader is never woken");
        assert_eq!(rest.unwrap(), 0);
        drop(writer.join().unwrap());
    }

    #[tokio::test]
    async fn too_many_unproven_connections_displace_each_other_and_no_newcomer_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Connections::default());
        let (mut clients, mut accepted) = (Vec::new(), Vec::new());
        for _ in 0..MAX_PENDING + 3 {
            clients.push(std::net::TcpStream::connect(address).unwrap());
            accepted.push(connections.accept(&listener).await.unwrap());
        }
        let open: Vec<bool> = accepted.iter().map(|io| io.link.liveness.is_open()).collect();
        assert_eq!(open.iter().position(|open| *open), Some(3));
        assert!(open[3..].iter().all(|open| *open));
        assert_eq!(connections.unproven().len(), MAX_PENDING);
        drop(accepted);
        assert!(connections.unproven().is_empty());
    }
}
