//! What the kernels of an instruction set compute.

use super::matrix::{Matrix, block_size};
use super::pack;
use super::simd::SimdLevel;

/// Where and how a kernel stores its tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store {
    /// First element of the tile.
    pub c: *mut f32,
    /// Distance of its rows.
    pub stride: usize,
    /// Columns to store.
    pub cols: usize,
    /// Add to what is there.
    pub add: bool,
    /// Else add to this row, where given.
    pub bias: Option<*const f32>,
}

/// The left operand of a tile: where the value of a row and a column lies.
pub(crate) trait Left: Copy {
    /// Where a column of `rows` values starts.
    ///
    /// # Safety
    /// The operand has the column.
    unsafe fn column(self, at: usize, rows: usize) -> *const f32;

    /// The value of a row in a column.
    ///
    /// # Safety
    /// The operand has the row; `column` comes from [`Left::column`].
    unsafe fn value(self, column: *const f32, row: usize) -> f32;
}

impl Left for Packed {
    #[inline(always)]
    unsafe fn column(self, at: usize, rows: usize) -> *const f32 {
        // SAFETY: the caller promises the column.
        unsafe { self.0.add(at * rows) }
    }

    #[inline(always)]
    unsafe fn value(self, column: *const f32, row: usize) -> f32 {
        // SAFETY: the caller promises the row.
        unsafe { *column.add(row) }
    }
}

impl Left for Gather {
    #[inline(always)]
    unsafe fn column(self, at: usize, _rows: usize) -> *const f32 {
        // SAFETY: the caller promises the column. The sum of both offsets is in range; the pointer in between is
        // not read.
        unsafe { self.data.wrapping_add(*self.cols.add(at)) }
    }

    #[inline(always)]
    unsafe fn value(self, column: *const f32, row: usize) -> f32 {
        // SAFETY: the caller promises the row, and that the sum of the offsets leads to a value.
        unsafe { *column.wrapping_add(*self.rows.add(row)) }
    }
}

/// Columns one after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed(pub *const f32);

/// Values wherever they are: that of row i and column t lies at `rows[i] + cols[t]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gather {
    /// What the offsets count from.
    pub data: *const f32,
    /// An offset a row.
    pub rows: *const usize,
    /// An offset a column.
    pub cols: *const usize,
}

/// Panels that are multiplied with one row at a time: eight sums of vectors, which a processor needs to have two fused multiply-adds
/// at work in each cycle.
pub(crate) const ROW_PANELS: usize = 4;

/// The kernels of an instruction set.
pub(crate) trait Isa {
    /// Which instruction set.
    const LEVEL: SimdLevel;
    /// What a thread keeps from tile to tile while it computes some one after another, and gives back behind them.
    type Held: Default;
    /// Values of a sum in an element of a packed operand: one f32, or two bf16.
    const VALUES: usize = 1;
    /// Values of a sum at whose multiples a packed left operand may be cut.
    const STEP: usize = Self::VALUES;
    /// Rows of a full tile.
    const ROWS: usize;
    /// Columns of a full tile.
    const COLS: usize;
    /// Columns of a narrow tile.
    const HALF: usize;
    /// Rows packed at a time.
    const BLOCK_ROWS: usize;

    /// Elements that `length` values of a sum are packed into.
    #[inline(always)]
    fn elements(length: usize) -> usize {
        length.div_ceil(Self::VALUES)
    }

    /// Elements before the block that begins with value `from` of a sum of `length`, where each block is packed by itself.
    #[inline(always)]
    fn elements_before(from: usize, length: usize) -> usize {
        let size = block_size(length).max(1);
        from / size * Self::elements(size)
    }

    /// Elements that a sum of `length` values is packed into, block by block.
    fn elements_of(length: usize) -> usize {
        let size = block_size(length).max(1);
        Self::elements_before(length, length) + Self::elements(length % size)
    }

    /// Packs rows `rows.0..rows.1` (at most `height`) and columns `depth.0..depth.1` of `matrix` so that the `height`
    /// elements of a column lie together, column after column. Missing rows are zeros.
    fn panel(
        matrix: &Matrix<'_>,
        rows: (usize, usize),
        depth: (usize, usize),
        height: usize,
        into: &mut [f32],
    ) {
        pack::panel(Self::LEVEL, matrix, rows, depth, height, into);
    }

    /// Packs `rows.1 - rows.0` rows of a left operand and columns `depth.0..depth.1` of it, as tiles read them.
    fn left(matrix: &Matrix<'_>, rows: (usize, usize), depth: (usize, usize), into: &mut [f32]) {
        Self::panel(matrix, rows, depth, rows.1 - rows.0, into);
    }

    /// Packs lines of `wide` values in place, a line for each value of a sum.
    fn fold(_lines: &mut [f32], _wide: usize) {}

    /// Computes a tile of `shape.0` (1..=ROWS) rows and COLS (HALF where `shape.1`) columns over `depth` packed columns.
    ///
    /// # Safety
    /// The processor has the instruction set; `a` holds `depth * shape.0` values, `b` `depth` times the tile's columns;
    /// `store` describes writable memory of `shape.0` rows, and a bias holds `store.cols` values.
    unsafe fn tile(
        held: &mut Self::Held,
        shape: (usize, bool),
        depth: usize,
        a: *const f32,
        b: *const f32,
        store: &Store,
    );

    /// As [`Isa::tile`], of one row and [`ROW_PANELS`] full panels, which lie one after another: sums of one panel alone
    /// would wait for each other.
    ///
    /// # Safety
    /// As [`Isa::tile`], for all these panels and `ROW_PANELS * COLS` columns.
    #[inline]
    unsafe fn row(held: &mut Self::Held, depth: usize, a: *const f32, b: *const f32, store: &Store) {
        for panel in 0..ROW_PANELS {
            let store = Store {
                c: store.c.wrapping_add(panel * Self::COLS),
                cols: Self::COLS,
                bias: store.bias.map(|bias| bias.wrapping_add(panel * Self::COLS)),
                ..*store
            };
            // SAFETY: the caller promises what a tile of each of the panels needs.
            unsafe {
                Self::tile(
                    held,
                    (1, false),
                    depth,
                    a,
                    b.add(panel * depth * Self::COLS),
                    &store,
                )
            };
        }
    }

    /// As [`Isa::tile`], with the left operand read where it lies.
    ///
    /// # Safety
    /// As [`Isa::tile`]; `a` holds `shape.0` row offsets and `depth` column offsets, and the sum of any two leads to a
    /// readable value.
    unsafe fn gather_tile(
        held: &mut Self::Held,
        shape: (usize, bool),
        depth: usize,
        a: Gather,
        b: *const f32,
        store: &Store,
    );

    /// `left += right` for a tile of `cols` columns whose rows lie `strides` apart.
    ///
    /// # Safety
    /// The processor has the instruction set; both pointers lead to `rows` rows of `cols` values, which do not
    /// overlap; `left` is writable.
    unsafe fn add(left: *mut f32, right: *const f32, strides: (usize, usize), shape: (usize, usize));
}

/// The body of [`Isa::add`], compiled for every instruction set.
///
/// # Safety
/// As [`Isa::add`], but for the instruction set.
#[inline(always)]
pub(super) unsafe fn add_rows(
    left: *mut f32,
    right: *const f32,
    strides: (usize, usize),
    shape: (usize, usize),
) {
    for i in 0..shape.0 {
        // SAFETY: the caller promises these rows.
        let (left, right) = unsafe {
            (
                std::slice::from_raw_parts_mut(left.add(i * strides.0), shape.1),
                std::slice::from_raw_parts(right.add(i * strides.1), shape.1),
            )
        };
        for j in 0..shape.1 {
            left[j] += right[j];
        }
    }
}
