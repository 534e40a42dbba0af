//! What a step hands to layers: its slices, the place of every row, and how trainers meet before it is over.

use candlewick_protocol::Failure;

/// Rows of a logical shard in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Logical shard.
    pub shard: u32,
    /// Number of rows, possibly 0.
    pub rows: usize,
}

/// Where a row comes from: random numbers depend on it, not on its position in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowKey {
    /// Logical shard.
    pub shard: u32,
    /// Row in the slice.
    pub row: u32,
}

/// What a module knows while training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training<'a> {
    /// Seed of the job.
    pub seed: u64,
    /// Global step.
    pub step: u64,
    /// Every row's place, for random numbers.
    pub rows: &'a [RowKey],
    /// The slices the rows come in, by ascending shard, one after another; some may be empty.
    pub slices: &'a [Slice],
}

/// Lets the trainers of a job see each other's numbers in the middle of a step, for layers that normalise over all
/// its rows (rule B7).
pub trait Exchange {
    /// Every shard's values, by shard: those of this trainer's shards go in, those of all come out. A shard without
    /// rows has none. All trainers call it equally often, also those without rows.
    ///
    /// # Errors
    /// The trainer that is blamed, or that the step was abandoned.
    fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure>;

    /// The values of the nodes' gradients stay as they are from index `from` on; none of nodes without rows. As backward comes
    /// by, from the last layer to the first, `from` becomes less, to 0 in the end. In every step it is the same indices.
    ///
    /// # Errors
    /// That the step was abandoned.
    fn ready(&mut self, _from: usize, _nodes: &[Option<&[f32]>]) -> Result<(), Failure> {
        Ok(())
    }
}

impl Exchange for Alone {
    fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure> {
        let shards = own
            .iter()
            .map(|(shard, _)| *shard as usize + 1)
            .max()
            .unwrap_or(0);
        let mut all = vec![None; shards];
        for (shard, values) in own {
            all[shard as usize] = values;
        }
        Ok(all)
    }
}

/// The exchange of a trainer that owns all shards.
#[derive(Debug, Clone, Copy)]
pub struct Alone;
