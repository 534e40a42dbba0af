//! One connection per (job, trainer) in a JVM, shared by all its feed tasks.

use candlewick_protocol::Failure;
use candlewick_protocol::feed::Owner;
use candlewick_protocol::keys::{Key, Purpose};
use candlewick_wire::{Client, Identity};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long a connection stays open after its last feeder: tasks of a job follow each other at once.
const LINGER: Duration = Duration::from_secs(5);

/// Whom a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    job: String,
    trainer: String,
    host: String,
    port: u16,
}

type Cell = Arc<OnceCell<Client>>;

/// A connection and the tasks that share it.
#[derive(Debug, Default)]
struct Entry {
    cell: Cell,
    leases: usize,
    /// Since when there is none.
    idle: Option<Instant>,
}

/// So many targets that did not answer are remembered, the latest: a round of a job has but a few.
const GIVEN_UP: usize = 256;

/// Targets that did not answer, and the feed rounds in which they did not: the other tasks of the round need not wait too.
static LOST: Mutex<VecDeque<(Target, u32)>> = Mutex::new(VecDeque::new());

/// The connections of a process.
#[derive(Debug, Default)]
struct Pool(Mutex<Option<HashMap<Target, Entry>>>);

static POOL: Pool = Pool(Mutex::new(None));

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<Target, Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self, target: &Target) -> Cell {
        let mut open = self.lock();
        let entry = open.get_or_insert_default().entry(target.clone()).or_default();
        // One that broke while nobody used it is no trainer that is lost.
        if entry.leases == 0 && entry.cell.get().is_some_and(Client::is_over) {
            entry.cell = Cell::default();
        }
        entry.leases += 1;
        entry.idle = None;
        Arc::clone(&entry.cell)
    }

    /// Gives a lease back; true where it was the last one.
    fn release(&self, target: &Target, cell: &Cell, now: Instant) -> bool {
        let mut open = self.lock();
        let entry = open.as_mut().and_then(|open| open.get_mut(target));
        // Another entry has taken the place of one that was discarded.
        let Some(entry) = entry.filter(|entry| Arc::ptr_eq(&entry.cell, cell)) else {
            return false;
        };
        entry.leases -= 1;
        if entry.leases == 0 {
            entry.idle = Some(now);
        }
        entry.leases == 0
    }

    /// Closes the connections that nobody has used for [`LINGER`].
    fn close_idle(&self, now: Instant) {
        let idle = |entry: &Entry| {
            entry
                .idle
                .is_some_and(|since| now.saturating_duration_since(since) >= LINGER)
        };
        if let Some(open) = self.lock().as_mut() {
            open.retain(|_, entry| !idle(entry));
        }
    }

    /// Forgets a connection; those that share it keep it until they end.
    fn discard(&self, target: &Target, cell: &Cell) {
        if let Some(open) = self.lock().as_mut()
            && open
                .get(target)
                .is_some_and(|entry| Arc::ptr_eq(&entry.cell, cell))
        {
            open.remove(target);
        }
    }
}

/// A task's share of a connection.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    cell: Cell,
}

impl Connection {
    /// The share; connects nowhere yet.
    #[must_use]
    pub fn to(job: &str, owner: &Owner) -> Connection {
        let target = Target {
            job: job.to_owned(),
            trainer: owner.trainer.clone(),
            host: owner.host.clone(),
            port: owner.port,
        };
        let cell = POOL.lease(&target);
        Connection { target, cell }
    }

    /// The client. The first to ask connects, others wait for it.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn client(&self, client: String, key: &Key, timeout: Duration) -> Result<Client, Failure> {
        let Target {
            job,
            trainer,
            host,
            port,
        } = &self.target;
        let identity = Identity {
            job: job.clone(),
            client,
            server: trainer.clone(),
            key: key.clone(),
            purpose: Purpose::Feed,
        };
        self.cell
            .get_or_try_init(|| Client::connect(host, *port, &identity, timeout))
            .await
            .cloned()
    }

    /// Nobody in this process shall wait for it again in a feed round.
    pub fn give_up(&self, round: u32) {
        if self.is_given_up(round) {
            return;
        }
        let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        lost.push_back((self.target.clone(), round));
        if lost.len() > GIVEN_UP {
            lost.pop_front();
        }
    }

    /// Whether somebody has given it up in a feed round.
    #[must_use]
    pub fn is_given_up(&self, round: u32) -> bool {
        let lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        lost.iter()
            .any(|(target, of)| *of == round && *target == self.target)
    }

    /// Takes the connection out of the cache, so that the next task makes a new one.
    pub fn discard(&self) {
        POOL.discard(&self.target, &self.cell);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !POOL.release(&self.target, &self.cell, Instant::now()) {
            return;
        }
        match crate::runtime::shared() {
            Ok(runtime) => {
                runtime.spawn(async {
                    tokio::time::sleep(LINGER).await;
                    POOL.close_idle(Instant::now());
                });
            }
            // Without threads there is nobody to close it later.
            Err(_) => POOL.discard(&self.target, &self.cell),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    fn target(port: u16) -> Target {
        Target {
            job: "j".into(),
            trainer: "t".into(),
            host: "h".into(),
            port,
        }
    }

    #[test]
    fn shares_given_back_at_once_leave_nothing_open() {
        let (pool, barrier, now) = (Pool::default(), Barrier::new(2), Instant::now());
        for port in 0..200 {
            let lasts: usize = std::thread::scope(|scope| {
                let shares = [0, 1].map(|_| {
                    let cell = pool.lease(&target(port));
                    let (pool, barrier) = (&pool, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        usize::from(pool.release(&target(port), &cell, now))
                    })
                });
                shares.map(|share| share.join().unwrap()).iter().sum()
            });
            assert_eq!(lasts, 1, "one of the two is the last");
        }
        pool.close_idle(now);
        assert_eq!(pool.lock().as_ref().unwrap().len(), 200, "they linger");
        pool.close_idle(now + LINGER);
        assert!(pool.lock().as_ref().unwrap().is_empty());
    }

    #[test]
    fn a_connection_taken_up_again_stays_and_a_discarded_one_is_replaced() {
        let (pool, now) = (Pool::default(), Instant::now());
        let first = pool.lease(&target(1));
        assert!(pool.release(&target(1), &first, now));
        let second = pool.lease(&target(1));
        assert!(Arc::ptr_eq(&first, &second));
        pool.close_idle(now + LINGER);
        let shared = pool.lease(&target(1));
        assert!(Arc::ptr_eq(&second, &shared), "it was closed while in use");
        assert!(!pool.release(&target(1), &shared, now));
        pool.discard(&target(1), &second);
        let third = pool.lease(&target(1));
        assert!(!Arc::ptr_eq(&second, &third));
        assert!(!pool.release(&target(1), &second, now), "it is not in the pool");
        assert!(pool.release(&target(1), &third, now));
    }
}
