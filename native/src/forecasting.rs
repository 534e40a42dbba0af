//! What a step of a fit will take beside computing, by the model of the links that the trainers of a fit choose by: between those of a
//! machine as they were tried, between machines as a network is taken to be.

use candlewick_collective::{Choice, Forecast, Speed, Speeds, StepForecast, StepShape};
use candlewick_model::compression::LowRank;
use candlewick_model::engine::Gradient;
use candlewick_model::network::Network;
use candlewick_model::optim;
use candlewick_model::probe::Tried;
use candlewick_protocol::Failure;
use candlewick_protocol::asynchrony::AGREE_EVERY;
use candlewick_protocol::compression::{CompressionChoice, GradientCompression};
use candlewick_protocol::job::JobSpec;
use serde_json::{Value, json};

/// What a network between machines is taken to be, before anybody has measured it: 10 Gbit/s, shared by the trainers of a machine, and
/// a round trip within a data centre.
const LATENCY: f64 = 100e-6;
pub(crate) const BYTES_PER_SECOND: f64 = 1.25e9;
/// What each further message of an exchange is taken to need where no trainers share a machine.
const MESSAGE: f64 = 5e-6;

/// A fit as far as its exchange is concerned.
#[derive(Debug)]
pub(crate) struct Outlook<'a> {
    pub(crate) job: &'a JobSpec,
    /// Trainers of each machine.
    pub(crate) hosts: Vec<usize>,
    /// Trainers that were tried side by side.
    pub(crate) together: usize,
    /// Seconds of compressing gradients, of packing what is sent and unpacking what comes.
    pub(crate) codec: f64,
    /// Bytes of rows of tables that a trainer sends in a step to other machines.
    pub(crate) rows: f64,
    /// Seconds in which a byte is encrypted and decrypted; 0 where it is not.
    pub(crate) cipher: f64,
    pub(crate) tried: &'a Tried,
    /// What the links between them take.
    pub(crate) speeds: Option<Speeds>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Seconds of a step without what is exchanged.
    pub(crate) compute: f64,
    /// Seconds of exchanges, and of those in which trainers compute.
    pub(crate) exchange: f64,
    pub(crate) hidden: f64,
    /// What there is to tell of it; nothing of one trainer.
    pub(crate) way: Value,
}

impl Outlook<'_> {
    pub(crate) fn found(&self) -> Result<Found, Failure> {
        let compute = self.tried.step - self.tried.exchange;
        if self.hosts.iter().sum::<usize>() < 2 {
            return Ok(Found {
                compute: compute + self.codec,
                exchange: 0.0,
                hidden: 0.0,
                way: Value::Null,
            });
        }
        let train = &self.job.train;
        let forecast = self.forecast(&self.hosts);
        let network = Network::of_job(self.job)?;
        let (step, waited) = (self.step(), self.waited());
        if let Some(local) = &train.local_steps {
            // At a meeting weights and state are exchanged.
            let state = optim::state_size_of_job(train, &network)?.bytes() / size_of::<f32>();
            let choice = forecast.sum(network.num_dense() + state);
            let meetings = f64::from(local.steps.max(1));
            let seconds = choice.seconds().unwrap_or_default() + waited;
            return Ok(Found {
                compute,
                exchange: seconds / meetings,
                hidden: 0.0,
                way: way(Some(&choice), 1, (GradientCompression::None, None)),
            });
        }
        if let Some(staleness) = train.asynchrony.staleness() {
            return self.of_updates(staleness, (&network, &forecast), (compute, waited));
        }
        let (kind, reason) = match train.gradient_compression {
            GradientCompression::Auto => {
                let CompressionChoice { kind, reason } = forecast.compression(&step);
                (kind, Some(reason))
            }
            kind => (kind, None),
        };
        let of_parts = step.parts.iter().map(|(_, values)| *values).max();
        let choice = forecast.sum(of_parts.unwrap_or_default());
        let (found, way) = match (kind, kind.rank()) {
            (GradientCompression::None, _) => (
                forecast.step(&step),
                way(Some(&choice), step.parts.len(), (kind, reason)),
            ),
            (_, Some(rank)) => {
                let low = LowRank::new(rank, &network, Gradient::node_len(&network));
                let sums = forecast.seconds(low.first_len()) + forecast.seconds(low.factors_len());
                let choice = forecast.sum(low.first_len());
                (
                    step.whole(forecast.seconds(0) + sums + self.codec),
                    way(Some(&choice), 1, (kind, reason)),
                )
            }
            _ => (forecast.packed_step(kind, &step), way(None, 1, (kind, reason))),
        };
        let StepForecast { exchange, hidden, .. } = found;
        Ok(Found {
            compute,
            exchange: exchange + waited + self.rows * self.far().per_byte,
            hidden,
            way,
        })
    }

    /// Of trainers that exchange what weights moved by, and go on meanwhile.
    fn of_updates(
        &self,
        staleness: u32,
        (network, forecast): (&Network, &Forecast),
        (compute, waited): (f64, f64),
    ) -> Result<Found, Failure> {
        let state = optim::state_size_of_job(&self.job.train, network)?.bytes() / size_of::<f32>();
        let choice = forecast.sum(network.num_dense());
        let seconds = choice.seconds().unwrap_or_default() + waited;
        let (each, hidden) = stale(staleness, seconds, compute);
        // The optimiser's state, where all agree.
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let met = forecast.seconds(state) / AGREE_EVERY as f64;
        Ok(Found {
            compute,
            exchange: each + met,
            hidden,
            way: way(Some(&choice), 1, (GradientCompression::None, None)),
        })
    }

    /// The links of trainers on these machines.
    fn forecast(&self, hosts: &[usize]) -> Forecast {
        let train = &self.job.train;
        let mut speeds = self.speeds.unwrap_or(Speeds {
            message: MESSAGE,
            ..Speeds::default()
        });
        speeds.far = (hosts.len() > 1).then(|| self.far());
        Forecast::new(hosts, train.logical_shards, speeds, train.any_order)
    }

    /// As a trainer has it while the others of its machine use it too.
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn far(&self) -> Speed {
        let near = self.hosts.iter().copied().max().unwrap_or(1);
        Speed {
            latency: LATENCY,
            // A trainer encrypts what it sends and decrypts as much on one thread, which does nothing else meanwhile.
            per_byte: near as f64 / BYTES_PER_SECOND + self.cipher,
        }
    }

    /// A step as it was tried. Between trainers of one machine gradients go out as a whole.
    fn step(&self) -> StepShape {
        let train = &self.job.train;
        let apart = self.hosts.len() > 1 && !train.asynchrony.is_delayed();
        let computed = self.tried.parts.last().map_or(0.0, |(ready, _)| *ready);
        let values = self.tried.parts.iter().map(|(_, values)| values).sum();
        StepShape {
            compute: computed,
            parts: if apart {
                self.tried.parts.clone()
            } else {
                vec![(computed, values)]
            },
            delayed: train.asynchrony.is_delayed(),
            codec: self.codec,
        }
    }

    /// What trainers of one machine wait for each other: what their exchange took longer than its bytes do.
    fn waited(&self) -> f64 {
        if self.together < 2 {
            return 0.0;
        }
        let values = self.tried.parts.iter().map(|(_, values)| values).sum();
        let expected = self.forecast(&[self.together]).seconds(values);
        (self.tried.exchange - expected).max(0.0)
    }
}

/// What a step takes of exchanges that take so long while steps of `compute` seconds go on, and what is hidden of it. Trainers that
/// wait for an exchange had gone on as far as the bound lets them when it began: two exchanges for `staleness + 1` steps.
fn stale(staleness: u32, exchange: f64, compute: f64) -> (f64, f64) {
    let most = f64::midpoint(f64::from(staleness), 1.0).max(1.0);
    let steps = (exchange / compute.max(f64::MIN_POSITIVE)).clamp(1.0, most);
    let each = exchange / steps;
    (each, each.min(compute))
}

/// How gradients are exchanged, as a plan has it.
fn way(choice: Option<&Choice>, parts: usize, (kind, why): (GradientCompression, Option<String>)) -> Value {
    json!({
        "algorithm": choice.map_or("direct", |choice| choice.algorithm.name()),
        "reason": choice.map_or("what is packed goes to every trainer directly", |choice| choice.reason.as_str()),
        "parts": parts,
        "compression": kind,
        "compressionReason": why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_model::job::complete;

    /// Of a network of about a million values, which computes for 20 ms.
    fn found(params: &Value, hosts: &[usize]) -> Found {
        let mut input = json!({"job": "00", "task": "classifier", "featureWidth": 1000, "params": {
            "network": {"format": "candlewick.network/1", "layers": [
                {"type": "Linear", "out_features": 1000}, {"type": "Linear", "out_features": 10}]},
            "optimizer": {"type": "SGD", "lr": 0.1}}});
        for (name, value) in params.as_object().unwrap() {
            input["params"][name] = value.clone();
        }
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        let tried = Tried {
            step: 0.026,
            exchange: 0.005,
            parts: vec![(0.008, 10_010), (0.02, 1_001_000)],
            ..Tried::default()
        };
        let near = Speed {
            latency: 1e-5,
            per_byte: 1e-9,
        };
        let outlook = Outlook {
            job: &job,
            hosts: hosts.to_vec(),
            together: hosts[0],
            codec: 0.001,
            rows: 0.0,
            cipher: 0.0,
            tried: &tried,
            speeds: (hosts[0] > 1).then_some(Speeds {
                near: Some(near),
                ..Speeds::default()
            }),
        };
        outlook.found().unwrap()
    }

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}");
    }

    #[test]
    fn one_machine_is_as_it_was_tried_and_one_trainer_exchanges_nothing() {
        let near = found(&json!({}), &[2]);
        close(near.exchange, 0.005);
        close(near.compute, 0.021);
        assert!(near.hidden == 0.0 && near.way["algorithm"] == "direct" && near.way["parts"] == 1);
        let alone = found(&json!({}), &[1]);
        assert!(alone.exchange == 0.0 && alone.way.is_null());
    }

    #[test]
    fn parts_late_gradients_local_steps_and_bytes_are_in_the_seconds() {
        // Four megabytes at 10 Gbit/s, half of them there and half back, in tiles of two trainers.
        let whole = 1_011_010.0 * 4.0 / 1.25e9;
        let apart = found(&json!({}), &[1, 1]);
        assert_eq!(apart.way["parts"], 2);
        // Two rounds of 100 µs for each of the tiles of either part.
        close(apart.exchange, whole + 2.0 * 100e-6 * 5.0);
        // Of the first part all is hidden, and of the other nothing: there is nothing before it.
        assert!(
            apart.hidden > 0.0 && apart.hidden < 0.1 * apart.exchange,
            "{apart:?}"
        );
        let late = found(&json!({"asynchrony": "delayed"}), &[1, 1]);
        close(late.hidden, late.exchange);
        // Weights alone: SGD has no state.
        let local = found(&json!({"localSteps": 4}), &[1, 1]);
        close(local.exchange, (whole + 2.0 * 100e-6 * 4.0) / 4.0);
        // All hidden behind 20 ms of computing, but for the state of an optimiser, which SGD does not have.
        let stale = found(&json!({"asynchrony": "stale"}), &[1, 1]);
        close(stale.hidden, whole + 2.0 * 100e-6 * 4.0);
        let half = found(&json!({"gradientCompression": "bf16"}), &[1, 1]);
        assert!(
            half.exchange < apart.exchange && half.way["compression"] == "bf16",
            "{half:?}"
        );
        let low = found(&json!({"gradientCompression": "powersgd:4"}), &[1, 1]);
        assert!(low.exchange < half.exchange, "{low:?}");
        let auto = found(&json!({"gradientCompression": "auto"}), &[1, 1]);
        assert_eq!(auto.way["compression"], "none");
        assert!(
            auto.way["compressionReason"]
                .as_str()
                .unwrap()
                .contains("with bf16"),
            "{auto:?}"
        );
    }

    #[test]
    fn an_exchange_of_updates_is_of_as_many_steps_as_the_bound_lets() {
        let close = |found: (f64, f64), expected: (f64, f64)| {
            let off = (found.0 - expected.0).abs() + (found.1 - expected.1).abs();
            assert!(off < 1e-12, "{found:?} {expected:?}");
        };
        // Fast links: one exchange a step, which is hidden.
        close(stale(7, 0.5, 1.0), (0.5, 0.5));
        // Two steps while one exchange goes on: nobody waits.
        close(stale(7, 2.0, 1.0), (1.0, 1.0));
        // Slow links: four steps an exchange, of which one second each is computed.
        close(stale(7, 40.0, 1.0), (10.0, 1.0));
        close(stale(1, 40.0, 1.0), (40.0, 1.0));
    }

    #[test]
    fn the_plan_is_that_of_the_machines() {
        let hosts = found(&json!({}), &[4, 4]);
        assert_eq!(hosts.way["algorithm"], "two-level", "{hosts:?}");
        let packed = found(&json!({"gradientCompression": "fp16"}), &[4, 4]);
        assert_eq!(
            (&packed.way["algorithm"], &packed.way["compression"]),
            (&json!("direct"), &json!("fp16"))
        );
    }
}
