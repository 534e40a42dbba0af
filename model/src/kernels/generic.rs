//! The kernel in plain Rust, for processors without AVX2: slow, and the same bits.

use super::isa::{Gather, Isa, Left, Packed, Store, add_rows};
use super::simd::SimdLevel;

/// Plain Rust.
pub(crate) struct Generic;

const ROWS: usize = 4;
const COLS: usize = 16;

impl Isa for Generic {
    const LEVEL: SimdLevel = SimdLevel::Generic;
    type Held = ();
    const ROWS: usize = ROWS;
    const COLS: usize = COLS;
    const HALF: usize = COLS;
    const BLOCK_ROWS: usize = 64;

    unsafe fn tile(
        (): &mut (),
        (rows, _): (usize, bool),
        depth: usize,
        a: *const f32,
        b: *const f32,
        store: &Store,
    ) {
        // SAFETY: the caller keeps the contract of `Isa::tile`, which is that of the function.
        unsafe { tile(rows, depth, Packed(a), b, store) }
    }

    unsafe fn gather_tile(
        (): &mut (),
        (rows, _): (usize, bool),
        depth: usize,
        a: Gather,
        b: *const f32,
        store: &Store,
    ) {
        // SAFETY: the caller keeps the contract of `Isa::gather_tile`, which is that of the function.
        unsafe { tile(rows, depth, a, b, store) }
    }

    unsafe fn add(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize)) {
        // SAFETY: the caller keeps the contract of `Isa::add`.
        unsafe { add_rows(left, right, strides, shape) }
    }
}

unsafe fn tile<L: Left>(rows: usize, depth: usize, a: L, b: *const f32, store: &Store) {
    // SAFETY: the caller passes `depth` columns of COLS values at `b`.
    let b = unsafe { std::slice::from_raw_parts(b, depth * COLS) };
    let mut sums = [[0.0f32; COLS]; ROWS];
    for k in 0..depth {
        // SAFETY: the caller passes `depth` columns at `a`.
        let column = unsafe { a.column(k, rows) };
        for (i, sums) in sums.iter_mut().enumerate().take(rows) {
            // SAFETY: the caller passes `rows` rows at `a`.
            let left = unsafe { a.value(column, i) };
            for j in 0..COLS {
                sums[j] = left.mul_add(b[k * COLS + j], sums[j]);
            }
        }
    }
    // SAFETY: the caller keeps the contract of `Isa::tile`.
    unsafe { store_tile(&sums[..rows], store) }
}

/// Stores the lines of a tile.
///
/// # Safety
/// As [`Isa::tile`], for as many rows as there are lines.
pub(super) unsafe fn store_tile(sums: &[[f32; COLS]], store: &Store) {
    for (i, line) in sums.iter().enumerate() {
        // SAFETY: the caller promises `store.cols` writable values in each of the lines `store.stride` apart,
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
