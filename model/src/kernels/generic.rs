//! The kernel in plain Rust, for processors without AVX2: slow, and the same bits.

use super::gemm::{Isa, Store};

/// Plain Rust.
pub(crate) struct Generic;

const ROWS: usize = 4;
const COLS: usize = 16;

impl Isa for Generic {
    const ROWS: usize = ROWS;
    const COLS: usize = COLS;
    const HALF: usize = COLS;
    const BLOCK_ROWS: usize = 64;

    unsafe fn tile(rows: usize, _half: bool, depth: usize, a: *const f32, b: *const f32, store: &Store) {
        // SAFETY: the caller gives `depth` columns of `rows` values at `a`, and of COLS values at `b`.
        let (a, b) = unsafe {
            (
                std::slice::from_raw_parts(a, depth * rows),
                std::slice::from_raw_parts(b, depth * COLS),
            )
        };
        let mut sums = [[0.0f32; COLS]; ROWS];
        for (left, right) in a.chunks_exact(rows).zip(b.chunks_exact(COLS)) {
            for (line, x) in sums.iter_mut().zip(left) {
                for (sum, y) in line.iter_mut().zip(right) {
                    *sum = x.mul_add(*y, *sum);
                }
            }
        }
        for (i, line) in sums.iter().enumerate().take(rows) {
            // SAFETY: the caller promises `store.cols` writable values in each of `rows` lines `store.stride` apart,
            // and as many readable values at a bias.
            let (target, bias) = unsafe {
                (
                    std::slice::from_raw_parts_mut(store.c.add(i * store.stride), store.cols),
                    store
                        .bias
                        .map(|bias| std::slice::from_raw_parts(bias, store.cols)),
                )
            };
            for (j, value) in target.iter_mut().enumerate() {
                *value = match bias {
                    _ if store.add => *value + line[j],
                    Some(bias) => bias[j] + line[j],
                    None => line[j],
                };
            }
        }
    }
}
