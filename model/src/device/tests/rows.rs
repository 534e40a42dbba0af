//! Rows that cross in the type that the host holds them in: the bits of rows of f32, and fewer bytes.

use super::on_device;
use crate::engine::{Batch, Engine, Features, NodeGradient, Predictor, Slice, TypedRows};
use crate::network::{Network, ValueRef};
use crate::resident::Traffic;
use candlewick_protocol::features::DenseValues;
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

const ROWS: [usize; 3] = [4, 3, 2];
const ALL: usize = 9;
/// An image of 3 colours, 6 high, 6 wide.
const WIDTH: usize = 3 * 6 * 6;

/// What is computed of rows: outputs, bits of the gradient of all weights, and what crossed.
#[derive(Debug, PartialEq)]
struct Seen {
    outputs: Vec<u32>,
    gradient: Vec<u32>,
    crossed: Traffic,
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The second step of a trainer alone.
fn step(network: &Network, features: Features<'_>) -> Seen {
    let label = LabelKind::Real { width: 2 };
    let mut engine = Engine::new(network, &json!({"type": "MSELoss"}), &label, 3, 1).unwrap();
    let slices: Vec<Slice> = (0u32..)
        .zip(ROWS)
        .map(|(shard, rows)| Slice { shard, rows })
        .collect();
    let labels: Vec<f64> = (0..ALL * 2).map(|at| at as f64 / 7.0 - 1.0).collect();
    let weights = network.initial_weights(3);
    let mut nodes = [NodeGradient::new(0, 3)];
    let mut crossed = None;
    for step in 0..2 {
        let before = network.traffic().unwrap();
        let batch = Batch {
            step,
            slices: &slices,
            features,
            labels: &labels,
            weights: &[1.0; ALL],
        };
        engine.step(&weights, &batch, &mut nodes).unwrap();
        crossed = Some(network.traffic().unwrap() - before);
    }
    Seen {
        outputs: bits(engine.outputs()),
        gradient: bits(&nodes[0].flat(network)),
        crossed: crossed.unwrap(),
    }
}

fn network(document: &Value, width: &[usize]) -> Network {
    Network::from_document(document, width).unwrap()
}

fn images() -> Value {
    json!({"format": "candlewick.network/1", "layers": [
        {"type": "Conv2d", "out_channels": 4, "kernel_size": 3}, {"type": "ReLU"}, {"type": "Dropout", "p": 0.2}, {"type": "Flatten"},
        {"type": "Linear", "out_features": 2}]})
}

/// Types of integers with their bytes: integers from -4 on where they have a sign, that are indices of the last 4 columns.
fn all(values: &mut (Vec<u8>, Vec<i8>, Vec<i16>), count: usize) -> [(DenseValues<'_>, u64); 3] {
    values.0 = (0..count).map(|at| (at * 37 % 256) as u8).collect();
    values.1 = values.0.iter().map(|value| value.cast_signed()).collect();
    values.2 = values
        .0
        .iter()
        .map(|value| i16::from(*value) * 129 - 9_000)
        .collect();
    [
        (DenseValues::UInt8(&values.0), 1),
        (DenseValues::Int8(&values.1), 1),
        (DenseValues::Int16(&values.2), 2),
    ]
}

#[test]
fn integers_give_the_bits_of_f32_and_cross_in_their_bytes() {
    let own = network(&images(), &[3, 6, 6]);
    let mut memory = Default::default();
    for (values, bytes) in all(&mut memory, ALL * WIDTH) {
        for scale in [1.0 / 255.0, -0.1] {
            let mut floats = Vec::new();
            values.expand(scale, &mut floats);
            let wanted = step(&on_device(&own), Features::Dense(&floats));
            let typed = TypedRows::new(values, scale);
            let placed = on_device(&own);
            assert!(placed.reads_on_device() && !own.reads_on_device());
            let got = step(&placed, Features::Typed(typed));
            let others = (ALL * 2 * 4) as u64;
            assert_eq!(wanted.crossed.up.rows, (ALL * WIDTH * 4) as u64 + others);
            assert_eq!(got.crossed.up.rows, (ALL * WIDTH) as u64 * bytes + others);
            assert_eq!(got.crossed.up.constants, wanted.crossed.up.constants);
            assert_eq!((&got.outputs, &got.gradient), (&wanted.outputs, &wanted.gradient));
            // f32 are what they were.
            let same = step(&on_device(&own), Features::Typed(floats.as_slice().into()));
            assert_eq!(same, wanted);
            scored(&own, &floats, typed, bytes);
        }
    }
}

/// Scoring, in two blocks of rows.
fn scored(own: &Network, floats: &[f32], typed: TypedRows<'_>, bytes: u64) {
    const COUNT: usize = 1_030;
    let placed = on_device(own);
    let weights = own.initial_weights(3);
    let many: Vec<f32> = floats.iter().copied().cycle().take(COUNT * WIDTH).collect();
    let mut predictor = Predictor::new(&placed, 1).unwrap();
    let wanted = bits(predictor.predict(&weights, &many, COUNT).unwrap());
    let before = placed.traffic().unwrap();
    let mut integers = (Vec::new(), Vec::new(), Vec::new());
    let values = match typed.values() {
        DenseValues::UInt8(values) => {
            integers.0 = values.iter().copied().cycle().take(COUNT * WIDTH).collect();
            DenseValues::UInt8(&integers.0)
        }
        DenseValues::Int8(values) => {
            integers.1 = values.iter().copied().cycle().take(COUNT * WIDTH).collect();
            DenseValues::Int8(&integers.1)
        }
        DenseValues::Int16(values) => {
            integers.2 = values.iter().copied().cycle().take(COUNT * WIDTH).collect();
            DenseValues::Int16(&integers.2)
        }
        DenseValues::Float32(_) => unreachable!(),
    };
    let rows = TypedRows::new(values, typed.scale());
    let got = predictor.predict_with(weights.as_slice().into(), Features::Typed(rows), COUNT);
    assert_eq!(bits(got.unwrap()), wanted);
    let crossed = placed.traffic().unwrap() - before;
    assert_eq!(crossed.up.rows, (COUNT * WIDTH) as u64 * bytes);
}

/// A table reads the features between two segments that do: the host has f32 of its own to look at, and the device is given them
/// once.
#[test]
fn features_go_up_once_for_all_that_read_them() {
    let document = json!({
        "format": "candlewick.network/1",
        "inputs": [{"name": "x", "shape": [9]}],
        "nodes": [
            {"name": "first", "inputs": ["x"], "layer": {"type": "Linear", "out_features": 3}},
            {"name": "table", "inputs": ["x"], "layer": {"type": "Embedding", "num_embeddings": 256, "embedding_dim": 2}},
            {"name": "flat", "inputs": ["table"], "layer": {"type": "Flatten"}},
            {"name": "second", "inputs": ["x"], "layer": {"type": "Linear", "out_features": 3}},
            {"name": "all", "inputs": ["first", "flat", "second"], "layer": {"type": "Concat"}},
            {"name": "end", "inputs": ["all"], "layer": {"type": "Linear", "out_features": 2}}],
        "outputs": ["end"]});
    let own = network(&document, &[9]);
    let bytes: Vec<u8> = (0..ALL * 9).map(|at| (at * 29 % 256) as u8).collect();
    let (values, scale) = (DenseValues::UInt8(&bytes), 1.0);
    let mut floats = Vec::new();
    values.expand(scale, &mut floats);
    let wanted = step(&on_device(&own), Features::Dense(&floats));
    let got = step(&on_device(&own), Features::Typed(TypedRows::new(values, scale)));
    assert_eq!((&got.outputs, &got.gradient), (&wanted.outputs, &wanted.gradient));
    let readers = on_device(&own);
    let reads = readers
        .layers()
        .iter()
        .filter(|node| node.inputs.contains(&ValueRef::Features));
    assert_eq!(reads.count(), 3);
    assert_eq!(wanted.crossed.up.rows - got.crossed.up.rows, (ALL * 9 * 3) as u64);
    // The outputs of the table, whose weights do not stay here, and the gradient of the outputs; then places of its rows: those of each
    // slice, those of two and of three that are merged, and all once more in their order.
    let places = 9 * (ALL + 7 + ALL + ALL);
    let others = ALL * 18 + ALL * 2;
    assert_eq!(got.crossed.up.rows, (ALL * 9 + (others + places) * 4) as u64);
    // The host's own engine takes them too.
    let label = LabelKind::Real { width: 2 };
    let mut engine = Engine::new(&own, &json!({"type": "MSELoss"}), &label, 3, 1).unwrap();
    let batch = |features| Batch {
        step: 0,
        slices: &[Slice { shard: 0, rows: ALL }],
        features,
        labels: &[0.5; ALL * 2],
        weights: &[1.0; ALL],
    };
    let mut computed = |features| {
        let mut nodes = [NodeGradient::new(0, 1)];
        engine
            .step(&own.initial_weights(3), &batch(features), &mut nodes)
            .unwrap();
        bits(&nodes[0].flat(&own))
    };
    let typed = computed(Features::Typed(TypedRows::new(values, scale)));
    assert_eq!(typed, computed(Features::Dense(&floats)));
}

/// A trainer that makes its steps with the rows of the next one put on the device meanwhile, by another thread.
fn trained(network: &Network, batches: &[Vec<u8>], ahead: bool) -> Vec<Seen> {
    const SCALE: f64 = 1.0 / 255.0;
    let put = |batch: &Vec<u8>| network.put_ahead(DenseValues::UInt8(batch), SCALE).unwrap();
    let mut there = batches.first().filter(|_| ahead).and_then(put);
    let mut seen = Vec::new();
    for (at, batch) in batches.iter().enumerate() {
        let rows = TypedRows::new(DenseValues::UInt8(batch), SCALE).with_ahead(there.as_ref());
        let next = std::thread::scope(|scope| {
            let next = batches.get(at + 1).filter(|_| ahead);
            let next = next.map(|batch| scope.spawn(|| put(batch)));
            seen.push(step(network, Features::Typed(rows)));
            next.and_then(|thread| thread.join().unwrap())
        });
        there = next;
    }
    seen
}

#[test]
fn rows_that_another_thread_puts_ahead_give_the_same_bits_and_cross_once() {
    let own = network(&images(), &[3, 6, 6]);
    let batches: Vec<Vec<u8>> = (0..12)
        .map(|batch| {
            (0..ALL * WIDTH)
                .map(|at| ((at + batch) * 37 % 256) as u8)
                .collect()
        })
        .collect();
    let [plain, ahead] = [false, true].map(|ahead| {
        let placed = on_device(&own);
        let seen = trained(&placed, &batches, ahead);
        let bits: Vec<_> = seen.into_iter().map(|one| (one.outputs, one.gradient)).collect();
        (bits, placed.traffic().unwrap())
    });
    assert!(plain.0 == ahead.0, "the same bits");
    // Each batch is that of two steps, and its rows are there for both.
    let less = (batches.len() * ALL * WIDTH) as u64;
    assert_eq!(plain.1.up.rows - ahead.1.up.rows, less);
    assert_eq!(
        (plain.1.down, plain.1.up.constants),
        (ahead.1.down, ahead.1.up.constants)
    );
    assert!(
        own.put_ahead(DenseValues::UInt8(&batches[0]), 1.0)
            .unwrap()
            .is_none()
    );
}

/// A shard that makes a step by itself takes its part of what is there.
#[test]
fn a_part_of_rows_that_were_put_ahead_is_that_part() {
    let own = network(&images(), &[3, 6, 6]);
    let placed = on_device(&own);
    let weights = own.initial_weights(3);
    let bytes: Vec<u8> = (0..ALL * WIDTH).map(|at| (at * 41 % 256) as u8).collect();
    let mut floats = Vec::new();
    DenseValues::UInt8(&bytes).expand(-0.25, &mut floats);
    for values in [DenseValues::UInt8(&bytes), DenseValues::Float32(&floats)] {
        let rows = TypedRows::new(values, -0.25);
        let there = placed.put_ahead(rows.values(), rows.scale()).unwrap();
        let mut predictor = Predictor::new(&placed, 1).unwrap();
        let mut scored = |rows: TypedRows<'_>, count| {
            let outputs = predictor.predict_with(weights.as_slice().into(), Features::Typed(rows), count);
            bits(outputs.unwrap())
        };
        let before = placed.traffic().unwrap();
        for part in [0..ALL, 2..5, 7..9] {
            let own = rows.with_ahead(there.as_ref()).part(1..ALL, WIDTH);
            let of = part.start.saturating_sub(1)..part.end - 1;
            let got = scored(own.part(of.clone(), WIDTH), of.len());
            assert_eq!((placed.traffic().unwrap() - before).up.rows, 0, "{part:?}");
            let alone = of.start + 1..of.end + 1;
            let placed = on_device(&network(&images(), &[3, 6, 6]));
            let mut other = Predictor::new(&placed, 1).unwrap();
            let wanted = other.predict_with(
                weights.as_slice().into(),
                Features::Typed(rows.part(alone.clone(), WIDTH)),
                alone.len(),
            );
            assert_eq!(got, bits(wanted.unwrap()), "{part:?}");
        }
    }
}
