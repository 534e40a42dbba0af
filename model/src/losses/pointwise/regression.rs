//! Differences, counts, distributions and similarities, element by element.

use super::point::{Legal, Points, Pointwise, above_zero, boxed, each};
use crate::arguments::Arguments;
use crate::kernels::{SimdLevel, simd_dispatch};
use crate::losses::error::LossError;
use crate::losses::loss::Loss;
use crate::numbers::to_f32;

/// `torch.nn.MSELoss`.
#[derive(Debug)]
struct Squared;

/// `torch.nn.L1Loss`.
#[derive(Debug)]
struct Absolute;

/// `torch.nn.SmoothL1Loss` and `torch.nn.HuberLoss`: a parabola near 0, a line beyond.
#[derive(Debug)]
struct Bent {
    /// Where the line begins.
    bend: f64,
    /// Slope of the line.
    slope: f64,
}

/// `torch.nn.PoissonNLLLoss`.
#[derive(Debug)]
struct Poisson {
    log_input: bool,
    full: bool,
    eps: f64,
}

/// `torch.nn.KLDivLoss`.
#[derive(Debug)]
struct Divergence {
    log_target: bool,
    by_row: bool,
}

/// `torch.nn.HingeEmbeddingLoss`.
#[derive(Debug)]
struct Hinge {
    margin: f64,
}

type Built = Result<Box<dyn Loss>, LossError>;

pub(in super::super) fn squared(_arguments: &Arguments) -> Built {
    boxed(Squared)
}

pub(in super::super) fn absolute(_arguments: &Arguments) -> Built {
    boxed(Absolute)
}

pub(in super::super) fn smooth(arguments: &Arguments) -> Built {
    let beta = arguments.real("beta");
    if beta == 0.0 {
        return boxed(Absolute);
    }
    boxed(Bent {
        bend: beta,
        slope: 1.0,
    })
}

pub(in super::super) fn huber(arguments: &Arguments) -> Built {
    let delta = above_zero(arguments, "delta")?;
    boxed(Bent {
        bend: delta,
        slope: delta,
    })
}

pub(in super::super) fn poisson(arguments: &Arguments) -> Built {
    boxed(Poisson {
        log_input: arguments.flag("log_input"),
        full: arguments.flag("full"),
        eps: above_zero(arguments, "eps")?,
    })
}

pub(in super::super) fn divergence(arguments: &Arguments) -> Built {
    boxed(Divergence {
        log_target: arguments.flag("log_target"),
        by_row: arguments.text("reduction") == "batchmean",
    })
}

pub(in super::super) fn hinge(arguments: &Arguments) -> Built {
    boxed(Hinge {
        margin: arguments.real("margin"),
    })
}

simd_dispatch! {
    /// Squares of differences; labels meet the outputs in f32, as in PyTorch.
    fn squares(outputs: &[f32], labels: &[f64], losses: &mut [f64], slopes: &mut [f32]) {
        let points = Points { outputs, labels, losses, slopes };
        each(points, |z, y| {
            #[expect(clippy::cast_possible_truncation, reason = "labels meet the outputs in f32")]
            let difference = z - y as f32;
            (f64::from(difference) * f64::from(difference), 2.0 * difference)
        });
    }
}

/// The sign, 0 of 0; NaN stays NaN.
fn sign(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() {
        x
    } else {
        1.0f64.copysign(x)
    }
}

impl Pointwise for Squared {
    const NAME: &'static str = "MSELoss";

    fn compute(&self, level: SimdLevel, _width: usize, points: Points<'_>) {
        squares(level, points.outputs, points.labels, points.losses, points.slopes);
    }
}

impl Pointwise for Absolute {
    const NAME: &'static str = "L1Loss";

    fn compute(&self, _level: SimdLevel, _width: usize, points: Points<'_>) {
        each(points, |z, y| {
            let difference = f64::from(z) - y;
            (difference.abs(), to_f32(sign(difference)))
        });
    }
}

impl Pointwise for Bent {
    const NAME: &'static str = "HuberLoss";

    fn compute(&self, _level: SimdLevel, _width: usize, points: Points<'_>) {
        each(points, |z, y| {
            let difference = f64::from(z) - y;
            let size = difference.abs();
            if size < self.bend {
                let slope = self.slope * difference / self.bend;
                (0.5 * slope * difference, to_f32(slope))
            } else {
                (
                    self.slope * (size - 0.5 * self.bend),
                    to_f32(self.slope * sign(difference)),
                )
            }
        });
    }
}

impl Pointwise for Poisson {
    const NAME: &'static str = "PoissonNLLLoss";

    fn labels(&self) -> Option<Legal<f64>> {
        Some(Legal {
            test: |label| label >= 0.0,
            expected: "counts of at least 0",
        })
    }

    fn compute(&self, _level: SimdLevel, _width: usize, points: Points<'_>) {
        each(points, |z, y| {
            let z = f64::from(z);
            let (loss, slope) = if self.log_input {
                let rate = libm::exp(z);
                (rate - y * z, rate - y)
            } else {
                let shifted = z + self.eps;
                (z - y * libm::log(shifted), 1.0 - y / shifted)
            };
            // Stirling's formula for log(y!).
            let stirling = if self.full && y > 1.0 {
                y * libm::log(y) - y + 0.5 * libm::log(2.0 * std::f64::consts::PI * y)
            } else {
                0.0
            };
            (loss + stirling, to_f32(slope))
        });
    }
}

impl Pointwise for Divergence {
    const NAME: &'static str = "KLDivLoss";

    fn labels(&self) -> Option<Legal<f64>> {
        (!self.log_target).then_some(Legal {
            test: |label| label >= 0.0,
            expected: "probabilities of at least 0 (or set log_target to true for their logarithms)",
        })
    }

    fn by_row(&self) -> bool {
        self.by_row
    }

    fn compute(&self, _level: SimdLevel, _width: usize, points: Points<'_>) {
        each(points, |z, y| {
            let (target, log_target) = if self.log_target {
                (libm::exp(y), y)
            } else if y > 0.0 {
                (y, libm::log(y))
            } else {
                (0.0, 0.0)
            };
            (target * (log_target - f64::from(z)), to_f32(-target))
        });
    }
}

impl Pointwise for Hinge {
    const NAME: &'static str = "HingeEmbeddingLoss";

    fn labels(&self) -> Option<Legal<f64>> {
        Some(Legal {
            test: |label| label == 1.0 || label == -1.0,
            expected: "1 (similar) or -1 (different)",
        })
    }

    fn compute(&self, _level: SimdLevel, _width: usize, points: Points<'_>) {
        each(points, |z, y| {
            let left = self.margin - f64::from(z);
            if y > 0.0 {
                (f64::from(z), 1.0)
            } else if left < 0.0 {
                (0.0, 0.0)
            } else {
                (left, -1.0)
            }
        });
    }
}
