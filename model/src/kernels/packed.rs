//! Products with an operand that is packed once and used many times: the weights of a recurrent layer.
//!
//! The same tiles and the same blocks of `k` as [`super::Kernels::product`], hence the same bits. The product runs on
//! the caller's thread: callers give every thread rows of its own.

use super::arithmetic::{Arithmetic, with_isa};
use super::isa::{Isa, ROW_PANELS, Store};
use super::matrix::{Accumulate, Matrix, blocks};
use super::tiles::{Part, Target, grown, pack_panels};

/// Values in a cache line.
const LINE: usize = 16;

/// Where an operand lies in the memory it was packed into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed {
    arithmetic: Arithmetic,
    start: usize,
    depth: usize,
    cols: usize,
}

/// Columns that a last panel of `cols` columns takes.
fn padded<I: Isa>(cols: usize) -> usize {
    let rest = cols % I::COLS;
    let last = match rest {
        0 => 0,
        rest if rest <= I::HALF => I::HALF,
        _ => I::COLS,
    };
    cols - rest + last
}

/// Memory for packing operands one after another.
#[derive(Debug, Default)]
pub(crate) struct Packing {
    memory: Vec<f32>,
    /// Values before the first cache line.
    skip: usize,
    used: usize,
}

impl Packing {
    /// Forgets what was packed and makes room for operands of these columns and depths.
    pub(crate) fn begin(&mut self, operands: impl Iterator<Item = (usize, usize)>) {
        // A last panel has up to 31 columns more than the operand.
        let most: usize = operands.map(|(cols, depth)| (cols + 31) * depth + LINE).sum();
        if self.memory.len() < most + LINE {
            self.memory.resize(most + LINE, 0.0);
        }
        self.skip = self
            .memory
            .as_ptr()
            .align_offset(LINE * size_of::<f32>())
            .min(LINE);
        self.used = 0;
    }

    /// Packs the right operand of products, given transposed: a row of `b` is a column of the operand.
    pub(crate) fn pack(&mut self, arithmetic: Arithmetic, b: Matrix<'_>) -> Packed {
        let arithmetic = arithmetic.bounded();
        with_isa!(arithmetic, I => self.pack_for::<I>(arithmetic, &b))
    }

    fn pack_for<I: Isa>(&mut self, arithmetic: Arithmetic, b: &Matrix<'_>) -> Packed {
        let (cols, depth) = (b.rows, b.cols);
        let (start, wide) = (self.skip + self.used, padded::<I>(cols));
        // A whole number of cache lines, so that the next operand starts on one.
        self.used += (wide * I::elements_of(depth)).next_multiple_of(LINE);
        for (from, to) in blocks(depth) {
            let first = start + I::elements_before(from, depth) * wide;
            let into = &mut self.memory[first..first + I::elements(to - from) * wide];
            pack_panels::<I>(b, (0, cols), (from, to), (I::COLS, Some(I::HALF)), into);
        }
        Packed {
            arithmetic,
            start,
            depth,
            cols,
        }
    }

    /// What was packed, to be read by many threads.
    pub(crate) fn values(&self) -> PackedValues<'_> {
        PackedValues(&self.memory)
    }
}

/// Packed operands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedValues<'a>(&'a [f32]);

impl PackedValues<'_> {
    /// `c = start + a b`: rows of `c` lie `stride` apart. `scratch` is memory that is reused.
    ///
    /// # Panics
    /// Where the shapes do not agree: a defect of the caller.
    pub(crate) fn product(
        self,
        a: Matrix<'_>,
        b: Packed,
        start: Accumulate<'_>,
        (c, stride): (&mut [f32], usize),
        scratch: &mut Vec<f32>,
    ) {
        assert_eq!(a.cols, b.depth, "inner sizes of a product");
        if a.rows == 0 || b.cols == 0 {
            return;
        }
        assert!(
            b.cols <= stride && (a.rows - 1) * stride + b.cols <= c.len(),
            "the result's memory"
        );
        if let Accumulate::Bias(bias) = start {
            assert!(bias.len() >= b.cols, "bias shorter than the product's rows");
        }
        let c = Target::new(c, stride);
        with_isa!(b.arithmetic, I => self.run::<I>(&a, b, start, c, scratch));
    }

    fn run<I: Isa>(
        self,
        a: &Matrix<'_>,
        b: Packed,
        start: Accumulate<'_>,
        c: Target,
        scratch: &mut Vec<f32>,
    ) {
        let wide = padded::<I>(b.cols);
        for (from, to) in blocks(b.depth) {
            let (first, length) = (I::elements_before(from, b.depth), I::elements(to - from));
            let panels = &self.0[b.start + first * wide..][..length * wide];
            let start = if from == 0 { start } else { Accumulate::Result };
            for first in (0..a.rows).step_by(I::BLOCK_ROWS) {
                let rows = (first, (first + I::BLOCK_ROWS).min(a.rows));
                // Tiles of equal height: two of 8 rows keep more sums in flight than one of 14 and one of 2.
                let count = (rows.1 - rows.0).div_ceil(I::ROWS);
                let height = (rows.1 - rows.0).div_ceil(count);
                let left = grown(scratch, (rows.1 - rows.0) * length);
                pack_panels::<I>(a, rows, (from, to), (height, None), left);
                let part = Part {
                    rows,
                    cols: (0, b.cols),
                };
                tiles::<I>((left, height), panels, part, start, c);
            }
        }
    }
}

fn tiles<I: Isa>((a, height): (&[f32], usize), b: &[f32], part: Part, start: Accumulate<'_>, c: Target) {
    let length = a.len() / (part.rows.1 - part.rows.0);
    let mut held = I::Held::default();
    let store_at = |row: usize, col: usize, cols: usize| Store {
        c: c.at(row, col),
        stride: c.stride(),
        cols,
        add: matches!(start, Accumulate::Result),
        bias: match start {
            Accumulate::Bias(bias) => Some(bias[col..col + cols].as_ptr()),
            _ => None,
        },
    };
    let together = if part.rows.1 - part.rows.0 == 1 {
        part.cols.1 / (ROW_PANELS * I::COLS) * ROW_PANELS * I::COLS
    } else {
        0
    };
    for col in (0..together).step_by(ROW_PANELS * I::COLS) {
        let panels = &b[col * length..][..ROW_PANELS * I::COLS * length];
        let store = store_at(part.rows.0, col, ROW_PANELS * I::COLS);
        // SAFETY: as below, for as many panels as were sliced.
        unsafe { I::row(&mut held, length, a.as_ptr(), panels.as_ptr(), &store) };
    }
    let mut right = together * length;
    for col in (together..part.cols.1).step_by(I::COLS) {
        let cols = (part.cols.1 - col).min(I::COLS);
        let half = cols <= I::HALF;
        let panel = &b[right..right + length * if half { I::HALF } else { I::COLS }];
        right += panel.len();
        for row in (part.rows.0..part.rows.1).step_by(height) {
            let rows = (part.rows.1 - row).min(height);
            let left = (row - part.rows.0) * length;
            let left = &a[left..left + rows * length];
            let store = store_at(row, col, cols);
            // SAFETY: the operand was packed for I, which is the level of the processor or below; both panels were
            // sliced to the lengths the tile reads; `product` checked that the result has these rows and columns.
            unsafe {
                I::tile(
                    &mut held,
                    (rows, half),
                    length,
                    left.as_ptr(),
                    panel.as_ptr(),
                    &store,
                )
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Accumulate, Kernels, SimdLevel};
    use crate::philox::{Key, uniform};
    use candlewick_protocol::job::Precision;

    fn values(count: usize) -> Vec<f32> {
        let mut values = vec![0.0; count];
        uniform(Key::new(2, "packed"), 1.0, &mut values);
        values
    }

    #[test]
    fn packed_products_have_the_bits_of_products() {
        // Miri interprets: it gets shapes that reach every path and are small.
        let shapes: &[(usize, usize, usize)] = if cfg!(miri) {
            &[(1, 3, 5), (17, 4, 33), (1, 530, 3), (1, 3, 137)]
        } else {
            &[
                (1, 3, 5),
                (17, 40, 33),
                (29, 600, 48),
                (340, 7, 9),
                (5, 1_030, 16),
                (1, 1_030, 300),
            ]
        };
        for &(m, k, n) in shapes {
            let (a, b, bias) = (values(m * k), values(n * k), values(n));
            let levels = SimdLevel::available().into_iter();
            for (level, precision) in
                levels.flat_map(|level| Precision::ON_PROCESSORS.map(|precision| (level, precision)))
            {
                let arithmetic = Arithmetic { level, precision };
                let mut wanted = vec![0.0; m * n];
                let matrix = Matrix::new(&b, n, k);
                let mut kernels = Kernels::at(level, 1).unwrap().with_precision(precision);
                kernels.product(
                    Matrix::new(&a, m, k),
                    matrix.transposed(),
                    Accumulate::Bias(&bias),
                    &mut wanted,
                );
                let mut packing = Packing::default();
                packing.begin([(n, k); 2].into_iter());
                packing.pack(arithmetic, matrix);
                let packed = packing.pack(arithmetic, matrix);
                let (stride, mut scratch) = (n + 3, Vec::new());
                let mut got = vec![7.0; m * stride];
                let a = Matrix::new(&a, m, k);
                let place = (&mut got[..], stride);
                packing
                    .values()
                    .product(a, packed, Accumulate::Bias(&bias), place, &mut scratch);
                for (got, wanted) in got.chunks(stride).zip(wanted.chunks(n)) {
                    assert_eq!(&got[..n], wanted, "{m} {k} {n} {arithmetic:?}");
                    assert_eq!(got[n..], [7.0; 3]);
                }
            }
        }
    }
}
