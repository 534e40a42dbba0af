//! The one way to a device and back.

use super::error::{Advice, DeviceError};
use super::integers::Integers;
use super::traffic::{Amounts, Traffic};
use candle_core::{Device, Error, Shape, Tensor, WithDType};
use candlewick_protocol::Failure;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What crosses, see [`Amounts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Weights,
    Rows,
    Constants,
    Sums,
}

impl Kind {
    fn of(self, amounts: &mut Amounts) -> &mut u64 {
        match self {
            Kind::Weights => &mut amounts.weights,
            Kind::Rows => &mut amounts.rows,
            Kind::Constants => &mut amounts.constants,
            Kind::Sums => &mut amounts.sums,
        }
    }
}

/// Indices that are kept on a device at most: 64 MiB.
const MOST_INDICES: usize = 1 << 24;

/// The way to a device: all that goes there or comes from there is counted.
#[derive(Debug)]
pub(crate) struct Link {
    device: Device,
    advice: Advice,
    /// Bytes of memory that a rehearsal gives the device.
    room: Option<u64>,
    traffic: Mutex<Traffic>,
    /// Places that kernels gather from: they follow from a layer's shapes, so a step has those of the one before.
    indices: Mutex<BTreeMap<Vec<u32>, Tensor>>,
    /// The features that integers are, by their type and the bits of the factor: a job has one of each.
    features: Mutex<BTreeMap<(Integers, u64), Tensor>>,
}

impl Link {
    /// The way of a trainer.
    pub(crate) fn new(device: Device) -> Self {
        Link::with(device, Advice::Training, None)
    }

    /// The way of whoever uses the device; a rehearsal says how much memory it has.
    pub(crate) fn with(device: Device, advice: Advice, room: Option<u64>) -> Self {
        Link {
            device,
            advice,
            room,
            traffic: Mutex::default(),
            indices: Mutex::default(),
            features: Mutex::default(),
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    fn counted(&self) -> MutexGuard<'_, Traffic> {
        // Two numbers cannot be left half changed.
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn traffic(&self) -> Traffic {
        *self.counted()
    }

    /// Values as a tensor on the device.
    pub(crate) fn up<T: WithDType>(
        &self,
        kind: Kind,
        values: &[T],
        shape: impl Into<Shape>,
    ) -> Result<Tensor, DeviceError> {
        let bytes = size_of_val(values) as u64;
        if let Some(room) = self.room
            && self.counted().up.weights + bytes > room
        {
            return Err(Error::Msg("out of memory, in a rehearsal".to_owned()).into());
        }
        *kind.of(&mut self.counted().up) += bytes;
        Ok(Tensor::from_slice(values, shape, &self.device)?)
    }

    /// Indices as a tensor on the device, which are brought up once and kept as long as there is room.
    pub(crate) fn indices(&self, indices: &[u32]) -> Result<Tensor, DeviceError> {
        let mut kept = self.indices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(indices) {
            return Ok(known.clone());
        }
        let tensor = self.up(Kind::Constants, indices, indices.len())?;
        let held: usize = kept.keys().map(Vec::len).sum();
        if held + indices.len() <= MOST_INDICES {
            kept.insert(indices.to_vec(), tensor.clone());
        }
        Ok(tensor)
    }

    /// The features that integers of a type are, which are brought up once.
    pub(super) fn features(&self, of: Integers, scale: f64) -> Result<Tensor, DeviceError> {
        let mut known = self.features.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(features) = known.get(&(of, scale.to_bits())) {
            return Ok(features.clone());
        }
        let features = of.features(scale);
        let tensor = self.up(Kind::Constants, &features, features.len())?;
        known.insert((of, scale.to_bits()), tensor.clone());
        Ok(tensor)
    }

    /// The elements of a tensor on the host.
    pub(crate) fn down<T: WithDType>(&self, kind: Kind, tensor: &Tensor) -> Result<Vec<T>, DeviceError> {
        let values = tensor.flatten_all()?.to_vec1::<T>()?;
        *kind.of(&mut self.counted().down) += size_of_val(values.as_slice()) as u64;
        Ok(values)
    }

    /// The elements of a tensor into memory of the host.
    pub(crate) fn down_into(&self, kind: Kind, tensor: &Tensor, into: &mut [f32]) -> Result<(), DeviceError> {
        let values: Vec<f32> = self.down(kind, tensor)?;
        if values.len() != into.len() {
            return Err(DeviceError::defect(format!(
                "{} values come from the device, not {}",
                values.len(),
                into.len()
            )));
        }
        into.copy_from_slice(&values);
        Ok(())
    }

    /// The failure that an error of this device is.
    pub(crate) fn failure(&self, error: DeviceError) -> Failure {
        error.on(&self.device, self.advice)
    }
}
