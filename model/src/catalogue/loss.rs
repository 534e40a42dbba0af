//! Losses.

use super::entry::{
    Arg, Entry, Kind, MAX_SIZE, POSITIVE, Range, ValueType, arg, keyword, nullable, required,
};

const REDUCTION: Arg = keyword(arg(
    "reduction",
    ValueType::Text,
    "\"mean\"",
    Range::OneOf(&["mean", "sum"]),
    "How the rows' losses become one number: \"mean\" is the mean over the batch, \"sum\" their sum, both weighted by weightCol. With \"sum\" the steps grow with the batch: choose a smaller learning rate.",
));

const CLASS_WEIGHT: Arg = nullable(arg(
    "weight",
    ValueType::RealList,
    "null",
    POSITIVE,
    "A weight for each class; the mean is then over the weights of the rows' classes.",
));

const OUTPUT_WEIGHT: Arg = nullable(arg(
    "weight",
    ValueType::RealList,
    "null",
    POSITIVE,
    "A weight for each output; the mean is over all outputs all the same.",
));

const IGNORE_INDEX: Arg = keyword(arg(
    "ignore_index",
    ValueType::Int,
    "-100",
    Range::Any,
    "A label to leave out: its rows count neither in the loss nor in its mean. A number that is no class, such as -1, is \
     then a legal label, whose rows do not count in metrics either; but -100, the default, stays none.",
));

/// REDUCTION where PyTorch has nothing deprecated before it.
const fn positional(arg: Arg) -> Arg {
    Arg {
        keyword: false,
        ..arg
    }
}

const fn loss(name: &'static str, args: &'static [Arg], doc: &'static str) -> Entry {
    Entry {
        kind: Kind::Loss,
        name,
        doc,
        args,
    }
}

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    loss(
        "CrossEntropyLoss",
        &[
            CLASS_WEIGHT,
            IGNORE_INDEX,
            REDUCTION,
            keyword(arg(
                "label_smoothing",
                ValueType::Real,
                "0.0",
                Range::Closed { min: 0.0, max: 1.0 },
                "Share of the target that is spread evenly over all classes.",
            )),
        ],
        "Cross entropy between logits (one output per class) and the label's class.",
    ),
    loss(
        "NLLLoss",
        &[CLASS_WEIGHT, IGNORE_INDEX, REDUCTION],
        "Negative log-likelihood of the label's class, for a network that ends in LogSoftmax (one log-probability per class).",
    ),
    loss(
        "BCEWithLogitsLoss",
        &[
            OUTPUT_WEIGHT,
            REDUCTION,
            keyword(nullable(arg(
                "pos_weight",
                ValueType::RealList,
                "null",
                POSITIVE,
                "Weight of the label 1: one number, or one for each output. Above 1 it makes the network find more of the positives, below 1 fewer.",
            ))),
        ],
        "Binary cross entropy between a logit and a label of 0 or 1. A network with one output makes a classifier of two classes.",
    ),
    loss(
        "BCELoss",
        &[OUTPUT_WEIGHT, REDUCTION],
        "Binary cross entropy between a probability and a label of 0 or 1, for a network that ends in Sigmoid. BCEWithLogitsLoss without the Sigmoid is more exact.",
    ),
    loss(
        "MSELoss",
        &[REDUCTION],
        "Mean of the squared difference between output and label.",
    ),
    loss(
        "L1Loss",
        &[REDUCTION],
        "Mean of the absolute difference between output and label.",
    ),
    loss(
        "SmoothL1Loss",
        &[
            REDUCTION,
            keyword(arg(
                "beta",
                ValueType::Real,
                "1.0",
                POSITIVE,
                "Absolute difference at which the square ends and the line begins; 0 is L1Loss.",
            )),
        ],
        "Squared difference, divided by beta, where it is small, absolute difference where it is large: outliers count less than in MSELoss.",
    ),
    loss(
        "HuberLoss",
        &[
            positional(REDUCTION),
            arg(
                "delta",
                ValueType::Real,
                "1.0",
                POSITIVE,
                "Absolute difference at which the square ends and the line begins; above 0.",
            ),
        ],
        "Squared difference where it is small, a line of slope delta where it is large: delta times SmoothL1Loss with that beta.",
    ),
    loss(
        "PoissonNLLLoss",
        &[
            arg(
                "log_input",
                ValueType::Bool,
                "true",
                Range::Any,
                "True where the output is the logarithm of the expected count, false where it is the count itself.",
            ),
            arg(
                "full",
                ValueType::Bool,
                "false",
                Range::Any,
                "Add Stirling's approximation of the part that does not depend on the output.",
            ),
            keyword(arg(
                "eps",
                ValueType::Real,
                "1e-08",
                POSITIVE,
                "Added to the output before its logarithm is taken, where log_input is false.",
            )),
            REDUCTION,
        ],
        "Negative log-likelihood of a count under a Poisson distribution.",
    ),
    loss(
        "GaussianNLLLoss",
        &[
            keyword(arg(
                "full",
                ValueType::Bool,
                "false",
                Range::Any,
                "Add the part that does not depend on the outputs.",
            )),
            keyword(arg(
                "eps",
                ValueType::Real,
                "1e-06",
                POSITIVE,
                "Smallest variance; above 0.",
            )),
            REDUCTION,
            keyword(arg(
                "log_variance",
                ValueType::Bool,
                "false",
                Range::Any,
                "True where the outputs of the second half are logarithms of the variances, so that every number is legal there; not in PyTorch.",
            )),
        ],
        "Negative log-likelihood of a label under a normal distribution. The network has two outputs for each value of the label: first all means, then all variances.",
    ),
    loss(
        "QuantileLoss",
        &[
            required(arg(
                "quantiles",
                ValueType::RealList,
                "",
                Range::Closed { min: 0.0, max: 1.0 },
                "The quantiles, between 0 and 1: [0.1, 0.5, 0.9] makes the network predict the median and an interval that holds 80 percent.",
            )),
            REDUCTION,
        ],
        "Pinball loss of quantile regression, with one output for each quantile; not in PyTorch.",
    ),
    loss(
        "KLDivLoss",
        &[
            keyword(arg(
                "reduction",
                ValueType::Text,
                "\"mean\"",
                Range::OneOf(&["mean", "batchmean", "sum"]),
                "How the elements' losses become one number: \"mean\" is the mean over all elements, \"batchmean\" the divergence itself, the mean over rows, \"sum\" the sum, all weighted by weightCol.",
            )),
            keyword(arg(
                "log_target",
                ValueType::Bool,
                "false",
                Range::Any,
                "True where the label has logarithms of probabilities.",
            )),
        ],
        "Kullback-Leibler divergence between log-probabilities (a network that ends in LogSoftmax) and a label that is a distribution, an array.",
    ),
    loss(
        "HingeEmbeddingLoss",
        &[
            arg(
                "margin",
                ValueType::Real,
                "1.0",
                Range::Any,
                "Distance beyond which different pairs cost nothing.",
            ),
            REDUCTION,
        ],
        "Loss of a distance: the output itself for the label 1 (similar), max(0, margin - output) for the label -1 (different).",
    ),
    loss(
        "CosineEmbeddingLoss",
        &[
            arg(
                "margin",
                ValueType::Real,
                "0.0",
                Range::Closed { min: -1.0, max: 1.0 },
                "Cosine below which different vectors cost nothing.",
            ),
            REDUCTION,
        ],
        "Loss of the cosine between two vectors, the halves of a row of outputs: 1 - cosine for the label 1 (similar), max(0, cosine - margin) for the label -1 (different).",
    ),
    loss(
        "TripletMarginLoss",
        &[
            arg(
                "margin",
                ValueType::Real,
                "1.0",
                POSITIVE,
                "How much nearer the positive has to be.",
            ),
            arg(
                "p",
                ValueType::Real,
                "2.0",
                Range::AtLeast(1.0),
                "Degree of the norm that measures distances.",
            ),
            arg(
                "eps",
                ValueType::Real,
                "1e-06",
                POSITIVE,
                "Added to every difference.",
            ),
            arg(
                "swap",
                ValueType::Bool,
                "false",
                Range::Any,
                "Use the distance between positive and negative where it is smaller than that between anchor and negative.",
            ),
            REDUCTION,
        ],
        "Loss of three vectors, the thirds of a row of outputs: the anchor has to be nearer to the positive than to the negative by a margin. The label is not read.",
    ),
    loss(
        "MarginRankingLoss",
        &[
            arg(
                "margin",
                ValueType::Real,
                "0.0",
                Range::Any,
                "By how much the one has to be larger than the other.",
            ),
            REDUCTION,
        ],
        "Loss of the order of two numbers, of the halves of a row of outputs: max(0, margin - y (a - b)) for the label y, 1 where the first is to be the larger one, -1 where the second is, 0 where it does not matter.",
    ),
    loss(
        "SoftMarginLoss",
        &[REDUCTION],
        "Logistic loss log(1 + exp(-y z)) of an output z and a label y of 1 or -1.",
    ),
    loss(
        "MultiLabelSoftMarginLoss",
        &[OUTPUT_WEIGHT, REDUCTION],
        "Binary cross entropy between logits and labels of 0 or 1, one for each output; the loss of a row is the mean over its outputs, so that \"sum\" adds up these means.",
    ),
    loss(
        "MultiMarginLoss",
        &[
            arg(
                "p",
                ValueType::Int,
                "1",
                Range::Ints { min: 1, max: 2 },
                "1 for the hinge, 2 for its square.",
            ),
            arg(
                "margin",
                ValueType::Real,
                "1.0",
                Range::Any,
                "By how much the output of the label's class has to be larger than the others.",
            ),
            nullable(arg(
                "weight",
                ValueType::RealList,
                "null",
                POSITIVE,
                "A weight for each class; the mean is over the rows all the same.",
            )),
            REDUCTION,
        ],
        "Hinge loss of several classes, one output for each: the mean over all classes but the label's of max(0, margin - z[label] + z[class])^p, divided by the number of classes.",
    ),
    loss(
        "MultiLabelMarginLoss",
        &[REDUCTION],
        "Hinge loss of rows that have several classes. The label is an array as long as the outputs: the classes of the row, whole numbers, then -1. The loss is the sum of max(0, 1 - z[one of them] + z[another class]), divided by the number of classes.",
    ),
    loss(
        "MultiLoss",
        &[
            required(arg(
                "losses",
                ValueType::Documents(Kind::Loss),
                "",
                Range::Any,
                "The losses to add up. A LossTerm gives a loss a weight and says which outputs and labels it reads; any other loss has weight 1 and reads all.",
            )),
            keyword(arg(
                "reduction",
                ValueType::Text,
                "\"mean\"",
                Range::OneOf(&["mean", "sum"]),
                "\"mean\" adds up the means of the losses, \"sum\" their sums, both weighted by weightCol.",
            )),
        ],
        "Weighted sum of several losses over parts of the outputs and of the label; not in PyTorch. A class in the label is a whole number in it.",
    ),
    loss(
        "LossTerm",
        &[
            required(arg(
                "loss",
                ValueType::Document(Kind::Loss),
                "",
                Range::Any,
                "The loss; without class weights, ignore_index and a reduction of its own.",
            )),
            arg(
                "weight",
                ValueType::Real,
                "1.0",
                Range::Any,
                "Factor of the loss.",
            ),
            nullable(arg(
                "outputs",
                ValueType::IntList,
                "null",
                Range::Ints {
                    min: 0,
                    max: MAX_SIZE,
                },
                "Which outputs the loss reads: [from, to], the first and one past the last; all by default.",
            )),
            nullable(arg(
                "labels",
                ValueType::IntList,
                "null",
                Range::Ints {
                    min: 0,
                    max: MAX_SIZE,
                },
                "Which values of the label the loss reads: [from, to], the first and one past the last; all by default.",
            )),
            nullable(arg(
                "output",
                ValueType::Texts,
                "null",
                Range::Any,
                "The output of the network that the loss reads, by its name, in the place of outputs. Several are read one after another, as they stand among the network's outputs.",
            )),
            nullable(arg(
                "label",
                ValueType::Texts,
                "null",
                Range::Any,
                "The label column of a NeuralEstimator that the loss reads, by its name, in the place of labels; several stand one after another in labelCols. None: the column called as the output, or the only one.",
            )),
        ],
        "One loss of a MultiLoss, with its weight and what it reads; not in PyTorch.",
    ),
];
