//! What the coordinator waits for, in words.

use super::*;

const A: &str = "trainer 1 (hostB, executor 10, pid 4711)";
const B: &str = "trainer 0 (hostA, executor 9, pid 4711)";

fn told(stage: &Stage) -> Vec<(String, f64)> {
    let waits = stage.said.iter().filter_map(|output| match output {
        Output::Event(Event::Waiting { what, seconds }) => Some((what.clone(), *seconds)),
        _ => None,
    });
    waits.collect()
}

#[test]
fn every_phase_says_what_it_waits_for() {
    let all = PHASES.map(|phase| Stage::recoverable_at(phase).machine.explain());
    assert_eq!(
        all,
        [
            "the driver, which names the members; 2 trainers have registered".to_owned(),
            "the driver, whose feed round 0 goes on".to_owned(),
            format!("SEALED of round 0 from {B}, {A}"),
            "the driver, which begins the training".to_owned(),
            format!("READY of generation 1 from {B}, {A}"),
            "nothing: it trains, step 0 of training, in epoch 0".to_owned(),
        ]
    );
    let mut stage = Stage::recoverable_at("running");
    stage.done("a", "s");
    assert_eq!(stage.machine.explain(), format!("DONE from {B}"));
    stage.done("b", "s");
    assert_eq!(
        stage.machine.explain(),
        "the rest of the weights from trainer 0 (hostA, executor 9, pid 4711)"
    );
    weights(&mut stage, "b");
    assert_eq!(stage.machine.explain(), "the driver, which takes the weights");
    let mut stage = Stage::recoverable_at("running");
    stage.suspect("a", "b");
    assert_eq!(
        stage.machine.explain(),
        format!("HALTED of generation 1 from {B}, {A}")
    );
    stage.end("a");
    assert_eq!(
        stage.machine.explain(),
        format!("HALTED of generation 1 from {B}")
    );
    stage.end("b");
    assert_eq!(stage.machine.explain(), format!("how {B} ended"));
    stage.exited("b", 1);
    assert_eq!(stage.machine.explain(), "nothing: the job has failed");
}

#[test]
fn a_wait_that_lasts_is_told_every_ten_seconds_whoever_answers_meanwhile() {
    let mut stage = Stage::recoverable_at("sealing");
    stage.pass(9_900, &["a", "b"], true);
    assert_eq!(told(&stage), []);
    stage.pass(12_000, &["a", "b"], true);
    let both = format!("SEALED of round 0 from {B}, {A}");
    let seconds: Vec<f64> = told(&stage).iter().map(|(_, seconds)| *seconds).collect();
    assert_eq!(
        told(&stage).iter().map(|(what, _)| what).collect::<Vec<_>>(),
        [&both, &both]
    );
    assert_eq!(seconds, [10.0, 20.0]);
    stage.said.clear();
    stage.sealed("b", &[(0, 2)]);
    stage.pass(10_000, &["a", "b"], true);
    let [(what, seconds)] = told(&stage).try_into().unwrap();
    assert_eq!((what, seconds), (format!("SEALED of round 0 from {A}"), 30.0));
}

#[test]
fn training_is_no_wait() {
    let mut stage = Stage::recoverable_at("running");
    stage.pass(50_000, &["a", "b"], true);
    assert_eq!(told(&stage), []);
}
