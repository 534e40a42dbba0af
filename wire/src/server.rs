//! Serving Flight: nothing but the handshake gets through without a call token, and a connection that does not prove
//! itself in time is closed.

use crate::auth::{Checked, ServerAuth};
use crate::connection::{Connection, Connections};
use crate::flight::{PartialFlight, Whole};
use crate::secure::{Accepted, Acceptor};
use crate::status::to_status;
use crate::windows::Windows;
use crate::{HEADER_LIST, HTTP_FRAME};
use arrow_flight::flight_service_server::FlightServiceServer;
use candlewick_protocol::message::{MAX_FLIGHT_MESSAGE, MAX_UNAUTHENTICATED_FRAME};
use candlewick_protocol::{ErrorKind, Failure};
use futures::Stream;
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Code, Status};

/// How long open calls may take to end after the shutdown, before their connections are closed.
const GRACE: Duration = Duration::from_secs(2);
/// Calls that one connection may have open.
const MAX_STREAMS: u32 = 1024;

/// What ends the server.
type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves `service` on `listener` until `shutdown` is ready; then takes no more calls, waits up to 2 s for the open
/// ones and closes what is left.
///
/// Every call but `Handshake` is authorised by `auth` before anything of its body is read. Before that, messages are
/// limited to 4 KiB and a connection to 64 KiB in all; it must prove itself within 5 s by its one handshake, and 64 may be
/// about to: for one more, the oldest of the address that has most of them is closed.
///
/// # Errors
/// `Unavailable` where the listener fails.
pub fn serve<S: PartialFlight>(
    listener: std::net::TcpListener,
    service: S,
    (auth, windows): (ServerAuth, Windows),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> BoxFuture<(), Failure> {
    boxed(listener, Box::new(service), (auth, windows), Box::pin(shutdown))
}

/// Of no parameter of type, and in a box: the caller's crate has nothing of it to compile.
fn boxed(
    listener: std::net::TcpListener,
    service: Box<dyn PartialFlight>,
    (auth, windows): (ServerAuth, Windows),
    shutdown: Shutdown,
) -> BoxFuture<(), Failure> {
    let service = AuthService::new(Whole::new(service, auth.clone()), auth);
    Box::pin(run(listener, service, windows, shutdown))
}

async fn run(
    listener: std::net::TcpListener,
    service: AuthService,
    windows: Windows,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::unavailable(format!("cannot serve Flight: {error}"));
    let acceptor = Acceptor::new(service.auth.is_tls())?;
    listener.set_nonblocking(true).map_err(|error| failed(&error))?;
    let listener = TcpListener::from_std(listener).map_err(|error| failed(&error))?;
    let connections = Arc::new(Connections::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        .initial_stream_window_size(windows.stream())
        .initial_connection_window_size(windows.connection())
        .max_frame_size(HTTP_FRAME)
        .http2_max_header_list_size(HEADER_LIST)
        .max_concurrent_streams(MAX_STREAMS)
        .serve_with_incoming_shutdown(
            service,
            incoming(listener, Arc::clone(&connections), acceptor),
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

/// The connections as they are accepted.
fn incoming(
    listener: TcpListener,
    connections: Arc<Connections>,
    acceptor: Acceptor,
) -> impl Stream<Item = io::Result<Accepted>> {
    let state = (listener, connections, acceptor);
    futures::stream::unfold(state, async |(listener, connections, acceptor)| {
        let item = connections.accept(&listener).await;
        if let Err(error) = &item {
            connections.cannot_accept(error);
            // Out of file descriptors, for instance: give others time to close theirs.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let item = item.map(|io| acceptor.over(io));
        Some((item, (listener, connections, acceptor)))
    })
}

/// The error of a call's body. tonic ends the stream of a call that its caller broke off as it ends one that is whole, going
/// by the code alone: a service could not tell half of what was meant from all of it. Under another code it is an error.
fn broken_off(status: Status) -> Status {
    if status.code() != Code::Cancelled {
        return status;
    }
    let failure = Failure::new(
        ErrorKind::Cancelled,
        "the caller broke the call off before its end",
    );
    let told = to_status(&failure);
    Status::with_metadata(Code::Aborted, told.message(), told.metadata().clone())
}

/// Stands before the Flight service and lets authorised calls through.
#[derive(Clone)]
struct AuthService {
    handshake: FlightServiceServer<Whole>,
    calls: FlightServiceServer<Whole>,
    auth: ServerAuth,
}

impl AuthService {
    fn new(service: Whole, auth: ServerAuth) -> Self {
        let service = Arc::new(service);
        // The payload and the few bytes around it.
        let handshake = FlightServiceServer::from_arc(Arc::clone(&service))
            .max_decoding_message_size(MAX_UNAUTHENTICATED_FRAME);
        let calls = FlightServiceServer::from_arc(service)
            .max_decoding_message_size(MAX_FLIGHT_MESSAGE)
            .max_encoding_message_size(MAX_FLIGHT_MESSAGE);
        AuthService {
            handshake,
            calls,
            auth,
        }
    }
}

impl Service<http::Request<Body>> for AuthService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let connection = request.extensions().get::<Connection>().cloned();
        if let Some(connection) = &connection {
            request.extensions_mut().insert(connection.info());
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
        match self.auth.check(&method, &metadata, connection.as_ref()) {
            Ok(caller) => {
                if let Some(connection) = connection {
                    connection.authenticated();
                }
                request.extensions_mut().insert(Checked(caller));
                self.calls
                    .call(request.map(|body| Body::new(body.map_err(broken_off))))
            }
            Err(status) => Box::pin(async move { Ok(status.into_http()) }),
        }
    }
}
