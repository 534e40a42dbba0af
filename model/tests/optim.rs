//! Optimisers, schedules and averages: the same numbers as PyTorch (`golden/make_optim.py`), the same bits however the
//! work is cut and after a state was saved and restored.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::engine::Engine;
use candlewick_model::kernels::SimdLevel;
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Ema, Optimizer, Saved, Schedule, state_size};
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

fn content() -> Value {
    let mut file: Value = serde_json::from_str(include_str!("golden/optim.json")).unwrap();
    assert_eq!(file["torch"], "2.13.0");
    file["content"].take()
}

fn doubles(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|number| number.as_f64().unwrap()).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    doubles(value).iter().map(|number| *number as f32).collect()
}

fn network(layers: Value, width: usize) -> Network {
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, &[width]).unwrap()
}

/// That of make_optim.py.
fn small() -> Network {
    let layers = json!([{"type": "Linear", "out_features": 4}, {"type": "ReLU"}, {"type": "Linear", "out_features": 3}]);
    network(layers, 6)
}

/// Parts of several threads, with tensors that are no multiple of a block.
fn large() -> Network {
    let layers = json!([{"type": "Linear", "out_features": 701}, {"type": "ReLU"},
        {"type": "Linear", "out_features": 150}, {"type": "Linear", "out_features": 3}]);
    network(layers, 310)
}

/// Largest difference, relative to the largest element.
fn assert_close(got: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let size = wanted.iter().fold(1e-3f32, |size, value| size.max(value.abs()));
    for (at, (g, w)) in got.iter().zip(wanted).enumerate() {
        let wrong = (g - w).abs() / size;
        assert!(
            wrong <= 1e-6,
            "{what}: element {at} is {g}, PyTorch has {w} ({wrong:e})"
        );
    }
}

fn clip_of(value: &Value) -> Clip {
    Clip {
        norm: value["norm"].as_f64(),
        value: value["value"].as_f64(),
    }
}

/// One of every optimiser and option that makes a difference to the code.
fn documents() -> Vec<(Value, Clip)> {
    content()["updates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| (case["optimizer"].clone(), clip_of(&case["clip"])))
        .collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Numbers that look random.
fn gradient(step: u64, length: usize) -> Vec<f32> {
    let mut state = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..length).map(next).collect()
}

#[test]
fn ten_updates() {
    let content = content();
    let network = small();
    let gradients: Vec<Vec<f32>> = content["gradients"]
        .as_array()
        .unwrap()
        .iter()
        .map(floats)
        .collect();
    for case in content["updates"].as_array().unwrap() {
        let what = format!("{} {}", case["optimizer"], case["clip"]);
        let start = floats(&content["start"]);
        let mut weights = start.clone();
        let mut optimizer = Optimizer::from_document(&case["optimizer"], &network).unwrap();
        for gradient in &gradients {
            // A gradient of a sum over four rows.
            let mut gradient: Vec<f32> = gradient.iter().map(|value| value * 4.0).collect();
            let clip = clip_of(&case["clip"]);
            assert_eq!(
                optimizer.update(&mut weights, &mut gradient, 4.0, &clip),
                Ok(true)
            );
        }
        let end = floats(&case["end"]);
        assert_close(&weights, &end, &what);
        for (at, (before, wanted)) in start.iter().zip(&end).enumerate() {
            if before.to_bits() == wanted.to_bits() {
                assert_eq!(weights[at].to_bits(), wanted.to_bits(), "{what}: {at} is frozen");
            }
        }
    }
}

#[test]
fn ten_updates_under_a_schedule() {
    let content = content();
    let network = small();
    for case in content["followed"].as_array().unwrap() {
        let mut weights = floats(&content["start"]);
        let mut optimizer = Optimizer::from_document(&case["optimizer"], &network).unwrap();
        let schedule = Schedule::from_document(&case["schedule"], &optimizer, 5, 2).unwrap();
        for (step, gradient) in (0u64..).zip(content["gradients"].as_array().unwrap()) {
            optimizer.apply_schedule(&schedule.setting(step)).unwrap();
            optimizer
                .update(&mut weights, &mut floats(gradient), 1.0, &Clip::default())
                .unwrap();
        }
        assert_close(&weights, &floats(&case["end"]), &case["optimizer"].to_string());
    }
}

fn assert_rate(got: f64, wanted: f64, what: &str) {
    assert!(
        (got - wanted).abs() <= 1e-12 * wanted.abs(),
        "{what}: {got:e}, PyTorch has {wanted:e}"
    );
}

#[test]
fn schedules_over_a_hundred_steps() {
    for case in content()["schedules"].as_array().unwrap() {
        let mut optimizer = Optimizer::from_document(&case["optimizer"], &small()).unwrap();
        let mut document = case["schedule"].clone();
        let schedule = Schedule::from_document(&document, &optimizer, 10, 10).unwrap();
        assert_eq!(
            schedule.moves_momentum(),
            !case["momenta"].is_null(),
            "{document}"
        );
        document["interval"] = json!("epoch");
        // Epochs of one step, then one epoch for each of ten.
        let by_epoch = Schedule::from_document(&document, &optimizer, 100, 1).unwrap();
        for (step, wanted) in (0u64..).zip(doubles(&case["rates"])) {
            let what = format!("{document} at step {step}");
            let setting = schedule.setting(step);
            assert_eq!(by_epoch.setting(step), setting, "{what}");
            optimizer.apply_schedule(&setting).unwrap();
            assert_rate(optimizer.lr(), wanted, &what);
            if let Some(momenta) = case["momenta"].as_array() {
                let wanted = momenta[usize::try_from(step).unwrap()].as_f64().unwrap();
                assert_rate(setting.momentum.unwrap(), wanted, &what);
            }
        }
        if document.get("warmup_steps").is_none() && document["type"] != "OneCycleLR" {
            let slow = Schedule::from_document(&document, &optimizer, 10, 10).unwrap();
            assert_eq!(slow.setting(29), by_epoch.setting(2));
            assert_eq!(slow.setting(30), by_epoch.setting(3));
        }
    }
}

#[test]
fn plateaus_go_on_after_a_restore() {
    for case in content()["plateaus"].as_array().unwrap() {
        let optimizer = Optimizer::from_document(&json!({"type": "SGD", "lr": 0.1}), &small()).unwrap();
        let document = &case["schedule"];
        let fresh = || Schedule::from_document(document, &optimizer, 100, 3).unwrap();
        let mut schedule = fresh();
        assert!(schedule.observes());
        for (epoch, (wanted, metric)) in
            (0u64..).zip(doubles(&case["rates"]).iter().zip(doubles(&case["metrics"])))
        {
            let factor = schedule.setting(epoch * 3 + 1).factor;
            assert_rate(factor * 0.1, *wanted, &format!("{document} in epoch {epoch}"));
            let reduced = schedule.observe(metric);
            assert_eq!(reduced, schedule.setting(epoch * 3 + 3).factor < factor);
            let saved = schedule.state();
            schedule = fresh();
            schedule.restore(&saved).unwrap();
            assert_eq!(schedule.state(), saved);
        }
    }
}

#[test]
fn averages_of_weights() {
    let content = content();
    let (network, start) = (small(), floats(&content["start"]));
    for case in content["averages"].as_array().unwrap() {
        let decay = case["decay"].as_f64().unwrap();
        let mut ema = Ema::new(decay, &network, &start).unwrap();
        assert_eq!(bits(&ema.weights().all().unwrap()), bits(&start));
        for change in content["gradients"].as_array().unwrap() {
            let weights: Vec<f32> = start.iter().zip(floats(change)).map(|(a, b)| a + b).collect();
            ema.update(&weights).unwrap();
            let saved = ema.state().unwrap();
            let mut again = Ema::new(decay, &network, &start).unwrap();
            again
                .restore(&Saved::from_bytes(&saved.clone().into_file().unwrap().into_bytes()).unwrap())
                .unwrap();
            assert_eq!(again.state().unwrap(), saved);
            ema = again;
        }
        assert_close(
            &ema.weights().all().unwrap(),
            &floats(&case["end"]),
            &format!("decay {decay}"),
        );
        assert_eq!(ema.updates(), 10);
    }
    assert!(
        Ema::new(1.5, &network, &start)
            .unwrap_err()
            .message
            .contains("from 0 to 1")
    );
}

#[test]
fn levels_and_threads_have_the_same_bits() {
    let network = large();
    let engine = |threads| {
        let loss = json!({"type": "MSELoss"});
        Engine::new(&network, &loss, &LabelKind::Real { width: 3 }, 0, threads).unwrap()
    };
    let engines = [engine(2), engine(3)];
    for (mut document, clip) in documents() {
        // The groups are written for the small network.
        if !document["groups"].is_null() {
            document["groups"] =
                json!([{"params": "0.bias", "frozen": true}, {"params": "2.*", "lr": 0.002}]);
        }
        let run = |level: SimdLevel, engine: Option<&Engine>| {
            let mut optimizer = Optimizer::from_document(&document, &network).unwrap();
            optimizer.use_level(level);
            if let Some(engine) = engine {
                optimizer.use_threads_of(engine);
            }
            let mut weights = network.initial_weights(1);
            for step in 0..3 {
                let mut gradient = gradient(step, weights.len());
                optimizer.update(&mut weights, &mut gradient, 2.0, &clip).unwrap();
            }
            optimizer.state_hash(&weights).unwrap()
        };
        let base = run(SimdLevel::Generic, None);
        for level in SimdLevel::available() {
            assert_eq!(run(level, None), base, "{document} {level:?}");
        }
        for engine in &engines {
            assert_eq!(run(SimdLevel::detect(), Some(engine)), base, "{document}");
        }
    }
}

#[test]
fn a_restored_state_goes_on_with_the_same_bits() {
    let network = small();
    for (document, clip) in documents() {
        let mut optimizer = Optimizer::from_document(&document, &network).unwrap();
        let cycled = optimizer.takes_momentum();
        let mut weights = network.initial_weights(1);
        let make = |optimizer: &mut Optimizer, weights: &mut [f32], steps: std::ops::Range<u64>| {
            for step in steps {
                optimizer.set_learning_rate(1.0 / (1.0 + step as f64));
                if cycled && step > 1 {
                    optimizer.set_momentum(Some(0.7)).unwrap();
                }
                let mut gradient = gradient(step, weights.len());
                optimizer.update(weights, &mut gradient, 3.0, &clip).unwrap();
            }
            optimizer.state_hash(weights).unwrap()
        };
        make(&mut optimizer, &mut weights, 0..4);
        let size = state_size(&document, &network, cycled).unwrap();
        assert_eq!(size, optimizer.state_size(), "{document}");
        let bytes = optimizer.state().unwrap().into_file().unwrap().into_bytes();
        let saved = Saved::from_bytes(&bytes).unwrap();
        let mut again = Optimizer::from_document(&document, &network).unwrap();
        again.restore(&saved).unwrap();
        let mut copy = weights.clone();
        assert_eq!(again.state().unwrap(), optimizer.state().unwrap(), "{document}");
        assert_eq!(
            again.state_hash(&copy).unwrap(),
            optimizer.state_hash(&weights).unwrap()
        );
        assert_eq!(
            make(&mut again, &mut copy, 4..7),
            make(&mut optimizer, &mut weights, 4..7),
            "{document}"
        );
    }
}

#[test]
fn names_of_the_state_are_pytorchs() {
    let names = |document: Value| {
        let optimizer = Optimizer::from_document(&document, &small()).unwrap();
        let names = optimizer
            .state()
            .unwrap()
            .tensors
            .into_iter()
            .map(|tensor| tensor.name);
        names
            .filter(|name| !name.starts_with(['2']) && !name.contains("bias"))
            .collect::<Vec<String>>()
    };
    assert_eq!(
        names(json!({"type": "Adam", "amsgrad": true})),
        [
            "0.weight.exp_avg",
            "0.weight.exp_avg_sq",
            "0.weight.max_exp_avg_sq"
        ]
    );
    assert_eq!(
        names(json!({"type": "RMSprop", "centered": true, "momentum": 0.1})),
        [
            "0.weight.square_avg",
            "0.weight.grad_avg",
            "0.weight.momentum_buffer"
        ]
    );
    assert_eq!(
        names(json!({"type": "NAdam"})),
        ["0.weight.exp_avg", "0.weight.exp_avg_sq", "mu_product"]
    );
    assert_eq!(names(json!({"type": "Adagrad"})), ["0.weight.sum"]);
}

#[test]
fn schedules_that_do_not_fit_are_refused() {
    let refused = |document: Value, optimizer: Value| {
        let optimizer = Optimizer::from_document(&optimizer, &small()).unwrap();
        Schedule::from_document(&document, &optimizer, 10, 10)
            .unwrap_err()
            .message
    };
    let sgd = || json!({"type": "SGD"});
    assert_eq!(
        refused(json!({"type": "StepLR", "step_size": 0}), sgd()),
        "scheduler (StepLR): step_size = 0 is not legal: expected a whole number of at least 1"
    );
    assert!(refused(json!({"type": "StepLR"}), sgd()).contains("the argument step_size is missing"));
    assert!(refused(json!({"type": "CyclicLR"}), sgd()).contains("legal types are ConstantLR, LinearLR"));
    assert!(
        refused(json!({"type": "LinearLR", "start_factor": 0}), sgd()).contains("expected a number above 0")
    );
    assert!(refused(json!({"type": "OneCycleLR", "max_lr": 0}), sgd()).contains("max_lr = 0 is not legal"));
    let cycle = json!({"type": "OneCycleLR", "max_lr": 1, "total_steps": 50});
    assert!(refused(cycle, sgd()).contains("the cycle has 50 steps, but the training has 100"));
    let cycle = json!({"type": "OneCycleLR", "max_lr": 1});
    assert!(refused(cycle.clone(), json!({"type": "Adadelta"})).contains("set cycle_momentum = false"));
    assert!(Schedule::resolve(&cycle, &json!({"type": "Adadelta"})).is_err());
    assert!(refused(cycle, json!({"type": "SGD", "lr": 0})).contains("set an lr above 0"));
    let warm = json!({"type": "StepLR", "step_size": 1, "warmup_steps": 101});
    assert!(refused(warm, sgd()).contains("the training has 100 steps (10 epochs of 10)"));
    let plateau = json!({"type": "ReduceLROnPlateau", "interval": "step"});
    assert!(refused(plateau, sgd()).contains("expected \"epoch\""));
}
