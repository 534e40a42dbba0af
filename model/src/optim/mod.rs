//! Optimisers: fused passes over flat memory, in PyTorch's order of operations; what belongs to an update (clipping,
//! accumulation, running averages of weights); schedules of the learning rate.
//!
//! Everything here is a pure function of replicated state (rules B6, B9, B10): the same documents, gradients and
//! metrics give the same bits on every trainer, for any number of threads and any instruction set.
//!
//! # One training step
//!
//! ```
//! use candlewick_model::network::Network;
//! use candlewick_model::optim::{Accumulator, Clip, Optimizer, Schedule};
//! use serde_json::json;
//! let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]});
//! let network = Network::from_document(&document, &[3])?;
//! let adam = json!({"type": "AdamW", "groups": [{"params": "*.bias", "weight_decay": 0}]});
//! let mut optimizer = Optimizer::from_document(&adam, &network)?;
//! let schedule = Schedule::from_document(&json!({"type": "OneCycleLR", "max_lr": 0.1}), &optimizer, 2, 5)?;
//! let mut accumulator = Accumulator::new(1);
//! let mut weights = network.initial_weights(1);
//! for step in 0..10 {
//!     optimizer.apply_schedule(&schedule.setting(step))?;
//!     let mut gradient_sum = vec![0.5; weights.len()];
//!     if let Some(denominator) = accumulator.add(&mut gradient_sum, 4.0) {
//!         optimizer.update(&mut weights, &mut gradient_sum, denominator, &Clip::default())?;
//!     }
//! }
//! assert_eq!(optimizer.steps(), 10);
//! # Ok::<(), candlewick_protocol::Failure>(())
//! ```

mod accumulate;
mod clip;
mod document;
mod ema;
mod layout;
mod local;
mod loss_scale;
mod norms;
#[cfg(test)]
mod on_device;
mod optimizer;
mod outer;
mod rules;
mod run;
mod saved_file;
mod schedule;
mod stale;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod updates;

pub use accumulate::Accumulator;
pub use clip::Clip;
pub use ema::Ema;
pub use local::Replicas;
pub use loss_scale::LossScale;
pub(crate) use optimizer::read;
pub use optimizer::{Optimizer, StateSize, state_size};
pub use saved_file::SavedFile;
pub use schedule::{LrSetting, Schedule, state_size_of_job};
pub use stale::Worker;
pub use state::{Saved, SavedTensor};
pub use updates::Updates;
