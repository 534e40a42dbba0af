//! TLS below HTTP/2, at both ends of a connection, where connections of a job are encrypted.

use crate::connection::{Connection, Io};
use candlewick_protocol::Failure;
use candlewick_protocol::auth::Binding;
use candlewick_tls::{binding, client_config, server_config, server_name};
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{Accept, TlsAcceptor, TlsConnector, client, server};
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::server::Connected;

/// What makes TLS of the connections that a server accepts; none where they stay as they are.
#[derive(Clone)]
pub(crate) struct Acceptor(Option<TlsAcceptor>);

impl Acceptor {
    /// # Errors
    /// `Internal` where TLS cannot be set up.
    pub(crate) fn new(tls: bool) -> Result<Self, Failure> {
        let config = tls.then(server_config).transpose()?;
        Ok(Acceptor(config.map(TlsAcceptor::from)))
    }

    /// The stream of a connection; its handshake is made while it is read first.
    pub(crate) fn over(&self, io: Io) -> Accepted {
        let connection = io.connect_info();
        let stream = match &self.0 {
            None => State::Plain(io),
            Some(acceptor) => State::Begun(Box::new(acceptor.accept(io))),
        };
        Accepted { connection, stream }
    }
}

enum State {
    Plain(Io),
    Begun(Box<Accept<Io>>),
    Tls(Box<server::TlsStream<Io>>),
    /// It made no handshake.
    Useless,
}

/// An accepted connection, encrypted or not.
pub(crate) struct Accepted {
    connection: Connection,
    stream: State,
}

/// What bytes are read from and written to.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

impl Accepted {
    /// The stream, once a handshake of TLS has been made.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Duplex>>> {
        if let State::Begun(accept) = &mut self.stream {
            // One that was closed here before has its line.
            let open = self.connection.liveness().is_open();
            let made = ready!(Pin::new(accept.as_mut()).poll(cx));
            let made = made.and_then(|stream| {
                let binding = binding(stream.get_ref().1).map_err(io::Error::other)?;
                self.connection.bind(binding);
                Ok(stream)
            });
            match made {
                Ok(stream) => self.stream = State::Tls(Box::new(stream)),
                Err(error) => {
                    // A handshake that has ended is not to be asked again.
                    self.stream = State::Useless;
                    if open {
                        self.connection.has_no_tls(&error);
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match &mut self.stream {
            State::Plain(io) => Ok(Pin::new(io)),
            State::Tls(stream) => Ok(Pin::new(stream.as_mut())),
            State::Begun(_) | State::Useless => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl Connected for Accepted {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.connection.clone()
    }
}

impl AsyncRead for Accepted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ended(ready!(self.get_mut().poll_stream(cx))?.poll_read(cx, buf))
    }
}

/// Whoever is killed closes without the word that TLS ends with, which is an end as any other: HTTP/2 knows what was cut off.
fn ended(read: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
    match read {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
        read => read,
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.get_mut().poll_stream(cx))?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.get_mut().poll_stream(cx))?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_stream(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_stream(cx))?.poll_shutdown(cx)
    }
}

/// Makes the one encrypted connection of a client. There is no second one in its place: it would not have proved itself, and what is
/// sent over it might go to anybody.
pub(crate) struct Dial {
    tcp: HttpConnector,
    bound: Arc<OnceLock<Binding>>,
    over: Arc<AtomicBool>,
}

impl Dial {
    pub(crate) fn new(timeout: Duration) -> Self {
        // As tonic does without TLS: several addresses of a host share the time, and IPv4 begins soon where IPv6 does not answer.
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        Dial {
            tcp,
            bound: Arc::default(),
            over: Arc::default(),
        }
    }

    /// Where the binding of the connection is once it has been made.
    pub(crate) fn bound(&self) -> Arc<OnceLock<Binding>> {
        Arc::clone(&self.bound)
    }

    /// True once the connection has ended.
    pub(crate) fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }
}

/// The connection that was made, until it is dropped.
pub(crate) struct Dialled {
    stream: client::TlsStream<TcpStream>,
    over: Arc<AtomicBool>,
}

impl Drop for Dialled {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

impl AsyncRead for Dialled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ended(Pin::new(&mut self.stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Dialled {
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

impl Service<Uri> for Dial {
    type Response = TokioIo<Dialled>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let (connecting, bound, over) = (self.tcp.call(address), self.bound(), self.over());
        Box::pin(async move {
            if bound.get().is_some() {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "the encrypted connection has ended",
                ));
            }
            let tcp = connecting.await.map_err(why)?.into_inner();
            let connector = TlsConnector::from(client_config().map_err(io::Error::other)?);
            let name = server_name().map_err(io::Error::other)?;
            let stream = connector.connect(name, tcp).await?;
            let binding = binding(stream.get_ref().1).map_err(io::Error::other)?;
            bound
                .set(binding)
                .map_err(|_| io::Error::other("two connections at once"))?;
            Ok(TokioIo::new(Dialled { stream, over }))
        })
    }
}

/// What the system said of a connection that was not made.
fn why(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(code) = inner
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return io::Error::from_raw_os_error(code);
        }
        cause = inner.source();
    }
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connections;
    use std::io::Write;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_connection_without_a_handshake_is_of_no_use_however_often_it_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stranger = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stranger.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let connections = Arc::new(Connections::default());
        let io = connections.accept(&listener).await.unwrap();
        let mut accepted = Acceptor::new(true).unwrap().over(io);
        let mut byte = [0; 1];
        let first = accepted.read(&mut byte).await.unwrap_err();
        assert_eq!(first.kind(), io::ErrorKind::InvalidData);
        let again = accepted.read(&mut byte).await.unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::NotConnected);
        assert!(accepted.write(&byte).await.is_err() && accepted.shutdown().await.is_err());
        assert!(accepted.connect_info().binding().is_none());
    }
}
