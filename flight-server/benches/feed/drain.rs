//! A Flight server as arrow-flight and tonic give it, which reads what is put and drops it.

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

type Answer<T> = Result<Response<BoxStream<'static, Result<T, Status>>>, Status>;

struct Drain;

fn nothing<T>() -> Result<T, Status> {
    Err(Status::unimplemented("DoPut alone"))
}

#[tonic::async_trait]
impl FlightService for Drain {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        let mut frames = request.into_inner();
        while frames.message().await?.is_some() {}
        Ok(Response::new(stream::iter([Ok(PutResult::default())]).boxed()))
    }
    async fn handshake(&self, _: Request<Streaming<HandshakeRequest>>) -> Answer<HandshakeResponse> {
        nothing()
    }
    async fn list_flights(&self, _: Request<Criteria>) -> Answer<FlightInfo> {
        nothing()
    }
    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        nothing()
    }
    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        nothing()
    }
    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        nothing()
    }
    async fn do_get(&self, _: Request<Ticket>) -> Answer<FlightData> {
        nothing()
    }
    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Answer<FlightData> {
        nothing()
    }
    async fn do_action(&self, _: Request<Action>) -> Answer<arrow_flight::Result> {
        nothing()
    }
    async fn list_actions(&self, _: Request<Empty>) -> Answer<ActionType> {
        nothing()
    }
}

/// Serves on a port, on threads of its own, until the guard is dropped.
pub fn serve() -> (u16, oneshot::Sender<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        super::runtime().block_on(async {
            let listener = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
            let service = FlightServiceServer::new(Drain).max_decoding_message_size(64 << 20);
            let stopped = async {
                let _ = stopped.await;
            };
            let server = Server::builder()
                .initial_stream_window_size(8 << 20)
                .initial_connection_window_size(16 << 20)
                .max_frame_size(1 << 20)
                .add_service(service);
            server
                .serve_with_incoming_shutdown(listener, stopped)
                .await
                .unwrap();
        });
    });
    (port, stop)
}
