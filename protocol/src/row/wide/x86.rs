//! XXH3 and the pairs of a row with AVX2 and AVX-512.

use super::{Level, append_all};
use std::arch::x86_64::{
    __m256i, __m512i, _mm_loadu_si128, _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_pd,
    _mm256_cmpeq_epi64, _mm256_cvtepu32_epi64, _mm256_loadu_si256, _mm256_movemask_pd, _mm256_mul_epu32,
    _mm256_or_si256, _mm256_permutevar8x32_epi32, _mm256_set_epi64x, _mm256_set1_epi64x,
    _mm256_setzero_si256, _mm256_shuffle_epi32, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_xor_si256, _mm512_add_epi64, _mm512_cvtepu32_epi64, _mm512_loadu_si512,
    _mm512_maskz_compress_epi64, _mm512_mul_epu32, _mm512_or_si512, _mm512_set_epi64, _mm512_set1_epi64,
    _mm512_shuffle_epi32, _mm512_slli_epi64, _mm512_srli_epi64, _mm512_storeu_si512, _mm512_test_epi64_mask,
    _mm512_xor_si512,
};
use xxhash_rust::xxh3::xxh3_128;

/// Bytes that are mixed in at once.
const STRIPE: usize = 64;
/// Bytes after which the accumulators are scrambled: 16 stripes, as many as the secret has offsets for.
const BLOCK: usize = 16 * STRIPE;
/// Up to here XXH3 does not work in stripes.
const SHORT: usize = 240;
const PRIME32: [u64; 3] = [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D];
const PRIME64: [u64; 5] = [
    0x9E37_79B1_85EB_CA87,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5,
];

/// XXH3's default secret.
const SECRET: [u8; 192] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde,
    0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79,
    0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46,
    0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb,
    0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2,
    0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c,
    0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59,
    0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3,
    0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb, 0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3,
    0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8,
    0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb,
    0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

/// Eight words of the secret.
const fn key(at: usize) -> [u64; 8] {
    let mut key = [0; 8];
    let mut byte = 0;
    while byte < STRIPE {
        key[byte / 8] |= (SECRET[at + byte] as u64) << (byte % 8 * 8);
        byte += 1;
    }
    key
}

/// The keys of the stripes of a block.
const KEYS: [[u64; 8]; 16] = {
    let mut keys = [[0; 8]; 16];
    let mut at = 0;
    while at < 16 {
        keys[at] = key(at * 8);
        at += 1;
    }
    keys
};
const SCRAMBLE: [u64; 8] = key(SECRET.len() - STRIPE);
const LAST: [u64; 8] = key(SECRET.len() - STRIPE - 7);
const MERGE: [[u64; 8]; 2] = [key(11), key(SECRET.len() - STRIPE - 11)];

fn merge(sums: &[u64; 8], keys: &[u64; 8], start: u64) -> u64 {
    let mut result = start;
    for pair in 0..4 {
        let (left, right) = (
            sums[2 * pair] ^ keys[2 * pair],
            sums[2 * pair + 1] ^ keys[2 * pair + 1],
        );
        let product = u128::from(left) * u128::from(right);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded into one")]
        let folded = product as u64 ^ (product >> 64) as u64;
        result = result.wrapping_add(folded);
    }
    result ^= result >> 37;
    result = result.wrapping_mul(0x1656_6791_9E37_79F9);
    result ^ (result >> 32)
}

/// What the accumulators begin with.
const START: [u64; 8] = [
    PRIME32[2], PRIME64[0], PRIME64[1], PRIME64[2], PRIME64[3], PRIME32[1], PRIME64[4], PRIME32[0],
];

/// Runs over the stripes of more than [`SHORT`] bytes, by what a kind of CPU does with one.
#[inline(always)]
fn stripes<A>(
    bytes: &[u8],
    mut sums: A,
    accumulate: impl Fn(A, &[u8; STRIPE], &[u64; 8]) -> A,
    scramble: impl Fn(A) -> A,
) -> A {
    // A stripe is the last one even where it is whole.
    let blocks = (bytes.len() - 1) / BLOCK;
    let (whole, rest) = bytes.split_at(blocks * BLOCK);
    for block in whole.as_chunks::<BLOCK>().0 {
        for (stripe, key) in block.as_chunks::<STRIPE>().0.iter().zip(&KEYS) {
            sums = accumulate(sums, stripe, key);
        }
        sums = scramble(sums);
    }
    let before_last = &rest.as_chunks::<STRIPE>().0[..(rest.len() - 1) / STRIPE];
    for (stripe, key) in before_last.iter().zip(&KEYS) {
        sums = accumulate(sums, stripe, key);
    }
    match bytes.last_chunk::<STRIPE>() {
        Some(last) => accumulate(sums, last, &LAST),
        None => sums,
    }
}

/// The hash of so many bytes, given their accumulators.
fn merged(sums: &[u64; 8], length: usize) -> u128 {
    let length = length as u64;
    let low = merge(sums, &MERGE[0], length.wrapping_mul(PRIME64[0]));
    let high = merge(sums, &MERGE[1], !length.wrapping_mul(PRIME64[1]));
    u128::from(low) | (u128::from(high) << 64)
}

/// Swaps the words of each pair of 64 bits.
const SWAP: i32 = 0b01_00_11_10;

pub(super) fn levels() -> Vec<Level> {
    let mut levels = Vec::new();
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        levels.push(Level {
            // SAFETY: the CPU has AVX2 and POPCNT, which is all that the function needs.
            expand: |features, out| unsafe { expand_avx2(features, out) },
            // SAFETY: as before.
            hash: |bytes| unsafe { hash_avx2(bytes) },
        });
    }
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("popcnt") {
        levels.push(Level {
            // SAFETY: the CPU has AVX-512F and POPCNT, which is all that the function needs.
            expand: |features, out| unsafe { expand_avx512(features, out) },
            // SAFETY: as before.
            hash: |bytes| unsafe { hash_avx512(bytes) },
        });
    }
    levels
}

/// Where the pairs go that a mask of four keeps: each is two words of 32 bits.
const PRESSED: [[u32; 8]; 16] = {
    let mut places = [[0; 8]; 16];
    let mut mask = 0;
    while mask < 16 {
        let (mut from, mut to) = (0, 0);
        while from < 4 {
            if mask >> from & 1 == 1 {
                places[mask][to] = from * 2;
                places[mask][to + 1] = from * 2 + 1;
                to += 2;
            }
            from += 1;
        }
        mask += 1;
    }
    places
};

/// Four pairs at a time; those of zeros are pressed out in the register.
#[target_feature(enable = "avx2,popcnt")]
fn expand_avx2(features: &[f32], out: &mut [u8]) -> usize {
    let (mut at, mut index) = (0, 0);
    let mut indices = _mm256_set_epi64x(3, 2, 1, 0);
    let four = _mm256_set1_epi64x(4);
    // All bits of the value but its sign.
    let magnitude = _mm256_set1_epi64x(0x7fff_ffff << 32);
    let (blocks, rest) = features.as_chunks::<4>();
    for block in blocks {
        // SAFETY: a block is 16 bytes; the load asks for no alignment.
        let bits = unsafe { _mm_loadu_si128(block.as_ptr().cast()) };
        let pairs = _mm256_or_si256(_mm256_slli_epi64::<32>(_mm256_cvtepu32_epi64(bits)), indices);
        let none = _mm256_cmpeq_epi64(_mm256_and_si256(pairs, magnitude), _mm256_setzero_si256());
        let some = !_mm256_movemask_pd(_mm256_castsi256_pd(none)).cast_unsigned() & 0b1111;
        let places = &PRESSED[some as usize];
        // SAFETY: the places of a mask are 32 bytes; the load asks for no alignment.
        let places = unsafe { _mm256_loadu_si256(places.as_ptr().cast()) };
        let place = &mut out[at..at + 32];
        // SAFETY: the place is 32 bytes; the store asks for no alignment.
        unsafe {
            _mm256_storeu_si256(
                place.as_mut_ptr().cast(),
                _mm256_permutevar8x32_epi32(pairs, places),
            );
        }
        at += 8 * some.count_ones() as usize;
        indices = _mm256_add_epi64(indices, four);
        index += 4;
    }
    append_all(rest, index, out, at)
}

/// A stripe of accumulators, in two registers. Nothing here goes through functions of the library that take others: those
/// are compiled without AVX2, and what has it is not inlined in them.
#[derive(Clone, Copy)]
struct Halves(__m256i, __m256i);

#[target_feature(enable = "avx2")]
fn hash_avx2(bytes: &[u8]) -> u128 {
    if bytes.len() <= SHORT {
        return xxh3_128(bytes);
    }
    let Halves(low, high) = stripes(
        bytes,
        halves(as_bytes(&START)),
        |sums, stripe, key| {
            let (stripe, key) = (halves(stripe), halves(as_bytes(key)));
            Halves(
                accumulated(sums.0, stripe.0, key.0),
                accumulated(sums.1, stripe.1, key.1),
            )
        },
        |sums| {
            let key = halves(as_bytes(&SCRAMBLE));
            Halves(scrambled(sums.0, key.0), scrambled(sums.1, key.1))
        },
    );
    let mut words = [0u64; 8];
    let (front, back) = words.split_at_mut(4);
    // SAFETY: four words are 32 bytes; the store asks for no alignment.
    unsafe { _mm256_storeu_si256(front.as_mut_ptr().cast(), low) };
    // SAFETY: as before.
    unsafe { _mm256_storeu_si256(back.as_mut_ptr().cast(), high) };
    merged(&words, bytes.len())
}

#[inline]
#[target_feature(enable = "avx2")]
fn accumulated(sums: __m256i, stripe: __m256i, key: __m256i) -> __m256i {
    let keyed = _mm256_xor_si256(stripe, key);
    let product = _mm256_mul_epu32(keyed, _mm256_srli_epi64::<32>(keyed));
    _mm256_add_epi64(
        sums,
        _mm256_add_epi64(product, _mm256_shuffle_epi32::<SWAP>(stripe)),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn scrambled(sums: __m256i, key: __m256i) -> __m256i {
    let prime = _mm256_set1_epi64x(PRIME32[0].cast_signed());
    let mixed = _mm256_xor_si256(sums, _mm256_srli_epi64::<47>(sums));
    let mixed = _mm256_xor_si256(mixed, key);
    let high = _mm256_mul_epu32(_mm256_srli_epi64::<32>(mixed), prime);
    _mm256_add_epi64(_mm256_mul_epu32(mixed, prime), _mm256_slli_epi64::<32>(high))
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves(bytes: &[u8; STRIPE]) -> Halves {
    let (low, high) = bytes.split_at(32);
    // SAFETY: both are 32 bytes; the load asks for no alignment.
    unsafe {
        Halves(
            _mm256_loadu_si256(low.as_ptr().cast()),
            _mm256_loadu_si256(high.as_ptr().cast()),
        )
    }
}

/// The same memory: x86-64 is little endian.
fn as_bytes(words: &[u64; 8]) -> &[u8; STRIPE] {
    // SAFETY: both are 64 bytes, bytes have no alignment, and every byte is a u8.
    unsafe { &*std::ptr::from_ref(words).cast() }
}

#[target_feature(enable = "avx512f")]
fn hash_avx512(bytes: &[u8]) -> u128 {
    if bytes.len() <= SHORT {
        return xxh3_128(bytes);
    }
    let prime = _mm512_set1_epi64(PRIME32[0].cast_signed());
    let sums = stripes(
        bytes,
        whole(as_bytes(&START)),
        |sums, stripe, key| {
            let (stripe, key) = (whole(stripe), whole(as_bytes(key)));
            let keyed = _mm512_xor_si512(stripe, key);
            let product = _mm512_mul_epu32(keyed, _mm512_srli_epi64::<32>(keyed));
            let swapped = _mm512_shuffle_epi32::<SWAP>(stripe);
            _mm512_add_epi64(sums, _mm512_add_epi64(product, swapped))
        },
        |sums| {
            let mixed = _mm512_xor_si512(sums, _mm512_srli_epi64::<47>(sums));
            let mixed = _mm512_xor_si512(mixed, whole(as_bytes(&SCRAMBLE)));
            let high = _mm512_mul_epu32(_mm512_srli_epi64::<32>(mixed), prime);
            _mm512_add_epi64(_mm512_mul_epu32(mixed, prime), _mm512_slli_epi64::<32>(high))
        },
    );
    let mut words = [0u64; 8];
    // SAFETY: eight words are 64 bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), sums) };
    merged(&words, bytes.len())
}

#[target_feature(enable = "avx512f")]
fn whole(bytes: &[u8; STRIPE]) -> __m512i {
    // SAFETY: the array is 64 bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Eight pairs at a time; those of zeros are pressed out in the register.
#[target_feature(enable = "avx512f,popcnt")]
fn expand_avx512(features: &[f32], out: &mut [u8]) -> usize {
    let (mut at, mut index) = (0, 0);
    let mut indices = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    let eight = _mm512_set1_epi64(8);
    // All bits of the value but its sign.
    let magnitude = _mm512_set1_epi64(0x7fff_ffff << 32);
    let (blocks, rest) = features.as_chunks::<8>();
    for block in blocks {
        // SAFETY: a block is 32 bytes; the load asks for no alignment.
        let bits = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
        let pairs = _mm512_or_si512(_mm512_slli_epi64::<32>(_mm512_cvtepu32_epi64(bits)), indices);
        let some = _mm512_test_epi64_mask(pairs, magnitude);
        let place = &mut out[at..at + 64];
        // SAFETY: the place is 64 bytes; the store asks for no alignment.
        unsafe {
            _mm512_storeu_si512(
                place.as_mut_ptr().cast(),
                _mm512_maskz_compress_epi64(some, pairs),
            );
        }
        at += 8 * some.count_ones() as usize;
        indices = _mm512_add_epi64(indices, eight);
        index += 8;
    }
    append_all(rest, index, out, at)
}
