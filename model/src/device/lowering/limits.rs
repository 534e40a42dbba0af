//! How many elements a tensor on a device may have.

use super::layer::Layer;
use crate::resident::DeviceError;

/// candle's kernels for GPUs count elements in 32 bits, and each goes on by the number of all its threads, which come in blocks of
/// 1,024: where that passes 2^32 it begins again and never ends.
const MOST: usize = (1 << 32) - 1_024;

/// How many elements a shape has, where they are more than kernels count.
fn beyond(shape: &[usize]) -> Option<String> {
    let product = shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size));
    match product {
        Some(elements) if elements <= MOST => None,
        Some(elements) => Some(elements.to_string()),
        None => Some("more than 2^64".to_owned()),
    }
}

/// Refuses a tensor of a shape that no kernel counts, before memory is asked for.
pub(in crate::device) fn check(path: &str, name: &str, shape: &[usize]) -> Result<(), DeviceError> {
    match beyond(shape) {
        None => Ok(()),
        Some(elements) => Err(DeviceError::TooMany(format!(
            "layer {path} ({name}) would make one of {elements} elements ({shape:?}), expected at most {MOST}"
        ))),
    }
}

/// The same of features, which kernels make f32 of.
pub(in crate::device) fn check_features(shape: &[usize]) -> Result<(), DeviceError> {
    match beyond(shape) {
        None => Ok(()),
        Some(elements) => Err(DeviceError::TooMany(format!(
            "the features that are read together are {elements} ({shape:?}), expected at most {MOST}"
        ))),
    }
}

impl Layer<'_> {
    /// [`check`] of what this layer is about to make.
    pub(super) fn check(&self, shape: &[usize]) -> Result<(), DeviceError> {
        check(self.path, self.arguments.name(), shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_counted_without_wrapping() {
        assert_eq!(beyond(&[]), None);
        assert_eq!(beyond(&[1 << 16, 1 << 15]), None);
        assert_eq!(beyond(&[MOST]), None);
        assert_eq!(beyond(&[MOST + 1]), Some("4294966273".to_owned()));
        assert_eq!(beyond(&[1 << 16, 1 << 16]), Some("4294967296".to_owned()));
        assert_eq!(beyond(&[1 << 40, 1 << 40]), Some("more than 2^64".to_owned()));
        // No row, no element, however wide it would be.
        assert_eq!(beyond(&[0, 1 << 40, 1 << 20]), None);
    }

    #[test]
    fn a_refusal_names_the_layer() {
        let Err(DeviceError::TooMany(told)) = check("2.0", "Conv2d", &[3, 1 << 31]) else {
            panic!("it was to be refused");
        };
        assert_eq!(
            told,
            "layer 2.0 (Conv2d) would make one of 6442450944 elements ([3, 2147483648]), expected at most 4294966272"
        );
        assert!(check("2.0", "Conv2d", &[1, 1 << 31]).is_ok());
    }
}
