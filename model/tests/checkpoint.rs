//! Weights that come in: PyTorch's names, every float type, files that are damaged in thousands of ways.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::network::Network;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn network() -> Network {
    let document = json!({"format": "candlewick.network/1", "layers": [
        {"type": "Linear", "out_features": 3}, {"type": "ReLU"}, {"type": "Linear", "out_features": 2}]});
    Network::from_document(&document, &[4]).unwrap()
}

type Tensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn file(tensors: &[Tensor]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn bytes_of<const N: usize>(count: usize, write: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    (0..count).flat_map(|at| write(at as f32 * 0.25 - 1.0)).collect()
}

/// The network's four tensors, each of another float type; the numbers are exact in all of them.
fn mixed() -> Vec<Tensor> {
    vec![
        (
            "0.weight",
            Dtype::F64,
            vec![3, 4],
            bytes_of(12, |x| f64::from(x).to_le_bytes()),
        ),
        ("0.bias", Dtype::F32, vec![3], bytes_of(3, f32::to_le_bytes)),
        (
            "2.weight",
            Dtype::BF16,
            vec![2, 3],
            bytes_of(6, |x| ((x.to_bits() >> 16) as u16).to_le_bytes()),
        ),
        // 0.0 and 1.0.
        (
            "2.bias",
            Dtype::F16,
            vec![2],
            [0u16.to_le_bytes(), 0x3c00u16.to_le_bytes()].concat(),
        ),
    ]
}

#[test]
fn every_float_type_is_read() {
    let (weights, report) = network().load_initial(&file(&mixed()), true, 0).unwrap();
    let ramp = |count: usize| (0..count).map(|at| at as f32 * 0.25 - 1.0);
    let wanted: Vec<f32> = ramp(12).chain(ramp(3)).chain(ramp(6)).chain([0.0, 1.0]).collect();
    assert_eq!(weights, wanted);
    assert_eq!(report.loaded, 4);
}

#[test]
fn our_own_file_comes_back_bit_for_bit() {
    let network = network();
    let weights = network.initial_weights(5);
    let bytes = network.save_weights(&weights).unwrap();
    assert_eq!(network.load_initial(&bytes, true, 0).unwrap().0, weights);
}

/// Pieces of every length, so that each number is cut at each of its bytes.
#[test]
fn a_file_in_pieces_is_the_file() {
    let network = network();
    let bytes = file(&mixed());
    let whole = network.load_initial(&bytes, true, 0).unwrap();
    let own = network.save_weights(&whole.0).unwrap();
    for size in 1..=bytes.len() {
        let mut loading = network.begin_initial(true, 0);
        for piece in bytes.chunks(size) {
            loading.push(piece).unwrap();
        }
        assert_eq!(loading.finish().unwrap(), whole, "pieces of {size} bytes");
        let mut loading = network.begin_load();
        own.chunks(size).for_each(|piece| loading.push(piece).unwrap());
        assert_eq!(loading.finish().unwrap().0, whole.0, "pieces of {size} bytes");
    }
    let mut loading = network.begin_load();
    loading.push(&own[..own.len() - 1]).unwrap();
    assert!(
        loading
            .finish()
            .unwrap_err()
            .message
            .contains("not a safetensors file")
    );
    let mut loading = network.begin_load();
    loading.push(&own).unwrap();
    assert!(
        loading
            .push(&[0])
            .unwrap_err()
            .message
            .contains("not a safetensors file")
    );
}

/// With a count, which stands first in the file and not in the weights.
#[test]
fn a_file_is_written_in_pieces_as_the_crate_writes_it_whole() {
    let document = json!({"format": "candlewick.network/1", "layers": [
        {"type": "Linear", "out_features": 3}, {"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 2}]});
    let network = Network::from_document(&document, &[4]).unwrap();
    let mut weights = network.initial_weights(3);
    let count = network
        .parameters()
        .iter()
        .find(|parameter| parameter.count)
        .unwrap();
    weights[count.offset] = 41.0;
    let data: Vec<Vec<u8>> = network
        .parameters()
        .iter()
        .map(|parameter| {
            let values = &weights[parameter.offset..parameter.offset + parameter.len()];
            if parameter.count {
                return 41i64.to_le_bytes().to_vec();
            }
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        })
        .collect();
    let views = network.parameters().iter().zip(&data).map(|(parameter, data)| {
        let dtype = if parameter.count { Dtype::I64 } else { Dtype::F32 };
        (
            parameter.name.as_str(),
            TensorView::new(dtype, parameter.shape.clone(), data).unwrap(),
        )
    });
    let format = [("format".to_owned(), "pt".to_owned())].into();
    let wanted = safetensors::serialize(views, Some(format)).unwrap();
    let file = network.weights_file(&weights).unwrap();
    assert_eq!(file.total(), wanted.len() as u64);
    for size in (8..=wanted.len() + 8).step_by(8) {
        let pieces: Vec<Vec<u8>> = file.pieces(size).collect();
        assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() == size));
        assert!(pieces.concat() == wanted, "pieces of {size} bytes");
    }
    assert_eq!(network.save_weights(&weights).unwrap(), wanted);
    assert_eq!(
        network.weights_hash_of_file(&wanted).unwrap(),
        network.weights_hash(&weights)
    );
}

#[test]
fn strict_names_everything_that_differs() {
    let mut tensors = mixed();
    tensors.remove(1);
    tensors[0].2 = vec![4, 3];
    tensors.push(("extra", Dtype::F32, vec![1], vec![0; 4]));
    tensors.push(("1.num_batches_tracked", Dtype::I64, vec![], vec![0; 8]));
    let bytes = file(&tensors);
    let message = network().load_initial(&bytes, true, 0).unwrap_err().message;
    assert_eq!(
        message,
        "initialWeights do not fit the network: the file lacks 0.bias; the network has no extra; shapes differ: \
         0.weight [4, 3] instead of [3, 4]; matrices of the file look transposed: PyTorch's Linear has [out_features, \
         in_features]"
    );

    let (weights, report) = network().load_initial(&bytes, false, 9).unwrap();
    let fresh = network().initial_weights(9);
    assert_eq!(
        weights[..15],
        fresh[..15],
        "what does not fit starts as without a file"
    );
    assert_eq!(weights[15..21], [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25]);
    assert_eq!(
        report.to_json(),
        json!({"loaded": 2, "missing": ["0.bias"], "unexpected": ["extra"],
            "mismatched": [{"name": "0.weight", "found": [4, 3], "wanted": [3, 4]}]})
    );
}

#[test]
fn a_file_of_which_nothing_fits_is_refused_whether_it_has_to_fit_or_not() {
    let foreign = file(&[("fc1.weight", Dtype::F32, vec![3, 4], vec![0; 48])]);
    for strict in [true, false] {
        let message = network().load_initial(&foreign, strict, 0).unwrap_err().message;
        assert!(
            message.contains("the network has no fc1.weight; none of it fits: give the tensors the names"),
            "{message}"
        );
    }
    let mut tensors = mixed();
    tensors.remove(1);
    let message = network()
        .load_initial(&file(&tensors), true, 0)
        .unwrap_err()
        .message;
    assert!(
        message.ends_with("the file lacks 0.bias; set strictWeights to false to load what fits"),
        "{message}"
    );
}

#[test]
fn integers_and_numbers_that_are_not_finite_are_refused() {
    let mut tensors = mixed();
    tensors[1].1 = Dtype::I32;
    let message = |tensors: &[Tensor]| {
        network()
            .load_initial(&file(tensors), false, 0)
            .unwrap_err()
            .message
    };
    assert!(message(&tensors).contains("tensor \"0.bias\" is I32; F32, F64, F16 and BF16 can be read"));
    let mut tensors = mixed();
    tensors[1].3[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(message(&tensors).contains("\"0.bias\" holds NaN at element 1"));
    // Too large for f32.
    tensors = mixed();
    tensors[0].3[..8].copy_from_slice(&1e300f64.to_le_bytes());
    assert!(message(&tensors).contains("\"0.weight\" holds inf at element 0"));
}

fn headed(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// One tensor, whose header says what is given.
fn one(dtype: &str, shape: &str, (from, to): (&str, &str), data: usize) -> Vec<u8> {
    headed(
        &format!("{{\"0.bias\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{from},{to}]}}}}"),
        data,
    )
}

fn wrong_offsets() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("offsets beyond the end", one("F32", "[3]", ("0", "12"), 8)),
        ("offsets backwards", one("F32", "[3]", ("12", "0"), 12)),
        (
            "offsets of 2^63",
            one("F32", "[3]", ("9223372036854775808", "9223372036854775820"), 12),
        ),
        ("negative offset", one("F32", "[3]", ("-4", "8"), 12)),
        (
            "shape of 2^64",
            one("F32", "[4294967296,4294967296]", ("0", "12"), 12),
        ),
        (
            "shape that wraps to 3",
            one("F32", "[9223372036854775807,2,3]", ("0", "12"), 12),
        ),
        ("size is not shape's", one("F32", "[4]", ("0", "12"), 12)),
        ("unknown type", one("F33", "[3]", ("0", "12"), 12)),
        ("bytes behind the tensors", one("F32", "[3]", ("0", "12"), 16)),
        (
            "overlap",
            headed(
                "{\"0.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},\
                 \"2.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
                12,
            ),
        ),
    ]
}

#[test]
fn damaged_files_are_invalid_parameters() {
    let good = file(&mixed());
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("seven bytes", vec![0; 7]),
        ("length only", 0u64.to_le_bytes().to_vec()),
        ("huge header", u64::MAX.to_le_bytes().to_vec()),
        (
            "header of 2^62",
            [&(1u64 << 62).to_le_bytes()[..], &good[8..]].concat(),
        ),
        ("not JSON", headed("{\"a\": ", 4)),
        ("a list", headed("[]", 0)),
        ("pickle", b"\x80\x02}q\x00X\x08\x00\x00\x000.weight".to_vec()),
        ("zip", b"PK\x03\x04 archive of torch.save".to_vec()),
    ];
    cases.extend(wrong_offsets());
    for end in 0..good.len() {
        cases.push(("truncated", good[..end].to_vec()));
    }
    for (what, bytes) in cases {
        let failure = network().load_initial(&bytes, false, 0).expect_err(what);
        assert!(
            failure
                .message
                .starts_with("initialWeights are not a safetensors file"),
            "{what}: {failure:?}"
        );
    }
}

/// xorshift: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn mutate(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for _ in 0..=random.below(3) {
        // Most of what can go wrong is said in the header.
        let within = if random.below(4) == 0 {
            bytes.len()
        } else {
            header.min(bytes.len())
        };
        let at = random.below(within.max(1)).min(bytes.len().saturating_sub(1));
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => bytes[at] = b"0123456789-[]{},:\"eE."[random.below(21)],
            3 => bytes.truncate(at + 1),
            4 => bytes.insert(at, b"0123456789"[random.below(10)]),
            5 => drop(bytes.remove(at)),
            _ => {
                let from = random.below(bytes.len());
                let part = bytes[from..(from + random.below(40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
        if bytes.len() < 2 {
            break;
        }
    }
    // Half the time the length fits again, so that the mutation reaches what follows.
    if bytes.len() > header && random.below(2) == 0 {
        let length = (header as u64 - 8)
            .wrapping_add(bytes.len() as u64)
            .wrapping_sub(good.len() as u64);
        bytes[..8].copy_from_slice(&length.to_le_bytes());
    }
    bytes
}

#[test]
fn twenty_thousand_mutations_never_panic() {
    let network = network();
    let good = file(&mixed());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut read, mut refused) = (0, 0);
    for case in 0..20_000 {
        let bytes = mutate(&good, &mut random);
        let result = catch_unwind(AssertUnwindSafe(|| network.load_initial(&bytes, false, 1)));
        match result.unwrap_or_else(|_| panic!("case {case} panicked: {bytes:?}")) {
            Ok((weights, _)) => {
                assert!(weights.len() == 23 && weights.iter().all(|weight| weight.is_finite()));
                read += 1;
            }
            Err(failure) => {
                assert_eq!(
                    failure.kind,
                    candlewick_protocol::ErrorKind::InvalidParameter,
                    "case {case}"
                );
                refused += 1;
            }
        }
    }
    assert!(read > 500 && refused > 5_000, "{read} read, {refused} refused");
}

#[test]
fn a_count_of_batches_is_read_as_pytorch_writes_it() {
    let document = json!({"format": "candlewick.network/1", "layers": [{"type": "BatchNorm1d"}]});
    let network = Network::from_document(&document, &[2]).unwrap();
    let pair = |values: [f32; 2]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let bytes = file(&[
        ("0.weight", Dtype::F32, vec![2], pair([1.5, 2.0])),
        ("0.bias", Dtype::F32, vec![2], pair([0.5, 0.0])),
        ("0.running_mean", Dtype::F32, vec![2], pair([3.0, 4.0])),
        ("0.running_var", Dtype::F32, vec![2], pair([5.0, 6.0])),
        (
            "0.num_batches_tracked",
            Dtype::I64,
            vec![],
            77i64.to_le_bytes().to_vec(),
        ),
    ]);
    let (weights, report) = network.load_initial(&bytes, true, 0).unwrap();
    assert_eq!(weights, [1.5, 2.0, 0.5, 0.0, 3.0, 4.0, 5.0, 6.0, 77.0]);
    assert_eq!(report.loaded, 5);
}
