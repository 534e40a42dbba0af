//! `localSteps`: how often logical shards meet, and what it does not go together with.

use crate::meeting;
use crate::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::job::{JobSpec, OnNonFinite};
use candlewick_protocol::local_steps::LocalSteps;
use candlewick_protocol::params::Complete;

/// What the parameters say.
pub(super) fn local_steps(params: &Complete) -> Result<Option<LocalSteps>, Failure> {
    let real = |name: &str| params.value(name).as_f64().unwrap_or_default();
    let (lr, momentum) = (real("outerLearningRate"), real("outerMomentum"));
    Ok(LocalSteps::of(params.whole("localSteps")?, lr, momentum))
}

/// Refuses what says something else about the exchange, or has no meaning for a shard by itself.
pub(super) fn check(job: &JobSpec) -> Result<(), Failure> {
    let train = &job.train;
    let Some(local) = &train.local_steps else {
        return Ok(());
    };
    // Trainers that decide it find that there is nothing to compress.
    if !train.gradient_compression.is_none() && !train.gradient_compression.is_auto() {
        let with = format!("gradientCompression = \"{}\"", train.gradient_compression);
        return Err(local.refused(&with, "shards exchange weights, and no gradients"));
    }
    if train.gradient_accumulation_steps > 1 {
        let with = format!(
            "gradientAccumulationSteps = {}",
            train.gradient_accumulation_steps
        );
        return Err(local.refused(&with, "a shard updates its weights after each of its steps"));
    }
    if train.on_non_finite == OnNonFinite::Skip {
        let why = "a step would have to be left out by all shards, and they do not know of each other";
        return Err(local.refused("onNonFinite = \"skip\"", why));
    }
    if train.asynchrony.is_delayed() {
        let why = "shards exchange nothing while they are by themselves";
        return Err(local.refused("asynchrony = \"delayed\"", why));
    }
    let network = Network::of_job(job)?;
    if network.has_sparse_input() {
        let why = "shards would exchange all weights where a step touches few of them";
        return Err(local.refused("sparse features", why));
    }
    if !network.sparse_parameters().is_empty() {
        let why =
            "every shard would keep a table of its own, and send all of it where a step touches a few rows";
        return Err(local.refused("Embedding", why));
    }
    let named = format!("localSteps = {}", local.steps);
    meeting::check(job, &network, (&named, "localSteps or logicalShards"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, network};
    use crate::memory::TrainingMemory;
    use candlewick_protocol::local_steps::LocalSteps;
    use serde_json::{Value, json};

    fn with(more: &Value, input: &Value) -> Result<Option<LocalSteps>, String> {
        let mut params = json!({"network": network(), "localSteps": 4});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        let asked = ask(&params, input);
        asked
            .map(|complete| complete.job.train.local_steps)
            .map_err(|failure| failure.message)
    }

    #[test]
    fn shards_meet_as_the_parameters_say() {
        let expected = LocalSteps {
            steps: 4,
            outer_learning_rate: 0.7,
            outer_momentum: 0.9,
        };
        assert_eq!(with(&json!({}), &json!({})), Ok(Some(expected)));
        assert_eq!(with(&json!({"localSteps": 1}), &json!({})), Ok(None));
        let plain = with(&json!({"outerLearningRate": 1, "outerMomentum": 0}), &json!({}));
        let plain = plain.unwrap().unwrap();
        assert_eq!((plain.outer_learning_rate, plain.outer_momentum), (1.0, 0.0));
    }

    #[test]
    fn every_shard_has_weights_and_a_state_of_its_own_in_memory() {
        let of = |steps: u32, shards: std::ops::Range<u32>| {
            let set = json!({"network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]},
                "optimizer": {"type": "Adam"}, "localSteps": steps});
            let job = ask(&set, &json!({"featureWidth": 4})).unwrap().job;
            let memory = TrainingMemory::of(&job, shards).unwrap();
            (memory.weights, memory.gradients, memory.optimizer)
        };
        assert_eq!(of(1, 0..8), (60, 120, 120));
        // Weights, eight replicas, the outer momentum; a gradient, its leaf, a node of 180 bytes and the sum, and what shards
        // tell, 2 numbers and 5 of each step; states of the run, of eight shards, and of none.
        let told = 8 * (2 + 4 * 5);
        assert_eq!(of(4, 0..8), (10 * 60, 120 + 2 * 180 + 8 * told, 10 * 120));
        assert_eq!(of(4, 0..2), (4 * 60, 120 + 2 * 180 + 18 * told, 4 * 120));
    }

    /// Bytes in the account of gradients of a trainer of some of eight shards.
    fn gradients(set: &Value, rows: Option<u64>, shards: std::ops::Range<u32>) -> u64 {
        let mut params =
            json!({"network": network(), "metrics": ["loss"], "batchSize": 16, "logicalShards": 8});
        for (name, value) in set.as_object().unwrap() {
            params[name] = value.clone();
        }
        let mut job = ask(&params, &json!({"featureWidth": 4})).unwrap().job;
        job.data.rows = rows;
        TrainingMemory::of(&job, shards).unwrap().gradients
    }

    #[test]
    fn what_shards_tell_at_a_meeting_is_counted() {
        let more = |set: Value, rows, shards: std::ops::Range<u32>| {
            let mut few = set.clone();
            few["localSteps"] = json!(4);
            gradients(&set, rows, shards.clone()) - gradients(&few, rows, shards)
        };
        // A hundred steps more, five numbers each.
        let steps = 100 * 5 * 8;
        let hundred = json!({"localSteps": 104});
        assert_eq!(more(hundred.clone(), None, 0..8), 8 * steps);
        // What its own shards tell, and what all do: as it is sent and as it is read.
        assert_eq!(more(hundred.clone(), None, 0..2), (2 + 16) * steps);
        let measured = more(json!({"localSteps": 104, "metrics": ["accuracy"]}), None, 0..8);
        assert!(measured > 8 * steps, "{measured}");
        // An epoch has seven steps, an evaluation comes after six.
        assert_eq!(more(hundred, Some(100), 0..8), 8 * steps * 3 / 100);
        let judged = json!({"localSteps": 104, "validationSteps": 6, "validationFraction": 0.1});
        assert_eq!(more(judged, None, 0..8), 8 * steps * 2 / 100);
    }

    #[test]
    fn more_than_a_frame_holds_is_refused_with_what_it_follows_from() {
        let asked = |steps: u32, shards: u32, metrics: Value| {
            with(
                &json!({"localSteps": steps, "logicalShards": shards, "metrics": metrics}),
                &json!({}),
            )
        };
        let some = || json!(["accuracy", "f1"]);
        for (steps, shards, metrics) in [
            (4_096, 8, some()),
            (4_096, 4_096, json!(["loss"])),
            (4, 65_536, some()),
        ] {
            assert!(asked(steps, shards, metrics).is_ok(), "{steps} {shards}");
        }
        for (steps, shards, metrics) in [(4_096, 65_536, json!(["loss"])), (4_096, 4_096, some())] {
            let told = asked(steps, shards, metrics).unwrap_err();
            for part in [
                "localSteps = 4096",
                "metrics",
                &format!("logicalShards = {shards}"),
                "1 GiB",
            ] {
                assert!(told.contains(part), "{part}: {told}");
            }
        }
    }

    #[test]
    fn what_has_no_meaning_for_a_shard_by_itself_is_refused_by_name() {
        let table = json!({"format": "candlewick.network/1", "layers": [
            {"type": "Embedding", "num_embeddings": 8, "embedding_dim": 2}, {"type": "Flatten"},
            {"type": "Linear", "out_features": 3}]});
        let sparse = json!({"featureTypes": ["vector"], "nonzeros": 3});
        for (more, input, named) in [
            (
                json!({"gradientCompression": "bf16"}),
                json!({}),
                "gradientCompression = \"bf16\"",
            ),
            (
                json!({"gradientAccumulationSteps": 2}),
                json!({}),
                "gradientAccumulationSteps = 2",
            ),
            (
                json!({"onNonFinite": "skip"}),
                json!({}),
                "onNonFinite = \"skip\"",
            ),
            (
                json!({"asynchrony": "delayed"}),
                json!({}),
                "asynchrony = \"delayed\"",
            ),
            (json!({"network": table}), json!({"featureWidth": 2}), "Embedding"),
            (json!({}), sparse, "sparse features"),
        ] {
            let told = with(&more, &input).unwrap_err();
            for part in ["localSteps = 4", named, "set localSteps to 1"] {
                assert!(told.contains(part), "{part}: {told}");
            }
            let mut plain = more.clone();
            plain["localSteps"] = json!(1);
            assert_eq!(with(&plain, &input), Ok(None), "{named}");
        }
        let told = with(&json!({"outerMomentum": 1.0}), &json!({})).unwrap_err();
        assert!(told.contains("parameter outerMomentum = 1.0"), "{told}");
    }
}
