//! Sending and receiving at once: what is changed on its way, silence, halts.

use super::*;
use crate::config::Halts;
use crate::frame::{Kind, bytes_of, encode};
use candlewick_protocol::ErrorKind;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

const PLACE: Place = Place {
    job: 1,
    generation: 2,
    step: 3,
    kind: Kind::Chunk,
    chunk: 4,
};

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let left = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (left, listener.accept().unwrap().0)
}

fn frame<'a>(head: &'a Head, meta: &'a [u8], values: &'a [f32], summed: bool) -> Outgoing<'a> {
    let mut parts = Outgoing::new(summed);
    parts.push_head(head);
    parts.push(meta);
    parts.push(bytes_of(values));
    parts.push_sum();
    parts
}

/// Reads a frame out of a stream that holds all of it.
fn read(stream: &Link, body: &mut [f32]) -> Result<Vec<u8>, Failure> {
    let mut incoming = Incoming::new(PLACE, body);
    while !incoming.is_done() {
        match incoming.advance(stream)? {
            Got::Bytes => {}
            Got::Nothing | Got::Closed => return Err(Failure::internal("it ended")),
        }
    }
    Ok(incoming.meta)
}

#[test]
fn a_frame_with_any_byte_changed_is_refused() {
    let (meta, values) = ([5, 6, 7], [1.5f32, -0.0, 3.0]);
    let head = encode(&PLACE, meta.len(), values.len());
    let (from, mut to) = pair();
    let from = Link::new(from, None);
    let mut parts = frame(&head, &meta, &values, true);
    while !parts.is_done() {
        parts.advance(&from).unwrap();
    }
    let mut sent = vec![0; HEADER + meta.len() + 4 * values.len() + SUM];
    to.read_exact(&mut sent).unwrap();
    for changed in (0..sent.len()).map(Some).chain([None]) {
        let (mut from, to) = pair();
        let mut bytes = sent.clone();
        if let Some(at) = changed {
            bytes[at] ^= 16;
        }
        from.write_all(&bytes).unwrap();
        drop(from);
        let mut body = [0.0; 3];
        let got = read(&Link::new(to, None), &mut body);
        match changed {
            None => assert_eq!((got.unwrap(), body), (meta.to_vec(), values)),
            // The first bytes say whether it is a frame at all.
            Some(0..4) => assert_eq!(got.unwrap_err().message, "sent bytes that are no frame"),
            Some(at) => {
                let failure = got.unwrap_err();
                assert_eq!(failure.kind, ErrorKind::Unavailable);
                assert!(
                    failure.message.contains("checksum is wrong"),
                    "byte {at}: {failure}"
                );
            }
        }
    }
}

/// Frames far larger than a socket's buffers, and small ones behind them: every write takes what it can. With checksums, as
/// between hosts, and without: the receiver learns it from each header.
#[test]
fn frames_survive_writes_of_any_length() {
    let large: Vec<f32> = (0..3_000_000).map(|at| at as f32).collect();
    let (meta, none) = (vec![9u8; 70_000], Vec::new());
    let heads: Vec<Head> = [&large, &none, &large]
        .iter()
        .map(|values| encode(&PLACE, meta.len(), values.len()))
        .collect();
    for summed in [true, false] {
        let (from, to) = pair();
        from.set_nonblocking(true).unwrap();
        let (from, to) = (Link::new(from, None), Link::new(to, None));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut parts = frame(&heads[0], &meta, &large, summed);
                for (head, values) in heads[1..].iter().zip([&none, &large]) {
                    parts.push_head(head);
                    parts.push(&meta);
                    parts.push(bytes_of(values));
                    parts.push_sum();
                }
                while !parts.is_done() {
                    match parts.advance(&from) {
                        Ok(_) => {}
                        Err(error) if is_later(&error) => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            for values in [&large, &none, &large] {
                let mut body = vec![0.0; values.len()];
                assert_eq!(read(&to, &mut body).unwrap(), meta);
                assert!(body == *values);
            }
        });
    }
}

#[test]
fn a_halt_ends_a_wait_that_goes_on() {
    let (ours, mut theirs) = pair();
    ours.set_nonblocking(true).unwrap();
    let peers = [Peer {
        rank: 1,
        id: "id-1".into(),
        name: "trainer 1".into(),
        link: Link::new(ours, None),
        summed: true,
    }];
    let halts = Halts::default();
    let halt = halts.token(2);
    let head = encode(&PLACE, 0, 0);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let wait = Wait {
                what: "a test",
                timeout: Duration::from_secs(60),
                patience: Duration::from_secs(60),
                halt: &halt,
                flush: true,
            };
            let mut incoming = [Incoming::new(PLACE, &mut [])];
            drive(
                &[&peers[0]],
                &mut [frame(&head, &[], &[], true)],
                &mut incoming,
                &wait,
            )
            .unwrap_err()
        });
        // What it sends comes out of the wait, which now lacks our answer only.
        theirs.read_exact(&mut [0; HEADER + SUM]).unwrap();
        halts.halt_through(2);
        let error = waiting.join().unwrap();
        assert_eq!(error.failure.kind, ErrorKind::Cancelled);
        assert_eq!(error.failure.message, "halted in a test");
    });
}
