//! Serving Flight: nothing but the handshake gets through without a proof, and a connection that does not prove
//! itself in time is closed.

use crate::auth::{Checked, ServerAuth};
use crate::{CONNECTION_WINDOW, HEADER_LIST, HTTP_FRAME, STREAM_WINDOW};
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use candlewick_protocol::Failure;
use candlewick_protocol::auth::{HANDSHAKE_TIMEOUT_MS, MAX_PENDING};
use candlewick_protocol::message::{MAX_FLIGHT_MESSAGE, MAX_UNAUTHENTICATED_FRAME};
use futures::Stream;
use std::convert::Infallible;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// How long open calls may take to end after the shutdown, before their connections are closed.
const GRACE: Duration = Duration::from_secs(2);
/// Calls that one connection may have open.
const MAX_STREAMS: u32 = 1024;

/// Serves `service` on `listener` until `shutdown` is ready; then takes no more calls, waits up to 2 s for the open
/// ones and closes what is left.
///
/// Every call but `Handshake` is authorised by `auth` before anything of its body is read. Before that, messages are
/// limited to 4 KiB; a connection must prove itself within 5 s, and 64 may be about to (more wait to be accepted).
///
/// # Errors
/// `Unavailable` where the listener fails.
pub async fn serve<S: FlightService>(
    listener: std::net::TcpListener,
    service: S,
    auth: ServerAuth,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::unavailable(format!("cannot serve Flight: {error}"));
    listener.set_nonblocking(true).map_err(|error| failed(&error))?;
    let listener = TcpListener::from_std(listener).map_err(|error| failed(&error))?;
    let connections = Arc::new(Connections::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(HTTP_FRAME)
        .http2_max_header_list_size(HEADER_LIST)
        .max_concurrent_streams(MAX_STREAMS)
        .serve_with_incoming_shutdown(
            Gate::new(service, auth),
            incoming(listener, Arc::clone(&connections)),
            async {
                let _ = stopped.await;
            },
        );
    let end = async {
        shutdown.await;
        let _ = stop.send(());
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        outcome = server => outcome.map_err(|error| failed(&error)),
        () = end => {
            connections.close_all();
            Ok(())
        }
    }
}

/// Accepts while fewer than 64 connections have yet to prove themselves.
fn incoming(listener: TcpListener, connections: Arc<Connections>) -> impl Stream<Item = io::Result<Io>> {
    let pending = Arc::new(Semaphore::new(MAX_PENDING));
    futures::stream::unfold(
        (listener, connections, pending),
        async |(listener, connections, pending)| {
            let item = accept(&listener, &connections, &pending).await;
            if let Err(error) = &item {
                tracing::warn!("cannot accept a connection: {error}");
                // Out of file descriptors, for instance: give others time to close theirs.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Some((item, (listener, connections, pending)))
        },
    )
}

async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    pending: &Arc<Semaphore>,
) -> io::Result<Io> {
    if pending.available_permits() == 0 {
        tracing::warn!("{MAX_PENDING} connections have yet to prove themselves; others wait");
    }
    let permit = Arc::clone(pending)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let handle = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
    let link = Arc::new(Link {
        info: TcpConnectInfo {
            local_addr: stream.local_addr().ok(),
            remote_addr: Some(address),
        },
        handle,
        pending: Mutex::new(Some(permit)),
    });
    connections.add(&link);
    let watched = Arc::downgrade(&link);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(HANDSHAKE_TIMEOUT_MS)).await;
        if let Some(link) = watched.upgrade().filter(|link| link.is_pending()) {
            tracing::warn!(remote = %address, "closed a connection that did not prove itself in {HANDSHAKE_TIMEOUT_MS} ms");
            link.close();
        }
    });
    Ok(Io { stream, link })
}

/// A connection, as the server keeps it beside the stream.
#[derive(Debug)]
struct Link {
    info: TcpConnectInfo,
    /// A second handle of the socket, to close it from outside.
    handle: std::net::TcpStream,
    /// Its place among the connections that have yet to prove themselves.
    pending: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Link {
    fn is_pending(&self) -> bool {
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn close(&self) {
        // An error means that it is closed already.
        let _ = self.handle.shutdown(Shutdown::Both);
    }
}

/// The connection a request came by; in the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<Link>);

impl Connection {
    /// It has proved itself: it may stay, and another may be accepted in its place.
    pub(crate) fn authenticated(&self) {
        self.0
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// All connections that are open.
#[derive(Default)]
struct Connections(Mutex<Vec<Weak<Link>>>);

impl Connections {
    fn add(&self, link: &Arc<Link>) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(link));
    }

    fn close_all(&self) {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|link| link.close());
    }
}

/// The stream of a connection.
struct Io {
    stream: TcpStream,
    link: Arc<Link>,
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

/// Stands before the Flight service.
struct Gate<S> {
    handshake: FlightServiceServer<S>,
    calls: FlightServiceServer<S>,
    auth: ServerAuth,
}

impl<S: FlightService> Gate<S> {
    fn new(service: S, auth: ServerAuth) -> Self {
        let service = Arc::new(service);
        // The payload and the few bytes around it.
        let handshake = FlightServiceServer::from_arc(Arc::clone(&service))
            .max_decoding_message_size(MAX_UNAUTHENTICATED_FRAME);
        let calls = FlightServiceServer::from_arc(service)
            .max_decoding_message_size(MAX_FLIGHT_MESSAGE)
            .max_encoding_message_size(MAX_FLIGHT_MESSAGE);
        Gate {
            handshake,
            calls,
            auth,
        }
    }
}

impl<S> Clone for Gate<S> {
    fn clone(&self) -> Self {
        Gate {
            handshake: self.handshake.clone(),
            calls: self.calls.clone(),
            auth: self.auth.clone(),
        }
    }
}

impl<S: FlightService> Service<http::Request<Body>> for Gate<S> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let connection = request.extensions().get::<Connection>().cloned();
        let mut remote = "unknown".to_owned();
        if let Some(Connection(link)) = &connection {
            request.extensions_mut().insert(link.info.clone());
            remote = link
                .info
                .remote_addr
                .map_or(remote, |address| address.to_string());
        }
        let method = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        if method == "Handshake" {
            return self.handshake.call(request);
        }
        let metadata = MetadataMap::from_headers(request.headers().clone());
        match self.auth.check_metadata(&method, &metadata, &remote) {
            Ok(caller) => {
                if let Some(connection) = connection {
                    connection.authenticated();
                }
                request.extensions_mut().insert(Checked { method, caller });
                self.calls.call(request)
            }
            Err(status) => Box::pin(async move { Ok(status.into_http()) }),
        }
    }
}
