//! Golden vectors: a few rows of input and what the network gives for them, kept beside a model's weights.
//!
//! A hash knows the weights that were saved, but not what the network does with them: another activation has no weights.
//! Whoever loads a model computes the vectors again, and refuses one that gives something else. The inputs are seeded
//! numbers, so that a model carries no row of anybody's data.

use crate::engine::Predictor;
use crate::network::Network;
use crate::philox::{Key, uniform};
use candlewick_protocol::feed::FeatureDomain;
use candlewick_protocol::{ErrorKind, Failure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

/// Rows of input, unless they are too long.
const ROWS: usize = 4;
/// Numbers of the input, unless one row has more.
const MAX_VALUES: usize = 1 << 20;
/// Seed of the input.
const SEED: u64 = 0x000C_A4D1_E000;
/// By how much an output may differ where the arithmetic may be another, in multiples of the largest one...
const TOLERANCE: f32 = 1e-3;
/// ... which counts as this where all are smaller: next to nothing is not the same everywhere.
const LEAST: f32 = 1e-3;

const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// The golden vectors of a network with its weights, as a safetensors file: `input` [rows, width] and `output` [rows,
/// width], both F32.
///
/// Numbers of the input are uniform in -1..1; where an Embedding reads them they are indices of its table, where a bag takes the mean
/// of counts none is below 0. A network that computes an index or a count by itself may have no legal input of this kind: then the file has no rows.
///
/// ```
/// use candlewick_model::{network::Network, saved};
/// let layers = serde_json::json!([{"type": "Linear", "out_features": 1}, {"type": "ReLU"}]);
/// let document = serde_json::json!({"format": "candlewick.network/1", "layers": layers});
/// let network = Network::from_document(&document, &[2])?;
/// let weights = network.initial_weights(7);
/// let file = saved::golden(&network, &weights)?;
/// saved::check_golden(&network, &weights, &file)?;
/// assert!(saved::check_golden(&network, &network.initial_weights(8), &file).is_err());
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
///
/// # Errors
/// `Internal` where the number of weights is not the network's; `Unavailable` where the operating system refuses threads.
pub fn golden(network: &Network, weights: &[f32]) -> Result<Vec<u8>, Failure> {
    let inputs = inputs(network);
    let rows = inputs.len() / network.input_width();
    match Predictor::new(network, 1)?.predict(weights, &inputs, rows) {
        Ok(outputs) => file(network, &inputs, outputs),
        Err(failure) if failure.kind == ErrorKind::InvalidData => file(network, &[], &[]),
        Err(failure) => Err(failure),
    }
}

/// Fails unless the network with these weights gives the outputs that [`golden`] wrote: the very bits where the same
/// version wrote them on a processor with the same instructions, else to a thousandth of the largest output.
///
/// # Errors
/// `InvalidParameter`, with the first row and output that is another, or what is wrong with the file.
pub fn check_golden(network: &Network, weights: &[f32], file: &[u8]) -> Result<(), Failure> {
    let known = Vectors::read(network, file)?;
    let rows = known.inputs.len() / network.input_width();
    let found = Predictor::new(network, 1)?
        .predict(weights, &known.inputs, rows)
        .map_err(|failure| {
            Failure::parameter(format!(
                "the network refuses the golden vectors: {}",
                failure.message
            ))
        })?
        .to_vec();
    let largest = known.outputs.iter().map(|value| value.abs());
    let largest = largest.filter(|value| value.is_finite()).fold(LEAST, f32::max);
    let tolerance = if known.same_arithmetic {
        0.0
    } else {
        TOLERANCE * largest
    };
    let differs = |(wanted, got): (&f32, &f32)| {
        let same = wanted.to_bits() == got.to_bits() || wanted.is_nan() && got.is_nan();
        // Not `>`: a NaN differs from every number.
        !(same || !known.same_arithmetic && (wanted - got).abs() <= tolerance)
    };
    let Some(at) = known.outputs.iter().zip(&found).position(differs) else {
        return Ok(());
    };
    let (row, output) = (at / network.output_width(), at % network.output_width());
    Err(Failure::parameter(format!(
        "row {row} of the golden vectors: output {output} of the network is {}, but was {} when the model was saved: the \
         network or its weights were changed since",
        found[at], known.outputs[at]
    )))
}

/// What a file says of the arithmetic that computed it: version, architecture and instructions. One entry: several would
/// stand in another order in every file.
fn arithmetic() -> (String, String) {
    let told = [
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        crate::cpu_level(),
    ];
    ("candlewickArithmetic".to_owned(), told.join(" "))
}

struct Vectors {
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    same_arithmetic: bool,
}

impl Vectors {
    fn read(network: &Network, file: &[u8]) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::parameter(format!("it is no file of golden vectors: {error}"))
        };
        let tensors = SafeTensors::deserialize(file).map_err(|error| wrong(&error))?;
        let (_, header) = SafeTensors::read_metadata(file).map_err(|error| wrong(&error))?;
        let values = |name: &str, width: usize| {
            let tensor = tensors.tensor(name).map_err(|error| wrong(&error))?;
            match tensor.shape() {
                [rows, found] if *found == width && tensor.dtype() == Dtype::F32 => {
                    let numbers = tensor.data().chunks_exact(4);
                    let numbers =
                        numbers.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
                    Ok((*rows, numbers.collect::<Vec<f32>>()))
                }
                shape => Err(Failure::parameter(format!(
                    "the golden vectors have an {name} of {:?} {shape:?}, but the network's has F32 [rows, {width}]",
                    tensor.dtype()
                ))),
            }
        };
        let (rows, inputs) = values(INPUT, network.input_width())?;
        let (results, outputs) = values(OUTPUT, network.output_width())?;
        if rows != results {
            return Err(Failure::parameter(format!(
                "the golden vectors have {rows} rows of input, but {results} of output"
            )));
        }
        let told = header.metadata().as_ref();
        let (name, own) = arithmetic();
        Ok(Vectors {
            inputs,
            outputs,
            same_arithmetic: told.and_then(|told| told.get(&name)) == Some(&own),
        })
    }
}

fn file(network: &Network, inputs: &[f32], outputs: &[f32]) -> Result<Vec<u8>, Failure> {
    let rows = inputs.len() / network.input_width();
    let bytes = |values: &[f32]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let (inputs, outputs) = (bytes(inputs), bytes(outputs));
    let told = HashMap::from([arithmetic()]);
    TensorView::new(Dtype::F32, vec![rows, network.input_width()], &inputs)
        .and_then(|input| {
            let output = TensorView::new(Dtype::F32, vec![rows, network.output_width()], &outputs)?;
            safetensors::serialize([(INPUT, input), (OUTPUT, output)], Some(told))
        })
        .map_err(|error| Failure::internal(format!("golden vectors cannot be written: {error}")))
}

/// Seeded rows of input.
fn inputs(network: &Network) -> Vec<f32> {
    let width = network.input_width();
    let mut values = vec![0.0; (MAX_VALUES / width).clamp(1, ROWS) * width];
    uniform(Key::new(SEED, INPUT), 1.0, &mut values);
    let limits = network.feature_limits();
    for row in values.chunks_exact_mut(width) {
        for limit in &limits {
            for value in &mut row[limit.first..limit.first + limit.count] {
                *value = match limit.domain {
                    FeatureDomain::Index(entries) => index(*value, entries),
                    FeatureDomain::Count => value.max(0.0),
                };
            }
        }
    }
    values
}

/// An index of a table, by a number of -1..1; a number that is an index already stays one of a smaller table.
#[expect(clippy::cast_precision_loss, reason = "tables have at most 2^24 rows")]
fn index(value: f32, entries: usize) -> f32 {
    let last = (entries - 1) as f32;
    if value < 0.0 || value.fract() != 0.0 {
        ((value + 1.0) / 2.0 * entries as f32).floor().min(last)
    } else {
        value.min(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn network(layers: &Value, shape: &[usize]) -> Network {
        let document = json!({"format": crate::network::FORMAT, "layers": layers});
        Network::from_document(&document, shape).unwrap()
    }

    fn input(file: &[u8]) -> (Vec<usize>, Vec<f32>) {
        let tensors = SafeTensors::deserialize(file).unwrap();
        let tensor = tensors.tensor(INPUT).unwrap();
        let numbers = tensor.data().chunks_exact(4);
        let numbers = numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        (tensor.shape().to_vec(), numbers.collect())
    }

    /// The file as another version would have written it, with `change` made to its outputs.
    fn of_another_version(network: &Network, file: &[u8], change: impl Fn(f32) -> f32) -> Vec<u8> {
        let known = Vectors::read(network, file).unwrap();
        let outputs: Vec<f32> = known.outputs.iter().map(|value| change(*value)).collect();
        let file = super::file(network, &known.inputs, &outputs).unwrap();
        let (own, other) = (
            env!("CARGO_PKG_VERSION"),
            "9".repeat(env!("CARGO_PKG_VERSION").len()),
        );
        let at = file
            .windows(own.len())
            .position(|part| part == own.as_bytes())
            .unwrap();
        [&file[..at], other.as_bytes(), &file[at + own.len()..]].concat()
    }

    #[test]
    fn counts_are_legal() {
        let bag = json!({"type": "EmbeddingBag", "num_embeddings": 5, "embedding_dim": 2, "input": "counts"});
        let net = network(&json!([bag]), &[5]);
        let weights = net.initial_weights(1);
        let file = golden(&net, &weights).unwrap();
        let (shape, values) = input(&file);
        assert_eq!(shape, [4, 5]);
        assert!(values.contains(&0.0) && values.iter().any(|value| *value > 0.0));
        check_golden(&net, &weights, &file).unwrap();
    }

    #[test]
    fn what_has_no_weights_counts_too() {
        let relu = network(
            &json!([{"type": "Linear", "out_features": 3}, {"type": "ReLU"}]),
            &[5],
        );
        let weights = relu.initial_weights(1);
        let file = golden(&relu, &weights).unwrap();
        assert_eq!(golden(&relu, &weights).unwrap(), file);
        check_golden(&relu, &weights, &file).unwrap();
        let tanh = network(
            &json!([{"type": "Linear", "out_features": 3}, {"type": "Tanh"}]),
            &[5],
        );
        let failure = check_golden(&tanh, &weights, &file).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        assert!(
            failure
                .message
                .starts_with("row 0 of the golden vectors: output "),
            "{failure}"
        );
        assert!(failure.message.contains("when the model was saved"), "{failure}");
    }

    #[test]
    fn the_bits_count_where_the_arithmetic_is_the_same_and_a_thousandth_elsewhere() {
        let net = network(&json!([{"type": "Linear", "out_features": 3}]), &[5]);
        let mut weights = net.initial_weights(1);
        let file = golden(&net, &weights).unwrap();
        check_golden(
            &net,
            &weights,
            &of_another_version(&net, &file, |value| value * 1.0005),
        )
        .unwrap();
        let far = of_another_version(&net, &file, |value| value * 1.01);
        assert!(check_golden(&net, &weights, &far).is_err());
        let none = of_another_version(&net, &file, |_| f32::NAN);
        assert!(check_golden(&net, &weights, &none).is_err());
        weights[0] = weights[0].next_up();
        assert!(check_golden(&net, &weights, &file).is_err());
    }

    #[test]
    fn embeddings_get_indices() {
        let net = network(
            &json!([{"type": "Embedding", "num_embeddings": 7, "embedding_dim": 2}, {"type": "Flatten"},
                {"type": "Linear", "out_features": 1}]),
            &[6],
        );
        let (shape, values) = input(&golden(&net, &net.initial_weights(1)).unwrap());
        assert_eq!(shape, [4, 6]);
        assert!(
            values
                .iter()
                .all(|value| value.fract() == 0.0 && (0.0..7.0).contains(value)),
            "{values:?}"
        );
        assert!(values.iter().any(|value| *value > 3.0), "{values:?}");
    }

    #[test]
    fn inputs_of_a_graph_get_what_reads_them() {
        let document = json!({"format": crate::network::FORMAT,
            "inputs": [{"name": "age", "shape": [2]}, {"name": "city", "shape": [1]}],
            "nodes": [
                {"name": "table", "inputs": ["city"],
                    "layer": {"type": "Embedding", "num_embeddings": 3, "embedding_dim": 2}},
                {"name": "flat", "inputs": ["table"], "layer": {"type": "Flatten"}},
                {"name": "both", "inputs": ["age", "flat"], "layer": {"type": "Concat"}},
                {"name": "out", "inputs": ["both"], "layer": {"type": "Linear", "out_features": 1}}],
            "outputs": ["out"]});
        let net = Network::from_document(&document, &[3]).unwrap();
        let (_, values) = input(&golden(&net, &net.initial_weights(1)).unwrap());
        for row in values.chunks_exact(3) {
            assert!(row[0].fract() != 0.0 && row[1].fract() != 0.0, "{row:?}");
            assert!(row[2].fract() == 0.0 && (0.0..3.0).contains(&row[2]), "{row:?}");
        }
    }

    #[test]
    fn a_network_that_computes_its_indices_has_no_rows() {
        let net = network(
            &json!([{"type": "Softplus"}, {"type": "Embedding", "num_embeddings": 3, "embedding_dim": 2}]),
            &[1],
        );
        let weights = net.initial_weights(1);
        let file = golden(&net, &weights).unwrap();
        assert_eq!(input(&file).0, [0, 1]);
        check_golden(&net, &weights, &file).unwrap();
    }

    #[test]
    fn long_rows_are_fewer() {
        let net = network(
            &json!([{"type": "Linear", "out_features": 1}]),
            &[MAX_VALUES / 2 + 1],
        );
        assert_eq!(input(&golden(&net, &net.initial_weights(1)).unwrap()).0[0], 1);
    }

    #[test]
    fn a_file_of_something_else_is_told() {
        let net = network(&json!([{"type": "Linear", "out_features": 3}]), &[5]);
        let other = network(&json!([{"type": "Linear", "out_features": 4}]), &[5]);
        let weights = net.initial_weights(1);
        let file = golden(&other, &other.initial_weights(1)).unwrap();
        let message = |file: &[u8]| check_golden(&net, &weights, file).unwrap_err().message;
        assert!(message(&file).contains("an output of F32 [4, 4], but the network's has F32 [rows, 3]"));
        assert!(message(&file[..file.len() - 1]).contains("no file of golden vectors"));
        assert!(message(b"").contains("no file of golden vectors"));
        assert!(message(&net.save_weights(&weights).unwrap()).contains("no file of golden vectors"));
    }
}
