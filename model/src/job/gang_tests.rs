//! What a job makes of the number of trainers and of their device.

use super::tests::{ask, network};
use crate::network::Network;
use serde_json::{Value, json};

#[test]
fn more_trainers_earn_more_logical_shards_unless_they_were_chosen() {
    let shards = |params: Value| {
        let mut all = json!({"network": network()});
        all.as_object_mut()
            .unwrap()
            .extend(params.as_object().unwrap().clone());
        ask(&all, &json!({})).map(|complete| complete.job.train.logical_shards)
    };
    assert_eq!(shards(json!({"numTrainers": 8})).unwrap(), 8);
    assert_eq!(shards(json!({"numTrainers": 9})).unwrap(), 16);
    assert_eq!(shards(json!({"numTrainers": 4096})).unwrap(), 4096);
    let told = ask(
        &json!({"network": network(), "numTrainers": 3}),
        &json!({"numTrainers": 9}),
    )
    .unwrap();
    let found = (told.launch.num_trainers, told.job.train.logical_shards);
    assert_eq!(found, (9, 16), "the number that the driver found counts");
    let chosen = shards(json!({"numTrainers": 9, "logicalShards": 8}))
        .unwrap_err()
        .message;
    assert!(
        chosen.contains("9 trainers need at least as many logical shards") && chosen.contains("16"),
        "{chosen}"
    );
}

#[test]
fn on_gpus_there_are_as_many_logical_shards_as_trainers_unless_they_were_chosen() {
    let asked = |params: Value, found: Value| {
        let mut all = json!({"network": network()});
        all.as_object_mut()
            .unwrap()
            .extend(params.as_object().unwrap().clone());
        let mut given = json!({"device": "cuda"});
        given
            .as_object_mut()
            .unwrap()
            .extend(found.as_object().unwrap().clone());
        ask(&all, &given).map(|complete| {
            let launch = complete.launch;
            (
                complete.job.train.logical_shards,
                launch.shards_follow_trainers,
                launch.device,
            )
        })
    };
    let auto = |shards, follow| Ok((shards, follow, "auto".to_owned()));
    assert_eq!(asked(json!({"numTrainers": 3}), json!({})), auto(3, false));
    assert_eq!(
        asked(json!({"numTrainers": 3, "maxTrainers": 5}), json!({})),
        auto(5, false)
    );
    assert_eq!(
        asked(json!({}), json!({})),
        auto(1, true),
        "nobody knows yet how many there will be"
    );
    assert_eq!(asked(json!({}), json!({"numTrainers": 6})), auto(6, false));
    assert_eq!(asked(json!({"logicalShards": 8}), json!({})), auto(8, false));
    let few = asked(json!({"logicalShards": 2, "numTrainers": 3}), json!({}));
    assert!(
        few.unwrap_err()
            .message
            .contains("3 trainers need at least as many"),
    );
    let launch = ask(&json!({"network": network(), "device": "cpu"}), &json!({}))
        .unwrap()
        .launch;
    assert_eq!(
        (launch.device.as_str(), launch.shards_follow_trainers),
        ("cpu", false)
    );
}

#[test]
fn products_are_of_tf32_where_it_is_allowed_and_on_gpus_only() {
    let job = |params: Value, input: Value| {
        let mut all = json!({"network": network(), "logicalShards": 1});
        all.as_object_mut()
            .unwrap()
            .extend(params.as_object().unwrap().clone());
        ask(&all, &input).unwrap().job
    };
    let (allowed, cuda) = (json!({"allowTF32": true}), json!({"device": "cuda"}));
    let there = job(allowed.clone(), cuda.clone());
    assert!(there.train.allow_tf32 && Network::of_job(&there).unwrap().allows_tf32());
    assert!(!job(json!({}), cuda).train.allow_tf32);
    // What processors do not do is no part of what a checkpoint is of.
    let of = |params: Value| serde_json::to_value(job(params, json!({})).train).unwrap();
    assert_eq!(of(allowed), of(json!({})));
    assert!(!Network::of_job(&job(json!({}), json!({}))).unwrap().allows_tf32());
}

#[test]
fn copies_of_rows_need_a_second_trainer() {
    let asked = |params: Value, found: Value| {
        let mut all = json!({"network": network(), "dataReplicas": 2});
        all.as_object_mut()
            .unwrap()
            .extend(params.as_object().unwrap().clone());
        ask(&all, &found).map(|complete| complete.job.data_replicas)
    };
    assert_eq!(asked(json!({}), json!({})), Ok(2));
    assert_eq!(asked(json!({"numTrainers": 2}), json!({})), Ok(2));
    // Others come later.
    let (found, one) = (json!({"numTrainers": 1}), json!({"numTrainers": 1}));
    assert_eq!(asked(json!({"maxTrainers": 2}), found.clone()), Ok(2));
    assert_eq!(
        asked(json!({"numTrainers": 3, "minTrainers": 1}), found.clone()),
        Ok(2)
    );
    for refused in [asked(one, json!({})), asked(json!({}), found)] {
        let told = refused.unwrap_err().message;
        assert!(
            told.contains("there is only one trainer: set numTrainers to at least 2"),
            "{told}"
        );
    }
    let told = asked(json!({"dataReplicas": 3}), json!({})).unwrap_err().message;
    assert!(
        told.contains("dataReplicas = 3 is not legal: expected a whole number from 1 to 2"),
        "{told}"
    );
}
