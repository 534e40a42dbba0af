//! The one way from Java into native code: every export runs its body here.
//!
//! A body returns `Result`. A [`Failure`] becomes the Java exception of its kind, a panic a `NativePanicException` with
//! message, place and backtrace, and a Java exception raised by a callback passes through as it is. Whatever happens, the
//! JVM goes on.

use candlewick_protocol::Failure;
use jni::errors::{Error, ErrorPolicy, JniError};
use jni::objects::{JString, JThrowable};
use jni::strings::{JNIStr, JNIString};
use jni::{Env, EnvUnowned, jni_sig, jni_str};
use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::sync::Once;

/// The JVM refused an array or a text.
const NO_HEAP: &str = "the heap of this JVM is full: it has no room for what native code passes on; raise spark.driver.memory \
    (spark.executor.memory where an executor says so), and see \"Memory of large models\" in the user guide";

/// Why an export does not return a value.
#[derive(Debug)]
pub enum Thrown {
    /// Becomes the exception of its kind.
    Failure(Failure),
    /// A handle or object is used in a state it does not allow: `IllegalStateException`.
    State(String),
    /// A Java exception is pending already.
    Pending,
}

impl From<Failure> for Thrown {
    fn from(failure: Failure) -> Self {
        Thrown::Failure(failure)
    }
}

impl From<Error> for Thrown {
    fn from(error: Error) -> Self {
        match error {
            Error::JavaException => Thrown::Pending,
            Error::JniCall(JniError::NoMemory) => Thrown::Failure(Failure::internal(NO_HEAP)),
            Error::NullPtr(what) => Thrown::State(format!("an argument is null: {what}")),
            other => Thrown::Failure(Failure::internal(format!("a call into the JVM failed: {other}"))),
        }
    }
}

/// Runs the body of an export.
pub fn run<'local, T: Default>(
    env: &mut EnvUnowned<'local>,
    body: impl FnOnce(&mut Env<'local>) -> Result<T, Thrown>,
) -> T {
    install_hook();
    let outer = INSIDE.replace(true);
    let outcome = env.with_env(body);
    INSIDE.set(outer);
    outcome.resolve::<Throw>()
}

/// Turns what went wrong into the pending exception of the calling thread.
struct Throw;

impl<T: Default> ErrorPolicy<T, Thrown> for Throw {
    type Captures<'local: 'method, 'method> = ();

    fn on_error<'local: 'method, 'method>(
        env: &mut Env<'local>,
        (): &mut (),
        thrown: Thrown,
    ) -> jni::errors::Result<T> {
        match thrown {
            Thrown::Failure(failure) => throw_failure(env, &failure)?,
            Thrown::State(message) => throw(env, jni_str!("java/lang/IllegalStateException"), &message)?,
            Thrown::Pending => {}
        }
        Ok(T::default())
    }

    fn on_panic<'local: 'method, 'method>(
        env: &mut Env<'local>,
        (): &mut (),
        payload: Box<dyn Any + Send + 'static>,
    ) -> jni::errors::Result<T> {
        let report = LAST_PANIC.take().unwrap_or_else(|| message_of(payload.as_ref()));
        // An exception that was pending when the panic came would be in the way of the lookup of our own class.
        if env.exception_check() {
            env.exception_clear();
        }
        throw(
            env,
            jni_str!("candlewick/jni/NativePanicException"),
            &format!("native code panicked: {report}"),
        )?;
        Ok(T::default())
    }
}

/// Throws the exception of a failure's kind, as `FailureKinds` makes it.
fn throw_failure(env: &mut Env<'_>, failure: &Failure) -> jni::errors::Result<()> {
    if env.exception_check() {
        return Ok(());
    }
    let kind = serde_json::to_value(failure.kind).unwrap_or_default();
    let kind = JString::new(env, kind.as_str().unwrap_or_default())?;
    let message = JString::new(env, &failure.message)?;
    let class = env.find_class(jni_str!("candlewick/jni/FailureKinds"))?;
    let signature = jni_sig!("(Ljava/lang/String;Ljava/lang/String;)Lcandlewick/jni/CandlewickException;");
    let made = env.call_static_method(
        class,
        jni_str!("exception"),
        signature,
        &[(&kind).into(), (&message).into()],
    )?;
    let exception = env.cast_local::<JThrowable>(made.l()?)?;
    match env.throw(exception) {
        Err(Error::JavaException) | Ok(()) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Throws; an exception that is pending already stays.
fn throw(env: &mut Env<'_>, class: &JNIStr, message: &str) -> jni::errors::Result<()> {
    if env.exception_check() {
        return Ok(());
    }
    // find_class looks through the class loader of the Java method that called us: the one that knows our exceptions.
    let class = env.find_class(class)?;
    match env.throw_new(class, JNIString::from(message)) {
        Err(Error::JavaException) | Ok(()) => Ok(()),
        Err(other) => Err(other),
    }
}

thread_local! {
    /// Whether this thread runs the body of an export.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Message, place and backtrace of this thread's last panic.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Records panics of threads that run an export; the panics of others go to the hook that was there before.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                before(info);
                return;
            }
            let place = info
                .location()
                .map(|at| format!(" at {}:{}", at.file(), at.line()))
                .unwrap_or_default();
            let trace = Backtrace::force_capture();
            let report = format!("{}{place}\n{trace}", message_of(info.payload()));
            LAST_PANIC.with(|last| last.replace(Some(report)));
        }));
    });
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is not a text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_heap_is_named() {
        let Thrown::Failure(failure) = Thrown::from(Error::JniCall(JniError::NoMemory)) else {
            panic!("no failure");
        };
        assert!(failure.message.contains("spark.driver.memory"), "{failure:?}");
        let Thrown::Failure(other) = Thrown::from(Error::JniCall(JniError::Unknown)) else {
            panic!("no failure");
        };
        assert!(
            other.message.starts_with("a call into the JVM failed"),
            "{other:?}"
        );
    }
}
