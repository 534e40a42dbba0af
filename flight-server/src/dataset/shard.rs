//! Rows of one logical shard that are in memory: an index over chunks.

use candlewick_model::memory::INDEX;
use candlewick_protocol::dealing::{Copies, Dealing};
use candlewick_protocol::row::shard_of;

/// Where a row is, by its hash. The halves of the hash are apart, so that no bytes are left between two entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    high: u64,
    low: u64,
    /// Chunk, and row in it.
    pub(super) place: (u32, u32),
}

/// What is charged for a row: its entry, and its turn in the order of an epoch.
const _: () = assert!((size_of::<Entry>() + size_of::<u32>()) as u64 == INDEX);

impl Entry {
    pub(super) const fn new(hash: u128, place: (u32, u32)) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let low = hash as u64;
        Entry {
            high: (hash >> 64) as u64,
            low,
            place,
        }
    }

    pub(super) const fn hash(&self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }
}

/// Rows of one logical shard, sorted by hash. Rows of equal hash are equal, so their order does not matter.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) rows: Vec<Entry>,
    /// Rows that are dealt, by hash in ascending order, and their copies in all shards.
    pub(super) dealt: Vec<(u128, u64)>,
}

/// Copies of a row in a shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) hash: u128,
    pub(super) place: (u32, u32),
    pub(super) copies: Copies,
}

impl Shard {
    /// Rows that differ, in the order of their hashes.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        self.rows
            .chunk_by(|left, right| left.hash() == right.hash())
            .map(move |equal| {
                let hash = equal[0].hash();
                let in_all = self.dealt.binary_search_by_key(&hash, |(hash, _)| *hash);
                Run {
                    hash,
                    place: equal[0].place,
                    copies: Copies {
                        here: equal.len() as u64,
                        in_all: in_all.map_or(0, |at| self.dealt[at].1),
                    },
                }
            })
    }

    /// Those of its rows that are dealt or to be dealt, where `home` is this shard, with their copies in all.
    pub(super) fn heaps(
        &self,
        home: u32,
        deal: Dealing,
        logical_shards: u32,
    ) -> impl Iterator<Item = (Run, u64)> + '_ {
        // Most data has no such row, which takes a glance: equal hashes stand side by side.
        let from = usize::try_from(deal.from()).unwrap_or(usize::MAX);
        let mut spans = self.rows.windows(from);
        let equal = |span: &[Entry]| span.first().map(Entry::hash) == span.last().map(Entry::hash);
        let deals = !self.dealt.is_empty() || spans.any(equal);
        let runs = deals.then(|| self.runs()).into_iter().flatten();
        let own = runs.filter(move |run| shard_of(run.hash, logical_shards) == home);
        own.filter_map(move |run| match run.copies.in_all {
            0 => deal.deals(run.copies.here).then_some((run, run.copies.here)),
            in_all => Some((run, in_all)),
        })
    }

    /// The same rows, each as often as `copies` says, and others.
    pub(super) fn rebuilt(&self, copies: impl Fn(&Run) -> Copies, others: &[Run]) -> Shard {
        let own = || {
            self.runs().map(|run| Run {
                copies: copies(&run),
                ..run
            })
        };
        let mut others = others.to_vec();
        others.sort_unstable_by_key(|run| (run.hash, run.place));
        // What is charged is a place for each row: there is no room for growth that does not come.
        let rows: u64 = own()
            .chain(others.iter().copied())
            .map(|run| run.copies.here)
            .sum();
        let mut shard = Shard {
            rows: Vec::with_capacity(usize::try_from(rows).unwrap_or(0)),
            dealt: Vec::new(),
        };
        let mut add = |run: Run| {
            let entry = Entry::new(run.hash, run.place);
            shard.rows.extend((0..run.copies.here).map(|_| entry));
            if run.copies.in_all > 0 {
                shard.dealt.push((run.hash, run.copies.in_all));
            }
        };
        let mut others = others.into_iter().peekable();
        for run in own() {
            while let Some(other) = others.next_if(|other| (other.hash, other.place) < (run.hash, run.place))
            {
                add(other);
            }
            add(run);
        }
        others.for_each(add);
        shard.dealt.dedup();
        shard.dealt.shrink_to_fit();
        shard
    }
}
