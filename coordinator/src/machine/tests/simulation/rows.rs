//! The rows of the simulated trainers: some shards are the home of a row that comes several times, and is dealt (rule A7).
//! What every shard must hold in the end is counted here copy by copy, as the rule says it.

use super::{BTreeMap, ROWS, Random, SHARDS};
use candlewick_protocol::dealing::{Copies, Dealing};
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::DataShuffle;

/// Rows of a shard: those that come once, and copies of the one of each home that comes several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    once: u64,
    copies: BTreeMap<u32, Copies>,
}

impl Content {
    fn add(&mut self, other: &Content) {
        self.once += other.once;
        for (home, copies) in &other.copies {
            let mine = self.copies.entry(*home).or_insert(Copies {
                here: 0,
                in_all: copies.in_all,
            });
            mine.here += copies.here;
        }
    }

    /// Rows and sum of their hashes.
    pub(super) fn sum(&self, shard: u32) -> ShardSum {
        let zero = ShardSum {
            shard,
            rows: self.once,
            hash_sum: u128::from(self.once) * u128::from(shard + 1),
        };
        self.copies.iter().fold(zero, |sum, (home, copies)| ShardSum {
            rows: sum.rows + copies.here,
            hash_sum: sum.hash_sum + u128::from(copies.here) * (u128::from(home + 1) << 32),
            ..sum
        })
    }
}

/// The shards that a trainer holds.
pub(super) type Shards = BTreeMap<u32, Content>;

pub(super) fn numbers(shards: &Shards) -> ShardSet {
    shards.keys().copied().collect()
}

/// Copies in all of the row of this home that is dealt.
fn heap(home: u32, content: &Content, dealing: Dealing) -> Option<u64> {
    match content.copies.get(&home)? {
        Copies { here, in_all: 0 } => dealing.deals(*here).then_some(*here),
        known => Some(known.in_all),
    }
}

/// Whether a shard is the home of a row that is dealt.
pub(super) fn is_heaped(shard: u32, content: &Content, dealing: Dealing) -> bool {
    heap(shard, content, dealing).is_some()
}

/// What `homes`, which are here, owe to another shard.
pub(super) fn owed(shards: &Shards, homes: &ShardSet, dealing: Dealing, to: u32) -> Content {
    let mut owed = Content::default();
    for (home, content) in shards
        .iter()
        .filter(|(home, _)| homes.contains(**home) && **home != to)
    {
        if let Some(in_all) = heap(*home, content, dealing) {
            let here = dealing.share(*home, in_all, to);
            if here > 0 {
                owed.copies.insert(*home, Copies { here, in_all });
            }
        }
    }
    owed
}

/// What a shard holds once it is dealt: its own rows, without what it gives up, and what came.
pub(super) fn dealt(shard: u32, mine: &Content, came: &[Content], dealing: Dealing) -> Content {
    let mut content = mine.clone();
    if let Some(in_all) = heap(shard, mine, dealing) {
        let here = dealing.share(shard, in_all, shard);
        content.copies.insert(shard, Copies { here, in_all });
    }
    for other in came {
        content.add(other);
    }
    content
}

fn copies_of(home: u32, here: u64) -> ShardSum {
    let copies = Copies { here, in_all: 0 };
    let content = Content {
        once: 0,
        copies: BTreeMap::from([(home, copies)]),
    };
    content.sum(home)
}

/// What is dealt of the row of a home, in all.
pub(super) fn heap_of(home: u32, content: &Content, dealing: Dealing) -> ShardSum {
    copies_of(home, heap(home, content, dealing).unwrap_or_default())
}

/// What of it stays.
pub(super) fn kept(home: u32, content: &Content, dealing: Dealing) -> ShardSum {
    let in_all = heap(home, content, dealing).unwrap_or_default();
    copies_of(home, dealing.share(home, in_all, home))
}

/// How often the row of each shard that comes several times is there.
#[derive(Debug, Default)]
pub(super) struct Source {
    heaps: BTreeMap<u32, u64>,
    /// Rows stay where they are read: none is dealt.
    pub(super) shuffle: DataShuffle,
}

impl Source {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut heaps = BTreeMap::new();
        if !random.one_in(3) {
            for home in 0..SHARDS {
                let copies = random.below(ROWS + 1);
                if copies > 1 {
                    heaps.insert(home, copies);
                }
            }
        }
        let shuffle = if random.one_in(3) {
            DataShuffle::None
        } else {
            DataShuffle::Hash
        };
        Source { heaps, shuffle }
    }

    /// A shard as tasks feed it.
    pub(super) fn fed(&self, shard: u32) -> Content {
        let here = self.heaps.get(&shard).copied().unwrap_or_default();
        let copies = (here > 0).then_some((shard, Copies { here, in_all: 0 }));
        Content {
            once: ROWS - here,
            copies: copies.into_iter().collect(),
        }
    }

    /// A shard as it must be when training begins: copy i of the row of a home is in shard (home + i) mod V.
    pub(super) fn dealt(&self, shard: u32) -> Content {
        if self.shuffle == DataShuffle::None {
            return self.fed(shard);
        }
        let mut content = Content {
            once: self.fed(shard).once,
            copies: BTreeMap::new(),
        };
        for (home, copies) in &self.heaps {
            for copy in 0..*copies {
                if (u64::from(*home) + copy) % u64::from(SHARDS) == u64::from(shard) {
                    let copies = Copies {
                        here: 0,
                        in_all: *copies,
                    };
                    content.copies.entry(*home).or_insert(copies).here += 1;
                }
            }
        }
        content
    }

    /// True where rows are dealt.
    pub(super) fn deals(&self) -> bool {
        self.shuffle == DataShuffle::Hash && !self.heaps.is_empty()
    }
}
