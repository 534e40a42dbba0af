//! Features of rows on a device, in the type that the host holds them in: they become f32 where a layer reads them.

use super::error::DeviceError;
use super::integers::Integers;
use super::link::{Kind, Link};
use candle_core::{DType, Tensor};
use candlewick_protocol::Failure;
use candlewick_protocol::features::DenseValues;
use std::ops::Range;

/// Rows of features on a device. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct DeviceRows {
    /// `[rows, width]` of f32, or the bytes of integers: `[rows, width, bytes of one]`.
    values: Tensor,
    /// What the integers are.
    features: Option<Tensor>,
}

impl DeviceRows {
    /// Brings up rows of so many values.
    pub(crate) fn up(
        link: &Link,
        values: DenseValues<'_>,
        scale: f64,
        (rows, width): (usize, usize),
    ) -> Result<Self, Failure> {
        let brought = || -> Result<Self, DeviceError> {
            let bytes = |bytes: &[u8], of: Integers| {
                Ok(DeviceRows {
                    values: link.up(Kind::Rows, bytes, (rows, width, of.bytes()))?,
                    features: Some(link.features(of, scale)?),
                })
            };
            match values {
                DenseValues::Float32(values) => Ok(DeviceRows {
                    values: link.up(Kind::Rows, values, (rows, width))?,
                    features: None,
                }),
                DenseValues::UInt8(values) => bytes(values, Integers::UInt8),
                // candle has no type of signed bytes, and no kernel that reads 16 bits: what goes up is the bytes of either.
                DenseValues::Int8(values) => {
                    let unsigned: Vec<u8> = values.iter().map(|value| value.cast_unsigned()).collect();
                    bytes(&unsigned, Integers::Int8)
                }
                DenseValues::Int16(values) => {
                    let halves: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                    bytes(&halves, Integers::Int16)
                }
            }
        };
        brought().map_err(|error| link.failure(error))
    }

    /// So many of them, from row `first` on.
    ///
    /// # Errors
    /// `Internal` where there are fewer.
    pub(crate) fn part(&self, first: usize, rows: usize) -> Result<Self, Failure> {
        let wrong = |error| Failure::internal(format!("rows that were put on a device: {error}"));
        Ok(DeviceRows {
            values: self.values.narrow(0, first, rows).map_err(wrong)?,
            features: self.features.clone(),
        })
    }

    /// The features of some of them: `[rows, width]` of f32 that begin where their memory does, since kernels of GPUs add up in
    /// another order elsewhere.
    pub(crate) fn read(&self, rows: &Range<usize>) -> candle_core::Result<Tensor> {
        self.of(self.values.narrow(0, rows.start, rows.len())?)
    }

    /// Some values of some of them, as indices one after another. That they are indices was checked.
    pub(crate) fn indices(&self, rows: &Range<usize>, columns: &Range<usize>) -> candle_core::Result<Tensor> {
        let own = self.values.narrow(0, rows.start, rows.len())?;
        let own = own.narrow(1, columns.start, columns.len())?;
        self.of(own)?.flatten_all()?.to_dtype(DType::U32)
    }

    fn of(&self, own: Tensor) -> candle_core::Result<Tensor> {
        let Some(features) = &self.features else {
            return if own.layout().start_offset() == 0 {
                own.contiguous()
            } else {
                own.force_contiguous()
            };
        };
        let (count, width, bytes) = own.dims3()?;
        // As indices of 32 bits: of 8 bits 255 would be candle's word for "no index".
        let mut index = own.narrow(2, 0, 1)?.to_dtype(DType::U32)?;
        for byte in 1..bytes {
            let high = own.narrow(2, byte, 1)?.to_dtype(DType::U32)?;
            index = (index + high.affine(256.0, 0.0)?)?;
        }
        features
            .index_select(&index.flatten_all()?, 0)?
            .reshape((count, width))
    }
}
