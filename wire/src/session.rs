//! The sessions that a server knows, and the proof that each call of one carries.

use crate::auth::Caller;
use candlewick_protocol::keys::{Key, hex};
use std::collections::HashMap;

/// Sessions held at once; the one unused for longest makes room.
const MAX_SESSIONS: usize = 4096;
/// Calls that may overtake each other on their way.
const WINDOW: u64 = 1024;

/// The text that authorises one call: session, counter, MAC.
pub(crate) fn proof(session: &str, key: &Key, method: &str, counter: u64) -> String {
    format!(
        "{session}.{counter}.{}",
        hex(&key.mac(&[b"call", method.as_bytes(), &counter.to_le_bytes()]))
    )
}

/// Which counters of a session were used: the highest, and a bit for each of the 1,024 below it.
#[derive(Debug, Default)]
struct Replay {
    highest: u64,
    used: [u64; (WINDOW / 64) as usize],
}

impl Replay {
    /// Takes `counter`; false where it was used before or is too old to tell.
    fn take(&mut self, counter: u64) -> bool {
        if counter == 0 || counter + WINDOW <= self.highest {
            return false;
        }
        // The bits of counters that the window leaves behind become those of the ones it reaches.
        for reached in (self.highest + 1).max(counter.saturating_sub(WINDOW - 1))..=counter {
            let (word, bit) = Self::place(reached);
            self.used[word] &= !bit;
        }
        self.highest = self.highest.max(counter);
        let (word, bit) = Self::place(counter);
        let fresh = self.used[word] & bit == 0;
        self.used[word] |= bit;
        fresh
    }

    fn place(counter: u64) -> (usize, u64) {
        let at = counter % WINDOW;
        ((at / 64) as usize, 1 << (at % 64))
    }
}

#[derive(Debug)]
struct Session {
    key: Key,
    caller: Caller,
    replay: Replay,
    last_used: u64,
}

/// The table of sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    table: HashMap<String, Session>,
    clock: u64,
}

impl Sessions {
    /// Adds a session; where the table is full the one unused for longest goes.
    pub(crate) fn add(&mut self, id: String, key: Key, caller: Caller) {
        if self.table.len() >= MAX_SESSIONS {
            let oldest = self
                .table
                .iter()
                .min_by_key(|(_, session)| session.last_used)
                .map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                self.table.remove(&oldest);
            }
        }
        self.clock += 1;
        self.table.insert(
            id,
            Session {
                key,
                caller,
                replay: Replay::default(),
                last_used: self.clock,
            },
        );
    }

    /// Checks the text of one call; the error says why it is refused.
    pub(crate) fn check(&mut self, text: &str, method: &str) -> Result<Caller, &'static str> {
        let mut parts = text.split('.');
        let (Some(id), Some(counter), Some(mac), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("its proof has the wrong form");
        };
        let Ok(counter) = counter.parse::<u64>() else {
            return Err("its proof has the wrong form");
        };
        let Some(session) = self.table.get_mut(id) else {
            return Err("its session is not known here; connect again");
        };
        let expected = hex(&session
            .key
            .mac(&[b"call", method.as_bytes(), &counter.to_le_bytes()]));
        if !constant_time_eq::constant_time_eq(expected.as_bytes(), mac.as_bytes()) {
            return Err("its proof does not fit the session and the method");
        }
        // Only now: a stranger must not be able to use up a session's counters.
        if !session.replay.take(counter) {
            return Err("its proof was used before");
        }
        self.clock += 1;
        session.last_used = self.clock;
        Ok(session.caller.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::keys::{JobSecret, Purpose};

    fn key() -> Key {
        JobSecret::from_hex(&"07".repeat(32))
            .unwrap()
            .derive("job", Purpose::Feed)
    }

    fn caller(name: &str) -> Caller {
        Caller {
            client: name.to_owned(),
            purpose: Some(Purpose::Feed),
        }
    }

    #[test]
    fn counters_are_used_once_in_any_near_order() {
        let mut replay = Replay::default();
        assert!(!replay.take(0));
        for counter in [5, 1, 3, 2, 4, 1024, 6, 1030] {
            assert!(replay.take(counter), "{counter}");
            assert!(!replay.take(counter), "{counter} again");
        }
        assert!(!replay.take(6), "outside of the window");
        assert!(replay.take(7), "the last inside of it");
        assert!(replay.take(1_000_000));
        assert!(replay.take(999_999));
        assert!(!replay.take(1030));
        assert!(replay.take(u64::MAX - 1024 * 2));
    }

    #[test]
    fn a_proof_is_good_once_and_for_its_method() {
        let mut sessions = Sessions::default();
        sessions.add("s".into(), key(), caller("a"));
        let first = proof("s", &key(), "DoPut", 1);
        assert_eq!(
            sessions.check(&first, "DoGet").unwrap_err(),
            "its proof does not fit the session and the method"
        );
        assert_eq!(sessions.check(&first, "DoPut").unwrap().client, "a");
        assert_eq!(
            sessions.check(&first, "DoPut").unwrap_err(),
            "its proof was used before"
        );
        for wrong in ["", "s", "s.1", "s.x.y", "s.1.2.3", "t.1.00"] {
            assert!(sessions.check(wrong, "DoPut").is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_keeps_what_is_used() {
        let mut sessions = Sessions::default();
        sessions.add("kept".into(), key(), caller("kept"));
        for at in 0..MAX_SESSIONS as u64 + 10 {
            sessions.add(format!("s{at}"), key(), caller("other"));
            assert!(
                sessions
                    .check(&proof("kept", &key(), "DoPut", at + 1), "DoPut")
                    .is_ok()
            );
        }
        assert_eq!(sessions.table.len(), MAX_SESSIONS);
        assert!(!sessions.table.contains_key("s0"));
    }
}
