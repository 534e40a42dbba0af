//! The update rules, one file a family. Scalars are computed in f64 and applied in f32, as torch.optim does for CPU
//! tensors; every rule is one pass over flat memory whose bits depend neither on the instruction set nor on how the
//! memory is cut.

mod adagrad;
mod adam;
mod adamax;
mod lamb;
mod lion;
mod nadam;
mod rmsprop;
mod sgd;

use super::norms;
use crate::arguments::Arguments;
use crate::kernels::Level;
use std::fmt::Debug;
use std::ops::Range;

/// What the parts of a group have in common at an update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Instruction set.
    pub level: Level,
    /// Number of the update, from 1.
    pub count: u64,
    /// The gradient is this times what the part holds.
    pub scale: f32,
    /// Learning rate as the schedule has it.
    pub lr: f64,
    /// Momentum or first beta as the schedule has it; `None`: the optimiser's.
    pub momentum: Option<f64>,
    /// A number that the rule carries from update to update.
    pub carry: f32,
}

/// Weights of one tensor that are updated together, with their gradient and state. It starts at a multiple of
/// [`norms::BLOCK`] elements of its tensor.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub weights: &'a mut [f32],
    /// Its values are not needed after the update.
    pub gradient: &'a mut [f32],
    /// Where the gradient may differ from 0.
    pub touched: Touched<'a>,
    /// One slice for each of [`slots`].
    pub state: Vec<&'a mut [f32]>,
    /// Index of its group.
    pub group: usize,
    /// Index of its tensor.
    pub tensor: usize,
    /// Sums of squares of its blocks.
    pub sums: Vec<[f64; 2]>,
    /// What [`Rule::ratio`] gave for its tensor.
    pub ratio: f32,
}

/// Elements of a part.
#[derive(Debug, Clone, Copy)]
pub(super) enum Touched<'a> {
    /// All.
    All,
    /// Some rows of a table.
    Rows {
        /// The rows, ascending, of the whole table.
        indices: &'a [u32],
        /// Values of a row.
        width: usize,
        /// Where the part starts in the table.
        start: usize,
    },
}

impl<'a> Touched<'a> {
    /// The elements of a part of `length`, in order.
    pub(super) fn ranges(self, length: usize) -> impl Iterator<Item = Range<usize>> + 'a {
        let (all, indices, width, start) = match self {
            Touched::All => (Some(0..length), [].as_slice(), 0, 0),
            Touched::Rows {
                indices,
                width,
                start,
            } => (None, indices, width, start),
        };
        let row = move |index: &u32| {
            let first = *index as usize * width;
            // A part may start and end within a row.
            let within = |at: usize| at.saturating_sub(start).min(length);
            within(first)..within(first + width)
        };
        all.into_iter().chain(indices.iter().map(row))
    }
}

/// An update rule with its settings.
pub(super) trait Rule: Debug + Send + Sync {
    /// The carried number of this update, from that of the one before, which starts as 1.
    fn carry(&self, step: &Step) -> f32 {
        step.carry
    }

    /// True where [`Rule::measure`] and [`Rule::ratio`] are to be called before [`Rule::apply`].
    fn measures(&self) -> bool {
        false
    }

    /// Fills the part's sums with squares of two vectors.
    fn measure(&self, _: &Step, _: &mut Part<'_>) {}

    /// The ratio of a tensor, from the norms of its two vectors.
    fn ratio(&self, _: &Step, _: [f64; 2]) -> f32 {
        1.0
    }

    /// True where [`Rule::measure`] leaves something else in the gradient's place.
    fn overwrites(&self) -> bool {
        false
    }

    /// What a vector of the state starts as.
    fn initial(&self) -> f32 {
        0.0
    }

    /// Updates a part.
    fn apply(&self, step: &Step, part: &mut Part<'_>);
}

/// The rule of complete arguments.
pub(super) fn rule_of(arguments: &Arguments) -> Box<dyn Rule> {
    match arguments.name() {
        "SGD" => Box::new(sgd::Sgd::of(arguments)),
        "LARS" => Box::new(sgd::Lars::of(arguments)),
        "NAdam" => Box::new(nadam::NAdam::of(arguments)),
        "RAdam" => Box::new(nadam::RAdam::of(arguments)),
        "Adagrad" => Box::new(adagrad::Adagrad::of(arguments)),
        "Adadelta" => Box::new(adagrad::Adadelta::of(arguments)),
        "RMSprop" => Box::new(rmsprop::RmsProp::of(arguments)),
        "Adamax" => Box::new(adamax::Adamax::of(arguments)),
        "LAMB" => Box::new(lamb::Lamb::of(arguments)),
        "Lion" => Box::new(lion::Lion::of(arguments)),
        _ => Box::new(adam::Adam::of(arguments)),
    }
}

/// The vector of the state that a momentum needs.
pub(super) const MOMENTUM_BUFFER: &str = "momentum_buffer";
/// The number that NAdam carries, by PyTorch's name.
pub(super) const MU_PRODUCT: &str = "mu_product";

/// True where the rule of these arguments carries a number.
pub(super) fn carries(arguments: &Arguments) -> bool {
    arguments.name() == "NAdam"
}

/// Names of the vectors of the state, PyTorch's; `momentum`: some group has a momentum. The momentum's comes last.
pub(super) fn slots(arguments: &Arguments, momentum: bool) -> Vec<&'static str> {
    let mut slots = match arguments.name() {
        "SGD" | "LARS" => vec![],
        "Adagrad" => vec!["sum"],
        "Adadelta" => vec!["square_avg", "acc_delta"],
        "RMSprop" if arguments.flag("centered") => vec!["square_avg", "grad_avg"],
        "RMSprop" => vec!["square_avg"],
        "Adamax" => vec!["exp_avg", "exp_inf"],
        "Lion" => vec!["exp_avg"],
        _ => vec!["exp_avg", "exp_avg_sq"],
    };
    if arguments.flag("amsgrad") {
        slots.push("max_exp_avg_sq");
    }
    if momentum && arguments.has("momentum") {
        slots.push(MOMENTUM_BUFFER);
    }
    slots
}

#[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
fn short(value: f64) -> f32 {
    value as f32
}

/// `1 - base^count`, the correction of a running mean that started at 0.
fn correction(base: f64, count: u64) -> f64 {
    1.0 - libm::pow(base, real(count))
}

#[expect(clippy::cast_precision_loss, reason = "steps are far fewer than 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}

/// The gradient's factor, negative to maximise.
fn signed(scale: f32, maximize: bool) -> f32 {
    if maximize { -scale } else { scale }
}

/// torch.lerp: from the nearer end. `take` and `keep` add up to 1.
#[inline(always)]
fn lerp(from: f32, to: f32, take: f32, keep: f32) -> f32 {
    if take < 0.5 {
        from + take * (to - from)
    } else {
        to - (to - from) * keep
    }
}

/// A running mean.
#[derive(Debug, Clone, Copy)]
struct Mean {
    keep: f32,
    take: f32,
}

impl Mean {
    fn of(beta: f64) -> Self {
        Mean {
            keep: short(beta),
            take: short(1.0 - beta),
        }
    }
}

/// How weight decay acts: the factor of the weights, and what is added to the gradient.
#[derive(Debug, Clone, Copy)]
struct Decay {
    shrink: f32,
    penalty: f32,
}

impl Decay {
    fn of(decoupled: bool, lr: f64, weight_decay: f64) -> Self {
        if decoupled {
            Decay {
                shrink: short(1.0 - lr * weight_decay),
                penalty: 0.0,
            }
        } else {
            Decay {
                shrink: 1.0,
                penalty: short(weight_decay),
            }
        }
    }
}
