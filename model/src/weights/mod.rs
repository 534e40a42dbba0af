//! Weights as bytes: their hash, the safetensors file of a model, and files of others to start from.

mod hash;
mod import;
mod load;

pub(crate) use hash::hash;
pub use hash::update_with_values;
pub(crate) use import::load_into;
pub use import::{Mismatch, Report};
pub(crate) use load::{load, save};
