//! Sums of the gradients of a table's rows on a device, in an order that the rows at hand decide.
//!
//! What is added to what is decided on the host, from the indices alone. The occurrences of a row of the table, in the order of the
//! batch, are cut into chains of at most [`CHAIN`]. All chains are added up at once, an occurrence of each a round: the first to all
//! that have one, then the second, and so on. They stand in the order of their lengths, so that a round is the sum of two blocks of
//! memory and nothing is added twice. Sums of a row's chains are occurrences of the next level. So every row whose occurrences are one
//! chain has the host's order, and its bits; no kernel adds numbers of which another one decides the order.

use crate::layers::index;
use crate::resident::{DeviceError, Kind, Link};
use candle_core::Tensor;

/// Occurrences that are added one after another.
const CHAIN: usize = 32;

/// What one level adds up.
#[derive(Debug, PartialEq, Eq)]
struct Level {
    /// Places in the memory that is added up, round after round.
    from: Vec<u32>,
    /// Chains of each round: fewer and fewer.
    rounds: Vec<usize>,
}

impl Level {
    /// The level of occurrences, (row, place) in ascending order of rows and for each in the order of adding; and of the next level
    /// the same.
    fn of(occurrences: &[(u32, u32)]) -> (Self, Vec<(u32, u32)>) {
        let by_row = occurrences.chunk_by(|one, next| one.0 == next.0);
        let chains: Vec<&[(u32, u32)]> = by_row.flat_map(|row| row.chunks(CHAIN)).collect();
        let mut order: Vec<usize> = (0..chains.len()).collect();
        order.sort_by_key(|chain| std::cmp::Reverse(chains[*chain].len()));
        let longest = order.first().map_or(0, |chain| chains[*chain].len());
        let (mut from, mut rounds) = (Vec::with_capacity(occurrences.len()), Vec::new());
        for round in 0..longest {
            let count = order.partition_point(|chain| chains[*chain].len() > round);
            from.extend(order[..count].iter().map(|chain| chains[*chain][round].1));
            rounds.push(count);
        }
        let mut next = vec![(0, 0); chains.len()];
        for (slot, chain) in (0u32..).zip(order) {
            next[chain] = (chains[chain][0].0, slot);
        }
        (Level { from, rounds }, next)
    }

    /// The sums of its chains over rows of `values`.
    fn sum(&self, values: &Tensor, first: bool, link: &Link) -> Result<Tensor, DeviceError> {
        let from = link.up(Kind::Rows, self.from.as_slice(), self.from.len())?;
        let all = values.index_select(&from, 0)?;
        let mut sums = all.narrow(0, 0, self.rounds[0])?;
        if first {
            // A sum that starts at +0 is never -0.
            sums = sums.affine(1.0, 0.0)?;
        }
        let (mut start, mut over) = (self.rounds[0], Vec::new());
        for (before, count) in self.rounds.iter().zip(&self.rounds[1..]) {
            if count < before {
                over.push(sums.narrow(0, *count, before - count)?);
            }
            sums = (sums.narrow(0, 0, *count)? + all.narrow(0, start, *count)?)?;
            start += count;
        }
        if over.is_empty() {
            return Ok(sums);
        }
        let parts: Vec<&Tensor> = std::iter::once(&sums).chain(over.iter().rev()).collect();
        Ok(Tensor::cat(&parts, 0)?)
    }
}

/// What is added up for the rows of a table that a slice has.
#[derive(Debug)]
pub(super) struct Adding {
    levels: Vec<Level>,
    /// The rows, ascending, and the place of each among the last level's sums.
    rows: Vec<(u32, u32)>,
}

impl Adding {
    /// That of a slice's indices; none where all of them are padding.
    pub(super) fn of(values: &[f32], padding: Option<usize>) -> Option<Self> {
        let indices = values.iter().map(|value| index(*value));
        let counted = (0u32..).zip(indices).filter(|(_, index)| Some(*index) != padding);
        let mut keys: Vec<u64> = counted
            .map(|(place, index)| (index as u64) << 32 | u64::from(place))
            .collect();
        keys.sort_unstable();
        let halves = |key: &u64| ((key >> 32) as u32, (key & 0xFFFF_FFFF) as u32);
        let mut occurrences: Vec<(u32, u32)> = keys.iter().map(halves).collect();
        if occurrences.is_empty() {
            return None;
        }
        let mut levels = Vec::new();
        loop {
            let (level, next) = Level::of(&occurrences);
            levels.push(level);
            occurrences = next;
            if occurrences.windows(2).all(|pair| pair[0].0 != pair[1].0) {
                break;
            }
        }
        Some(Adding {
            levels,
            rows: occurrences,
        })
    }

    /// The sums, of a gradient for every index: `[indices, width]`.
    pub(super) fn sum(self, gradient: &Tensor, link: &Link) -> Result<Part, DeviceError> {
        let mut values = gradient.contiguous()?;
        for (at, level) in self.levels.iter().enumerate() {
            values = level.sum(&values, at == 0, link)?;
        }
        Ok(Part {
            rows: self.rows,
            values,
        })
    }
}

/// The gradient of some rows of a table.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The rows, ascending, and the place of each among the values.
    rows: Vec<(u32, u32)>,
    /// `[rows, width]`.
    values: Tensor,
}

impl Part {
    /// The rows of both (rule B5): those that both have are added, left first, and others are copied.
    pub(super) fn merged(left: &Part, right: &Part, link: &Link) -> Result<Part, DeviceError> {
        let Merging {
            both,
            lefts,
            rights,
            rows,
        } = Merging::of(&left.rows, &right.rows);
        let taken = |part: &Part, own: &[u32]| -> Result<Tensor, DeviceError> {
            let from = link.up(Kind::Rows, own, own.len())?;
            Ok(part.values.index_select(&from, 0)?)
        };
        let mut values = Vec::with_capacity(3);
        if !both.is_empty() {
            let (one, other): (Vec<u32>, Vec<u32>) = both.into_iter().unzip();
            values.push((taken(left, &one)? + taken(right, &other)?)?);
        }
        for (part, own) in [(left, lefts), (right, rights)] {
            if !own.is_empty() {
                values.push(taken(part, &own)?);
            }
        }
        Ok(Part {
            rows,
            values: Tensor::cat(&values, 0)?,
        })
    }

    /// The rows, ascending, and their values in that order.
    pub(super) fn ordered(self, link: &Link) -> Result<(Vec<u32>, Tensor), DeviceError> {
        let (rows, places): (Vec<u32>, Vec<u32>) = self.rows.into_iter().unzip();
        let values = if places.is_sorted() {
            self.values
        } else {
            let places = link.up(Kind::Rows, places.as_slice(), places.len())?;
            self.values.index_select(&places, 0)?
        };
        Ok((rows, values.flatten_all()?))
    }
}

/// Which rows two parts have, by their places.
struct Merging {
    both: Vec<(u32, u32)>,
    lefts: Vec<u32>,
    rights: Vec<u32>,
    /// Those of the union: first what both have, then what the left and then what the right has alone.
    rows: Vec<(u32, u32)>,
}

impl Merging {
    fn of(left: &[(u32, u32)], right: &[(u32, u32)]) -> Self {
        let (mut both, mut lefts, mut rights) = (Vec::new(), Vec::new(), Vec::new());
        let mut order: [Vec<u32>; 3] = Default::default();
        let (mut own, mut other) = (left.iter().peekable(), right.iter().peekable());
        loop {
            let row = match (own.peek(), other.peek()) {
                (Some(one), Some(two)) => one.0.min(two.0),
                (Some(one), None) => one.0,
                (None, Some(two)) => two.0,
                (None, None) => break,
            };
            let pair = (own.next_if(|one| one.0 == row), other.next_if(|two| two.0 == row));
            let kind = match pair {
                (Some(one), Some(two)) => {
                    both.push((one.1, two.1));
                    0
                }
                (Some(one), None) => {
                    lefts.push(one.1);
                    1
                }
                (None, Some(two)) => {
                    rights.push(two.1);
                    2
                }
                (None, None) => break,
            };
            order[kind].push(row);
        }
        let mut rows: Vec<(u32, u32)> = order.concat().into_iter().zip(0u32..).collect();
        rows.sort_unstable();
        Merging {
            both,
            lefts,
            rights,
            rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    const WIDTH: usize = 3;

    fn gradient(count: usize, device: &Device) -> (Vec<f32>, Tensor) {
        let values: Vec<f32> = (0..count * WIDTH)
            .map(|at| ((at * 37 % 101) as f32 - 50.0) / 7.0)
            .collect();
        let tensor = Tensor::from_slice(&values, (count, WIDTH), device).unwrap();
        (values, tensor)
    }

    /// Row by row in the order of the batch, from +0 on.
    fn wanted(indices: &[f32], padding: Option<usize>, gradient: &[f32]) -> Vec<(u32, Vec<f32>)> {
        let mut sums = std::collections::BTreeMap::new();
        for (at, value) in indices.iter().enumerate() {
            if Some(*value as usize) == padding {
                continue;
            }
            let sum = sums.entry(*value as u32).or_insert_with(|| vec![0.0f32; WIDTH]);
            for (sum, g) in sum.iter_mut().zip(&gradient[at * WIDTH..]) {
                *sum += g;
            }
        }
        sums.into_iter().collect()
    }

    fn got(part: Part, link: &Link) -> Vec<(u32, Vec<f32>)> {
        let (rows, values) = part.ordered(link).unwrap();
        let values = values.to_vec1::<f32>().unwrap();
        let values = values.chunks(WIDTH).map(<[f32]>::to_vec);
        rows.into_iter().zip(values).collect()
    }

    fn bits(all: &[(u32, Vec<f32>)]) -> Vec<(u32, Vec<u32>)> {
        let one =
            |(row, values): &(u32, Vec<f32>)| (*row, values.iter().map(|value| value.to_bits()).collect());
        all.iter().map(one).collect()
    }

    #[test]
    fn rows_of_one_chain_have_the_bits_of_adding_in_order() {
        let link = Link::new(Device::Cpu);
        for (count, entries) in [(1, 1), (5, 9), (200, 17), (31, 1), (32, 1), (400, 50)] {
            let indices: Vec<f32> = (0..count).map(|at| (at * at % entries) as f32).collect();
            for padding in [None, Some(0), Some(3)] {
                let (given, tensor) = gradient(count, &Device::Cpu);
                let wanted = wanted(&indices, padding, &given);
                let Some(adding) = Adding::of(&indices, padding) else {
                    assert!(wanted.is_empty());
                    continue;
                };
                let often = |row: &f32| indices.iter().filter(|other| *other == row).count();
                let most = indices.iter().map(often).max().unwrap_or(0);
                let got = got(adding.sum(&tensor, &link).unwrap(), &link);
                if most <= CHAIN {
                    assert_eq!(bits(&got), bits(&wanted), "{count} of {entries}");
                }
                for ((row, got), (other, wanted)) in got.iter().zip(&wanted) {
                    assert_eq!(row, other);
                    for (got, wanted) in got.iter().zip(wanted) {
                        assert!(
                            (got - wanted).abs() <= 1e-4,
                            "{count} of {entries}: {got} {wanted}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_that_comes_very_often_is_added_up_in_levels() {
        let link = Link::new(Device::Cpu);
        let count = CHAIN * CHAIN + 5;
        let mut indices = vec![2.0; count];
        indices[7] = 4.0;
        let adding = Adding::of(&indices, None).unwrap();
        let rounds: Vec<usize> = adding.levels.iter().map(|level| level.rounds.len()).collect();
        assert_eq!(rounds, [CHAIN, CHAIN, 2]);
        let ones = Tensor::ones((count, WIDTH), candle_core::DType::F32, &Device::Cpu).unwrap();
        let got = got(adding.sum(&ones, &link).unwrap(), &link);
        let often = (count - 1) as f32;
        assert_eq!(got, [(2, vec![often; WIDTH]), (4, vec![1.0; WIDTH])]);
    }

    #[test]
    fn no_sum_is_minus_zero() {
        let link = Link::new(Device::Cpu);
        let minus = Tensor::from_slice(&[-0.0f32; 2 * WIDTH], (2, WIDTH), &Device::Cpu).unwrap();
        let got = got(
            Adding::of(&[1.0, 0.0], None).unwrap().sum(&minus, &link).unwrap(),
            &link,
        );
        assert_eq!(bits(&got), [(0, vec![0; WIDTH]), (1, vec![0; WIDTH])]);
    }

    #[test]
    fn parts_merge_as_tables_add() {
        let link = Link::new(Device::Cpu);
        let sides: [(&[f32], &[f32]); 4] = [
            (&[5.0, 1.0, 1.0, 9.0], &[9.0, 0.0, 5.0, 5.0, 7.0]),
            (&[1.0], &[2.0]),
            (&[3.0, 2.0], &[2.0, 3.0]),
            (&[8.0], &[0.0, 8.0]),
        ];
        for (left, right) in sides {
            let part = |indices: &[f32]| {
                let (_, tensor) = gradient(indices.len(), &Device::Cpu);
                Adding::of(indices, None).unwrap().sum(&tensor, &link).unwrap()
            };
            let (one, two) = (part(left), part(right));
            let merged = got(Part::merged(&one, &two, &link).unwrap(), &link);
            let mut sum = std::collections::BTreeMap::new();
            for (row, values) in got(one, &link).into_iter().chain(got(two, &link)) {
                let own = sum.entry(row).or_insert_with(|| vec![0.0f32; WIDTH]);
                own.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value);
            }
            let wanted: Vec<_> = sum.into_iter().collect();
            assert_eq!(bits(&merged), bits(&wanted));
        }
    }
}
