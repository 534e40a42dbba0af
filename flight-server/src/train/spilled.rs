//! Training on rows from disk has the bits of training on rows in memory.

use super::Interrupt;
use super::{Observer, Onward, Session, SingleProcess, TrainPlan, Trained};
use crate::chunk::{ChunkBuilder, Shape};
use crate::dataset::testing;
use crate::spill::Spill;
use crate::spool::Spool;
use candlewick_model::job::complete;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::feed::{StreamId, Winner};
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::shards::ShardSet;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Keeps the history, and halts once before step `halt`.
struct Watch {
    history: Mutex<Vec<EpochRecord>>,
    halt: Mutex<Option<u64>>,
}

impl Observer for Watch {
    fn boundary(&self, counter: ProgramCounter) -> Result<Onward, Interrupt> {
        let mut halt = self.halt.lock().unwrap();
        if *halt == Some(counter.step) {
            *halt = None;
            return Err(Interrupt::Halted);
        }
        Ok(Onward::Go)
    }

    fn progress(&self, _: ProgramCounter) {}

    fn epoch(&self, record: &EpochRecord) -> Result<(), Interrupt> {
        let mut record = record.clone();
        record.seconds = 0.0;
        self.history.lock().unwrap().push(record);
        Ok(())
    }

    fn epochs_acknowledged(&self) -> u32 {
        u32::try_from(self.history.lock().unwrap().len()).unwrap()
    }
}

/// A fit that has everything that looks at rows, with so many logical shards, halted before a step.
fn trained(spill: Arc<Spill>, logical_shards: u32, halt: Option<u64>) -> (Trained, Vec<EpochRecord>) {
    let layers = json!([{"type": "Linear", "out_features": 6}, {"type": "Tanh"}, {"type": "Linear", "out_features": 3}]);
    let input = json!({"job": "00", "task": "classifier", "featureWidth": 4, "params": {
        "network": {"format": "candlewick.network/1", "layers": layers}, "classWeight": "balanced", "batchSize": 32,
        "metrics": ["accuracy", "roc_auc"], "epochs": 3, "validationFraction": 0.25, "logicalShards": logical_shards}});
    let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
    let shape = Shape::of(&job.data, logical_shards);
    let failed = |failure| panic!("{failure}");
    let spool = Arc::new(Spool::new("00", shape.clone(), spill, failed));
    spool.open(0, (0..logical_shards).into()).unwrap();
    let id = StreamId {
        job: "00".into(),
        round: 0,
        partition: 0,
        attempt: 1,
    };
    let mut writer = spool.begin(id).unwrap();
    for part in 0..4u16 {
        let mut builder = ChunkBuilder::new(&shape, 100);
        for row in 0..100u16 {
            // Some rows come again.
            let row = part * 90 + row;
            let features = (0..4).map(|at| f32::from((row * 13 + at * 7 + row / 4) % 31) / 31.0);
            let label = std::iter::once(f64::from(row % 12 % 3));
            builder.push(features, label, 1.0 + f64::from(row % 2)).unwrap();
        }
        writer.append(builder.finish()).unwrap();
    }
    writer.finish(None).unwrap();
    let winner = [Winner {
        partition: 0,
        attempt: 1,
    }];
    let mut data = spool.seal(0, &winner, &ShardSet::default(), 1).unwrap();
    data.deal_alone().unwrap();
    let sums = data.sums();
    let plan = TrainPlan::new(job, data, &sums).unwrap();
    let watch = Watch {
        history: Mutex::default(),
        halt: Mutex::new(halt),
    };
    let mut alone = SingleProcess { logical_shards };
    let mut session = Session::new(&plan.job, 1).unwrap();
    let first = session.run(&plan, &mut alone, &watch);
    let trained = match first {
        Err(Interrupt::Halted) if halt.is_some() => session.run(&plan, &mut alone, &watch).unwrap(),
        other => other.unwrap(),
    };
    (trained, watch.history.into_inner().unwrap())
}

#[test]
fn rows_from_disk_train_the_same_model_with_any_number_of_shards_and_after_a_halt() {
    let folder = tempfile::tempdir().unwrap();
    for logical_shards in [1, 8] {
        let expected = trained(testing::no_spill(), logical_shards, None);
        for (limit, encrypt, halt) in [
            (39_000, false, None),
            (39_000, true, Some(13)),
            (2_000, false, Some(4)),
            (2_000, true, None),
        ] {
            let spill = testing::spill(limit, folder.path(), encrypt);
            let ledger = Arc::clone(spill.ledger());
            let found = trained(spill, logical_shards, halt);
            assert_eq!(
                found, expected,
                "{logical_shards} shards, {limit} bytes, halted {halt:?}"
            );
            let told = ledger.told();
            assert!(told.spilled_bytes > 0, "{told:?}");
            assert!(told.accounts["buckets"] > 10_000 || limit == 2_000, "{told:?}");
        }
    }
}
