//! Products of bf16 for x86-64: by `vdpbf16ps`, and with the same bits where a processor lacks it, or lacks AMX.

use super::pack::{fold, panel};
use super::scalar::{CHUNK, add_chunk, add_in_chunk, add_pair};
use crate::kernels::isa::{Gather, Isa, Left, Packed, Store};
use crate::kernels::matrix::Matrix;
use crate::kernels::simd::SimdLevel;
use crate::kernels::x86::{Avx2, Avx512, dispatch, store256, store512};
use std::arch::x86_64::{
    __m256, __m512, __m512bh, _CMP_EQ_OQ, _CMP_LT_OQ, _mm256_add_ps, _mm256_and_ps, _mm256_andnot_ps,
    _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_movemask_ps, _mm256_or_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_slli_epi32, _mm512_abs_ps, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_mask_and_epi32, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32,
};
use std::mem::transmute;

/// `vdpbf16ps`: tiles of 14 x 32.
pub(crate) struct Bf16Avx512;
/// The same by fused multiply-adds of AVX-512.
pub(crate) struct EmulatedAvx512;
/// The same by fused multiply-adds of AVX2: tiles of 6 x 16.
pub(crate) struct EmulatedAvx2;
/// What AMX does, by fused multiply-adds of AVX-512.
pub(crate) struct AmxAvx512;
/// The same by those of AVX2.
pub(crate) struct AmxAvx2;

/// The kernels of an instruction set whose tiles are those of another one in size.
macro_rules! kernels {
    ($name:ident as $shape:ident at $level:ident, $step:expr, $rows:literal rows: $tile:ident, $($count:literal)*) => {
        impl Isa for $name {
            const LEVEL: SimdLevel = SimdLevel::$level;
            type Held = ();
            const VALUES: usize = 2;
            const STEP: usize = $step;
            const ROWS: usize = $rows;
            const COLS: usize = $shape::COLS;
            const HALF: usize = $shape::HALF;
            const BLOCK_ROWS: usize = $shape::BLOCK_ROWS;

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

            #[inline]
            unsafe fn tile((): &mut (), shape: (usize, bool), depth: usize, a: *const f32, b: *const f32, store: &Store) {
                dispatch!($tile, shape, (depth, Packed(a), b, store), $($count)*);
            }

            #[inline]
            unsafe fn gather_tile((): &mut (), shape: (usize, bool), depth: usize, a: Gather, b: *const f32, store: &Store) {
                dispatch!($tile, shape, (depth, a, b, store), $($count)*);
            }

            #[inline]
            unsafe fn add(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize)) {
                // SAFETY: the caller keeps the contract of `Isa::add`; both have the same instructions for it.
                unsafe { $shape::add(left, right, strides, shape) }
            }
        }
    };
}

kernels!(Bf16Avx512 as Avx512 at Avx512Bf16, 2, 14 rows: tile_bf16, 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
kernels!(EmulatedAvx512 as Avx512 at Avx512, 2, 8 rows: tile512, 1 2 3 4 5 6 7 8);
kernels!(EmulatedAvx2 as Avx2 at Avx2, 2, 3 rows: tile256, 1 2 3);
kernels!(AmxAvx512 as Avx512 at Avx512, 2 * CHUNK, 8 rows: chunks512, 1 2 3 4 5 6 7 8);
kernels!(AmxAvx2 as Avx2 at Avx2, 2 * CHUNK, 3 rows: chunks256, 1 2 3);

#[inline]
#[target_feature(enable = "avx512f")]
fn pairs512(values: __m512) -> __m512bh {
    // SAFETY: both are 512 bits without a rule for what they hold.
    unsafe { transmute::<__m512, __m512bh>(values) }
}

#[target_feature(enable = "avx512f,avx512bf16")]
#[expect(
    clippy::needless_range_loop,
    reason = "loops over constants keep the sums in registers, iterators do not"
)]
unsafe fn tile_bf16<const M: usize, const V: usize, L: Left>(
    depth: usize,
    a: L,
    mut b: *const f32,
    store: &Store,
) {
    let mut sums: [[__m512; V]; M] = [[_mm512_setzero_ps(); V]; M];
    for t in 0..depth {
        let mut right = [_mm512_setzero_ps(); V];
        for v in 0..V {
            // SAFETY: `b` holds `depth` columns of V * 16 pairs.
            right[v] = unsafe { _mm512_loadu_ps(b.add(v * 16)) };
        }
        // SAFETY: `a` holds `depth` columns.
        let column = unsafe { a.column(t, M) };
        for i in 0..M {
            // SAFETY: `a` holds M rows.
            let left = unsafe { _mm512_set1_ps(a.value(column, i)) };
            for v in 0..V {
                sums[i][v] = _mm512_dpbf16_ps(sums[i][v], pairs512(right[v]), pairs512(left));
            }
        }
        // SAFETY: one column further, at most to the end of the panel.
        b = unsafe { b.add(V * 16) };
    }
    // SAFETY: the caller keeps the contract of `Isa::tile`.
    unsafe { store512(&sums, store) }
}

/// Defines the tiles of an instruction set without products of bf16, pair by pair and chunk by chunk: fused multiply-adds whose results
/// are flushed. Where a result is the smallest normal number, which may be a subnormal one that was rounded up, the tile is computed
/// again, value by value.
macro_rules! emulated {
    ($name:ident, $chunks:ident, $features:literal, $vector:ty, $width:literal, $store:ident,
     [$zero:ident, $load:ident, $set:ident, $add:ident, $fused:ident],
     $odd:expr, $even:expr, $edge:ty, $none:expr, $flush:expr, $join:expr, $any:expr) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<const M: usize, const V: usize, L: Left>(
            depth: usize,
            a: L,
            b: *const f32,
            store: &Store,
        ) {
            let mut sums: [[$vector; V]; M] = [[$zero(); V]; M];
            let mut edges: $edge = $none;
            for t in 0..depth {
                let (mut odd, mut even) = ([$zero(); V], [$zero(); V]);
                for v in 0..V {
                    // SAFETY: `b` holds `depth` columns of V vectors of pairs.
                    let pairs = unsafe { $load(b.add((t * V + v) * $width)) };
                    (odd[v], even[v]) = ($odd(pairs), $even(pairs));
                }
                // SAFETY: `a` holds `depth` columns.
                let column = unsafe { a.column(t, M) };
                for i in 0..M {
                    // SAFETY: `a` holds M rows.
                    let pairs = unsafe { $set(a.value(column, i)) };
                    let (left_odd, left_even) = ($odd(pairs), $even(pairs));
                    for v in 0..V {
                        let (first, edge) = $flush($fused(left_odd, odd[v], sums[i][v]));
                        edges = $join(edges, edge);
                        let (second, edge) = $flush($fused(left_even, even[v], first));
                        edges = $join(edges, edge);
                        sums[i][v] = second;
                    }
                }
            }
            if $any(edges) {
                // SAFETY: as above; lines of so many sums are vectors that lie one after another.
                unsafe {
                    one_by_one(
                        depth,
                        (a, M),
                        (b, V * $width),
                        pair_by_pair,
                        sums.as_mut_ptr().cast(),
                    )
                };
            }
            // SAFETY: the caller keeps the contract of `Isa::tile`.
            unsafe { $store(&sums, store) }
        }

        #[target_feature(enable = $features)]
        unsafe fn $chunks<const M: usize, const V: usize, L: Left>(
            depth: usize,
            a: L,
            b: *const f32,
            store: &Store,
        ) {
            let mut sums: [[$vector; V]; M] = [[$zero(); V]; M];
            let mut edges: $edge = $none;
            for first in (0..depth).step_by(CHUNK) {
                for i in 0..M {
                    let (mut odds, mut evens) = ([$zero(); V], [$zero(); V]);
                    for t in first..depth.min(first + CHUNK) {
                        // SAFETY: `a` holds `depth` columns of M rows.
                        let pairs = unsafe { $set(a.value(a.column(t, M), i)) };
                        let (left_odd, left_even) = ($odd(pairs), $even(pairs));
                        for v in 0..V {
                            // SAFETY: `b` holds `depth` columns of V vectors of pairs.
                            let pairs = unsafe { $load(b.add((t * V + v) * $width)) };
                            let (first, edge) = $flush($fused(left_odd, $odd(pairs), odds[v]));
                            edges = $join(edges, edge);
                            let (second, edge) = $flush($fused(left_even, $even(pairs), evens[v]));
                            edges = $join(edges, edge);
                            (odds[v], evens[v]) = (first, second);
                        }
                    }
                    for v in 0..V {
                        // A sum of two values that is subnormal is exact: none is rounded up.
                        let (both, _) = $flush($add(evens[v], odds[v]));
                        (sums[i][v], _) = $flush($add(sums[i][v], both));
                    }
                }
            }
            if $any(edges) {
                // SAFETY: as above; lines of so many sums are vectors that lie one after another.
                unsafe {
                    one_by_one(
                        depth,
                        (a, M),
                        (b, V * $width),
                        chunk_by_chunk,
                        sums.as_mut_ptr().cast(),
                    )
                };
            }
            // SAFETY: the caller keeps the contract of `Isa::tile`.
            unsafe { $store(&sums, store) }
        }
    };
}

/// A sum of so many pairs of both operands.
type SumOf = fn(usize, &dyn Fn(usize) -> (u32, u32)) -> f32;

/// One after another.
fn pair_by_pair(depth: usize, at: &dyn Fn(usize) -> (u32, u32)) -> f32 {
    (0..depth)
        .map(at)
        .fold(0.0, |sum, (left, right)| add_pair(left, right, sum))
}

/// As AMX has it.
fn chunk_by_chunk(depth: usize, at: &dyn Fn(usize) -> (u32, u32)) -> f32 {
    (0..depth).step_by(CHUNK).fold(0.0, |sum, first| {
        let pairs = (first..depth.min(first + CHUNK)).map(at);
        let both = pairs.fold((0.0, 0.0), |both, (left, right)| add_in_chunk(left, right, both));
        add_chunk(both, sum)
    })
}

/// The sums of a tile of `a.1` rows and `b.1` columns, value by value.
///
/// # Safety
/// Both operands hold `depth` columns, and `sums` has room for the tile.
#[cold]
unsafe fn one_by_one<L: Left>(
    depth: usize,
    a: (L, usize),
    b: (*const f32, usize),
    sum: SumOf,
    sums: *mut f32,
) {
    for i in 0..a.1 {
        for j in 0..b.1 {
            let at = |t: usize| {
                // SAFETY: the caller promises both operands.
                let (left, right) = unsafe { (a.0.value(a.0.column(t, a.1), i), *b.0.add(t * b.1 + j)) };
                (left.to_bits(), right.to_bits())
            };
            // SAFETY: the caller promises the room.
            unsafe { *sums.add(i * b.1 + j) = sum(depth, &at) };
        }
    }
}

emulated!(
    tile512,
    chunks512,
    "avx512f",
    __m512,
    16,
    store512,
    [
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps
    ],
    |pairs| {
        let half = _mm512_set1_epi32(0xFFFF_0000u32.cast_signed());
        _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), half))
    },
    |pairs| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(pairs))),
    u16,
    0,
    |value: __m512| {
        let (size, least) = (_mm512_abs_ps(value), _mm512_set1_ps(f32::MIN_POSITIVE));
        let (bits, sign) = (_mm512_castps_si512(value), _mm512_set1_epi32(i32::MIN));
        let small = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(size, least);
        let flushed = _mm512_castsi512_ps(_mm512_mask_and_epi32(bits, small, bits, sign));
        (flushed, _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(size, least))
    },
    |edges: u16, edge: u16| edges | edge,
    |edges: u16| edges != 0
);

emulated!(
    tile256,
    chunks256,
    "avx2,fma",
    __m256,
    8,
    store256,
    [
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_fmadd_ps
    ],
    |pairs| {
        let half = _mm256_castsi256_ps(_mm256_set1_epi32(0xFFFF_0000u32.cast_signed()));
        _mm256_and_ps(pairs, half)
    },
    |pairs| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(pairs))),
    __m256,
    _mm256_setzero_ps(),
    |value: __m256| {
        let all = _mm256_castsi256_ps(_mm256_set1_epi32(i32::MAX));
        let (size, least) = (_mm256_and_ps(value, all), _mm256_set1_ps(f32::MIN_POSITIVE));
        let small = _mm256_cmp_ps::<_CMP_LT_OQ>(size, least);
        let flushed = _mm256_andnot_ps(_mm256_and_ps(small, all), value);
        (flushed, _mm256_cmp_ps::<_CMP_EQ_OQ>(size, least))
    },
    |edges: __m256, edge: __m256| _mm256_or_ps(edges, edge),
    |edges: __m256| _mm256_movemask_ps(edges) != 0
);
