//! Where the computing thread of a round and the one that exchanges meet, and what the latter does.
//!
//! Exchanges are sums of all trainers, one after another, in which each has what it has: those threads wait for each other, the
//! computing ones do not. So there is one order of frames, and the deadlines and names are those of any exchange. An exchange begins
//! when there is something new, or after a moment: another trainer may have something.

use super::Board;
use super::board::Sent;
use crate::train::{Interrupt, Reduce};
use candlewick_protocol::Failure;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a trainer that has nothing new waits before it asks the others.
const PAUSE: Duration = Duration::from_millis(5);
/// How often a wait looks at its deadline.
const GLANCE: Duration = Duration::from_millis(20);
/// Exchanges without an update of somebody after which his silence is his own, and not that of the network.
const HEARD: u64 = 2;

#[derive(Debug)]
struct Inner {
    board: Board,
    /// The computing thread wants no more exchanges.
    stopped: bool,
    /// The thread that exchanges has ended.
    ended: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    moved: Condvar,
}

/// Why a wait is in vain.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The thread that exchanges says why.
    Exchange,
    /// A trainer, by its number among those that own shards, makes no step, for so long.
    Silent(usize, Duration),
}

impl Desk {
    pub(crate) fn new(board: Board) -> Self {
        Desk {
            inner: Mutex::new(Inner {
                board,
                stopped: false,
                ended: false,
            }),
            moved: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the board, or changes it.
    pub(crate) fn with<T>(&self, at: impl FnOnce(&mut Board) -> T) -> T {
        let done = at(&mut self.lock().board);
        self.moved.notify_all();
        done
    }

    /// The board, after both threads are done.
    pub(crate) fn into_board(self) -> Board {
        let inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        inner.board
    }

    /// No further exchange begins.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.moved.notify_all();
    }

    /// Waits until the board is as it has to be; how long that took. A trainer that makes no step for `patience` while this one
    /// waits is silent. `waits` is told that this one only waits, as long as exchanges go on.
    pub(crate) fn wait(
        &self,
        patience: Duration,
        waits: &dyn Fn(),
        ready: impl Fn(&Board) -> bool,
    ) -> Result<Duration, Stopped> {
        let began = Instant::now();
        let mut inner = self.lock();
        let mut since = (began, inner.board.slowest(), inner.board.exchanges());
        let mut told = inner.board.exchanges();
        while !ready(&inner.board) {
            if inner.ended {
                return Err(Stopped::Exchange);
            }
            let (now, slowest) = (Instant::now(), inner.board.slowest());
            if slowest != since.1 {
                since = (now, slowest, inner.board.exchanges());
            }
            let silence = now.duration_since(since.0);
            let exchanges = inner.board.exchanges();
            if exchanges > told {
                told = exchanges;
                waits();
            }
            let heard = exchanges >= since.2 + HEARD;
            if let (Some((who, _)), true) = (slowest, heard && silence >= patience) {
                return Err(Stopped::Silent(who, silence));
            }
            let waited = self.moved.wait_timeout(inner, GLANCE);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(began.elapsed())
    }

    /// The next exchange; `None` where no more is wanted.
    fn next(&self) -> Result<Option<Sent>, Failure> {
        let end = Instant::now() + PAUSE;
        let mut inner = self.lock();
        loop {
            if inner.stopped {
                return Ok(None);
            }
            let left = end.saturating_duration_since(Instant::now());
            if inner.board.has_news() || left.is_zero() {
                return inner.board.send().map(Some);
            }
            let waited = self.moved.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Wakes who waits, however the thread ends.
struct Ends<'a>(&'a Desk);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.moved.notify_all();
    }
}

/// Exchanges until all updates of the round, whose last step is `step`, are everywhere, or no more is wanted; how long it
/// exchanged.
pub(crate) fn carry(
    desk: &Desk,
    reduce: &mut dyn Reduce,
    step: u64,
    length: usize,
) -> Result<Duration, Interrupt> {
    let _ends = Ends(desk);
    let (mut sum, mut took, mut number) = (vec![0.0; length], Duration::ZERO, 0u32);
    while let Some(sent) = desk.next()? {
        let began = Instant::now();
        // Frames carry the number: those of two exchanges are not taken for each other (I1).
        reduce.part(number);
        let told: Vec<_> = sent.told.into_iter().collect();
        let reduced = reduce.sum(step, &told, &sent.nodes, (&mut sum, &mut []))?;
        drop(sent.nodes);
        took += began.elapsed();
        let over = desk.with(|board| {
            board.receive(reduced.present.then_some(sum.as_slice()), &reduced.scalars);
            board.is_over()
        });
        if over {
            break;
        }
        number = number.wrapping_add(1);
    }
    reduce.part(0);
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::SingleProcess;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn board(staleness: u32, ranks: usize) -> Board {
        Board::new((staleness, 3), (0, ranks), (0..2, 2), &[1.0])
    }

    fn step(desk: &Desk) {
        desk.with(|board| {
            board.step(|pending| {
                pending[0] += 1.0;
                true
            })
        });
    }

    #[test]
    fn the_thread_exchanges_until_all_is_everywhere() {
        let desk = Desk::new(board(1, 1));
        let took = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let mut alone = SingleProcess { logical_shards: 2 };
                carry(&desk, &mut alone, 2, 1)
            });
            for _ in 0..3 {
                desk.wait(Duration::MAX, &|| {}, Board::may_begin).unwrap();
                step(&desk);
            }
            desk.wait(Duration::MAX, &|| {}, Board::is_over).unwrap();
            thread.join().unwrap()
        });
        assert!(took.unwrap() > Duration::ZERO);
        assert_eq!(desk.into_board().agreed(), [4.0]);
    }

    #[test]
    fn who_makes_no_step_while_exchanges_go_on_is_silent_and_named() {
        let desk = Desk::new(board(0, 3));
        step(&desk);
        // Nothing was exchanged: nobody is to blame but the links, which have deadlines of their own.
        let told = [Some(vec![1.0]), None, Some(vec![1.0]), Some(vec![0.0])];
        let waited = AtomicU64::new(0);
        let silent = std::thread::scope(|scope| {
            scope.spawn(|| {
                while let Some(sent) = desk.next().unwrap() {
                    drop(sent);
                    desk.with(|board| board.receive(None, &told));
                }
            });
            let waits = || _ = waited.fetch_add(1, Ordering::Relaxed);
            let silent = desk.wait(Duration::ZERO, &waits, Board::may_begin).unwrap_err();
            desk.stop();
            silent
        });
        assert!(matches!(silent, Stopped::Silent(2, _)), "{silent:?}");
        // It got on, as long as exchanges did.
        assert!(waited.into_inner() > 0);
    }

    #[test]
    fn a_wait_ends_with_the_thread_that_exchanges() {
        let desk = Desk::new(board(0, 2));
        step(&desk);
        drop(Ends(&desk));
        let stopped = desk.wait(Duration::MAX, &|| {}, Board::may_begin).unwrap_err();
        assert!(matches!(stopped, Stopped::Exchange));
        desk.stop();
        assert!(desk.next().unwrap().is_none());
    }
}
