//! What a trainer logs at WARN and above goes to its coordinator too: the driver's log is where a user looks.

use std::fmt::{self, Write};
use std::sync::OnceLock;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Longest line that is passed on, characters.
const LONGEST: usize = 2_000;

type Tell = Box<dyn Fn(bool, String) + Send + Sync>;

static TELL: OnceLock<Tell> = OnceLock::new();

/// From now on lines are passed to `tell`, with true for an error. It must neither wait nor log. The first call counts.
pub(crate) fn pass_to(tell: impl Fn(bool, String) + Send + Sync + 'static) {
    let _ = TELL.set(Box::new(tell));
}

/// See the module.
pub(crate) struct PassOn;

impl<S: Subscriber> Layer<S> for PassOn {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        let Some(tell) = TELL.get().filter(|_| level <= Level::WARN) else {
            return;
        };
        let mut line = Line::default();
        event.record(&mut line);
        let text = line.message + &line.fields;
        tell(level == Level::ERROR, text.chars().take(LONGEST).collect());
    }
}

/// The message of an event, and its other fields after it.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A String can always be written to.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn warnings_and_errors_are_passed_on_with_their_fields_and_nothing_else() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        pass_to(move |error, line| into.lock().unwrap().push((error, line)));
        let subscriber = tracing_subscriber::registry().with(PassOn);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("not this");
            tracing::warn!(remote = 7, "a call was refused");
            tracing::error!("{}", "x".repeat(3 * LONGEST));
        });
        let heard = heard.lock().unwrap();
        assert_eq!(heard[0], (false, "a call was refused remote=7".to_owned()));
        assert_eq!((heard[1].0, heard[1].1.len(), heard.len()), (true, LONGEST, 2));
    }
}
