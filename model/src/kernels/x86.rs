//! Kernels for AVX2 and AVX-512.

use super::gemm::{Isa, Store};
use std::arch::x86_64::{
    __m256, __m256i, __m512, __mmask16, _mm256_add_ps, _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32,
    _mm256_setzero_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
};

/// AVX-512: tiles of 14 x 32.
pub(crate) struct Avx512;
/// AVX2 and FMA: tiles of 6 x 16.
pub(crate) struct Avx2;

macro_rules! dispatch {
    ($tile:ident, $rows:expr, $half:expr, ($depth:expr, $a:expr, $b:expr, $store:expr), $($count:literal)*) => {
        match ($rows, $half) {
            $(
                // SAFETY: the caller keeps the contract of `Isa::tile`, which is that of the function.
                ($count, false) => unsafe { $tile::<$count, 2>($depth, $a, $b, $store) },
                // SAFETY: as above.
                ($count, true) => unsafe { $tile::<$count, 1>($depth, $a, $b, $store) },
            )*
            _ => debug_assert!(false, "a tile has at least one row and at most ROWS"),
        }
    };
}

impl Isa for Avx512 {
    const ROWS: usize = 14;
    const COLS: usize = 32;
    const HALF: usize = 16;
    const BLOCK_ROWS: usize = 336;

    #[inline]
    unsafe fn tile(rows: usize, half: bool, depth: usize, a: *const f32, b: *const f32, store: &Store) {
        dispatch!(tile512, rows, half, (depth, a, b, store), 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

impl Isa for Avx2 {
    const ROWS: usize = 6;
    const COLS: usize = 16;
    const HALF: usize = 8;
    const BLOCK_ROWS: usize = 96;

    #[inline]
    unsafe fn tile(rows: usize, half: bool, depth: usize, a: *const f32, b: *const f32, store: &Store) {
        dispatch!(tile256, rows, half, (depth, a, b, store), 1 2 3 4 5 6);
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn tile512<const M: usize, const V: usize>(
    depth: usize,
    mut a: *const f32,
    mut b: *const f32,
    store: &Store,
) {
    let mut sums: [[__m512; V]; M] = [[_mm512_setzero_ps(); V]; M];
    for _ in 0..depth {
        let mut right = [_mm512_setzero_ps(); V];
        for (v, vector) in right.iter_mut().enumerate() {
            // SAFETY: `b` holds `depth` columns of V * 16 values.
            *vector = unsafe { _mm512_loadu_ps(b.add(v * 16)) };
        }
        for (i, line) in sums.iter_mut().enumerate() {
            // SAFETY: `a` holds `depth` columns of M values.
            let left = unsafe { _mm512_set1_ps(*a.add(i)) };
            for (sum, vector) in line.iter_mut().zip(&right) {
                *sum = _mm512_fmadd_ps(left, *vector, *sum);
            }
        }
        // SAFETY: one column further, at most to the end of the panels.
        (a, b) = unsafe { (a.add(M), b.add(V * 16)) };
    }
    for (i, line) in sums.iter().enumerate() {
        for (v, sum) in line.iter().enumerate() {
            let left = store.cols.saturating_sub(v * 16);
            let mask: __mmask16 = if left >= 16 { !0 } else { (1 << left) - 1 };
            // SAFETY: the mask keeps every access inside the `store.cols` values of row i, and of the bias.
            unsafe {
                let c = store.c.wrapping_add(i * store.stride + v * 16);
                let value = if store.add {
                    _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), *sum)
                } else if let Some(bias) = store.bias {
                    _mm512_add_ps(_mm512_maskz_loadu_ps(mask, bias.wrapping_add(v * 16)), *sum)
                } else {
                    *sum
                };
                _mm512_mask_storeu_ps(c, mask, value);
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn mask256(count: usize) -> __m256i {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "at most 8"
    )]
    let count = count.min(8) as i32;
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes)
}

#[target_feature(enable = "avx2,fma")]
unsafe fn tile256<const M: usize, const V: usize>(
    depth: usize,
    mut a: *const f32,
    mut b: *const f32,
    store: &Store,
) {
    let mut sums: [[__m256; V]; M] = [[_mm256_setzero_ps(); V]; M];
    for _ in 0..depth {
        let mut right = [_mm256_setzero_ps(); V];
        for (v, vector) in right.iter_mut().enumerate() {
            // SAFETY: `b` holds `depth` columns of V * 8 values.
            *vector = unsafe { _mm256_loadu_ps(b.add(v * 8)) };
        }
        for (i, line) in sums.iter_mut().enumerate() {
            // SAFETY: `a` holds `depth` columns of M values.
            let left = unsafe { _mm256_set1_ps(*a.add(i)) };
            for (sum, vector) in line.iter_mut().zip(&right) {
                *sum = _mm256_fmadd_ps(left, *vector, *sum);
            }
        }
        // SAFETY: one column further, at most to the end of the panels.
        (a, b) = unsafe { (a.add(M), b.add(V * 8)) };
    }
    for (i, line) in sums.iter().enumerate() {
        for (v, sum) in line.iter().enumerate() {
            let mask = mask256(store.cols.saturating_sub(v * 8));
            // SAFETY: the mask keeps every access inside the `store.cols` values of row i, and of the bias.
            unsafe {
                let c = store.c.wrapping_add(i * store.stride + v * 8);
                let value = if store.add {
                    _mm256_add_ps(_mm256_maskload_ps(c, mask), *sum)
                } else if let Some(bias) = store.bias {
                    _mm256_add_ps(_mm256_maskload_ps(bias.wrapping_add(v * 8), mask), *sum)
                } else {
                    *sum
                };
                _mm256_maskstore_ps(c, mask, value);
            }
        }
    }
}
