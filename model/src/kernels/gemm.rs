//! Matrix products: blocking, packing, threads.

use super::generic::Generic;
use super::level::Level;
use super::pack;
use super::program::{Op, Program};
use super::workers::Workers;
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};
use candlewick_protocol::Failure;

/// Longest chain of fused multiply-adds before its sum is added to the element.
const MAX_BLOCK: usize = 512;
/// Columns packed at a time: bounds the memory of a product.
const BLOCK_COLS: usize = 2_048;
/// Multiply-adds that are worth a thread.
const WORK_PER_THREAD: usize = 1 << 19;
/// Rows under a node up to which its tree is evaluated tile by tile.
const TREE_ROWS: usize = 4_096;

/// A matrix in memory, read through strides.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` x `cols` values, row after row.
    ///
    /// # Panics
    /// Where `data` is shorter than that: every product checks its operands here, once.
    #[must_use]
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        let data = &data[..rows * cols];
        Matrix {
            data,
            rows,
            cols,
            row_stride: cols,
            col_stride: 1,
        }
    }

    /// The same values with rows and columns exchanged; nothing is copied.
    #[must_use]
    pub fn transposed(self) -> Self {
        Matrix {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// What the product is added to.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// A row of as many values as the product has columns.
    Bias(&'a [f32]),
}

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

/// The kernels of an instruction set.
pub(crate) trait Isa {
    /// Rows of a full tile.
    const ROWS: usize;
    /// Columns of a full tile.
    const COLS: usize;
    /// Columns of a narrow tile.
    const HALF: usize;
    /// Rows packed at a time.
    const BLOCK_ROWS: usize;

    /// Computes a tile of `rows` (1..=ROWS) rows and COLS (HALF where `half`) columns over `depth` packed columns.
    ///
    /// # Safety
    /// The processor has the instruction set; `a` holds `depth * rows` values, `b` `depth` times the tile's columns;
    /// `store` describes writable memory of `rows` rows, and a bias holds `store.cols` values.
    unsafe fn tile(rows: usize, half: bool, depth: usize, a: *const f32, b: *const f32, store: &Store);
}

/// Cuts `0..length` into the blocks of a sum: as few as possible of at most 512, as even as possible. The bits of
/// every product depend on this rule.
///
/// ```
/// let cut: Vec<_> = candlewick_model::kernels::blocks(784).collect();
/// assert_eq!(cut, [(0, 392), (392, 784)]);
/// ```
pub fn blocks(length: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = length.div_ceil(MAX_BLOCK).max(1);
    let size = length.div_ceil(count);
    (0..count).map(move |at| ((at * size).min(length), ((at + 1) * size).min(length)))
}

#[derive(Debug, Default)]
struct Scratch {
    a: Vec<f32>,
    b: Vec<f32>,
    tiles: Vec<f32>,
}

fn grown(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}

/// The part of a result that one thread computes.
#[derive(Debug, Clone, Copy)]
struct Part {
    rows: (usize, usize),
    cols: (usize, usize),
}

/// The result's memory. Parts of a product do not overlap, so threads may write to it without a lock.
#[derive(Clone, Copy)]
struct Target(*mut f32, usize);
// SAFETY: the pointer is only used within a call that holds the exclusive borrow it came from, and every element is
// written by the thread of the one part it lies in.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// Pointer to an element.
    fn at(self, row: usize, col: usize) -> *mut f32 {
        // The pointer may be formed for any element; what is done with it is the caller's to justify.
        self.0.wrapping_add(row * self.1 + col)
    }
}

/// Products on the threads and the instruction set of one engine, with the memory they reuse.
#[derive(Debug)]
pub struct Kernels {
    level: Level,
    workers: Workers,
    scratch: Vec<Scratch>,
    spare: Vec<Vec<f32>>,
}

impl Kernels {
    /// Kernels of this processor's best level on `threads` threads.
    ///
    /// # Errors
    /// `Unavailable` where the operating system gives no threads.
    pub fn new(threads: usize) -> Result<Self, Failure> {
        Self::at(Level::detect(), threads)
    }

    /// Kernels of `level`, or of this processor's best level where that is lower.
    ///
    /// # Errors
    /// `Unavailable` where the operating system gives no threads.
    pub fn at(level: Level, threads: usize) -> Result<Self, Failure> {
        let workers = Workers::new(threads)?;
        let mut scratch = Vec::new();
        scratch.resize_with(workers.threads(), Scratch::default);
        Ok(Kernels {
            level: level.min(Level::detect()),
            workers,
            scratch,
            spare: Vec::new(),
        })
    }

    /// The instruction set in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The threads.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// `c = start + a b`, row after row.
    ///
    /// # Panics
    /// Where the shapes do not agree: a defect of the caller.
    pub fn product(&mut self, a: Matrix<'_>, b: Matrix<'_>, start: Start<'_>, c: &mut [f32]) {
        let (m, n) = (a.rows, b.cols);
        assert_eq!(a.cols, b.rows, "inner sizes of a product");
        if let Start::Bias(bias) = start {
            assert!(bias.len() >= n, "bias shorter than the product's rows");
        }
        let target = Target(c[..m * n].as_mut_ptr(), n);
        let b = b.transposed();
        let level = self.level;
        let body = |part: Part, scratch: &mut Scratch| match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => product_part::<Avx512>(&a, &b, start, part, target, scratch),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => product_part::<Avx2>(&a, &b, start, part, target, scratch),
            _ => product_part::<Generic>(&a, &b, start, part, target, scratch),
        };
        self.run(m, n, a.cols, body);
    }

    /// The value of a node whose leaves are products: leaf (start, rows) is the product of columns
    /// `start * unit..(start + rows) * unit` of `a` and the same rows of `b`; `c` is the value of `program`, row
    /// after row, and untouched where no leaf has rows.
    ///
    /// # Panics
    /// Where the shapes do not agree: a defect of the caller.
    pub fn tree_product(
        &mut self,
        a: Matrix<'_>,
        b: Matrix<'_>,
        program: &Program,
        unit: usize,
        c: &mut [f32],
    ) {
        let (m, n, rows) = (a.rows, b.cols, program.rows() * unit);
        assert_eq!(a.cols, b.rows, "inner sizes of a product");
        assert!(
            program
                .leaves()
                .all(|(start, rows)| (start + rows) * unit <= a.cols),
            "leaf out of range"
        );
        let c = &mut c[..m * n];
        if rows > TREE_ROWS {
            self.tree_by_leaves(&a, &b, program, unit, c);
            return;
        }
        let target = Target(c.as_mut_ptr(), n);
        let b = b.transposed();
        let level = self.level;
        let body = |part: Part, scratch: &mut Scratch| match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => tree_part::<Avx512>(&a, &b, (program, unit), part, target, scratch),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => tree_part::<Avx2>(&a, &b, (program, unit), part, target, scratch),
            _ => tree_part::<Generic>(&a, &b, (program, unit), part, target, scratch),
        };
        self.run(m, n, rows, body);
    }

    /// The same value with whole products on the stack: for many rows, where sums of products are the small part.
    fn tree_by_leaves(
        &mut self,
        a: &Matrix<'_>,
        b: &Matrix<'_>,
        program: &Program,
        unit: usize,
        c: &mut [f32],
    ) {
        let mut spare = std::mem::take(&mut self.spare);
        let level = self.level;
        program.evaluate(
            c,
            &mut spare,
            |start, rows, values| {
                let (from, count) = (start * unit, rows * unit);
                let left = Matrix {
                    data: &a.data[from * a.col_stride..],
                    cols: count,
                    ..*a
                };
                let right = Matrix {
                    data: &b.data[from * b.row_stride..],
                    rows: count,
                    ..*b
                };
                self.product(left, right, Start::Zero, values);
            },
            |left, right| super::maps::add_into(level, left, right),
        );
        self.spare = spare;
    }

    fn run(&mut self, m: usize, n: usize, k: usize, body: impl Fn(Part, &mut Scratch) + Send + Sync) {
        if m == 0 || n == 0 {
            return;
        }
        let work = m.saturating_mul(n).saturating_mul(k);
        let threads = (work / WORK_PER_THREAD).clamp(1, self.workers.threads());
        let (down, across) = grid(m, n, threads);
        let cut = |length: usize, parts: usize, at: usize, unit: usize| {
            let size = length.div_ceil(parts).next_multiple_of(unit);
            ((at * size).min(length), ((at + 1) * size).min(length))
        };
        self.workers
            .each(&mut self.scratch[..down * across], |index, scratch| {
                let part = Part {
                    rows: cut(m, down, index / across, if down > 1 { 14 } else { 1 }),
                    cols: cut(n, across, index % across, if across > 1 { 32 } else { 1 }),
                };
                if part.rows.0 < part.rows.1 && part.cols.0 < part.cols.1 {
                    body(part, scratch);
                }
            });
    }
}

/// How `threads` parts lie over a result: the grid whose parts read the least.
fn grid(m: usize, n: usize, threads: usize) -> (usize, usize) {
    let fits = |down: &usize| threads.is_multiple_of(*down);
    let cost = |down: &usize| m.div_ceil(*down) + n.div_ceil(threads / *down);
    let down = (1..=threads).filter(fits).min_by_key(cost).unwrap_or(1);
    (down, threads / down)
}

/// Packs the panels of rows `rows` of `matrix` one after another. A last panel has its own height, or that of a
/// narrow tile where `half` is given.
fn pack_panels(
    matrix: &Matrix<'_>,
    rows: (usize, usize),
    depth: (usize, usize),
    height: (usize, Option<usize>),
    into: &mut [f32],
) {
    let length = depth.1 - depth.0;
    let mut at = 0;
    for first in (rows.0..rows.1).step_by(height.0) {
        let last = (first + height.0).min(rows.1);
        let tall = match height.1 {
            None => last - first,
            Some(half) if last - first <= half => half,
            Some(_) => height.0,
        };
        pack::panel(
            matrix,
            (first, last),
            depth,
            tall,
            &mut into[at..at + tall * length],
        );
        at += tall * length;
    }
}

fn product_part<I: Isa>(
    a: &Matrix<'_>,
    b: &Matrix<'_>,
    start: Start<'_>,
    part: Part,
    target: Target,
    scratch: &mut Scratch,
) {
    for first in (part.cols.0..part.cols.1).step_by(BLOCK_COLS) {
        let cols = (first, (first + BLOCK_COLS).min(part.cols.1));
        for depth in blocks(a.cols) {
            let length = depth.1 - depth.0;
            let packed = grown(
                &mut scratch.b,
                (cols.1 - cols.0).next_multiple_of(I::COLS) * length,
            );
            pack_panels(b, cols, depth, (I::COLS, Some(I::HALF)), packed);
            for first in (part.rows.0..part.rows.1).step_by(I::BLOCK_ROWS) {
                let rows = (first, (first + I::BLOCK_ROWS).min(part.rows.1));
                let left = grown(&mut scratch.a, (rows.1 - rows.0) * length);
                pack_panels(a, rows, depth, (I::ROWS, None), left);
                let bias = match start {
                    Start::Bias(bias) => Some(bias),
                    Start::Zero => None,
                };
                block::<I>(left, packed, Part { rows, cols }, (depth.0 > 0, bias), target);
            }
        }
    }
}

/// Multiplies packed panels into the part of the result they belong to.
fn block<I: Isa>(a: &[f32], b: &[f32], part: Part, start: (bool, Option<&[f32]>), target: Target) {
    let length = a.len() / (part.rows.1 - part.rows.0);
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
            let bias = start.1.map(|bias| bias[col..col + cols].as_ptr());
            let store = Store {
                c: target.at(row, col),
                stride: target.1,
                cols,
                add: start.0,
                bias,
            };
            // SAFETY: I is the level of the processor or below; both panels were sliced to the lengths the tile
            // reads; rows row..row + rows and columns col..col + cols lie in this thread's part of the result.
            unsafe { I::tile(rows, half, length, left.as_ptr(), panel.as_ptr(), &store) };
        }
    }
}

fn tree_part<I: Isa>(
    a: &Matrix<'_>,
    b: &Matrix<'_>,
    tree: (&Program, usize),
    part: Part,
    target: Target,
    scratch: &mut Scratch,
) {
    let (program, unit) = tree;
    let (Some(first), Some(last)) = (program.leaves().next(), program.leaves().last()) else {
        return;
    };
    // Leaves lie one after another in the batch: they are packed as one range of columns.
    let depth = (first.0 * unit, (last.0 + last.1) * unit);
    let length = depth.1 - depth.0;
    grown(&mut scratch.tiles, program.depth() * I::ROWS * I::COLS);
    let step = |most: usize, unit: usize| (most.min(most * MAX_BLOCK / length) / unit).max(1) * unit;
    let (down, across) = (step(I::BLOCK_ROWS, I::ROWS), step(BLOCK_COLS, I::COLS));
    for first in (part.cols.0..part.cols.1).step_by(across) {
        let cols = (first, (first + across).min(part.cols.1));
        let packed = grown(
            &mut scratch.b,
            (cols.1 - cols.0).next_multiple_of(I::COLS) * length,
        );
        pack_panels(b, cols, depth, (I::COLS, Some(I::HALF)), packed);
        for first in (part.rows.0..part.rows.1).step_by(down) {
            let rows = (first, (first + down).min(part.rows.1));
            let left = grown(&mut scratch.a, (rows.1 - rows.0) * length);
            pack_panels(a, rows, depth, (I::ROWS, None), left);
            let tree = Tree {
                program,
                unit,
                base: depth.0,
                length,
            };
            tree_block::<I>(
                left,
                packed,
                Part { rows, cols },
                &tree,
                target,
                &mut scratch.tiles,
            );
        }
    }
}

struct Tree<'a> {
    program: &'a Program,
    unit: usize,
    base: usize,
    length: usize,
}

fn tree_block<I: Isa>(a: &[f32], b: &[f32], part: Part, tree: &Tree<'_>, target: Target, tiles: &mut [f32]) {
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
            tree_tile::<I>(left, panel, (rows, wide), tree, tiles);
            for (i, line) in tiles.chunks_exact(wide).take(rows).enumerate() {
                // SAFETY: row row + i and columns col..col + cols lie in this thread's part of the result.
                let line_out = unsafe { std::slice::from_raw_parts_mut(target.at(row + i, col), cols) };
                line_out.copy_from_slice(&line[..cols]);
            }
        }
    }
}

/// Runs the program for one tile; its value is left at the start of `tiles`.
fn tree_tile<I: Isa>(a: &[f32], b: &[f32], shape: (usize, usize), tree: &Tree<'_>, tiles: &mut [f32]) {
    let (rows, wide) = shape;
    let size = rows * wide;
    let mut height = 0;
    let mut ops = tree.program.ops().iter().peekable();
    while let Some(op) = ops.next() {
        let Op::Leaf { start, rows: count } = *op else {
            let (left, right) = tiles[(height - 2) * size..height * size].split_at_mut(size);
            left.iter_mut()
                .zip(right)
                .for_each(|(left, right)| *left += *right);
            height -= 1;
            continue;
        };
        // A right leaf of one block is added to its left sibling while it is still in registers.
        let mut add = count * tree.unit <= MAX_BLOCK && ops.next_if(|next| **next == Op::Add).is_some();
        height -= usize::from(add);
        let c = tiles[height * size..(height + 1) * size].as_mut_ptr();
        let first = start * tree.unit - tree.base;
        for (from, to) in blocks(count * tree.unit) {
            let left = &a[(first + from) * rows..(first + to) * rows];
            let right = &b[(first + from) * wide..(first + to) * wide];
            let store = Store {
                c,
                stride: wide,
                cols: wide,
                add,
                bias: None,
            };
            // SAFETY: I is the level of the processor or below; both panels were sliced to the lengths the tile
            // reads; c has room for rows x wide values.
            unsafe {
                I::tile(
                    rows,
                    wide == I::HALF,
                    to - from,
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

impl Kernels {
    /// The sums of the columns of `values` over a node: in a leaf, rows in ascending order within the blocks of
    /// [`blocks`]. This is the product with a column of ones.
    ///
    /// # Panics
    /// Where the shapes do not agree: a defect of the caller.
    pub fn tree_column_sums(
        &mut self,
        values: &Matrix<'_>,
        program: &Program,
        unit: usize,
        into: &mut [f32],
    ) {
        let n = values.cols;
        let level = self.level;
        program.evaluate(
            &mut into[..n],
            &mut self.spare,
            |start, rows, sums| {
                let part = &values.data[start * unit * n..(start + rows) * unit * n];
                let mut scratch = std::mem::take(&mut self.scratch[0].tiles);
                let block = grown(&mut scratch, n);
                for (from, to) in blocks(rows * unit) {
                    let target = if from == 0 { &mut *sums } else { &mut *block };
                    target.fill(0.0);
                    for row in part[from * n..to * n].chunks_exact(n) {
                        super::maps::add_into(level, target, row);
                    }
                    if from > 0 {
                        super::maps::add_into(level, sums, block);
                    }
                }
                self.scratch[0].tiles = scratch;
            },
            |left, right| super::maps::add_into(level, left, right),
        );
    }
}
