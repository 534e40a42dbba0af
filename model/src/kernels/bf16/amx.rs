//! Products of bf16 by the tiles of Intel's AMX.
//!
//! A tile has sixteen lines of sixteen pairs. One of the left operand, line after line of a packed panel, times one of the right, as
//! its panels are, is added onto sums in a third: so many products that everything else is what takes time.

use super::pack::{fold, panel};
use super::pack_left::{pack_gathered, pack_left};
use super::scalar::CHUNK;
use crate::kernels::isa::{Gather, Isa, Store};
use crate::kernels::matrix::{MAX_BLOCK, Matrix};
use crate::kernels::simd::SimdLevel;
use crate::kernels::x86::Avx512;
use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, __mmask16, _mm512_add_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
};
use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// `tdpbf16ps`: tiles of 16 x 32.
pub(crate) struct Amx;

const ROWS: usize = 16;
const COLS: usize = 32;
/// Bytes of a line of a tile.
const LINE: u16 = 64;

/// Whether this processor has tiles of bf16, and the system lets this process use them.
pub(in crate::kernels) fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| SimdLevel::detect() == SimdLevel::Avx512Bf16 && has_tiles() && allowed())
}

/// AMX-BF16 and AMX-TILE, bits 22 and 24 of the seventh leaf's EDX.
fn has_tiles() -> bool {
    const WANTED: u32 = 1 << 22 | 1 << 24;
    // A processor with AVX-512 has the leaf.
    __cpuid_count(7, 0).edx & WANTED == WANTED
}

/// Linux gives memory for the state of tiles to processes that ask for it. All threads have it then.
#[cfg(target_os = "linux")]
fn allowed() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const XTILEDATA: libc::c_ulong = 18;
    // SAFETY: the call takes two numbers and changes no memory of this process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> bool {
    false
}

impl Isa for Amx {
    const LEVEL: SimdLevel = SimdLevel::Avx512Bf16;
    type Held = Held;
    const VALUES: usize = 2;
    const STEP: usize = 2 * CHUNK;
    const ROWS: usize = ROWS;
    const COLS: usize = COLS;
    const HALF: usize = COLS / 2;
    const BLOCK_ROWS: usize = 336;

    fn panel(
        matrix: &Matrix<'_>,
        rows: (usize, usize),
        depth: (usize, usize),
        height: usize,
        into: &mut [f32],
    ) {
        panel(Self::LEVEL, matrix, rows, depth, height, into);
    }

    fn left(matrix: &Matrix<'_>, rows: (usize, usize), depth: (usize, usize), into: &mut [f32]) {
        pack_left(matrix, rows, depth, into);
    }

    fn fold(lines: &mut [f32], wide: usize) {
        fold(Self::LEVEL, lines, wide);
    }

    unsafe fn tile(
        held: &mut Held,
        shape: (usize, bool),
        depth: usize,
        a: *const f32,
        b: *const f32,
        store: &Store,
    ) {
        // SAFETY: the caller keeps the contract of `Isa::tile`, which is that of the function.
        unsafe { tile(held, shape, depth, a, b, store) }
    }

    unsafe fn gather_tile(
        held: &mut Held,
        shape: (usize, bool),
        depth: usize,
        a: Gather,
        b: *const f32,
        store: &Store,
    ) {
        const MOST: usize = MAX_BLOCK / 2;
        assert!(shape.0 <= ROWS && depth <= MOST, "a tile has no more");
        let mut packed = [MaybeUninit::<f32>::uninit(); ROWS * MOST];
        let packed: *mut f32 = packed.as_mut_ptr().cast();
        // SAFETY: the memory has room for so many rows and columns; the caller promises offsets of values, and what a tile needs.
        unsafe {
            pack_gathered((shape.0, depth), a, packed);
            tile(held, shape, depth, packed, b, store);
        }
    }

    unsafe fn add(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize)) {
        // SAFETY: the caller keeps the contract of `Isa::add`; both have the same instructions for it.
        unsafe { Avx512::add(left, right, strides, shape) }
    }
}

/// The shapes that a thread has set its tiles up to, as [`Config::of`] is told them: that takes as long as four products. They are
/// given back at the end, since other libraries have shapes of their own.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<(usize, usize)>);

impl Held {
    /// Sets the tiles up, unless they are. The sums may be anything then.
    ///
    /// # Safety
    /// The processor has tiles.
    unsafe fn configure(&mut self, rows: usize, tail: usize) {
        if self.0 == Some((rows, tail)) {
            return;
        }
        let config = Config::of(rows, tail);
        // SAFETY: the caller promises the processor, and the shapes are legal.
        unsafe {
            asm!("ldtilecfg [{config}]", config = in(reg) &raw const config, options(nostack, readonly))
        };
        self.0 = Some((rows, tail));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.is_some() {
            // SAFETY: tiles were set up, so the processor has the instruction, and nothing in them is needed any more.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }
}

/// What `ldtilecfg` reads: bytes of a line and lines of each tile.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    lines: [u8; 16],
}

impl Config {
    /// Tiles 0 and 1 are sums, 2 is of the left operand, 3 and 4 are of the right one; 5, 6 and 7 as these, of a chunk of `tail` pairs.
    #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
    fn of(rows: usize, tail: usize) -> Self {
        let (rows, tail) = (rows as u8, tail as u8);
        let (mut bytes, mut lines) = ([0; 16], [0; 16]);
        bytes[..5].fill(LINE);
        lines[..5].copy_from_slice(&[rows, rows, rows, 16, 16]);
        if tail > 0 {
            bytes[5..8].copy_from_slice(&[u16::from(tail) * 4, LINE, LINE]);
            lines[5..8].copy_from_slice(&[rows, tail, tail]);
        }
        Config {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            bytes,
            lines,
        }
    }
}

/// The sums of a tile.
#[repr(C, align(64))]
struct Sums([f32; ROWS * COLS]);

/// Multiplies the panels, one vector of columns wide or two.
macro_rules! multiply {
    ($whole:expr, $tail:expr, $left:expr, $b:expr, $sums:expr, $width:literal, $($second:literal)?) => {
        asm!(
            "tilezero tmm0",
            $(concat!("tilezero tmm1 // ", $second),)?
            "test {whole}, {whole}",
            "jz 3f",
            "2:",
            "tileloadd tmm2, [{a} + {line}*1]",
            "tileloadd tmm3, [{b} + {wide}*1]",
            "tdpbf16ps tmm0, tmm2, tmm3",
            $(concat!("tileloadd tmm4, [{b} + {wide}*1 + ", $second, "]"), "tdpbf16ps tmm1, tmm2, tmm4",)?
            "add {a}, {step}",
            concat!("add {b}, 16 * ", $width),
            "dec {whole}",
            "jnz 2b",
            "3:",
            "test {tail}, {tail}",
            "jz 4f",
            "tileloadd tmm5, [{a} + {tail}*1]",
            "tileloadd tmm6, [{b} + {wide}*1]",
            "tdpbf16ps tmm0, tmm5, tmm6",
            $(concat!("tileloadd tmm7, [{b} + {wide}*1 + ", $second, "]"), "tdpbf16ps tmm1, tmm5, tmm7",)?
            "4:",
            "tilestored [{sums} + {out}*1], tmm0",
            $(concat!("tilestored [{sums} + {out}*1 + ", $second, "], tmm1"),)?
            whole = inout(reg) $whole => _,
            a = inout(reg) $left.0 => _,
            step = in(reg) $left.1,
            line = in(reg) usize::from(LINE),
            b = inout(reg) $b => _,
            wide = in(reg) $width as usize,
            tail = in(reg) $tail,
            sums = in(reg) $sums,
            out = in(reg) COLS * size_of::<f32>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// As [`Isa::tile`].
///
/// # Safety
/// As there. A panel on the left is packed by [`pack_left`] or [`pack_gathered`].
#[target_feature(enable = "avx512f")]
unsafe fn tile(
    held: &mut Held,
    (rows, half): (usize, bool),
    depth: usize,
    a: *const f32,
    b: *const f32,
    store: &Store,
) {
    let (whole, tail) = (depth / CHUNK, depth % CHUNK);
    let mut sums = MaybeUninit::<Sums>::uninit();
    let into = sums.as_mut_ptr();
    // SAFETY: the processor has tiles, as whoever chooses this kernel asks first.
    unsafe { held.configure(rows, tail) };
    // Lines of the left operand have their chunk's bytes; so many lie between its chunks.
    let (left, tail) = ((a, rows * usize::from(LINE)), tail * size_of::<f32>());
    // SAFETY: a chunk of the left panel has `rows` lines of 16 pairs, the last one of `tail` pairs; one of the right panel has a line
    // of 16 or 32 for each pair: the tiles are configured to these.
    unsafe {
        if half {
            multiply!(whole, tail, left, b, into, 64,);
        } else {
            multiply!(whole, tail, left, b, into, 128, 64);
        }
        add_up(into.cast(), rows, if half { 1 } else { 2 }, store);
    }
}

/// Stores the sums of a tile.
///
/// # Safety
/// As [`Isa::tile`]; `sums` leads to `rows` lines of COLS values, of which so many vectors are there.
#[target_feature(enable = "avx512f")]
unsafe fn add_up(sums: *const f32, rows: usize, vectors: usize, store: &Store) {
    for v in 0..vectors {
        let left = store.cols.saturating_sub(v * 16);
        let mask: __mmask16 = if left >= 16 { !0 } else { (1 << left) - 1 };
        for i in 0..rows {
            // SAFETY: the mask keeps every access inside the `store.cols` values of row i, and of the bias.
            unsafe {
                let sum = _mm512_loadu_ps(sums.add(i * COLS + v * 16));
                let c = store.c.wrapping_add(i * store.stride + v * 16);
                let onto = if store.add {
                    Some(c.cast_const())
                } else {
                    store.bias.map(|bias| bias.wrapping_add(v * 16))
                };
                let value = onto.map_or(sum, |onto| _mm512_add_ps(_mm512_maskz_loadu_ps(mask, onto), sum));
                _mm512_mask_storeu_ps(c, mask, value);
            }
        }
    }
}
