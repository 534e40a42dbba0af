//! What bytes of rows cost on their way from tasks to the memory of trainers: tried between threads, over loopback, with what both
//! ends do on that way. A task copies rows into a frame and sends it; a trainer receives it, copies it into memory that it keeps,
//! hashes every row, and once more where the round is sealed. Where connections of the fit are encrypted, these are too.

use candlewick_protocol::Failure;
use candlewick_protocol::row::RowHasher;
use candlewick_tls::rustls::Stream;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Instant;

/// Bytes that are sent in all, and in a frame.
const SENT: usize = 32 << 20;
const FRAME: usize = 128 << 10;
/// Bytes that are encrypted to learn what that takes, and at a time: less than a session buffers.
const CIPHERED: usize = 8 << 20;
const PIECE: usize = 32 << 10;

/// Seconds of a byte, where so many tasks send at the same time, rows of `values` features whose values all count, over TLS or in the
/// clear. None where it cannot be tried.
#[expect(clippy::cast_precision_loss, reason = "a rate with three digits")]
pub(crate) fn seconds_per_byte(tasks: usize, values: usize, tls: bool) -> Option<f64> {
    let tasks = tasks.clamp(1, 64);
    let frames = (SENT / FRAME / tasks).max(1);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let address = listener.local_addr().ok()?;
    let begin = Instant::now();
    // Connected one after the other, so that nobody waits for one that does not come.
    let pair = |_| Ok((TcpStream::connect(address)?, listener.accept()?.0));
    let pairs: Vec<(TcpStream, TcpStream)> = (0..tasks).map(pair).collect::<io::Result<_>>().ok()?;
    let done: io::Result<()> = std::thread::scope(|scope| {
        let begun: Vec<_> = pairs
            .into_iter()
            .flat_map(|(sender, receiver)| {
                [
                    scope.spawn(move || sent(&sender, frames, tls)),
                    scope.spawn(move || received(&receiver, frames, values.max(1), tls)),
                ]
            })
            .collect();
        let lost = || io::Error::other("a thread has panicked");
        begun
            .into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|_| Err(lost())))
    });
    done.ok()?;
    Some(begin.elapsed().as_secs_f64() / (tasks * frames * FRAME) as f64)
}

fn sent(mut tcp: &TcpStream, frames: usize, tls: bool) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    if !tls {
        return send(tcp, frames);
    }
    let mut session = candlewick_tls::client().map_err(io::Error::other)?;
    send(Stream::new(&mut session, &mut tcp), frames)
}

fn received(mut tcp: &TcpStream, frames: usize, values: usize, tls: bool) -> io::Result<()> {
    if !tls {
        return receive(tcp, frames, values);
    }
    let mut session = candlewick_tls::server().map_err(io::Error::other)?;
    receive(Stream::new(&mut session, &mut tcp), frames, values)
}

fn send(mut stream: impl Write, frames: usize) -> io::Result<()> {
    let (rows, mut frame) = (vec![0x3f; FRAME], Vec::with_capacity(FRAME));
    for _ in 0..frames {
        frame.clear();
        frame.extend_from_slice(&rows);
        stream.write_all(&frame)?;
    }
    stream.flush()
}

/// Seconds in which a byte is encrypted by one end and decrypted by the other, one after the other as on a thread that does both.
///
/// # Errors
/// `Internal` where TLS cannot be set up.
#[expect(clippy::cast_precision_loss, reason = "a rate with three digits")]
pub(crate) fn cipher_seconds_per_byte() -> Result<f64, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::internal(format!("TLS cannot be tried: {error}"));
    let (mut client, mut server) = (candlewick_tls::client()?, candlewick_tls::server()?);
    let mut carried = Vec::with_capacity(2 * FRAME);
    let mut step = |bytes: &[u8]| -> io::Result<()> {
        client.writer().write_all(bytes)?;
        while client.wants_write() || server.wants_write() {
            carried.clear();
            client.write_tls(&mut carried)?;
            let mut rest = carried.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest)?;
                let state = server.process_new_packets().map_err(io::Error::other)?;
                let waiting = state.plaintext_bytes_to_read() as u64;
                io::copy(&mut server.reader().take(waiting), &mut io::sink())?;
            }
            carried.clear();
            server.write_tls(&mut carried)?;
            client.read_tls(&mut carried.as_slice())?;
            client.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    };
    // The handshake, and what is done for the first time.
    let piece = vec![0x3f; PIECE];
    step(&piece).map_err(|error| failed(&error))?;
    let begin = Instant::now();
    for _ in 0..CIPHERED / PIECE {
        step(&piece).map_err(|error| failed(&error))?;
    }
    Ok(begin.elapsed().as_secs_f64() / CIPHERED as f64)
}

fn receive(mut stream: impl Read, frames: usize, values: usize) -> io::Result<()> {
    let (mut hasher, mut frame) = (RowHasher::default(), vec![0; FRAME]);
    let mut hash = |rows: &[f32]| {
        let all = rows
            .chunks(values)
            .map(|row| hasher.hash(row, &[1.0], 1.0, false));
        all.fold(0u128, u128::wrapping_add)
    };
    let (mut kept, mut sum) = (Vec::with_capacity(frames), 0u128);
    for _ in 0..frames {
        stream.read_exact(&mut frame)?;
        let (values, _) = frame.as_chunks::<4>();
        let rows: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
        sum = sum.wrapping_add(hash(&rows));
        kept.push(rows);
    }
    let again = kept.iter().map(|rows| hash(rows)).fold(0, u128::wrapping_add);
    if again == sum {
        Ok(())
    } else {
        Err(io::Error::other("rows have changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_time_whatever_rows_they_are() {
        for (tasks, values, tls) in [(1, 1, false), (3, 784, false), (2, 1_000_000, true)] {
            let seconds = seconds_per_byte(tasks, values, tls).unwrap();
            assert!((1e-13..1e-4).contains(&seconds), "{seconds}");
        }
    }

    #[test]
    fn encrypting_takes_time() {
        let seconds = cipher_seconds_per_byte().unwrap();
        assert!((1e-12..1e-5).contains(&seconds), "{seconds}");
    }
}
