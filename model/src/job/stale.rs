//! `asynchrony = "stale"`: what it does not go together with.

use crate::meeting;
use crate::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::job::{JobSpec, OnNonFinite};

fn refused(with: &str, why: &str) -> Failure {
    Failure::parameter(format!(
        "asynchrony = \"stale\" does not go together with {with}: {why}; set asynchrony to \"none\", or leave the other out"
    ))
}

/// Refuses what says something else about the exchange, or has no meaning for a trainer that does not wait for the others.
pub(super) fn check(job: &JobSpec) -> Result<(), Failure> {
    let train = &job.train;
    if train.asynchrony.staleness().is_none() {
        return Ok(());
    }
    if let Some(local) = &train.local_steps {
        let why = "shards meet after so many steps, and trainers are to wait for no meeting";
        return Err(refused(&format!("localSteps = {}", local.steps), why));
    }
    // Trainers that decide it find that there is nothing to compress.
    if !train.gradient_compression.is_none() && !train.gradient_compression.is_auto() {
        let with = format!("gradientCompression = \"{}\"", train.gradient_compression);
        return Err(refused(
            &with,
            "trainers exchange what weights moved by, and no gradients",
        ));
    }
    if train.gradient_accumulation_steps > 1 {
        let with = format!(
            "gradientAccumulationSteps = {}",
            train.gradient_accumulation_steps
        );
        return Err(refused(
            &with,
            "a trainer updates its weights after each of its steps",
        ));
    }
    if train.on_non_finite == OnNonFinite::Skip {
        let why = "a step would have to be left out by all trainers, and they do not wait for each other to know it";
        return Err(refused("onNonFinite = \"skip\"", why));
    }
    let network = Network::of_job(job)?;
    if network.has_sparse_input() {
        let why = "trainers would exchange all weights where a step touches few of them";
        return Err(refused("sparse features", why));
    }
    if !network.sparse_parameters().is_empty() {
        let why = "trainers would exchange all of a table where a step touches a few rows";
        return Err(refused("Embedding", why));
    }
    meeting::check(job, &network, ("asynchrony = \"stale\"", "logicalShards"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, network};
    use crate::meeting;
    use crate::memory::TrainingMemory;
    use crate::network::Network;
    use candlewick_protocol::asynchrony::Asynchrony;
    use serde_json::{Value, json};

    fn with(more: &Value, input: &Value) -> Result<Asynchrony, String> {
        let mut params = json!({"network": network(), "asynchrony": "stale"});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        let asked = ask(&params, input);
        asked
            .map(|complete| complete.job.train.asynchrony)
            .map_err(|failure| failure.message)
    }

    #[test]
    fn the_bound_is_the_parameters() {
        assert_eq!(with(&json!({}), &json!({})), Ok(Asynchrony::Stale(4)));
        assert_eq!(
            with(&json!({"staleness": 9}), &json!({})),
            Ok(Asynchrony::Stale(9))
        );
        let none = json!({"asynchrony": "none", "staleness": 9});
        assert_eq!(with(&none, &json!({})), Ok(Asynchrony::None));
        for wrong in [json!(0), json!(65), json!(1.5), json!("x")] {
            let told = with(&json!({"staleness": wrong}), &json!({})).unwrap_err();
            assert!(told.contains("parameter staleness"), "{told}");
        }
        let told = with(&json!({"asynchrony": "late"}), &json!({})).unwrap_err();
        assert!(told.contains("\"none\" or \"delayed\" or \"stale\""), "{told}");
    }

    #[test]
    fn what_has_no_meaning_for_who_does_not_wait_is_refused_by_name() {
        let table = json!({"format": "candlewick.network/1", "layers": [
            {"type": "Embedding", "num_embeddings": 8, "embedding_dim": 2}, {"type": "Flatten"},
            {"type": "Linear", "out_features": 3}]});
        let sparse = json!({"featureTypes": ["vector"], "nonzeros": 3});
        for (more, input, named) in [
            (json!({"localSteps": 2}), json!({}), "localSteps = 2"),
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
            (json!({"network": table}), json!({"featureWidth": 2}), "Embedding"),
            (json!({}), sparse, "sparse features"),
        ] {
            let told = with(&more, &input).unwrap_err();
            for part in [
                "asynchrony = \"stale\" does not go together",
                named,
                "set asynchrony to \"none\"",
            ] {
                assert!(told.contains(part), "{part}: {told}");
            }
            let mut plain = more.clone();
            plain["asynchrony"] = json!("none");
            assert_eq!(with(&plain, &input), Ok(Asynchrony::None), "{named}");
        }
        assert!(with(&json!({"gradientCompression": "auto"}), &json!({})).is_ok());
    }

    #[test]
    fn more_than_a_frame_holds_is_refused_with_what_it_follows_from() {
        let asked = |shards: u32| {
            let layers = json!([{"type": "Linear", "out_features": 20}]);
            let network = json!({"format": "candlewick.network/1", "layers": layers});
            let more = json!({"network": network, "logicalShards": shards, "metrics": ["accuracy", "f1"]});
            with(&more, &json!({}))
        };
        assert!(asked(4_096).is_ok());
        let told = asked(65_536).unwrap_err();
        for part in [
            "asynchrony = \"stale\"",
            "logicalShards = 65536",
            "metrics",
            "1 GiB",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn weights_of_a_trainers_own_are_in_memory_where_it_has_others() {
        let of = |asynchrony: &str, shards: std::ops::Range<u32>| {
            let set = json!({"network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]},
                "optimizer": {"type": "Adam"}, "asynchrony": asynchrony});
            let job = ask(&set, &json!({"featureWidth": 4})).unwrap().job;
            let memory = TrainingMemory::of(&job, shards).unwrap();
            let told = meeting::told(&job, &Network::of_job(&job).unwrap()).unwrap();
            (memory.weights, memory.gradients, memory.optimizer, told)
        };
        assert_eq!(of("none", 0..4), (60, 120, 120, 0));
        // Six vectors more of weights; the state once more for a trainer's own, and once that of nobody; two of it at a meeting.
        // What its own four shards tell at a meeting, and what all do: as it is sent and as it is read.
        let (weights, gradients, optimizer, told) = of("stale", 0..4);
        assert_eq!(
            (weights, gradients, optimizer),
            (7 * 60, 120 + 2 * 120 + (4 + 16) * told, 3 * 120)
        );
        assert!(told >= (4 + 64 * 5) * 8, "{told}");
        // One trainer alone has the state of nobody, and tells nothing.
        assert_eq!(of("stale", 0..8), (60, 120, 2 * 120, told));
    }
}
