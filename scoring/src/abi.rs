//! The bodies of the C functions, for models of any kind.

use candlewick_protocol::Failure;
pub use candlewick_protocol::score_abi::Batch;
use candlewick_protocol::score_abi::{Asked, DONE, Description, FAILED};
use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_void;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// A model on a device.
pub trait Scores: Debug + Send {
    /// Scores rows: so many with these features into `outputs`, and what the layers that are asked for put out into `values`,
    /// for one name after another all rows.
    ///
    /// # Errors
    /// As the device or a layer says.
    fn score(
        &mut self,
        asked: &Asked,
        rows: (usize, &[f32]),
        outputs: &mut [f32],
        values: &mut [f32],
    ) -> Result<(), Failure>;
}

/// Puts a model with its weights on a device.
pub type Opener = fn(&Description, &[f32]) -> Result<Box<dyn Scores>, Failure>;

/// What a caller holds.
type Handle = Mutex<Box<dyn Scores>>;

thread_local! {
    /// This thread's latest failure, as JSON.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a body; what it fails with, or panics with, is this thread's latest failure.
fn answered(body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    // Whatever a panic leaves half done is not looked at again but by the next call of the same model, which writes it anew.
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let failure = match outcome {
        Ok(Ok(())) => return DONE,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::internal(format!(
            "the library that scores on GPUs panicked: {}",
            said(&*panic)
        )),
    };
    let text = serde_json::to_string(&failure).unwrap_or_default();
    LAST.with(|last| *last.borrow_mut() = text);
    FAILED
}

fn said(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is not a text".to_owned(),
    }
}

/// The elements at an address; none where there are none, whatever the address.
///
/// # Safety
/// There are as many, and nobody writes them meanwhile.
unsafe fn view<'a, T>(address: *const T, count: usize) -> Result<&'a [T], Failure> {
    match (count, address.is_null() || !address.is_aligned()) {
        (0, _) => Ok(&[]),
        (_, true) => Err(Failure::internal("an address that no elements can be at")),
        // SAFETY: the caller says so, and the address is one.
        _ => Ok(unsafe { std::slice::from_raw_parts(address, count) }),
    }
}

/// The same, to be written.
///
/// # Safety
/// There are as many, and nobody else reads or writes them meanwhile.
unsafe fn view_mut<'a>(address: *mut f32, count: usize) -> Result<&'a mut [f32], Failure> {
    match (count, address.is_null() || !address.is_aligned()) {
        (0, _) => Ok(&mut []),
        (_, true) => Err(Failure::internal("an address that no elements can be at")),
        // SAFETY: the caller says so, and the address is one.
        _ => Ok(unsafe { std::slice::from_raw_parts_mut(address, count) }),
    }
}

/// See [`candlewick_protocol::score_abi::Open`].
///
/// # Safety
/// Both addresses hold as many elements as is said, and `model` can be written.
pub unsafe fn open(
    opener: Opener,
    (description, bytes): (*const u8, usize),
    (weights, count): (*const f32, usize),
    model: *mut *mut c_void,
) -> i32 {
    answered(|| {
        // SAFETY: the caller says so.
        let (description, weights) = unsafe { (view(description, bytes)?, view(weights, count)?) };
        let description = serde_json::from_slice(description).map_err(|error| {
            Failure::internal(format!("the description of a model cannot be read: {error}"))
        })?;
        let opened: Box<Handle> = Box::new(Mutex::new(opener(&description, weights)?));
        // SAFETY: the caller says so.
        unsafe { model.write(Box::into_raw(opened).cast()) };
        Ok(())
    })
}

/// See [`candlewick_protocol::score_abi::Score`].
///
/// # Safety
/// The model is one that was opened and not closed; the batch's addresses hold as many elements as it says.
pub unsafe fn score(model: *mut c_void, batch: *const Batch) -> i32 {
    answered(|| {
        // SAFETY: the caller says so, and `open` has made it.
        let model = unsafe { model.cast::<Handle>().as_ref() };
        // SAFETY: the caller says so.
        let batch = unsafe { batch.as_ref() };
        let (Some(model), Some(batch)) = (model, batch) else {
            return Err(Failure::internal("no model or no batch to score"));
        };
        // SAFETY: the caller says so.
        let (asked, features) = unsafe {
            (
                view(batch.asked, batch.asked_len)?,
                view(batch.features, batch.features_len)?,
            )
        };
        // SAFETY: the caller says so.
        let (outputs, values) = unsafe {
            (
                view_mut(batch.outputs, batch.outputs_len)?,
                view_mut(batch.inner_outputs, batch.inner_outputs_len)?,
            )
        };
        let asked: Asked = serde_json::from_slice(asked)
            .map_err(|error| Failure::internal(format!("what is asked of rows cannot be read: {error}")))?;
        let mut model = model.lock().unwrap_or_else(PoisonError::into_inner);
        model.score(&asked, (batch.rows, features), outputs, values)
    })
}

/// See [`candlewick_protocol::score_abi::Close`].
///
/// # Safety
/// The model is one that was opened, is not closed, and is used by nobody.
pub unsafe fn close(model: *mut c_void) {
    if !model.is_null() {
        answered(|| {
            // SAFETY: the caller says so, and `open` has made it.
            drop(unsafe { Box::from_raw(model.cast::<Handle>()) });
            Ok(())
        });
    }
}

/// See [`candlewick_protocol::score_abi::LastError`].
///
/// # Safety
/// There is as much room as is said.
pub unsafe fn last_error(into: *mut u8, room: usize) -> usize {
    LAST.with(|last| {
        let last = last.borrow();
        let count = last.len().min(room);
        if count > 0 && !into.is_null() {
            // SAFETY: the caller says so, and it is no memory of this library.
            unsafe { into.copy_from_nonoverlapping(last.as_ptr(), count) };
        }
        last.len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::ErrorKind;
    use std::ptr::{null, null_mut};
    use std::sync::atomic::{AtomicUsize, Ordering};

    static CLOSED: AtomicUsize = AtomicUsize::new(0);

    /// Adds up a row's features.
    #[derive(Debug)]
    struct Sum(f32);

    impl Drop for Sum {
        fn drop(&mut self) {
            CLOSED.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Scores for Sum {
        fn score(
            &mut self,
            asked: &Asked,
            (count, features): (usize, &[f32]),
            outputs: &mut [f32],
            values: &mut [f32],
        ) -> Result<(), Failure> {
            match asked.inner.as_slice() {
                [name] if name == "panic" => panic!("of {count} rows"),
                [name] if name == "wrong" => return Err(Failure::data("not this row")),
                _ => {}
            }
            for (row, into) in features.chunks(features.len() / count).zip(outputs) {
                *into = self.0 + row.iter().sum::<f32>();
            }
            values.fill(asked.inner.len() as f32 + if asked.precision.is_f32() { 0.0 } else { 0.5 });
            Ok(())
        }
    }

    fn opener(description: &Description, weights: &[f32]) -> Result<Box<dyn Scores>, Failure> {
        if description.address == "9" {
            return Err(Failure::parameter("no GPU 9"));
        }
        Ok(Box::new(Sum(weights.iter().sum())))
    }

    fn opened(text: &str, weights: &[f32]) -> Result<*mut c_void, Failure> {
        let mut model = null_mut();
        // SAFETY: both live, and so does the place.
        let done = unsafe {
            open(
                opener,
                (text.as_ptr(), text.len()),
                (weights.as_ptr(), weights.len()),
                &raw mut model,
            )
        };
        if done == DONE { Ok(model) } else { Err(told()) }
    }

    fn told() -> Failure {
        let mut room = vec![0u8; 3];
        // SAFETY: the room is there.
        let wanted = unsafe { last_error(room.as_mut_ptr(), room.len()) };
        assert!(wanted > room.len() && room == b"{\"k");
        room.resize(wanted, 0);
        // SAFETY: the room is there.
        assert_eq!(unsafe { last_error(room.as_mut_ptr(), room.len()) }, wanted);
        serde_json::from_slice(&room).unwrap()
    }

    fn scored(model: *mut c_void, asked: &str) -> Result<([f32; 2], [f32; 1]), Failure> {
        let (features, mut outputs, mut values) = ([1.0f32, 2.0, 3.0, 4.0], [0.0; 2], [0.0; 1]);
        let batch = Batch {
            rows: 2,
            features: features.as_ptr(),
            features_len: 4,
            asked: asked.as_ptr(),
            asked_len: asked.len(),
            outputs: outputs.as_mut_ptr(),
            outputs_len: 2,
            inner_outputs: values.as_mut_ptr(),
            inner_outputs_len: 1,
        };
        // SAFETY: the model is open, and everything lives.
        let done = unsafe { score(model, &raw const batch) };
        if done == DONE {
            Ok((outputs, values))
        } else {
            Err(told())
        }
    }

    const DESCRIPTION: &str = r#"{"network": {}, "inputShape": [2], "address": "0"}"#;

    #[test]
    fn a_model_is_opened_scores_and_is_closed() {
        let before = CLOSED.load(Ordering::Relaxed);
        let model = opened(DESCRIPTION, &[0.5, 0.5]).unwrap();
        let two = r#"{"inner": ["a", "b"], "precision": "bf16"}"#;
        assert_eq!(scored(model, two).unwrap(), ([4.0, 8.0], [2.5]));
        let failure = scored(model, r#"{"inner": ["wrong"]}"#).unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (ErrorKind::InvalidData, "not this row")
        );
        let failure = scored(model, r#"{"inner": ["panic"]}"#).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Internal);
        assert!(failure.message.contains("panicked: of 2 rows"), "{failure}");
        assert_eq!(
            scored(model, "{}").unwrap(),
            ([4.0, 8.0], [0.0]),
            "it goes on after a panic"
        );
        let failure = scored(model, r#"{"precision": "f8"}"#).unwrap_err();
        assert!(failure.message.contains("cannot be read"), "{failure}");
        // SAFETY: it is open, and nobody uses it.
        unsafe { close(model) };
        assert_eq!(CLOSED.load(Ordering::Relaxed), before + 1);
        // SAFETY: there is none.
        unsafe { close(null_mut()) };
    }

    #[test]
    fn what_is_wrong_is_told() {
        let failure = opened(&DESCRIPTION.replace('0', "9"), &[]).unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (ErrorKind::InvalidParameter, "no GPU 9")
        );
        assert!(opened("{", &[]).unwrap_err().message.contains("cannot be read"));
        let mut model = null_mut();
        // SAFETY: the place lives; addresses of nothing are refused.
        let done = unsafe { open(opener, (null(), 3), (null(), 0), &raw mut model) };
        assert!(done == FAILED && told().message.contains("no elements") && model.is_null());
        // SAFETY: the same.
        let done = unsafe { score(null_mut(), null()) };
        assert!(done == FAILED && told().message.contains("no model"));
    }
}
