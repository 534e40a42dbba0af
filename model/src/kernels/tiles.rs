//! How a thread computes its part of a product: blocks that stay in cache, packed operands, tiles in registers.

use super::isa::{Isa, Store};
use super::matrix::{Accumulate, MAX_BLOCK, Matrix, blocks};
use super::program::{Leaf, Program};
use candlewick_protocol::tree::Step;

/// Columns packed at a time: bounds the memory of a product.
const BLOCK_COLS: usize = 2_048;

/// Memory that one thread reuses for products: packed operands, and the stack of a tile's tree.
#[derive(Debug, Default)]
pub(super) struct TileScratch {
    pub a: Vec<f32>,
    pub b: Vec<f32>,
    pub tiles: Vec<f32>,
}

/// Bytes of a cache line: vectors that do not straddle two are loaded in one go.
const LINE: usize = 64;
/// Values in a cache line.
const LINE_VALUES: usize = LINE / size_of::<f32>();

/// The first `length` values of a buffer from a cache line on; it grows as needed.
pub(super) fn grown(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length + LINE_VALUES {
        // It stays for the whole training: no room for growth that does not come.
        buffer.reserve_exact(length + LINE_VALUES - buffer.len());
        buffer.resize(length + LINE_VALUES, 0.0);
    }
    let skip = buffer.as_ptr().align_offset(LINE).min(LINE_VALUES);
    &mut buffer[skip..skip + length]
}

/// The part of a result that one thread computes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub rows: (usize, usize),
    pub cols: (usize, usize),
}

/// The result's memory. Parts of a product do not overlap, so threads may write to it without a lock.
#[derive(Clone, Copy)]
pub(super) struct Target(*mut f32, usize);
// SAFETY: the pointer is only used within a call that holds the exclusive borrow it came from, and every element is
// written by the thread of the one part it lies in.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// The memory of a result of `cols` columns.
    pub(super) fn new(values: &mut [f32], cols: usize) -> Self {
        Target(values.as_mut_ptr(), cols)
    }

    /// The same memory from `count` rows further down on.
    pub(super) fn down(self, count: usize) -> Self {
        self.right(count * self.1)
    }

    /// The same memory from `count` elements further on.
    pub(super) fn right(self, count: usize) -> Self {
        Target(self.0.wrapping_add(count), self.1)
    }

    /// A row of the result.
    ///
    /// # Safety
    /// The row lies in the result, and nobody else uses it as long as the answer lives.
    pub(super) unsafe fn line<'a>(self, row: usize) -> &'a mut [f32] {
        // SAFETY: the caller promises the row.
        unsafe { std::slice::from_raw_parts_mut(self.at(row, 0), self.1) }
    }

    /// Pointer to an element.
    pub(super) fn at(self, row: usize, col: usize) -> *mut f32 {
        // The pointer may be formed for any element; what is done with it is the caller's to justify.
        self.0.wrapping_add(row * self.1 + col)
    }

    /// Distance of the rows.
    pub(super) fn stride(self) -> usize {
        self.1
    }
}

/// Packs the panels of rows `rows` of `matrix` one after another. The height of narrow tiles (`height.1`) is that of right operands, of
/// which a last panel has it or the whole one; that of a left operand has as many rows as are left.
pub(super) fn pack_panels<I: Isa>(
    matrix: &Matrix<'_>,
    rows: (usize, usize),
    depth: (usize, usize),
    height: (usize, Option<usize>),
    into: &mut [f32],
) {
    let length = I::elements(depth.1 - depth.0);
    let mut at = 0;
    for (first, last, tall) in panels(rows, height) {
        let into = &mut into[at..at + tall * length];
        pack_panel::<I>(matrix, (first, last), depth, (tall, height.1.is_none()), into);
        at += tall * length;
    }
}

/// Packs a panel of so many rows, of a left operand or of a right one.
fn pack_panel<I: Isa>(
    matrix: &Matrix<'_>,
    rows: (usize, usize),
    depth: (usize, usize),
    (tall, left): (usize, bool),
    into: &mut [f32],
) {
    if left {
        I::left(matrix, rows, depth, into);
    } else {
        I::panel(matrix, rows, depth, tall, into);
    }
}

/// First row, end and height of every panel.
fn panels(
    rows: (usize, usize),
    height: (usize, Option<usize>),
) -> impl Iterator<Item = (usize, usize, usize)> {
    (rows.0..rows.1).step_by(height.0).map(move |first| {
        let last = (first + height.0).min(rows.1);
        let tall = match height.1 {
            None => last - first,
            Some(half) if last - first <= half => half,
            Some(_) => height.0,
        };
        (first, last, tall)
    })
}

/// As [`pack_panels`], for the columns of all leaves of a tree: each block of each leaf is packed by itself.
fn pack_leaves<I: Isa>(
    matrix: &Matrix<'_>,
    rows: (usize, usize),
    (program, unit): (&Program, usize),
    height: (usize, Option<usize>),
    into: &mut [f32],
) {
    let mut at = 0;
    for (first, last, tall) in panels(rows, height) {
        for (start, count) in program.leaves() {
            for (from, to) in blocks(count * unit) {
                let size = tall * I::elements(to - from);
                let depth = (start * unit + from, start * unit + to);
                let shape = (tall, height.1.is_none());
                pack_panel::<I>(matrix, (first, last), depth, shape, &mut into[at..at + size]);
                at += size;
            }
        }
    }
}

/// The packed panels of a right operand: each is packed right before its first use, so that the tiles find it in the cache.
struct Panels<'a> {
    memory: &'a mut [f32],
    /// Elements of a column.
    length: usize,
    /// Whether all panels are kept, for further blocks of rows.
    kept: bool,
}

impl<'a> Panels<'a> {
    fn new<I: Isa>(memory: &'a mut Vec<f32>, cols: usize, length: usize, kept: bool) -> Self {
        let wide = if kept {
            cols.next_multiple_of(I::COLS)
        } else {
            I::COLS
        };
        Panels {
            memory: grown(memory, wide * length),
            length,
            kept,
        }
    }

    /// Goes through the panels of the columns `cols`: packs each where this is the first time, and multiplies it.
    fn each<I: Isa>(
        &mut self,
        cols: (usize, usize),
        first: bool,
        pack: impl Fn((usize, usize), &mut [f32]),
        mut multiply: impl FnMut((usize, usize), &[f32]),
    ) {
        let mut at = 0;
        for col in (cols.0..cols.1).step_by(I::COLS) {
            let own = (col, (col + I::COLS).min(cols.1));
            let wide = if own.1 - own.0 <= I::HALF {
                I::HALF
            } else {
                I::COLS
            };
            let panel = &mut self.memory[at..at + wide * self.length];
            if first {
                pack(own, panel);
            }
            multiply(own, panel);
            if self.kept {
                at += panel.len();
            }
        }
    }
}

/// Whether packed panels are kept for further blocks of `down` rows, and how many columns are then packed at a time: at most
/// `most`. All columns where no panel is kept, so that the rows are packed once.
fn columns_at_once(part: Part, down: usize, most: usize) -> (bool, usize) {
    let kept = part.rows.1 - part.rows.0 > down;
    (
        kept,
        if kept {
            most
        } else {
            (part.cols.1 - part.cols.0).max(1)
        },
    )
}

/// Computes one part of a product; `b` is given transposed.
pub(super) fn product_part<I: Isa>(
    a: &Matrix<'_>,
    b: &Matrix<'_>,
    start: Accumulate<'_>,
    part: Part,
    target: Target,
    scratch: &mut TileScratch,
) {
    let (kept, across) = columns_at_once(part, I::BLOCK_ROWS, BLOCK_COLS);
    for first in (part.cols.0..part.cols.1).step_by(across) {
        let cols = (first, (first + across).min(part.cols.1));
        for depth in blocks(a.cols) {
            let length = I::elements(depth.1 - depth.0);
            let mut panels = Panels::new::<I>(&mut scratch.b, cols.1 - cols.0, length, kept);
            let start = if depth.0 > 0 { Accumulate::Result } else { start };
            for first in (part.rows.0..part.rows.1).step_by(I::BLOCK_ROWS) {
                let rows = (first, (first + I::BLOCK_ROWS).min(part.rows.1));
                let left = grown(&mut scratch.a, (rows.1 - rows.0) * length);
                pack_panels::<I>(a, rows, depth, (I::ROWS, None), left);
                panels.each::<I>(
                    cols,
                    first == part.rows.0,
                    |cols, panel| pack_panels::<I>(b, cols, depth, (I::COLS, Some(I::HALF)), panel),
                    |cols, panel| block::<I>(left, panel, Part { rows, cols }, start, target),
                );
            }
        }
    }
}

/// Multiplies packed panels into the part of the result they belong to; a bias has a value for every column of the
/// whole result.
pub(super) fn block<I: Isa>(a: &[f32], b: &[f32], part: Part, start: Accumulate<'_>, target: Target) {
    let length = a.len() / (part.rows.1 - part.rows.0);
    let mut held = I::Held::default();
    let mut right = 0;
    for col in (part.cols.0..part.cols.1).step_by(I::COLS) {
        let cols = (part.cols.1 - col).min(I::COLS);
        let half = cols <= I::HALF;
        let panel = &b[right..right + length * if half { I::HALF } else { I::COLS }];
        right += panel.len();
        for row in (part.rows.0..part.rows.1).step_by(I::ROWS) {
            let rows = (part.rows.1 - row).min(I::ROWS);
            let left = (row - part.rows.0) * length;
            let left = &a[left..left + rows * length];
            let bias = match start {
                Accumulate::Bias(bias) => Some(bias[col..col + cols].as_ptr()),
                Accumulate::Zero | Accumulate::Result => None,
            };
            let store = Store {
                c: target.at(row, col),
                stride: target.1,
                cols,
                add: matches!(start, Accumulate::Result),
                bias,
            };
            // SAFETY: I is the level of the processor or below; both panels were sliced to the lengths the tile
            // reads; rows row..row + rows and columns col..col + cols lie in this thread's part of the result.
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

/// Computes one part of a node whose leaves are products; `b` is given transposed.
pub(super) fn tree_part<I: Isa>(
    a: &Matrix<'_>,
    b: &Matrix<'_>,
    tree: (&Program, usize),
    part: Part,
    target: Target,
    scratch: &mut TileScratch,
) {
    let Some(tree) = Tree::of::<I>(tree.0, tree.1) else {
        return;
    };
    let length = tree.length;
    grown(&mut scratch.tiles, tree.program.depth() * I::ROWS * I::COLS);
    let step = |most: usize, unit: usize| (most.min(most * MAX_BLOCK / length.max(1)) / unit).max(1) * unit;
    let down = step(I::BLOCK_ROWS, I::ROWS);
    let (kept, across) = columns_at_once(part, down, step(BLOCK_COLS, I::COLS));
    for first in (part.cols.0..part.cols.1).step_by(across) {
        let cols = (first, (first + across).min(part.cols.1));
        let mut panels = Panels::new::<I>(&mut scratch.b, cols.1 - cols.0, length, kept);
        for first in (part.rows.0..part.rows.1).step_by(down) {
            let rows = (first, (first + down).min(part.rows.1));
            let left = grown(&mut scratch.a, (rows.1 - rows.0) * length);
            tree.pack::<I>(a, rows, (I::ROWS, None), left);
            let tiles = &mut scratch.tiles;
            panels.each::<I>(
                cols,
                first == part.rows.0,
                |cols, panel| tree.pack::<I>(b, cols, (I::COLS, Some(I::HALF)), panel),
                |cols, panel| tree_block::<I>(left, panel, Part { rows, cols }, &tree, target, tiles),
            );
        }
    }
}

/// The leaves of a node, as they are packed.
struct Tree<'a> {
    program: &'a Program,
    unit: usize,
    /// From the first leaf's first column to the last one's end.
    depth: (usize, usize),
    /// Whether they are packed as one range of columns.
    whole: bool,
    /// Elements of all leaves.
    length: usize,
}

impl<'a> Tree<'a> {
    /// None where no leaf has rows.
    fn of<I: Isa>(program: &'a Program, unit: usize) -> Option<Self> {
        let (first, last) = (program.leaves().next()?, program.leaves().last()?);
        let depth = (first.0 * unit, (last.0 + last.1) * unit);
        // Leaves lie one after another in the batch: they are packed as one range of columns, unless what lies together would then
        // hold values of two blocks.
        let whole = program
            .leaves()
            .all(|(_, rows)| blocks(rows * unit).all(|(from, to)| (to - from).is_multiple_of(I::STEP)));
        let elements = |(_, rows)| I::elements_of(rows * unit);
        let length = match whole {
            true => I::elements(depth.1 - depth.0),
            false => program.leaves().map(elements).sum(),
        };
        Some(Tree {
            program,
            unit,
            depth,
            whole,
            length,
        })
    }

    /// Packs panels of an operand.
    fn pack<I: Isa>(
        &self,
        matrix: &Matrix<'_>,
        rows: (usize, usize),
        height: (usize, Option<usize>),
        into: &mut [f32],
    ) {
        match self.whole {
            true => pack_panels::<I>(matrix, rows, self.depth, height, into),
            false => pack_leaves::<I>(matrix, rows, (self.program, self.unit), height, into),
        }
    }
}

fn tree_block<I: Isa>(a: &[f32], b: &[f32], part: Part, tree: &Tree<'_>, target: Target, tiles: &mut [f32]) {
    let mut held = I::Held::default();
    let mut right = 0;
    for col in (part.cols.0..part.cols.1).step_by(I::COLS) {
        let cols = (part.cols.1 - col).min(I::COLS);
        let wide = if cols <= I::HALF { I::HALF } else { I::COLS };
        let panel = &b[right..right + tree.length * wide];
        right += panel.len();
        for row in (part.rows.0..part.rows.1).step_by(I::ROWS) {
            let rows = (part.rows.1 - row).min(I::ROWS);
            let left = (row - part.rows.0) * tree.length;
            let left = &a[left..left + rows * tree.length];
            let tile = Tile {
                rows,
                cols,
                wide,
                c: target.at(row, col),
                stride: target.1,
            };
            tree_tile::<I>(&mut held, (left, panel), tile, tree, tiles);
        }
    }
}

/// A tile of a result.
struct Tile {
    rows: usize,
    cols: usize,
    /// Columns of its packed panel.
    wide: usize,
    /// Its first element.
    c: *mut f32,
    /// Distance of its rows.
    stride: usize,
}

/// Runs the program for one tile. The bottom of its stack is the result itself; the levels above lie in `tiles`.
fn tree_tile<I: Isa>(
    held: &mut I::Held,
    (a, b): (&[f32], &[f32]),
    tile: Tile,
    tree: &Tree<'_>,
    tiles: &mut [f32],
) {
    let Tile {
        rows,
        cols,
        wide,
        c,
        stride,
    } = tile;
    let size = rows * wide;
    let spare = tiles[..size * (tree.program.depth() - 1)].as_mut_ptr();
    let level = |height: usize| match height {
        0 => (c, stride, cols),
        _ => (spare.wrapping_add((height - 1) * size), wide, wide),
    };
    // Leaves come in the order in which they were packed.
    let (mut height, mut at) = (0, 0);
    let mut steps = tree.program.steps().iter().peekable();
    while let Some(step) = steps.next() {
        let Step::Push(Leaf { rows: count, .. }) = *step else {
            let ((left, left_stride, cols), (right, right_stride, _)) =
                (level(height - 2), level(height - 1));
            // SAFETY: I is the level of the processor or below; a level below the top of the stack holds `rows` rows
            // of `cols` values, and levels do not overlap.
            unsafe { I::add(left, right, (left_stride, right_stride), (rows, cols)) };
            height -= 1;
            continue;
        };
        // A right leaf of one block is added to its left sibling while it is still in registers.
        let mut add = count * tree.unit <= MAX_BLOCK && steps.next_if(|next| **next == Step::Add).is_some();
        height -= usize::from(add);
        let (c, stride, cols) = level(height);
        for (from, to) in blocks(count * tree.unit) {
            let length = I::elements(to - from);
            let left = &a[at * rows..(at + length) * rows];
            let right = &b[at * wide..(at + length) * wide];
            at += length;
            let store = Store {
                c,
                stride,
                cols,
                add,
                bias: None,
            };
            // SAFETY: I is the level of the processor or below; both panels were sliced to the lengths the tile
            // reads; the level holds `rows` rows of `cols` values.
            unsafe {
                I::tile(
                    held,
                    (rows, wide == I::HALF),
                    length,
                    left.as_ptr(),
                    right.as_ptr(),
                    &store,
                )
            };
            add = true;
        }
        height += 1;
    }
}
