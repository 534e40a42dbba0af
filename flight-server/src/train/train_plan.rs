//! What is trained on, in which steps.

use crate::dataset::Dataset;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::plan::StepPlan;

/// A job, the rows this trainer holds, and the plan over the rows of all trainers.
#[derive(Debug)]
pub struct TrainPlan {
    pub(crate) job: JobSpec,
    pub(crate) data: Dataset,
    pub(crate) step_plan: StepPlan,
}

impl TrainPlan {
    /// The plan of `job` over shards of `sums` rows (all shards, in order), of which `data` holds this trainer's.
    ///
    /// # Errors
    /// `InvalidData` without any row; `InvalidParameter` where dropLast leaves no step; `Internal` where the sums are
    /// not those of all shards.
    pub fn new(job: JobSpec, data: Dataset, sums: &[ShardSum]) -> Result<Self, Failure> {
        let train = &job.train;
        let complete = sums.len() == job.fed_shards() as usize
            && sums.iter().zip(0..).all(|(sum, shard)| sum.shard == shard);
        if !complete {
            return Err(Failure::internal(
                "the sums of a feed round cover every shard, in order",
            ));
        }
        let (training, held_out) = sums.split_at(train.logical_shards as usize);
        let rows: Vec<u64> = training.iter().map(|sum| sum.rows).collect();
        if job.data.validation.is_some() && held_out.iter().all(|sum| sum.rows == 0) {
            return Err(Failure::data(
                "no row is put aside for validation: raise validationFraction or give more rows",
            ));
        }
        let step_plan = StepPlan::new(rows, train.batch_size, train.drop_last);
        if step_plan.total_rows() == 0 {
            return Err(Failure::data("there are no rows to train on"));
        }
        if train.epochs > 0 && step_plan.steps_per_epoch() == 0 {
            return Err(Failure::parameter(format!(
                "there are {} rows, fewer than batchSize = {}, and dropLast = true leaves out the only step of an epoch: \
                 lower batchSize or set dropLast = false",
                step_plan.total_rows(),
                train.batch_size
            )));
        }
        Ok(TrainPlan { job, data, step_plan })
    }

    /// The rows again, for another plan.
    #[must_use]
    pub fn into_data(self) -> Dataset {
        self.data
    }

    /// Steps of the whole training.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step_plan.steps_per_epoch() * u64::from(self.job.train.epochs)
    }
}
