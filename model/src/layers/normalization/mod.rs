//! Layers that normalise: over the rows of a step (`batch`), or every row by itself (`row`).

mod batch;
mod channels;
mod ends;
mod group;
mod moments;
mod response;
mod row;

use super::Family;
#[cfg(any(test, feature = "candle"))]
pub(crate) use ends::{Centres, NormBackward, NormForward, Part as NormPart, Slopes, Sums, places};
#[cfg(any(test, feature = "candle"))]
pub(crate) use moments::Layout as NormLayout;

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("BatchNorm1d", batch::make),
    ("BatchNorm2d", batch::make),
    ("LayerNorm", row::make_layer),
    ("RMSNorm", row::make_rms),
    ("GroupNorm", group::make),
    ("InstanceNorm1d", group::make_instance),
    ("InstanceNorm2d", group::make_instance),
    ("LocalResponseNorm", response::make),
];
