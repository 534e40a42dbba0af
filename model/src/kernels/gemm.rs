//! Matrix products: blocking, packing, threads.

use super::arithmetic::{Arithmetic, with_isa};
use super::isa::Isa;
use super::matrix::{Accumulate, Matrix, blocks};
use super::packed::Packing;
use super::program::Program;
use super::scratch::Scratch;
use super::simd::SimdLevel;
use super::sparse_memory::SparseMemory;
use super::tiles::{Part, Target, TileScratch, grown, product_part, tree_part};
use super::workers::Workers;
use candlewick_protocol::Failure;
use candlewick_protocol::job::Precision;
use std::sync::Arc;

/// Multiply-adds that are worth a thread.
const WORK_PER_THREAD: usize = 1 << 19;
/// Rows under a node up to which its tree is evaluated tile by tile.
const TREE_ROWS: usize = 4_096;

/// Products on the threads and the instruction set of one engine, with the memory they reuse.
#[derive(Debug)]
pub struct Kernels {
    pub(super) level: SimdLevel,
    precision: Precision,
    pub(super) workers: Arc<Workers>,
    pub(super) scratch: Vec<Scratch>,
    pub(super) spare: Vec<Vec<f32>>,
    /// Weights that all threads read.
    pub(super) shared: Vec<f32>,
    packing: Packing,
    lanes: Vec<Vec<f32>>,
    keys: Vec<u64>,
    turned: Vec<f32>,
    sparse: SparseMemory,
}

impl Kernels {
    /// Kernels of this processor's best level on `threads` threads.
    ///
    /// # Errors
    /// `Unavailable` where the operating system refuses threads.
    pub fn new(threads: usize) -> Result<Self, Failure> {
        Self::at(SimdLevel::detect(), threads)
    }

    /// Kernels of `level`, or of this processor's best level where that is lower.
    ///
    /// # Errors
    /// `Unavailable` where the operating system refuses threads.
    pub fn at(level: SimdLevel, threads: usize) -> Result<Self, Failure> {
        let workers = Arc::new(Workers::new(threads)?);
        let mut scratch = Vec::new();
        scratch.resize_with(workers.threads(), Scratch::default);
        Ok(Kernels {
            level: level.min(SimdLevel::detect()),
            precision: Precision::F32,
            workers,
            scratch,
            spare: Vec::new(),
            shared: Vec::new(),
            packing: Packing::default(),
            lanes: Vec::new(),
            keys: Vec::new(),
            turned: Vec::new(),
            sparse: SparseMemory::default(),
        })
    }

    /// The same with products of this precision; all else stays in f32.
    ///
    /// ```
    /// use candlewick_model::kernels::{Accumulate, Kernels, Matrix};
    /// use candlewick_protocol::job::Precision;
    /// let mut kernels = Kernels::new(1)?.with_precision(Precision::Bf16);
    /// let (a, b, mut c) = ([1.0 + 1.0 / 1024.0, 2.0], [3.0, 0.5], [0.0]);
    /// kernels.product(Matrix::new(&a, 1, 2), Matrix::new(&b, 2, 1), Accumulate::Zero, &mut c);
    /// assert_eq!(c, [4.0]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Kernels { precision, ..self }
    }

    /// How products are computed.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        Arithmetic {
            level: self.level,
            precision: self.precision,
        }
    }

    /// The instruction set in use.
    #[must_use]
    pub fn level(&self) -> SimdLevel {
        self.level
    }

    /// The threads.
    #[must_use]
    pub fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// Lends memory for packed operands, and a buffer for each of `count` threads; what they hold is not defined.
    /// To be given back by [`Kernels::give_back`], so that the next call finds it grown.
    pub(crate) fn borrow(&mut self, count: usize) -> (Packing, Vec<Vec<f32>>) {
        let (packing, mut lanes) = (std::mem::take(&mut self.packing), std::mem::take(&mut self.lanes));
        if lanes.len() < count {
            lanes.resize_with(count, Vec::new);
        }
        (packing, lanes)
    }

    /// Takes back what was borrowed.
    pub(crate) fn give_back(&mut self, (packing, lanes): (Packing, Vec<Vec<f32>>)) {
        (self.packing, self.lanes) = (packing, lanes);
    }

    /// Memory for keys to sort, to be given back by [`Kernels::give_keys`] so that it is kept.
    pub(crate) fn take_keys(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.keys)
    }

    /// Takes the memory of [`Kernels::take_keys`] back.
    pub(crate) fn give_keys(&mut self, keys: Vec<u64>) {
        self.keys = keys;
    }

    /// Memory for columns of weights, to be given back by [`Kernels::give_turned`] so that it is kept.
    pub(super) fn take_turned(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.turned)
    }

    /// Takes the memory of [`Kernels::take_turned`] back.
    pub(super) fn give_turned(&mut self, turned: Vec<f32>) {
        self.turned = turned;
    }

    /// Memory for rows without their zeros, to be given back by [`Kernels::give_sparse`] so that it is kept.
    pub(crate) fn take_sparse(&mut self) -> SparseMemory {
        std::mem::take(&mut self.sparse)
    }

    /// Takes the memory of [`Kernels::take_sparse`] back.
    pub(crate) fn give_sparse(&mut self, sparse: SparseMemory) {
        self.sparse = sparse;
    }

    /// `c = start + a b`, row after row.
    ///
    /// # Panics
    /// Where the shapes do not agree: a defect of the caller.
    pub fn product(&mut self, a: Matrix<'_>, b: Matrix<'_>, start: Accumulate<'_>, c: &mut [f32]) {
        let (m, n) = (a.rows, b.cols);
        assert_eq!(a.cols, b.rows, "inner sizes of a product");
        if let Accumulate::Bias(bias) = start {
            assert!(bias.len() >= n, "bias shorter than the product's rows");
        }
        let target = Target::new(&mut c[..m * n], n);
        let b = b.transposed();
        let arithmetic = self.arithmetic();
        let body = |part: Part, scratch: &mut TileScratch| {
            with_isa!(arithmetic, I => product_part::<I>(&a, &b, start, part, target, scratch));
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
        let target = Target::new(c, n);
        let b = b.transposed();
        let arithmetic = self.arithmetic();
        let body = |part: Part, scratch: &mut TileScratch| {
            with_isa!(arithmetic, I => tree_part::<I>(&a, &b, (program, unit), part, target, scratch));
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
                self.product(left, right, Accumulate::Zero, values);
            },
            |left, right| super::maps::add_into(level, left, right),
        );
        self.spare = spare;
    }

    fn run(&mut self, m: usize, n: usize, k: usize, body: impl Fn(Part, &mut TileScratch) + Send + Sync) {
        if m == 0 || n == 0 {
            return;
        }
        let work = m.saturating_mul(n).saturating_mul(k);
        let threads = (work / WORK_PER_THREAD).clamp(1, self.workers.threads());
        let (down, across) = grid(m, n, threads);
        let (tall, wide) = with_isa!(self.arithmetic(), I => (I::ROWS, I::COLS));
        let cut = |length: usize, parts: usize, at: usize, unit: usize| {
            let size = length.div_ceil(parts).next_multiple_of(unit);
            ((at * size).min(length), ((at + 1) * size).min(length))
        };
        self.workers
            .each(&mut self.scratch[..down * across], |index, scratch| {
                let part = Part {
                    rows: cut(m, down, index / across, if down > 1 { tall } else { 1 }),
                    cols: cut(n, across, index % across, if across > 1 { wide } else { 1 }),
                };
                if part.rows.0 < part.rows.1 && part.cols.0 < part.cols.1 {
                    body(part, &mut scratch.tile);
                }
            });
    }
}

impl Kernels {
    /// Calls `body` on so many threads at most, each with memory of its own.
    pub(super) fn on_threads(&mut self, threads: usize, body: impl Fn(&mut Scratch) + Send + Sync) {
        let threads = threads.clamp(1, self.workers.threads());
        self.workers
            .each(&mut self.scratch[..threads], |_, scratch| body(scratch));
    }
}

/// How `threads` parts lie over a result: the grid whose parts read the least.
fn grid(m: usize, n: usize, threads: usize) -> (usize, usize) {
    let fits = |down: &usize| threads.is_multiple_of(*down);
    let cost = |down: &usize| m.div_ceil(*down) + n.div_ceil(threads / *down);
    let down = (1..=threads).filter(fits).min_by_key(cost).unwrap_or(1);
    (down, threads / down)
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
                let mut scratch = std::mem::take(&mut self.scratch[0].tile.tiles);
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
                self.scratch[0].tile.tiles = scratch;
            },
            |left, right| super::maps::add_into(level, left, right),
        );
    }
}
