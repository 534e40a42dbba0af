//! Rows and jobs for tests.

use candlewick_model::resolve::{ResolveRequest, Task, resolve};
use candlewick_protocol::job::{DataSpec, Evaluation, JobSpec, OnNonFinite, SnapshotSpec, TrainSpec};
use candlewick_protocol::shuffle::DataShuffle;
use candlewick_protocol::stopping::{Better, EarlyStopping};
use candlewick_protocol::validation::Validation;
use serde_json::{Value, json};

pub const FEATURES: usize = 6;
pub const CLASSES: u32 = 3;

/// A row before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub features: Vec<f32>,
    pub label: f64,
    pub weight: f64,
}

/// Numbers that look random and are always the same.
pub struct Lcg(pub u64);

impl Lcg {
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Uniform in -1..1.
    pub fn real(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 30) as f32 - 1.0
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = (self.next() % (at as u64 + 1)) as usize;
            items.swap(at, other);
        }
    }
}

/// Rows whose class is the index of the largest of the first three features; some rows occur twice.
pub fn rows(count: usize) -> Vec<Row> {
    let mut random = Lcg(7);
    let mut rows: Vec<Row> = (0..count)
        .map(|at| {
            let features: Vec<f32> = (0..FEATURES).map(|_| random.real()).collect();
            let largest = (0..CLASSES as usize)
                .max_by(|a, b| features[*a].total_cmp(&features[*b]))
                .unwrap();
            Row {
                features,
                label: largest as f64,
                weight: if at % 5 == 0 { 2.0 } else { 1.0 },
            }
        })
        .collect();
    for at in 0..count / 20 {
        rows[count - 1 - at] = rows[at].clone();
    }
    rows
}

pub fn network() -> Value {
    json!({"format": "candlewick.network/1", "layers": [
        {"type": "Linear", "out_features": 16}, {"type": "ReLU"}, {"type": "Dropout", "p": 0.1},
        {"type": "Linear", "out_features": CLASSES},
    ]})
}

pub fn optimizer() -> Value {
    json!({"type": "AdamW", "lr": 0.01})
}

/// A classifier over the rows above.
pub fn job(epochs: u32, batch_size: u32) -> JobSpec {
    let resolved = resolve(&ResolveRequest {
        network: &network(),
        loss: None,
        optimizer: &optimizer(),
        task: Task::Classifier,
        feature_width: FEATURES,
        input_shape: None,
    })
    .unwrap();
    JobSpec {
        job: "0123456789abcdef0123456789abcdef".into(),
        data: DataSpec {
            feature_encoding: Default::default(),
            feature_width: FEATURES as u32,
            input_shape: resolved.input_shape,
            label: resolved.label,
            validation: None,
            data_shuffle: DataShuffle::Hash,
            rows: None,
        },
        train: TrainSpec {
            network: resolved.network.document().clone(),
            loss: resolved.loss,
            optimizer: resolved.optimizer,
            epochs,
            batch_size,
            drop_last: false,
            seed: 42,
            logical_shards: 8,
            clip_norm: Some(1.0),
            clip_value: None,
            class_weight: None,
            precision: Default::default(),
            lr_scheduler: None,
            gradient_accumulation_steps: 1,
            ema_decay: None,
            on_non_finite: OnNonFinite::Error,
            gradient_compression: Default::default(),
            asynchrony: Default::default(),
            allow_tf32: false,
            any_order: false,
            local_steps: None,
            evaluation: Evaluation::default(),
        },
        failure_timeout_ms: 60_000,
        progress_timeout_ms: 600_000,
        max_recoveries: 3,
        min_trainers: 1,
        executor_timeout_ms: 60_000,
        data_replicas: 1,
        snapshots: SnapshotSpec::default(),
    }
}

/// A job that evaluates, and in whose state all of that counts.
pub fn evaluated_job(epochs: u32) -> JobSpec {
    let mut job = job(epochs, 64);
    job.data.validation = Some(Validation::fraction(0.2, 11));
    job.train.evaluation.metrics = vec!["accuracy".into()];
    job.train.evaluation.early_stopping = Some(EarlyStopping {
        metric: "val_loss".into(),
        patience: 20,
        min_delta: 0.0,
        mode: Better::Min,
        restore_best: true,
    });
    job
}
