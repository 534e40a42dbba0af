//! A Flight service of which a server offers a part.

use crate::auth::{Checked, ServerAuth};
use crate::session::Caller;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

/// A stream of answers.
pub type Answers<T> = BoxStream<'static, Result<T, Status>>;
/// What a method that answers with a stream returns.
pub type Answer<T> = Result<Response<Answers<T>>, Status>;

/// The methods of Flight that a server offers; the others are refused. [`crate::serve`] has proved who calls before a
/// method runs, and answers the handshake itself.
#[tonic::async_trait]
pub trait PartialFlight: Send + Sync + 'static {
    /// What a caller is told of a method that is not offered: `Unimplemented`, with what is.
    fn refuse(&self, method: &str) -> Status;

    /// Flight's `ListFlights`.
    async fn list_flights(&self, _caller: Caller, _request: Request<Criteria>) -> Answer<FlightInfo> {
        Err(self.refuse("ListFlights"))
    }

    /// Flight's `GetFlightInfo`.
    async fn get_flight_info(
        &self,
        _caller: Caller,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        Err(self.refuse("GetFlightInfo"))
    }

    /// Flight's `PollFlightInfo`.
    async fn poll_flight_info(
        &self,
        _caller: Caller,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        Err(self.refuse("PollFlightInfo"))
    }

    /// Flight's `GetSchema`.
    async fn get_schema(
        &self,
        _caller: Caller,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        Err(self.refuse("GetSchema"))
    }

    /// Flight's `DoGet`.
    async fn do_get(&self, _caller: Caller, _request: Request<Ticket>) -> Answer<FlightData> {
        Err(self.refuse("DoGet"))
    }

    /// Flight's `DoPut`.
    async fn do_put(&self, _caller: Caller, _request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        Err(self.refuse("DoPut"))
    }

    /// Flight's `DoExchange`.
    async fn do_exchange(
        &self,
        _caller: Caller,
        _request: Request<Streaming<FlightData>>,
    ) -> Answer<FlightData> {
        Err(self.refuse("DoExchange"))
    }

    /// Flight's `DoAction`.
    async fn do_action(&self, _caller: Caller, _request: Request<Action>) -> Answer<arrow_flight::Result> {
        Err(self.refuse("DoAction"))
    }

    /// Flight's `ListActions`.
    async fn list_actions(&self, _caller: Caller, _request: Request<Empty>) -> Answer<ActionType> {
        Err(self.refuse("ListActions"))
    }
}

/// A [`PartialFlight`] as the whole service that tonic serves: of any kind by one type, so that tonic and HTTP/2 are compiled
/// with it here, once, and not in each crate that has a service.
pub(crate) struct Whole {
    service: Box<dyn PartialFlight>,
    auth: ServerAuth,
}

impl Whole {
    pub(crate) fn new(service: Box<dyn PartialFlight>, auth: ServerAuth) -> Self {
        Whole { service, auth }
    }
}

/// Who made a call, as it was found out before the call got here.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let checked = request.extensions().get::<Checked>();
    let checked = checked.ok_or_else(|| Status::unauthenticated("refused: the call was not checked"))?;
    Ok(checked.0.clone())
}

#[tonic::async_trait]
impl FlightService for Whole {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;

    async fn handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Answer<HandshakeResponse> {
        self.auth.handshake(request).await
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Answer<FlightInfo> {
        self.service.list_flights(caller(&request)?, request).await
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.service.get_flight_info(caller(&request)?, request).await
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        self.service.poll_flight_info(caller(&request)?, request).await
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        self.service.get_schema(caller(&request)?, request).await
    }

    async fn do_get(&self, request: Request<Ticket>) -> Answer<FlightData> {
        self.service.do_get(caller(&request)?, request).await
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        self.service.do_put(caller(&request)?, request).await
    }

    async fn do_exchange(&self, request: Request<Streaming<FlightData>>) -> Answer<FlightData> {
        self.service.do_exchange(caller(&request)?, request).await
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<arrow_flight::Result> {
        self.service.do_action(caller(&request)?, request).await
    }

    async fn list_actions(&self, request: Request<Empty>) -> Answer<ActionType> {
        self.service.list_actions(caller(&request)?, request).await
    }
}
