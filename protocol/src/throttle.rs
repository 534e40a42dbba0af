//! Log lines that a stranger can cause are limited, so that nobody fills a disk with them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one window.
const BURST: u32 = 32;
/// Length of a window.
const WINDOW: Duration = Duration::from_secs(10);

/// Lets 32 lines through in 10 seconds and counts the others.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    began: Option<Instant>,
    admitted: u32,
    suppressed: u64,
}

impl Throttle {
    /// One that has let nothing through yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a line may be logged at this time. `Some` is the number of lines that were left out since the last one
    /// that was not; the line should tell it.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= WINDOW)
        {
            (state.began, state.admitted) = (Some(now), 0);
        }
        if state.admitted == BURST {
            state.suppressed += 1;
            return None;
        }
        state.admitted += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_window_tells_what_was_left_out() {
        let (throttle, begin) = (Throttle::new(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(throttle.admit(begin), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(throttle.admit(begin + WINDOW / 2), None);
        }
        assert_eq!(throttle.admit(begin + WINDOW), Some(1000));
        assert_eq!(throttle.admit(begin + WINDOW), Some(0));
    }
}
