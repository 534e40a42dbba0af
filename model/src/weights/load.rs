//! The safetensors file of a model: exactly its parameters, with the names and layouts of PyTorch.

use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

pub(super) fn values_of<'a>(parameter: &Parameter, weights: &'a [f32]) -> &'a [f32] {
    &weights[parameter.offset..parameter.offset + parameter.len()]
}

/// The values as the file holds them.
pub(super) fn bytes_of(parameter: &Parameter, weights: &[f32]) -> Vec<u8> {
    let values = values_of(parameter, weights).iter();
    if parameter.count {
        #[expect(clippy::cast_possible_truncation, reason = "a count is a whole number")]
        return values.flat_map(|value| (*value as i64).to_le_bytes()).collect();
    }
    values.flat_map(|value| value.to_le_bytes()).collect()
}

fn dtype_of(parameter: &Parameter) -> Dtype {
    if parameter.count { Dtype::I64 } else { Dtype::F32 }
}

/// The safetensors file.
pub(crate) fn save(parameters: &[Parameter], weights: &[f32]) -> Result<Vec<u8>, Failure> {
    let wrong = |error| Failure::internal(format!("weights cannot be written as safetensors: {error}"));
    let bytes: Vec<Vec<u8>> = parameters
        .iter()
        .map(|parameter| bytes_of(parameter, weights))
        .collect();
    let mut views = Vec::with_capacity(parameters.len());
    for (parameter, bytes) in parameters.iter().zip(&bytes) {
        let view = TensorView::new(dtype_of(parameter), parameter.shape.clone(), bytes).map_err(wrong)?;
        views.push((parameter.name.as_str(), view));
    }
    let format = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(format)).map_err(wrong)
}

/// Reads a safetensors file that holds exactly these parameters.
pub(crate) fn load(parameters: &[Parameter], total: usize, bytes: &[u8]) -> Result<Vec<f32>, Failure> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Failure::parameter(format!("the weights are not a safetensors file: {error}")))?;
    let mut unexpected: Vec<&str> = file
        .names()
        .into_iter()
        .filter(|name| parameters.iter().all(|known| known.name != *name))
        .collect();
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
    let mut weights = vec![0.0; total];
    for parameter in parameters {
        let tensor = file.tensor(&parameter.name).map_err(|_| {
            Failure::parameter(format!(
                "the weights lack the tensor {:?}, shape {:?}",
                parameter.name, parameter.shape
            ))
        })?;
        if tensor.dtype() != dtype_of(parameter) || tensor.shape() != parameter.shape {
            return Err(Failure::parameter(format!(
                "tensor {:?} of the weights is {:?} of shape {:?}; the network expects {:?} of shape {:?}",
                parameter.name,
                tensor.dtype(),
                tensor.shape(),
                dtype_of(parameter),
                parameter.shape
            )));
        }
        let target = &mut weights[parameter.offset..parameter.offset + parameter.len()];
        if parameter.count {
            for (value, bytes) in target.iter_mut().zip(tensor.data().as_chunks::<8>().0) {
                #[expect(clippy::cast_precision_loss, reason = "exact to 2^24")]
                let count = i64::from_le_bytes(*bytes) as f32;
                *value = count;
            }
            continue;
        }
        for (value, bytes) in target.iter_mut().zip(tensor.data().as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*bytes);
        }
    }
    Ok(weights)
}
