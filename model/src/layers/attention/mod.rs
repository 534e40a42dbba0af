//! Attention, and what tells it where in a sequence a value stands.

mod multihead;
mod position;

pub(super) use multihead::JOINS;
pub(super) use position::LAYERS;
pub(crate) use position::table as sines;
