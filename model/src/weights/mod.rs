//! Weights as bytes: their hash, the safetensors file of a model, and files of others to start from. Files go out and come in
//! by pieces, so that none is ever whole beside the weights.

mod hash;
mod import;
mod incoming;
mod load;
mod loading;

pub use hash::update_with_values;
pub(crate) use hash::{hash, hash_of_file};
pub use import::{Mismatch, Report};
pub use load::Outgoing;
pub(crate) use load::head_of_file;
pub use loading::Loading;
pub(crate) use loading::Rule;
