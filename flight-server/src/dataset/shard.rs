//! Rows of one logical shard that are in memory: an index over chunks.

use candlewick_protocol::dealing::{Copies, Dealing};
use candlewick_protocol::row::shard_of;

/// Rows of one logical shard, sorted by hash. Rows of equal hash are equal, so their order does not matter.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) hashes: Vec<u128>,
    /// (chunk, row in it) of each.
    pub(super) places: Vec<(u32, u32)>,
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
        let mut at = 0;
        self.hashes
            .chunk_by(|left, right| left == right)
            .map(move |equal| {
                let first = at;
                at += equal.len();
                let in_all = self.dealt.binary_search_by_key(&equal[0], |(hash, _)| *hash);
                Run {
                    hash: equal[0],
                    place: self.places[first],
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
        let mut spans = self.hashes.windows(from);
        let deals = !self.dealt.is_empty() || spans.any(|span| span.first() == span.last());
        let runs = deals.then(|| self.runs()).into_iter().flatten();
        let own = runs.filter(move |run| shard_of(run.hash, logical_shards) == home);
        own.filter_map(move |run| match run.copies.in_all {
            0 => deal.deals(run.copies.here).then_some((run, run.copies.here)),
            in_all => Some((run, in_all)),
        })
    }

    /// The same rows, each as often as `copies` says, and others.
    pub(super) fn rebuilt(&self, copies: impl Fn(&Run) -> Copies, others: &[Run]) -> Shard {
        let own = self.runs().map(|run| Run {
            copies: copies(&run),
            ..run
        });
        let mut runs: Vec<Run> = own.chain(others.iter().copied()).collect();
        runs.sort_unstable_by_key(|run| (run.hash, run.place));
        let mut shard = Shard::default();
        for run in runs {
            let here = (0..run.copies.here).map(|_| (run.hash, run.place));
            here.for_each(|(hash, place)| {
                shard.hashes.push(hash);
                shard.places.push(place);
            });
            if run.copies.in_all > 0 {
                shard.dealt.push((run.hash, run.copies.in_all));
            }
        }
        shard.dealt.dedup();
        shard
    }
}
