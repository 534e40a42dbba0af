//! What a step takes whose gradients go over links that were measured, and whether it is worth while to make them smaller first. As
//! the choice of a plan all of it follows from numbers that every trainer has, so all find the same.

use super::choose::{Choice, MARGIN, choose};
use super::times::{Speed, Speeds, of_tile};
use super::{Algorithm, Shape};
use candlewick_protocol::compression::{CompressionChoice, GradientCompression};
use candlewick_protocol::tree::cover;

/// What exchanges of a gang are expected to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    shape: Shape,
    speeds: Speeds,
    any_order: bool,
}

/// A step of one trainer as far as the exchange is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct StepShape {
    /// Seconds of computing it, of the slowest trainer.
    pub compute: f64,
    /// The parts in which its gradient goes out: when in the step each is final, and its values. One of all values where it goes as a
    /// whole.
    pub parts: Vec<(f64, usize)>,
    /// Whether it is exchanged while the next step is computed.
    pub delayed: bool,
    /// Seconds of packing the gradient and unpacking what comes.
    pub codec: f64,
}

/// What such a step is expected to take.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepForecast {
    /// Seconds of all of it.
    pub seconds: f64,
    /// Of the exchanges, hidden or not.
    pub exchange: f64,
    /// Seconds of those in which the trainer computes.
    pub hidden: f64,
}

impl StepShape {
    /// Values of all parts.
    #[must_use]
    pub fn values(&self) -> usize {
        self.parts.iter().map(|(_, values)| values).sum()
    }

    /// The step if one exchange of so many seconds belongs to it, which begins when all is computed.
    #[must_use]
    pub fn whole(&self, exchange: f64) -> StepForecast {
        if self.delayed {
            return late(self.compute, exchange);
        }
        StepForecast {
            seconds: self.compute + exchange,
            exchange,
            hidden: 0.0,
        }
    }
}

impl Forecast {
    /// Of so many trainers a host that own about as many shards each.
    #[must_use]
    pub fn new(hosts: &[usize], shards: u32, speeds: Speeds, any_order: bool) -> Self {
        Forecast::of(Shape::even(hosts, shards), speeds, any_order)
    }

    /// Of a gang.
    pub(crate) fn of(shape: Shape, speeds: Speeds, any_order: bool) -> Self {
        Forecast {
            shape,
            speeds,
            any_order,
        }
    }

    /// The same trainers, with all links like this one.
    #[must_use]
    pub fn with_links(mut self, speed: Speed) -> Self {
        self.speeds.near = Some(speed);
        self.speeds.far = Some(speed);
        self
    }

    /// How so many values are added up, and the seconds of each way to do that.
    #[must_use]
    pub fn sum(&self, values: usize) -> Choice {
        choose(&self.shape, &self.speeds, values, self.any_order)
    }

    /// Seconds of adding up so many values in the way that is chosen.
    #[must_use]
    pub fn seconds(&self, values: usize) -> f64 {
        self.sum(values).seconds().unwrap_or_default()
    }

    /// Seconds of adding up so many values that are packed before they are sent: who has what, then every trainer with every other one.
    /// Matrices of low rank are no matter of it: their factors are added up as values are.
    #[must_use]
    pub fn packed_seconds(&self, kind: GradientCompression, values: usize) -> f64 {
        if self.shape.ranks() < 2 {
            return 0.0;
        }
        let (levels, shards) = (self.shape.levels(Algorithm::Direct), self.shape.all_shards());
        let words = |bytes: u64| usize::try_from(bytes.div_ceil(4)).unwrap_or(usize::MAX);
        let mut node = words(kind.node_bytes(values as u64));
        if kind.sends_leaves() {
            // The plan has the maximal nodes of each trainer's shards.
            let nodes: usize = self
                .shape
                .shards
                .iter()
                .map(|(lo, hi)| cover(*lo, *hi, shards).len())
                .sum();
            node = node * shards as usize / nodes.max(1);
        }
        let there = of_tile(&self.shape, &self.speeds, &levels, node).0;
        let back = of_tile(
            &self.shape,
            &self.speeds,
            &levels,
            words(kind.sum_bytes(values as u64, shards)),
        )
        .1;
        self.seconds(0) + there + back
    }

    /// A step whose gradient stays as it is.
    #[must_use]
    pub fn step(&self, step: &StepShape) -> StepForecast {
        let exchanges = step
            .parts
            .iter()
            .map(|(ready, values)| (*ready, self.seconds(*values)));
        let exchanges: Vec<(f64, f64)> = exchanges.collect();
        if step.delayed {
            return step.whole(exchanges.iter().map(|(_, seconds)| seconds).sum());
        }
        // One after another, each when it is final.
        let (mut now, mut exchange) = (0.0f64, 0.0);
        for (ready, seconds) in exchanges {
            now = now.max(ready) + seconds;
            exchange += seconds;
        }
        let seconds = now.max(step.compute);
        StepForecast {
            seconds,
            exchange,
            hidden: (step.compute + exchange - seconds).clamp(0.0, exchange),
        }
    }

    /// A step whose gradient is packed, of one of these kinds: it goes as a whole.
    #[must_use]
    pub fn packed_step(&self, kind: GradientCompression, step: &StepShape) -> StepForecast {
        step.whole(self.packed_seconds(kind, step.values()) + step.codec)
    }

    /// What `gradientCompression="auto"` becomes: bf16 where a step without it takes so much longer that the model of the links cannot
    /// be as far off, else none. The kinds that remember what they did not send are no candidates: they change the loss
    /// (docs/compression.md).
    #[must_use]
    pub fn compression(&self, step: &StepShape) -> CompressionChoice {
        let (plain, packed) = (
            self.step(step).seconds,
            self.packed_step(GradientCompression::Bf16, step).seconds,
        );
        let took = |seconds: f64| format!("{:.3} ms", seconds * 1e3);
        let (kind, why) = if self.shape.ranks() < 2 {
            (GradientCompression::None, "one trainer sends nothing".to_owned())
        } else if plain > MARGIN * packed {
            let why = format!(
                "a step is expected to take {} with it, {} without",
                took(packed),
                took(plain)
            );
            (GradientCompression::Bf16, why)
        } else {
            let why = format!(
                "a step is expected to take {}, with bf16 {}: not worth while by {:.0} %",
                took(plain),
                took(packed),
                (MARGIN - 1.0) * 100.0
            );
            (GradientCompression::None, why)
        };
        CompressionChoice { kind, reason: why }
    }
}

/// While the next step is computed.
fn late(compute: f64, exchange: f64) -> StepForecast {
    StepForecast {
        seconds: compute.max(exchange),
        exchange,
        hidden: compute.min(exchange),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 Mbit/s and 1 ms.
    const SLOW: Speed = Speed {
        latency: 1e-3,
        per_byte: 8e-8,
    };

    fn forecast(speed: Speed) -> Forecast {
        let speeds = Speeds {
            far: Some(speed),
            ..Speeds::default()
        };
        Forecast::new(&[1, 1], 8, speeds, false)
    }

    fn whole(compute: f64, values: usize) -> StepShape {
        StepShape {
            compute,
            parts: vec![(compute, values)],
            delayed: false,
            codec: 0.0,
        }
    }

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
    }

    #[test]
    fn parts_go_out_as_they_are_final_and_what_is_computed_meanwhile_is_hidden() {
        let forecast = forecast(SLOW);
        // Two rounds, half of the bytes each.
        let one = forecast.seconds(250_000);
        close(one, 2.0 * (1e-3 + 500_000.0 * 8e-8));
        let mut step = whole(0.1, 250_000);
        let found = forecast.step(&step);
        close(found.seconds, 0.1 + one);
        assert!(found.hidden.abs() < 1e-12);
        // The first one is there early; the last one has to wait for it.
        step.parts = vec![(0.05, 250_000), (0.1, 250_000)];
        let found = forecast.step(&step);
        close(found.seconds, 0.05 + 2.0 * one);
        close(found.hidden, 0.05);
        step.delayed = true;
        let late = forecast.step(&step);
        close(late.seconds, 2.0 * one);
        close(late.hidden, 0.1);
        step.compute = 1.0;
        close(forecast.step(&step).seconds, 1.0);
    }

    #[test]
    fn sixteen_bits_are_chosen_where_the_network_is_what_takes_time() {
        let kind = |forecast: &Forecast, step: &StepShape| forecast.compression(step).kind;
        let slow = forecast(SLOW);
        let chosen = slow.compression(&whole(0.01, 1_000_000));
        assert_eq!(chosen.kind, GradientCompression::Bf16);
        // Four rounds and half of the bytes, where f32 takes eight rounds of four tiles.
        let has =
            |reason: &str, all: [&str; 2]| assert!(all.iter().all(|one| reason.contains(one)), "{reason}");
        has(&chosen.reason, ["expected to take 174.0", " ms with it, 338.0"]);
        // Where much is computed little is to be had.
        let told = slow.compression(&whole(2.0, 1_000_000));
        assert_eq!(told.kind, GradientCompression::None);
        has(&told.reason, ["expected to take 2328.0", " ms, with bf16 2164.0"]);
        // Few values take two more rounds; a fast network nothing.
        assert_eq!(kind(&slow, &whole(0.0, 100)), GradientCompression::None);
        let fast = slow.clone().with_links(Speed {
            latency: 1e-5,
            per_byte: 1e-10,
        });
        assert_eq!(kind(&fast, &whole(0.01, 1_000_000)), GradientCompression::None);
        // Late gradients wait for what is longer.
        let late = |compute| StepShape {
            delayed: true,
            ..whole(compute, 1_000_000)
        };
        assert_eq!(kind(&slow, &late(0.4)), GradientCompression::None);
        assert_eq!(kind(&slow, &late(0.1)), GradientCompression::Bf16);
        // Rounding takes time too.
        let mut dear = whole(0.01, 1_000_000);
        dear.codec = 0.2;
        assert_eq!(kind(&slow, &dear), GradientCompression::None);
    }

    #[test]
    fn what_is_hidden_behind_backward_needs_no_compression() {
        let slow = forecast(SLOW);
        let mut step = whole(0.5, 1_000_000);
        assert_eq!(slow.compression(&step).kind, GradientCompression::Bf16);
        step.parts = vec![(0.1, 900_000), (0.5, 100_000)];
        assert_eq!(slow.compression(&step).kind, GradientCompression::None);
    }

    #[test]
    fn what_is_packed_takes_the_time_of_its_bytes() {
        let slow = forecast(SLOW);
        let seconds = |name| slow.packed_seconds(GradientCompression::read(name).unwrap(), 800_000);
        // Who has what; then half of 1.6 MB, there and back.
        close(seconds("bf16"), 2e-3 + 2.0 * (1e-3 + 800_000.0 * 8e-8));
        // Four leaves of 64,000 bytes where bf16 has one node, and the sum of eight shards.
        close(
            seconds("topk:0.01"),
            2e-3 + 2e-3 + (4.0 * 32_000.0 + 256_000.0) * 8e-8,
        );
        assert!(seconds("1bit") < seconds("bf16"));
        let alone = Forecast::new(&[1], 8, Speeds::default(), false);
        assert_eq!(alone.packed_seconds(GradientCompression::Bf16, 800_000), 0.0);
    }

    #[test]
    fn one_trainer_sends_nothing() {
        let alone = Forecast::new(&[1], 8, Speeds::default(), false);
        let told = alone.compression(&whole(0.01, 1_000_000));
        assert_eq!(
            (told.kind, told.reason.as_str()),
            (GradientCompression::None, "one trainer sends nothing")
        );
    }
}
