//! Which states of the training are kept, and what their bits depend on.

use super::is_set;
use crate::network::Network;
use crate::optim::Schedule;
use candlewick_protocol::Failure;
use candlewick_protocol::compression::GradientCompression;
use candlewick_protocol::job::{
    CheckpointSpec, DataSpec, DeviceKind, JobInput, LaunchSpec, SnapshotSpec, TrainSpec,
};
use candlewick_protocol::params::Complete;
use serde_json::{Value, json};

/// Epochs between states of which no training has so many: the end of it alone is left.
const AT_THE_END: u32 = u32::MAX;

/// What the driver does with checkpoints, where it does anything.
pub(super) fn checkpoint_spec(
    input: &JobInput,
    params: &Complete,
) -> Result<Option<CheckpointSpec>, Failure> {
    let Some(dir) = params.value("checkpointDir").as_str() else {
        let names = ["checkpointInterval", "checkpointSteps", "keepCheckpoints"];
        let set = names.into_iter().find(|name| is_set(input, name));
        return match set {
            Some(name) => Err(Failure::parameter(format!(
                "{name} is set, but checkpointDir is not: name the folder for the checkpoints"
            ))),
            None => Ok(None),
        };
    };
    if dir.trim().is_empty() {
        return Err(Failure::parameter(
            "checkpointDir is empty: name a folder, or leave the parameter unset for no checkpoints",
        ));
    }
    Ok(Some(CheckpointSpec {
        dir: dir.to_owned(),
        keep: params.whole("keepCheckpoints")?,
    }))
}

/// What the bits of the training's states depend on.
pub(super) fn identity(
    network: &Network,
    (data, train): (&DataSpec, &TrainSpec),
    device: DeviceKind,
) -> Value {
    let mut identity = json!({"data": data, "train": train});
    if device != DeviceKind::Cpu {
        // Processors do not say so: their states are those of before there was a choice.
        identity["train"]["device"] = json!(device);
    }
    let spec = data;
    if let Some(data) = identity["data"].as_object_mut() {
        // The bits are the same whatever type rows are held in, as long as no gradient is compressed: those of columns are not.
        data.remove("featureEncoding");
        if train.gradient_compression != GradientCompression::None && network.goes_by_columns(spec) {
            data.insert("featureEncoding".to_owned(), json!(spec.feature_encoding.kind));
        }
    }
    let spans = train.lr_scheduler.as_ref().is_some_and(Schedule::spans_training);
    if let (false, Some(train)) = (spans, identity["train"].as_object_mut()) {
        // More epochs go on with the same states.
        train.remove("epochs");
    }
    identity
}

/// Whether the model keeps the last state.
pub(super) fn saves_optimizer(params: &Complete, train: &TrainSpec) -> Result<bool, Failure> {
    let saves = params.flag("saveOptimizer");
    if saves && train.epochs == 0 {
        return Err(Failure::parameter(
            "saveOptimizer is true and epochs is 0: before the first step there is no state to go on from; set epochs to at \
             least 1, or saveOptimizer to false",
        ));
    }
    Ok(saves)
}

/// When the trainers send their state, where somebody keeps it.
pub(super) fn snapshot_spec(params: &Complete, launch: &LaunchSpec) -> Result<SnapshotSpec, Failure> {
    let epochs = params.value("checkpointInterval").as_i64().unwrap_or_default();
    if launch.checkpoint.is_none() {
        return Ok(SnapshotSpec {
            epochs: if launch.save_optimizer { AT_THE_END } else { 0 },
            steps: 0,
        });
    }
    Ok(SnapshotSpec {
        epochs: u32::try_from(epochs).unwrap_or(AT_THE_END),
        steps: if params.is_null("checkpointSteps") {
            0
        } else {
            params.whole("checkpointSteps")?
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::CompleteJob;
    use super::super::tests::{ask, network};
    use candlewick_protocol::job::SnapshotSpec;
    use serde_json::{Value, json};

    #[test]
    fn a_checkpoint_is_of_all_that_its_bits_depend_on() {
        let spec = |more: &Value| {
            let mut params = json!({"network": network(), "checkpointDir": "hdfs:///c"});
            params
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let CompleteJob { job, launch, .. } = ask(&params, &json!({})).unwrap();
            (
                launch.checkpoint.unwrap(),
                job.snapshots,
                launch.identity.unwrap(),
            )
        };
        let (checkpoint, snapshots, identity) = spec(&json!({}));
        assert_eq!((checkpoint.dir.as_str(), checkpoint.keep), ("hdfs:///c", 2));
        assert_eq!(snapshots, SnapshotSpec { epochs: 1, steps: 0 });
        let other = spec(&json!({"checkpointInterval": -1, "checkpointSteps": 7})).1;
        assert_eq!(
            other,
            SnapshotSpec {
                epochs: u32::MAX,
                steps: 7
            }
        );
        let same = |more: Value| spec(&more).2 == identity;
        assert!(same(
            json!({"epochs": 99, "numTrainers": 3, "failureTimeout": "1s", "keepCheckpoints": 5})
        ));
        for more in [
            json!({"seed": 1}),
            json!({"batchSize": 3}),
            json!({"dropLast": true}),
            json!({"logicalShards": 16}),
            json!({"optimizer": {"type": "SGD", "lr": 0.1}}),
            json!({"loss": {"type": "MultiMarginLoss"}}),
            json!({"classWeight": "balanced"}),
            json!({"classWeight": {"1": 2.0}}),
            json!({"clipNorm": 1.0}),
            json!({"metrics": ["accuracy"]}),
            json!({"validationFraction": 0.1}),
            json!({"dataShuffle": "none"}),
            json!({"asynchrony": "delayed"}),
            json!({"localSteps": 2}),
            json!({"lrScheduler": {"type": "StepLR", "step_size": 1}}),
        ] {
            assert!(!same(more.clone()), "{more}");
        }
        // What was kept before there was a choice is still of the same job.
        assert!(identity["data"].get("dataShuffle").is_none());
        assert!(identity["train"].get("classWeight").is_none());
        assert_eq!(
            spec(&json!({"dataShuffle": "none"})).2["data"]["dataShuffle"],
            "none"
        );
        // A cycle over the whole training is another one with other epochs.
        let cycle = |epochs: u32| {
            spec(&json!({"epochs": epochs, "lrScheduler": {"type": "OneCycleLR", "max_lr": 0.1}})).2
        };
        assert_ne!(cycle(3), cycle(4));
    }

    #[test]
    fn whether_features_are_sparse_counts_where_their_gradients_are_not_compressed() {
        let identity = |compression: &str, nonzeros: u64| {
            let layers = json!([{"type": "Linear", "out_features": 3}]);
            let params = json!({"network": {"format": "candlewick.network/1", "layers": layers},
                "checkpointDir": "hdfs:///c", "gradientCompression": compression});
            let more = json!({"featureWidth": 12800, "featureTypes": ["vector"], "nonzeros": nonzeros});
            ask(&params, &more).unwrap().launch.identity.unwrap()
        };
        for compression in ["topk:0.1", "bf16", "powersgd:2", "auto"] {
            let (sparse, dense) = (identity(compression, 20), identity(compression, 12_800));
            assert_ne!(sparse, dense, "{compression}");
            // As it was before.
            assert!(dense["data"].get("featureEncoding").is_none());
            assert_eq!(sparse["data"]["featureEncoding"], "sparse");
        }
        assert_eq!(identity("none", 20), identity("none", 12_800));
    }

    #[test]
    fn on_a_gpu_the_same_job_has_other_bits() {
        let params = json!({"network": network(), "checkpointDir": "hdfs:///c", "logicalShards": 8});
        let identity = |more: &Value| ask(&params, more).unwrap().launch.identity.unwrap();
        assert_eq!(identity(&json!({"device": "cuda"}))["train"]["device"], "cuda");
        assert!(identity(&json!({}))["train"].get("device").is_none());
    }

    #[test]
    fn the_last_state_is_sent_for_a_model_that_keeps_it_and_no_other() {
        let told = |more: Value| {
            let mut params = json!({"network": network()});
            params
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let CompleteJob { job, launch, .. } = ask(&params, &json!({})).unwrap();
            (
                launch.save_optimizer,
                launch.identity.is_some(),
                (job.snapshots.epochs, job.snapshots.steps),
            )
        };
        assert_eq!(told(json!({})), (false, false, (0, 0)));
        assert_eq!(told(json!({"saveOptimizer": true})), (true, true, (u32::MAX, 0)));
        assert_eq!(told(json!({"resumeOptimizer": true})), (false, true, (0, 0)));
        let both = json!({"saveOptimizer": true, "checkpointDir": "c", "checkpointSteps": 9});
        assert_eq!(told(both), (true, true, (1, 9)));
        let none = json!({"network": network(), "saveOptimizer": true, "epochs": 0});
        let refused = ask(&none, &json!({})).unwrap_err().message;
        assert!(
            refused.contains("saveOptimizer is true and epochs is 0"),
            "{refused}"
        );
    }

    #[test]
    fn checkpoints_that_would_not_be_written_are_refused() {
        let message = |more: Value| {
            let mut params = json!({"network": network()});
            params
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            ask(&params, &json!({})).unwrap_err().message
        };
        for name in ["checkpointInterval", "checkpointSteps", "keepCheckpoints"] {
            let told = message(json!({name: 5}));
            assert!(
                told.starts_with(&format!("{name} is set, but checkpointDir is not")),
                "{told}"
            );
        }
        let told = message(json!({"checkpointDir": "c", "checkpointInterval": 0}));
        assert!(told.contains("checkpointInterval = 0 is not legal"), "{told}");
        assert!(message(json!({"checkpointDir": " "})).contains("checkpointDir is empty"));
    }
}
