//! The hash of weights, rule B12.

use super::load::{append, tensors, values_of};
use crate::numbers::clamp_u32;
use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use xxhash_rust::xxh3::Xxh3;

/// Values converted to bytes at a time.
const CHUNK: usize = 1_024;

/// Feeds values to a hash, little endian.
///
/// ```
/// use candlewick_model::weights::update_with_values;
/// use xxhash_rust::xxh3::Xxh3;
/// let (mut values, mut bytes) = (Xxh3::new(), Xxh3::new());
/// update_with_values(&mut values, &[1.0, -2.5]);
/// bytes.update(&1f32.to_le_bytes());
/// bytes.update(&(-2.5f32).to_le_bytes());
/// assert_eq!(values.digest128(), bytes.digest128());
/// ```
pub fn update_with_values(hasher: &mut Xxh3, values: &[f32]) {
    let mut bytes = [0u8; CHUNK * 4];
    for chunk in values.chunks(CHUNK) {
        for (target, value) in bytes.chunks_exact_mut(4).zip(chunk) {
            target.copy_from_slice(&value.to_le_bytes());
        }
        hasher.update(&bytes[..chunk.len() * 4]);
    }
}

/// Rule B12. For every parameter in the network's order: length of the name (u32), name, `F32`, number of
/// dimensions (u32), dimensions (u64 each), values (f32); all numbers little endian; XXH3-128 of it all as 32
/// hexadecimal digits. A count is `I64` and its value an i64, as in the file.
pub(crate) fn hash(parameters: &[Parameter], weights: &[f32]) -> String {
    hash_of(parameters, |hasher, _, parameter| {
        let values = values_of(parameter, weights);
        if parameter.count {
            let mut bytes = Vec::new();
            append(true, values, &mut bytes);
            hasher.update(&bytes);
        } else {
            update_with_values(hasher, values);
        }
    })
}

/// The same of a model's safetensors file, which holds the values as they are hashed.
pub(crate) fn hash_of_file(parameters: &[Parameter], file: &[u8]) -> Result<String, Failure> {
    let tensors = tensors(parameters, file)?;
    Ok(hash_of(parameters, |hasher, at, _| hasher.update(tensors[at])))
}

fn hash_of(parameters: &[Parameter], values: impl Fn(&mut Xxh3, usize, &Parameter)) -> String {
    let length = |length: usize| clamp_u32(length).to_le_bytes();
    let mut hasher = Xxh3::new();
    for (at, parameter) in parameters.iter().enumerate() {
        hasher.update(&length(parameter.name.len()));
        hasher.update(parameter.name.as_bytes());
        hasher.update(if parameter.count { b"I64" } else { b"F32" });
        hasher.update(&length(parameter.shape.len()));
        for size in &parameter.shape {
            hasher.update(&(*size as u64).to_le_bytes());
        }
        values(&mut hasher, at, parameter);
    }
    format!("{:032x}", hasher.digest128())
}
