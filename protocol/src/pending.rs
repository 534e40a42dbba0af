//! Connections that have yet to prove themselves: how many there may be, and which one makes room for another.

use crate::auth::MAX_PENDING;
use std::collections::HashMap;
use std::net::IpAddr;

/// Connections of a listener that have yet to prove themselves, at most [`MAX_PENDING`].
///
/// A new connection is never kept waiting: where there are too many, the oldest one of the address that has most gives
/// way. So whoever opens connections and says nothing displaces its own ones first.
#[derive(Debug)]
pub struct Pending<T> {
    /// Oldest first.
    waiting: Vec<(u64, IpAddr, T)>,
    next: u64,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Pending {
            waiting: Vec::new(),
            next: 0,
        }
    }
}

impl<T> Pending<T> {
    /// Adds a connection from an address. Returns the number by which it is known here, and the connection that must be
    /// closed to make room, with its address.
    pub fn add(&mut self, from: IpAddr, connection: T) -> (u64, Option<(IpAddr, T)>) {
        let id = self.next;
        self.next += 1;
        self.waiting.push((id, from, connection));
        if self.waiting.len() <= MAX_PENDING {
            return (id, None);
        }
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (_, address, _) in &self.waiting {
            *counts.entry(*address).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or(0);
        let first = self
            .waiting
            .iter()
            .position(|(_, address, _)| counts[address] == most);
        let displaced = first.map(|at| self.waiting.remove(at));
        (
            id,
            displaced.map(|(_, address, connection)| (address, connection)),
        )
    }

    /// Takes a connection out, once it has proved itself or ended. `None` where it was displaced.
    pub fn remove(&mut self, id: u64) -> Option<T> {
        let at = self.waiting.iter().position(|(waiting, ..)| *waiting == id)?;
        Some(self.waiting.remove(at).2)
    }

    /// Connections that have yet to prove themselves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True where there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));
    const QUIET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn the_oldest_of_the_address_with_most_gives_way() {
        let mut pending = Pending::default();
        let (quiet, none) = pending.add(QUIET, 1000);
        assert_eq!(none, None);
        let ids: Vec<u64> = (0..MAX_PENDING - 1).map(|at| pending.add(NOISY, at).0).collect();
        assert_eq!(pending.add(NOISY, 63).1, Some((NOISY, 0)));
        assert_eq!(pending.add(QUIET, 1001).1, Some((NOISY, 1)));
        assert_eq!(pending.len(), MAX_PENDING);
        assert_eq!(pending.remove(ids[0]), None, "it was displaced");
        assert_eq!(pending.remove(quiet), Some(1000));
        assert_eq!(pending.add(NOISY, 64).1, None);
    }

    #[test]
    fn among_equals_the_oldest_gives_way() {
        let mut pending = Pending::default();
        let address = |at: usize| IpAddr::from([10, 1, 0, u8::try_from(at).unwrap()]);
        for at in 0..MAX_PENDING {
            assert_eq!(pending.add(address(at), at).1, None);
        }
        assert_eq!(pending.add(QUIET, 99).1, Some((address(0), 0)));
    }
}
