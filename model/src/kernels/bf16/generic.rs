//! The kernel in plain Rust, for processors without AVX2: slow, and the same bits.

use super::pack::{fold, panel};
use super::scalar::{CHUNK, add_chunk, add_in_chunk, add_pair};
use crate::kernels::generic::store_tile;
use crate::kernels::isa::{Gather, Isa, Left, Packed, Store, add_rows};
use crate::kernels::matrix::Matrix;
use crate::kernels::simd::SimdLevel;

/// Plain Rust.
pub(crate) struct EmulatedGeneric;
/// What AMX does, in plain Rust.
pub(crate) struct AmxGeneric;

const ROWS: usize = 4;
const COLS: usize = 16;

/// The kernels of plain Rust around a tile.
macro_rules! kernels {
    ($name:ident, $step:expr, $tile:ident) => {
        impl Isa for $name {
            const LEVEL: SimdLevel = SimdLevel::Generic;
            type Held = ();
            const VALUES: usize = 2;
            const STEP: usize = $step;
            const ROWS: usize = ROWS;
            const COLS: usize = COLS;
            const HALF: usize = COLS;
            const BLOCK_ROWS: usize = 64;

            fn panel(
                matrix: &Matrix<'_>,
                rows: (usize, usize),
                depth: (usize, usize),
                height: usize,
                into: &mut [f32],
            ) {
                panel(Self::LEVEL, matrix, rows, depth, height, into);
            }

            fn fold(lines: &mut [f32], wide: usize) {
                fold(Self::LEVEL, lines, wide);
            }

            unsafe fn tile(
                (): &mut (),
                (rows, _): (usize, bool),
                depth: usize,
                a: *const f32,
                b: *const f32,
                store: &Store,
            ) {
                // SAFETY: the caller keeps the contract of `Isa::tile`, which is that of the function.
                unsafe { $tile(rows, depth, Packed(a), b, store) }
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
                unsafe { $tile(rows, depth, a, b, store) }
            }

            unsafe fn add(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize)) {
                // SAFETY: the caller keeps the contract of `Isa::add`.
                unsafe { add_rows(left, right, strides, shape) }
            }
        }
    };
}

kernels!(EmulatedGeneric, 2, tile);
kernels!(AmxGeneric, 2 * CHUNK, chunks);

unsafe fn tile<L: Left>(rows: usize, depth: usize, a: L, b: *const f32, store: &Store) {
    // SAFETY: the caller passes `depth` columns of COLS pairs at `b`.
    let b = unsafe { std::slice::from_raw_parts(b, depth * COLS) };
    let mut sums = [[0.0f32; COLS]; ROWS];
    for (k, right) in b.chunks_exact(COLS).enumerate() {
        // SAFETY: the caller passes `depth` columns at `a`.
        let column = unsafe { a.column(k, rows) };
        for (i, sums) in sums.iter_mut().enumerate().take(rows) {
            // SAFETY: the caller passes `rows` rows at `a`.
            let left = unsafe { a.value(column, i) }.to_bits();
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = add_pair(left, right.to_bits(), *sum);
            }
        }
    }
    // SAFETY: the caller keeps the contract of `Isa::tile`.
    unsafe { store_tile(&sums[..rows], store) }
}

unsafe fn chunks<L: Left>(rows: usize, depth: usize, a: L, b: *const f32, store: &Store) {
    // SAFETY: the caller passes `depth` columns of COLS pairs at `b`.
    let b = unsafe { std::slice::from_raw_parts(b, depth * COLS) };
    let mut sums = [[0.0f32; COLS]; ROWS];
    for first in (0..depth).step_by(CHUNK) {
        for (i, sums) in sums.iter_mut().enumerate().take(rows) {
            let mut both = [(0.0f32, 0.0f32); COLS];
            for (k, right) in b.chunks_exact(COLS).enumerate().skip(first).take(CHUNK) {
                // SAFETY: the caller passes `depth` columns of `rows` rows at `a`.
                let left = unsafe { a.value(a.column(k, rows), i) }.to_bits();
                for (both, right) in both.iter_mut().zip(right) {
                    *both = add_in_chunk(left, right.to_bits(), *both);
                }
            }
            for (sum, both) in sums.iter_mut().zip(both) {
                *sum = add_chunk(both, *sum);
            }
        }
    }
    // SAFETY: the caller keeps the contract of `Isa::tile`.
    unsafe { store_tile(&sums[..rows], store) }
}
