//! What computes a scorer's rows: the engine on a processor, or a library on a GPU.

use super::{BLOCK_ROWS, DEVICE_BLOCK_ROWS, Model, ScoreTask, inner_node};
use crate::score_library::{DeviceModel, DeviceSpec};
use candlewick_model::engine::Predictor;
use candlewick_model::kernels::Csr;
use candlewick_protocol::Failure;
use candlewick_protocol::score_abi::Asked;
use std::ops::Range;
use std::sync::Arc;

/// Decoded rows: those of a block, dense or sparse.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub features: &'a [f32],
    pub sparse: Option<&'a Csr>,
    /// Elements of a row.
    pub width: usize,
}

/// Where rows are computed, as Java asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Placed {
    /// On a processor.
    Processor = 0,
    /// On a device that had the model.
    Device = 1,
    /// On a device that was given the model for this scorer.
    DeviceAnew = 2,
}

#[derive(Debug)]
pub(super) enum Compute {
    Processor(Box<Predictor>),
    Device(OnDevice),
}

/// A scorer's part of a model that all scorers on a device share.
#[derive(Debug)]
pub(super) struct OnDevice {
    model: Arc<DeviceModel>,
    /// What is asked of rows, as JSON.
    asked: String,
    /// Elements in a row of each layer that is read.
    widths: Vec<usize>,
    output_width: usize,
    anew: bool,
    rows: usize,
    outputs: Vec<f32>,
    values: Vec<f32>,
}

impl Compute {
    pub fn of(model: &Model, task: &ScoreTask) -> Result<Compute, Failure> {
        let inner: Vec<&str> = task.outputs.iter().filter_map(inner_node).collect();
        let Some(spec) = &task.device else {
            let network = model.network.with_precision(task.precision);
            return Ok(Compute::Processor(Box::new(Predictor::with_inner(
                &network, 1, &inner,
            )?)));
        };
        Ok(Compute::Device(OnDevice::of(model, task, spec, &inner)?))
    }

    /// Rows that are computed at a time, at most.
    pub fn block_rows(&self) -> usize {
        match self {
            Compute::Processor(_) => BLOCK_ROWS,
            Compute::Device(_) => DEVICE_BLOCK_ROWS,
        }
    }

    /// Where it is.
    pub fn placed(&self) -> Placed {
        match self {
            Compute::Processor(_) => Placed::Processor,
            Compute::Device(device) if device.anew => Placed::DeviceAnew,
            Compute::Device(_) => Placed::Device,
        }
    }

    /// From one value in so many that is given on, sparse rows are taken as such; `None` where they never are.
    pub fn sparse_from(&self) -> Option<usize> {
        match self {
            Compute::Processor(predictor) => predictor.sparse_from(),
            Compute::Device(_) => None,
        }
    }

    /// Computes rows of a block.
    pub fn predict(&mut self, model: &Model, block: &Block<'_>, rows: Range<usize>) -> Result<(), Failure> {
        let features = block
            .features
            .get(rows.start * block.width..rows.end * block.width);
        let features = features.unwrap_or_default();
        let predictor = match self {
            Compute::Device(device) => return device.predict(features, rows.len()),
            Compute::Processor(predictor) => predictor,
        };
        if let Some(sparse) = block.sparse {
            match model.entry(predictor) {
                Some(entry) => predictor.predict_sparse(&model.weights, entry, sparse, rows)?,
                None => predictor.predict_rows(&model.weights, sparse, rows)?,
            };
            return Ok(());
        }
        let prepared = model.prepared(predictor);
        predictor.predict_prepared(&model.weights, Some(prepared), features, rows.len())?;
        Ok(())
    }

    /// Outputs of the latest rows.
    pub fn outputs(&self) -> &[f32] {
        match self {
            Compute::Processor(predictor) => predictor.outputs(),
            Compute::Device(device) => &device.outputs,
        }
    }

    /// Of the latest rows, what the layer with that index among those that are read put out.
    pub fn inner(&self, index: usize) -> &[f32] {
        match self {
            Compute::Processor(predictor) => predictor.inner(index),
            Compute::Device(device) => {
                let before: usize = device.widths[..index].iter().sum();
                &device.values[device.rows * before..device.rows * (before + device.widths[index])]
            }
        }
    }
}

impl OnDevice {
    fn of(model: &Model, task: &ScoreTask, spec: &DeviceSpec, inner: &[&str]) -> Result<OnDevice, Failure> {
        let widths = inner.iter().map(|name| model.network.inner_width(name));
        let widths = widths.collect::<Result<_, _>>()?;
        let asked = Asked {
            precision: task.precision,
            inner: inner.iter().map(|name| (*name).to_owned()).collect(),
        };
        let asked = serde_json::to_string(&asked)
            .map_err(|error| Failure::internal(format!("what is asked of rows: {error}")))?;
        let (shared, anew) = model.on_device(spec)?;
        Ok(OnDevice {
            model: shared,
            asked,
            widths,
            output_width: model.network.output_width(),
            anew,
            rows: 0,
            outputs: Vec::new(),
            values: Vec::new(),
        })
    }

    fn predict(&mut self, features: &[f32], rows: usize) -> Result<(), Failure> {
        self.rows = rows;
        self.outputs.resize(rows * self.output_width, 0.0);
        self.values.resize(rows * self.widths.iter().sum::<usize>(), 0.0);
        if rows == 0 {
            return Ok(());
        }
        self.model
            .score((rows, features), &self.asked, &mut self.outputs, &mut self.values)
    }
}
