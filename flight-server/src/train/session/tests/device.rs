//! The same tests on a device: in a build that knows devices every session of these tests computes on candle's CPU device, or on
//! that which `CANDLEWICK_TEST_DEVICE` names.

use candlewick_model::device::choose;
use std::sync::Once;

/// Chooses the device that is named, once for the process.
pub(super) fn chosen() {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        let usual = if cfg!(feature = "candle") { "candle" } else { "cpu" };
        let name = std::env::var("CANDLEWICK_TEST_DEVICE");
        choose(name.as_deref().unwrap_or(usual).parse().unwrap()).unwrap();
    });
}

/// What crosses to a device and back in the steps of a run.
#[cfg(feature = "candle")]
mod traffic {
    use super::super::*;
    use crate::train::support::gang_over;
    use candlewick_model::resident::Traffic;
    use candlewick_protocol::plan::ownership;

    const WEIGHTS: u64 = (6 * 16 + 16 + 16 * 3 + 3) * 4;

    /// The steps of an epoch without anything between them, seen after each.
    struct Watch {
        fuse: Fuse,
        network: Network,
        seen: Mutex<Vec<Traffic>>,
    }

    impl Observer for Watch {
        fn boundary(&self, counter: ProgramCounter) -> Result<Onward, Interrupt> {
            self.fuse.boundary(counter)
        }

        fn progress(&self, _: ProgramCounter) {
            self.seen.lock().unwrap().push(self.network.traffic().unwrap());
        }

        fn epoch(&self, record: &EpochRecord) -> Result<(), Interrupt> {
            self.fuse.epoch(record)
        }

        fn snapshot(
            &self,
            _: ProgramCounter,
            _: bool,
            _: &dyn Fn() -> Result<Saved, Failure>,
        ) -> Result<(), Interrupt> {
            Ok(())
        }

        fn epochs_acknowledged(&self) -> u32 {
            self.fuse.epochs_acknowledged()
        }
    }

    fn spec(more: &Value) -> Value {
        let layers = json!([{"type": "Linear", "out_features": 16}, {"type": "ReLU"}, {"type": "Linear", "out_features": 3}]);
        let mut job = json!({"task": "classifier", "params": {
            "network": {"format": "candlewick.network/1", "layers": layers}, "epochs": 1, "emaDecay": 0.9,
            "gradientAccumulationSteps": 2}});
        for (name, value) in more.as_object().unwrap() {
            job["params"][name] = value.clone();
        }
        job
    }

    /// What crosses in each step but the first and the last, which ends the epoch, and in all together. Features cross ahead of their
    /// step, at a time of their own.
    fn between(plan: &mut TrainPlan, reduce: &mut dyn Reduce) -> (Vec<Traffic>, Traffic, Trained) {
        plan.job.snapshots = SnapshotSpec { epochs: 0, steps: 0 };
        let mut session = Session::new(&plan.job, 1).unwrap();
        let watch = Watch {
            fuse: Fuse::of(NEVER, Vec::new()),
            network: session.network().clone(),
            seen: Mutex::default(),
        };
        let trained = session.run(plan, reduce, &watch).unwrap();
        let whole = session.network().traffic().unwrap();
        let mut seen = watch.seen.into_inner().unwrap();
        let steps = usize::try_from(plan.step_plan.steps_per_epoch()).unwrap();
        seen.truncate(steps - 1);
        assert!(seen.len() > 2);
        let pairs = seen.windows(2);
        (pairs.map(|pair| pair[1] - pair[0]).collect(), whole, trained)
    }

    #[test]
    fn a_trainer_alone_moves_rows_and_nothing_of_the_weights() {
        for (more, sums) in [
            (json!({}), 0),
            (json!({"clipNorm": 0.5}), 8),
            (json!({"onNonFinite": "skip"}), 8),
        ] {
            let mut plan = plan(&spec(&more));
            let ranges = plan.step_plan.steps_from(0).flatten();
            let rows: u64 = ranges.map(|(start, end)| end - start).sum();
            let (steps, whole, _) = between(&mut plan, &mut SingleProcess { logical_shards: 4 });
            // Features and the gradient of the outputs, and the outputs.
            assert_eq!(
                (whole.up.rows, whole.down.rows),
                (rows * (6 + 3) * 4, rows * 3 * 4),
                "{more}"
            );
            for step in &steps {
                assert_eq!((step.up.weights, step.down.weights), (0, 0), "{more}");
                // Of ten rows.
                assert_eq!(step.down.rows, 10 * 3 * 4, "{more}");
                assert!(step.down.sums <= sums && step.up.sums == 0, "{more}: {step:?}");
            }
            let most = steps.iter().map(|step| step.down.sums).max();
            assert_eq!(most, Some(sums), "{more}");
        }
    }

    #[test]
    fn one_of_several_moves_its_node_down_and_the_sum_up() {
        let job = spec(&json!({}));
        let alone = between(&mut plan(&job), &mut SingleProcess { logical_shards: 4 }).2;
        let all = gang_over(
            &["127.0.0.1"; 2],
            |host, port| (host.to_owned(), port),
            4,
            &|_| (),
            |rank, gang, _| {
                let (lo, hi) = ownership(4, 2)[rank];
                let whole = plan(&job);
                let (sums, spec) = (whole.data.sums(), whole.job.clone());
                let mut data = whole.into_data();
                data.retain(&(lo..hi).into());
                let mut own = TrainPlan::over(spec, data, &sums, lo..hi).unwrap();
                between(&mut own, gang)
            },
        );
        for (steps, _, trained) in all {
            assert_eq!(trained, alone);
            for step in steps {
                assert_eq!((step.up.weights, step.down.weights), (WEIGHTS, WEIGHTS));
            }
        }
    }
}
