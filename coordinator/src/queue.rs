//! The bounded queue of events between the coordinator's threads and the driver that polls.

use crate::command::Event;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Events kept for a driver that does not poll, optional ones included.
const CAPACITY: usize = 1024;
/// Events kept that are not optional: far more than a driver that polls ever lets wait.
pub(crate) const LIMIT: usize = 64 * CAPACITY;

/// The driver has not taken its events for so long that there is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// How many of them are optional.
    optional: usize,
}

/// Events in order. When full, optional events are left out, never those the driver waits for; the end of the job always
/// has room.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl EventQueue {
    /// Adds an event.
    ///
    /// # Errors
    /// [`Overflow`] where there is no room for it.
    pub(crate) fn push(&self, event: Event) -> Result<(), Overflow> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { events, optional } = &mut *waiting;
        if events.len() >= CAPACITY {
            if event.is_optional() {
                return Ok(());
            }
            // Room for what matters: the oldest optional event goes.
            if *optional > 0
                && let Some(at) = events.iter().position(Event::is_optional)
            {
                events.remove(at);
                *optional -= 1;
            }
        }
        if events.len() >= LIMIT && !event.ends_the_job() {
            return Err(Overflow);
        }
        *optional += usize::from(event.is_optional());
        events.push_back(event);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next event, waited for up to `timeout`.
    pub(crate) fn poll(&self, timeout: Duration) -> Option<Event> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut waiting, _) = self
            .arrived
            .wait_timeout_while(waiting, timeout, |waiting| waiting.events.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let event = waiting.events.pop_front()?;
        waiting.optional -= usize::from(event.is_optional());
        Some(event)
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
            queue
                .push(Event::Log {
                    message: line.to_string(),
                })
                .unwrap();
        }
        let failed = Event::Failed {
            failure: Failure::internal("x"),
        };
        queue.push(failed.clone()).unwrap();
        let mut seen = Vec::new();
        while let Some(event) = queue.poll(Duration::ZERO) {
            seen.push(event);
        }
        assert_eq!(seen.len(), CAPACITY);
        assert_eq!(seen.last(), Some(&failed));
        assert_eq!(seen[0], Event::Log { message: "1".into() });
    }

    #[test]
    fn a_driver_that_takes_nothing_does_not_fill_the_memory() {
        let queue = EventQueue::default();
        let lost = |at: usize| Event::Lost {
            trainer: at.to_string(),
            why: String::new(),
        };
        for at in 0..LIMIT {
            queue.push(lost(at)).unwrap();
        }
        assert_eq!(queue.push(lost(LIMIT)), Err(Overflow));
        let failed = Event::Failed {
            failure: Failure::internal("x"),
        };
        assert_eq!(queue.push(failed.clone()), Ok(()));
        let seen: Vec<Event> = std::iter::from_fn(|| queue.poll(Duration::ZERO)).collect();
        assert_eq!((seen.len(), seen.last()), (LIMIT + 1, Some(&failed)));
    }
}
