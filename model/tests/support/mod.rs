//! What every family of layers is checked for: PyTorch's numbers, and the same bits for any owners, threads and
//! batches. Cases come from files written by `golden/make_*.py` with `golden/golden.py`.

#![allow(dead_code, reason = "every test binary uses a part")]

use candlewick_model::engine::{Batch, Engine, Exchange, NodeGradient, Predictor, Slice, SliceSums};
use candlewick_model::network::Network;
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::{Failure, tree};
use serde_json::{Value, json};
use std::sync::{Condvar, Mutex};

/// The cases of a golden file.
pub fn content(text: &str) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(text).unwrap();
    assert_eq!(file["torch"], "2.13.0");
    match file["content"].take() {
        Value::Array(cases) => cases,
        other => vec![other],
    }
}

pub fn doubles(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|number| number.as_f64().unwrap()).collect()
}

pub fn floats(value: &Value) -> Vec<f32> {
    doubles(value).iter().map(|number| *number as f32).collect()
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Named tensors as flat weights; parameters that have none (buffers among gradients) become zeros.
pub fn flat(network: &Network, tensors: &Value) -> Vec<f32> {
    let tensors = tensors.as_object().unwrap();
    for name in tensors.keys() {
        assert!(
            network
                .parameters()
                .iter()
                .any(|parameter| parameter.name == *name),
            "PyTorch has {name}, the network has {:?}",
            network.parameters()
        );
    }
    let mut weights = Vec::new();
    for parameter in network.parameters() {
        match tensors.get(&parameter.name) {
            Some(values) => weights.extend(floats(values)),
            None => {
                assert!(!parameter.trained, "PyTorch lacks {}", parameter.name);
                weights.resize(weights.len() + parameter.len(), 0.0);
            }
        }
        assert_eq!(
            weights.len(),
            parameter.offset + parameter.len(),
            "{}",
            parameter.name
        );
    }
    weights
}

/// Largest difference, relative to the largest element.
pub fn assert_close(got: &[f32], wanted: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let size = wanted.iter().fold(1e-3f32, |size, value| size.max(value.abs()));
    for (at, (g, w)) in got.iter().zip(wanted).enumerate() {
        let wrong = (g - w).abs() / size;
        assert!(
            wrong <= tolerance,
            "{what}: element {at} is {g}, PyTorch has {w} ({wrong:e})"
        );
    }
}

/// A case: a network whose outputs meet real labels in MSELoss, or labels of its own in another loss.
pub struct Case {
    pub name: String,
    pub network: Network,
    pub weights: Vec<f32>,
    pub features: Vec<f32>,
    pub labels: Vec<f64>,
    pub row_weights: Vec<f64>,
    pub own_loss: Option<(Value, LabelKind)>,
    pub value: Value,
}

/// Logical shards of the checks.
pub const SHARDS: u32 = 8;

/// Cuts rows into slices over eight shards, some of them empty.
pub fn slices(rows: usize) -> Vec<Slice> {
    let mut left = rows;
    (0..SHARDS)
        .map(|shard| {
            let rows = if shard == SHARDS - 1 {
                left
            } else {
                left.min([2, 0, 1, 3][shard as usize % 4])
            };
            left -= rows;
            Slice { shard, rows }
        })
        .collect()
}

impl Case {
    pub fn of(value: &Value) -> Self {
        let shape: Vec<usize> = doubles(&value["inputShape"])
            .iter()
            .map(|size| *size as usize)
            .collect();
        let network = Network::from_document(&value["network"], &shape)
            .unwrap_or_else(|failure| panic!("{}: {failure}", value["name"]));
        Case {
            name: value["name"].as_str().unwrap().to_owned(),
            weights: flat(&network, &value["parameters"]),
            network,
            features: floats(&value["features"]),
            labels: doubles(&value["labels"]),
            row_weights: doubles(&value["weights"]),
            own_loss: None,
            value: value.clone(),
        }
    }

    /// The same with another loss, over a label of that kind.
    #[allow(dead_code, reason = "each test uses what it needs")]
    pub fn with_loss(self, loss: Value, label: LabelKind) -> Self {
        Case {
            own_loss: Some((loss, label)),
            ..self
        }
    }

    pub fn rows(&self) -> usize {
        self.row_weights.len()
    }

    fn loss(&self) -> (Value, LabelKind) {
        self.own_loss.clone().unwrap_or_else(|| {
            let width = self.network.output_width() as u32;
            (json!({"type": "MSELoss"}), LabelKind::Real { width })
        })
    }

    pub fn engine(&self, threads: usize) -> Engine {
        let (loss, label) = self.loss();
        Engine::new(&self.network, &loss, &label, 3, threads).unwrap()
    }

    /// A step over the shards `lo..hi`.
    pub fn step(
        &self,
        engine: &mut Engine,
        (lo, hi): (u32, u32),
        exchange: &mut (dyn Exchange + Send),
    ) -> (Vec<SliceSums>, Vec<NodeGradient>) {
        let all = slices(self.rows());
        let start: usize = all[..lo as usize].iter().map(|slice| slice.rows).sum();
        let own = &all[lo as usize..hi as usize];
        let end = start + own.iter().map(|slice| slice.rows).sum::<usize>();
        let (width, labels) = (self.network.input_width(), self.loss().1.width());
        let batch = Batch {
            step: 5,
            slices: own,
            features: (&self.features[start * width..end * width]).into(),
            labels: &self.labels[start * labels..end * labels],
            weights: &self.row_weights[start..end],
        };
        let mut nodes: Vec<NodeGradient> = tree::cover(lo, hi, SHARDS)
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi))
            .collect();
        let sums = engine
            .step_among(&self.weights, &batch, &mut nodes, exchange)
            .unwrap();
        (sums, nodes)
    }

    /// PyTorch's outputs, loss, gradients, and buffers after the step, within `tolerance`.
    pub fn numbers(&self, tolerance: f32) {
        let name = &self.name;
        let mut predictor = Predictor::new(&self.network, 1).unwrap();
        let outputs = predictor
            .predict(&self.weights, &self.features, self.rows())
            .unwrap();
        assert_close(outputs, &floats(&self.value["evaluated"]), tolerance, name);
        let mut engine = self.engine(1);
        let (sums, nodes) = self.step(&mut engine, (0, SHARDS), &mut candlewick_model::engine::Alone);
        let denominator: f64 = sums.iter().map(|sum| sum.denominator).sum();
        let value = sums.iter().map(|sum| sum.loss).sum::<f64>() / denominator;
        let flat = nodes[0].flat(&self.network);
        assert_close(
            &[value as f32],
            &floats(&json!([self.value["value"]])),
            tolerance,
            name,
        );
        for parameter in self
            .network
            .parameters()
            .iter()
            .filter(|parameter| parameter.trained)
        {
            let values = &flat[parameter.offset..parameter.offset + parameter.len()];
            let gradient: Vec<f32> = values
                .iter()
                .map(|g| (f64::from(*g) / denominator) as f32)
                .collect();
            let wanted = floats(&self.value["gradients"][&parameter.name]);
            assert_close(
                &gradient,
                &wanted,
                tolerance,
                &format!("{name}, gradient of {}", parameter.name),
            );
        }
        if let Some(after) = self.value.get("buffersAfter").filter(|after| !after.is_null()) {
            let mut weights = self.weights.clone();
            engine.update_buffers(&mut weights);
            for parameter in self
                .network
                .parameters()
                .iter()
                .filter(|parameter| !parameter.trained)
            {
                let values = &weights[parameter.offset..parameter.offset + parameter.len()];
                assert_close(
                    values,
                    &floats(&after[&parameter.name]),
                    tolerance,
                    &parameter.name,
                );
            }
        }
    }

    /// The same bits for one trainer, for two, for three, with threads; and for rows scored alone.
    pub fn same_bits(&self) {
        let (sums, whole) = self.step(
            &mut self.engine(1),
            (0, SHARDS),
            &mut candlewick_model::engine::Alone,
        );
        for (cut, threads) in [
            (vec![0, SHARDS], 2),
            (vec![0, 3, SHARDS], 1),
            (vec![0, 1, 6, SHARDS], 2),
            // Slice by slice.
            ((0..=SHARDS).collect(), 1),
        ] {
            let (lines, nodes) = self.trainers(&cut, threads);
            assert_eq!(lines, sums, "{}: sums of {cut:?}", self.name);
            let root = assemble(&nodes, 0, SHARDS).unwrap();
            assert_eq!(
                bits(&root.flat(&self.network)),
                bits(&whole[0].flat(&self.network)),
                "{}: {cut:?}, {threads} threads",
                self.name
            );
        }
        let width = self.network.input_width();
        let mut predictor = Predictor::new(&self.network, 2).unwrap();
        let all = bits(
            predictor
                .predict(&self.weights, &self.features, self.rows())
                .unwrap(),
        );
        for row in 0..self.rows() {
            let features = &self.features[row * width..(row + 1) * width];
            let alone = bits(predictor.predict(&self.weights, features, 1).unwrap());
            let size = alone.len();
            assert_eq!(
                alone,
                all[row * size..(row + 1) * size],
                "{}: row {row} alone",
                self.name
            );
        }
    }

    /// A step by several trainers at once, each on a thread of its own.
    pub fn trainers(&self, cut: &[u32], threads: usize) -> (Vec<SliceSums>, Vec<NodeGradient>) {
        let meeting = Meeting::new(cut.len() - 1);
        let parts: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = cut
                .windows(2)
                .map(|ends| {
                    let mut seat = Seat(&meeting);
                    scope.spawn(move || self.step(&mut self.engine(threads), (ends[0], ends[1]), &mut seat))
                })
                .collect();
            started
                .into_iter()
                .map(|trainer| trainer.join().unwrap())
                .collect()
        });
        let (lines, nodes): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (lines.concat(), nodes.concat())
    }

    /// The gradient along a direction against a difference of losses.
    pub fn differences(&self, tolerance: f64) {
        let alone = &mut candlewick_model::engine::Alone;
        let (_, nodes) = self.step(&mut self.engine(1), (0, SHARDS), alone);
        let trained: Vec<bool> = self
            .network
            .parameters()
            .iter()
            .flat_map(|parameter| std::iter::repeat_n(parameter.trained, parameter.len()))
            .collect();
        let gradient = &nodes[0].flat(&self.network);
        let norm: f64 = gradient
            .iter()
            .zip(&trained)
            .map(|(g, trained)| {
                if *trained {
                    f64::from(*g) * f64::from(*g)
                } else {
                    0.0
                }
            })
            .sum::<f64>()
            .sqrt();
        let mut loss = |step: f64| {
            let weights = self.weights.iter().zip(gradient).zip(&trained);
            let moved = weights
                .map(|((w, g), trained)| {
                    let step = if *trained {
                        step * f64::from(*g) / norm
                    } else {
                        0.0
                    };
                    (f64::from(*w) + step) as f32
                })
                .collect();
            let case = Case {
                weights: moved,
                name: self.name.clone(),
                network: self.network.clone(),
                features: self.features.clone(),
                labels: self.labels.clone(),
                row_weights: self.row_weights.clone(),
                own_loss: self.own_loss.clone(),
                value: Value::Null,
            };
            let (sums, _) = case.step(&mut case.engine(1), (0, SHARDS), alone);
            sums.iter().map(|sum| sum.loss).sum::<f64>()
        };
        let size = 2e-3;
        let slope = (loss(size) - loss(-size)) / (2.0 * size);
        assert!(
            (slope - norm).abs() <= tolerance * norm.max(1e-3),
            "{}: slope {slope}, gradient {norm}",
            self.name
        );
    }
}

/// Runs every check over every case of a golden file.
pub fn check_layers(text: &str) {
    for value in content(text) {
        let case = Case::of(&value);
        case.numbers(1e-5);
        case.same_bits();
        case.differences(1e-2);
    }
}

/// left + right of the tree, from the nodes that are known.
pub fn assemble(nodes: &[NodeGradient], lo: u32, hi: u32) -> Option<NodeGradient> {
    if let Some(node) = nodes.iter().find(|node| (node.lo, node.hi) == (lo, hi)) {
        return node.present.then(|| node.clone());
    }
    let middle = tree::split(lo, hi);
    match (assemble(nodes, lo, middle), assemble(nodes, middle, hi)) {
        (Some(mut left), Some(right)) => {
            left.values
                .iter_mut()
                .zip(&right.values)
                .for_each(|(sum, part)| *sum += part);
            for (rows, more) in left.sparse_rows.iter_mut().zip(&right.sparse_rows) {
                let mut sum = SparseRows::new(rows.entries, rows.width);
                sum.set_sum(rows.view(), more.view());
                *rows = sum;
            }
            Some(left)
        }
        (left, right) => left.or(right),
    }
}

/// Where trainers on threads give each other their numbers.
pub struct Meeting {
    trainers: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    round: u64,
    here: usize,
    values: Vec<Option<Vec<f64>>>,
    last: Vec<Option<Vec<f64>>>,
}

impl Meeting {
    pub fn new(trainers: usize) -> Self {
        Meeting {
            trainers,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }
}

/// One trainer's place in a meeting.
pub struct Seat<'a>(pub &'a Meeting);

impl Exchange for Seat<'_> {
    fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure> {
        let mut state = self.0.state.lock().unwrap();
        state.values.resize(SHARDS as usize, None);
        for (shard, values) in own {
            state.values[shard as usize] = values;
        }
        state.here += 1;
        let round = state.round;
        if state.here == self.0.trainers {
            state.last = std::mem::take(&mut state.values);
            state.here = 0;
            state.round += 1;
            self.0.changed.notify_all();
        }
        while state.round == round {
            state = self.0.changed.wait(state).unwrap();
        }
        Ok(state.last.clone())
    }
}
