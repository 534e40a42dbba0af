//! Where the tiles of a long vector lie, and in each the chunks of the ranks.

use std::ops::Range;

/// Chunks begin at multiples of this many values: a cache line.
const ALIGN: usize = 16;
/// Values of a chunk of a tile at most (measured: docs/performance.md).
const TILE_OF_RANK: usize = 128 * 1024;

/// The parts of the flat vector that are added up one after another, one at least; rank c owns chunk c of each.
pub(crate) fn tiles(length: usize, ranks: usize) -> Vec<Range<usize>> {
    let tile = TILE_OF_RANK * ranks;
    let count = length.div_ceil(tile).max(1);
    (0..count)
        .map(|at| at * tile..((at + 1) * tile).min(length))
        .collect()
}

/// Where the chunks of a tile lie in the flat vector; some may be empty where there are few values.
pub(crate) fn all_bounds(tile: &Range<usize>, ranks: usize) -> Vec<Range<usize>> {
    (0..ranks)
        .map(|chunk| {
            let within = bounds(tile.len(), ranks, chunk);
            tile.start + within.start..tile.start + within.end
        })
        .collect()
}

/// Where a chunk lies in a tile.
fn bounds(length: usize, ranks: usize, chunk: usize) -> Range<usize> {
    let blocks = length.div_ceil(ALIGN);
    let edge = |chunk: usize| (blocks * chunk / ranks * ALIGN).min(length);
    edge(chunk)..edge(chunk + 1)
}

/// A tile's values, by its chunks.
pub(crate) fn split<'a>(mut out: &'a mut [f32], bounds: &[Range<usize>]) -> Vec<&'a mut [f32]> {
    let mut chunks = Vec::with_capacity(bounds.len());
    for bound in bounds {
        let (chunk, rest) = out.split_at_mut(bound.len());
        chunks.push(chunk);
        out = rest;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_vector() {
        for length in [0, 1, 2 * TILE_OF_RANK, 2 * TILE_OF_RANK + 1, 9 * TILE_OF_RANK] {
            let tiles = tiles(length, 2);
            let ends: Vec<usize> = tiles.iter().map(|tile| tile.end).collect();
            let starts: Vec<usize> = tiles.iter().map(|tile| tile.start).collect();
            assert_eq!((starts[0], ends[ends.len() - 1]), (0, length));
            assert_eq!(starts[1..], ends[..ends.len() - 1]);
            let bounds: Vec<Range<usize>> = tiles.iter().flat_map(|tile| all_bounds(tile, 2)).collect();
            assert!(bounds.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(bounds.iter().all(|chunk| chunk.len() <= TILE_OF_RANK));
        }
    }

    #[test]
    fn chunks_cover_the_vector_and_are_aligned() {
        for length in [0, 1, 15, 16, 17, 100, 12345] {
            for ranks in 1..8 {
                let mut next = 0;
                for chunk in 0..ranks {
                    let bounds = bounds(length, ranks, chunk);
                    assert_eq!(bounds.start, next);
                    assert!(bounds.end == length || bounds.end.is_multiple_of(ALIGN));
                    next = bounds.end;
                }
                assert_eq!(next, length);
            }
        }
    }
}
