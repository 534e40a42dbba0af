//! `localSteps`: how often logical shards meet, and what it does not go together with.

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
    Ok(())
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
        // Weights, eight replicas, the outer momentum; a gradient, its leaf, and a node of 180 bytes and the sum; states of
        // the run, of eight shards, and of none.
        assert_eq!(of(4, 0..8), (10 * 60, 120 + 2 * 180, 10 * 120));
        assert_eq!(of(4, 0..2), (4 * 60, 120 + 2 * 180, 4 * 120));
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
