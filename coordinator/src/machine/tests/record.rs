//! The record of a fit that failed.

use super::*;

fn whats(record: &serde_json::Value) -> Vec<String> {
    let events = record["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| {
            let who: String = event["who"].as_str().unwrap().chars().take(9).collect();
            format!("{who}: {}", event["what"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn it_says_who_stood_where_and_what_was_said_last() {
    let mut stage = Stage::at("running");
    stage.pass(3_000, &["a", "b"], true);
    let before = stage.machine.record();
    assert_eq!(
        (&before["failure"], &before["generation"]),
        (&serde_json::Value::Null, &json!(1))
    );
    assert!(
        before["waitsFor"]
            .as_str()
            .unwrap()
            .starts_with("nothing: it trains")
    );
    stage.pass(5_000, &["b"], true);
    stage.suspect("b", "a");
    stage.pass(12_000, &["b"], true);
    let record = stage.machine.record();
    assert_eq!(record["failure"]["message"], stage.failure().message);
    assert_eq!(record["format"], "candlewick.flight/1");
    assert_eq!(record["phase"], "Running { generation: 1 }");
    let of = |id: &str| {
        let trainers = record["trainers"].as_array().unwrap();
        trainers
            .iter()
            .find(|trainer| trainer["trainer"]["id"] == id)
            .unwrap()
    };
    assert_eq!(
        (&of("b")["shards"], &of("b")["rank"]),
        (&json!("0 and 1"), &json!(0))
    );
    assert!(
        of("a")["secondsSinceBeat"].as_f64().unwrap() > of("b")["secondsSinceBeat"].as_f64().unwrap() + 4.0
    );
    let said = whats(&record);
    for wanted in [
        "driver: names 2 members",
        "trainer 1: is told OPEN round 0 for shards 2 and 3",
        "driver: has fed round 0, 2 partitions",
        "trainer 0: SEALED of round 0, 1 shards",
        "driver: begins the training",
        "trainer 0: is told START generation 1",
        "trainer 0: SUSPECT a in generation 1: silent 16 s in allreduce, step 8",
        "driver: waited in vain for the end of trainer 1 (hostB, executor 10, pid 4711), which trainer 0 (hostA, executor 9, pid \
         4711) has lost",
    ] {
        assert!(said.iter().any(|what| what == wanted), "{wanted}: {said:#?}");
    }
    assert!(!said.iter().any(|what| what.contains("beat")), "{said:#?}");
    // What comes later is no part of it.
    stage.pass(2_000, &["b"], true);
    assert_eq!(stage.machine.record(), record);
}

#[test]
fn it_keeps_no_more_than_it_should() {
    let mut stage = Stage::at("running");
    for _ in 0..3_000 {
        stage.message(
            "a",
            ToCoordinator::Log {
                error: false,
                line: "é".repeat(3_000),
            },
        );
    }
    let said = whats(&stage.machine.record());
    assert_eq!(said.len(), 1_000);
    assert!(said.iter().all(|what| what.chars().count() < 600));
}
