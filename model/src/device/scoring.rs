//! A model on a device, to score with: its weights stay there, rows go up and outputs come down.
//!
//! Rows that a batch has together are computed together, and each in the order of sums that the device has for so many rows: rule
//! B13, by which a row's bits do not depend on the rows it comes with, is kept on processors only.

use super::{DeviceName, driver, open, partition};
use crate::engine::{Features, Predictor};
use crate::network::Network;
use crate::resident::{Advice, Flat, Link, is_too_much};
use candle_core::Device;
use candlewick_protocol::Failure;
use candlewick_protocol::job::Precision;
use candlewick_protocol::score_abi::Asked;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a model scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On the NVIDIA GPU at an address as Spark has it.
    Gpu(String),
    /// On processors, with candle's functions, as if they were the GPU at an address of a host that has eight.
    Rehearsal {
        /// The address.
        address: String,
        /// Bytes of memory that it is to have.
        memory: Option<u64>,
    },
}

impl Place {
    fn opened(&self) -> Result<(Device, Option<u64>), Failure> {
        let (device, room) = match self {
            Place::Gpu(address) => (open(DeviceName::Cuda(number_of(address)?))?, None),
            Place::Rehearsal { address, memory } => {
                driver::rehearsed(Some(address))?;
                (open(DeviceName::Candle)?, *memory)
            }
        };
        Ok((device.unwrap_or(Device::Cpu), room))
    }
}

#[cfg(feature = "candle")]
fn number_of(address: &str) -> Result<usize, Failure> {
    driver::number_of(address)
}

/// Tests have processors alone.
#[cfg(not(feature = "candle"))]
fn number_of(address: &str) -> Result<usize, Failure> {
    Err(super::no_device(0, &format!("tests know no GPU {address}")))
}

/// Rows, and room for what comes of them.
#[derive(Debug)]
pub struct Rows<'a> {
    /// How many they are.
    pub count: usize,
    /// Their features, row after row.
    pub features: &'a [f32],
    /// Their outputs, row after row.
    pub outputs: &'a mut [f32],
    /// What else is asked for: for one name after another all rows.
    pub inner: &'a mut [f32],
}

/// A network whose weights lie on a device.
#[derive(Debug)]
pub struct DeviceModel {
    network: Network,
    link: Arc<Link>,
    weights: Flat,
    /// By what their products are computed in and what they give beside the outputs. All read the same weights.
    predictors: BTreeMap<(Precision, Vec<String>), Predictor>,
    /// Rows that are computed together at most.
    most: usize,
}

impl DeviceModel {
    /// Brings the weights to the device.
    ///
    /// # Errors
    /// `InvalidParameter` where there is no such device; `JobFailed` where the device fails, such as for want of memory; `Internal`
    /// where the weights are not the network's.
    pub fn open(network: &Network, weights: &[f32], place: &Place) -> Result<Self, Failure> {
        if weights.len() != network.num_parameters() {
            return Err(Failure::internal(format!(
                "{} weights for a network of {}",
                weights.len(),
                network.num_parameters()
            )));
        }
        let (device, room) = place.opened()?;
        let link = Arc::new(Link::with(device, Advice::Scoring(weights.len()), room));
        let placed = partition::place_with(network, &link, &[])?;
        let residence = placed.residence();
        let weights = Flat::held(weights.to_vec(), residence, residence.places())?;
        let predictor = Predictor::new(&placed, 1)?;
        Ok(DeviceModel {
            network: network.clone(),
            link,
            weights,
            predictors: BTreeMap::from([((network.precision(), Vec::new()), predictor)]),
            most: usize::MAX,
        })
    }

    /// Scores rows with products in a precision, and reads what the layers or nodes of these names put out.
    ///
    /// # Errors
    /// `InvalidData` where a layer refuses a value; `JobFailed` where the device fails, also with one row at a time where it lacks
    /// memory; `Internal` where the lengths do not fit the network.
    pub fn score(&mut self, asked: &Asked, rows: Rows<'_>) -> Result<(), Failure> {
        let widths = self.checked(&asked.inner, &rows)?;
        let predictor = match self.predictors.entry((asked.precision, asked.inner.clone())) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let names: Vec<&str> = asked.inner.iter().map(String::as_str).collect();
                let network = self.network.with_precision(asked.precision);
                let placed = partition::place_with(&network, &self.link, &names)?;
                new.insert(Predictor::with_inner(&placed, 1, &names)?)
            }
        };
        let (input, output) = (self.network.input_width(), self.network.output_width());
        let mut done = 0;
        while done < rows.count {
            let count = self.most.min(rows.count - done);
            let features = &rows.features[done * input..(done + count) * input];
            match predictor.predict_with(self.weights.view(), Features::Dense(features), count) {
                // Less at a time takes less memory; what did not fit once is not tried again.
                Err(failure) if is_too_much(&failure) && count > 1 => self.most = count / 2,
                Err(failure) => return Err(failure),
                Ok(outputs) => {
                    rows.outputs[done * output..(done + count) * output].copy_from_slice(outputs);
                    let mut before = 0;
                    for (index, width) in widths.iter().enumerate() {
                        let own = &mut rows.inner[before + done * width..before + (done + count) * width];
                        own.copy_from_slice(predictor.inner(index));
                        before += rows.count * width;
                    }
                    done += count;
                }
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    #[cfg(test)]
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    #[cfg(test)]
    pub(crate) fn traffic(&self) -> crate::resident::Traffic {
        self.link.traffic()
    }

    /// Widths of the values with these names.
    fn checked(&self, inner: &[String], rows: &Rows<'_>) -> Result<Vec<usize>, Failure> {
        let widths = inner.iter().map(|name| self.network.inner_width(name));
        let widths: Vec<usize> = widths.collect::<Result<_, _>>()?;
        let wanted = [
            self.network.input_width(),
            self.network.output_width(),
            widths.iter().sum(),
        ];
        let wanted = wanted.map(|width| width * rows.count);
        let given = [rows.features.len(), rows.outputs.len(), rows.inner.len()];
        if given == wanted {
            return Ok(widths);
        }
        Err(Failure::internal(format!(
            "{given:?} values of features, outputs and layers for {} rows, expected {wanted:?}",
            rows.count
        )))
    }
}
