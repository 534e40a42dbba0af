//! A table (Embedding) on the device: rows are gathered there by indices that the device has among the features, and the gradient is
//! given by the rows that occur.
//!
//! The host has the features too. It says which values are no index before a kernel reads what is beyond a table, and it decides what
//! is added to what on the way back (`sums`), since the order must follow from the rows alone.

mod sums;
mod which;

use super::lowering::layer::{batched, rows_of};
use super::lowering::limits;
use crate::kernels::Program;
use crate::layers::{BackwardInputs, Context, Module, ParameterSpec, RowTable, SavedForBackward, places};
use crate::resident::{DeviceError, DeviceVec, HeldRows, Kind, Link};
use candle_core::{DType, Tensor};
use candlewick_protocol::Failure;
use candlewick_protocol::feed::FeatureDomain;
use candlewick_protocol::tree::Step;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sums::{Adding, Part};
pub(super) use which::{Columns, columns};

/// A table and what reads it.
#[derive(Debug)]
pub(super) struct Looked {
    /// As the host has it.
    pub module: Arc<dyn Module>,
    pub link: Arc<Link>,
    /// Its type and path, for messages.
    pub name: &'static str,
    pub path: String,
    /// Itself.
    pub layer: usize,
    /// The indices among the features.
    pub columns: Columns,
    /// Shape of what it puts out, without the batch.
    pub output: Vec<usize>,
    /// Whether somebody on the host reads that.
    pub to_host: bool,
}

/// A table on the device.
#[derive(Debug)]
pub(super) struct DeviceTable {
    of: Arc<Looked>,
    /// The gradients of the slices that have rows, by the first of these; none where no row of the table occurs.
    gradients: Mutex<Vec<(usize, Option<Part>)>>,
}

impl DeviceTable {
    pub(super) fn new(of: Arc<Looked>) -> Self {
        DeviceTable {
            of,
            gradients: Mutex::default(),
        }
    }

    fn gradients(&self) -> MutexGuard<'_, Vec<(usize, Option<Part>)>> {
        // What a panic left behind is replaced by the next backward pass.
        self.gradients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sum over the slices of a node along its tree.
    fn node(&self, tree: &Program) -> Result<Option<Part>, DeviceError> {
        let gradients = self.gradients();
        let wrong = || DeviceError::defect("a node of the tree without a table's gradients".to_owned());
        let mut stack: Vec<Option<Part>> = Vec::with_capacity(tree.depth());
        for step in tree.steps() {
            let value = match step {
                Step::Push(leaf) => {
                    let at = gradients.binary_search_by_key(&leaf.start, |(start, _)| *start);
                    gradients[at.map_err(|_| wrong())?].1.clone()
                }
                Step::Add => {
                    let right = stack.pop().ok_or_else(wrong)?;
                    match (stack.pop().ok_or_else(wrong)?, right) {
                        (Some(left), Some(right)) => Some(Part::merged(&left, &right, &self.of.link)?),
                        (left, right) => left.or(right),
                    }
                }
            };
            stack.push(value);
        }
        stack.pop().ok_or_else(wrong)
    }

    fn held(&self, tree: &Program) -> Result<HeldRows, DeviceError> {
        let link = &self.of.link;
        let (indices, values) = match self.node(tree)? {
            Some(part) => part.ordered(link)?,
            None => {
                let width = self.of.table().map_err(DeviceError::Failure)?.width;
                (Vec::new(), Tensor::zeros(width, DType::F32, link.device())?)
            }
        };
        Ok(HeldRows {
            indices,
            values: DeviceVec::of(values, link),
        })
    }
}

/// The slices of a step that have rows, or all rows that are scored.
fn slices(ctx: &Context<'_>) -> Vec<Range<usize>> {
    match ctx.training {
        None => std::iter::once(0..ctx.rows).collect(),
        Some(training) => places(training.slices)
            .map(|(_, rows)| rows)
            .filter(|rows| !rows.is_empty())
            .collect(),
    }
}

impl Looked {
    fn table(&self) -> Result<&RowTable, Failure> {
        let found = self.module.row_table();
        found.ok_or_else(|| Failure::internal("a table on the device that is none"))
    }

    /// What it puts out for each of some rows of the batch.
    fn found(&self, ctx: &mut Context<'_>, indices: &[f32]) -> Result<Vec<Tensor>, DeviceError> {
        let slices = slices(ctx);
        for rows in &slices {
            limits::check(&self.path, self.name, &batched(rows.len(), &self.output))?;
        }
        if slices.is_empty() {
            // Of a trainer that has no rows in this step.
            return Ok(Vec::new());
        }
        match ctx.held {
            Some(held) => self.gathered(ctx, held, &slices),
            None => self.brought(ctx, indices, &slices),
        }
    }

    /// The same of a table that lies on the device.
    fn gathered(
        &self,
        ctx: &Context<'_>,
        held: &DeviceVec,
        slices: &[Range<usize>],
    ) -> Result<Vec<Tensor>, DeviceError> {
        let table = self.table().map_err(DeviceError::Failure)?;
        let rows_of_table = held.tensor().reshape((table.entries, table.width))?;
        let features = ctx.values.features().map_err(DeviceError::Failure)?;
        let all = slices.iter().map(|rows| {
            let indices = features.indices(rows, &self.columns.range)?;
            let found = rows_of_table.index_select(&indices, 0)?;
            Ok(found.reshape(batched(rows.len(), &self.output))?)
        });
        all.collect()
    }

    /// The same of a table of the host, whose rows are looked up there and brought up: few of many.
    fn brought(
        &self,
        ctx: &mut Context<'_>,
        indices: &[f32],
        slices: &[Range<usize>],
    ) -> Result<Vec<Tensor>, DeviceError> {
        let width: usize = self.output.iter().product();
        let mut found = vec![0.0; ctx.rows * width];
        let looked_up = self.module.forward(ctx, &[indices], &mut found);
        looked_up.map_err(DeviceError::Failure)?;
        let all = self
            .link
            .up(Kind::Rows, &found, batched(ctx.rows, &self.output))?;
        slices.iter().map(|rows| rows_of(&all, rows)).collect()
    }

    /// The gradients of the slices, of those of what it has put out; zeros where nobody gave one.
    fn slopes(
        &self,
        indices: &[f32],
        slices: &[Range<usize>],
        given: Option<Vec<DeviceVec>>,
    ) -> Result<Vec<(usize, Option<Part>)>, DeviceError> {
        let table = self.table().map_err(DeviceError::Failure)?;
        let each = self.columns.range.len();
        let all = slices.iter().enumerate().map(|(at, rows)| {
            let own = &indices[rows.start * each..rows.end * each];
            let Some(adding) = Adding::of(own, table.padding) else {
                return Ok((rows.start, None));
            };
            let shape = (own.len(), table.width);
            let gradient = match given.as_ref().and_then(|given| given.get(at)) {
                Some(given) => given.tensor().contiguous()?.reshape(shape)?,
                None => Tensor::zeros(shape, DType::F32, self.link.device())?,
            };
            Ok((rows.start, Some(adding.sum(&gradient, &self.link)?)))
        });
        all.collect()
    }

    /// The gradient that readers on the host gave, slice by slice.
    fn host_gradient(
        &self,
        slices: &[Range<usize>],
        gradient: &[f32],
        rows: usize,
    ) -> Result<Vec<DeviceVec>, DeviceError> {
        if slices.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.link.up(Kind::Rows, gradient, batched(rows, &self.output))?;
        let own = slices
            .iter()
            .map(|rows| Ok(DeviceVec::of(rows_of(&all, rows)?, &self.link)));
        own.collect()
    }
}

impl Module for DeviceTable {
    fn parameters(&self) -> Vec<ParameterSpec> {
        self.of.module.parameters()
    }

    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Input
    }

    fn instance(&self) -> Option<Arc<dyn Module>> {
        Some(Arc::new(DeviceTable::new(Arc::clone(&self.of))))
    }

    fn input_domain(&self) -> Option<FeatureDomain> {
        self.of.module.input_domain()
    }

    fn reads_on_device(&self, _input: usize) -> bool {
        true
    }

    fn reads_on_host(&self, _input: usize) -> bool {
        true
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let indices = self.of.columns.of(inputs[0]);
        self.of.table()?.check(&indices)?;
        let link = &self.of.link;
        let found = self.of.found(ctx, &indices);
        let found = found.map_err(|error| link.failure(error))?;
        if self.of.to_host && !found.is_empty() {
            let whole = Tensor::cat(&found, 0).map_err(DeviceError::Candle);
            whole
                .and_then(|whole| link.down_into(Kind::Rows, &whole, output))
                .map_err(|error| link.failure(error))?;
        }
        let found = found.into_iter().map(|slice| DeviceVec::of(slice, link));
        ctx.values.put(self.of.layer, found.collect());
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        _into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        // Indices are constants: nobody wants their gradient.
        let (link, slices) = (&self.of.link, slices(ctx));
        if self.of.to_host {
            let own = self.of.host_gradient(&slices, ends.gradient, ctx.rows);
            ctx.values
                .add_gradient(self.of.layer, own.map_err(|error| link.failure(error))?)?;
        }
        let given = ctx.values.take_gradient(self.of.layer);
        let indices = self.of.columns.of(ends.inputs[0]);
        let slopes = self.of.slopes(&indices, &slices, given);
        *self.gradients() = slopes.map_err(|error| link.failure(error))?;
        Ok(())
    }

    fn held_rows(&self, tree: &Program) -> Result<Option<HeldRows>, Failure> {
        let held = self.held(tree);
        held.map(Some).map_err(|error| self.of.link.failure(error))
    }
}
