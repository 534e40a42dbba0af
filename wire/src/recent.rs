//! Rows of an open batch that may come again.

/// Slots for rows that may come again within a batch. Rows that come often are found in few, and few stay in the cache.
pub(crate) const RECENT: usize = 1 << u8::BITS;
/// No position.
pub(crate) const NONE: u32 = u32::MAX;

/// A row that may come again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recent {
    pub(crate) hash: u128,
    /// Its position in the batch.
    pub(crate) row: u32,
    /// Its position among those that stand for several, once it does.
    pub(crate) copies: u32,
}

impl Recent {
    /// No row.
    pub(crate) const EMPTY: Recent = Recent {
        hash: 0,
        row: NONE,
        copies: NONE,
    };
}
