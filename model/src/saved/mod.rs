//! What the folder of a saved model holds beside its parameters and weights: the names of its formats, and golden vectors.

mod golden;

pub use golden::{check_golden, golden};

/// The `format` of `data/model.json` in the folder of a model.
pub const MODEL_FORMAT: &str = "candlewick.model/1";

/// The `format` in the metadata of every saved stage: model or estimator.
pub const STAGE_FORMAT: &str = "candlewick.stage/1";
