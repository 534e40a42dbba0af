//! Products whose operands are rounded: what a product rounds and when, every layer next to the engine's own products of bf16,
//! and gradients of fp16 under a scaled loss.

use super::support::{Case, SHARDS, bits, content};
use super::{names, on_device, same_bits, twins};
use crate::device::lowering::Products;
use crate::engine::{Alone, Predictor};
use crate::network::Network;
use crate::philox::{Key, uniform};
use candle_core::{Device, Tensor, Var};
use candlewick_protocol::job::Precision;
use serde_json::json;

/// Values that neither bf16 nor fp16 nor TF32 has.
fn values(what: &str, length: usize) -> Vec<f32> {
    let mut values = vec![0.0; length];
    uniform(Key::new(9, what), 2.0, &mut values);
    values
}

/// What a product makes of an operand, by the number of bits that are left out.
fn rounded(products: Products, value: f32) -> f64 {
    let bits = value.to_bits();
    f64::from(match products {
        Products::F32 => value,
        Products::Tf32 => f32::from_bits((bits + 0x1000) & 0xffff_e000),
        Products::Bf16 => f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000),
        Products::Fp16 => f32::from_bits((bits + 0x0fff + (bits >> 13 & 1)) & 0xffff_e000),
    })
}

/// Σ over the terms of what is read of both, in f64.
fn reference(
    products: Products,
    (m, k, n): (usize, usize, usize),
    read: [&dyn Fn(usize, usize) -> f32; 2],
) -> Vec<f64> {
    let [left, right] = read;
    let of = |row: usize, column: usize| {
        (0..k)
            .map(|t| rounded(products, left(row, t)) * rounded(products, right(t, column)))
            .sum()
    };
    (0..m * n).map(|at| of(at / n, at % n)).collect()
}

fn assert_near(got: &Tensor, wanted: &[f64], what: &str) {
    let got = got.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(got.len(), wanted.len(), "{what}");
    let size = wanted.iter().fold(0.0f64, |size, value| size.max(value.abs()));
    for (got, wanted) in got.iter().zip(wanted) {
        assert!(
            (f64::from(*got) - wanted).abs() <= 2e-6 * size,
            "{what}: {got} {wanted}"
        );
    }
}

/// Rows, terms and columns of the products.
const SIZES: (usize, usize, usize) = (7, 19, 5);

/// The operands of a product, and the gradient of its result.
struct Operands {
    left: Vec<f32>,
    right: Vec<f32>,
    gradient: Vec<f32>,
}

impl Operands {
    fn new() -> Self {
        let (m, k, n) = SIZES;
        Operands {
            left: values("a", m * k),
            right: values("b", k * n),
            gradient: values("g", m * n),
        }
    }

    fn left(&self, row: usize, term: usize) -> f32 {
        self.left[row * SIZES.1 + term]
    }

    fn right(&self, term: usize, column: usize) -> f32 {
        self.right[term * SIZES.2 + column]
    }

    fn gradient(&self, row: usize, column: usize) -> f32 {
        self.gradient[row * SIZES.2 + column]
    }

    /// The product of some of the terms, from one on.
    fn product(&self, products: Products, terms: std::ops::Range<usize>) -> Vec<f64> {
        let (m, _, n) = SIZES;
        reference(
            products,
            (m, terms.len(), n),
            [&|i, t| self.left(i, t + terms.start), &|t, j| {
                self.right(t + terms.start, j)
            }],
        )
    }

    /// Its gradients.
    fn gradients(&self, products: Products) -> [Vec<f64>; 2] {
        let ((m, k, n), gradient) = (SIZES, |i, j| self.gradient(i, j));
        [
            reference(products, (m, n, k), [&gradient, &|j, t| self.right(t, j)]),
            reference(products, (k, m, n), [&|t, i| self.left(i, t), &gradient]),
        ]
    }
}

fn tensor(values: &[f32], rows: usize) -> Tensor {
    Tensor::from_slice(values, (rows, values.len() / rows), &super::device()).unwrap()
}

/// Those whose rounding is known: a GPU's hardware rounds to TF32 as it likes.
fn known() -> impl Iterator<Item = Products> {
    let all = [Products::F32, Products::Tf32, Products::Bf16, Products::Fp16];
    all.into_iter()
        .filter(|products| *products != Products::Tf32 || super::device().is_cpu())
}

/// Forward and both gradients: each value is rounded where a product reads it, the gradient that comes in too, and no result is.
/// Operands lie as they are, or as transposed matrices.
#[test]
fn a_product_rounds_what_it_reads_and_nothing_else() {
    let ((m, k, _), operands) = (SIZES, Operands::new());
    for (products, transposed) in known().flat_map(|products| [(products, false), (products, true)]) {
        let what = format!("{products:?}, transposed {transposed}");
        let turned = |tensor: &Tensor| match transposed {
            true => tensor.t().unwrap(),
            false => tensor.clone(),
        };
        let variable = |tensor: Tensor| Var::from_tensor(&turned(&tensor).contiguous().unwrap()).unwrap();
        let (x, y) = (
            variable(tensor(&operands.left, m)),
            variable(tensor(&operands.right, k)),
        );
        let product = products.multiply(&turned(&x), &turned(&y)).unwrap();
        assert_near(&product, &operands.product(products, 0..k), &what);
        let sum = (&product * tensor(&operands.gradient, m))
            .unwrap()
            .sum_all()
            .unwrap();
        let tape = sum.backward().unwrap();
        for (variable, wanted) in [x, y].iter().zip(operands.gradients(products)) {
            let found = turned(tape.get(variable).unwrap()).contiguous().unwrap();
            assert_near(&found, &wanted, &format!("{what}, gradient"));
        }
    }
}

/// What was rounded before, batches of matrices of which the right ones are transposed as those of attention are, a part of a matrix
/// with gaps between its values, one that does not begin at the first, and none.
#[test]
fn a_product_reads_its_operands_as_they_lie() {
    let ((m, k, n), operands) = (SIZES, Operands::new());
    let (left, right) = (tensor(&operands.left, m), tensor(&operands.right, k));
    for products in known() {
        let wanted = operands.product(products, 0..k);
        let once = products.rounded(&left).unwrap();
        assert_near(
            &products.with_rounded(&once, &right).unwrap(),
            &wanted,
            "rounded before",
        );
        let twice = |tensor: &Tensor| Tensor::stack(&[tensor, tensor], 0).unwrap().unsqueeze(1).unwrap();
        let transposed = twice(&right).transpose(2, 3).unwrap().contiguous().unwrap();
        let product = products
            .multiply(&twice(&left), &transposed.transpose(2, 3).unwrap())
            .unwrap();
        assert_near(&product, &[wanted.clone(), wanted].concat(), "batches");
        let gaps = products
            .rounded(&left.narrow(1, 3, 9).unwrap())
            .unwrap()
            .contiguous()
            .unwrap();
        let (own, narrow) = (right.narrow(0, 3, 9).unwrap(), operands.product(products, 3..12));
        assert_eq!(gaps.dims(), [m, 9]);
        let what = format!("{products:?}, a part of {n} columns");
        assert_near(&products.multiply(&gaps, &own).unwrap(), &narrow, &what);
        assert_near(&products.with_rounded(&gaps, &own).unwrap(), &narrow, &what);
    }
    let none = Tensor::zeros((3, 0), candle_core::DType::F32, &Device::Cpu).unwrap();
    let product = Products::Bf16.multiply(&none, &none.t().unwrap()).unwrap();
    assert_eq!(product.to_vec2::<f32>().unwrap(), vec![vec![0.0; 3]; 3]);
}

/// The same case with products of another precision.
fn of(case: &Case, precision: Precision) -> Case {
    Case {
        name: format!("{} in {}", case.name, precision.name()),
        network: case.network.with_precision(precision),
        weights: case.weights.clone(),
        features: case.features.clone(),
        labels: case.labels.clone(),
        row_weights: case.row_weights.clone(),
        own_loss: case.own_loss.clone(),
        value: case.value.clone(),
    }
}

/// Outputs, then the gradients of every trained parameter.
fn computed(case: &Case) -> Vec<(String, Vec<f32>)> {
    let mut predictor = Predictor::new(&case.network, 1).unwrap();
    let outputs = predictor
        .predict(&case.weights, &case.features, case.rows())
        .unwrap();
    let mut all = vec![("outputs".to_owned(), outputs.to_vec())];
    let (_, nodes) = case.step(&mut case.engine(1), (0, SHARDS), &mut Alone);
    let flat = nodes[0].flat(&case.network);
    for parameter in case
        .network
        .parameters()
        .iter()
        .filter(|parameter| parameter.trained)
    {
        let place = parameter.offset..parameter.offset + parameter.len();
        all.push((parameter.name.clone(), flat[place].to_vec()));
    }
    all
}

/// Root of the mean square of the differences, by that of the values.
pub(super) fn distance(got: &[f32], wanted: &[f32]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let apart = square(
        &mut got
            .iter()
            .zip(wanted)
            .map(|(got, wanted)| f64::from(got - wanted)),
    );
    (apart / square(&mut wanted.iter().map(|value| f64::from(*value))).max(1e-12)).sqrt()
}

/// Every case of a family on the device in bf16 has the engine's numbers in bf16, as near as sums in another order come, and is
/// as far from f32 as they are.
fn family(text: &str) {
    let (mut near, mut far) = (0.0, 0.0);
    for value in content(text) {
        let case = Case::of(&value);
        let (host, twin) = twins(of(&case, Precision::Bf16));
        assert!(names(&twin.network).contains(&"Segment"), "{}", twin.name);
        for (((what, got), (_, wanted)), (_, exact)) in
            computed(&twin).iter().zip(computed(&host)).zip(computed(&case))
        {
            let apart = distance(got, &wanted);
            // A sum in another order may be rounded to the other side.
            assert!(apart < 3e-4, "{}, {what}: {apart:e}", twin.name);
            near += apart;
            far += distance(&wanted, &exact);
        }
        same_bits(&twin);
    }
    assert!(
        near < 0.01 * far,
        "{near:e} from bf16, {far:e} between bf16 and f32"
    );
}

#[test]
fn convolutions() {
    family(include_str!("../../../tests/golden/convolution.json"));
}

#[test]
fn recurrent_layers() {
    family(include_str!("../../../tests/golden/recurrent.json"));
    family(include_str!("../../../tests/golden/padding.json"));
}

#[test]
fn attention_and_transformers() {
    family(include_str!("../../../tests/golden/attention.json"));
    family(include_str!("../../../tests/golden/transformer.json"));
}

#[test]
fn bilinear() {
    family(include_str!("../../../tests/golden/bilinear.json"));
}

/// What is no product is not rounded: without a layer that has one, bf16 and TF32 have the bits of f32.
#[test]
fn pooling_is_no_product() {
    let layers = json!([{"type": "AvgPool2d", "kernel_size": 3, "stride": 1}, {"type": "AdaptiveAvgPool2d", "output_size": 2},
        {"type": "LPPool2d", "norm_type": 2, "kernel_size": 1}, {"type": "Flatten"}, {"type": "LayerNorm"}]);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[2, 6, 5]).unwrap();
    let (weights, features) = (network.initial_weights(1), values("features", 3 * 60));
    let outputs = |network: &Network| {
        let mut predictor = Predictor::new(&on_device(network), 1).unwrap();
        bits(predictor.predict(&weights, &features, 3).unwrap())
    };
    let exact = outputs(&network);
    assert_eq!(outputs(&network.with_precision(Precision::Bf16)), exact);
    assert_eq!(outputs(&network.with_tf32(true)), exact);
}

/// TF32 has 11 bits where f32 has 24; processors have none of it, and bf16 has fewer bits already.
#[test]
fn tf32_is_for_products_of_f32_on_a_device() {
    let layers = json!([{"type": "Linear", "out_features": 40}, {"type": "ReLU"}, {"type": "Linear", "out_features": 3}]);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[33]).unwrap();
    let (weights, features) = (network.initial_weights(1), values("features", 20 * 33));
    let outputs = |network: &Network| {
        let mut predictor = Predictor::new(network, 1).unwrap();
        predictor.predict(&weights, &features, 20).unwrap().to_vec()
    };
    let allowed = network.with_tf32(true);
    let (exact, short) = (outputs(&on_device(&network)), outputs(&on_device(&allowed)));
    let apart = distance(&short, &exact);
    assert!(apart < 1e-3, "{apart:e}");
    // It is an allowance: cuBLAS may have nothing faster than f32 for products of this size.
    assert!(apart > 1e-5 || super::device().is_cuda(), "{apart:e}");
    assert_eq!(outputs(&allowed), outputs(&network), "on processors");
    let [plain, both] =
        [&network, &allowed].map(|network| outputs(&on_device(&network.with_precision(Precision::Bf16))));
    assert_eq!(plain, both);
}

/// The gradients of a step of the device in fp16, under a loss that is scaled.
fn scaled(case: &Case, factor: f32) -> Vec<f32> {
    let mut engine = case.engine(1);
    engine.scale_loss(factor);
    let (_, nodes) = case.step(&mut engine, (0, SHARDS), &mut Alone);
    nodes[0].flat(&case.network)
}

/// A case whose labels are near the outputs: its gradients are too small for fp16.
fn faint() -> Case {
    let layers = json!([{"type": "Linear", "out_features": 12}, {"type": "Tanh"}, {"type": "Linear", "out_features": 2}]);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[5]).unwrap();
    let (weights, features) = (network.initial_weights(3), values("features", 16 * 5));
    let outputs = Predictor::new(&network.with_precision(Precision::Fp16), 1)
        .unwrap()
        .predict(&weights, &features, 16)
        .unwrap()
        .to_vec();
    let errors = values("errors", outputs.len());
    let labels = outputs
        .iter()
        .zip(errors)
        .map(|(output, error)| f64::from(output + error * 4e-6));
    Case {
        name: "faint gradients".to_owned(),
        labels: labels.collect(),
        row_weights: vec![1e-3; 16],
        weights,
        features,
        network,
        own_loss: None,
        value: json!(null),
    }
}

/// Without a factor gradients of fp16 are lost; with it they are those of f32 but for fp16's rounding, and what is beyond its range
/// is infinite.
#[test]
fn a_scaled_loss_keeps_gradients_within_fp16() {
    let exact = faint();
    let (_, short) = twins(of(&exact, Precision::Fp16));
    let flat = exact.step(&mut exact.engine(1), (0, SHARDS), &mut Alone).1[0].flat(&exact.network);
    let first = &exact.network.parameters()[0];
    let part = |gradient: Vec<f32>| gradient[first.offset..first.offset + first.len()].to_vec();
    let flat = part(flat);
    assert!(flat.iter().all(|value| value.abs() < 1e-6) && flat.iter().any(|value| *value != 0.0));
    // The forward pass rounds too: a loss of so small errors sees that. What counts is that nothing is lost in backward.
    let lost = part(scaled(&short, 1.0));
    assert!(lost.contains(&0.0), "{lost:?}");
    let factor = 2f32.powi(24);
    let kept: Vec<f32> = part(scaled(&short, factor))
        .iter()
        .map(|value| value / factor)
        .collect();
    assert!(
        kept.iter().all(|value| *value != 0.0 && value.is_finite()),
        "{kept:?}"
    );
    let more: Vec<f32> = part(scaled(&short, 2.0 * factor))
        .iter()
        .map(|value| value / factor / 2.0)
        .collect();
    assert_eq!(bits(&more), bits(&kept), "a power of two rounds nothing");
    let beyond = scaled(&short, 2f32.powi(60));
    assert!(beyond.iter().any(|value| !value.is_finite()));
    same_bits(&short);
}

/// The engine's own gradients under a factor are multiples of what they are, bit by bit.
#[test]
fn a_factor_of_the_loss_multiplies_every_gradient_and_no_loss() {
    for value in content(include_str!("../../../tests/golden/transformer.json")) {
        let case = Case::of(&value);
        let mut engine = case.engine(1);
        let (sums, plain) = case.step(&mut engine, (0, SHARDS), &mut Alone);
        engine.scale_loss(1024.0);
        let (again, large) = case.step(&mut engine, (0, SHARDS), &mut Alone);
        assert_eq!(sums, again);
        let wanted: Vec<f32> = plain[0]
            .flat(&case.network)
            .iter()
            .map(|value| value * 1024.0)
            .collect();
        assert_eq!(
            bits(&large[0].flat(&case.network)),
            bits(&wanted),
            "{}",
            case.name
        );
    }
}

/// fp16 has as many bits as TF32: every family is as near to f32 as they are, and nearer than bf16.
#[test]
fn fp16_is_nearer_to_f32_than_bf16() {
    for text in [
        include_str!("../../../tests/golden/convolution.json"),
        include_str!("../../../tests/golden/recurrent.json"),
        include_str!("../../../tests/golden/transformer.json"),
    ] {
        let [mut short, mut shorter] = [0.0; 2];
        for value in content(text) {
            let case = Case::of(&value);
            let exact = computed(&case);
            let far = |precision| -> f64 {
                let twin = twins(of(&case, precision)).1;
                let all = computed(&twin);
                all.iter()
                    .zip(&exact)
                    .map(|((_, got), (_, exact))| distance(got, exact))
                    .sum()
            };
            short += far(Precision::Fp16);
            shorter += far(Precision::Bf16);
        }
        assert!(
            short > 0.05 * shorter && short < 0.25 * shorter,
            "fp16 {short:e}, bf16 {shorter:e}"
        );
    }
}
