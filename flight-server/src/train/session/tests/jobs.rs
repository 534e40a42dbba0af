//! Jobs that are halted everywhere.

use serde_json::{Value, json};

/// Jobs that have everything in their state that a state can have.
pub(super) fn jobs() -> Vec<(&'static str, Value)> {
    let mut jobs = of_all();
    jobs.extend([cycled(), alone(), fp16()]);
    jobs.extend(of_each());
    jobs
}

fn network(layers: Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

fn dense() -> Value {
    json!([
        {"type": "Linear", "out_features": 5}, {"type": "ReLU"}, {"type": "Dropout", "p": 0.3},
        {"type": "Linear", "out_features": 3}])
}

fn normalized() -> Value {
    json!([
        {"type": "Linear", "out_features": 4}, {"type": "BatchNorm1d"}, {"type": "Tanh"},
        {"type": "Linear", "out_features": 1}])
}

fn table() -> Value {
    json!([
        {"type": "Embedding", "num_embeddings": 8, "embedding_dim": 2}, {"type": "Flatten"},
        {"type": "Linear", "out_features": 3}])
}

fn fp16() -> (&'static str, Value) {
    (
        "a factor of the loss, accumulation, what is left out of tables",
        json!({"task": "classifier", "device": "cuda", "params": {
            "network": network(table()), "precision": "fp16", "gradientAccumulationSteps": 2, "epochs": 2, "clipNorm": 0.5,
            "optimizer": {"type": "Adam", "lr": 0.05}}}),
    )
}

fn cycled() -> (&'static str, Value) {
    (
        "gradients that are under way, a schedule that brings a momentum",
        json!({"task": "classifier", "params": {
            "network": network(dense()), "asynchrony": "delayed", "optimizer": {"type": "SGD", "lr": 0.1}, "epochs": 2,
            "lrScheduler": {"type": "OneCycleLR", "max_lr": 0.2}}}),
    )
}

fn alone() -> (&'static str, Value) {
    (
        "a trainer that would wait for nobody, and is alone",
        json!({"task": "classifier", "params": {
            "network": network(dense()), "asynchrony": "stale", "validationFraction": 0.2, "epochs": 2,
            "optimizer": {"type": "Adam", "lr": 0.05}}}),
    )
}

/// Whose steps are those of all shards.
fn of_all() -> Vec<(&'static str, Value)> {
    vec![
        (
            "moving average, validation within epochs, the best epoch's weights",
            json!({"task": "classifier", "params": {
                "network": network(dense()), "emaDecay": 0.9, "metrics": ["accuracy", "roc_auc"],
                "validationFraction": 0.3, "validationSteps": 2, "epochs": 5,
                "earlyStopping": {"type": "EarlyStopping", "metric": "val_accuracy", "patience": 2}}}),
        ),
        (
            "statistics of BatchNorm, accumulation, a plateau",
            json!({"task": "regressor", "params": {
                "network": network(normalized()), "gradientAccumulationSteps": 3, "clipNorm": 0.5, "metrics": ["mae"],
                "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}, "epochs": 4,
                "lrScheduler": {"type": "ReduceLROnPlateau", "metric": "loss", "patience": 0, "threshold": 0.5}}}),
        ),
        (
            "a table by rows, a schedule that moves the momentum",
            json!({"task": "classifier", "params": {
                "network": network(table()), "optimizer": {"type": "SGD", "lr": 0.1}, "epochs": 2,
                "lrScheduler": {"type": "OneCycleLR", "max_lr": 0.2}}}),
        ),
        (
            "steps that are left out, what groups carry",
            json!({"task": "regressor", "huge": true, "params": {
                "network": network(normalized()), "onNonFinite": "skip", "epochs": 3, "validationFraction": 0.2,
                "optimizer": {"type": "NAdam", "lr": 0.05},
                "lrScheduler": {"type": "StepLR", "step_size": 1, "gamma": 0.5, "warmup_steps": 3}}}),
        ),
        (
            "what shards have not sent of their gradients",
            json!({"task": "classifier", "params": {
                "network": network(dense()), "gradientCompression": "topk:0.2", "validationFraction": 0.2, "epochs": 3,
                "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}}}),
        ),
        (
            "gradients that are under way, statistics of BatchNorm, validation within epochs",
            json!({"task": "regressor", "params": {
                "network": network(normalized()), "asynchrony": "delayed", "validationFraction": 0.2, "validationSteps": 2,
                "optimizer": {"type": "Adam", "lr": 0.05}, "gradientAccumulationSteps": 2, "epochs": 3, "emaDecay": 0.9}}),
        ),
        (
            "gradients that are under way, compressed",
            json!({"task": "classifier", "params": {
                "network": network(dense()), "asynchrony": "delayed", "gradientCompression": "1bit", "epochs": 2,
                "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}}}),
        ),
        (
            "what is decided about the gradients",
            json!({"task": "classifier", "params": {
                "network": network(dense()), "gradientCompression": "auto", "asynchrony": "delayed", "epochs": 2}}),
        ),
        (
            "what shards have not sent, and the factors that the next step begins with",
            json!({"task": "classifier", "params": {
                "network": network(dense()), "gradientCompression": "powersgd:1", "epochs": 2,
                "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}}}),
        ),
    ]
}

/// Whose shards make steps by themselves.
fn of_each() -> Vec<(&'static str, Value)> {
    vec![
        (
            "shards by themselves, a moving average, dropout, the best epoch's weights",
            json!({"task": "classifier", "params": {
                "network": network(dense()), "localSteps": 3, "emaDecay": 0.9, "metrics": ["accuracy"], "clipNorm": 0.5,
                "validationFraction": 0.2, "epochs": 4, "optimizer": {"type": "NAdam", "lr": 0.05},
                "earlyStopping": {"type": "EarlyStopping", "metric": "val_accuracy", "patience": 2}}}),
        ),
        (
            "shards by themselves, statistics of BatchNorm, evaluations between, a plateau",
            json!({"task": "regressor", "params": {
                "network": network(normalized()), "localSteps": 4, "validationFraction": 0.2, "validationSteps": 3,
                "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}, "epochs": 3, "outerLearningRate": 1.0,
                "lrScheduler": {"type": "ReduceLROnPlateau", "metric": "loss", "patience": 0, "threshold": 0.5}}}),
        ),
        (
            "shards by themselves, a schedule that brings a momentum",
            json!({"task": "regressor", "params": {
                "network": network(normalized()), "localSteps": 2, "outerMomentum": 0.0, "epochs": 2,
                "optimizer": {"type": "SGD", "lr": 0.1}, "lrScheduler": {"type": "OneCycleLR", "max_lr": 0.2}}}),
        ),
    ]
}
