//! Every trainer gives to the next one and takes from the one before. The vector has a chunk for each trainer: a chunk's sum begins
//! where the trainer of its number is, and is whole one trainer before that.

/// Which chunk goes to the next trainer in a round of the first half, of which there are `ranks - 1`, and which comes.
pub(crate) fn adds(rank: usize, ranks: usize, round: usize) -> (usize, usize) {
    let chunk = |back: usize| (rank + 2 * ranks - back) % ranks;
    (chunk(round), chunk(round + 1))
}

/// The same of the second half, in which whole sums go around.
pub(crate) fn spreads(rank: usize, ranks: usize, round: usize) -> (usize, usize) {
    adds(rank + 1, ranks, round)
}
