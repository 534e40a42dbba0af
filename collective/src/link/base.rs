//! What a ring stands on: its size, and atomics of the machine. `tests/ring.rs` builds the ring on a smaller size and on the
//! atomics of a model checker, which tries every order in which the two sides may meet.

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Bytes of a ring: what is written is still in the cache of the cores when it is read (measured: docs/performance.md).
pub(crate) const CAPACITY: usize = 256 * 1024;
/// Bytes of one write at most, so that the reader can begin while the writer goes on.
pub(crate) const PIECE: usize = CAPACITY / 4;
