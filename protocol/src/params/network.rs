//! What is trained.

use super::{Param, Scope, param, standalone};
use crate::value::{Kind, Range, ValueType};

/// In the order of the documentation.
pub(super) const PARAMS: &[Param] = &[
    standalone(
        "network",
        Scope::EstimatorAlone,
        ValueType::Document(Kind::Network),
        Range::Any,
        None,
        "The network: nn.Sequential(...), nn.Graph(...) or its JSON document.",
    ),
    param(
        "initialWeights",
        Scope::EstimatorAlone,
        ValueType::Weights,
        Range::Any,
        None,
        "Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's names on any file system that Hadoop reads, or its bytes. In Python also a state_dict, a module of PyTorch, or a trained model. Not set: random by the seed.",
    ),
    param(
        "strictWeights",
        Scope::EstimatorAlone,
        ValueType::Bool,
        Range::Any,
        Some("true"),
        "Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded, the rest starts random by the seed, and the summary says which.",
    ),
    standalone(
        "loss",
        Scope::Estimator,
        ValueType::Document(Kind::Loss),
        Range::Any,
        None,
        "The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, its JSON document, or its name where nothing else is to be said. A NeuralEstimator also takes a loss for each output by its name. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor; a NeuralEstimator needs one.",
    ),
];
