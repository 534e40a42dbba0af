//! The bounded queue of events between the coordinator's threads and the driver that polls.

use crate::command::Event;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Events kept for a driver that does not poll.
const CAPACITY: usize = 1024;

/// Events in order. When full, optional events are left out, never those the driver waits for.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    events: Mutex<VecDeque<Event>>,
    arrived: Condvar,
}

impl EventQueue {
    pub(crate) fn push(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= CAPACITY {
            if event.is_optional() {
                return;
            }
            // Room for what matters: the oldest optional event goes.
            if let Some(at) = events.iter().position(Event::is_optional) {
                events.remove(at);
            }
        }
        events.push_back(event);
        self.arrived.notify_one();
    }

    /// The next event, waited for up to `timeout`.
    pub(crate) fn poll(&self, timeout: Duration) -> Option<Event> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut events, _) = self
            .arrived
            .wait_timeout_while(events, timeout, |events| events.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::Failure;

    #[test]
    fn a_full_queue_keeps_what_the_driver_waits_for() {
        let queue = EventQueue::default();
        for line in 0..2 * CAPACITY {
            queue.push(Event::Log {
                message: line.to_string(),
            });
        }
        let failed = Event::Failed {
            failure: Failure::internal("x"),
        };
        queue.push(failed.clone());
        let mut seen = Vec::new();
        while let Some(event) = queue.poll(Duration::ZERO) {
            seen.push(event);
        }
        assert_eq!(seen.len(), CAPACITY);
        assert_eq!(seen.last(), Some(&failed));
        assert_eq!(seen[0], Event::Log { message: "1".into() });
    }
}
