//! Layers that change the shape only.

use super::{ArgType, Entry, Range, arg, layer};

const DIMENSION: Range = Range::Ints { min: -64, max: 64 };

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[layer(
    "Flatten",
    &[
        arg(
            "start_dim",
            ArgType::Int,
            "1",
            DIMENSION,
            "First dimension to flatten; 0 is the batch.",
        ),
        arg(
            "end_dim",
            ArgType::Int,
            "-1",
            DIMENSION,
            "Last dimension to flatten; -1 is the last.",
        ),
    ],
    "Merges dimensions into one. The batch dimension stays.",
)];
