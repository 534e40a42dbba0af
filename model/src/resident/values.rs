//! What layers on a device put out for others that are there too.

use super::{DeviceRows, DeviceVec};
use candlewick_protocol::Failure;
use std::collections::BTreeMap;

/// Features, and values that stay on a device from one layer to the next, and their gradients: of each a tensor for every slice that has rows,
/// or one for all rows that are scored. They are known by the layer that puts them out.
#[derive(Debug, Default)]
pub(crate) struct DeviceValues {
    features: Option<DeviceRows>,
    values: BTreeMap<usize, Vec<DeviceVec>>,
    gradients: BTreeMap<usize, Vec<DeviceVec>>,
}

impl DeviceValues {
    /// The features of the rows at hand, where layers read them there.
    pub(crate) fn bring(&mut self, features: Option<DeviceRows>) {
        self.features = features;
    }

    /// The features of the rows at hand.
    pub(crate) fn features(&self) -> Result<&DeviceRows, Failure> {
        let missing = || Failure::internal("the features are not on the device");
        self.features.as_ref().ok_or_else(missing)
    }

    /// What a layer puts out. Nothing is known of its gradient yet.
    pub(crate) fn put(&mut self, layer: usize, slices: Vec<DeviceVec>) {
        self.gradients.remove(&layer);
        self.values.insert(layer, slices);
    }

    /// What a layer has put out.
    pub(crate) fn get(&self, layer: usize) -> Result<&[DeviceVec], Failure> {
        let found = self.values.get(&layer);
        let missing = || Failure::internal(format!("layer {layer} has put out nothing on the device"));
        found.map(Vec::as_slice).ok_or_else(missing)
    }

    /// What one of its readers gives; the readers come in the order of the backward pass.
    pub(crate) fn add_gradient(&mut self, layer: usize, slices: Vec<DeviceVec>) -> Result<(), Failure> {
        let sum = match self.gradients.remove(&layer) {
            None => slices,
            Some(before) => {
                let pairs = before.iter().zip(&slices);
                pairs.map(|(sum, part)| sum.add(part)).collect::<Result<_, _>>()?
            }
        };
        self.gradients.insert(layer, sum);
        Ok(())
    }

    /// The gradient of what a layer has put out; none where no reader gave one.
    pub(crate) fn take_gradient(&mut self, layer: usize) -> Option<Vec<DeviceVec>> {
        self.gradients.remove(&layer)
    }
}
