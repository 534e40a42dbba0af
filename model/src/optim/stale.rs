//! A trainer that does not wait for the others at every step (`asynchrony = "stale"`): between two points on which all agree it has
//! weights and a state of the optimiser of its own.

use super::local::Replicas;
use super::updates::Updates;
use crate::engine::{Engine, Gradient};
use crate::network::Network;
use crate::numbers::to_f32;
use candlewick_protocol::Failure;
use candlewick_protocol::job::TrainSpec;

/// See the module. Nothing of it outlives such a point: the weights there are what all updates come to, and the state of the
/// optimiser is the mean of the trainers', by their rows.
#[derive(Debug)]
pub struct Worker {
    own: Replicas,
    /// The weights before the step at hand.
    before: Vec<f32>,
}

impl Worker {
    /// Before the first step.
    ///
    /// # Errors
    /// `InvalidParameter` where the optimiser's document is not legal.
    pub fn new(train: &TrainSpec, network: &Network, engine: &Engine) -> Result<Self, Failure> {
        Ok(Worker {
            own: Replicas::new(train, network, engine)?,
            before: Vec::new(),
        })
    }

    /// Leaves a point on which all agree, before step `step` of the training.
    ///
    /// # Errors
    /// `InvalidParameter` where the schedule moves a momentum that is not there.
    pub fn depart(&mut self, updates: &Updates, weights: &[f32], step: u64) -> Result<(), Failure> {
        self.own.depart(updates, weights, (1, step))
    }

    /// Its weights.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        self.own.weights(0)
    }

    /// The same, for what others have sent.
    pub fn weights_mut(&mut self) -> &mut [f32] {
        self.own.weights_mut(0)
    }

    /// A step begins that moves the weights: running statistics first, which the caller changes.
    pub fn begin_step(&mut self) -> &mut [f32] {
        let weights = self.own.weights_mut(0);
        self.before.clear();
        self.before.extend_from_slice(weights);
        weights
    }

    /// The step's update, by the gradient of this trainer's rows and what that is divided by (0 where no row counts); `rows`: how
    /// many they are.
    ///
    /// # Errors
    /// As [`Updates::step`].
    pub fn step(
        &mut self,
        updates: &Updates,
        step: u64,
        gradient: &mut Gradient,
        (denominator, rows): (f64, f64),
    ) -> Result<(), Failure> {
        self.own.step(updates, (0, step), gradient, (denominator, rows))
    }

    /// What the step moved the weights by counts as `share` of a step: so much of it stays, and is added to `pending`, what the
    /// others are to hear.
    pub fn share(&mut self, share: f64, pending: &mut [f32]) {
        let share = to_f32(share);
        let weights = self.own.weights_mut(0).iter_mut();
        for ((weight, before), pending) in weights.zip(&self.before).zip(pending) {
            let moved = share * (*weight - before);
            *weight = before + moved;
            *pending += moved;
        }
    }

    /// Updates since the last such point, and rows; none where it had no rows.
    #[must_use]
    pub fn made(&self, updates: &Updates) -> Option<(u64, f64)> {
        self.own.made(updates, 0)
    }

    /// The state of the optimiser times the rows, for the mean; none where it had no rows, and of the same length on all trainers.
    #[must_use]
    pub fn state(&self) -> (Vec<f32>, bool) {
        let Some(own) = self.own.all.first() else {
            return (Vec::new(), false);
        };
        let rows = to_f32(own.weight);
        let values = own.state.iter().flatten().chain(&own.carried);
        (values.map(|value| rows * value).collect(), own.present)
    }
}

impl Updates {
    /// All trainers agree again, on these weights. `sum` is what they have of the optimiser's state ([`Worker::state`]), over `rows`
    /// rows; `made`: the most updates that one of them made. `step` is the last one. Without rows nothing but the schedule moves.
    ///
    /// # Errors
    /// `Internal` where the lengths do not agree.
    pub fn settle(
        &mut self,
        (weights, agreed): (&mut [f32], &[f32]),
        sum: &[f32],
        (rows, made): (f64, u64),
        step: u64,
    ) -> Result<(), Failure> {
        self.apply_schedule(step)?;
        if rows == 0.0 {
            return Ok(());
        }
        let (optimizer, _) = self.parts();
        let state: usize = optimizer.state.iter().map(|values| values.host().len()).sum();
        if sum.len() != state + optimizer.groups.len() || agreed.len() != weights.len() {
            return Err(Failure::internal(
                "what trainers agree on has another length than the weights and the optimiser's state",
            ));
        }
        weights.copy_from_slice(agreed);
        self.take_state(sum, (to_f32(1.0 / rows), made));
        self.average((&*weights).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::job::LabelKind;
    use serde_json::json;

    fn network() -> Network {
        let layers =
            json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]});
        Network::from_document(&layers, &[1]).unwrap()
    }

    fn train(optimizer: serde_json::Value) -> TrainSpec {
        serde_json::from_value(json!({
            "network": null, "loss": {"type": "MSELoss"}, "optimizer": optimizer, "epochs": 1, "batchSize": 4,
            "dropLast": false, "seed": 0, "logicalShards": 2, "clipNorm": null, "clipValue": null,
            "asynchrony": {"stale": 2}}))
        .unwrap()
    }

    fn gradient(network: &Network, values: [f32; 2]) -> Gradient {
        let mut gradient = Gradient::new(network);
        gradient.as_mut_dense().copy_from_slice(&values);
        gradient
    }

    /// Two trainers with one and three of four rows: together they move as far as a step of all rows does.
    #[test]
    fn the_updates_of_a_step_of_all_trainers_are_that_of_all_rows() {
        for optimizer in [
            json!({"type": "SGD", "lr": 0.5, "momentum": 0.9}),
            json!({"type": "Adam", "lr": 0.5}),
        ] {
            let (network, train) = (network(), train(optimizer));
            let engine = Engine::new(
                &network,
                &train.loss,
                &LabelKind::Real { width: 1 },
                train.seed,
                1,
            )
            .unwrap();
            let start = [1.0, 2.0];
            let mut agreed = start.to_vec();
            let mut updates = Updates::new(&train, &network, &engine, &start).unwrap();
            updates.begin(1).unwrap();
            let mut sum = vec![0.0; 0];
            for (rows, values) in [(1.0, [2.0, 4.0]), (3.0, [6.0, 12.0])] {
                let mut worker = Worker::new(&train, &network, &engine).unwrap();
                worker.depart(&updates, &start, 0).unwrap();
                worker.begin_step();
                let mut own = gradient(&network, values);
                worker.step(&updates, 0, &mut own, (rows, rows)).unwrap();
                worker.share(rows / 4.0, &mut agreed);
                let (state, present) = worker.state();
                assert!(present && worker.made(&updates) == Some((1, rows)));
                sum.resize(state.len(), 0.0);
                sum.iter_mut().zip(&state).for_each(|(sum, own)| *sum += own);
            }
            let mut weights = start;
            updates
                .settle((&mut weights, &agreed), &sum, (4.0, 1), 0)
                .unwrap();
            // The same at once.
            let mut all = Updates::new(&train, &network, &engine, &start).unwrap();
            all.begin(1).unwrap();
            let mut expected = start;
            all.step(&mut expected, &mut gradient(&network, [8.0, 16.0]), 4.0, 0)
                .unwrap();
            let values = |updates: &Updates| -> Vec<f32> {
                let state = updates.state().unwrap().tensors;
                state.iter().flat_map(|tensor| tensor.values.clone()).collect()
            };
            let pairs = weights.into_iter().zip(expected);
            let states = values(&updates).into_iter().zip(values(&all));
            for (got, expected) in pairs.chain(states) {
                assert!((got - expected).abs() < 1e-5, "{got} {expected}");
            }
            assert_eq!(updates.optimizer().steps(), 1);
        }
    }

    #[test]
    fn a_worker_keeps_the_share_of_its_step_that_it_tells() {
        let (network, train) = (network(), train(json!({"type": "SGD", "lr": 1.0})));
        let engine = Engine::new(
            &network,
            &train.loss,
            &LabelKind::Real { width: 1 },
            train.seed,
            1,
        )
        .unwrap();
        let mut updates = Updates::new(&train, &network, &engine, &[0.0, 0.0]).unwrap();
        updates.begin(4).unwrap();
        let mut worker = Worker::new(&train, &network, &engine).unwrap();
        worker.depart(&updates, &[0.0, 0.0], 0).unwrap();
        let mut pending = [0.5, 0.0];
        worker.begin_step();
        let mut own = gradient(&network, [4.0, -8.0]);
        worker.step(&updates, 0, &mut own, (4.0, 4.0)).unwrap();
        worker.share(0.25, &mut pending);
        assert_eq!(
            (worker.weights(), pending),
            ([-0.25, 0.5].as_slice(), [0.25, 0.5])
        );
        let wrong = updates.settle((&mut [0.0, 0.0], &[0.0, 0.0]), &[0.0; 9], (1.0, 1), 0);
        assert!(wrong.unwrap_err().message.contains("another length"));
    }
}
