use super::*;
use crate::parameter::Parameter;
use serde_json::{Value, json};

fn parameters() -> Vec<Parameter> {
    [
        ("0.weight", 0, vec![3, 2]),
        ("0.bias", 6, vec![3]),
        ("1.weight", 9, vec![1, 3]),
    ]
    .map(|(name, offset, shape)| Parameter {
        name: name.to_owned(),
        shape,
        offset,
        trained: true,
        count: false,
    })
    .into()
}

fn optimizer(document: &Value) -> Optimizer {
    Optimizer::for_parameters(document, &parameters()).unwrap()
}

fn message(document: &Value) -> String {
    Optimizer::for_parameters(document, &parameters())
        .unwrap_err()
        .message
}

#[test]
fn a_denominator_of_zero_changes_nothing() {
    let mut adam = optimizer(&json!({"type": "Adam"}));
    let mut weights = [1.0; 12];
    let before = adam.state_hash(&weights).unwrap();
    let mut update = |weights: &mut [f32], denominator: f64| {
        let updated = adam.update(weights, &mut [1.0; 12], denominator, &Clip::default());
        (updated, adam.state_hash(weights).unwrap(), adam.steps())
    };
    assert_eq!(update(&mut weights, 0.0), (Ok(false), before.clone(), 0));
    let (updated, after, steps) = update(&mut weights, 2.0);
    assert_eq!((updated, steps), (Ok(true), 1));
    assert_ne!(after, before);
}

/// A unit that ReLU keeps at zero: its weights have no gradient any more.
#[test]
fn states_that_decay_end_at_zero_and_not_at_subnormal_numbers() {
    let short = json!([0.9, 0.9]);
    for document in [
        json!({"type": "Adam", "betas": short}),
        json!({"type": "Adam", "betas": short, "amsgrad": true}),
        json!({"type": "AdamW", "betas": short, "weight_decay": 0.0}),
        json!({"type": "Adamax", "betas": short}),
        json!({"type": "NAdam", "betas": short}),
        json!({"type": "RAdam", "betas": short}),
        json!({"type": "LAMB", "betas": short, "weight_decay": 0.0}),
        json!({"type": "SGD", "momentum": 0.9}),
        json!({"type": "SGD", "momentum": 0.9, "nesterov": true}),
        json!({"type": "RMSprop", "alpha": 0.9, "momentum": 0.9}),
        json!({"type": "RMSprop", "alpha": 0.9, "momentum": 0.9, "centered": true}),
        json!({"type": "RMSprop", "alpha": 0.9, "centered": true}),
        json!({"type": "Adadelta", "rho": 0.9}),
    ] {
        let mut optimizer = optimizer(&document);
        let mut weights = [1.0f32; 12];
        for step in 0..1_200 {
            let mut gradient = [0.0; 12];
            for (at, value) in gradient.iter_mut().enumerate() {
                *value = if step == 0 { 0.01 * (at as f32 - 5.5) } else { 0.0 };
            }
            optimizer
                .update(&mut weights, &mut gradient, 1.0, &Clip::default())
                .unwrap();
        }
        let state = optimizer.state().unwrap();
        for tensor in &state.tensors {
            let subnormal = tensor.values.iter().filter(|value| value.is_subnormal());
            assert_eq!(subnormal.count(), 0, "{document}: {}", tensor.name);
        }
        assert!(weights.iter().all(|weight| weight.is_finite()), "{document}");
    }
}

#[test]
fn a_centred_mean_of_squares_is_never_less_than_nothing() {
    for momentum in [0.0, 0.9] {
        let document = json!({"type": "RMSprop", "lr": 0.1, "centered": true, "momentum": momentum});
        let mut centered = optimizer(&document);
        for small in [1e-18, 1e-19, 1e-20, 1e-22] {
            let mut weights = [0.5; 12];
            for _ in 0..3 {
                centered
                    .update(&mut weights, &mut [small; 12], 1.0, &Clip::default())
                    .unwrap();
            }
            assert_eq!(weights, [0.5; 12], "{small}, {document}");
        }
        // Nor where rounding makes it less: the mean of what does not change.
        for at in 1..200 {
            let (mut steady, mut weights) = (optimizer(&document), [0.5; 12]);
            for _ in 0..600 {
                let gradient = &mut [0.01 * at as f32; 12];
                steady
                    .update(&mut weights, gradient, 1.0, &Clip::default())
                    .unwrap();
            }
            assert!(weights.iter().all(|weight| !weight.is_nan()), "{at}, {document}");
        }
    }
}

#[test]
fn clipping_bounds_norm_then_values_and_frozen_parameters_do_not_count() {
    let document = json!({"type": "SGD", "lr": 1, "groups": [{"params": "0.*", "frozen": true}]});
    let mut sgd = optimizer(&document);
    let mut weights = [0.0; 12];
    let mut gradient = [1e9; 12];
    gradient[9..].copy_from_slice(&[6.0, 8.0, 0.0]);
    let clip = Clip {
        norm: Some(1.0),
        value: Some(0.7),
    };
    sgd.update(&mut weights, &mut gradient, 2.0, &clip).unwrap();
    assert_eq!(weights[..9], [0.0; 9]);
    assert!(
        (weights[9] + 0.6).abs() < 1e-6 && (weights[10] + 0.7).abs() < 1e-6,
        "{weights:?}"
    );
}

#[test]
fn buffers_are_left_alone() {
    let mut parameters = parameters();
    parameters[1].trained = false;
    let mut adam = Optimizer::for_parameters(&json!({"type": "AdamW", "lr": 0.1}), &parameters).unwrap();
    assert_eq!(
        adam.state_size(),
        StateSize {
            vectors: 2,
            updated: 9
        }
    );
    let mut weights = [1.0f32; 12];
    adam.update(&mut weights, &mut [f32::NAN; 12], 1.0, &Clip::default())
        .unwrap();
    assert_eq!(weights[6..9], [1.0; 3]);
    assert!(
        weights[..6]
            .iter()
            .chain(&weights[9..])
            .all(|weight| weight.is_nan())
    );
    let failure = Optimizer::for_parameters(
        &json!({"type": "SGD", "groups": [{"params": "0.bias", "lr": 1}]}),
        &parameters,
    );
    assert!(
        failure
            .unwrap_err()
            .message
            .ends_with("The parameters are 0.weight, 1.weight")
    );
}

#[test]
fn wrong_groups_are_refused_with_their_place() {
    let groups = |groups: Value| message(&json!({"type": "SGD", "groups": groups}));
    assert_eq!(
        groups(json!([{"params": "0.*", "lr": 1}, {"params": ["2.*"], "frozen": true}])),
        "optimizer (SGD): groups[1]: the pattern \"2.*\" matches no parameter; change it so that it does (* stands for \
         any characters, ? for one). The parameters are 0.weight, 0.bias, 1.weight"
    );
    assert_eq!(
        groups(json!([{"params": "*", "lr": -1}])),
        "optimizer (SGD): groups[0]: lr = -1 is not legal: expected a finite number of at least 0"
    );
    assert_eq!(
        groups(json!([{"params": "*", "nesterov": true}])),
        "optimizer (SGD): groups[0]: \"nesterov\" cannot be set for a group; legal keys are params, frozen, lr, \
         momentum, dampening, weight_decay"
    );
    assert!(groups(json!([{"params": "*", "frozen": 1}])).contains("groups[0]: frozen = 1 is not legal"));
    assert!(groups(json!([{"lr": 1}])).contains("groups[0]: the key params is missing"));
    assert!(groups(json!([{"params": []}])).contains("params = [] is not legal"));
    assert!(
        groups(json!([]))
            .contains("groups = [] is not legal: expected a list of at least one object such as")
    );
    assert!(groups(json!([3])).contains("groups = [3] is not legal"));
    assert!(groups(json!([{"params": "*", "frozen": true}])).contains("freeze every parameter"));
}

#[test]
fn nesterov_needs_momentum() {
    assert!(
        message(&json!({"type": "SGD", "nesterov": true}))
            .contains("nesterov = true needs a momentum above 0")
    );
    let document = json!({"type": "LARS", "nesterov": true, "momentum": 0.9, "groups": [{"params": "*", "dampening": 1}]});
    assert!(message(&document).starts_with("optimizer (LARS): groups[0]: nesterov = true needs"));
}

#[test]
fn wrong_lengths_are_refused() {
    let mut adam = optimizer(&json!({"type": "Adam"}));
    let failure = adam.update(&mut [1.0], &mut [1.0], 1.0, &Clip::default());
    assert!(failure.unwrap_err().message.contains("for 12"));
}

#[test]
fn a_schedule_moves_rate_and_momentum_in_every_group() {
    let document = json!({"type": "SGD", "lr": 1, "groups": [{"params": "*.bias", "lr": 10}]});
    let mut sgd = optimizer(&document);
    assert_eq!(sgd.state_size().vectors, 0);
    sgd.apply_schedule(&LrSetting {
        factor: 0.5,
        momentum: Some(0.5),
    })
    .unwrap();
    assert_eq!(sgd.state_size().vectors, 1);
    let mut weights = [0.0f32; 12];
    for _ in 0..2 {
        sgd.update(&mut weights, &mut [1.0; 12], 1.0, &Clip::default())
            .unwrap();
    }
    // 1, then 1 + 0.5.
    assert_eq!((weights[0], weights[6]), (-1.25, -12.5));
    assert!((sgd.lr() - 0.5).abs() < 1e-12);
    let mut adagrad = optimizer(&json!({"type": "Adagrad"}));
    assert!(
        adagrad
            .set_momentum(Some(0.9))
            .unwrap_err()
            .message
            .contains("Adagrad has neither")
    );
}

#[test]
fn a_state_from_before_a_schedule_brought_a_momentum_is_gone_back_to() {
    let moved = LrSetting {
        factor: 0.5,
        momentum: Some(0.5),
    };
    for document in [
        json!({"type": "SGD", "lr": 1}),
        json!({"type": "RMSprop", "lr": 1}),
    ] {
        let mut own = optimizer(&document);
        let start = own.state().unwrap();
        let run = |own: &mut Optimizer| {
            let mut weights = [0.5f32; 12];
            for _ in 0..3 {
                own.apply_schedule(&moved).unwrap();
                own.update(&mut weights, &mut [1.0; 12], 1.0, &Clip::default())
                    .unwrap();
            }
            weights
        };
        let (first, moving) = (run(&mut own), own.state().unwrap());
        // What does not fit changes nothing.
        let adam = optimizer(&json!({"type": "Adam"})).state().unwrap();
        own.restore(&adam).unwrap_err();
        assert_eq!(own.state().unwrap(), moving);
        own.restore(&start).unwrap();
        assert_eq!(own.state().unwrap(), start);
        assert_eq!(run(&mut own), first);
        assert_eq!(own.state().unwrap(), moving);
        // One that began before takes it, and goes back.
        let mut other = optimizer(&document);
        other.restore(&moving).unwrap();
        assert_eq!(run(&mut other), {
            own.restore(&moving).unwrap();
            run(&mut own)
        });
        other.restore(&start).unwrap();
        assert_eq!(other.state().unwrap(), start);
    }
}

#[test]
fn accumulated_steps_are_one_step() {
    let mut accumulator = Accumulator::new(3);
    assert_eq!(accumulator.add(&mut [1.0, 2.0], 2.0), None);
    // Nothing counted: what the gradient holds does not matter.
    assert_eq!(accumulator.add(&mut [f32::NAN; 2], 0.0), None);
    let saved = accumulator.state().unwrap();
    let mut again = Accumulator::new(3);
    again
        .restore(&Saved::from_bytes(&saved.clone().into_file().unwrap().into_bytes()).unwrap())
        .unwrap();
    for mut accumulator in [accumulator, again] {
        let mut gradient = [3.0, 4.0];
        assert_eq!(accumulator.add(&mut gradient, 1.0), Some(3.0));
        assert_eq!((gradient, accumulator.waiting()), ([4.0, 6.0], 0));
        assert_eq!(accumulator.flush(&mut gradient), None);
        accumulator.add(&mut gradient, 1.0);
        gradient = [f32::NAN; 2];
        assert_eq!(accumulator.flush(&mut gradient), Some(1.0));
        assert_eq!(gradient, [4.0, 6.0]);
    }
    let mut shorter = Accumulator::new(2);
    assert!(
        shorter
            .restore(&saved)
            .unwrap_err()
            .message
            .contains("has 2 steps waiting")
    );
    let mut nothing = [1.0];
    assert_eq!(Accumulator::new(0).add(&mut nothing, 0.0), Some(0.0));
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let saved = optimizer(&json!({"type": "Adam"})).state().unwrap();
    let refused = |document: Value, saved: &Saved| {
        let mut other = optimizer(&document);
        let before = other.state().unwrap();
        let message = other.restore(saved).unwrap_err().message;
        assert_eq!(other.state().unwrap(), before);
        message
    };
    assert!(
        refused(json!({"type": "Lion"}), &saved).contains("\"0.weight.exp_avg_sq\", which is not expected")
    );
    assert!(refused(json!({"type": "NAdam"}), &saved).contains("lacks the tensor \"mu_product\""));
    let frozen = json!({"type": "Adam", "groups": [{"params": "0.bias", "frozen": true}]});
    assert!(refused(frozen, &saved).contains("\"0.bias.exp_avg\", which is not expected"));
    let mut wrong = saved.clone();
    wrong.tensors[0].shape = vec![2, 3];
    assert!(
        refused(json!({"type": "Adam"}), &wrong)
            .contains("has shape [2, 3] and 6 values; expected shape [3, 2]")
    );
    wrong = saved.clone();
    wrong.tensors[0].values.pop();
    assert!(refused(json!({"type": "Adam"}), &wrong).contains("5 values; expected shape [3, 2] and 6"));
    wrong = saved;
    wrong.counters.remove(0);
    assert!(refused(json!({"type": "Adam"}), &wrong).contains("lacks the counter \"step\""));
}
