//! The steps of a layer in one direction as one operation of candle's tape.

use super::walk::{Gradients, Walk};
use super::{gru, lstm, plain};
use crate::resident::DeviceError;
use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail,
};

/// What a step computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Tanh,
    Relu,
    Lstm,
    Gru,
}

/// What a cell saves for its way back, each by step in the order of the walk.
#[derive(Debug)]
pub(super) enum Saved {
    Plain { relu: bool },
    Lstm(lstm::Saved),
    Gru(gru::Saved),
}

/// What went through the steps.
#[derive(Debug)]
pub(super) struct Scan {
    walk: Walk,
    saved: Saved,
    /// Hidden states: [time, state, rows].
    output: Tensor,
}

impl Scan {
    /// The hidden state after every step, [time, state, rows], of the sums of the inputs, [time, sums, rows], the weight
    /// of the hidden state and, for a GRU, the bias of its product within the reset gate, or a projection.
    pub(super) fn run(
        cell: Cell,
        walk: Walk,
        sums: &Tensor,
        weight: &Tensor,
        more: Option<&Tensor>,
    ) -> std::result::Result<Tensor, DeviceError> {
        // None of this is noted on the tape.
        let (own, matrix) = (sums.detach(), weight.detach());
        let beside = more.map(Tensor::detach);
        let (output, saved) = match cell {
            Cell::Tanh | Cell::Relu => {
                let relu = cell == Cell::Relu;
                (plain::forward(&walk, &own, &matrix, relu)?, Saved::Plain { relu })
            }
            Cell::Lstm => {
                let (output, saved) = lstm::forward(&walk, &own, &matrix, beside.as_ref())?;
                (output, Saved::Lstm(saved))
            }
            Cell::Gru => {
                let (output, saved) = gru::forward(&walk, &own, &matrix, beside.as_ref())?;
                (output, Saved::Gru(saved))
            }
        };
        if !walk.saves {
            return Ok(output);
        }
        let scan = Scan { walk, saved, output };
        Ok(match more {
            Some(more) => sums.apply_op3(weight, more, scan)?,
            None => sums.apply_op2(weight, scan)?,
        })
    }

    fn on_host(&self) -> Result<(CpuStorage, Shape)> {
        let (storage, layout) = self.output.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => Ok((storage.try_clone(layout)?, self.output.shape().clone())),
            _ => bail!("the steps of a recurrent layer are on another device than their sums"),
        }
    }

    fn on_gpu(&self) -> Result<(CudaStorage, Shape)> {
        let (storage, layout) = self.output.storage_and_layout();
        match &*storage {
            Storage::Cuda(storage) => Ok((storage.try_clone(layout)?, self.output.shape().clone())),
            _ => bail!("the steps of a recurrent layer are on another device than their sums"),
        }
    }

    fn backward(&self, weight: &Tensor, more: Option<&Tensor>, gradient: &Tensor) -> Result<Gradients> {
        let (weight, more) = (weight.detach(), more.map(Tensor::detach));
        let gradient = gradient.detach().contiguous()?;
        let (walk, output) = (&self.walk, &self.output);
        match &self.saved {
            Saved::Plain { relu } => plain::backward(walk, *relu, output, &weight, &gradient),
            Saved::Lstm(saved) => lstm::backward(walk, saved, output, (&weight, more.as_ref()), &gradient),
            Saved::Gru(saved) => gru::backward(walk, saved, output, &weight, &gradient),
        }
    }
}

impl CustomOp2 for Scan {
    fn name(&self) -> &'static str {
        "recurrent"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.on_host()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.on_gpu()
    }

    fn bwd(
        &self,
        _sums: &Tensor,
        weight: &Tensor,
        _output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (sums, weight, _) = self.backward(weight, None, gradient)?;
        Ok((Some(sums), Some(weight)))
    }
}

impl CustomOp3 for Scan {
    fn name(&self) -> &'static str {
        "recurrent"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_host()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.on_gpu()
    }

    fn bwd(
        &self,
        _sums: &Tensor,
        weight: &Tensor,
        more: &Tensor,
        _output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (sums, weight, more) = self.backward(weight, Some(more), gradient)?;
        Ok((Some(sums), Some(weight), more))
    }
}
