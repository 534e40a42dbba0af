//! Matrices of low rank (PowerSGD, Vogels et al., "PowerSGD: practical low-rank gradient compression for distributed
//! optimization", 2019; torch's `powerSGD_hook`): the sum of all shards' gradients M of a matrix is sent as P Q^T, where
//! P = M Q is made orthonormal and Q = M^T P, with the Q of the step before on the right.
//!
//! Both products are sums over the shards, so each is added up along the tree of rule B5 in f32. What a shard's gradient has
//! outside of the columns of P it remembers for its next one. Vectors, and matrices that would not get smaller, are sent as
//! they are.

use crate::kernels::{self, Accumulate, Kernels, add_into};
use crate::network::Network;
use crate::numbers::to_f32;
use crate::parameter::Parameter;
use candlewick_protocol::order::mix;
use std::ops::Range;

/// A column of which less than this is left beside those before it says nothing that they do not.
const NEGLIGIBLE: f64 = 1e-6;

/// A parameter that is sent as two factors.
#[derive(Debug, Clone)]
struct Matrix {
    /// Its place in a node's values.
    values: Range<usize>,
    rows: usize,
    columns: usize,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct LowRank {
    rank: usize,
    matrices: Vec<Matrix>,
    /// What is sent as it is.
    plain: Vec<Range<usize>>,
    /// Where running statistics lie: nobody trains them.
    untrained: Vec<Range<usize>>,
}

impl LowRank {
    /// Of the gradients of a network, whose nodes have so many values.
    ///
    /// ```
    /// use candlewick_model::{compression::LowRank, network::Network};
    /// use serde_json::json;
    /// let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 10}]});
    /// let network = Network::from_document(&document, &[40])?;
    /// let two = LowRank::new(2, &network, network.num_dense());
    /// // 2 (10 + 40) values in the place of 400, and the 10 of the bias.
    /// assert_eq!((two.first_len(), two.factors_len()), (2 * 10 + 10, 2 * 40));
    /// assert_eq!(LowRank::largest(&network), Some(7));
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn new(rank: u32, network: &Network, length: usize) -> Self {
        let mut found = LowRank {
            rank: rank as usize,
            matrices: Vec::new(),
            plain: Vec::new(),
            untrained: Vec::new(),
        };
        let mut start = 0;
        for parameter in dense(network) {
            let values = start..start + parameter.len();
            start = values.end;
            let (rows, columns) = sides(parameter);
            if !parameter.trained {
                found.untrained.push(values);
            } else if found.rank * (rows + columns) < rows * columns {
                found.matrices.push(Matrix {
                    values,
                    rows,
                    columns,
                });
            } else {
                found.plain.push(values);
            }
        }
        // What further calls of shared layers add.
        if start < length {
            found.plain.push(start..length);
        }
        found
    }

    /// Of one square matrix.
    pub(super) fn of_square(rank: u32, side: usize) -> Self {
        LowRank {
            rank: rank as usize,
            matrices: vec![Matrix {
                values: 0..side * side,
                rows: side,
                columns: side,
            }],
            plain: Vec::new(),
            untrained: Vec::new(),
        }
    }

    /// The largest rank that makes any parameter of a network smaller; none where no rank does.
    #[must_use]
    pub fn largest(network: &Network) -> Option<usize> {
        let of = |parameter: &Parameter| {
            let (rows, columns) = sides(parameter);
            (rows * columns).saturating_sub(1) / (rows + columns).max(1)
        };
        let trained = dense(network).filter(|parameter| parameter.trained);
        trained.map(of).max().filter(|rank| *rank > 0)
    }

    /// Values of what is added up first: P of each matrix, and what is sent as it is.
    #[must_use]
    pub fn first_len(&self) -> usize {
        let plain: usize = self.plain.iter().map(Range::len).sum();
        self.matrices
            .iter()
            .map(|matrix| matrix.rows * self.rank)
            .sum::<usize>()
            + plain
    }

    /// Values of what is added up then, and kept for the next step: Q of each matrix.
    #[must_use]
    pub fn factors_len(&self) -> usize {
        self.matrices
            .iter()
            .map(|matrix| matrix.columns * self.rank)
            .sum()
    }

    /// Columns of Q that are 0, which they are before the first step, begin with numbers that look random.
    pub fn renew(&self, factors: &mut [f32]) {
        let mut start = 0;
        for (at, matrix) in (0u64..).zip(&self.matrices) {
            let own = &mut factors[start..start + matrix.columns * self.rank];
            start += own.len();
            for column in 0..self.rank {
                if own[column..].iter().step_by(self.rank).any(|value| *value != 0.0) {
                    continue;
                }
                for (row, value) in (0u64..).zip(own[column..].iter_mut().step_by(self.rank)) {
                    *value = random(at, column as u64, row);
                }
            }
        }
    }

    /// A shard's gradient, to which what it remembers is added, and its part of what is added up first.
    pub fn first(
        &self,
        kernels: &mut Kernels,
        (values, memory): (&mut [f32], &[f32]),
        factors: &[f32],
        into: &mut [f32],
    ) {
        for range in &self.untrained {
            values[range.clone()].fill(0.0);
        }
        add_into(kernels.level(), values, memory);
        for part in self.parts() {
            let (m, q) = (part.of(values), part.right(factors));
            kernels.product(m, q, Accumulate::Zero, &mut into[part.first.clone()]);
        }
        let mut start = self.products_len();
        for range in &self.plain {
            into[start..start + range.len()].copy_from_slice(&values[range.clone()]);
            start += range.len();
        }
    }

    /// The columns of each P become orthonormal, the first one first (Gram-Schmidt). One that the others have said already
    /// becomes 0.
    pub fn orthonormalise(&self, sum: &mut [f32]) {
        let mut start = 0;
        for matrix in &self.matrices {
            let own = &mut sum[start..start + matrix.rows * self.rank];
            start += own.len();
            for column in 0..self.rank {
                let before = self.dot(own, column, column).sqrt();
                for other in 0..column {
                    let along = to_f32(self.dot(own, other, column));
                    for row in own.chunks_exact_mut(self.rank) {
                        row[column] -= along * row[other];
                    }
                }
                let left = self.dot(own, column, column).sqrt();
                let scale = if left > NEGLIGIBLE * before {
                    to_f32(1.0 / left)
                } else {
                    0.0
                };
                for row in own.chunks_exact_mut(self.rank) {
                    row[column] *= scale;
                }
            }
        }
    }

    fn dot(&self, own: &[f32], left: usize, right: usize) -> f64 {
        let rows = own.chunks_exact(self.rank);
        rows.map(|row| f64::from(row[left]) * f64::from(row[right])).sum()
    }

    /// A shard's part of what is added up then: the gradient that [`LowRank::first`] left, times P.
    pub fn second(&self, kernels: &mut Kernels, values: &[f32], first: &[f32], into: &mut [f32]) {
        for part in self.parts() {
            let (m, p) = (part.of(values).transposed(), part.left(first));
            kernels.product(m, p, Accumulate::Zero, &mut into[part.second.clone()]);
        }
    }

    /// What a shard remembers: its gradient without that part of it which was sent.
    pub fn rest(
        &self,
        kernels: &mut Kernels,
        (values, first): (&[f32], &[f32]),
        own: &[f32],
        memory: &mut [f32],
    ) {
        let sent = self.plain.iter().chain(&self.untrained);
        sent.for_each(|range| memory[range.clone()].fill(0.0));
        let minus: Vec<f32> = first[..self.products_len()].iter().map(|value| -value).collect();
        for part in self.parts() {
            let into = &mut memory[part.matrix.values.clone()];
            into.copy_from_slice(&values[part.matrix.values.clone()]);
            let (p, q) = (part.left(&minus), part.right(own).transposed());
            kernels.product(p, q, Accumulate::Result, into);
        }
    }

    /// The sum of all shards, of what was added up.
    pub fn expand(&self, kernels: &mut Kernels, first: &[f32], factors: &[f32], out: &mut [f32]) {
        for range in &self.untrained {
            out[range.clone()].fill(0.0);
        }
        for part in self.parts() {
            let (p, q) = (part.left(first), part.right(factors).transposed());
            kernels.product(p, q, Accumulate::Zero, &mut out[part.matrix.values.clone()]);
        }
        let mut start = self.products_len();
        for range in &self.plain {
            out[range.clone()].copy_from_slice(&first[start..start + range.len()]);
            start += range.len();
        }
    }

    /// Values of all P.
    fn products_len(&self) -> usize {
        self.matrices.iter().map(|matrix| matrix.rows * self.rank).sum()
    }

    /// Each matrix, and where its factors lie.
    fn parts(&self) -> impl Iterator<Item = Factored<'_>> {
        let (mut first, mut second) = (0, 0);
        self.matrices.iter().map(move |matrix| {
            let begin = (first, second);
            first += matrix.rows * self.rank;
            second += matrix.columns * self.rank;
            Factored {
                matrix,
                rank: self.rank,
                first: begin.0..first,
                second: begin.1..second,
            }
        })
    }
}

/// A matrix and where its factors lie.
struct Factored<'a> {
    matrix: &'a Matrix,
    rank: usize,
    /// P, among all that is added up first.
    first: Range<usize>,
    /// Q, among all of them.
    second: Range<usize>,
}

impl Factored<'_> {
    /// M.
    fn of<'a>(&self, values: &'a [f32]) -> kernels::Matrix<'a> {
        let values = &values[self.matrix.values.clone()];
        kernels::Matrix::new(values, self.matrix.rows, self.matrix.columns)
    }

    /// P.
    fn left<'a>(&self, first: &'a [f32]) -> kernels::Matrix<'a> {
        kernels::Matrix::new(&first[self.first.clone()], self.matrix.rows, self.rank)
    }

    /// Q.
    fn right<'a>(&self, factors: &'a [f32]) -> kernels::Matrix<'a> {
        kernels::Matrix::new(&factors[self.second.clone()], self.matrix.columns, self.rank)
    }
}

fn dense(network: &Network) -> impl Iterator<Item = &Parameter> {
    let sparse = network.sparse_parameters();
    let parameters = network.parameters().iter();
    parameters.filter(move |parameter| !sparse.iter().any(|one| one.offset == parameter.offset))
}

/// As a matrix: the first dimension, and all others.
fn sides(parameter: &Parameter) -> (usize, usize) {
    let rows = parameter.shape.first().copied().unwrap_or(1).max(1);
    (rows, parameter.len() / rows)
}

/// Between -1 and 1.
#[expect(clippy::cast_precision_loss, reason = "24 bits")]
pub(super) fn random(matrix: u64, column: u64, row: u64) -> f32 {
    let bits = mix(row, matrix, u32::try_from(column).unwrap_or(u32::MAX)) >> 40;
    bits as f32 / (1u32 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ROWS: usize = 6;
    const COLUMNS: usize = 9;

    fn network() -> Network {
        let layers = json!([{"type": "Linear", "out_features": ROWS}, {"type": "BatchNorm1d"}]);
        Network::from_document(
            &json!({"format": "candlewick.network/1", "layers": layers}),
            &[COLUMNS],
        )
        .unwrap()
    }

    fn gradient(length: usize, seed: u64, rank: u64) -> Vec<f32> {
        let mut values: Vec<f32> = (0..length as u64).map(|at| random(seed, 99, at)).collect();
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                let parts = (0..rank)
                    .map(|part| random(seed, part, row as u64) * random(seed, 50 + part, column as u64));
                values[row * COLUMNS + column] = parts.sum();
            }
        }
        values
    }

    /// What all shards come to, and what each remembers.
    fn round(
        low: &LowRank,
        shards: &mut [Vec<f32>],
        memory: &mut [Vec<f32>],
        factors: &mut Vec<f32>,
    ) -> Vec<f32> {
        let kernels = &mut Kernels::new(1).unwrap();
        low.renew(factors);
        let (mut first, mut second) = (vec![0.0; low.first_len()], vec![0.0; low.factors_len()]);
        for (values, memory) in shards.iter_mut().zip(&*memory) {
            let mut own = vec![0.0; first.len()];
            low.first(kernels, (values, memory), factors, &mut own);
            first.iter_mut().zip(&own).for_each(|(sum, own)| *sum += own);
        }
        low.orthonormalise(&mut first);
        for (values, memory) in shards.iter().zip(memory) {
            let mut own = vec![0.0; second.len()];
            low.second(kernels, values, &first, &mut own);
            low.rest(kernels, (values, &first), &own, memory);
            second.iter_mut().zip(&own).for_each(|(sum, own)| *sum += own);
        }
        let mut out = vec![f32::NAN; shards[0].len()];
        low.expand(kernels, &first, &second, &mut out);
        *factors = second;
        out
    }

    #[test]
    fn a_sum_of_that_rank_comes_out_as_it_is_and_nothing_is_remembered() {
        let network = network();
        let length = network.num_dense();
        let low = LowRank::new(2, &network, length);
        let mut shards = vec![gradient(length, 1, 1), gradient(length, 2, 1)];
        let wanted: Vec<f32> = shards[0].iter().zip(&shards[1]).map(|(a, b)| a + b).collect();
        let mut memory = vec![vec![0.0; length]; 2];
        let mut factors = vec![0.0; low.factors_len()];
        let out = round(&low, &mut shards, &mut memory, &mut factors);
        let matrix = ROWS * COLUMNS;
        for (at, (got, wanted)) in out.iter().zip(&wanted).enumerate() {
            let trained = at < matrix + 3 * ROWS;
            let wanted = if trained { *wanted } else { 0.0 };
            assert!((got - wanted).abs() < 1e-5, "{at}: {got} {wanted}");
        }
        // The bias and what BatchNorm learns are vectors: as they are.
        assert_eq!(out[matrix..matrix + 3 * ROWS], wanted[matrix..matrix + 3 * ROWS]);
        assert!(memory.iter().flatten().all(|value| value.abs() < 1e-5));
    }

    #[test]
    fn what_is_not_sent_is_remembered_and_nothing_is_lost() {
        let network = network();
        let length = network.num_dense();
        let low = LowRank::new(1, &network, length);
        let mut memory = vec![vec![0.0; length]; 3];
        let mut factors = vec![0.0; low.factors_len()];
        let (mut given, mut sent) = (vec![0.0; length], vec![0.0; length]);
        for step in 0..5 {
            let mut shards: Vec<Vec<f32>> = (0..3).map(|at| gradient(length, step * 3 + at, 4)).collect();
            for values in &shards {
                given
                    .iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
            }
            let out = round(&low, &mut shards, &mut memory, &mut factors);
            sent.iter_mut().zip(&out).for_each(|(sum, value)| *sum += value);
        }
        for at in 0..ROWS * COLUMNS {
            let left: f32 = memory.iter().map(|memory| memory[at]).sum();
            assert!((given[at] - sent[at] - left).abs() < 1e-4, "{at}");
        }
        let biggest = memory
            .iter()
            .flatten()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(biggest > 0.1, "rank 1 does not hold a sum of rank 4");
    }

    #[test]
    fn columns_are_orthonormal_and_those_that_say_nothing_new_are_begun_again() {
        let network = network();
        let low = LowRank::new(2, &network, network.num_dense());
        let mut first = vec![0.0; low.first_len()];
        for row in 0..ROWS {
            first[row * 2] = random(1, 1, row as u64);
            first[row * 2 + 1] = 3.0 * first[row * 2];
        }
        low.orthonormalise(&mut first);
        assert!((low.dot(&first[..ROWS * 2], 0, 0) - 1.0).abs() < 1e-6);
        assert_eq!(low.dot(&first[..ROWS * 2], 1, 1), 0.0);
        let mut factors = vec![0.0; low.factors_len()];
        factors[0] = 5.0;
        low.renew(&mut factors);
        assert_eq!(
            (factors[0], factors[2]),
            (5.0, 0.0),
            "a column with a value stays"
        );
        assert!(factors.iter().skip(1).step_by(2).all(|value| *value != 0.0));
    }

    #[test]
    fn what_would_not_get_smaller_is_sent_as_it_is() {
        let network = network();
        assert_eq!(LowRank::largest(&network), Some(3));
        let low = LowRank::new(4, &network, network.num_dense());
        assert_eq!(low.factors_len(), 0);
        assert_eq!(low.first_len(), ROWS * COLUMNS + 3 * ROWS);
    }
}
