//! The events of a job, none of which gets lost.

use serde_json::Value;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Every event of a job in the order they came. A wait takes the first one that it wants and leaves the others to later
/// waits, so it does not matter how fast a job is.
#[derive(Debug, Default)]
pub struct EventLog {
    events: RefCell<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    event: Value,
    taken: bool,
}

impl EventLog {
    /// Takes the first event that `wanted` accepts; `poll` waits for the next event for at most so long, `what` names
    /// what is waited for.
    ///
    /// Fails at once where the job has ended without it, and after `limit`.
    pub fn take(
        &self,
        what: &str,
        limit: Duration,
        poll: impl Fn(Duration) -> Option<String>,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let deadline = Instant::now() + limit;
        let mut next = Duration::ZERO;
        loop {
            let polled = poll(next).map(|text| serde_json::from_str(&text).unwrap());
            let nothing_came = polled.is_none();
            let mut events = self.events.borrow_mut();
            events.extend(polled.map(|event| Entry { event, taken: false }));
            let found = events
                .iter_mut()
                .find(|entry| !entry.taken && wanted(&entry.event));
            if let Some(entry) = found {
                entry.taken = true;
                return Ok(entry.event.clone());
            }
            // Nothing follows the end of a job; all that came before it is in the log.
            let end = events
                .iter()
                .find(|entry| ["failed", "done"].iter().any(|end| entry.event["event"] == *end));
            match end {
                Some(end) if nothing_came => {
                    return Err(format!(
                        "waiting for {what}, but the job has ended: {}",
                        end.event
                    ));
                }
                _ if Instant::now() >= deadline => return Err(format!("no {what} within {limit:?}")),
                _ => next = Duration::from_millis(100),
            }
        }
    }

    /// Takes in all that has come.
    pub fn drain(&self, poll: impl Fn(Duration) -> Option<String>) {
        while let Some(text) = poll(Duration::ZERO) {
            let event = serde_json::from_str(&text).unwrap();
            self.events.borrow_mut().push(Entry { event, taken: false });
        }
    }

    /// All events of a name, taken or not.
    pub fn all(&self, name: &str) -> Vec<Value> {
        let events = self.events.borrow();
        let named = events.iter().filter(|entry| entry.event["event"] == name);
        named.map(|entry| entry.event.clone()).collect()
    }
}
