//! Where the tiles of a long vector lie, and in each the ranges of the ranks.

use std::ops::Range;

/// Ranges begin at multiples of this many values: a cache line.
const ALIGN: usize = 16;
/// A whole tile in the unit in which trainers' shares of it are counted.
pub(crate) const WHOLE: u64 = 1 << 40;

/// The parts of the flat vector that are added up one after another, each of so many values at most; one at least.
pub(crate) fn tiles(length: usize, tile: usize) -> impl Iterator<Item = Range<usize>> {
    let count = length.div_ceil(tile).max(1);
    (0..count).map(move |at| at * tile..((at + 1) * tile).min(length))
}

/// The value of a tile at which a share of it begins.
pub(crate) fn place(edge: u64, length: usize) -> usize {
    let blocks = length.div_ceil(ALIGN) as u128;
    let block = (u128::from(edge) * blocks + u128::from(WHOLE / 2)) / u128::from(WHOLE);
    usize::try_from(block).map_or(length, |block| (block * ALIGN).min(length))
}

/// A rank's chunk of a tile, where each has one; it may be empty where there are few values.
pub(crate) fn chunk(length: usize, ranks: usize, chunk: usize) -> Range<usize> {
    let edge = |chunk: usize| place(WHOLE / ranks as u64 * chunk as u64, length);
    edge(chunk)..if chunk + 1 == ranks {
        length
    } else {
        edge(chunk + 1)
    }
}

/// Ranges of `values` that do not overlap, in the order in which they are asked for.
pub(crate) fn carve<'a>(mut values: &'a mut [f32], ranges: &[Range<usize>]) -> Vec<&'a mut [f32]> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_unstable_by_key(|at| (ranges[*at].start, ranges[*at].end));
    let mut parts: Vec<&mut [f32]> = Vec::with_capacity(ranges.len());
    parts.resize_with(ranges.len(), Default::default);
    let mut done = 0;
    for at in order {
        let range = &ranges[at];
        let (_, rest) = values.split_at_mut(range.start - done);
        let (part, rest) = rest.split_at_mut(range.len());
        (parts[at], values, done) = (part, rest, range.end);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_vector() {
        for length in [0, 1, 512, 513, 9 * 256] {
            let tiles: Vec<Range<usize>> = tiles(length, 256).collect();
            let ends: Vec<usize> = tiles.iter().map(|tile| tile.end).collect();
            let starts: Vec<usize> = tiles.iter().map(|tile| tile.start).collect();
            assert_eq!((starts[0], ends[ends.len() - 1]), (0, length));
            assert_eq!(starts[1..], ends[..ends.len() - 1]);
            assert!(tiles.iter().all(|tile| tile.len() <= 256));
        }
    }

    #[test]
    fn chunks_cover_the_tile_and_are_aligned() {
        for length in [0, 1, 15, 16, 17, 100, 12345] {
            for ranks in 1..8 {
                let mut next = 0;
                for at in 0..ranks {
                    let bounds = chunk(length, ranks, at);
                    assert_eq!(bounds.start, next);
                    assert!(bounds.end == length || bounds.end.is_multiple_of(ALIGN));
                    next = bounds.end;
                }
                assert_eq!(next, length);
            }
        }
    }

    #[test]
    fn carved_parts_come_in_the_order_that_was_asked_for() {
        let mut values: Vec<f32> = (0..10u8).map(f32::from).collect();
        let parts = carve(&mut values, &[7..9, 0..2, 4..4, 2..3]);
        assert_eq!(parts, [&[7.0, 8.0][..], &[0.0, 1.0], &[], &[2.0]]);
    }
}
