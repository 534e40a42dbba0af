//! BatchNorm over values that stay on the device (rule B7). Only sums of each slice come to the host, where they are merged,
//! exchanged with other trainers and made into coefficients by the same code as the host's; the coefficients go up.

use super::lowering::layer::rows_of;
use crate::kernels::{Kernels, Program};
use crate::layers::{
    BackwardInputs, Centres, Context, Module, NormBackward, NormForward, NormLayout, NormPart, ParameterSpec,
    SavedForBackward, Slice, Slopes, StepNorm, Sums, places,
};
use crate::resident::{DeviceError, DeviceValues, DeviceVec, Kind, Link};
use candle_core::{DType, Tensor};
use candlewick_protocol::Failure;
use std::sync::Arc;

/// A BatchNorm whose input is on the device.
#[derive(Debug)]
pub(super) struct DeviceNorm {
    /// As the host has it.
    pub module: Arc<dyn Module>,
    pub link: Arc<Link>,
    /// The layer that it reads.
    pub input: usize,
    /// Itself.
    pub layer: usize,
    /// Whether somebody on the host reads what it puts out.
    pub to_host: bool,
}

impl DeviceNorm {
    fn norm(&self) -> Result<&dyn StepNorm, Failure> {
        let found = self.module.step_norm();
        found.ok_or_else(|| Failure::internal("a normalisation on the device that is none"))
    }

    fn failure(&self, error: DeviceError) -> Failure {
        self.link.failure(error)
    }
}

/// The slices of a step that have rows, or all rows that are scored.
struct Rows<'a> {
    link: &'a Arc<Link>,
    /// Where each begins among the rows.
    starts: Vec<usize>,
    x: Vec<Tensor>,
}

impl<'a> Rows<'a> {
    fn of(ctx: &Context<'_>, input: usize, link: &'a Arc<Link>) -> Result<Self, Failure> {
        let x = ctx.values.get(input)?;
        let starts = match ctx.training {
            None => vec![0],
            Some(training) => places(training.slices)
                .filter(|(_, rows)| !rows.is_empty())
                .map(|(_, rows)| rows.start)
                .collect(),
        };
        Ok(Rows {
            link,
            starts,
            x: x.iter().map(|slice| slice.tensor().clone()).collect(),
        })
    }

    /// The slices of a part.
    fn within<'b>(&'b self, part: &'b NormPart) -> impl Iterator<Item = usize> + 'b {
        let starts = self.starts.iter().enumerate();
        starts
            .filter(|(_, start)| part.rows.contains(start))
            .map(|(at, _)| at)
    }

    /// Numbers of the channels, to be used with a slice.
    fn by_channel(&self, values: &[f32]) -> Result<Tensor, DeviceError> {
        let mut shape = vec![1; self.x.first().map_or(2, Tensor::rank)];
        shape[1] = values.len();
        self.link.up(Kind::Sums, values, shape)
    }

    /// The sums of every channel of a slice in f64: along a row in f32, then over the rows.
    fn sum(values: &Tensor, layout: NormLayout) -> Result<Tensor, DeviceError> {
        let rows = values.dims()[0];
        let flat = values
            .contiguous()?
            .reshape((rows, layout.channels, layout.run))?;
        let by_row = if layout.run == 1 {
            flat.squeeze(2)?
        } else {
            flat.sum(2)?
        };
        Ok(by_row.to_dtype(DType::F64)?.sum(0)?)
    }

    /// What every shard has of two sums a channel, of which a slice's come as one tensor.
    fn told(
        &self,
        slices: &[Slice],
        lead: impl Fn(usize) -> f64,
        pairs: &[Tensor],
    ) -> Result<Sums, DeviceError> {
        let all = match pairs {
            [] => Vec::new(),
            _ => self.link.down::<f64>(Kind::Sums, &Tensor::stack(pairs, 0)?)?,
        };
        let width = all.len() / pairs.len().max(1);
        let mut read = all.chunks_exact(width.max(1));
        let mut told = Vec::with_capacity(slices.len());
        for slice in slices {
            let own = if slice.rows > 0 { read.next() } else { None };
            told.push((
                slice.shard,
                own.map(|sums| {
                    let (first, second) = sums.split_at(sums.len() / 2);
                    let pairs = first.iter().zip(second).flat_map(|(a, b)| [*a, *b]);
                    std::iter::once(lead(slice.rows)).chain(pairs).collect()
                }),
            ));
        }
        Ok(told)
    }
}

struct Forward<'a> {
    rows: Rows<'a>,
    y: Vec<Option<Tensor>>,
}

impl Forward<'_> {
    fn moments_of(&self, layout: NormLayout, slices: &[Slice]) -> Result<Sums, DeviceError> {
        let mut pairs = Vec::with_capacity(self.rows.x.len());
        for x in &self.rows.x {
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 values")]
            let count = (x.elem_count() / layout.channels) as f64;
            // Differences from about the mean cancel less than squares do.
            let about = (Rows::sum(x, layout)? / count)?.to_dtype(DType::F32)?;
            let mut shape = vec![1; x.rank()];
            shape[1] = layout.channels;
            let off = x.broadcast_sub(&about.reshape(shape)?)?;
            let (sum, squares) = (Rows::sum(&off, layout)?, Rows::sum(&off.sqr()?, layout)?);
            let mean = (about.to_dtype(DType::F64)? + (&sum / count)?)?;
            let moment = (squares - (sum.sqr()? / count)?)?.relu()?;
            pairs.push(Tensor::cat(&[&mean, &moment], 0)?);
        }
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 values")]
        let lead = |rows: usize| (rows * layout.run) as f64;
        self.rows.told(slices, lead, &pairs)
    }

    fn apply_to(&mut self, layout: NormLayout, part: &NormPart, set: &[f32]) -> Result<(), DeviceError> {
        let c = layout.channels;
        let [centre, factor, summand] = [0, 1, 2].map(|at| self.rows.by_channel(&set[at * c..(at + 1) * c]));
        let (centre, factor, summand) = (centre?, factor?, summand?);
        for at in self.rows.within(part).collect::<Vec<_>>() {
            let off = self.rows.x[at].broadcast_sub(&centre)?;
            let y = off.broadcast_mul(&factor)?.broadcast_add(&summand)?;
            self.y[at] = Some(y);
        }
        Ok(())
    }
}

impl NormForward for Forward<'_> {
    fn moments(&mut self, layout: NormLayout, _: &Kernels, slices: &[Slice]) -> Result<Sums, Failure> {
        let link = self.rows.link;
        self.moments_of(layout, slices)
            .map_err(|error| link.failure(error))
    }

    fn apply(
        &mut self,
        layout: NormLayout,
        _: &Kernels,
        part: &NormPart,
        set: &[f32],
    ) -> Result<(), Failure> {
        let link = self.rows.link;
        self.apply_to(layout, part, set)
            .map_err(|error| link.failure(error))
    }
}

struct Backward<'a> {
    rows: Rows<'a>,
    g: Vec<Tensor>,
    into: Vec<Option<Tensor>>,
    wanted: bool,
}

impl Backward<'_> {
    fn sums_of(
        &self,
        layout: NormLayout,
        slices: &[Slice],
        centres: Centres<'_>,
    ) -> Result<Sums, DeviceError> {
        let mut pairs = Vec::with_capacity(self.g.len());
        for ((x, g), start) in self.rows.x.iter().zip(&self.g).zip(&self.rows.starts) {
            let centre = self.rows.by_channel(&centres.of(*start)[..layout.channels])?;
            let products = (x.broadcast_sub(&centre)? * g)?;
            pairs.push(Tensor::cat(
                &[&Rows::sum(g, layout)?, &Rows::sum(&products, layout)?],
                0,
            )?);
        }
        self.rows.told(slices, |_| 0.0, &pairs)
    }

    fn gradient(&mut self, part: &NormPart, slopes: &Slopes<'_>) -> Result<(), DeviceError> {
        let [scale, centre, factor, summand] = [slopes.scale, slopes.centre, &slopes.factor, &slopes.summand]
            .map(|all| self.rows.by_channel(all));
        let (scale, centre, factor, summand) = (scale?, centre?, factor?, summand?);
        for at in self.rows.within(part).collect::<Vec<_>>() {
            let way = self.rows.x[at].broadcast_sub(&centre)?.broadcast_mul(&factor)?;
            let own = (self.g[at].broadcast_mul(&scale)? + way)?;
            self.into[at] = Some(own.broadcast_add(&summand)?);
        }
        Ok(())
    }
}

impl NormBackward for Backward<'_> {
    fn sums(
        &mut self,
        layout: NormLayout,
        _: &Kernels,
        slices: &[Slice],
        centres: Centres<'_>,
    ) -> Result<Sums, Failure> {
        let link = self.rows.link;
        self.sums_of(layout, slices, centres)
            .map_err(|error| link.failure(error))
    }

    fn is_wanted(&self) -> bool {
        self.wanted
    }

    fn input_gradient(
        &mut self,
        _: NormLayout,
        _: &Kernels,
        part: &NormPart,
        slopes: &Slopes<'_>,
    ) -> Result<(), Failure> {
        let link = self.rows.link;
        self.gradient(part, slopes).map_err(|error| link.failure(error))
    }
}

/// Tensors of all slices.
fn complete(slices: Vec<Option<Tensor>>, link: &Arc<Link>) -> Result<Vec<DeviceVec>, Failure> {
    let all = slices.into_iter().map(|slice| {
        let missing = || Failure::internal("a slice was not normalised");
        slice
            .map(|tensor| DeviceVec::of(tensor, link))
            .ok_or_else(missing)
    });
    all.collect()
}

impl Module for DeviceNorm {
    fn parameters(&self) -> Vec<ParameterSpec> {
        self.module.parameters()
    }

    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        self.module.saved(rows, training)
    }

    fn forward(&self, ctx: &mut Context<'_>, _inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let rows = Rows::of(ctx, self.input, &self.link)?;
        let mut ends = Forward {
            y: vec![None; rows.x.len()],
            rows,
        };
        self.norm()?.forward_over(ctx, &mut ends)?;
        let y = complete(ends.y, &self.link)?;
        if self.to_host {
            let tensors: Vec<&Tensor> = y.iter().map(DeviceVec::tensor).collect();
            if !tensors.is_empty() {
                let all = Tensor::cat(&tensors, 0).map_err(DeviceError::Candle);
                all.and_then(|all| self.link.down_into(Kind::Rows, &all, output))
                    .map_err(|error| self.failure(error))?;
            }
        }
        ctx.values.put(self.layer, y);
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let rows = Rows::of(ctx, self.input, &self.link)?;
        if self.to_host {
            let own = self.host_gradient(&rows, ends.gradient, ctx.rows);
            ctx.values
                .add_gradient(self.layer, own.map_err(|error| self.failure(error))?)?;
        }
        let g = self
            .gradients(ctx.values, &rows)
            .map_err(|error| self.failure(error))?;
        let mut ends = Backward {
            g,
            into: vec![None; rows.x.len()],
            wanted: into[0].is_some(),
            rows,
        };
        self.norm()?.backward_over(ctx, &mut ends)?;
        if let Some(into) = &mut into[0] {
            // The host has no part in it.
            into.fill(0.0);
            ctx.values
                .add_gradient(self.input, complete(ends.into, &self.link)?)?;
        }
        Ok(())
    }

    fn parameter_gradient(
        &self,
        ctx: &mut Context<'_>,
        parameter: usize,
        tree: &Program,
        ends: BackwardInputs<'_>,
        into: &mut [f32],
    ) {
        self.module.parameter_gradient(ctx, parameter, tree, ends, into);
    }

    fn statistics(&self) -> usize {
        self.module.statistics()
    }

    fn update_buffers(&self, kept: &[f32], weights: &mut [f32]) -> bool {
        self.module.update_buffers(kept, weights)
    }
}

impl DeviceNorm {
    /// The gradient that readers on the host gave, slice by slice.
    fn host_gradient(
        &self,
        rows: &Rows<'_>,
        gradient: &[f32],
        count: usize,
    ) -> Result<Vec<DeviceVec>, DeviceError> {
        let Some(first) = rows.x.first() else {
            return Ok(Vec::new());
        };
        let mut shape = first.dims().to_vec();
        shape[0] = count;
        let all = self.link.up(Kind::Rows, gradient, shape)?;
        let slices = rows.x.iter().zip(&rows.starts).map(|(x, start)| {
            let own = rows_of(&all, &(*start..*start + x.dims()[0]))?;
            Ok(DeviceVec::of(own, &self.link))
        });
        slices.collect()
    }

    /// The gradient of what was put out; zeros where nobody gave one.
    fn gradients(&self, values: &mut DeviceValues, rows: &Rows<'_>) -> Result<Vec<Tensor>, DeviceError> {
        match values.take_gradient(self.layer) {
            Some(all) => Ok(all.iter().map(|slice| slice.tensor().clone()).collect()),
            None => {
                let zeros = rows.x.iter().map(|x| Ok(x.zeros_like()?));
                zeros.collect()
            }
        }
    }
}
