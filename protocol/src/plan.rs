//! The plan of a step, rule B3: which rows of every logical shard make it up. It depends on the rows of the shards
//! and the batch size, never on who owns the shards.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Rows of every shard among the first `t` of the epoch, where `n` gives the rows of every shard.
///
/// Row k of shard v has virtual time (2k+1) / (2 n\[v\]); the epoch is all rows by (virtual time, shard). Exact for
/// fewer than 2^60 rows.
///
/// ```
/// use candlewick_protocol::plan::taken;
/// assert_eq!(taken(&[4, 2, 0], 3), [2, 1, 0]);
/// assert_eq!(taken(&[4, 2, 0], 9), [4, 2, 0]);
/// ```
#[must_use]
pub fn taken(n: &[u64], t: u64) -> Vec<u64> {
    let total: u64 = n.iter().sum();
    if t >= total {
        return n.to_vec();
    }
    let shards = n.len() as u64;
    // A start that never exceeds the answer: every shard's rows up to the time at which t - shards/2 rows are due.
    let p = u128::from((2 * t).saturating_sub(shards));
    let q = 2 * u128::from(total);
    let mut share: Vec<u64> = n
        .iter()
        .map(|rows| {
            let due = if p == 0 {
                0
            } else {
                (2 * u128::from(*rows) * p + q) / (2 * q)
            };
            u64::try_from(due).unwrap_or(u64::MAX).min(*rows)
        })
        .collect();
    take_next(n, &mut share, t);
    share
}

/// The next row of a shard, in the order of the sequence: by virtual time, then by shard.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    /// Virtual time is `odd / (2 rows)`.
    odd: u128,
    rows: u128,
    shard: usize,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        let times = (self.odd * other.rows).cmp(&(other.odd * self.rows));
        times.then(self.shard.cmp(&other.shard))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Takes the rows that are missing to `t`, at most a few of a shard, one by one in the order of the sequence.
fn take_next(n: &[u64], share: &mut [u64], t: u64) {
    let missing = t.saturating_sub(share.iter().sum());
    if missing == 0 {
        return;
    }
    let due = |shard: usize, taken: u64| {
        (taken < n[shard]).then(|| {
            Reverse(Due {
                odd: 2 * u128::from(taken) + 1,
                rows: u128::from(n[shard]),
                shard,
            })
        })
    };
    let mut next: BinaryHeap<Reverse<Due>> = (0..n.len())
        .filter_map(|shard| due(shard, share[shard]))
        .collect();
    for _ in 0..missing {
        let Some(Reverse(Due { shard, .. })) = next.pop() else {
            return;
        };
        share[shard] += 1;
        next.extend(due(shard, share[shard]));
    }
}

/// The steps of an epoch. Steps are computed when asked for; nothing is held per step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPlan {
    shard_rows: Vec<u64>,
    total: u64,
    batch_size: u64,
    drop_last: bool,
}

impl StepPlan {
    /// The plan for shards of `shard_rows` rows and steps of `batch_size` rows (0 counts as 1). With `drop_last` an
    /// epoch leaves out its last, shorter step.
    #[must_use]
    pub fn new(shard_rows: Vec<u64>, batch_size: u32, drop_last: bool) -> Self {
        let total = shard_rows.iter().sum();
        StepPlan {
            shard_rows,
            total,
            batch_size: u64::from(batch_size.max(1)),
            drop_last,
        }
    }

    /// Number of steps of an epoch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        if self.drop_last {
            self.total / self.batch_size
        } else {
            self.total.div_ceil(self.batch_size)
        }
    }

    /// Rows of an epoch: all, or with `drop_last` those of its full steps.
    #[must_use]
    pub fn rows_per_epoch(&self) -> u64 {
        if self.drop_last {
            self.steps_per_epoch() * self.batch_size
        } else {
            self.total
        }
    }

    /// Rows of all shards.
    #[must_use]
    pub fn total_rows(&self) -> u64 {
        self.total
    }

    /// The rows of step `s` (0-based in the epoch): for every shard the range `[start, end)` in the shard's epoch
    /// order. A step after the epoch's last has no rows.
    #[must_use]
    pub fn step(&self, s: u64) -> Vec<(u64, u64)> {
        let over = || self.shard_rows.iter().map(|rows| (*rows, *rows)).collect();
        self.steps_from(s).next().unwrap_or_else(over)
    }

    /// The steps of an epoch from `s` on, one after another: each costs half of what [`StepPlan::step`] does.
    #[must_use]
    pub fn steps_from(&self, s: u64) -> Steps<'_> {
        Steps {
            plan: self,
            next: s,
            start: self.edge(s),
        }
    }

    /// Rows of every shard in the first `steps` steps.
    fn edge(&self, steps: u64) -> Vec<u64> {
        taken(&self.shard_rows, steps.saturating_mul(self.batch_size))
    }
}

/// Steps of an epoch as ranges of rows of every shard, see [`StepPlan::steps_from`].
#[derive(Debug, Clone)]
pub struct Steps<'a> {
    plan: &'a StepPlan,
    next: u64,
    /// Where the next step begins in every shard.
    start: Vec<u64>,
}

impl Iterator for Steps<'_> {
    type Item = Vec<(u64, u64)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.plan.steps_per_epoch() {
            return None;
        }
        self.next += 1;
        let end = self.plan.edge(self.next);
        let ranges = self.start.iter().copied().zip(end.iter().copied()).collect();
        self.start = end;
        Some(ranges)
    }
}

/// Who owns which shards, rule B5: trainer `r` of `trainers` gets the contiguous range `[r*v/n, (r+1)*v/n)`.
///
/// ```
/// use candlewick_protocol::plan::ownership;
/// assert_eq!(ownership(8, 3), [(0, 2), (2, 5), (5, 8)]);
/// ```
#[must_use]
pub fn ownership(v: u32, trainers: usize) -> Vec<(u32, u32)> {
    let edge = |r: usize| {
        let shard = r as u128 * u128::from(v) / trainers.max(1) as u128;
        u32::try_from(shard).unwrap_or(v)
    };
    (0..trainers).map(|r| (edge(r), edge(r + 1))).collect()
}

/// What a trainer does in a step however few shards it owns (sums, update), in shards. The measured cost of a shard has it spread
/// over the shards owned then: too little where they get fewer, too much where they get more. So of shares that look as good
/// those are better that give the faster ones more.
const OF_ANY_STEP: f64 = 0.25;

/// Who owns which shards where trainers are not equally fast: contiguous ranges, at least one shard each, in the way that makes
/// the one that takes longest take the least time. `trainers` are the times that each takes for a shard, in any unit, and how many
/// it has memory for; `v` is at least their number. Where all together have memory for fewer than `v` the memory says nothing.
///
/// ```
/// use candlewick_protocol::plan::shares;
/// let any = u32::MAX;
/// assert_eq!(shares(8, &[(1.0, any), (1.0, any)]), [(0, 4), (4, 8)]);
/// assert_eq!(shares(9, &[(1.0, any), (2.0, any)]), [(0, 6), (6, 9)]);
/// assert_eq!(shares(3, &[(1.0, any), (50.0, any)]), [(0, 2), (2, 3)]);
/// // Six shards of the one would take as long as three of the other.
/// assert_eq!(shares(8, &[(1.0, any), (2.0, any)]), [(0, 6), (6, 8)]);
/// assert_eq!(shares(8, &[(2.0, any), (1.0, any)]), [(0, 2), (2, 8)]);
/// assert_eq!(shares(8, &[(2.0, any), (1.0, 5)]), [(0, 3), (3, 8)]);
/// assert_eq!(shares(8, &[(2.0, 2), (1.0, 5)]), [(0, 2), (2, 8)]);
/// ```
#[must_use]
pub fn shares(v: u32, trainers: &[(f64, u32)]) -> Vec<(u32, u32)> {
    let room = trainers.iter().map(|(_, most)| u64::from((*most).max(1)));
    let bounded = room.fold(0, u64::saturating_add) >= u64::from(v);
    // One more shard goes to whoever would take the least time with it; bits of times of at least 0 are in their order.
    let more = |at: usize, shards: u32| {
        let (cost, most) = trainers[at];
        let time = (cost.max(0.0) * (f64::from(shards) + OF_ANY_STEP)).to_bits();
        (!bounded || shards <= most).then_some(Reverse((time, at)))
    };
    let mut sizes = vec![1u32; trainers.len()];
    let mut next: BinaryHeap<Reverse<(u64, usize)>> =
        (0..trainers.len()).filter_map(|at| more(at, 2)).collect();
    for _ in trainers.len()..v as usize {
        let Some(Reverse((_, at))) = next.pop() else { break };
        sizes[at] += 1;
        next.extend(more(at, sizes[at] + 1));
    }
    let mut lo = 0;
    let range = |size: u32| {
        let range = (lo, lo + size);
        lo += size;
        range
    };
    sizes.into_iter().map(range).collect()
}

/// Who owns which shards once owners are gone, rule B5: whoever is left keeps what it has, so that only what was lost has to
/// move, and a gap goes to those beside it, in the way that makes the two most equal. `left` are the ranges of those that
/// are left, in order; the result has one range for each.
///
/// ```
/// use candlewick_protocol::plan::reassign;
/// // Of [0, 2), [2, 5) and [5, 8) the second is lost.
/// assert_eq!(reassign(8, &[(0, 2), (5, 8)]), [(0, 4), (4, 8)]);
/// assert_eq!(reassign(8, &[(2, 5)]), [(0, 8)]);
/// ```
#[must_use]
pub fn reassign(v: u32, left: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut ranges = left.to_vec();
    if let Some(first) = ranges.first_mut() {
        first.0 = 0;
    }
    for at in 1..ranges.len() {
        let ((lo, hi), (next, end)) = (ranges[at - 1], ranges[at]);
        let gap = next.saturating_sub(hi);
        let (mine, theirs) = (hi.saturating_sub(lo), end.saturating_sub(next));
        let taken = ((theirs + gap).saturating_sub(mine) / 2).min(gap);
        ranges[at - 1].1 = hi + taken;
        ranges[at].0 = hi + taken;
    }
    if let Some(last) = ranges.last_mut() {
        last.1 = v;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::mix;

    #[test]
    fn steps_take_every_row_once_and_full_batches() {
        let rows = vec![13, 0, 1, 300, 47, 47, 2];
        for batch in [1, 2, 7, 64, 1000] {
            let plan = StepPlan::new(rows.clone(), batch, false);
            let mut at = vec![0; rows.len()];
            for s in 0..plan.steps_per_epoch() {
                let step = plan.step(s);
                let size: u64 = step.iter().map(|(start, end)| end - start).sum();
                let last = s + 1 == plan.steps_per_epoch();
                assert!(size == u64::from(batch) || last && size > 0);
                for (shard, (start, end)) in step.into_iter().enumerate() {
                    assert_eq!(start, at[shard]);
                    at[shard] = end;
                }
            }
            assert_eq!(at, rows);
            assert!(
                plan.step(plan.steps_per_epoch())
                    .iter()
                    .all(|(start, end)| start == end)
            );
        }
    }

    /// The plan as it was computed before: by a look at every shard for every row that is missing.
    fn slow(n: &[u64], t: u64) -> Vec<u64> {
        let total: u64 = n.iter().sum();
        if t >= total {
            return n.to_vec();
        }
        let p = u128::from((2 * t).saturating_sub(n.len() as u64));
        let q = 2 * u128::from(total);
        let due = |rows: &u64| {
            let due = if p == 0 {
                0
            } else {
                (2 * u128::from(*rows) * p + q) / (2 * q)
            };
            u64::try_from(due).unwrap().min(*rows)
        };
        let mut share: Vec<u64> = n.iter().map(due).collect();
        for _ in share.iter().sum::<u64>()..t {
            let earlier = |share: &[u64], v: usize, best: usize| {
                (2 * u128::from(share[v]) + 1) * u128::from(n[best])
                    < (2 * u128::from(share[best]) + 1) * u128::from(n[v])
            };
            let mut best = None;
            for v in 0..n.len() {
                if share[v] < n[v] && best.is_none_or(|best| earlier(&share, v, best)) {
                    best = Some(v);
                }
            }
            share[best.unwrap()] += 1;
        }
        share
    }

    #[test]
    fn the_plan_is_that_of_the_slow_form_for_any_shape() {
        for round in 0..300u32 {
            let random = |at: u64| mix(at, 3, round);
            let shards = 1 + random(0) % 70;
            // Equal shards, empty ones and very unequal ones.
            let rows = |shard: u64| match round % 3 {
                0 => random(1) % 50,
                1 => random(shard + 2) % 40,
                _ => (random(shard + 2) % 1000).pow(1 + u32::try_from(random(shard + 2) % 4).unwrap()),
            };
            let n: Vec<u64> = (0..shards).map(rows).collect();
            let total: u64 = n.iter().sum();
            for at in 0..20 {
                let t = random(1000 + at) % (total + 3);
                assert_eq!(taken(&n, t), slow(&n, t), "{n:?}, {t}");
            }
            let plan = StepPlan::new(
                n,
                1 + u32::try_from(random(7) % 90).unwrap(),
                round.is_multiple_of(2),
            );
            let first = random(8) % (plan.steps_per_epoch() + 1);
            for (ranges, s) in plan.steps_from(first).take(50).zip(first..) {
                assert_eq!(ranges, plan.step(s));
            }
            assert_eq!(plan.steps_from(plan.steps_per_epoch()).next(), None);
        }
    }

    /// What it costs; run with --ignored --nocapture.
    #[test]
    #[ignore = "a measurement"]
    fn time_to_plan() {
        for shards in [1_024u64, 8_192] {
            let n: Vec<u64> = (0..shards).map(|shard| 900 + mix(shard, 1, 2) % 200).collect();
            let plan = StepPlan::new(n.clone(), 8_192, false);
            let begin = std::time::Instant::now();
            for s in 0..10 {
                std::hint::black_box((slow(&n, s * 8_192), slow(&n, (s + 1) * 8_192)));
            }
            println!("V = {shards}, before: {:?} a step", begin.elapsed() / 10);
            let begin = std::time::Instant::now();
            assert_eq!(plan.steps_from(0).take(10).count(), 10);
            println!("V = {shards}, now: {:?} a step", begin.elapsed() / 10);
        }
    }

    #[test]
    fn shards_of_billions_of_rows_are_planned_exactly() {
        for n in [
            vec![6_000_000_000, 1, 0, 4_294_967_297],
            vec![1 << 50, (1 << 50) - 1, 3],
        ] {
            let total: u64 = n.iter().sum();
            let plan = StepPlan::new(n.clone(), 1_000, false);
            assert_eq!(plan.steps_per_epoch(), total.div_ceil(1_000));
            let last = plan.steps_per_epoch() - 1;
            for step in [0, 1, last / 3, last / 2, last - 1, last] {
                let ranges = plan.step(step);
                let rows: u64 = ranges.iter().map(|(from, to)| to - from).sum();
                assert_eq!(rows, 1_000.min(total - step * 1_000), "step {step} of {n:?}");
                // What comes before is the share of the shard, by less than a row.
                for ((from, _), rows) in ranges.iter().zip(&n) {
                    let due = u128::from(step) * 1_000 * u128::from(*rows) / u128::from(total);
                    assert!(
                        u128::from(*from).abs_diff(due) <= n.len() as u128,
                        "step {step} of {n:?}"
                    );
                }
            }
            assert_eq!(
                plan.steps_from(last)
                    .last()
                    .unwrap()
                    .iter()
                    .map(|(_, to)| *to)
                    .collect::<Vec<_>>(),
                n
            );
        }
    }

    #[test]
    fn drop_last_keeps_full_steps_only() {
        let plan = StepPlan::new(vec![5, 6], 4, true);
        assert_eq!(
            (plan.steps_per_epoch(), plan.rows_per_epoch(), plan.total_rows()),
            (2, 8, 11)
        );
        assert_eq!(StepPlan::new(vec![5, 6], 4, false).steps_per_epoch(), 3);
        assert_eq!(StepPlan::new(vec![0, 0], 4, false).steps_per_epoch(), 0);
        let step = plan.step(2);
        assert_eq!(step, [(5, 5), (6, 6)]);
    }

    #[test]
    fn large_shards_stay_exact() {
        let n = [1 << 58, (1 << 58) + 1, 3];
        let total: u64 = n.iter().sum();
        for t in [1, 1 << 40, total / 2, total - 1] {
            let share = taken(&n, t);
            assert_eq!(share.iter().sum::<u64>(), t);
            assert!(share.iter().zip(n).all(|(share, n)| *share <= n));
        }
    }

    #[test]
    fn ownership_covers_all_shards_in_order() {
        for v in 1..40 {
            for trainers in 1..=v as usize {
                let ranges = ownership(v, trainers);
                assert_eq!(ranges.len(), trainers);
                assert_eq!((ranges[0].0, ranges[trainers - 1].1), (0, v));
                assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0));
                assert!(ranges.iter().all(|(lo, hi)| lo < hi));
            }
        }
    }

    #[test]
    fn whoever_is_left_keeps_its_shards_and_all_have_an_owner() {
        for (v, trainers) in [(8, 3), (8, 8), (64, 7), (5, 4)] {
            let before = ownership(v, trainers);
            for lost in 0..1u32 << trainers {
                let left: Vec<(u32, u32)> = (0u32..)
                    .zip(&before)
                    .filter(|(at, _)| lost >> at & 1 == 0)
                    .map(|(_, range)| *range)
                    .collect();
                let after = reassign(v, &left);
                assert_eq!(after.len(), left.len());
                let Some(last) = after.last() else { continue };
                assert_eq!((after[0].0, last.1), (0, v));
                assert!(after.windows(2).all(|pair| pair[0].1 == pair[1].0));
                let kept = after.iter().zip(&left);
                assert!(kept.clone().all(|(new, old)| new.0 <= old.0 && old.1 <= new.1));
            }
        }
        // The gap goes to the smaller neighbour first.
        assert_eq!(reassign(12, &[(0, 6), (8, 10)]), [(0, 6), (6, 12)]);
        assert_eq!(reassign(12, &[(0, 1), (5, 12)]), [(0, 5), (5, 12)]);
    }

    #[test]
    fn no_other_shares_take_the_slowest_less_time() {
        for round in 0..200u32 {
            let random = |at: u64| mix(at, 5, round);
            let trainers = 1 + random(0) % 3;
            let v = u32::try_from(trainers + random(1) % 9).unwrap();
            let costs: Vec<f64> = (0..trainers).map(|at| (1 + random(at + 2) % 20) as f64).collect();
            let most: Vec<u32> = (0..trainers)
                .map(|at| {
                    u32::try_from(random(at + 5) % 12)
                        .ok()
                        .filter(|most| *most > 0)
                        .unwrap_or(u32::MAX)
                })
                .collect();
            let room = most.iter().fold(0u32, |sum, most| sum.saturating_add(*most));
            let fits = |sizes: &[u32]| room < v || sizes.iter().zip(&most).all(|(size, most)| size <= most);
            let longest = |sizes: &[u32]| {
                let times = sizes
                    .iter()
                    .zip(&costs)
                    .map(|(size, cost)| f64::from(*size) * cost);
                times.fold(0.0, f64::max)
            };
            let given: Vec<(f64, u32)> = costs.iter().copied().zip(most.iter().copied()).collect();
            let ranges = shares(v, &given);
            assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, v));
            assert!(
                ranges.windows(2).all(|pair| pair[0].1 == pair[1].0) && ranges.iter().all(|(lo, hi)| lo < hi)
            );
            let sizes: Vec<u32> = ranges.iter().map(|(lo, hi)| hi - lo).collect();
            let mut best = f64::INFINITY;
            for one in 1..=v {
                for two in 1..=v {
                    let rest = v.saturating_sub(one).saturating_sub(two);
                    let all = [one, two, rest];
                    let sum: u32 = all[..costs.len()].iter().sum();
                    if sum == v
                        && all[..costs.len()].iter().all(|size| *size > 0)
                        && fits(&all[..costs.len()])
                    {
                        best = best.min(longest(&all[..costs.len()]));
                    }
                }
            }
            assert!(fits(&sizes), "{sizes:?}, {most:?}");
            assert_eq!(longest(&sizes), best, "{costs:?}, {most:?}, {v}");
        }
    }
}
