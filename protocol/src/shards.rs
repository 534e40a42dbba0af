//! Sets of logical shards.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Logical shards that belong together: those of an owner, of a feed round, those that are lost. Kept as ranges: there are
/// few of them, however many shards a job has.
///
/// ```
/// use candlewick_protocol::shards::ShardSet;
/// let mut shards: ShardSet = [0..2, 5..6].into_iter().collect();
/// assert!(shards.contains(1) && !shards.contains(4));
/// assert_eq!(shards.to_string(), "0, 1 and 5");
/// shards.extend([2, 3, 4]);
/// assert_eq!(shards.to_string(), "0 to 5");
/// assert_eq!(shards.as_range(), Some(0..6));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardSet(Vec<Range<u32>>);

impl ShardSet {
    /// True where the shard is one of them.
    #[must_use]
    pub fn contains(&self, shard: u32) -> bool {
        self.0.iter().any(|range| range.contains(&shard))
    }

    /// The shards, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// The shards as ranges, in order, none of them empty and no two adjacent.
    #[must_use]
    pub fn ranges(&self) -> &[Range<u32>] {
        &self.0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one range that they are; none where they lie apart. No shards are an empty range.
    #[must_use]
    pub fn as_range(&self) -> Option<Range<u32>> {
        match self.0.as_slice() {
            [] => Some(0..0),
            [range] => Some(range.clone()),
            _ => None,
        }
    }

    /// Those of them that `keep` accepts.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(u32) -> bool) -> ShardSet {
        self.iter().filter(|shard| keep(*shard)).collect()
    }
}

impl Extend<u32> for ShardSet {
    fn extend<T: IntoIterator<Item = u32>>(&mut self, shards: T) {
        self.extend(shards.into_iter().map(|shard| shard..shard.saturating_add(1)));
    }
}

impl Extend<Range<u32>> for ShardSet {
    fn extend<T: IntoIterator<Item = Range<u32>>>(&mut self, ranges: T) {
        self.0
            .extend(ranges.into_iter().filter(|range| !range.is_empty()));
        self.0.sort_unstable_by_key(|range| (range.start, range.end));
        self.0.dedup_by(|next, before| {
            let joined = next.start <= before.end;
            if joined {
                before.end = before.end.max(next.end);
            }
            joined
        });
    }
}

impl From<Range<u32>> for ShardSet {
    fn from(range: Range<u32>) -> Self {
        std::iter::once(range).collect()
    }
}

impl FromIterator<u32> for ShardSet {
    fn from_iter<T: IntoIterator<Item = u32>>(shards: T) -> Self {
        let mut set = ShardSet::default();
        set.extend(shards);
        set
    }
}

impl FromIterator<Range<u32>> for ShardSet {
    fn from_iter<T: IntoIterator<Item = Range<u32>>>(ranges: T) -> Self {
        let mut set = ShardSet::default();
        set.extend(ranges);
        set
    }
}

/// "none", "3", "0 to 4", "0, 1 and 5 to 7".
impl fmt::Display for ShardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        for range in &self.0 {
            match range.len() {
                1 => parts.push(range.start.to_string()),
                2 => parts.extend(range.clone().map(|shard| shard.to_string())),
                _ => parts.push(format!("{} to {}", range.start, range.end - 1)),
            }
        }
        match parts.split_last() {
            None => f.write_str("none"),
            Some((only, [])) => f.write_str(only),
            Some((last, before)) => write!(f, "{} and {last}", before.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_or_overlap_become_one() {
        let set: ShardSet = [4..6, 0..1, 1..3, 5..9, 7..7].into_iter().collect();
        assert_eq!(set.ranges(), [0..3, 4..9]);
        assert_eq!((set.len(), set.is_empty(), set.as_range()), (8, false, None));
        assert_eq!(set.iter().collect::<ShardSet>(), set);
        assert_eq!(set.filter(|shard| shard > 2).as_range(), Some(4..9));
        assert_eq!(ShardSet::default().as_range(), Some(0..0));
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<ShardSet>(&json).unwrap(), set);
    }

    #[test]
    fn sets_are_told_for_a_reader() {
        let told = |shards: &[u32]| shards.iter().copied().collect::<ShardSet>().to_string();
        assert_eq!(told(&[]), "none");
        assert_eq!(told(&[3]), "3");
        assert_eq!(told(&[4, 3]), "3 and 4");
        assert_eq!(told(&[0, 1, 2, 3, 4]), "0 to 4");
        assert_eq!(told(&[0, 1, 5, 6, 7]), "0, 1 and 5 to 7");
    }
}
