//! A server whose table of sessions is full.

use super::*;
use crate::connection::Liveness;
use crate::session::MAX_SESSIONS;
use crate::{Client, Identity, PartialFlight};
use arrow_flight::flight_service_client::FlightServiceClient;
use candlewick_protocol::auth::{Call, Initiator, ServerHello};
use candlewick_protocol::keys::JobSecret;
use tonic::transport::Endpoint;

const JOB: &str = "0123456789abcdef0123456789abcdef";

/// A server that offers nothing.
struct Nothing;

impl PartialFlight for Nothing {
    fn refuse(&self, method: &str) -> Status {
        Status::unimplemented(method)
    }
}

fn key() -> Key {
    JobSecret::from_hex(&"07".repeat(32))
        .unwrap()
        .derive(JOB, Purpose::Feed, false)
}

/// The status that ends a handshake.
async fn turned_away(port: u16) -> Status {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    let mut flight = FlightServiceClient::new(endpoint.connect().await.unwrap());
    let call = Call {
        job: JOB,
        purpose: Purpose::Feed,
        client: "executor 1",
        server: "trainer 1",
        generation: 0,
    };
    let initiator = Initiator::new(key(), &call, None).unwrap();
    let message = |payload: Vec<u8>| HandshakeRequest {
        protocol_version: 0,
        payload: payload.into(),
    };
    let (sender, receiver) = mpsc::channel(2);
    let hello = message(serde_json::to_vec(initiator.hello()).unwrap());
    sender.send(hello).await.unwrap();
    let answers = flight.handshake(ReceiverStream::new(receiver)).await;
    let mut answers = answers.unwrap().into_inner();
    let hello = answers.message().await.unwrap().unwrap();
    let hello: ServerHello = serde_json::from_slice(&hello.payload).unwrap();
    let (proof, _) = initiator.prove(&hello).unwrap();
    sender
        .send(message(serde_json::to_vec(&proof).unwrap()))
        .await
        .unwrap();
    answers.message().await.unwrap_err()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_full_table_of_sessions_is_told_as_exhausted_and_a_client_waits_for_a_place() {
    let log = Log::default();
    let writer = log.clone();
    // All of this runs on one thread, whose log it is.
    let _logging = tracing::subscriber::set_default(
        tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish(),
    );
    let secret = JobSecret::from_hex(&"07".repeat(32)).unwrap();
    let auth = ServerAuth::new(AuthMode::Job {
        job: JOB.into(),
        server: "trainer 1".into(),
        keys: secret.ring(JOB, &[Purpose::Feed], false),
    });
    let live = Liveness::new();
    let caller = Caller {
        client: "another".into(),
        purpose: Some(Purpose::Feed),
    };
    for at in 0..MAX_SESSIONS {
        let session = (key(), caller.clone());
        auth.sessions()
            .add(at.to_string(), session, Some(live.clone()))
            .unwrap();
    }
    let listener = crate::bind("127.0.0.1", "0").unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(crate::serve(
        listener,
        Nothing,
        (auth, crate::Windows::default()),
        std::future::pending(),
    ));
    let patient = tokio::spawn(async move {
        let identity = Identity {
            job: JOB.into(),
            client: "executor 2".into(),
            server: "trainer 1".into(),
            key: key(),
            purpose: Purpose::Feed,
        };
        Client::connect("127.0.0.1", port, &identity, Duration::from_secs(60)).await
    });
    let told = "4096 clients are connected to this server";
    while !String::from_utf8_lossy(&log.0.lock().unwrap()).contains(told) {
        assert!(!patient.is_finished(), "{:?}", patient.await);
        tokio::task::yield_now().await;
    }
    // The patient one was turned away once.
    let status = turned_away(port).await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains(told), "{status}");
    live.end();
    patient.await.unwrap().unwrap();
}
