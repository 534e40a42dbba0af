//! How a step meets the other trainers before it is over.

use candlewick_protocol::Failure;

/// Lets the trainers of a job see each other's numbers in the middle of a step, for layers that normalise over all
/// its rows (rule B7).
pub trait Exchange {
    /// Every shard's values, by shard: those of this trainer's shards go in, those of all come out. A shard without
    /// rows has none. All trainers call it equally often, also those without rows.
    ///
    /// # Errors
    /// The trainer that is blamed, or that the step was abandoned.
    fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure>;
}

/// The exchange of a trainer that owns all shards.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

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
