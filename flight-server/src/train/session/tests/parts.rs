//! Gradients that go out part by part, between trainers in threads that share no memory: the bits of one trainer alone, and
//! failures as ever.

use super::*;
use crate::train::support::gang_over;
use candlewick_collective::Collective;
use candlewick_protocol::plan::ownership;

/// Two parts of 256 KiB; with sums over all rows in the middle of each step, and a table by rows.
fn job(batch_norm: bool, table: bool) -> Value {
    let mut layers = vec![json!({"type": "Linear", "out_features": 300})];
    if table {
        layers = vec![
            json!({"type": "Embedding", "num_embeddings": 8, "embedding_dim": 50}),
            json!({"type": "Flatten"}),
        ];
    }
    let wide = json!({"type": "Linear", "out_features": 300});
    layers.extend([json!({"type": "ReLU"}), wide.clone()]);
    if batch_norm {
        layers.push(json!({"type": "BatchNorm1d"}));
    }
    layers.extend([
        json!({"type": "ReLU"}),
        wide,
        json!({"type": "Linear", "out_features": 3}),
    ]);
    let network = json!({"format": "candlewick.network/1", "layers": layers});
    json!({"task": "classifier", "params": {"network": network, "epochs": 2, "clipNorm": 0.5, "metrics": ["accuracy"],
        "validationFraction": 0.2, "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}}})
}

/// The plan of one of several trainers.
fn part_of(job: &Value, (rank, ranks): (usize, usize)) -> TrainPlan {
    let whole = plan(job);
    let sums = whole.data.sums();
    let (lo, hi) = ownership(4, ranks)[rank];
    let spec = whole.job.clone();
    let mut data = whole.into_data();
    data.retain(&(lo..hi).into());
    TrainPlan::over(spec, data, &sums, lo..hi).unwrap()
}

/// Runs it on a trainer of several, to the end.
fn trained(job: &Value, place: (usize, usize), gang: &mut Collective) -> (Trained, Vec<EpochRecord>) {
    let plan = part_of(job, place);
    let mut session = Session::new(&plan.job, 1).unwrap();
    let observer = Fuse::of(NEVER, Vec::new());
    let trained = session.run(&plan, gang, &observer).unwrap();
    (trained, observer.into_history())
}

#[test]
fn parts_have_the_bits_of_the_whole_and_the_history_says_what_was_hidden() {
    for (name, job) in [
        ("plain", job(false, false)),
        ("BatchNorm", job(true, false)),
        ("a table", job(false, true)),
    ] {
        let (alone, _) = undisturbed(&plan(&job));
        for ranks in [2, 3] {
            let hosts = vec!["127.0.0.1"; ranks];
            let via = |host: &str, port| (host.to_owned(), port);
            let all = gang_over(
                &hosts,
                via,
                4,
                &|config| config.shared_memory = false,
                |rank, gang, _| trained(&job, (rank, ranks), gang),
            );
            for (trained, mut history) in all {
                assert_eq!(trained, alone.trained, "{name}, {ranks} trainers");
                for record in &mut history {
                    let hidden = record.metrics.remove("exchangeHidden");
                    let hidden = hidden.map(|hidden| hidden.as_f64().unwrap());
                    // What is computed on a device is final at once, so there are no parts.
                    assert!(hidden.is_some() || cfg!(feature = "candle"), "{name}");
                    let shown = hidden.unwrap_or(0.0);
                    assert!((0.0..=1.0).contains(&shown), "{name}: {shown}");
                }
                assert_eq!(history, alone.history, "{name}, {ranks} trainers");
            }
        }
        let near = gang_over(
            &["127.0.0.1"; 2],
            |host, port| (host.to_owned(), port),
            4,
            &|_| (),
            |rank, gang, _| trained(&job, (rank, 2), gang),
        );
        for (trained, history) in near {
            assert_eq!(
                (trained, history),
                (alone.trained.clone(), alone.history.clone()),
                "{name}: through memory as a whole"
            );
        }
    }
}

#[test]
fn who_was_at_an_end_goes_the_way_of_who_comes_anew() {
    let job = job(false, false);
    let via = |host: &str, port| (host.to_owned(), port);
    let ends = gang_over(
        &["127.0.0.1"; 2],
        via,
        4,
        &|config| config.shared_memory = false,
        |rank, gang, _| {
            let plan = part_of(&job, (rank, 2));
            let mut session = Session::new(&plan.job, 1).unwrap();
            let mut observer = Fuse::of(NEVER, Vec::new());
            observer.until = Some(1);
            let first = session.run(&plan, gang, &observer).unwrap();
            // A state that another trainer takes in does not say it.
            session.state.ended &= rank == 0;
            (first, session.run(&plan, gang, &observer))
        },
    );
    for (first, again) in ends {
        assert_eq!((first.steps, Ok(first)), (4, again));
    }
}

#[test]
fn a_part_that_fails_names_the_other_and_leaves_the_state_of_the_last_step() {
    let job = job(false, false);
    let hosts = ["127.0.0.1"; 2];
    let via = |host: &str, port| (host.to_owned(), port);
    let ends = gang_over(
        &hosts,
        via,
        4,
        &|config| config.shared_memory = false,
        |rank, gang, _| {
            let plan = part_of(&job, (rank, 2));
            let mut session = Session::new(&plan.job, 1).unwrap();
            // One of them stops before its third step and closes its connections.
            let observer = Fuse::of(if rank == 0 { NEVER } else { 2 }, Vec::new());
            let why = session.run(&plan, gang, &observer).unwrap_err();
            if rank == 1 {
                gang.disconnect();
            }
            let stands = session.counter().step;
            assert!(!session.gradient.is_empty());
            (why, stands)
        },
    );
    let (Interrupt::Peer(error), step) = &ends[0] else {
        panic!("{:?}", ends[0].0)
    };
    assert_eq!((error.peer.as_deref(), *step), (Some("id-1"), 2), "{error}");
    assert_eq!(ends[1], (Interrupt::Halted, 2));
}
