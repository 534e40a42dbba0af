//! Flight inside of TLS over loopback: what arrives, and who does not get in.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use arrow_flight::{FlightData, PutResult};
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_tls::rustls::StreamOwned;
use candlewick_wire::{
    Answer, AuthMode, Caller, Client, Identity, PartialFlight, ServerAuth, Windows, bind, serve,
};
use futures::stream::{self, StreamExt};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;
use support::log;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status, Streaming};

const JOB: &str = "0123456789abcdef0123456789abcdef";
/// Long enough for any machine; a test that waits for it has failed.
const LONG: Duration = Duration::from_secs(60);

/// Counts what is put.
struct Count;

#[tonic::async_trait]
impl PartialFlight for Count {
    fn refuse(&self, method: &str) -> Status {
        Status::unimplemented(method)
    }

    async fn do_put(&self, _: Caller, request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        let mut frames = request.into_inner();
        let mut sum = 0;
        while let Some(frame) = frames.message().await? {
            sum += frame
                .data_body
                .iter()
                .map(|byte| usize::from(*byte))
                .sum::<usize>();
        }
        let app_metadata = sum.to_string().into_bytes().into();
        Ok(Response::new(
            stream::iter([Ok(PutResult { app_metadata })]).boxed(),
        ))
    }
}

struct Running {
    port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Failure>>,
}

fn start(tls: bool) -> Running {
    let listener = bind("127.0.0.1", "0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let auth = ServerAuth::new(AuthMode::Job {
        job: JOB.into(),
        server: "trainer 1".into(),
        keys: secret().ring(JOB, &[Purpose::Feed], tls),
    });
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, Count, (auth, Windows::default()), async {
        let _ = stopped.await;
    }));
    Running { port, stop, task }
}

fn secret() -> JobSecret {
    JobSecret::from_hex(&"07".repeat(32)).unwrap()
}

async fn connect(port: u16, tls: bool, timeout: Duration) -> Result<Client, Failure> {
    let identity = Identity {
        job: JOB.into(),
        client: "executor 1".into(),
        server: "trainer 1".into(),
        key: secret().derive(JOB, Purpose::Feed, tls),
        purpose: Purpose::Feed,
    };
    Client::connect("127.0.0.1", port, &identity, timeout).await
}

async fn put(client: &Client, frames: usize, bytes: usize) -> Result<String, Status> {
    let frame = FlightData {
        data_body: vec![1; bytes].into(),
        ..FlightData::default()
    };
    let request = client.authorize("DoPut", Request::new(stream::iter(vec![frame; frames])));
    let mut answers = client.flight().do_put(request).await?.into_inner();
    let answer = answers.message().await?;
    Ok(String::from_utf8(answer.unwrap().app_metadata.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_frames_of_several_clones_arrive() {
    let server = start(true);
    let client = connect(server.port, true, LONG).await.unwrap();
    let puts = (0..4).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { put(&client, 4, 8 << 20).await.unwrap() })
    });
    for sum in puts.collect::<Vec<_>>() {
        assert_eq!(sum.await.unwrap(), (32 << 20).to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_and_a_server_of_different_minds_do_not_meet() {
    log();
    let server = start(true);
    let failure = connect(server.port, false, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    assert!(log().contains("it made no handshake of TLS"), "{}", log());
    let server = start(false);
    let failure = connect(server.port, true, LONG).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable, "{failure}");
    assert!(
        failure.message.starts_with("cannot connect to 127.0.0.1"),
        "{failure}"
    );
}

/// A server to which too many come at once closes the connection of one that has yet to prove itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_connection_is_closed_in_its_handshake_tries_again() {
    let server = start(true);
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, behind) = (front.local_addr().unwrap().port(), server.port);
    thread::spawn(move || {
        // The client's hello is read, so that the end comes as an end.
        let (mut displaced, _) = front.accept().unwrap();
        assert!(displaced.read(&mut [0; 4096]).unwrap() > 0);
        drop(displaced);
        let (caller, _) = front.accept().unwrap();
        let server = TcpStream::connect(("127.0.0.1", behind)).unwrap();
        for (from, to) in [(&caller, &server), (&server, &caller)] {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    let client = connect(at, true, LONG).await.unwrap();
    assert_eq!(put(&client, 1, 10).await.unwrap(), "10");
}

/// What would be sent over another connection might go to anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_makes_one_connection_and_no_other_in_its_place() {
    let server = start(true);
    let client = connect(server.port, true, LONG).await.unwrap();
    assert_eq!(put(&client, 1, 10).await.unwrap(), "10");
    assert!(!client.is_over());
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
    let front = TcpListener::bind(("127.0.0.1", server.port)).unwrap();
    front.set_nonblocking(true).unwrap();
    for _ in 0..2 {
        assert!(put(&client, 1, 10).await.is_err());
    }
    assert!(client.is_over());
    assert_eq!(front.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// Whoever is killed says nothing: what a user is told of it is not that.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_without_the_word_for_it_is_one_as_without_encryption() {
    let server = start(true);
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, behind) = (front.local_addr().unwrap().port(), server.port);
    let (cut, wait) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        let (caller, _) = front.accept().unwrap();
        let server = TcpStream::connect(("127.0.0.1", behind)).unwrap();
        for (from, to) in [(&caller, &server), (&server, &caller)] {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
        wait.recv().unwrap();
        caller.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let client = connect(at, true, LONG).await.unwrap();
    // Its rows do not end, so its answer does not come.
    let endless = futures::stream::pending::<FlightData>();
    let request = client.authorize("DoPut", Request::new(endless));
    let mut flight = client.flight();
    let call = tokio::spawn(async move { flight.do_put(request).await?.into_inner().message().await });
    cut.send(()).unwrap();
    let told = format!("{:?}", call.await.unwrap().unwrap_err());
    assert!(
        !told.contains("close_notify") && !told.contains("docs.rs"),
        "{told}"
    );
    while !client.is_over() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A check whether somebody listens is no refusal.
#[tokio::test(flavor = "multi_thread")]
async fn who_connects_and_goes_leaves_no_line() {
    log();
    let server = start(true);
    let looks = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let from = looks.local_addr().unwrap().port();
    drop(looks);
    // One that speaks without TLS comes after it and leaves one.
    let mut plain = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let to = plain.local_addr().unwrap().port();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    // It is told in TLS that it does not speak it.
    let _ = plain.read_to_end(&mut Vec::new());
    while !log().contains(&format!("127.0.0.1:{to}")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!log().contains(&format!("127.0.0.1:{from}")), "{}", log());
}

/// Passes what both say from one connection of TLS to another.
fn stand_between(front: &TcpListener, port: u16) {
    let (caller, _) = front.accept().unwrap();
    let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    for tcp in [&caller, &server] {
        tcp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    }
    let mut caller = StreamOwned::new(candlewick_tls::server().unwrap(), caller);
    let mut server = StreamOwned::new(candlewick_tls::client().unwrap(), server);
    let mut message = [0; 16384];
    for forth in [true, false].into_iter().cycle() {
        let (from, to) = if forth {
            (&mut caller as &mut dyn Duplex, &mut server as &mut dyn Duplex)
        } else {
            (&mut server as &mut dyn Duplex, &mut caller as &mut dyn Duplex)
        };
        match from.read(&mut message) {
            Ok(read @ 1..) => to.write_all(&message[..read]).unwrap(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_between_a_client_and_its_server_is_found_out() {
    let server = start(true);
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, behind) = (front.local_addr().unwrap().port(), server.port);
    let between = thread::spawn(move || stand_between(&front, behind));
    let failure = connect(at, true, LONG).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthenticated, "{failure}");
    assert!(failure.message.contains("the server is a stranger"), "{failure}");
    between.join().unwrap();
}
