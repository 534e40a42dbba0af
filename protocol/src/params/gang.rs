//! The processes that train.

use super::{Param, Scope, ints, param, standalone};
use crate::value::{Range, ValueType};

/// In the order of the documentation.
pub(super) const PARAMS: &[Param] = &[
    param(
        "numTrainers",
        Scope::Estimator,
        ValueType::Int,
        ints(0, 4096),
        Some("0"),
        "Trainer processes. 0: one per executor.",
    ),
    param(
        "minTrainers",
        Scope::Estimator,
        ValueType::Int,
        ints(1, 4096),
        None,
        "Fewest trainers. Training begins with fewer than numTrainers where the cluster has no room for more now, and goes on with fewer after a loss, but not with fewer than these: others are waited for, up to executorTimeout. Not set: it begins with numTrainers and goes on with those that are left.",
    ),
    param(
        "maxTrainers",
        Scope::Estimator,
        ValueType::Int,
        ints(1, 4096),
        None,
        "Most trainers: where executors come later, training takes more trainers in at the end of an epoch, up to so many. Not set: as many as it began with, so that others take the place of those that are lost.",
    ),
    param(
        "executorTimeout",
        Scope::Estimator,
        ValueType::Duration,
        Range::Any,
        Some("\"300s\""),
        "Longest wait for other trainers where fewer than minTrainers are left.",
    ),
    param(
        "threadsPerTrainer",
        Scope::Estimator,
        ValueType::Int,
        ints(0, 1024),
        Some("0"),
        "Compute threads of a trainer. 0: the executor's cores divided by its trainers.",
    ),
    standalone(
        "logicalShards",
        Scope::Estimator,
        ValueType::Int,
        ints(1, 65_536),
        Some("8"),
        "Logical shards the rows are dealt to; the unit of computation, so part of what decides the weights' bits. At least numTrainers.",
    ),
    param(
        "dataShuffle",
        Scope::Estimator,
        ValueType::Text,
        Range::OneOf(&["hash", "none"]),
        Some("\"hash\""),
        "Where rows go. \"hash\": their content says to which logical shard, so the model does not depend on the partitioning. \"none\": they go to the trainer beside the executor that reads them, and cross the network only where there is none; the model then depends on the partitioning and on where partitions were read, and equal rows are not spread.",
    ),
    param(
        "maxRecoveries",
        Scope::Estimator,
        ValueType::Int,
        ints(0, 1_000_000),
        Some("3"),
        "How often a fit may go on after a loss (a trainer, its executor, its host) or after a connection between two trainers that broke; the next one fails it. 0: the first one does.",
    ),
    param(
        "failureTimeout",
        Scope::Estimator,
        ValueType::Duration,
        Range::Any,
        Some("\"15s\""),
        "Silence after which a trainer counts as lost.",
    ),
    param(
        "progressTimeout",
        Scope::Estimator,
        ValueType::Duration,
        Range::Any,
        Some("\"600s\""),
        "Time without a step after which a trainer counts as stuck.",
    ),
    param(
        "launchTimeout",
        Scope::Estimator,
        ValueType::Duration,
        Range::Any,
        Some("\"300s\""),
        "Longest wait for all trainers to start.",
    ),
    param(
        "feedMemory",
        Scope::Estimator,
        ValueType::Bytes,
        Range::Any,
        Some("\"64m\""),
        "Memory of an executor for rows on their way to the trainers.",
    ),
];
