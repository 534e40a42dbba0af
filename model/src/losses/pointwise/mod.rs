//! Losses that compare every output with a number of its own; the mean is over all elements.

mod binary;
mod logistic;
mod point;
mod regression;

pub(super) use binary::{binary, binary_with_logits};
pub(super) use logistic::{multi_label_soft_margin, soft_margin};
pub(super) use regression::{absolute, divergence, hinge, huber, poisson, smooth, squared};
