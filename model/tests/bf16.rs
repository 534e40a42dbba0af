//! Layers whose products are those of bf16: as near as torch.autocast is, and the same bits for any owners, threads and batches.
//! The numbers of autocast are written by `golden/make_bf16.py`, beside the exact ones of the other golden files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use candlewick_model::engine::{Alone, Predictor};
use candlewick_model::kernels::{Accumulate, Kernels, Matrix, Program, SimdLevel, blocks};
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, philox};
use candlewick_protocol::job::Precision;
use serde_json::{Value, json};
use support::{Case, SHARDS, bits, content, floats};

/// What outputs are away from those of autocast at most, by the largest element; and gradients, which autocast rounds once more
/// behind every layer.
const TOLERANCE: [f32; 2] = [0.02, 0.1];

/// Both orders of sums.
const BOTH: [Precision; 2] = [Precision::Bf16, Precision::Bf16Amx];

fn in_bf16(value: &Value, precision: Precision) -> Case {
    let case = Case::of(value);
    Case {
        network: case.network.with_precision(precision),
        ..case
    }
}

/// The largest difference, by the largest element.
fn distance(got: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(got.len(), wanted.len());
    let size = wanted.iter().fold(1e-3f32, |size, value| size.max(value.abs()));
    let ends = got.iter().zip(wanted);
    ends.fold(0.0, |most, (got, wanted)| {
        let wrong = (got - wanted).abs() / size;
        assert!(!wrong.is_nan());
        most.max(wrong)
    })
}

/// Outputs, then the gradients of the parameters, in order.
fn computed(case: &Case) -> Vec<(String, Vec<f32>)> {
    let mut predictor = Predictor::new(&case.network, 1).unwrap();
    let outputs = predictor
        .predict(&case.weights, &case.features, case.rows())
        .unwrap();
    let mut all = vec![("outputs".to_owned(), outputs.to_vec())];
    let (sums, nodes) = case.step(&mut case.engine(1), (0, SHARDS), &mut Alone);
    let denominator: f64 = sums.iter().map(|sum| sum.denominator).sum();
    let flat = nodes[0].flat(&case.network);
    for parameter in case
        .network
        .parameters()
        .iter()
        .filter(|parameter| parameter.trained)
    {
        let values = flat[parameter.offset..parameter.offset + parameter.len()].iter();
        let gradient = values.map(|g| (f64::from(*g) / denominator) as f32).collect();
        all.push((parameter.name.clone(), gradient));
    }
    all
}

fn numbers<'a>(value: &'a Value, name: &str) -> &'a Value {
    match name {
        "outputs" => &value["evaluated"],
        name => &value["gradients"][name],
    }
}

/// Compares a family with autocast; and with the exact numbers, from which ours are hardly further away than autocast's are.
fn family(name: &str, exact: &str) {
    for precision in BOTH {
        family_in(name, exact, precision);
    }
}

fn family_in(name: &str, exact: &str, precision: Precision) {
    let all = content(include_str!("golden/bf16.json")).remove(0);
    let autocast = all[name].as_array().unwrap();
    let exact = content(exact);
    assert_eq!(exact.len(), autocast.len());
    let (mut ours, mut theirs) = (0.0f32, 0.0f32);
    for (exact, autocast) in exact.iter().zip(autocast) {
        assert_eq!(exact["name"], autocast["name"]);
        if autocast["evaluated"].is_null() {
            continue;
        }
        let case = in_bf16(exact, precision);
        for (what, got) in computed(&case) {
            let (near, right) = (floats(numbers(autocast, &what)), floats(numbers(exact, &what)));
            let wrong = distance(&got, &near);
            assert!(
                wrong <= TOLERANCE[usize::from(what != "outputs")],
                "{}, {what}: {wrong} from autocast",
                exact["name"]
            );
            ours = ours.max(distance(&got, &right));
            theirs = theirs.max(distance(&near, &right));
        }
        case.same_bits();
    }
    println!("{name}: {ours} from the exact numbers, autocast {theirs}");
    assert!(ours > 1e-4, "{name} is not computed in bf16");
    assert!(
        ours <= 1.2 * theirs,
        "{name}: {ours} from the exact numbers, autocast {theirs}"
    );
}

#[test]
fn convolutions() {
    family("convolution", include_str!("golden/convolution.json"));
}

#[test]
fn recurrent_layers() {
    family("recurrent", include_str!("golden/recurrent.json"));
}

#[test]
fn attention() {
    family("attention", include_str!("golden/attention.json"));
}

#[test]
fn transformers_and_linear_layers() {
    family("transformer", include_str!("golden/transformer.json"));
}

/// autocast has no Bilinear on the CPU: the exact numbers alone.
#[test]
fn bilinear() {
    for exact in content(include_str!("golden/bilinear.json")) {
        for precision in BOTH {
            let case = in_bf16(&exact, precision);
            let mut most = 0.0f32;
            for (what, got) in computed(&case) {
                most = most.max(distance(&got, &floats(numbers(&exact, &what))));
            }
            assert!(most > 1e-4 && most < 0.01, "{}: {most}", exact["name"]);
            case.same_bits();
        }
    }
}

struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 += 1;
        philox([self.0, 0, 0, 0], Key::new(5, "bf16"))[0]
    }

    /// Values of a kind: near 1, of any size, so small that products are near the smallest normal number, or any bits at all.
    fn values(&mut self, count: usize, kind: usize) -> Vec<f32> {
        let value = |bits: u32| match kind {
            0 => bits & 0x807f_ffff | 0x3f00_0000,
            1 => bits,
            2 => bits & 0x80ff_ffff | 0x2000_0000,
            _ => bits & 0x81ff_ffff,
        };
        (0..count)
            .map(|_| f32::from_bits(value(self.next())))
            .map(|value| if kind == 3 { value * 64.0 } else { value })
            .collect()
    }
}

/// To nearest, ties to even; subnormal values are zero.
fn rounded(value: f32) -> f32 {
    let bits = value.to_bits();
    if value.is_nan() {
        return value;
    }
    if value.is_subnormal() {
        return 0.0f32.copysign(value);
    }
    f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// Fused, and zero where the result is subnormal before it is rounded to what such numbers have room for.
fn multiply_add(a: f32, b: f32, sum: f32) -> f32 {
    let value = a.mul_add(b, sum);
    let exact = f64::from(a) * f64::from(b) + f64::from(sum);
    let tiny = f64::from(f32::MIN_POSITIVE) - 2f64.powi(-151);
    if value.is_finite() && exact.abs() < tiny {
        0.0f32.copysign(value)
    } else {
        value
    }
}

/// The definitions: blocks as in f32; of each pair the odd index first (rule B15), or of 16 pairs the even and the odd indices by
/// themselves (rule B16).
fn element(precision: Precision, start: Option<f32>, terms: &[(f32, f32)]) -> f32 {
    let mut value = start;
    let fused = |terms: &mut dyn Iterator<Item = &(f32, f32)>, sum: f32| {
        terms.fold(sum, |sum, (a, b)| multiply_add(rounded(*a), rounded(*b), sum))
    };
    for (from, to) in blocks(terms.len()) {
        let mut terms = terms[from..to].to_vec();
        terms.resize(terms.len().next_multiple_of(2), (0.0, 0.0));
        let mut chain = 0.0;
        for terms in terms.chunks(if precision == Precision::Bf16 { 2 } else { 32 }) {
            if precision == Precision::Bf16 {
                chain = fused(&mut terms.iter().rev(), chain);
            } else {
                let (evens, odds) = (terms.iter().step_by(2), terms.iter().skip(1).step_by(2));
                let [evens, odds] = [fused(&mut { evens }, 0.0), fused(&mut { odds }, 0.0)];
                chain = flushed(chain + flushed(evens + odds));
            }
        }
        value = Some(value.map_or(chain, |value| value + chain));
    }
    value.unwrap_or(0.0)
}

fn flushed(value: f32) -> f32 {
    if value.is_subnormal() {
        0.0f32.copysign(value)
    } else {
        value
    }
}

/// Equal bits, or both no numbers: which of two such is handed on is not defined.
fn assert_same(got: f32, wanted: f32, what: &str) {
    let same = got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan();
    assert!(same, "{what}: {got:e} and {wanted:e}");
}

fn both_at_every_level() -> impl Iterator<Item = (SimdLevel, Precision)> {
    let levels = SimdLevel::available().into_iter();
    levels.flat_map(|level| BOTH.map(|precision| (level, precision)))
}

#[test]
fn products_are_the_definition_at_every_level_for_all_kinds_of_values() {
    let mut random = Random(0);
    for kind in 0..4 {
        for (m, n, k) in [
            (1, 1, 1),
            (3, 17, 5),
            (15, 33, 64),
            (29, 16, 530),
            (5, 7, 1_031),
            (14, 40, 2),
            (33, 49, 31),
            (16, 32, 1_024),
        ] {
            let (a, b) = (random.values(m * k, kind), random.values(n * k, kind));
            let bias = random.values(n, 0);
            let sides = [
                (Matrix::new(&a, m, k), Matrix::new(&b, n, k).transposed(), k),
                (Matrix::new(&a, k, m).transposed(), Matrix::new(&b, k, n), 1),
            ];
            for (left, right, step) in sides {
                let term = |i: usize, j: usize, t: usize| match step {
                    1 => (a[t * m + i], b[t * n + j]),
                    _ => (a[i * k + t], b[j * k + t]),
                };
                for (level, precision) in both_at_every_level() {
                    for threads in [1, 3] {
                        let mut kernels = Kernels::at(level, threads).unwrap().with_precision(precision);
                        let mut got = vec![0.0; m * n];
                        kernels.product(left, right, Accumulate::Bias(&bias), &mut got);
                        for (at, got) in got.iter().enumerate() {
                            let (i, j) = (at / n, at % n);
                            let terms: Vec<_> = (0..k).map(|t| term(i, j, t)).collect();
                            let what = format!("{m}x{n}x{k}, values {kind}, {precision:?} at {level:?}");
                            assert_same(*got, element(precision, Some(bias[j]), &terms), &what);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn sums_over_a_tree_are_those_of_its_leaves_at_every_level() {
    // Leaves of one row, of odd and even numbers, of more than a block.
    tree_of_leaves(3, [1, 0, 7, 4, 333, 2]);
    // Leaves that are packed as one, of whole chunks of AMX.
    tree_of_leaves(1, [32, 0, 64, 512, 32, 96]);
    tree_of_leaves(16, [2, 0, 4, 64, 6, 2]);
}

fn tree_of_leaves(unit: usize, counts: [usize; 6]) {
    let mut random = Random(1_000_000);
    let (m, n) = (19, 35);
    let mut start = 0;
    let leaves = counts.map(|rows| {
        start += rows;
        (start - rows, rows)
    });
    let program = Program::of(0, 6, &|shard| leaves[shard as usize]);
    let k = start * unit;
    let (a, b) = (random.values(m * k, 0), random.values(n * k, 0));
    let value = |precision: Precision, (i, j): (usize, usize), (first, rows): (usize, usize)| {
        let terms: Vec<_> = (first * unit..(first + rows) * unit)
            .map(|t| (a[t * m + i], b[t * n + j]))
            .collect();
        element(precision, None, &terms)
    };
    for (level, precision) in both_at_every_level() {
        let mut kernels = Kernels::at(level, 2).unwrap().with_precision(precision);
        let mut got = vec![f32::NAN; m * n];
        let (left, right) = (Matrix::new(&a, k, m).transposed(), Matrix::new(&b, k, n));
        kernels.tree_product(left, right, &program, unit, &mut got);
        for (at, got) in got.iter().enumerate() {
            let of = |shard: usize| value(precision, (at / n, at % n), leaves[shard]);
            // Shard 1 has no rows: ((0 + (2 + 3)) + (4 + 5)).
            let wanted = (of(0) + (of(2) + of(3))) + (of(4) + of(5));
            assert_same(*got, wanted, &format!("{precision:?} at {level:?}, element {at}"));
        }
    }
}

/// A step and the outputs of a network over many rows.
#[test]
fn a_network_in_bf16_gives_other_bits_than_in_f32_and_the_same_again() {
    let layers = json!([{"type": "Linear", "out_features": 40}, {"type": "ReLU"}, {"type": "Linear", "out_features": 3}]);
    let network = Network::from_document(
        &json!({"format": "candlewick.network/1", "layers": layers}),
        &[33],
    )
    .unwrap();
    let (weights, features) = (network.initial_weights(1), Random(7).values(65 * 33, 0));
    let run = |precision: Precision, threads: usize| {
        let network = network.with_precision(precision);
        bits(
            Predictor::new(&network, threads)
                .unwrap()
                .predict(&weights, &features, 65)
                .unwrap(),
        )
    };
    let [f32s, bf16s, amx] = Precision::ON_PROCESSORS.map(|precision| run(precision, 1));
    assert!(f32s != bf16s && f32s != amx && bf16s != amx);
    assert_eq!(bf16s, run(Precision::Bf16, 3));
    assert_eq!(amx, run(Precision::Bf16Amx, 3));
    assert_eq!(
        network.with_precision(Precision::Bf16).weights_hash(&weights),
        network.weights_hash(&weights)
    );
}
