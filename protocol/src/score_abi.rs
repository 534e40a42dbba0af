//! The functions of the library that scores on GPUs, as the library that JVMs load calls them: a C interface, since the two are
//! built apart and the first is opened by `dlopen` only where a model asks for a GPU (docs/adr/0045-scoring-on-gpus.md).
//!
//! No panic crosses. A function that answers a number answers [`DONE`], or [`FAILED`], and then [`LastError`] on the same
//! thread has the [`crate::Failure`] as JSON.

use crate::precision::Precision;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::{c_char, c_void};

/// The call did what it should.
pub const DONE: i32 = 0;
/// It did not, and says why.
pub const FAILED: i32 = 1;

/// Name of [`Version`].
pub const VERSION: &str = "candlewick_score_version";
/// Name of [`Open`].
pub const OPEN: &str = "candlewick_score_open";
/// Name of [`Score`].
pub const SCORE: &str = "candlewick_score_run";
/// Name of [`Close`].
pub const CLOSE: &str = "candlewick_score_close";
/// Name of [`LastError`].
pub const LAST_ERROR: &str = "candlewick_score_last_error";

/// The version of Candlewick that the library is of, a text that ends with a zero and lives for ever. Everything else may be called
/// only where it is the caller's own.
pub type Version = unsafe extern "C" fn() -> *const c_char;

/// Puts a model on a device: its [`Description`] as JSON, a text of so many bytes, and its weights, so many numbers one parameter
/// after another. Writes what is to be given to the other functions.
pub type Open = unsafe extern "C" fn(
    description: *const u8,
    bytes: usize,
    weights: *const f32,
    count: usize,
    model: *mut *mut c_void,
) -> i32;

/// Scores rows, by one thread after another: it waits for whoever scores with the same model.
pub type Score = unsafe extern "C" fn(model: *mut c_void, batch: *const Batch) -> i32;

/// Takes a model from its device. Nobody may use it any more.
pub type Close = unsafe extern "C" fn(model: *mut c_void);

/// Writes the calling thread's latest failure, as far as there is room for its bytes; answers how many it has.
pub type LastError = unsafe extern "C" fn(into: *mut u8, room: usize) -> usize;

/// What a model is, and where it is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Its network, a document.
    pub network: Value,
    /// Shape that views the features as a tensor.
    pub input_shape: Vec<usize>,
    /// The GPU, by the address that Spark has for it.
    pub address: String,
}

/// What is asked of rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// What products are computed in.
    #[serde(default)]
    pub precision: Precision,
    /// What else is wanted beside the outputs: names of layers or nodes.
    #[serde(default)]
    pub inner: Vec<String>,
}

/// Rows to score, and room for what comes of them. Lengths are counted in elements.
#[repr(C)]
#[derive(Debug)]
pub struct Batch {
    /// Rows.
    pub rows: usize,
    /// Their features, row after row.
    pub features: *const f32,
    /// Number of them.
    pub features_len: usize,
    /// What is [`Asked`], as JSON.
    pub asked: *const u8,
    /// Its bytes.
    pub asked_len: usize,
    /// Room for the outputs, row after row.
    pub outputs: *mut f32,
    /// Number of them.
    pub outputs_len: usize,
    /// Room for what else is asked for: for one name after another all rows.
    pub inner_outputs: *mut f32,
    /// Number of that.
    pub inner_outputs_len: usize,
}
