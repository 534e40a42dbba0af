//! The safetensors file of a model: exactly its parameters, with the names and layouts of PyTorch.

use super::incoming::{Number, Plan, Target};
use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use std::collections::HashMap;

pub(super) fn values_of<'a>(parameter: &Parameter, weights: &'a [f32]) -> &'a [f32] {
    &weights[parameter.offset..parameter.offset + parameter.len()]
}

/// A value as the file holds it, of a count or of any other parameter.
pub(super) fn append(count: bool, values: &[f32], bytes: &mut Vec<u8>) {
    if count {
        #[expect(clippy::cast_possible_truncation, reason = "a count is a whole number")]
        bytes.extend(values.iter().flat_map(|value| (*value as i64).to_le_bytes()));
    } else {
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
}

/// Type and bytes of a value.
fn kind_of(parameter: &Parameter) -> (Dtype, usize) {
    if parameter.count {
        (Dtype::I64, 8)
    } else {
        (Dtype::F32, 4)
    }
}

/// Length and header of a safetensors file whose tensors come in this order.
pub(crate) fn head_of_file(
    metadata: HashMap<String, String>,
    infos: Vec<(String, TensorInfo)>,
) -> Result<Vec<u8>, SafeTensorError> {
    let metadata = Metadata::new(Some(metadata), infos)?;
    let mut text = serde_json::to_vec(&metadata)?;
    // Every number is aligned.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut head = (text.len() as u64).to_le_bytes().to_vec();
    head.append(&mut text);
    Ok(head)
}

/// The safetensors file of weights, made as it is read: beside the weights there is no more of it than a piece.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Length and header.
    head: Vec<u8>,
    /// In the order of the file.
    tensors: Vec<&'a Parameter>,
    weights: &'a [f32],
    total: u64,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(parameters: &'a [Parameter], weights: &'a [f32]) -> Result<Self, Failure> {
        let mut tensors: Vec<&Parameter> = parameters.iter().collect();
        // As the crate's own writer has them: the widest first, so that every number is aligned.
        tensors.sort_by(|left, right| {
            let (wide, narrow) = (kind_of(left).0, kind_of(right).0);
            narrow.cmp(&wide).then_with(|| left.name.cmp(&right.name))
        });
        let mut end = 0;
        let infos = tensors.iter().map(|parameter| {
            let (dtype, width) = kind_of(parameter);
            let start = end;
            end += parameter.len() * width;
            let info = TensorInfo {
                dtype,
                shape: parameter.shape.clone(),
                data_offsets: (start, end),
            };
            (parameter.name.clone(), info)
        });
        let infos = infos.collect();
        let format = [("format".to_owned(), "pt".to_owned())].into();
        let head = head_of_file(format, infos).map_err(|error| {
            Failure::internal(format!("weights cannot be written as safetensors: {error}"))
        })?;
        let total = head.len() as u64 + end as u64;
        Ok(Outgoing {
            head,
            tensors,
            weights,
            total,
        })
    }

    /// Bytes of the file.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The file in pieces of `size` bytes, a multiple of 8; the last one may be shorter.
    pub fn pieces(&self, size: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
        debug_assert!(size.is_multiple_of(8), "no number is cut");
        let mut head = self.head.as_slice();
        let mut tensors = self.tensors.iter();
        let (mut count, mut values): (bool, &[f32]) = (false, &[]);
        std::iter::from_fn(move || {
            let mut piece = Vec::with_capacity(size.min(usize::try_from(self.total).unwrap_or(size)));
            let (mine, rest) = head.split_at(size.min(head.len()));
            piece.extend_from_slice(mine);
            head = rest;
            while piece.len() < size {
                if values.is_empty() {
                    let Some(next) = tensors.next() else { break };
                    (count, values) = (next.count, values_of(next, self.weights));
                    continue;
                }
                let width = if count { 8 } else { 4 };
                let (mine, rest) = values.split_at(((size - piece.len()) / width).min(values.len()));
                append(count, mine, &mut piece);
                values = rest;
            }
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// Where the tensors of a file go that holds exactly these parameters.
pub(super) fn plan(parameters: &[Parameter], total: usize, file: &Metadata) -> Result<Plan, Failure> {
    check(parameters, file)?;
    let by_name = |name: &String| parameters.iter().find(|parameter| parameter.name == *name);
    let tensors = file.offset_keys().into_iter().map(|name| {
        let target = by_name(&name).and_then(|parameter| {
            Some(Target {
                range: parameter.offset..parameter.offset + parameter.len(),
                kind: Number::of(kind_of(parameter).0, parameter.count)?,
            })
        });
        (bytes_of(file, &name), target)
    });
    Ok(Plan {
        tensors: tensors.collect(),
        weights: vec![0.0; total],
    })
}

/// Bytes of a tensor.
pub(super) fn bytes_of(file: &Metadata, name: &str) -> usize {
    file.info(name)
        .map_or(0, |info| info.data_offsets.1 - info.data_offsets.0)
}

/// Fails unless a file holds exactly these parameters.
fn check(parameters: &[Parameter], file: &Metadata) -> Result<(), Failure> {
    let mut unexpected = file.offset_keys();
    unexpected.retain(|name| parameters.iter().all(|known| known.name != *name));
    unexpected.sort_unstable();
    if let Some(name) = unexpected.first() {
        let known: Vec<&str> = parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect();
        return Err(Failure::parameter(format!(
            "the weights hold a tensor {name:?} that the network does not have; its parameters are {}",
            known.join(", ")
        )));
    }
    for parameter in parameters {
        let tensor = file.info(&parameter.name).ok_or_else(|| {
            Failure::parameter(format!(
                "the weights lack the tensor {:?}, shape {:?}",
                parameter.name, parameter.shape
            ))
        })?;
        let dtype = kind_of(parameter).0;
        if tensor.dtype != dtype || tensor.shape != parameter.shape {
            return Err(Failure::parameter(format!(
                "tensor {:?} of the weights is {:?} of shape {:?}; the network expects {:?} of shape {:?}",
                parameter.name, tensor.dtype, tensor.shape, dtype, parameter.shape
            )));
        }
    }
    Ok(())
}

/// The tensors of a whole file that holds exactly these parameters, in the order of the parameters.
pub(super) fn tensors<'a>(parameters: &[Parameter], bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, Failure> {
    let wrong = |error| Failure::parameter(format!("{WHAT} not a safetensors file: {error}"));
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
    check(parameters, &metadata)?;
    let body = bytes.get(8 + header..).unwrap_or_default();
    let data = parameters.iter().map(|parameter| {
        let info = metadata.info(&parameter.name)?;
        body.get(info.data_offsets.0..info.data_offsets.1)
    });
    data.collect::<Option<_>>()
        .ok_or_else(|| Failure::internal("a tensor beyond its file"))
}

/// Start of the message where a model's file is none.
pub(super) const WHAT: &str = "the weights are";
