//! How trainers exchange what they computed.

use super::{FRACTION, Param, Scope, ints, standalone};
use crate::asynchrony;
use crate::value::{Range, ValueType};

/// In the order of the documentation.
pub(super) const PARAMS: &[Param] = &[
    standalone(
        "gradientCompression",
        Scope::Estimator,
        ValueType::Compression,
        Range::Any,
        Some("\"none\""),
        "What gradients become before trainers exchange them; part of what decides the bits of the weights, on one trainer too. \"none\": they stay f32. \"auto\": before the first step the trainers try steps, and by what these and the measured links take they decide for the whole fit, losses, growth and checkpoints included, between none and bf16 (summary.compression says what and why); another number of trainers or another network may decide otherwise, so that the same bits on any number of trainers are given up. \"bf16\", \"fp16\": 16 bits a value, half of the bytes. \"topk:0.01\": the largest hundredth of the values of each parameter (any share); \"1bit\": signs and two means for 128 values; \"powersgd:4\": two factors of rank 4 (any rank) for each matrix. Of these three a logical shard adds what it did not send to its next gradient. Gradients that go by rows (Embedding, sparse features) are not compressed.",
    ),
    standalone(
        "localSteps",
        Scope::Estimator,
        ValueType::Int,
        ints(1, 4096),
        Some("1"),
        "Steps that every logical shard makes by itself, with weights and a state of the optimiser of its own on its part of each batch, before all meet and exchange; they also meet at the end of an epoch and before an evaluation. Part of what decides the bits of the weights, on one trainer too. 1: every step is one of all together.",
    ),
    standalone(
        "outerLearningRate",
        Scope::Estimator,
        ValueType::Real,
        Range::Above(0.0),
        Some("0.7"),
        "With localSteps above 1: learning rate of the step at a meeting, which takes the mean over the shards of (weights at the last meeting - weights now) as its gradient. 0.7 as in DiLoCo (arXiv 2311.08105); with 1 and outerMomentum 0 the shards go on with the mean of their weights (local SGD).",
    ),
    standalone(
        "outerMomentum",
        Scope::Estimator,
        ValueType::Real,
        FRACTION,
        Some("0.9"),
        "With localSteps above 1: Nesterov momentum of the step at a meeting. 0.9 as in DiLoCo (arXiv 2311.08105).",
    ),
    standalone(
        "asynchrony",
        Scope::Estimator,
        ValueType::Text,
        Range::OneOf(asynchrony::NAMES),
        Some("\"none\""),
        "Whether trainers compute while they exchange, or wait for each other at all; part of what decides the bits of the weights. \"none\": a step begins when the gradient of the one before is applied. \"delayed\": it is computed while that gradient is exchanged, with the weights from before it, so that each gradient is applied one step late, on one trainer too; at every 64th step of an epoch and at its end what is under way is waited for. \"stale\": every trainer applies its own updates at once and those of others as they come, and waits only where its weights would lack more than the last `staleness` steps of another; at every 64th step of an epoch, before an evaluation and at the end of an epoch all agree. The same bits, on other runs too, are given up for it; one trainer alone computes what it does with \"none\".",
    ),
    standalone(
        "staleness",
        Scope::Estimator,
        ValueType::Int,
        ints(1, 64),
        Some("4"),
        "With asynchrony=\"stale\": of how many last steps a trainer may lack the updates of others when it begins a step, so that none is further ahead. More of it waits less, and trains with older weights.",
    ),
    standalone(
        "deterministicReduction",
        Scope::Estimator,
        ValueType::Bool,
        Range::Any,
        Some("true"),
        "Whether gradients are added up in one order, so that the weights have the same bits on any number of trainers. false: the order may follow from the trainers, where that is faster (a ring); another number of trainers, a recovery or another network may give other bits then, all trainers of a fit still have the same.",
    ),
];
