//! What goes wrong between trainers, and what the messages say.

mod support;

use candlewick_collective::{Algorithm, Collective, Config, Credentials, Halts, Listener, Node};
use candlewick_protocol::ErrorKind;
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_protocol::tree::cover;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;
use support::{JOB, LONG, await_log, connect, gang, gang_over, key, listener, log, members, secret};

/// Long enough to form a gang on a busy machine, short enough to wait for.
const SHORT: Duration = Duration::from_secs(5);

/// One reduction of zeros with all nodes of `rank` present.
fn reduce(
    gang: &mut Collective,
    rank: usize,
    ranks: usize,
    step: u64,
    length: usize,
) -> Result<(), candlewick_collective::CollectiveError> {
    let (lo, hi) = candlewick_protocol::plan::ownership(8, ranks)[rank];
    let zeros = vec![0.0; length];
    let nodes: Vec<Node<'_>> = cover(lo, hi, 8)
        .into_iter()
        .map(|(lo, hi)| Node {
            lo,
            hi,
            values: Some(&zeros),
            tables: &[],
        })
        .collect();
    let mut out = vec![0.0; length];
    gang.all_reduce(step, &[], &nodes, &mut out, &mut []).map(|_| ())
}

#[test]
fn a_wrong_secret_is_refused_and_logged_while_the_gang_forms() {
    let log = log();
    let (first, second, stranger) = (listener(0, "07"), listener(1, "07"), listener(1, "66"));
    let ports = [first.port(), second.port()];
    let members = members(&ports, 8);
    let halts = Halts::default();
    // The stranger dials as trainer 1, before the right one does.
    let error = connect(&stranger, 1, &members, LONG, &halts).unwrap_err();
    assert_eq!(error.failure.kind, ErrorKind::Unauthenticated);
    assert_eq!(error.peer.as_deref(), Some("id-0"));
    assert!(
        error
            .failure
            .message
            .contains("did not prove that it knows the job's secret"),
        "{error}"
    );
    let line = await_log("the two sides hold different secrets");
    assert!(
        line.contains("WARN") && line.contains("remote=127.0.0.1:"),
        "{line}"
    );

    thread::scope(|scope| {
        let lower = scope.spawn(|| {
            let mut gang = connect(&first, 0, &members, LONG, &halts).unwrap();
            reduce(&mut gang, 0, 2, 0, 100).unwrap();
        });
        let mut gang = connect(&second, 1, &members, LONG, &halts).unwrap();
        reduce(&mut gang, 1, 2, 0, 100).unwrap();
        lower.join().unwrap();
    });
    for byte in ["07", "66"] {
        assert!(!log().contains(&secret(byte)));
    }
}

#[test]
fn a_forged_proof_and_garbage_are_refused() {
    let listener = listener(0, "07");
    let send = |text: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", listener.port())).unwrap();
        stream.write_all(&(text.len() as u32).to_le_bytes()).unwrap();
        stream.write_all(text).unwrap();
        let mut answer = String::new();
        // The listener closes after a refusal.
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let hello = |job: &str, purpose: &str| {
        format!(
            r#"{{"version":1,"job":"{job}","purpose":"{purpose}","client":"x","server":"id-0","generation":1,"nonce":"n"}}"#
        )
    };
    assert!(send(b"GET / HTTP/1.1\r\n\r\n").contains("not Candlewick's"));
    assert!(send(hello("another", "peer").as_bytes()).contains("it belongs to job another"));
    assert!(send(hello(JOB, "feed").as_bytes()).contains("it came for \\\"feed\\\", expected \\\"peer\\\""));

    let mut stream = TcpStream::connect(("127.0.0.1", listener.port())).unwrap();
    let hello = hello(JOB, "peer");
    stream.write_all(&(hello.len() as u32).to_le_bytes()).unwrap();
    stream.write_all(hello.as_bytes()).unwrap();
    let proof = format!(r#"{{"proof":"{}"}}"#, "00".repeat(32));
    stream.write_all(&(proof.len() as u32).to_le_bytes()).unwrap();
    stream.write_all(proof.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(String::from_utf8_lossy(&answer).contains("it did not prove that it knows the job's secret"));
}

#[test]
fn a_long_frame_before_authentication_is_refused() {
    let _log = log();
    let listener = listener(0, "07");
    let mut stream = TcpStream::connect(("127.0.0.1", listener.port())).unwrap();
    stream.write_all(&4097u32.to_le_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(String::from_utf8_lossy(&answer).contains("4097 bytes before authentication; at most 4096"));
    await_log("4097 bytes before authentication");
}

/// Connections that say nothing make room for each other; a trainer does not wait for them.
#[test]
fn idle_connections_keep_no_trainer_waiting() {
    let _log = log();
    let (first, second) = (listener(0, "07"), listener(1, "07"));
    let idle: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(("127.0.0.1", first.port())).unwrap())
        .collect();
    let members = members(&[first.port(), second.port()], 8);
    let halts = Halts::default();
    thread::scope(|scope| {
        let lower = scope.spawn(|| connect(&first, 0, &members, LONG, &halts).unwrap());
        connect(&second, 1, &members, LONG, &halts).unwrap();
        lower.join().unwrap();
    });
    // They were closed to make room, and not because their time was over.
    await_log("have yet to prove themselves, most of them from there");
    drop(idle);
}

/// A feed task has a key of the job, and cannot join the collective with it.
#[test]
fn a_feed_key_does_not_join_the_collective() {
    let first = listener(0, "07");
    let feed = JobSecret::from_hex(&secret("07"))
        .unwrap()
        .ring(JOB, &[Purpose::Feed], false);
    let credentials = Credentials {
        job: JOB.into(),
        trainer: "id-1".into(),
        key: feed.key(Purpose::Feed).unwrap().clone(),
    };
    let feeder = Listener::bind("127.0.0.1", "0", credentials).unwrap();
    let members = members(&[first.port(), feeder.port()], 8);
    let error = connect(&feeder, 1, &members, LONG, &Halts::default()).unwrap_err();
    assert_eq!(error.failure.kind, ErrorKind::Unauthenticated, "{error}");
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let _log = log();
    let listener = listener(0, "07");
    let mut stream = TcpStream::connect(("127.0.0.1", listener.port())).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty());
    await_log("the handshake took too long");
}

#[test]
fn a_peer_that_vanishes_is_named() {
    let given_up = Barrier::new(2);
    let errors = gang(3, 8, LONG, |rank, gang, _| {
        if rank == 1 {
            return None;
        }
        // Large enough that the peer that is gone shows while bytes are on their way.
        let error = reduce(gang, rank, 3, 7, 1 << 20).unwrap_err();
        // Who gives up first stays until the other has too, which would see it vanish instead.
        given_up.wait();
        Some(error)
    });
    for error in errors.into_iter().flatten() {
        assert_eq!(error.peer.as_deref(), Some("id-1"), "{error}");
        assert_eq!(error.failure.kind, ErrorKind::Unavailable);
        let text = error.failure.message;
        assert!(text.contains("trainer 1 (127.0.0.1, executor 11)"), "{text}");
        assert!(text.contains("in allreduce, step 7"), "{text}");
    }
}

#[test]
fn a_silent_peer_is_blamed_by_name() {
    let (done, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let given_up = Barrier::new(2);
    let errors = gang(3, 8, SHORT, |rank, gang, _| {
        // All are there; then those that wait begin at the same time.
        reduce(gang, rank, 3, 811, 10).unwrap();
        if rank == 2 {
            // Silent, but there, until the others have given up.
            for _ in 0..2 {
                wait.lock().unwrap().recv().unwrap();
            }
            return None;
        }
        let error = reduce(gang, rank, 3, 812, 1000).unwrap_err();
        done.send(()).unwrap();
        // The links of who gives up first are there until the other has too.
        given_up.wait();
        Some((error, reduce(gang, rank, 3, 813, 1000).unwrap_err()))
    });
    for (error, later) in errors.into_iter().flatten() {
        assert_eq!(error.peer.as_deref(), Some("id-2"), "{error}");
        let text = &error.failure.message;
        assert!(
            text.contains("trainer 2 (127.0.0.1, executor 12) silent "),
            "{text}"
        );
        assert!(text.contains(" s in allreduce, step 812"), "{text}");
        assert!(
            later
                .failure
                .message
                .contains("the gang of generation 1 is broken: "),
            "{later}"
        );
    }
}

/// By memory and over TCP, with nothing on its way and with more than the buffers hold.
#[test]
fn a_peer_that_computes_for_longer_is_waited_for() {
    for (shared_memory, values) in [(true, 10), (false, 10), (false, 5_000_000)] {
        let set = |config: &mut Config| {
            (config.timeout, config.patience) = (Duration::from_secs(2), LONG);
            config.shared_memory = shared_memory;
        };
        let direct = |host: &str, port: u16| (host.to_owned(), port);
        let sums = gang_over(&["127.0.0.1"; 2], direct, 8, &set, |rank, gang, _| {
            reduce(gang, rank, 2, 811, 10).unwrap();
            if rank == 1 {
                thread::sleep(Duration::from_millis(2_500));
            }
            reduce(gang, rank, 2, 812, values)
        });
        let [one, other] = &sums[..] else { unreachable!() };
        assert!(
            one.is_ok() && other.is_ok(),
            "{:?} {:?}",
            one.as_ref().err(),
            other.as_ref().err()
        );
    }
}

#[test]
fn a_halt_ends_a_wait() {
    let (ready, wait) = mpsc::channel::<Halts>();
    let wait = std::sync::Mutex::new(wait);
    let given_up = Barrier::new(2);
    let errors = gang(2, 8, LONG, |rank, gang, halts| {
        if rank == 1 {
            wait.lock().unwrap().recv().unwrap().halt_through(1);
            given_up.wait();
            return None;
        }
        ready.send(halts.clone()).unwrap();
        let error = reduce(gang, 0, 2, 3, 10).unwrap_err();
        given_up.wait();
        Some(error)
    });
    let error = errors[0].as_ref().unwrap();
    assert_eq!(error.failure.kind, ErrorKind::Cancelled);
    assert_eq!(error.failure.message, "halted in allreduce, step 3");
}

#[test]
fn a_halt_ends_the_forming() {
    let first = listener(0, "07");
    let members = members(&[first.port(), 1], 8);
    let halts = Halts::default();
    thread::scope(|scope| {
        let forming = scope.spawn(|| connect(&first, 0, &members, LONG, &halts).unwrap_err());
        halts.halt_through(1);
        assert_eq!(forming.join().unwrap().failure.kind, ErrorKind::Cancelled);
    });
}

#[test]
fn who_does_not_come_is_named() {
    let (first, second) = (listener(0, "07"), listener(1, "07"));
    let members_of = |first: &Listener, second: &Listener| members(&[first.port(), second.port()], 8);
    let error = connect(
        &first,
        0,
        &members_of(&first, &second),
        Duration::from_millis(50),
        &Halts::default(),
    )
    .unwrap_err();
    assert_eq!(error.peer.as_deref(), Some("id-1"));
    assert_eq!(
        error.failure.message,
        "trainer 1 (127.0.0.1, executor 11) did not connect within 0.1 s while forming generation 1"
    );
    let members = members_of(&first, &second);
    drop(first);
    let error = connect(&second, 1, &members, Duration::from_millis(50), &Halts::default()).unwrap_err();
    assert_eq!(error.peer.as_deref(), Some("id-0"));
    assert!(
        error
            .failure
            .message
            .contains("trainer 0 (127.0.0.1, executor 10) at 127.0.0.1:"),
        "{error}"
    );
    assert!(error.failure.message.contains("refused"), "{error}");
}

/// A label this long is asked of no name server.
#[test]
fn a_member_whose_host_is_not_known_is_named() {
    let (first, second) = (listener(0, "07"), listener(1, "07"));
    let mut members = members(&[first.port(), second.port()], 8);
    members[0].trainer.host = "x".repeat(64);
    let error = connect(&second, 1, &members, Duration::from_secs(2), &Halts::default()).unwrap_err();
    assert_eq!(error.peer.as_deref(), Some("id-0"));
    assert_eq!(error.failure.kind, ErrorKind::Unavailable);
    let text = error.failure.message;
    assert!(
        text.contains(
            "could not be connected to within 2.0 s while forming generation 1: its host is not known here"
        ),
        "{text}"
    );
}

#[test]
fn a_frame_of_another_step_is_refused() {
    let errors = gang(2, 8, LONG, |rank, gang, _| {
        reduce(gang, rank, 2, rank as u64, 10).unwrap_err()
    });
    assert!(
        errors
            .iter()
            .any(|error| error.failure.message.contains("sent a frame of step")),
        "{errors:?}"
    );
}

#[test]
fn a_vector_of_another_length_is_refused() {
    let errors = gang(2, 8, LONG, |rank, gang, _| {
        reduce(gang, rank, 2, 0, 100 + 100 * rank).unwrap_err()
    });
    assert!(
        errors
            .iter()
            .any(|error| error.failure.message.contains("values")),
        "{errors:?}"
    );
}

#[test]
fn a_difference_names_both_hosts() {
    let errors = gang(3, 8, LONG, |rank, gang, _| {
        gang.all_equal("state after epoch 0", "same").unwrap();
        gang.all_equal("state after epoch 1", if rank == 2 { "b" } else { "a" })
            .unwrap_err()
    });
    for error in errors {
        assert_eq!(error.failure.kind, ErrorKind::JobFailed);
        assert_eq!(
            error.failure.message,
            "comparing state after epoch 1: trainer 0 (127.0.0.1, executor 10) has state after epoch 1 a, \
             but trainer 2 (127.0.0.1, executor 12) has state after epoch 1 b"
        );
    }
}

#[test]
fn generations_follow_each_other_on_one_listener() {
    let (first, second) = (listener(0, "07"), listener(1, "07"));
    let members = members(&[first.port(), second.port()], 8);
    let form = |listener: &Listener, rank: usize, generation: u64| {
        let config = Config {
            generation,
            rank,
            members: members.clone(),
            timeout: LONG,
            patience: LONG,
            shared_memory: true,
            algorithm: Some(Algorithm::Direct),
            any_order: false,
        };
        Collective::connect(listener, config, &Halts::default()).unwrap()
    };
    thread::scope(|scope| {
        let lower = scope.spawn(|| {
            for generation in 1..4 {
                reduce(&mut form(&first, 0, generation), 0, 2, 0, 50).unwrap();
            }
        });
        for generation in 1..4 {
            reduce(&mut form(&second, 1, generation), 1, 2, 0, 50).unwrap();
        }
        lower.join().unwrap();
    });
}

#[test]
fn wrong_nodes_and_members_are_refused_at_once() {
    let first = listener(0, "07");
    let mut gang = connect(&first, 0, &members(&[first.port()], 8), LONG, &Halts::default()).unwrap();
    let wrong = [Node {
        lo: 0,
        hi: 4,
        values: None,
        tables: &[],
    }];
    let error = gang.all_reduce(0, &[], &wrong, &mut [], &mut []).unwrap_err();
    assert_eq!(
        error.failure.message,
        "all_reduce got the nodes [(0, 4)], expected [(0, 8)]"
    );
    let mut gap = members(&[first.port()], 8);
    gap[0].lo = 1;
    assert!(connect(&first, 0, &gap, LONG, &Halts::default()).is_err());
    assert!(connect(&first, 3, &members(&[first.port()], 8), LONG, &Halts::default()).is_err());
    assert_eq!(format!("{:?}", key("07")), "Key(..)");
}

#[test]
fn a_dropped_listener_frees_its_port() {
    let first = listener(0, "07");
    let port = first.port();
    drop(first);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
