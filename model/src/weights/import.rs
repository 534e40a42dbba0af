//! Weights that a training run starts from: a safetensors file of somebody else, read with care.

use super::incoming::{Number, Plan, Target};
use super::load::{bytes_of, values_of};
use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use safetensors::tensor::Metadata;
use serde_json::{Value, json};
use std::collections::HashMap;

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

    /// Fails unless file and network agree in every name and shape, or, where it need not be `strict`, in one at least.
    ///
    /// # Errors
    /// `InvalidParameter` with what differs.
    pub fn check(&self, strict: bool) -> Result<(), Failure> {
        if self.loaded > 0 && !strict {
            return Ok(());
        }
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
        let transposed = |one: &Mismatch| one.found.len() == 2 && one.found.iter().rev().eq(&one.wanted);
        let remedy = if self.mismatched.iter().any(transposed) {
            "matrices of the file look transposed: PyTorch's Linear has [out_features, in_features]"
        } else if self.loaded == 0 {
            "none of it fits: give the tensors the names that summary() of the network has"
        } else {
            "set strictWeights to false to load what fits"
        };
        Err(Failure::parameter(format!(
            "initialWeights do not fit the network: {}; {remedy}",
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

/// Start of the message where a file to start from is none.
pub(super) const WHAT: &str = "initialWeights are";

/// Where the tensors of a file go whose names and layouts are those of PyTorch's `state_dict`, converted to f32, and what
/// of it fits. Counters of batches are of no use here and passed over. `fresh` fills a parameter that the file lacks.
///
/// # Errors
/// `InvalidParameter` where a tensor that is wanted is no float.
pub(super) fn plan(
    parameters: &[Parameter],
    total: usize,
    file: &Metadata,
    fresh: impl Fn(usize, &mut [f32]),
) -> Result<(Plan, Report), Failure> {
    let mut report = Report::default();
    let mut weights = vec![0.0; total];
    let mut targets = HashMap::new();
    for (at, parameter) in parameters.iter().enumerate() {
        let range = parameter.offset..parameter.offset + parameter.len();
        match file.info(&parameter.name) {
            Some(tensor) if tensor.shape == parameter.shape => {
                let kind = Number::of(tensor.dtype, parameter.count).ok_or_else(|| {
                    Failure::parameter(format!(
                        "initialWeights: tensor {:?} is {:?}; F32, F64, F16 and BF16 can be read",
                        parameter.name, tensor.dtype
                    ))
                })?;
                targets.insert(parameter.name.as_str(), Target { range, kind });
                report.loaded += 1;
                continue;
            }
            Some(tensor) => report.mismatched.push(Mismatch {
                name: parameter.name.clone(),
                found: tensor.shape.clone(),
                wanted: parameter.shape.clone(),
            }),
            None => report.missing.push(parameter.name.clone()),
        }
        let values = weights.get_mut(range);
        fresh(
            at,
            values.ok_or_else(|| Failure::internal("fewer weights than parameters"))?,
        );
    }
    let names = file.offset_keys();
    let unexpected = names
        .iter()
        .filter(|name| !is_counter(name) && parameters.iter().all(|parameter| parameter.name != **name));
    report.unexpected = unexpected.cloned().collect();
    report.unexpected.sort_unstable();
    let tensors = names
        .iter()
        .map(|name| (bytes_of(file, name), targets.remove(name.as_str())))
        .collect();
    Ok((Plan { weights, tensors }, report))
}

/// Fails where a weight is no finite number.
pub(super) fn check_finite(parameters: &[Parameter], weights: &[f32]) -> Result<(), Failure> {
    for parameter in parameters {
        let values = values_of(parameter, weights);
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Failure::parameter(format!(
                "initialWeights: tensor {:?} holds {} at element {at}; weights are finite numbers",
                parameter.name, values[at]
            )));
        }
    }
    Ok(())
}

/// PyTorch's normalisations count batches in a tensor that no forward pass reads (unless momentum is None).
fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_known_by_their_last_name() {
        assert!(is_counter("1.num_batches_tracked") && is_counter("num_batches_tracked"));
        assert!(!is_counter("num_batches_tracked.weight"));
    }
}
