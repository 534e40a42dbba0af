//! The library that scores on GPUs behind the C interface of [`candlewick_protocol::score_abi`]: what is the same in the one for
//! GPUs and in the one that stands in for it in tests. [`library!`] makes the functions.
//!
//! Nothing that is wrong brings down the process that opened the library: a panic becomes a failure as everything else.

pub mod abi;
#[cfg(feature = "candle")]
pub mod open;

/// Defines the functions of a library whose models an [`abi::Opener`] opens.
#[macro_export]
macro_rules! library {
    ($opener:expr) => {
        /// See [`candlewick_protocol::score_abi::Version`].
        #[unsafe(no_mangle)]
        pub extern "C" fn candlewick_score_version() -> *const ::std::ffi::c_char {
            concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
        }

        /// See [`candlewick_protocol::score_abi::Open`].
        ///
        /// # Safety
        /// Both addresses hold as many elements as is said, and `model` can be written.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn candlewick_score_open(
            description: *const u8,
            bytes: usize,
            weights: *const f32,
            count: usize,
            model: *mut *mut ::std::ffi::c_void,
        ) -> i32 {
            // SAFETY: the caller says so.
            unsafe { $crate::abi::open($opener, (description, bytes), (weights, count), model) }
        }

        /// See [`candlewick_protocol::score_abi::Score`].
        ///
        /// # Safety
        /// The model is one that was opened and not closed; the batch's addresses hold as many elements as it says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn candlewick_score_run(
            model: *mut ::std::ffi::c_void,
            batch: *const $crate::abi::Batch,
        ) -> i32 {
            // SAFETY: the caller says so.
            unsafe { $crate::abi::score(model, batch) }
        }

        /// See [`candlewick_protocol::score_abi::Close`].
        ///
        /// # Safety
        /// The model is one that was opened, is not closed, and is used by nobody.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn candlewick_score_close(model: *mut ::std::ffi::c_void) {
            // SAFETY: the caller says so.
            unsafe { $crate::abi::close(model) }
        }

        /// See [`candlewick_protocol::score_abi::LastError`].
        ///
        /// # Safety
        /// There is as much room as is said.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn candlewick_score_last_error(into: *mut u8, room: usize) -> usize {
            // SAFETY: the caller says so.
            unsafe { $crate::abi::last_error(into, room) }
        }
    };
}
