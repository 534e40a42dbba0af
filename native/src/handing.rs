//! What bytes of rows cost on their way from tasks to the memory of trainers: tried between threads, over loopback, with what both
//! ends do on that way. A task copies rows into a frame and sends it; a trainer receives it, copies it into memory that it keeps,
//! hashes every row, and once more where the round is sealed.

use candlewick_protocol::row::RowHasher;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Instant;

/// Bytes that are sent in all, and in a frame.
const SENT: usize = 32 << 20;
const FRAME: usize = 128 << 10;

/// Seconds of a byte, where so many tasks send at the same time, rows of `values` features whose values all count. None where it
/// cannot be tried.
#[expect(clippy::cast_precision_loss, reason = "a rate with three digits")]
pub(crate) fn seconds_per_byte(tasks: usize, values: usize) -> Option<f64> {
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
                    scope.spawn(move || send(sender, frames)),
                    scope.spawn(move || receive(receiver, frames, values.max(1))),
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

fn send(mut stream: TcpStream, frames: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (rows, mut frame) = (vec![0x3f; FRAME], Vec::with_capacity(FRAME));
    for _ in 0..frames {
        frame.clear();
        frame.extend_from_slice(&rows);
        stream.write_all(&frame)?;
    }
    Ok(())
}

fn receive(mut stream: TcpStream, frames: usize, values: usize) -> io::Result<()> {
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
        for (tasks, values) in [(1, 1), (3, 784), (2, 1_000_000)] {
            let seconds = seconds_per_byte(tasks, values).unwrap();
            assert!((1e-13..1e-4).contains(&seconds), "{seconds}");
        }
    }
}
