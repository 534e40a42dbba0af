//! The bits of whole fits are these on every processor: a trainer for ARM gives what one for x86-64 gives (`make arm64`).
//! A change of the engine's arithmetic, of the order of rows or of random numbers changes them, and belongs into the changelog.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use candlewick_protocol::job::{JobSpec, Precision};
use common::data::{job, rows};
use common::{Fit, Gang};
use serde_json::{Value, json};

/// Layers over rows of three steps of two values, which a picture of one channel may be too.
fn spec(shape: &[u32], layers: &Value) -> JobSpec {
    let mut job = job(2, 32);
    job.data.input_shape = shape.iter().map(|size| *size as usize).collect();
    job.train.network = json!({"format": "candlewick.network/1", "layers": layers});
    job
}

fn fit(job: JobSpec) -> Fit {
    let gang = Gang::start(job, 2);
    let ledger = gang.seal(&gang.feed(&rows(200), 100));
    gang.train(ledger)
}

fn assert_bits(job: JobSpec, hash: &str) {
    let fit = fit(job);
    assert!(fit.losses.iter().all(|loss| loss.is_finite()), "{:?}", fit.losses);
    assert_eq!(fit.weights_hash, hash);
}

#[test]
fn of_products_in_bf16_for_one_two_and_three_trainers() {
    let spec = || {
        let mut job = job(2, 32);
        job.train.precision = Precision::Bf16;
        job
    };
    for trainers in 1..=3 {
        let gang = Gang::start(spec(), trainers);
        let ledger = gang.seal(&gang.feed(&rows(200), 100));
        let hash = gang.train(ledger).weights_hash;
        assert_eq!(hash, "4acec8088c470e99be756380043de956", "{trainers} trainers");
    }
}

#[test]
fn of_convolutions_recurrent_layers_and_attention_in_bf16() {
    let layers = json!([
        {"type": "Conv1d", "out_channels": 4, "kernel_size": 2, "padding": 1}, {"type": "Permute", "dims": [0, 2, 1]},
        {"type": "TransformerEncoderLayer", "nhead": 2, "dim_feedforward": 16, "activation": "gelu"},
        {"type": "LSTM", "hidden_size": 8, "output": "last"}, {"type": "Linear", "out_features": 3},
    ]);
    let mut job = spec(&[3, 2], &layers);
    job.train.precision = Precision::Bf16;
    assert_bits(job, "d479f85d56ff4b73bab376d6dcb478e9");
}

#[test]
fn of_products_and_dropout() {
    assert_bits(job(2, 32), "e7e18f1ce5033a5a86053b90b384e271");
}

#[test]
fn of_convolutions_and_normalization() {
    let layers = json!([
        {"type": "Conv2d", "out_channels": 4, "kernel_size": 2, "padding": 1}, {"type": "BatchNorm2d"}, {"type": "GELU"},
        {"type": "MaxPool2d", "kernel_size": 2}, {"type": "Flatten"}, {"type": "Linear", "out_features": 3},
    ]);
    assert_bits(spec(&[1, 3, 2], &layers), "e7581f0a19654570ad07603b115daa7d");
}

#[test]
fn of_recurrent_layers() {
    let layers = json!([
        {"type": "LSTM", "hidden_size": 8, "output": "last"}, {"type": "Linear", "out_features": 3},
    ]);
    assert_bits(spec(&[3, 2], &layers), "42d80b7c91cc8a3288d8857e0c096010");
}

#[test]
fn of_attention() {
    let layers = json!([
        {"type": "Linear", "out_features": 8},
        {"type": "TransformerEncoderLayer", "nhead": 2, "dim_feedforward": 16, "activation": "gelu"},
        {"type": "Flatten"}, {"type": "Linear", "out_features": 3},
    ]);
    assert_bits(spec(&[3, 2], &layers), "08584b3d905965d9267277b205f2b9f7");
}
