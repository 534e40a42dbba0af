//! The shapes of schedules, in closed form.

use super::plateau::Plateau;
use super::setting::{Length, count};
use crate::arguments::Arguments;
use crate::numbers::real;
use std::f64::consts::PI;
use std::fmt;

/// A schedule without its warm-up.
#[derive(Debug, Clone)]
pub(super) enum Curve {
    Constant { factor: f64, total: u64 },
    Linear { start: f64, end: f64, total: u64 },
    Step { size: u64, gamma: f64 },
    MultiStep { milestones: Vec<u64>, gamma: f64 },
    Exponential { gamma: f64 },
    Polynomial { total: u64, power: f64 },
    Cosine { half: u64, least: f64 },
    Restarts { first: u64, growth: u64, least: f64 },
    OneCycle(OneCycle),
    Plateau(Plateau),
}

impl Curve {
    /// The curve of complete arguments; `left`: intervals of the training after the warm-up.
    pub(super) fn of(
        arguments: &Arguments,
        base_lr: f64,
        left: u64,
        length: Length,
    ) -> Result<Self, ShortCycle> {
        let number = |name: &str| arguments.real(name);
        let whole = |name: &str| count(arguments, name);
        Ok(match arguments.name() {
            "ConstantLR" => Curve::Constant {
                factor: number("factor"),
                total: whole("total_iters"),
            },
            "LinearLR" => Curve::Linear {
                start: number("start_factor"),
                end: number("end_factor"),
                total: whole("total_iters"),
            },
            "StepLR" => Curve::Step {
                size: whole("step_size"),
                gamma: number("gamma"),
            },
            "MultiStepLR" => Curve::MultiStep {
                milestones: arguments
                    .ints("milestones")
                    .into_iter()
                    .filter_map(|milestone| u64::try_from(milestone).ok())
                    .collect(),
                gamma: number("gamma"),
            },
            "ExponentialLR" => Curve::Exponential {
                gamma: number("gamma"),
            },
            "PolynomialLR" => Curve::Polynomial {
                total: whole("total_iters"),
                power: number("power"),
            },
            "CosineAnnealingLR" => Curve::Cosine {
                half: whole("T_max"),
                least: number("eta_min"),
            },
            "CosineAnnealingWarmRestarts" => Curve::Restarts {
                first: whole("T_0"),
                growth: whole("T_mult"),
                least: number("eta_min"),
            },
            "ReduceLROnPlateau" => Curve::Plateau(Plateau::of(arguments, base_lr)),
            _ => Curve::OneCycle(OneCycle::of(arguments, left, length)?),
        })
    }

    /// Factor of the learning rate after `t` intervals, and momentum.
    pub(super) fn at(&self, base_lr: f64, t: u64) -> (f64, Option<f64>) {
        let factor = match self {
            Curve::Constant { factor, total } if t < *total => *factor,
            Curve::Constant { .. } => 1.0,
            Curve::Linear { start, end, total } => start + (end - start) * real(t.min(*total)) / real(*total),
            Curve::Step { size, gamma } => libm::pow(*gamma, real(t / size)),
            Curve::MultiStep { milestones, gamma } => {
                let passed = milestones.iter().map(|at| u64::from(*at <= t)).sum();
                libm::pow(*gamma, real(passed))
            }
            Curve::Exponential { gamma } => libm::pow(*gamma, real(t)),
            Curve::Polynomial { total, power } => libm::pow(1.0 - real(t.min(*total)) / real(*total), *power),
            Curve::Cosine { half, least } => cosine(base_lr, *least, real(t), real(*half)),
            Curve::Restarts { first, growth, least } => {
                let (at, length) = cycle(t, *first, *growth);
                cosine(base_lr, *least, real(at), real(length))
            }
            Curve::OneCycle(cycle) => {
                let (lr, momentum) = cycle.at(real(t));
                return (lr / base_lr, momentum);
            }
            Curve::Plateau(plateau) => plateau.lr() / base_lr,
        };
        (factor, None)
    }
}

/// Cosine annealing from 1 down to `least / base_lr` at `t = half`.
fn cosine(base_lr: f64, least: f64, t: f64, half: f64) -> f64 {
    (least + (base_lr - least) * (1.0 + libm::cos(PI * t / half)) / 2.0) / base_lr
}

/// Where in its cycle, and in a cycle of which length, `t` lies.
fn cycle(t: u64, first: u64, growth: u64) -> (u64, u64) {
    if growth == 1 {
        return (t % first, first);
    }
    let (mut at, mut length) = (t, first);
    while at >= length {
        at -= length;
        length = length.saturating_mul(growth);
    }
    (at, length)
}

/// A cycle that is over before the training run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShortCycle {
    /// Intervals of the cycle.
    total: u64,
    /// Intervals of the training run after the warm-up.
    left: u64,
    /// What they count: epochs or steps.
    by_epoch: bool,
}

impl fmt::Display for ShortCycle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShortCycle {
            total,
            left,
            by_epoch,
        } = self;
        let unit = if *by_epoch { "epoch" } else { "step" };
        write!(
            formatter,
            "the cycle has {total} {unit}s, but the training has {left} after the warm-up; leave out total_steps, \
             epochs and steps_per_epoch, then the cycle is as long as the training"
        )
    }
}

/// OneCycleLR.
#[derive(Debug, Clone)]
pub(super) struct OneCycle {
    phases: Vec<Phase>,
    cosine: bool,
    momentum: bool,
}

/// A phase until `end`, in which learning rate and momentum move from the first to the second value.
#[derive(Debug, Clone, Copy)]
struct Phase {
    end: f64,
    lr: [f64; 2],
    momentum: [f64; 2],
}

impl OneCycle {
    fn of(arguments: &Arguments, left: u64, length: Length) -> Result<Self, ShortCycle> {
        let total = Self::total(arguments, left, length)?;
        let (share, total) = (arguments.real("pct_start"), real(total));
        let largest = arguments.real("max_lr");
        let first = largest / arguments.real("div_factor");
        let last = first / arguments.real("final_div_factor");
        let [low, high] = ["base_momentum", "max_momentum"].map(|name| arguments.real(name));
        let rise = Phase {
            end: share * total - 1.0,
            lr: [first, largest],
            momentum: [high, low],
        };
        let phases = if arguments.flag("three_phase") {
            let fall = Phase {
                end: 2.0 * share * total - 2.0,
                lr: [largest, first],
                momentum: [low, high],
            };
            let vanish = Phase {
                end: total - 1.0,
                lr: [first, last],
                momentum: [high, high],
            };
            vec![rise, fall, vanish]
        } else {
            let fall = Phase {
                end: total - 1.0,
                lr: [largest, last],
                momentum: [low, high],
            };
            vec![rise, fall]
        };
        Ok(OneCycle {
            phases,
            cosine: arguments.text("anneal_strategy") == "cos",
            momentum: arguments.flag("cycle_momentum"),
        })
    }

    /// Intervals of the cycle.
    fn total(arguments: &Arguments, left: u64, length: Length) -> Result<u64, ShortCycle> {
        let given = |name: &str| arguments.value(name).as_u64();
        let total = match (given("total_steps"), given("epochs"), given("steps_per_epoch")) {
            (Some(total), _, _) => total,
            (None, None, None) => return Ok(left.max(1)),
            (None, epochs, steps) => epochs
                .unwrap_or(length.epochs)
                .saturating_mul(steps.unwrap_or(length.steps_per_epoch)),
        };
        if total < left {
            return Err(ShortCycle {
                total,
                left,
                by_epoch: arguments.text("interval") == "epoch",
            });
        }
        Ok(total)
    }

    /// Learning rate and momentum after `t` intervals.
    fn at(&self, t: f64) -> (f64, Option<f64>) {
        let mut start = 0.0;
        for (index, phase) in self.phases.iter().enumerate() {
            if t <= phase.end || index + 1 == self.phases.len() {
                let length = phase.end - start;
                // A phase of no length is over.
                let share = if length == 0.0 { 1.0 } else { (t - start) / length };
                let momentum = self.momentum.then(|| self.between(phase.momentum, share));
                return (self.between(phase.lr, share), momentum);
            }
            start = phase.end;
        }
        // There are two phases at least.
        (0.0, None)
    }

    fn between(&self, [start, end]: [f64; 2], share: f64) -> f64 {
        if self.cosine {
            end + (start - end) / 2.0 * (libm::cos(PI * share) + 1.0)
        } else {
            (end - start) * share + start
        }
    }
}
