//! A small Flight service over loopback: who gets in, who does not, and what they are told.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Action, Criteria, FlightData, HandshakeRequest, PutResult};
use candlewick_protocol::auth::{Call, ClientProof, Initiator};
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_wire::{
    AUTH_HEADER, Answer, AuthMode, Caller, Client, Identity, PartialFlight, ServerAuth, Windows, bind,
    from_status, serve, to_status,
};
use futures::stream::{self, StreamExt};
use std::io::Read;
use std::time::Duration;
use support::log;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

const JOB: &str = "0123456789abcdef0123456789abcdef";
/// Long enough for any machine; a test that waits for it has failed.
const LONG: Duration = Duration::from_secs(60);

/// Says who called; counts what is put; fails on demand.
struct Echo;

#[tonic::async_trait]
impl PartialFlight for Echo {
    fn refuse(&self, method: &str) -> Status {
        Status::unimplemented(format!("no {method} here"))
    }

    async fn do_action(&self, caller: Caller, request: Request<Action>) -> Answer<arrow_flight::Result> {
        if request.get_ref().r#type == "fail" {
            return Err(to_status(&Failure::data("row 7 holds NaN")));
        }
        let body = format!("{} {:?}", caller.client, caller.purpose)
            .into_bytes()
            .into();
        Ok(Response::new(
            stream::iter([Ok(arrow_flight::Result { body })]).boxed(),
        ))
    }

    async fn do_put(&self, _: Caller, request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        let mut frames = request.into_inner();
        let mut bytes = 0;
        while let Some(frame) = frames.message().await? {
            bytes += frame.data_body.len();
        }
        let app_metadata = bytes.to_string().into_bytes().into();
        Ok(Response::new(
            stream::iter([Ok(PutResult { app_metadata })]).boxed(),
        ))
    }

    /// Never ends by itself.
    async fn do_exchange(&self, _: Caller, _: Request<Streaming<FlightData>>) -> Answer<FlightData> {
        Ok(Response::new(
            stream::iter([Ok(FlightData::default())])
                .chain(stream::pending())
                .boxed(),
        ))
    }
}

struct Running {
    port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Failure>>,
}

fn start(mode: AuthMode) -> Running {
    start_at("127.0.0.1", mode)
}

fn start_at(host: &str, mode: AuthMode) -> Running {
    log();
    let listener = bind(host, "0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let auth = ServerAuth::new(mode);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, Echo, (auth, Windows::default()), async {
        let _ = stopped.await;
    }));
    Running { port, stop, task }
}

fn secret(byte: &str) -> JobSecret {
    JobSecret::from_hex(&byte.repeat(32)).unwrap()
}

fn job_mode() -> AuthMode {
    AuthMode::Job {
        job: JOB.into(),
        server: "trainer 1".into(),
        keys: secret("07").ring(JOB, &[Purpose::Feed], false),
    }
}

fn identity() -> Identity {
    Identity {
        job: JOB.into(),
        client: "executor 1".into(),
        server: "trainer 1".into(),
        key: secret("07").derive(JOB, Purpose::Feed, false),
        purpose: Purpose::Feed,
    }
}

async fn connect(port: u16, identity: &Identity) -> Result<Client, Failure> {
    Client::connect("127.0.0.1", port, identity, LONG).await
}

fn action(name: &str) -> Request<Action> {
    Request::new(Action {
        r#type: name.into(),
        body: Default::default(),
    })
}

async fn call(client: &Client, request: Request<Action>) -> Result<String, Status> {
    let mut items = client.flight().do_action(request).await?.into_inner();
    let item = items.message().await?.unwrap();
    Ok(String::from_utf8(item.body.to_vec()).unwrap())
}

async fn await_log(text: &str) -> String {
    loop {
        if let Some(line) = log().lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_proves_itself_is_known_by_name() {
    let server = start(job_mode());
    let client = connect(server.port, &identity()).await.unwrap();
    for _ in 0..3 {
        let answer = call(&client, client.authorize("DoAction", action("whoami")))
            .await
            .unwrap();
        assert_eq!(answer, "executor 1 Some(Feed)");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_frames_of_several_clones_arrive() {
    let server = start(job_mode());
    let client = connect(server.port, &identity()).await.unwrap();
    let puts = (0..4).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let frame = FlightData {
                data_body: vec![1; 8 << 20].into(),
                ..FlightData::default()
            };
            let frames = stream::iter(vec![frame; 4]);
            let request = client.authorize("DoPut", Request::new(frames));
            let mut answers = client.flight().do_put(request).await.unwrap().into_inner();
            answers.message().await.unwrap().unwrap().app_metadata
        })
    });
    for put in puts.collect::<Vec<_>>() {
        assert_eq!(put.await.unwrap(), (32 << 20).to_string());
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_by_the_client_and_logged_by_the_server() {
    let server = start(job_mode());
    let wrong = Identity {
        key: secret("66").derive(JOB, Purpose::Feed, false),
        client: "executor 66".into(),
        ..identity()
    };
    let failure = connect(server.port, &wrong).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthenticated);
    let text = &failure.message;
    assert!(text.contains(&format!("127.0.0.1:{}", server.port)), "{text}");
    assert!(
        text.contains("did not prove that it knows the job's secret"),
        "{text}"
    );
    let line = await_log("the two sides hold different secrets").await;
    assert!(line.contains("WARN") && line.contains("127.0.0.1:"), "{line}");
    assert!(connect(server.port, &identity()).await.is_ok());
    for byte in ["07", "66"] {
        assert!(!log().contains(&byte.repeat(32)));
    }
}

/// Speaks the handshake up to the proof, and sends another one.
#[tokio::test]
async fn a_forged_proof_is_refused() {
    let server = start(job_mode());
    let mut flight = raw(server.port).await;
    let call = Call {
        job: JOB,
        purpose: Purpose::Feed,
        client: "x",
        server: "",
        generation: 0,
    };
    let initiator = Initiator::new(secret("66").derive(JOB, Purpose::Feed, false), &call, None).unwrap();
    let proof = ClientProof {
        proof: "00".repeat(32),
    };
    let messages = [
        serde_json::to_vec(initiator.hello()).unwrap(),
        serde_json::to_vec(&proof).unwrap(),
    ];
    let requests = messages.map(|payload| HandshakeRequest {
        protocol_version: 0,
        payload: payload.into(),
    });
    let mut answers = flight
        .handshake(stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(
        status.message(),
        "refused: it did not prove that it knows the job's secret"
    );
}

#[tokio::test]
async fn another_job_or_purpose_is_refused() {
    let server = start(job_mode());
    let other = Identity {
        job: "another".into(),
        ..identity()
    };
    let failure = connect(server.port, &other).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthenticated);
    assert!(
        failure
            .message
            .contains("it belongs to job another, this is job 0123"),
        "{}",
        failure.message
    );
    let control = Identity {
        purpose: Purpose::Control,
        ..identity()
    };
    let failure = connect(server.port, &control).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthenticated);
    assert!(
        failure
            .message
            .contains("it came for \"control\", this server is for: feed"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_call_token_is_good_for_one_call_of_one_method() {
    let server = start(job_mode());
    let client = connect(server.port, &identity()).await.unwrap();
    let first = client.authorize("DoAction", action("whoami"));
    let mut again = action("whoami");
    *again.metadata_mut() = first.metadata().clone();
    call(&client, first).await.unwrap();
    let status = call(&client, again).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unauthenticated, "refused: its call token was used before")
    );

    let status = call(&client, client.authorize("DoPut", action("whoami")))
        .await
        .unwrap_err();
    assert_eq!(
        status.message(),
        "refused: its call token does not fit the session and the method"
    );
    let status = call(&client, action("whoami")).await.unwrap_err();
    assert!(status.message().contains("it carries no call token"), "{status}");
    let mut wrong = action("whoami");
    wrong.metadata_mut().insert(AUTH_HEADER, "a.1.b".parse().unwrap());
    assert!(
        call(&client, wrong)
            .await
            .unwrap_err()
            .message()
            .contains("its session is not known here")
    );
}

#[tokio::test]
async fn what_is_not_offered_is_refused_in_the_servers_words() {
    let server = start(job_mode());
    let client = connect(server.port, &identity()).await.unwrap();
    let request = client.authorize("ListFlights", Request::new(Criteria::default()));
    let status = client.flight().list_flights(request).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unimplemented, "no ListFlights here")
    );
}

#[tokio::test]
async fn another_server_than_the_one_meant_is_refused() {
    let server = start(job_mode());
    let other = Identity {
        server: "trainer 2".into(),
        ..identity()
    };
    let failure = connect(server.port, &other).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    assert!(
        failure
            .message
            .contains("it wants trainer 2, but this is trainer 1"),
        "{failure}"
    );
}

/// A key for another purpose does not do, whatever its holder says that it came for.
#[tokio::test]
async fn a_feed_key_does_not_open_control() {
    let server = start(AuthMode::Job {
        job: JOB.into(),
        server: "coordinator".into(),
        keys: secret("07").ring(JOB, &[Purpose::Control], false),
    });
    let feeder = Identity {
        server: "coordinator".into(),
        purpose: Purpose::Control,
        ..identity()
    };
    let failure = connect(server.port, &feeder).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthenticated, "{failure}");
    let control = Identity {
        key: secret("07").derive(JOB, Purpose::Control, false),
        ..feeder
    };
    assert!(connect(server.port, &control).await.is_ok());
}

/// One connection cannot hold the places of all others.
#[tokio::test(flavor = "multi_thread")]
async fn idle_handshakes_of_one_connection_keep_nobody_out() {
    let server = start(job_mode());
    let mut greedy = raw(server.port).await;
    let mut open = Vec::new();
    for at in 0..100 {
        match greedy.handshake(stream::pending()).await {
            Ok(answers) => open.push(answers),
            Err(status) => {
                assert!(at > 0, "{status}");
                assert_eq!(status.code(), Code::Unauthenticated);
                assert!(
                    status.message().contains("a connection makes one handshake"),
                    "{status}"
                );
            }
        }
    }
    assert_eq!(open.len(), 1);
    assert!(connect(server.port, &identity()).await.is_ok());
}

/// Connections that say nothing make room for each other; who proves itself does not wait for them.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_keep_nobody_waiting() {
    let server = start(job_mode());
    let idle: Vec<_> = (0..300)
        .map(|_| std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap())
        .collect();
    // The server accepts in order: the idle ones came before.
    let client = connect(server.port, &identity()).await.unwrap();
    let answer = call(&client, client.authorize("DoAction", action("whoami"))).await;
    assert!(answer.is_ok());
    // None of them was waited for: they were closed to make room, and not because their time was over.
    await_log("have yet to prove themselves, most of them from there").await;
    drop(idle);
}

#[tokio::test]
async fn failures_keep_their_kind_on_the_way() {
    let server = start(job_mode());
    let client = connect(server.port, &identity()).await.unwrap();
    let status = call(&client, client.authorize("DoAction", action("fail")))
        .await
        .unwrap_err();
    assert_eq!(
        from_status(&status, "feed"),
        Failure::data("feed: row 7 holds NaN")
    );
}

#[tokio::test]
async fn a_bearer_token_opens_every_call() {
    let server = start(AuthMode::Bearer("open sesame".into()));
    let client = Client::connect_bearer("127.0.0.1", server.port, "open sesame", LONG)
        .await
        .unwrap();
    assert_eq!(
        call(&client, client.authorize("DoAction", action("whoami")))
            .await
            .unwrap(),
        " None"
    );
    assert!(
        call(&client, action("whoami"))
            .await
            .unwrap_err()
            .message()
            .contains("it carries no token")
    );
    let wrong = Client::connect_bearer("127.0.0.1", server.port, "open", LONG)
        .await
        .unwrap();
    let status = call(&wrong, wrong.authorize("DoAction", action("whoami")))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unauthenticated, "refused: its token is not this server's")
    );
    let failure = connect(server.port, &identity()).await.unwrap_err();
    assert!(
        failure.message.contains("this server expects a bearer token"),
        "{}",
        failure.message
    );
    assert!(!log().contains("sesame"));
}

#[tokio::test]
async fn a_long_message_before_authentication_is_refused() {
    let server = start(job_mode());
    let mut flight = raw(server.port).await;
    let request = HandshakeRequest {
        protocol_version: 0,
        payload: vec![b'x'; 5000].into(),
    };
    let mut answers = flight
        .handshake(stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("longer than 4096 bytes"), "{status}");
    await_log("longer than 4096 bytes").await;
}

#[tokio::test]
async fn a_connection_that_proves_nothing_is_closed() {
    let server = start(job_mode());
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let closed = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
    });
    closed.await.unwrap();
    await_log("closed a connection that did not prove itself in 5000 ms").await;
}

#[tokio::test]
async fn a_connection_that_proved_itself_stays() {
    let server = start(job_mode());
    let client = connect(server.port, &identity()).await.unwrap();
    let idle = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    // The idle one is closed when its time is over; the client came before it and is still served.
    let closed = tokio::task::spawn_blocking(move || (&idle).read(&mut [0]));
    let _ = closed.await.unwrap();
    assert!(
        call(&client, client.authorize("DoAction", action("whoami")))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_end_does_not_wait_for_open_streams() {
    let server = start(job_mode());
    let client = connect(server.port, &identity()).await.unwrap();
    let request = client.authorize("DoExchange", Request::new(stream::pending()));
    let mut answers = client.flight().do_exchange(request).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
    let status = answers.message().await.unwrap_err();
    assert_eq!(
        from_status(&status, "control stream").kind,
        ErrorKind::Unavailable,
        "{status:?}"
    );
    let failure = connect(server.port, &identity()).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    let text = format!(
        "cannot connect to 127.0.0.1:{}: nothing listens there",
        server.port
    );
    assert_eq!(failure.message, text);
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    let deaf = bind("127.0.0.1", "0").unwrap();
    let port = deaf.local_addr().unwrap().port();
    let short = Duration::from_millis(100);
    let failure = Client::connect("127.0.0.1", port, &identity(), short)
        .await
        .unwrap_err();
    assert_eq!(
        failure,
        Failure::unavailable(format!("127.0.0.1:{port} did not answer within 0.1 s"))
    );
}

async fn raw(port: u16) -> FlightServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    FlightServiceClient::new(endpoint.connect().await.unwrap())
}

#[tokio::test]
async fn a_server_is_found_at_a_literal_of_ipv6_with_or_without_brackets() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let server = start_at("::1", job_mode());
    for host in ["::1", "[::1]"] {
        let client = Client::connect(host, server.port, &identity(), LONG)
            .await
            .unwrap();
        let request = client.authorize("DoAction", action("who"));
        let told = call(&client, request).await.unwrap();
        assert!(told.contains("executor 1"), "{host}: {told}");
    }
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
}
