//! Weights that a training run starts from: a safetensors file of somebody else, read with care.

use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

/// Names listed in a message; the rest is counted.
const LISTED: usize = 8;

/// What a file had that the network has not, and the other way round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Parameters that were taken from the file.
    pub loaded: usize,
    /// Parameters that the file lacks: they keep their initial values.
    pub missing: Vec<String>,
    /// Tensors that the network has not: left out.
    pub unexpected: Vec<String>,
    /// Parameters whose tensor has another shape: they keep their initial values.
    pub mismatched: Vec<Mismatch>,
}

/// A tensor of another shape than its parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Name.
    pub name: String,
    /// Shape in the file.
    pub found: Vec<usize>,
    /// Shape of the parameter.
    pub wanted: Vec<usize>,
}

impl Report {
    /// The report as the summary of a fit has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mismatched: Vec<Value> = self
            .mismatched
            .iter()
            .map(|one| json!({"name": one.name, "found": one.found, "wanted": one.wanted}))
            .collect();
        json!({
            "loaded": self.loaded,
            "missing": self.missing,
            "unexpected": self.unexpected,
            "mismatched": mismatched,
        })
    }

    /// Fails unless file and network agree in every name and shape.
    ///
    /// # Errors
    /// `InvalidParameter` with what differs.
    pub fn check(&self) -> Result<(), Failure> {
        let shapes: Vec<String> = self
            .mismatched
            .iter()
            .map(|one| format!("{} {:?} instead of {:?}", one.name, one.found, one.wanted))
            .collect();
        let parts: Vec<String> = [
            ("the file lacks", &self.missing),
            ("the network has no", &self.unexpected),
            ("shapes differ:", &shapes),
        ]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} {}", list(names)))
        .collect();
        if parts.is_empty() {
            return Ok(());
        }
        Err(Failure::parameter(format!(
            "initialWeights do not fit the network: {}; set strictWeights to false to load what fits",
            parts.join("; ")
        )))
    }
}

fn list(names: &[String]) -> String {
    let head = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => head,
        more => format!("{head} and {more} more"),
    }
}

/// Puts the tensors of a safetensors file into `weights` by name, converted to f32. Names and layouts are those of
/// PyTorch's `state_dict`; counters of batches are of no use here and passed over.
///
/// # Errors
/// `InvalidParameter` where the file is damaged, or a tensor that is wanted is no float.
pub(crate) fn load_into(
    parameters: &[Parameter],
    weights: &mut [f32],
    bytes: &[u8],
) -> Result<Report, Failure> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Failure::parameter(format!("initialWeights are not a safetensors file: {error}")))?;
    let mut report = Report::default();
    for parameter in parameters {
        let Ok(tensor) = file.tensor(&parameter.name) else {
            report.missing.push(parameter.name.clone());
            continue;
        };
        if tensor.shape() != parameter.shape {
            report.mismatched.push(Mismatch {
                name: parameter.name.clone(),
                found: tensor.shape().to_vec(),
                wanted: parameter.shape.clone(),
            });
            continue;
        }
        let target = weights.get_mut(parameter.offset..parameter.offset + parameter.len());
        let target = target.ok_or_else(|| Failure::internal("fewer weights than parameters"))?;
        convert(parameter, &tensor, target)?;
        report.loaded += 1;
    }
    let unexpected = file
        .names()
        .into_iter()
        .filter(|name| !is_counter(name) && parameters.iter().all(|parameter| parameter.name != **name));
    report.unexpected = unexpected.map(str::to_owned).collect();
    report.unexpected.sort_unstable();
    Ok(report)
}

/// PyTorch's normalisations count batches in a tensor that no forward pass reads (unless momentum is None).
fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

fn convert(parameter: &Parameter, tensor: &TensorView<'_>, target: &mut [f32]) -> Result<(), Failure> {
    let (name, data) = (parameter.name.as_str(), tensor.data());
    match tensor.dtype() {
        Dtype::F32 => fill(target, data, f32::from_le_bytes),
        // Counts, which are exact in f32 up to 2^24.
        #[expect(clippy::cast_precision_loss, reason = "a count of batches")]
        Dtype::I64 if parameter.count => fill(target, data, |bytes| i64::from_le_bytes(bytes) as f32),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding to f32 is what is wanted"
        )]
        Dtype::F64 => fill(target, data, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::F16 => fill(target, data, |bytes| half(u16::from_le_bytes(bytes))),
        Dtype::BF16 => fill(target, data, |bytes| {
            f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
        }),
        other => {
            return Err(Failure::parameter(format!(
                "initialWeights: tensor {name:?} is {other:?}; F32, F64, F16 and BF16 can be read"
            )));
        }
    }
    match target.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Failure::parameter(format!(
            "initialWeights: tensor {name:?} holds {} at element {at}; weights are finite numbers",
            target[at]
        ))),
    }
}

fn fill<const N: usize>(target: &mut [f32], data: &[u8], read: impl Fn([u8; N]) -> f32) {
    let (items, _) = data.as_chunks::<N>();
    for (value, bytes) in target.iter_mut().zip(items) {
        *value = read(*bytes);
    }
}

/// IEEE half precision to single; every half is a single, so nothing is rounded.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10) & 31, u32::from(bits) & 0x3ff);
    let magnitude = match exponent {
        // A subnormal is its fraction times 2^-24; the product is exact.
        #[expect(clippy::cast_precision_loss, reason = "10 bits")]
        0 => (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        31 => 0x7f80_0000 | (fraction << 13),
        _ => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x8000, -0.0),
            (0x3555, 0.333_251_95),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:x}");
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn counters_are_known_by_their_last_name() {
        assert!(is_counter("1.num_batches_tracked") && is_counter("num_batches_tracked"));
        assert!(!is_counter("num_batches_tracked.weight"));
    }
}
