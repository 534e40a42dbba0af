//! Threads of an engine.

use candlewick_protocol::Failure;
use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use std::sync::Arc;

/// Runs independent parts on a pool of its own, or on the caller's thread where there is one thread only.
#[derive(Debug)]
pub struct Workers {
    pool: Option<Arc<ThreadPool>>,
    threads: usize,
}

impl Workers {
    /// Workers with `threads` threads; 0 counts as 1.
    ///
    /// # Errors
    /// `Unavailable` where the operating system refuses threads.
    pub fn new(threads: usize) -> Result<Self, Failure> {
        let threads = threads.max(1);
        let pool = (threads > 1)
            .then(|| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|index| format!("candlewick-compute-{index}"))
                    .build()
                    .map(Arc::new)
                    .map_err(|error| {
                        Failure::unavailable(format!("cannot start {threads} computing threads: {error}"))
                    })
            })
            .transpose()?;
        Ok(Workers { pool, threads })
    }

    /// The pool, where there is more than one thread.
    pub(crate) fn pool(&self) -> Option<Arc<ThreadPool>> {
        self.pool.clone()
    }

    /// Number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `body` with the index of every item and the item.
    pub fn each<T: Send>(&self, items: &mut [T], body: impl Fn(usize, &mut T) + Send + Sync) {
        match &self.pool {
            Some(pool) if items.len() > 1 => {
                pool.install(|| {
                    items
                        .par_iter_mut()
                        .enumerate()
                        .for_each(|(index, item)| body(index, item))
                });
            }
            _ => items
                .iter_mut()
                .enumerate()
                .for_each(|(index, item)| body(index, item)),
        }
    }

    /// Calls `body` with the start and the part of every part of at least `least` elements that `values` is cut into,
    /// at multiples of `unit`.
    pub fn chunks(
        &self,
        values: &mut [f32],
        unit: usize,
        least: usize,
        body: impl Fn(usize, &mut [f32]) + Send + Sync,
    ) {
        let parts = (values.len() / least.max(1)).clamp(1, self.threads);
        if parts == 1 {
            body(0, values);
            return;
        }
        let units = values.len().div_ceil(unit.max(1));
        let size = units.div_ceil(parts) * unit.max(1);
        let mut cut: Vec<&mut [f32]> = values.chunks_mut(size).collect();
        self.each(&mut cut, |index, part| body(index * size, part));
    }
}
