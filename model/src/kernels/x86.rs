//! Kernels for AVX2 and AVX-512.

use super::isa::{Gather, Isa, Left, Packed, ROW_PANELS, Store, add_rows};
use super::simd::SimdLevel;
use std::arch::x86_64::{
    __m256, __m256i, __m512, __mmask16, _mm256_add_ps, _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32,
    _mm256_setzero_ps, _mm256_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
};

/// AVX-512: tiles of 14 x 32.
pub(crate) struct Avx512;
/// AVX2 and FMA: tiles of 6 x 16.
pub(crate) struct Avx2;

/// Calls a tile for its number of rows and its width.
macro_rules! dispatch {
    ($tile:ident, $shape:expr, ($depth:expr, $a:expr, $b:expr, $store:expr), $($count:literal)*) => {
        match $shape {
            $(
                // SAFETY: the caller keeps the contract of `Isa::tile`, which is that of the function.
                ($count, false) => unsafe { $tile::<$count, 2, _>($depth, $a, $b, $store) },
                // SAFETY: as above.
                ($count, true) => unsafe { $tile::<$count, 1, _>($depth, $a, $b, $store) },
            )*
            _ => debug_assert!(false, "a tile has at least one row and at most ROWS"),
        }
    };
}

pub(super) use dispatch;

impl Isa for Avx512 {
    const LEVEL: SimdLevel = SimdLevel::Avx512;
    type Held = ();
    const ROWS: usize = 14;
    const COLS: usize = 32;
    const HALF: usize = 16;
    const BLOCK_ROWS: usize = 336;

    #[inline]
    unsafe fn tile(
        (): &mut (),
        shape: (usize, bool),
        depth: usize,
        a: *const f32,
        b: *const f32,
        store: &Store,
    ) {
        dispatch!(tile512, shape, (depth, Packed(a), b, store), 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    #[inline]
    unsafe fn row((): &mut (), depth: usize, a: *const f32, b: *const f32, store: &Store) {
        // SAFETY: the caller keeps the contract of `Isa::row`, which is that of the function.
        unsafe { row512(depth, a, b, store) }
    }

    #[inline]
    unsafe fn gather_tile(
        (): &mut (),
        shape: (usize, bool),
        depth: usize,
        a: Gather,
        b: *const f32,
        store: &Store,
    ) {
        dispatch!(tile512, shape, (depth, a, b, store), 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    #[inline]
    unsafe fn add(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize)) {
        // SAFETY: the caller keeps the contract of `Isa::add`, which is that of the function.
        unsafe { add512(left, right, strides, shape) }
    }
}

impl Isa for Avx2 {
    const LEVEL: SimdLevel = SimdLevel::Avx2;
    type Held = ();
    const ROWS: usize = 6;
    const COLS: usize = 16;
    const HALF: usize = 8;
    const BLOCK_ROWS: usize = 96;

    #[inline]
    unsafe fn tile(
        (): &mut (),
        shape: (usize, bool),
        depth: usize,
        a: *const f32,
        b: *const f32,
        store: &Store,
    ) {
        dispatch!(tile256, shape, (depth, Packed(a), b, store), 1 2 3 4 5 6);
    }

    #[inline]
    unsafe fn row((): &mut (), depth: usize, a: *const f32, b: *const f32, store: &Store) {
        // SAFETY: the caller keeps the contract of `Isa::row`, which is that of the function.
        unsafe { row256(depth, a, b, store) }
    }

    #[inline]
    unsafe fn gather_tile(
        (): &mut (),
        shape: (usize, bool),
        depth: usize,
        a: Gather,
        b: *const f32,
        store: &Store,
    ) {
        dispatch!(tile256, shape, (depth, a, b, store), 1 2 3 4 5 6);
    }

    #[inline]
    unsafe fn add(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize)) {
        // SAFETY: the caller keeps the contract of `Isa::add`, which is that of the function.
        unsafe { add256(left, right, strides, shape) }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn add512(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize)) {
    // SAFETY: the caller keeps the contract of `Isa::add`.
    unsafe { add_rows(left, right, strides, shape) }
}

#[target_feature(enable = "avx512f")]
#[expect(
    clippy::needless_range_loop,
    reason = "loops over constants keep the sums in registers, iterators do not"
)]
unsafe fn tile512<const M: usize, const V: usize, L: Left>(
    depth: usize,
    a: L,
    mut b: *const f32,
    store: &Store,
) {
    let mut sums: [[__m512; V]; M] = [[_mm512_setzero_ps(); V]; M];
    for t in 0..depth {
        let mut right = [_mm512_setzero_ps(); V];
        for v in 0..V {
            // SAFETY: `b` holds `depth` columns of V * 16 values.
            right[v] = unsafe { _mm512_loadu_ps(b.add(v * 16)) };
        }
        // SAFETY: `a` holds `depth` columns.
        let column = unsafe { a.column(t, M) };
        for i in 0..M {
            // SAFETY: `a` holds M rows.
            let left = unsafe { _mm512_set1_ps(a.value(column, i)) };
            for v in 0..V {
                sums[i][v] = _mm512_fmadd_ps(left, right[v], sums[i][v]);
            }
        }
        // SAFETY: one column further, at most to the end of the panel.
        b = unsafe { b.add(V * 16) };
    }
    // SAFETY: the caller keeps the contract of `Isa::tile`.
    unsafe { store512(&sums, store) }
}

/// One row and all its panels at once.
///
/// # Safety
/// As [`Isa::row`].
#[target_feature(enable = "avx512f")]
#[expect(clippy::needless_range_loop, reason = "as in tile512")]
unsafe fn row512(depth: usize, a: *const f32, b: *const f32, store: &Store) {
    let mut sums = [[_mm512_setzero_ps(); 2 * ROW_PANELS]; 1];
    for t in 0..depth {
        // SAFETY: `a` holds `depth` values, `b` so many columns of 2 * 16 values for each panel.
        unsafe {
            let left = _mm512_set1_ps(*a.add(t));
            for v in 0..2 * ROW_PANELS {
                let right = b.add((v / 2 * depth + t) * 2 * 16 + v % 2 * 16);
                sums[0][v] = _mm512_fmadd_ps(left, _mm512_loadu_ps(right), sums[0][v]);
            }
        }
    }
    // SAFETY: the caller keeps the contract of `Isa::row`.
    unsafe { store512(&sums, store) }
}

/// Stores the sums of a tile.
///
/// # Safety
/// As [`Isa::tile`].
#[inline]
#[target_feature(enable = "avx512f")]
#[expect(
    clippy::needless_range_loop,
    reason = "loops over constants keep the sums in registers, iterators do not"
)]
pub(super) unsafe fn store512<const M: usize, const V: usize>(sums: &[[__m512; V]; M], store: &Store) {
    for i in 0..M {
        for v in 0..V {
            let sum = sums[i][v];
            let left = store.cols.saturating_sub(v * 16);
            let mask: __mmask16 = if left >= 16 { !0 } else { (1 << left) - 1 };
            // SAFETY: the mask keeps every access inside the `store.cols` values of row i, and of the bias.
            unsafe {
                let c = store.c.wrapping_add(i * store.stride + v * 16);
                let value = if store.add {
                    _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum)
                } else if let Some(bias) = store.bias {
                    _mm512_add_ps(_mm512_maskz_loadu_ps(mask, bias.wrapping_add(v * 16)), sum)
                } else {
                    sum
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
unsafe fn add256(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize)) {
    // SAFETY: the caller keeps the contract of `Isa::add`.
    unsafe { add_rows(left, right, strides, shape) }
}

#[target_feature(enable = "avx2,fma")]
#[expect(
    clippy::needless_range_loop,
    reason = "loops over constants keep the sums in registers, iterators do not"
)]
unsafe fn tile256<const M: usize, const V: usize, L: Left>(
    depth: usize,
    a: L,
    mut b: *const f32,
    store: &Store,
) {
    let mut sums: [[__m256; V]; M] = [[_mm256_setzero_ps(); V]; M];
    for t in 0..depth {
        let mut right = [_mm256_setzero_ps(); V];
        for v in 0..V {
            // SAFETY: `b` holds `depth` columns of V * 8 values.
            right[v] = unsafe { _mm256_loadu_ps(b.add(v * 8)) };
        }
        // SAFETY: `a` holds `depth` columns.
        let column = unsafe { a.column(t, M) };
        for i in 0..M {
            // SAFETY: `a` holds M rows.
            let left = unsafe { _mm256_set1_ps(a.value(column, i)) };
            for v in 0..V {
                sums[i][v] = _mm256_fmadd_ps(left, right[v], sums[i][v]);
            }
        }
        // SAFETY: one column further, at most to the end of the panel.
        b = unsafe { b.add(V * 8) };
    }
    // SAFETY: the caller keeps the contract of `Isa::tile`.
    unsafe { store256(&sums, store) }
}

/// One row and all its panels at once.
///
/// # Safety
/// As [`Isa::row`].
#[target_feature(enable = "avx2,fma")]
#[expect(clippy::needless_range_loop, reason = "as in tile256")]
unsafe fn row256(depth: usize, a: *const f32, b: *const f32, store: &Store) {
    let mut sums = [[_mm256_setzero_ps(); 2 * ROW_PANELS]; 1];
    for t in 0..depth {
        // SAFETY: `a` holds `depth` values, `b` so many columns of 2 * 8 values for each panel.
        unsafe {
            let left = _mm256_set1_ps(*a.add(t));
            for v in 0..2 * ROW_PANELS {
                let right = b.add((v / 2 * depth + t) * 2 * 8 + v % 2 * 8);
                sums[0][v] = _mm256_fmadd_ps(left, _mm256_loadu_ps(right), sums[0][v]);
            }
        }
    }
    // SAFETY: the caller keeps the contract of `Isa::row`.
    unsafe { store256(&sums, store) }
}

/// Stores the sums of a tile. Masked stores take AMD's processors before Zen 4 a dozen cycles each, so they are for the edge of
/// a result only. Always a part of the tile's own code, which has the instructions: else the sums went through memory.
///
/// # Safety
/// As [`Isa::tile`].
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "loops over constants keep the sums in registers, iterators do not"
)]
pub(super) unsafe fn store256<const M: usize, const V: usize>(sums: &[[__m256; V]; M], store: &Store) {
    if store.cols < V * 8 {
        // SAFETY: the caller keeps the contract of `Isa::tile`.
        return unsafe { store_edge256(sums, store) };
    }
    for i in 0..M {
        let row = store.c.wrapping_add(i * store.stride);
        let onto = if store.add {
            Some(row.cast_const())
        } else {
            store.bias
        };
        for v in 0..V {
            // SAFETY: row i has V * 8 values to store, and so has the bias.
            unsafe {
                let value = match onto {
                    Some(onto) => _mm256_add_ps(_mm256_loadu_ps(onto.add(v * 8)), sums[i][v]),
                    None => sums[i][v],
                };
                _mm256_storeu_ps(row.add(v * 8), value);
            }
        }
    }
}

/// As [`store256`], of fewer columns than a tile has.
///
/// # Safety
/// As [`Isa::tile`].
#[target_feature(enable = "avx2,fma")]
#[expect(clippy::needless_range_loop, reason = "as in store256")]
unsafe fn store_edge256<const M: usize, const V: usize>(sums: &[[__m256; V]; M], store: &Store) {
    for v in 0..V {
        let left = store.cols.saturating_sub(v * 8);
        if left == 0 {
            break;
        }
        let mask = mask256(left);
        for i in 0..M {
            // SAFETY: the row has a value to store from here on; the mask keeps every access inside its `store.cols`, and those
            // of the bias.
            unsafe {
                let c = store.c.add(i * store.stride + v * 8);
                let onto = if store.add {
                    Some(c.cast_const())
                } else {
                    store.bias.map(|bias| bias.add(v * 8))
                };
                let value = match onto {
                    Some(onto) => _mm256_add_ps(_mm256_maskload_ps(onto, mask), sums[i][v]),
                    None => sums[i][v],
                };
                _mm256_maskstore_ps(c, mask, value);
            }
        }
    }
}
