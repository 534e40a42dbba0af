//! Every trainer with every other one.

use super::{Group, Shape};

/// One level: all.
pub(super) fn levels(shape: &Shape) -> Vec<Vec<Group>> {
    vec![std::iter::once(0..shape.ranks()).collect()]
}
