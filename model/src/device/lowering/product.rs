//! Products of matrices, and what they round their operands to.
//!
//! A product is one operation of candle's tape: forward, the gradient of the left operand and that of the right one round
//! what they read, each value where a product reads it and nowhere else, and add up in f32 (rule B15 but for the order of
//! the sum). Values of bf16 have 8 bits, those of fp16 and TF32 11, so what was rounded goes through TF32 as it is: a
//! GPU's tensor cores multiply it exactly and add up in f32. candle's own products of 16 bits round their results too.

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, DType, DeviceLocation, Layout, Result, Shape, Tensor, bail,
};
use candlewick_protocol::job::Precision;
use std::sync::{PoisonError, RwLock};

/// What products round their operands to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::device) enum Products {
    /// Nothing is rounded.
    #[default]
    F32,
    /// The bits that TF32 has, where the device multiplies faster with it. candle on processors does as a GPU would.
    Tf32,
    /// bf16.
    Bf16,
    /// fp16; what is beyond its range becomes infinite.
    Fp16,
}

impl Products {
    /// Those of a network.
    pub(in crate::device) fn of(precision: Precision, allow_tf32: bool) -> Self {
        match precision {
            Precision::F32 if allow_tf32 => Products::Tf32,
            Precision::F32 => Products::F32,
            Precision::Bf16 | Precision::Bf16Amx => Products::Bf16,
            Precision::Fp16 => Products::Fp16,
        }
    }

    /// The product of matrices or of batches of them: [.., m, k] by [.., k, n].
    pub(in crate::device) fn multiply(self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        if left.elem_count() == 0 || right.elem_count() == 0 {
            return left.matmul(right);
        }
        left.apply_op2(right, Product::of(self))
    }

    /// What products make of an operand, for one that several read; without a gradient.
    pub(in crate::device) fn rounded(self, operand: &Tensor) -> Result<Tensor> {
        let rounds = match self {
            Products::F32 => false,
            // A GPU rounds as it multiplies.
            Products::Tf32 => operand.device().is_cpu(),
            Products::Bf16 | Products::Fp16 => true,
        };
        if rounds {
            operand.apply_op1_no_bwd(&Rounding(self))
        } else {
            Ok(operand.detach())
        }
    }

    /// A product whose left operand is [`Products::rounded`] already; without a gradient.
    pub(in crate::device) fn with_rounded(self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        let product = Product {
            products: self,
            rounds: [false, true],
        };
        left.apply_op2_no_bwd(right, &product)
    }

    /// The type that operands go through; that which they have where they stay as they are.
    fn through(self) -> DType {
        match self {
            Products::F32 | Products::Tf32 => DType::F32,
            Products::Bf16 => DType::BF16,
            Products::Fp16 => DType::F16,
        }
    }
}

/// Rounds an operand.
struct Rounding(Products);

impl CustomOp1 for Rounding {
    fn name(&self) -> &'static str {
        "rounding"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let rounded = match self.0 {
            Products::Tf32 => tf32(storage, layout)?,
            products => through(storage, layout, products)?,
        };
        Ok((rounded, layout.shape().clone()))
    }

    fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((through(storage, layout, self.0)?, layout.shape().clone()))
    }
}

/// The values of a layout, rounded, one after another.
fn through<S: BackendStorage>(storage: &S, layout: &Layout, products: Products) -> Result<S> {
    let short = storage.to_dtype(layout, products.through())?;
    if short.dtype() == storage.dtype() {
        return Ok(short);
    }
    short.to_dtype(&Layout::contiguous(layout.shape()), storage.dtype())
}

/// What tensor cores make of an operand: 10 bits behind the first, to nearest, ties away from zero.
fn tf32(storage: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
    let CpuStorage::F32(mut values) = through(storage, layout, Products::Tf32)? else {
        bail!("TF32 is for f32");
    };
    for value in values.iter_mut().filter(|value| value.is_finite()) {
        *value = f32::from_bits((value.to_bits() + 0x1000) & !0x1fff);
    }
    Ok(CpuStorage::F32(values))
}

/// One product.
struct Product {
    products: Products,
    /// Which operands are to be rounded.
    rounds: [bool; 2],
}

/// Whether a GPU's products of f32 may go through TF32 is a switch of candle's for all of them. It is off but for one product at a
/// time; those that want it off go on together.
static SWITCH: RwLock<()> = RwLock::new(());

/// A product on a GPU.
fn switched<T>(products: Products, product: impl FnOnce() -> T) -> T {
    if products == Products::F32 {
        let _off = SWITCH.read().unwrap_or_else(PoisonError::into_inner);
        return product();
    }
    let _on = SWITCH.write().unwrap_or_else(PoisonError::into_inner);
    candle_core::cuda::set_gemm_reduced_precision_f32(true);
    let product = product();
    candle_core::cuda::set_gemm_reduced_precision_f32(false);
    product
}

impl Product {
    fn of(products: Products) -> Self {
        Product {
            products,
            rounds: [true; 2],
        }
    }

    /// The product of operands, of which `round` makes others where they are to be rounded.
    fn multiply<S: BackendStorage>(
        &self,
        (left, left_layout): (&S, &Layout),
        (right, right_layout): (&S, &Layout),
        round: impl Fn(&S, &Layout) -> Result<Option<S>>,
    ) -> Result<(S, Shape)> {
        let (sizes, shape) = sizes(left_layout, right_layout)?;
        let own = |at: usize, storage: &S, layout: &Layout| -> Result<Option<(S, Layout)>> {
            if !self.rounds[at] {
                return Ok(None);
            }
            // What lies densely is rounded as it lies, a transposed matrix too.
            let (read, then) = in_memory(layout);
            Ok(round(storage, &read)?.map(|storage| (storage, then)))
        };
        let left_own = own(0, left, left_layout)?;
        let right_own = own(1, right, right_layout)?;
        let (left, left_layout) = match &left_own {
            Some((storage, layout)) => (storage, layout),
            None => (left, left_layout),
        };
        let (right, right_layout) = match &right_own {
            Some((storage, layout)) => (storage, layout),
            None => (right, right_layout),
        };
        let product = || left.matmul(right, sizes, left_layout, right_layout);
        let product = match left.device().location() {
            DeviceLocation::Cpu => product(),
            DeviceLocation::Cuda { .. } | DeviceLocation::Metal { .. } => switched(self.products, product),
        };
        Ok((product?, shape))
    }

    /// The gradient of an operand: one product, of which the gradient of the result is rounded already.
    fn gradient(&self, left: &Tensor, right: &Tensor, rounds: [bool; 2]) -> Result<Tensor> {
        let product = Product {
            products: self.products,
            rounds,
        };
        left.apply_op2_no_bwd(right, &product)
    }
}

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn cpu_fwd(
        &self,
        left: &CpuStorage,
        left_layout: &Layout,
        right: &CpuStorage,
        right_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.multiply((left, left_layout), (right, right_layout), |storage, layout| {
            Ok(match self.products {
                Products::F32 => None,
                Products::Tf32 => Some(tf32(storage, layout)?),
                products => Some(through(storage, layout, products)?),
            })
        })
    }

    fn cuda_fwd(
        &self,
        left: &CudaStorage,
        left_layout: &Layout,
        right: &CudaStorage,
        right_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.multiply((left, left_layout), (right, right_layout), |storage, layout| {
            Ok(match self.products {
                Products::F32 | Products::Tf32 => None,
                products => Some(through(storage, layout, products)?),
            })
        })
    }

    fn bwd(
        &self,
        left: &Tensor,
        right: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = self.products.rounded(&gradient.detach().contiguous()?)?;
        let of_left = left.track_op().then(|| {
            let right = right.detach().t()?;
            self.gradient(&gradient, &right, [false, true])
        });
        let of_right = right.track_op().then(|| {
            let left = left.detach().t()?;
            self.gradient(&left, &gradient, [true, false])
        });
        Ok((of_left.transpose()?, of_right.transpose()?))
    }
}

/// Batches, rows, columns and terms of a product, and the shape of its result.
fn sizes(left: &Layout, right: &Layout) -> Result<((usize, usize, usize, usize), Shape)> {
    let (before, [m, k]) = ends(left.dims())?;
    let (others, [inner, n]) = ends(right.dims())?;
    if before != others || k != inner {
        bail!("a product of {:?} by {:?}", left.dims(), right.dims());
    }
    let mut shape = before.to_vec();
    shape.extend([m, n]);
    Ok(((before.iter().product(), m, n, k), Shape::from(shape)))
}

/// The dimensions of a matrix, behind those before it.
fn ends(dims: &[usize]) -> Result<(&[usize], [usize; 2])> {
    match dims {
        [before @ .., rows, columns] => Ok((before, [*rows, *columns])),
        _ => bail!("{dims:?} is no matrix"),
    }
}

/// How the values of a layout are read in the order of memory, and the layout that they have then; one after another where there
/// are gaps between them.
fn in_memory(layout: &Layout) -> (Layout, Layout) {
    let (dims, strides) = (layout.dims(), layout.stride());
    let mut order: Vec<usize> = (0..dims.len()).filter(|at| dims[*at] > 1).collect();
    order.sort_by_key(|at| strides[*at]);
    let mut next = 1;
    let dense = order.iter().all(|at| {
        let fits = strides[*at] == next;
        next *= dims[*at];
        fits
    });
    if dense {
        let all = Layout::contiguous_with_offset(layout.shape().elem_count(), layout.start_offset());
        (all, Layout::new(layout.shape().clone(), strides.to_vec(), 0))
    } else {
        (layout.clone(), Layout::contiguous(layout.shape()))
    }
}
