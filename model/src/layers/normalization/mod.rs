//! Layers that normalise: over the rows of a step (`batch`), or every row by itself (`row`).

mod batch;
mod channels;
mod group;
mod moments;
mod response;
mod row;

use super::Family;

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
