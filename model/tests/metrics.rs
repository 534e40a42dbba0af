//! The same values as scikit-learn, and the same bits however the rows are spread. The file is written by
//! `golden/make_metrics.py`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::head::Head;
use candlewick_model::metrics::{Areas, MetricSet, Rows, SLICE_ROWS};
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::row::{RowHasher, shard_of};
use serde_json::{Map, Value, json};

/// V of these tests.
const SHARDS: u32 = 8;

struct Case {
    head: Head,
    outputs: Vec<f32>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    expected: Map<String, Value>,
}

fn doubles(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|number| number.as_f64().unwrap()).collect()
}

fn cases() -> Vec<(String, Case)> {
    let file: Value = serde_json::from_str(include_str!("golden/metrics.json")).unwrap();
    let cases = file["cases"].as_object().unwrap();
    let read = |case: &Value| {
        let width = u32::try_from(case["outputWidth"].as_u64().unwrap()).unwrap();
        let label = match u32::try_from(case["classes"].as_u64().unwrap()).unwrap() {
            0 => LabelKind::Real { width },
            num_classes => LabelKind::class(num_classes),
        };
        let layers = [json!({"type": "Linear", "out_features": width})];
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        let network = Network::from_document(&document, &[1]).unwrap();
        Case {
            head: Head::of(&label, &network).unwrap(),
            outputs: doubles(&case["outputs"]).iter().map(|x| *x as f32).collect(),
            labels: doubles(&case["labels"]),
            weights: doubles(&case["weights"]),
            expected: case["expected"].as_object().unwrap().clone(),
        }
    };
    cases
        .iter()
        .map(|(name, case)| (name.clone(), read(case)))
        .collect()
}

impl Case {
    fn set(&self) -> MetricSet {
        let names: Vec<String> = self.expected.keys().cloned().collect();
        MetricSet::new(&names, self.head, None).unwrap()
    }

    fn label_width(&self) -> usize {
        self.labels.len() / self.weights.len()
    }

    /// The rows `at`, one after another.
    fn pick(&self, at: &[usize]) -> (Vec<f32>, Vec<f64>, Vec<f64>) {
        let (outputs, labels) = (self.head.output_width(), self.label_width());
        (
            at.iter()
                .flat_map(|row| &self.outputs[row * outputs..][..outputs])
                .copied()
                .collect(),
            at.iter()
                .flat_map(|row| &self.labels[row * labels..][..labels])
                .copied()
                .collect(),
            at.iter().map(|row| self.weights[*row]).collect(),
        )
    }

    /// The values where `trainers` own the shards and the rows arrive as `arrival` says.
    fn spread(&self, trainers: usize, arrival: &[usize], slice: usize) -> Map<String, Value> {
        let set = self.set();
        let mut hasher = RowHasher::default();
        let mut shards: Vec<Vec<(u128, usize)>> = vec![Vec::new(); SHARDS as usize];
        for row in arrival {
            let (outputs, labels, weights) = self.pick(&[*row]);
            let hash = hasher.hash(&outputs, &labels, weights[0], true);
            shards[shard_of(hash, SHARDS) as usize].push((hash, *row));
        }
        // What every trainer sends: a tally a shard, and the points of its rows.
        let mut sent = Vec::new();
        let mut points = vec![Vec::new(); set.curves().len()];
        for (lo, hi) in ownership(SHARDS, trainers) {
            for shard in &mut shards[lo as usize..hi as usize] {
                shard.sort_unstable();
                let order: Vec<usize> = shard.iter().map(|(_, row)| *row).collect();
                let mut leaves: Vec<Option<Vec<f64>>> = Vec::new();
                for part in order.chunks(slice) {
                    let (outputs, labels, weights) = self.pick(part);
                    let rows = Rows {
                        outputs: &outputs,
                        labels: &labels,
                        weights: &weights,
                    };
                    leaves.push(Some(set.tally(&rows)));
                    set.points(&rows, &mut points);
                }
                sent.push(set.reduce(&mut leaves));
            }
        }
        let areas: Vec<Areas> = points.iter_mut().map(|points| Areas::of(points)).collect();
        set.values(&set.reduce(&mut sent).unwrap(), &areas)
    }
}

fn close(name: &str, got: &Value, wanted: &Value) {
    if let Some(lines) = wanted.as_array() {
        assert_eq!(lines.len(), got.as_array().unwrap().len());
        for (at, line) in lines.iter().enumerate() {
            close(name, &got[at], line);
        }
        return;
    }
    let (got, wanted) = (got.as_f64().unwrap(), wanted.as_f64().unwrap());
    assert!(
        (got - wanted).abs() <= 1e-12 * wanted.abs().max(1.0),
        "{name}: {got}, scikit-learn says {wanted}"
    );
}

#[test]
fn values_are_those_of_scikit_learn() {
    for (name, case) in cases() {
        let all: Vec<usize> = (0..case.weights.len()).collect();
        let values = case.spread(3, &all, SLICE_ROWS);
        assert_eq!(values.len(), case.expected.len());
        for (metric, wanted) in &case.expected {
            close(&format!("{name}, {metric}"), &values[metric], wanted);
        }
    }
}

#[test]
fn any_spread_of_the_rows_gives_the_same_bits() {
    for (name, case) in cases() {
        let rows = case.weights.len();
        let all: Vec<usize> = (0..rows).collect();
        let base = case.spread(1, &all, 16);
        for trial in 0..24_u64 {
            let mut keys = vec![0.0f32; rows];
            uniform(Key::new(trial, "arrival"), 1.0, &mut keys);
            let mut arrival = all.clone();
            arrival.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]));
            let trainers = 1 + usize::try_from(trial).unwrap() % SHARDS as usize;
            let values = case.spread(trainers, &arrival, 16);
            assert_eq!(values, base, "{name}, {trainers} trainers");
        }
    }
}
