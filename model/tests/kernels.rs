//! Products have the same bits alone or in a batch, for every number of threads and every instruction set.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::kernels::{Accumulate, Kernels, Matrix, Program, SimdLevel, blocks};
use candlewick_model::philox::{Key, philox};

struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 += 1;
        philox([self.0, 0, 0, 0], Key::new(5, "test"))[0]
    }
    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
    fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| f32::from_bits(self.next() & 0x00ff_ffff | 0x3f00_0000) - 0.75)
            .collect()
    }
}

/// The definition: blocks of a chain of fused multiply-adds, added in order.
fn element(start: Option<f32>, terms: &[(f32, f32)]) -> f32 {
    let mut value = start;
    for (from, to) in blocks(terms.len()) {
        let chain = terms[from..to]
            .iter()
            .fold(0.0f32, |sum, (a, b)| a.mul_add(*b, sum));
        value = Some(value.map_or(chain, |value| value + chain));
    }
    value.unwrap_or(0.0)
}

fn assert_bits(got: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (at, (g, w)) in got.iter().zip(wanted).enumerate() {
        assert_eq!(g.to_bits(), w.to_bits(), "{what}: element {at}: {g} and {w}");
    }
}

/// Miri interprets: it gets few and small shapes.
const SHAPES: &[(usize, usize, usize)] = if cfg!(miri) {
    &[(1, 1, 1), (14, 32, 3), (3, 17, 5), (1, 2, 530)]
} else {
    &[
        (1, 10, 784),
        (256, 10, 256),
        (3, 513, 33),
        (29, 70, 513),
        (15, 33, 1025),
        (1, 1, 1),
        (100, 48, 64),
        (14, 32, 7),
        (340, 17, 5),
        (2, 2100, 3),
        (47, 31, 1600),
        (97, 129, 131),
    ]
};

#[test]
fn products_are_the_definition_on_every_level_and_any_threads() {
    let mut random = Random(0);
    for &(m, n, k) in SHAPES {
        let (a, w, bias) = (random.values(m * k), random.values(n * k), random.values(n));
        let wanted: Vec<f32> = (0..m * n)
            .map(|at| {
                let (i, j) = (at / n, at % n);
                let terms: Vec<_> = (0..k).map(|p| (a[i * k + p], w[j * k + p])).collect();
                element(Some(bias[j]), &terms)
            })
            .collect();
        for level in SimdLevel::available() {
            for threads in 1..=3 {
                let mut kernels = Kernels::at(level, threads).unwrap();
                let mut c = vec![f32::NAN; m * n];
                let weight = Matrix::new(&w, n, k).transposed();
                kernels.product(Matrix::new(&a, m, k), weight, Accumulate::Bias(&bias), &mut c);
                assert_bits(&c, &wanted, &format!("{m}x{n}x{k} {level:?} {threads}"));
            }
        }
    }
}

#[test]
fn a_row_alone_is_the_row_in_a_batch() {
    let mut random = Random(1000);
    for _ in 0..40 {
        let (m, n, k) = (1 + random.below(70), 1 + random.below(90), 1 + random.below(900));
        let (a, b) = (random.values(m * k), random.values(k * n));
        for level in SimdLevel::available() {
            let mut kernels = Kernels::at(level, 1).unwrap();
            let mut all = vec![0.0; m * n];
            kernels.product(
                Matrix::new(&a, m, k),
                Matrix::new(&b, k, n),
                Accumulate::Zero,
                &mut all,
            );
            let first = random.below(m);
            let count = 1 + random.below(m - first);
            let mut some = vec![0.0; count * n];
            let rows = Matrix::new(&a[first * k..], count, k);
            kernels.product(rows, Matrix::new(&b, k, n), Accumulate::Zero, &mut some);
            assert_bits(
                &some,
                &all[first * n..(first + count) * n],
                &format!("{m}x{n}x{k} {level:?}"),
            );
        }
    }
}

#[test]
fn any_layout_of_the_operands_gives_the_same_bits() {
    let mut random = Random(2000);
    let transposed = |values: &[f32], rows: usize, cols: usize| -> Vec<f32> {
        (0..rows * cols)
            .map(|at| values[at % rows * cols + at / rows])
            .collect()
    };
    for &(m, n, k) in SHAPES {
        let (a, b) = (random.values(m * k), random.values(k * n));
        let (at, bt) = (transposed(&a, m, k), transposed(&b, k, n));
        for level in SimdLevel::available() {
            let mut kernels = Kernels::at(level, 1).unwrap();
            let mut product = |a: Matrix<'_>, b: Matrix<'_>| {
                let mut c = vec![0.0; m * n];
                kernels.product(a, b, Accumulate::Zero, &mut c);
                c
            };
            let wanted = product(Matrix::new(&a, m, k), Matrix::new(&b, k, n));
            let turned = product(
                Matrix::new(&at, k, m).transposed(),
                Matrix::new(&bt, n, k).transposed(),
            );
            assert_bits(&turned, &wanted, &format!("{m}x{n}x{k} {level:?}"));
        }
    }
}

/// Slices of random sizes over `v` shards, some without rows.
fn slices(random: &mut Random, v: u32, most: usize) -> Vec<(usize, usize)> {
    let mut start = 0;
    (0..v)
        .map(|_| {
            let rows = if random.below(5) == 0 {
                0
            } else {
                random.below(most)
            };
            start += rows;
            (start - rows, rows)
        })
        .collect()
}

#[test]
fn tree_products_are_trees_of_products() {
    let mut random = Random(3000);
    // The last case has more rows than are evaluated tile by tile; the one before, leaves of several blocks.
    for (v, most, m, n) in [
        (8, 40, 50, 70),
        (5, 9, 3, 200),
        (1, 600, 29, 33),
        (3, 1300, 17, 40),
        (6, 2000, 15, 20),
    ] {
        let leaves = slices(&mut random, v, most);
        let rows = leaves.last().map_or(0, |leaf| leaf.0 + leaf.1);
        let (g, x) = (random.values(rows * m), random.values(rows * n));
        let program = Program::of(0, v, &|shard| leaves[shard as usize]);
        let mut wanted = vec![0.0; m * n];
        for (at, value) in wanted.iter_mut().enumerate() {
            let (i, j) = (at / n, at % n);
            let leaf = |start: usize, rows: usize, into: &mut [f32]| {
                let terms: Vec<_> = (start..start + rows)
                    .map(|p| (g[p * m + i], x[p * n + j]))
                    .collect();
                into[0] = element(None, &terms);
            };
            program.evaluate(std::slice::from_mut(value), &mut Vec::new(), leaf, |l, r| {
                l[0] += r[0]
            });
        }
        for level in SimdLevel::available() {
            for threads in 1..=3 {
                let mut kernels = Kernels::at(level, threads).unwrap();
                let mut c = vec![f32::NAN; m * n];
                let (g, x) = (Matrix::new(&g, rows, m).transposed(), Matrix::new(&x, rows, n));
                kernels.tree_product(g, x, &program, 1, &mut c);
                assert_bits(
                    &c,
                    &wanted,
                    &format!("{m}x{n} over {leaves:?} {level:?} {threads}"),
                );
            }
        }
    }
}

#[test]
fn column_sums_are_products_with_ones() {
    let mut random = Random(4000);
    for (v, most, n) in [(8, 40, 50), (3, 1300, 7), (1, 2, 1)] {
        let leaves = slices(&mut random, v, most);
        let rows = leaves.last().map_or(0, |leaf| leaf.0 + leaf.1);
        let g = random.values(rows * n);
        let ones = vec![1.0; rows];
        let program = Program::of(0, v, &|shard| leaves[shard as usize]);
        for level in SimdLevel::available() {
            let mut kernels = Kernels::at(level, 2).unwrap();
            let (mut sums, mut product) = (vec![0.0; n], vec![0.0; n]);
            kernels.tree_column_sums(&Matrix::new(&g, rows, n), &program, 1, &mut sums);
            let ones = Matrix::new(&ones, 1, rows);
            kernels.tree_product(ones, Matrix::new(&g, rows, n), &program, 1, &mut product);
            assert_bits(&sums, &product, &format!("{n} over {leaves:?} {level:?}"));
        }
    }
}
