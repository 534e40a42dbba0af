//! Bytes through memory, its ends, and others that claim to share it.

use super::base::CAPACITY;
use super::offer::offer_of;
use super::*;
use candlewick_protocol::order::mix;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

const NONCE: [u8; 64] = [b'7'; 64];

fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let left = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (left, listener.accept().unwrap().0)
}

fn sides() -> (Stream, Stream) {
    let (left, right) = streams();
    (left.into(), right.into())
}

/// The two ends of a connection with TLS, of which nothing waits.
fn encrypted() -> (Link, Link) {
    let (left, right) = streams();
    thread::scope(|scope| {
        let dialling = scope.spawn(|| Stream::client(left, true, soon()).unwrap());
        let right = Stream::server(right, true, soon()).unwrap();
        let left = dialling.join().unwrap();
        assert_eq!(left.binding().unwrap(), right.binding().unwrap());
        assert!(left.binding().unwrap().is_some());
        left.set_up().unwrap();
        right.set_up().unwrap();
        (Link::new(left, None), Link::new(right, None))
    })
}

/// Two ends that share memory.
fn links() -> (Link, Link) {
    let (left, right) = streams();
    let (shared, file) = Shared::create(&NONCE).unwrap();
    let (pid, fd) = shared::place(&file);
    let (other, nonce) = Shared::open(pid, fd).unwrap();
    assert_eq!(nonce, NONCE);
    for stream in [&left, &right] {
        stream.set_nonblocking(true).unwrap();
    }
    (Link::new(left, Some(shared)), Link::new(right, Some(other)))
}

fn is_later<T>(done: &io::Result<T>) -> bool {
    matches!(done, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Sleeps as an exchange does, but without an end.
fn sleep(link: &Link, reads: bool, writes: bool) {
    let ready = match link.waits_for(reads, writes) {
        None => false,
        Some(mut wait) => {
            // SAFETY: the pointer is that of one live pollfd.
            unsafe { libc::poll(&raw mut wait, 1, 60_000) > 0 }
        }
    };
    link.woke(ready);
}

#[test]
fn bytes_of_any_length_come_through_in_order_and_wake_who_sleeps() {
    for (from, to) in [links(), encrypted()] {
        pass_bytes(&from, &to);
    }
}

fn pass_bytes(from: &Link, to: &Link) {
    let data: Vec<u8> = (0..3_000_000u64)
        .map(|at| mix(at, 1, 1).to_le_bytes()[0])
        .collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut left, mut turn) = (&data[..], 0);
            while !left.is_empty() {
                turn += 1;
                let length = |at| usize::try_from(mix(turn, at, 2) % 200_000).unwrap();
                let (first, rest) = left.split_at(length(0).min(left.len()));
                let second = &rest[..length(1).min(rest.len())];
                match from.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
                    Ok(written) => left = &left[written..],
                    Err(error) if first.len() + second.len() > 0 => {
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                        sleep(from, false, true);
                    }
                    Err(_) => {}
                }
            }
            // What TLS has taken and the socket has not.
            while from.is_behind() {
                if is_later(&from.flush()) {
                    sleep(from, false, true);
                }
            }
        });
        let (mut got, mut turn) = (Vec::<u8>::new(), 0);
        while got.len() < data.len() {
            turn += 1;
            let length = |at| usize::try_from(1 + mix(turn, at, 3) % 90_000).unwrap();
            let (mut first, mut second) = (vec![0; length(0)], vec![0; length(1)]);
            let into = &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
            match to.read_vectored(into) {
                Ok(read) => got.extend(first.iter().chain(&second).take(read)),
                Err(_) => sleep(to, true, false),
            }
        }
        assert!(got == data);
    });
}

/// Waits until the socket has so many bytes.
fn await_bytes(link: &Link, count: usize) {
    let mut seen = vec![0; count];
    while link.stream.tcp().peek(&mut seen).is_ok_and(|there| there < count) {
        sleep(link, true, false);
        thread::yield_now();
    }
}

#[test]
fn one_read_takes_all_records_of_tls_that_are_there() {
    let (from, to) = encrypted();
    // Three records of 16 KiB.
    let all = vec![7; 3 << 14];
    assert_eq!(from.write_vectored(&[IoSlice::new(&all)]).unwrap(), all.len());
    assert!(!from.is_behind());
    await_bytes(&to, all.len());
    let (mut first, mut second) = (vec![0; 20_000], vec![0; 40_000]);
    let into = &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(to.read_vectored(into).unwrap(), all.len());
    first.extend(second);
    assert!(first.starts_with(&all));
}

#[test]
fn a_forged_record_behind_a_good_one_is_told_each_time() {
    let (from, to) = encrypted();
    from.write_vectored(&[IoSlice::new(&[7; 1_000])]).unwrap();
    let mut forged = vec![0x17, 3, 3, 0, 100];
    forged.resize(105, 9);
    from.stream.tcp().write_all(&forged).unwrap();
    await_bytes(&to, 1_000 + forged.len());
    let mut bytes = vec![0; 5_000];
    // Whether the good one is read before or after, nobody waits for more.
    let told: Vec<_> = (0..3).map(|_| to.read(&mut bytes)).collect();
    assert!(!told.iter().any(is_later), "{told:?}");
    let last = told[2].as_ref().map_err(io::Error::kind);
    assert_eq!(last, Err(io::ErrorKind::InvalidData), "{told:?}");
}

#[test]
fn nothing_is_sent_after_the_end_that_the_socket_had_no_room_for() {
    let (from, _to) = encrypted();
    let whole = vec![5; 1 << 20];
    while from.stream.tcp().write(&whole).is_ok() {}
    from.finish_writing().unwrap();
    assert!(!from.is_behind());
    assert_eq!(from.flush().unwrap(), 0);
}

#[test]
fn a_full_ring_takes_no_more_and_an_empty_one_gives_nothing() {
    let (from, to) = links();
    let mut byte = [0];
    assert!(is_later(&to.read(&mut byte)));
    let whole = vec![5; CAPACITY];
    let mut written = 0;
    loop {
        match from.write_vectored(&[IoSlice::new(&whole)]) {
            Ok(more) => written += more,
            done => break assert!(is_later(&done)),
        }
    }
    assert_eq!(written, CAPACITY);
    assert_eq!((to.read(&mut byte).unwrap(), byte), (1, [5]));
    assert_eq!(from.write_vectored(&[IoSlice::new(&whole)]).unwrap(), 1);
    // The other way is another ring.
    assert_eq!(to.write_vectored(&[IoSlice::new(&[9, 9])]).unwrap(), 2);
}

/// What a trainer wrote before it ended is read, and then that it has ended; who waits for room is told too.
#[test]
fn the_end_comes_after_the_last_bytes() {
    let (from, to) = links();
    from.write_vectored(&[IoSlice::new(b"last")]).unwrap();
    drop(from);
    let mut bytes = [0; 9];
    // Nobody has looked at the connection yet.
    assert_eq!(to.read(&mut bytes[..2]).unwrap(), 2);
    assert!(to.waits_for(true, false).is_none(), "there is something to read");
    to.woke(false);
    assert_eq!(to.read(&mut bytes).unwrap(), 2);
    assert!(is_later(&to.read(&mut bytes)));
    sleep(&to, true, false);
    assert_eq!(to.read(&mut bytes).unwrap(), 0);
    let whole = vec![5; CAPACITY];
    let refused = loop {
        if let Err(error) = to.write_vectored(&[IoSlice::new(&whole)]) {
            break error;
        }
    };
    assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
}

/// A link that is cut is so at once, whatever the memory still holds, and the other side hears of it.
#[test]
fn a_link_that_is_cut_gives_nothing_more() {
    let (from, to) = links();
    from.write_vectored(&[IoSlice::new(b"left")]).unwrap();
    to.disconnect();
    let mut bytes = [0; 4];
    let aborted = |error: io::Error| error.kind() == io::ErrorKind::ConnectionAborted;
    assert!(to.read(&mut bytes).is_err_and(aborted));
    assert!(to.write_vectored(&[IoSlice::new(b"x")]).is_err_and(aborted));
    assert!(is_later(&from.read(&mut bytes)));
    sleep(&from, true, false);
    assert_eq!(from.read(&mut bytes).unwrap(), 0);
}

/// Whatever a peer writes where the positions are, nothing is read or written outside.
#[test]
fn positions_that_cannot_be_are_an_error() {
    use super::base::{AtomicU64, Ordering};
    let (shared, _file) = Shared::create(&NONCE).unwrap();
    let controls = |ring: usize| {
        // SAFETY: the head, then the rings, each with its control block first: two positions 128 bytes apart.
        let written = unsafe { shared.start().add(4096 + ring * (4096 + CAPACITY)) };
        let at = |offset: usize| {
            // SAFETY: as above; an atomic stands there.
            unsafe { &*written.add(offset).cast::<AtomicU64>() }
        };
        (at(0), at(128))
    };
    let (_, read) = controls(0);
    read.store(1, Ordering::Relaxed);
    let refused = shared.write(&[IoSlice::new(&[1])], || {}).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    assert!(refused.to_string().contains("nonsense"), "{refused}");
    let (written, _) = controls(1);
    for nonsense in [CAPACITY as u64 + 1, u64::MAX] {
        written.store(nonsense, Ordering::Relaxed);
        let refused = shared.read(&mut [IoSliceMut::new(&mut [0])], || {}).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Whether each side shares memory where the dialling one makes its own by `make`.
fn agree(make: impl FnOnce(&[u8; 64]) -> io::Result<(Shared, OwnedFd)> + Send) -> [bool; 2] {
    let (left, right) = sides();
    thread::scope(|scope| {
        let dialling = scope.spawn(move || offer_of(&left, "trainer 0", soon(), make).unwrap());
        let answered = answer(&right, soon()).unwrap();
        [dialling.join().unwrap().is_some(), answered.is_some()]
    })
}

#[test]
fn memory_is_shared_where_both_see_the_same() {
    assert_eq!(agree(Shared::create), [true, true]);
}

#[test]
fn without_memory_the_connection_is_left() {
    assert_eq!(agree(|_| Err(io::ErrorKind::OutOfMemory.into())), [false, false]);
}

/// A file that is open under the number which the other side is told, but is not the memory: another one of its kind, no memory,
/// a pipe that nobody writes to.
#[test]
fn what_is_not_our_memory_is_not_used() {
    let lie = |file: OwnedFd| {
        move |nonce: &[u8; 64]| {
            let (shared, _) = Shared::create(nonce)?;
            Ok((shared, file))
        }
    };
    let (_other, file) = Shared::create(&NONCE).unwrap();
    assert_eq!(agree(lie(file)), [false, false]);
    let plain = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
    assert_eq!(agree(lie(plain)), [false, false]);
    let (reads, _writes) = std::io::pipe().unwrap();
    assert_eq!(agree(lie(reads.into())), [false, false]);
}

/// A peer that answers what it has not read is not believed.
#[test]
fn a_peer_that_did_not_read_the_nonce_does_not_share_memory() {
    let (left, right) = sides();
    thread::scope(|scope| {
        let dialling = scope.spawn(move || offer(&left, "trainer 0", soon()).unwrap());
        let _offer: serde_json::Value = crate::handshake::receive(&right, soon()).unwrap();
        let forged = serde_json::json!({"nonce": "0".repeat(64), "why": ""});
        crate::handshake::send(&right, &forged, soon()).unwrap();
        let verdict: serde_json::Value = crate::handshake::receive(&right, soon()).unwrap();
        assert_eq!(verdict["shared"], false);
        assert!(dialling.join().unwrap().is_none());
    });
}

/// Who is killed says nothing, who has said all says so; a byte that is changed on its way is noticed.
#[test]
fn an_encrypted_connection_ends_as_any_other_and_takes_no_changed_byte() {
    for finishes in [true, false] {
        let (from, to) = encrypted();
        from.write_vectored(&[IoSlice::new(&[1, 2])]).unwrap();
        if finishes {
            from.finish_writing().unwrap();
        } else {
            from.disconnect();
        }
        let mut got = [0; 4];
        let mut read = || loop {
            match to.read(&mut got) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(&to, true, false),
                read => break read.unwrap(),
            }
        };
        assert_eq!((read(), read()), (2, 0));
    }
    let (from, to) = encrypted();
    // A record of TLS 1.3 that nobody has sealed.
    from.stream.tcp().write_all(&[23, 3, 3, 0, 20]).unwrap();
    from.stream.tcp().write_all(&[7; 20]).unwrap();
    let error = loop {
        match to.read(&mut [0; 4]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(&to, true, false),
            read => break read.unwrap_err(),
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

/// A call that TLS has decrypted with what was before it is none that poll(2) sees.
#[test]
fn a_call_that_came_with_the_handshakes_last_message_keeps_nobody_awake() {
    let (from, to) = encrypted();
    let (shared, file) = Shared::create(&NONCE).unwrap();
    let (pid, fd) = shared::place(&file);
    let (other, _) = Shared::open(pid, fd).unwrap();
    let (from, to) = (
        Link::new(from.stream, Some(shared)),
        Link::new(to.stream, Some(other)),
    );
    from.stream.write(&[IoSlice::new(&[7, 8])]).unwrap();
    let mut last = [0];
    while is_later(&to.stream.read(&mut [IoSliceMut::new(&mut last)])) {
        thread::yield_now();
    }
    assert_eq!(last, [7]);
    assert!(to.waits_for(true, false).is_none());
    to.woke(false);
    assert!(to.waits_for(true, false).is_some());
    to.woke(false);
    drop(from);
}

#[test]
fn a_file_that_is_not_there_is_no_memory() {
    assert!(Shared::open(u32::MAX, 0).is_err());
}
