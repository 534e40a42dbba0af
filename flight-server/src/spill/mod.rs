//! Rows on disk: what a trainer's memory does not hold (docs/adr/0030-spill.md).
//!
//! While rows come, what is over the budget goes to a log ([`file`]) as it comes. At SEAL the rows of the winners are spread over
//! the buckets of rule B4 ([`partition`]), and from then on a shard is a [`list::DiskList`]: what of it is on disk, where, and how
//! many rows each bucket has. Nothing stays in memory for a row. A row has one layout everywhere ([`record`]).

mod file;
mod list;
mod opened;
mod partition;
mod record;
mod sequence;
mod unnamed;

pub(crate) use file::{Extent, Spill, SpillFile};
pub(crate) use list::{DiskList, Page, in_order};
pub(crate) use opened::{Opened, Sorting};
pub(crate) use partition::{ListId, Partition};
pub(crate) use record::{Layout, Record};
pub(crate) use sequence::{Sequence, SequenceReader};
pub(crate) use unnamed::leave;
