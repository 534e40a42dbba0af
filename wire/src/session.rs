//! The sessions that a server knows, and the token that each call of one carries.

use crate::connection::Liveness;
use candlewick_protocol::keys::{Key, Purpose, hex};
use candlewick_protocol::{ErrorKind, Failure};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;

/// Sessions held at once. Those whose connection has ended make room, never one that lives.
pub(crate) const MAX_SESSIONS: usize = 4096;
/// Calls that may overtake each other on their way.
const WINDOW: u64 = 1024;

/// Who called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its id; empty for a bearer token.
    pub client: String,
    /// What it came for; `None` for a bearer token.
    pub purpose: Option<Purpose>,
}

/// Last message of the handshake.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) session: String,
}

/// The text that authorises one call: session, counter, MAC. It is good once.
pub(crate) fn call_token(session: &str, key: &Key, method: &str, counter: u64) -> String {
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
    /// Of the connection that used it last.
    connection: Option<Liveness>,
}

impl Session {
    fn is_over(&self) -> bool {
        self.connection
            .as_ref()
            .is_none_or(|connection| !connection.is_open())
    }
}

/// Every session has a connection that lives, and there are as many as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MAX_SESSIONS} clients are connected to this server, as many as it serves at once; once one has gone, trying \
             again helps"
        )
    }
}

/// The table of sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    table: HashMap<String, Session>,
    clock: u64,
}

impl Sessions {
    /// Adds a session; where the table is full, the one goes that is unused for longest of those whose connection ended.
    ///
    /// # Errors
    /// [`Full`] where every session has a connection that lives.
    pub(crate) fn add(
        &mut self,
        id: String,
        (key, caller): (Key, Caller),
        connection: Option<Liveness>,
    ) -> Result<(), Full> {
        if self.table.len() >= MAX_SESSIONS {
            let over = self.table.iter().filter(|(_, session)| session.is_over());
            let oldest = over
                .min_by_key(|(_, session)| session.last_used)
                .map(|(id, _)| id.clone());
            self.table.remove(&oldest.ok_or(Full)?);
        }
        self.clock += 1;
        self.table.insert(
            id,
            Session {
                key,
                caller,
                replay: Replay::default(),
                last_used: self.clock,
                connection,
            },
        );
        Ok(())
    }

    /// Checks the token of one call, which came by `connection`.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason; `Unavailable` for a session that is not known (any more): to connect again
    /// helps.
    pub(crate) fn check(
        &mut self,
        token: &str,
        method: &str,
        connection: Option<Liveness>,
    ) -> Result<Caller, Failure> {
        let refused = |reason: &str| Err(Failure::new(ErrorKind::Unauthenticated, reason));
        let mut parts = token.split('.');
        let (Some(id), Some(counter), Some(mac), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return refused("its call token has the wrong form");
        };
        let Ok(counter) = counter.parse::<u64>() else {
            return refused("its call token has the wrong form");
        };
        let Some(session) = self.table.get_mut(id) else {
            return Err(Failure::unavailable(
                "its session is not known here; connect again",
            ));
        };
        let expected = hex(&session
            .key
            .mac(&[b"call", method.as_bytes(), &counter.to_le_bytes()]));
        if !constant_time_eq::constant_time_eq(expected.as_bytes(), mac.as_bytes()) {
            return refused("its call token does not fit the session and the method");
        }
        // Only now: a stranger must not be able to use up a session's counters.
        if !session.replay.take(counter) {
            return refused("its call token was used before");
        }
        self.clock += 1;
        session.last_used = self.clock;
        session.connection = connection;
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
            .derive("job", Purpose::Feed, false)
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
    fn a_token_is_good_once_and_for_its_method() {
        let mut sessions = Sessions::default();
        sessions.add("s".into(), (key(), caller("a")), None).unwrap();
        let first = call_token("s", &key(), "DoPut", 1);
        let mut check = |token: &str, method: &str| sessions.check(token, method, None);
        assert_eq!(
            check(&first, "DoGet").unwrap_err().message,
            "its call token does not fit the session and the method"
        );
        assert_eq!(check(&first, "DoPut").unwrap().client, "a");
        assert_eq!(
            check(&first, "DoPut").unwrap_err().message,
            "its call token was used before"
        );
        for wrong in ["", "s", "s.1", "s.x.y", "s.1.2.3"] {
            assert_eq!(
                check(wrong, "DoPut").unwrap_err().kind,
                ErrorKind::Unauthenticated,
                "{wrong}"
            );
        }
        assert_eq!(
            check("t.1.00", "DoPut").unwrap_err().kind,
            ErrorKind::Unavailable,
            "a session that was forgotten"
        );
    }

    #[test]
    fn sessions_that_are_over_make_room_and_live_ones_never() {
        let mut sessions = Sessions::default();
        let (live, ended) = (Liveness::new(), Liveness::new());
        ended.end();
        let mut add = |name: String, connection: &Liveness| {
            sessions.add(name, (key(), caller("x")), Some(connection.clone()))
        };
        add("ended 0".into(), &ended).unwrap();
        add("ended 1".into(), &ended).unwrap();
        for at in 2..MAX_SESSIONS {
            add(format!("live {at}"), &live).unwrap();
        }
        add("new 0".into(), &live).unwrap();
        add("new 1".into(), &live).unwrap();
        assert_eq!(add("new 2".into(), &live), Err(Full));
        assert_eq!(sessions.table.len(), MAX_SESSIONS);
        assert!(!sessions.table.keys().any(|name| name.starts_with("ended")));
        for name in ["live 2", "new 1"] {
            let token = call_token(name, &key(), "DoPut", 1);
            assert!(sessions.check(&token, "DoPut", Some(live.clone())).is_ok());
        }
    }
}
