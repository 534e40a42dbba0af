//! Embedding and EmbeddingBag.

use super::layer::{Answer, Layer, Lowering, choose, filled};
use crate::resident::DeviceError;
use candle_core::{DType, Tensor};
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, Lowering)] = &[("Embedding", each), ("EmbeddingBag", bag)];

/// Every value must be an index of the table: kernels of a device would read, or silently leave out, what is beyond it.
fn check(layer: &Layer<'_>, entries: usize) -> Result<(), DeviceError> {
    let x = layer.input().detach();
    #[expect(clippy::cast_precision_loss, reason = "at most 2^24")]
    let legal = ((x.ge(0.0f64)? * x.lt(entries as f64)?)? * x.eq(&x.floor()?)?)?;
    let legal = legal.to_dtype(DType::F32)?.flatten_all()?;
    if legal.elem_count() == 0 || legal.min(0)?.to_scalar::<f32>()? == 1.0 {
        return Ok(());
    }
    let values = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    let legal = legal.to_vec1::<f32>()?;
    let wrong = values.iter().zip(&legal).find(|(_, legal)| **legal != 1.0);
    let value = wrong.map_or(f64::NAN, |(value, _)| *value);
    Err(DeviceError::Failure(Failure::data(format!(
        "{} {:?}: {value} is not an index of its table: expected whole numbers from 0 to {} (num_embeddings={entries})",
        layer.arguments.name(),
        layer.path,
        entries - 1
    ))))
}

/// The index that counts as absent.
fn padding(layer: &Layer<'_>, entries: usize) -> Option<i64> {
    if layer.arguments.is_null("padding_idx") {
        return None;
    }
    let given = layer.arguments.int("padding_idx");
    let entries = i64::try_from(entries).unwrap_or(i64::MAX);
    Some(if given < 0 { given + entries } else { given })
}

/// 1 where an index counts, 0 where it is padding; none where all count.
fn counting(layer: &Layer<'_>, entries: usize) -> Result<Option<Tensor>, DeviceError> {
    let Some(padding) = padding(layer, entries) else {
        return Ok(None);
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 2^24")]
    let counts = layer.input().detach().ne(padding as f64)?;
    Ok(Some(counts.to_dtype(layer.required("weight")?.dtype())?))
}

/// The row of every index: [indices, width].
fn looked_up(layer: &Layer<'_>) -> Answer {
    let table = layer.required("weight")?;
    check(layer, table.dims()[0])?;
    let indices = layer.input().detach().flatten_all()?.to_dtype(DType::U32)?;
    layer.check(&[indices.elem_count(), table.dims()[1]])?;
    Ok(table.index_select(&indices, 0)?)
}

fn each(layer: &Layer<'_>) -> Answer {
    let (entries, _) = layer.required("weight")?.dims2()?;
    let mut found = looked_up(layer)?;
    if let Some(counts) = counting(layer, entries)? {
        // The row of the padding is read, but gets no gradient.
        let column = counts.reshape((counts.elem_count(), 1))?;
        let kept = column.broadcast_as(found.shape())?.gt(0.0f64)?;
        found = choose(&kept, &found, &found.detach())?;
    }
    layer.reshaped(&found, layer.output)
}

/// A bag of counts. That a mean has none below 0 is for the engine to check.
fn bag_of_counts(layer: &Layer<'_>) -> Answer {
    let table = layer.required("weight")?.contiguous()?;
    let (entries, width) = table.dims2()?;
    let mut x = layer.input().clone();
    if let Some(padding) = padding(layer, entries) {
        let counts = (0i64..)
            .take(entries)
            .map(|at| f64::from(u8::from(at != padding)));
        x = x.broadcast_mul(&layer.constant(&[1, entries], &counts.collect::<Vec<f64>>())?)?;
    }
    if layer.arguments.text("mode") == "max" {
        layer.check(&[layer.rows(), entries, width])?;
        let present = x.detach().ne(0.0f64)?.to_dtype(table.dtype())?.unsqueeze(2)?;
        let shape = (layer.rows(), entries, width);
        let vectors = table.unsqueeze(0)?.broadcast_as(shape)?.contiguous()?;
        return largest(layer, &vectors, &present);
    }
    let sum = x.contiguous()?.matmul(&table)?;
    if layer.arguments.text("mode") == "sum" {
        return layer.reshaped(&sum, layer.output);
    }
    let counts = x.sum_keepdim(1)?;
    let some = counts.ne(0.0f64)?;
    let counts = choose(&some, &counts, &filled(&counts, 1.0)?)?;
    layer.reshaped(&sum.broadcast_div(&counts)?, layer.output)
}

/// The largest values of the vectors of bags, [bags, size, width], of those that `counts`, [bags, size, 1], does not make absent.
fn largest(layer: &Layer<'_>, vectors: &Tensor, counts: &Tensor) -> Answer {
    let kept = counts.broadcast_as(vectors.shape())?.gt(0.0f64)?;
    let least = filled(&vectors.detach(), f64::NEG_INFINITY)?;
    let largest =
        super::pooling::largest_of_last(choose(&kept, vectors, &least)?.transpose(1, 2)?.contiguous()?)?;
    // A bag of nothing becomes 0.
    let some = counts.sum_keepdim(1)?.squeeze(1)?;
    let some = some.broadcast_as(largest.shape())?.gt(0.0f64)?;
    layer.reshaped(&choose(&some, &largest, &largest.zeros_like()?)?, layer.output)
}

fn bag(layer: &Layer<'_>) -> Answer {
    if layer.arguments.text("input") == "counts" {
        return bag_of_counts(layer);
    }
    let (entries, width) = layer.required("weight")?.dims2()?;
    let size = layer.shape(0).last().copied().unwrap_or(1);
    let bags = layer.input().elem_count() / size;
    let found = looked_up(layer)?.reshape((bags, size, width))?;
    let counts = match counting(layer, entries)? {
        Some(counts) => counts.reshape((bags, size, 1))?,
        None => filled(&found.narrow(2, 0, 1)?.detach(), 1.0)?,
    };
    let mode = layer.arguments.text("mode");
    if mode == "max" {
        return largest(layer, &found, &counts);
    }
    let kept = counts.broadcast_as(found.shape())?.gt(0.0f64)?;
    let sum = choose(&kept, &found, &found.zeros_like()?)?.sum(1)?;
    if mode == "sum" {
        return layer.reshaped(&sum, layer.output);
    }
    let counts = counts.sum(1)?;
    let ones = filled(&counts, 1.0)?;
    layer.reshaped(&sum.broadcast_div(&counts.maximum(&ones)?)?, layer.output)
}
