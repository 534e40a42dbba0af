//! The one way to a device and back.

use super::error::DeviceError;
use super::traffic::{Amounts, Traffic};
use candle_core::{Device, Shape, Tensor, WithDType};
use candlewick_protocol::Failure;
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

/// The way to a device: all that goes there or comes from there is counted.
#[derive(Debug)]
pub(crate) struct Link {
    device: Device,
    traffic: Mutex<Traffic>,
}

impl Link {
    pub(crate) fn new(device: Device) -> Self {
        Link {
            device,
            traffic: Mutex::default(),
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
        *kind.of(&mut self.counted().up) += size_of_val(values) as u64;
        Ok(Tensor::from_slice(values, shape, &self.device)?)
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
        error.on(&self.device)
    }
}
