//! Schedules of the learning rate.

use super::entry::{
    Arg, Entry, Kind, MAX_SIZE, POSITIVE, Range, SIZE, ValueType, arg, keyword, nullable, required,
};

const COUNT: Range = Range::Ints {
    min: 0,
    max: MAX_SIZE,
};
const FRACTION: Range = Range::Closed { min: 0.0, max: 1.0 };

const fn int(name: &'static str, default: &'static str, range: Range, doc: &'static str) -> Arg {
    arg(name, ValueType::Int, default, range, doc)
}

const fn real(name: &'static str, default: &'static str, range: Range, doc: &'static str) -> Arg {
    arg(name, ValueType::Real, default, range, doc)
}

const fn text(
    name: &'static str,
    default: &'static str,
    legal: &'static [&'static str],
    doc: &'static str,
) -> Arg {
    arg(name, ValueType::Text, default, Range::OneOf(legal), doc)
}

const fn interval(default: &'static str) -> Arg {
    keyword(text(
        "interval",
        default,
        &["epoch", "step"],
        "What the schedule counts: \"epoch\" changes the learning rate at the start of an epoch, \"step\" at every update of the weights.",
    ))
}

const BY_EPOCH: Arg = interval("\"epoch\"");
const WARMUP_STEPS: Arg = keyword(int(
    "warmup_steps",
    "0",
    COUNT,
    "Updates of a linear warm-up before the schedule, which starts to count after it (by epoch: with the first epoch that \
     begins after it).",
));
const WARMUP_START: Arg = keyword(real(
    "warmup_start_factor",
    "0.3333333333333333",
    FRACTION,
    "What the first learning rate of the warm-up is, relative to the schedule's first; the default is LinearLR's.",
));
const TOTAL_ITERS: Arg = int(
    "total_iters",
    "5",
    SIZE,
    "Number of intervals until the last factor is reached.",
);
const GAMMA: Arg = real("gamma", "0.1", POSITIVE, "Factor of each decay.");
const ETA_MIN: Arg = real("eta_min", "0.0", POSITIVE, "Smallest learning rate.");

const fn scheduler(name: &'static str, args: &'static [Arg], doc: &'static str) -> Entry {
    Entry {
        kind: Kind::Scheduler,
        name,
        doc,
        args,
    }
}

const CONSTANT: Entry = scheduler(
    "ConstantLR",
    &[
        real(
            "factor",
            "0.3333333333333333",
            FRACTION,
            "Factor of the learning rate for the first total_iters intervals.",
        ),
        TOTAL_ITERS,
        BY_EPOCH,
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "A smaller learning rate for the first intervals, then the optimiser's.",
);

const LINEAR: Entry = scheduler(
    "LinearLR",
    &[
        real(
            "start_factor",
            "0.3333333333333333",
            FRACTION,
            "First factor; above 0.",
        ),
        real("end_factor", "1.0", FRACTION, "Last factor."),
        TOTAL_ITERS,
        BY_EPOCH,
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "A factor that moves linearly from start_factor to end_factor.",
);

const STEP: Entry = scheduler(
    "StepLR",
    &[
        required(int("step_size", "1", SIZE, "Intervals between two decays.")),
        GAMMA,
        BY_EPOCH,
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "A decay by gamma after every step_size intervals.",
);

const MULTI_STEP: Entry = scheduler(
    "MultiStepLR",
    &[
        required(arg(
            "milestones",
            ValueType::IntList,
            "[]",
            COUNT,
            "Intervals at which to decay.",
        )),
        GAMMA,
        BY_EPOCH,
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "A decay by gamma at every milestone.",
);

const EXPONENTIAL: Entry = scheduler(
    "ExponentialLR",
    &[required(GAMMA), BY_EPOCH, WARMUP_STEPS, WARMUP_START],
    "A decay by gamma after every interval.",
);

const POLYNOMIAL: Entry = scheduler(
    "PolynomialLR",
    &[
        TOTAL_ITERS,
        real("power", "1.0", POSITIVE, "Power of the polynomial."),
        BY_EPOCH,
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "A polynomial decay to 0 over total_iters intervals.",
);

const COSINE: Entry = scheduler(
    "CosineAnnealingLR",
    &[
        required(int(
            "T_max",
            "1",
            SIZE,
            "Intervals from the largest learning rate to the smallest.",
        )),
        ETA_MIN,
        BY_EPOCH,
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "Half a cosine from the optimiser's learning rate to eta_min, and back (Loshchilov and Hutter 2017).",
);

const RESTARTS: Entry = scheduler(
    "CosineAnnealingWarmRestarts",
    &[
        required(int("T_0", "1", SIZE, "Intervals until the first restart.")),
        int(
            "T_mult",
            "1",
            SIZE,
            "How many times longer each cycle is than the one before.",
        ),
        ETA_MIN,
        BY_EPOCH,
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "Half a cosine down to eta_min, again and again (Loshchilov and Hutter 2017).",
);

const ONE_CYCLE: Entry = scheduler(
    "OneCycleLR",
    &[
        required(real("max_lr", "0", POSITIVE, "Largest learning rate; above 0.")),
        nullable(int(
            "total_steps",
            "null",
            SIZE,
            "Intervals of the cycle; null: those of the whole training after the warm-up.",
        )),
        nullable(int(
            "epochs",
            "null",
            SIZE,
            "Without total_steps: the cycle has epochs times steps_per_epoch intervals.",
        )),
        nullable(int(
            "steps_per_epoch",
            "null",
            SIZE,
            "Steps of an epoch; null: those of the training.",
        )),
        real(
            "pct_start",
            "0.3",
            FRACTION,
            "Share of the cycle in which the learning rate rises.",
        ),
        text(
            "anneal_strategy",
            "\"cos\"",
            &["cos", "linear"],
            "Shape of rise and fall: \"cos\" or \"linear\".",
        ),
        arg(
            "cycle_momentum",
            ValueType::Bool,
            "true",
            Range::Any,
            "Move the momentum (of Adam and its kin: betas[0]) against the learning rate.",
        ),
        real("base_momentum", "0.85", MOMENTUM, "Smallest momentum, at max_lr."),
        real(
            "max_momentum",
            "0.95",
            MOMENTUM,
            "Largest momentum, at start and end.",
        ),
        real(
            "div_factor",
            "25.0",
            POSITIVE,
            "The first learning rate is max_lr / div_factor; above 0.",
        ),
        real(
            "final_div_factor",
            "10000.0",
            POSITIVE,
            "The last learning rate is the first / final_div_factor; above 0.",
        ),
        arg(
            "three_phase",
            ValueType::Bool,
            "false",
            Range::Any,
            "Fall to the first learning rate as long as it rose, then to the last one.",
        ),
        interval("\"step\""),
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "One rise of the learning rate to max_lr and one fall far below the start (Smith and Topin 2018).",
);

const MOMENTUM: Range = Range::HalfOpen { min: 0.0, below: 1.0 };

const PLATEAU: Entry = scheduler(
    "ReduceLROnPlateau",
    &[
        text(
            "mode",
            "\"min\"",
            &["min", "max"],
            "Whether the metric is better when it is smaller (\"min\") or larger (\"max\").",
        ),
        real(
            "factor",
            "0.1",
            Range::HalfOpen { min: 0.0, below: 1.0 },
            "Factor of each reduction.",
        ),
        int(
            "patience",
            "10",
            COUNT,
            "Epochs without improvement that are borne with.",
        ),
        real("threshold", "0.0001", POSITIVE, "What counts as an improvement."),
        text(
            "threshold_mode",
            "\"rel\"",
            &["rel", "abs"],
            "Whether the threshold is relative to the best value (\"rel\") or a difference (\"abs\").",
        ),
        int(
            "cooldown",
            "0",
            COUNT,
            "Epochs after a reduction in which none is counted as bad.",
        ),
        real("min_lr", "0", POSITIVE, "Smallest learning rate."),
        real(
            "eps",
            "1e-08",
            POSITIVE,
            "A reduction by no more than this is not made.",
        ),
        keyword(text(
            "interval",
            "\"epoch\"",
            &["epoch"],
            "What the schedule counts: the metric is looked at after every epoch.",
        )),
        keyword(nullable(arg(
            "metric",
            ValueType::Text,
            "null",
            Range::Any,
            "Name in the history of the metric to look at, such as \"val_loss\" or \"accuracy\"; not set: \"val_loss\" \
             where there are validation rows, else \"loss\".",
        ))),
        WARMUP_STEPS,
        WARMUP_START,
    ],
    "A smaller learning rate when the metric has stopped to improve.",
);

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    CONSTANT,
    LINEAR,
    STEP,
    MULTI_STEP,
    EXPONENTIAL,
    POLYNOMIAL,
    COSINE,
    RESTARTS,
    ONE_CYCLE,
    PLATEAU,
];
