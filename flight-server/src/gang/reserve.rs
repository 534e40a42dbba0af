//! What the job needs of memory beside rows, reserved before rows come (rule D).

use crate::memory::Ledger;
use crate::train::{Needs, most_shards};
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::shards::ShardSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// See the module. How large a step is follows from the shards that a trainer has: of one until a round opens others, so that
/// nobody is refused for the part of others.
#[derive(Debug, Default)]
pub(super) struct Reserve(Mutex<Option<Held>>);

#[derive(Debug)]
struct Held {
    job: JobSpec,
    ledger: Arc<Ledger>,
    shards: Range<u32>,
    /// Rows of one of them that are put aside, at most, once that is known.
    aside: u64,
    /// What [`Reserve::most_shards`] answered, of so much memory.
    most: Option<(u64, Option<u32>)>,
    /// None only while another takes its place.
    needs: Option<Needs>,
}

impl Reserve {
    /// What any trainer of the job needs.
    ///
    /// # Errors
    /// As [`Needs::of`].
    pub(super) fn begin(&self, job: &JobSpec, ledger: &Arc<Ledger>) -> Result<(), Failure> {
        let needs = Needs::least(job, ledger)?;
        *self.lock() = Some(Held {
            job: job.clone(),
            ledger: Arc::clone(ledger),
            shards: 0..1,
            aside: 0,
            most: None,
            needs: Some(needs),
        });
        Ok(())
    }

    /// A round opens these shards; those that are there already stay. In the first round the trainer will own them, and is refused
    /// before their rows come where it has no memory for that; later they may be copies (rule A5).
    ///
    /// # Errors
    /// As [`Needs::of`].
    pub(super) fn opened(&self, round: u32, shards: &ShardSet) -> Result<(), Failure> {
        let more = u32::try_from(shards.len()).unwrap_or(u32::MAX);
        let range = shards.as_range().unwrap_or(0..more);
        let fewer = |held: &Held| held.shards.len() < range.len();
        if self.lock().as_ref().is_some_and(fewer) {
            let needs = if round == 0 { Needs::of } else { Needs::coming };
            return self.hold(range.clone(), |job, ledger| needs(job, range, ledger));
        }
        Ok(())
    }

    /// The trainer owns these shards from now on, and has their rows: `aside` of one of them are put aside, at most.
    ///
    /// # Errors
    /// As [`Needs::of`].
    pub(super) fn own(&self, shards: Range<u32>, aside: u64) -> Result<(), Failure> {
        self.hold(shards.clone(), |job, ledger| {
            Needs::judging(job, shards, aside, ledger)
        })?;
        if let Some(held) = self.lock().as_mut() {
            (held.aside, held.most) = (aside, None);
        }
        Ok(())
    }

    /// How many shards the trainer could own beside others, wherever they lie: those that it has may be more, or lie better. None where
    /// it could own all but one.
    ///
    /// # Errors
    /// `InvalidParameter` where a document of the job is wrong.
    pub(super) fn most_shards(&self) -> Result<Option<u32>, Failure> {
        let mut held = self.lock();
        let Some(held) = held.as_mut() else {
            return Ok(None);
        };
        let Some(free) = held.needs.as_ref().and_then(|needs| needs.free(&held.ledger)) else {
            return Ok(None);
        };
        // It is asked at the end of every epoch, and the network is built for an answer.
        if let Some((_, most)) = held.most.filter(|(of, _)| *of == free) {
            return Ok(most);
        }
        let most = most_shards(&held.job, held.aside, free)?;
        held.most = Some((free, most));
        Ok(most)
    }

    fn hold(
        &self,
        shards: Range<u32>,
        charge: impl FnOnce(&JobSpec, &Arc<Ledger>) -> Result<Needs, Failure>,
    ) -> Result<(), Failure> {
        let mut held = self.lock();
        let Some(held) = held.as_mut() else {
            return Err(Failure::internal("shards before the job"));
        };
        // What was reserved is given back first: both together may be more than there is.
        held.needs = None;
        held.needs = Some(charge(&held.job, &held.ledger)?);
        held.shards = shards;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Account;
    use candlewick_model::job::complete;
    use serde_json::json;

    fn job(validation_fraction: f64) -> JobSpec {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 1000, "params": {
            "batchSize": 8000, "logicalShards": 8, "validationFraction": validation_fraction,
            "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]}}});
        complete(&serde_json::from_value(input).unwrap()).unwrap().job
    }

    #[test]
    fn a_trainer_is_refused_for_its_own_part_of_a_batch_and_not_for_that_of_others() {
        // Two batches of 8,000 rows of 4 KB are 64 MB, half of them 32 MB.
        let ledger = Ledger::new(40 << 20);
        let reserve = Reserve::default();
        reserve.begin(&job(0.0), &ledger).unwrap();
        reserve.opened(0, &(4..8).into()).unwrap();
        let batches = ledger.told().accounts["batches"];
        assert!((32_000_000..33_000_000).contains(&batches), "{batches}");
        // A later round opens fewer.
        reserve.opened(1, &(0..1).into()).unwrap();
        reserve.own(4..8, 0).unwrap();
        assert_eq!(ledger.told().accounts["batches"], batches, "never both together");
        // As copies they are not trained on; who is to own them is refused.
        reserve.opened(1, &(0..8).into()).unwrap();
        let refused = reserve.own(0..8, 0).unwrap_err();
        assert!(refused.message.contains("raise trainerMemory"), "{refused}");
        let first = Reserve::default();
        first.begin(&job(0.0), &Ledger::new(40 << 20)).unwrap();
        let refused = first.opened(0, &(0..8).into()).unwrap_err();
        assert!(refused.message.contains("raise trainerMemory"), "{refused}");
    }

    /// Owns every range of so many shards as it says.
    fn keeps_its_word(job: &JobSpec, limit: u64) -> u32 {
        let ledger = Ledger::new(limit << 20);
        let reserve = Reserve::default();
        reserve.begin(job, &ledger).unwrap();
        reserve.own(0..1, 0).unwrap();
        let most = reserve.most_shards().unwrap().unwrap_or(7);
        for lo in 0..=8 - most {
            reserve.own(lo..lo + most, 0).unwrap();
            assert_eq!(
                reserve.most_shards().unwrap().unwrap_or(7),
                most,
                "whatever it owns"
            );
        }
        most
    }

    #[test]
    fn it_says_how_many_shards_it_could_own_and_is_never_refused_those() {
        // Two batches of 8,000 rows of 4 KB are 64 MB, of which a shard has an eighth.
        for limit in 11..80 {
            let most = keeps_its_word(&job(0.0), limit);
            assert!(
                u64::from(most).abs_diff((limit / 8).clamp(1, 7)) <= 1,
                "{limit} MiB, {most} shards"
            );
        }
        // Gradients of nodes, of which a range has more where it lies badly; alone it would need less than beside others.
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 100_000, "params": {"logicalShards": 8,
            "batchSize": 8, "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 10}]}}});
        let wide = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        let all: Vec<u32> = (42..80).map(|limit| keeps_its_word(&wide, limit)).collect();
        assert!(
            all.is_sorted() && all.contains(&1) && all.contains(&3) && all.contains(&7),
            "{all:?}"
        );
        let reserve = Reserve::default();
        reserve.begin(&job(0.0), &Ledger::new(0)).unwrap();
        assert_eq!(reserve.most_shards().unwrap(), None, "without a limit");
    }

    #[test]
    fn a_trainer_alone_is_never_charged_parts_of_gradients_on_their_way_to_others() {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 100_000, "params": {"logicalShards": 8,
            "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]}}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        let ledger = Ledger::new(0);
        let reserve = Reserve::default();
        reserve.begin(&job, &ledger).unwrap();
        reserve.opened(0, &(0..8).into()).unwrap();
        reserve.own(0..8, 0).unwrap();
        let weights = 4 * 300_003;
        assert_eq!(ledger.told().accounts["gradients"], 2 * weights);
        reserve.own(0..4, 0).unwrap();
        assert_eq!(ledger.told().accounts["gradients"], 3 * weights);
    }

    #[test]
    fn rows_that_are_put_aside_are_charged_as_many_as_there_are_once_that_is_known() {
        let ledger = Ledger::new(0);
        let reserve = Reserve::default();
        reserve.begin(&job(0.5), &ledger).unwrap();
        reserve.opened(0, &(0..8).into()).unwrap();
        let row = 4 * 1000 + 16;
        assert_eq!(ledger.now(Account::Batches), (2 * 8000 + 1024) * row);
        reserve.own(0..8, 30).unwrap();
        assert_eq!(ledger.now(Account::Batches), (2 * 8000 + 30) * row);
        reserve.own(0..8, 5000).unwrap();
        assert_eq!(ledger.now(Account::Batches), (2 * 8000 + 1024) * row);
    }
}
