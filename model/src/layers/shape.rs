//! Layers that change the shape only, and those that move elements: Permute, Upsample.

use super::convolution::{pair, planes};
use super::limits::check_table;
use super::{BackwardInputs, BuiltLayer, Context, Family, Module, Operation, SavedForBackward, check_output};
use crate::arguments::Arguments;
use crate::layers::error::LayerError;
use crate::numbers::clamp_u32;
use candlewick_protocol::Failure;

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("Flatten", flatten),
    ("Unflatten", unflatten),
    ("Reshape", reshape),
    ("Permute", permute),
    ("Upsample", upsample),
];

fn view(output: Vec<usize>) -> BuiltLayer {
    BuiltLayer {
        operation: Operation::View,
        output,
    }
}

fn flatten(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let (start, end) = (
        dimension(arguments, "start_dim", input)?,
        dimension(arguments, "end_dim", input)?,
    );
    if start > end {
        return Err(format!(
            "start_dim={} comes after end_dim={} for the input {input:?}; exchange them",
            arguments.int("start_dim"),
            arguments.int("end_dim")
        )
        .into());
    }
    let mut output = input[..start].to_vec();
    output.push(input[start..=end].iter().product());
    output.extend_from_slice(&input[end + 1..]);
    Ok(view(output))
}

/// The place in `input` of the dimension that an argument names, which counts the batch as 0.
fn dimension(arguments: &Arguments, name: &str, input: &[usize]) -> Result<usize, LayerError> {
    let rank = i64::try_from(input.len() + 1).unwrap_or(i64::MAX);
    let given = arguments.int(name);
    let at = if given < 0 { given + rank } else { given };
    match usize::try_from(at) {
        Ok(0) => Err(format!(
            "{name}={given} is the batch dimension, which stays; the first dimension of the input {input:?} is 1"
        ).into()),
        Ok(at) if at <= input.len() => Ok(at - 1),
        _ => Err(format!(
            "{name}={given} is not a dimension of the input {input:?}, whose dimensions are 1 to {}",
            rank - 1
        ).into()),
    }
}

/// The sizes of an argument for `count` elements; one may be -1.
fn sizes(arguments: &Arguments, name: &str, count: usize) -> Result<Vec<usize>, LayerError> {
    let given = arguments.ints(name);
    let wrong = |why: &str| format!("{name}={given:?} {why}");
    if given.contains(&0) {
        return Err(wrong("has a size of 0; sizes are at least 1, or -1 once").into());
    }
    let known: usize = given
        .iter()
        .filter_map(|size| usize::try_from(*size).ok())
        .fold(1, usize::saturating_mul);
    let unknown = given.iter().filter(|size| **size < 0).count();
    if unknown > 1 {
        return Err(wrong("has more than one -1; only one size can be left open").into());
    }
    if (unknown == 0 && known != count) || !count.is_multiple_of(known) {
        return Err(wrong(&format!("does not hold the {count} elements there are")).into());
    }
    let size = |size: &i64| usize::try_from(*size).unwrap_or(count / known);
    Ok(given.iter().map(size).collect())
}

fn unflatten(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let at = dimension(arguments, "dim", input)?;
    let mut output = input.to_vec();
    output.splice(at..=at, sizes(arguments, "unflattened_size", input[at])?);
    Ok(view(output))
}

fn reshape(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    Ok(view(sizes(arguments, "shape", input.iter().product())?))
}

/// Comes from nowhere. No row has so many elements.
const FILLING: u32 = u32::MAX;

/// Where every element of an output row comes from.
#[derive(Debug)]
pub(super) struct Moved {
    /// Element of the input row; [`FILLING`] for the filling.
    from: Vec<u32>,
    inputs: usize,
    filling: f32,
}

impl Moved {
    fn made(from: impl Iterator<Item = usize>, input: &[usize], output: Vec<usize>) -> BuiltLayer {
        Moved::filled(from.map(Some), 0.0, input, output)
    }

    /// Moved elements, and one number where none is moved to.
    pub(super) fn filled(
        from: impl Iterator<Item = Option<usize>>,
        filling: f32,
        input: &[usize],
        output: Vec<usize>,
    ) -> BuiltLayer {
        let index = |from: Option<usize>| from.map_or(FILLING, clamp_u32);
        let moved = Moved {
            from: from.map(index).collect(),
            inputs: input.iter().product(),
            filling,
        };
        BuiltLayer::module(moved, output)
    }
}

/// Elements that are worth a thread.
const PARALLEL: usize = 1 << 16;

impl Module for Moved {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (input, width) = (inputs[0], self.from.len());
        ctx.kernels
            .workers()
            .chunks(output, width, PARALLEL, |start, output| {
                let rows = input[start / width * self.inputs..].chunks(self.inputs);
                for (output, input) in output.chunks_mut(width).zip(rows) {
                    for (value, from) in output.iter_mut().zip(&self.from) {
                        // The filling is beyond all elements.
                        *value = input.get(*from as usize).copied().unwrap_or(self.filling);
                    }
                }
            });
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let Some(into) = &mut into[0] else { return Ok(()) };
        let (width, size) = (self.from.len(), self.inputs);
        ctx.kernels.workers().chunks(into, size, PARALLEL, |start, into| {
            into.fill(0.0);
            let rows = ends.gradient[start / size * width..].chunks(width);
            for (into, gradient) in into.chunks_mut(size).zip(rows) {
                for (value, from) in gradient.iter().zip(&self.from) {
                    if let Some(sum) = into.get_mut(*from as usize) {
                        *sum += value;
                    }
                }
            }
        });
        Ok(())
    }
}

fn permute(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let given = arguments.ints("dims");
    let rank = input.len() + 1;
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let at = |dim: &i64| usize::try_from(if *dim < 0 { dim + signed } else { *dim }).unwrap_or(rank);
    let order: Vec<usize> = given.iter().map(at).collect();
    if order.first() != Some(&0) {
        return Err(
            format!("dims={given:?} does not begin with 0: the batch stays the first dimension").into(),
        );
    }
    if order.len() != rank || (0..rank).any(|dim| !order.contains(&dim)) {
        return Err(format!(
            "dims={given:?} is to name each of the dimensions 0 to {} of the input {input:?} (0 is the batch) once",
            rank - 1
        ).into());
    }
    let order: Vec<usize> = order[1..].iter().map(|dim| dim - 1).collect();
    let output: Vec<usize> = order.iter().map(|dim| input[*dim]).collect();
    check_table::<u32>(output.iter().product(), "dims", arguments.value("dims"))?;
    let strides: Vec<usize> = order
        .iter()
        .map(|dim| input[dim + 1..].iter().product())
        .collect();
    let from = (0..output.iter().product()).map(|mut at: usize| {
        let mut from = 0;
        for (size, stride) in output.iter().zip(&strides).rev() {
            from += at % size * stride;
            at /= size;
        }
        from
    });
    Ok(Moved::made(from, input, output.clone()))
}

/// Of each place of one dimension of Upsample's output the place of the input that it shows: torch.nn.Upsample's "nearest"
/// (UpSample.h, `nearest_idx`), whose quotients are of f32. `by_factor` where the output was said by a factor and not by a size.
pub(crate) fn nearest(input: usize, output: usize, by_factor: bool) -> Vec<usize> {
    #[expect(clippy::cast_precision_loss, reason = "as PyTorch computes")]
    let (given, made) = (input as f32, output as f32);
    let step = if by_factor {
        1.0 / (made / given)
    } else {
        given / made
    };
    let from = |at: usize| {
        if output == input || output == 2 * input {
            return at / (output / input.max(1)).max(1);
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "as PyTorch computes"
        )]
        let place = (at as f32 * step).floor() as usize;
        place.min(input.saturating_sub(1))
    };
    (0..output).map(from).collect()
}

fn upsample(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let (channels, [height, width]) = planes(input, 2)?;
    let by_factor = arguments.is_null("size");
    let [down, across] = match (by_factor, arguments.is_null("scale_factor")) {
        (false, true) => pair(arguments, "size", 2, 1),
        (true, false) => {
            let factor = pair(arguments, "scale_factor", 2, 1);
            [height * factor[0], width * factor[1]]
        }
        _ => return Err("expects either size or scale_factor".into()),
    };
    let output = vec![channels, down, across];
    check_output(&output)?;
    let argument = if by_factor { "scale_factor" } else { "size" };
    check_table::<u32>(channels * down * across, argument, arguments.value(argument))?;
    let (lines, columns) = (
        nearest(height, down, by_factor),
        nearest(width, across, by_factor),
    );
    let from = (0..channels * down * across).map(|at| {
        let (channel, y, x) = (at / (down * across), at / across % down, at % across);
        (channel * height + lines[y]) * width + columns[x]
    });
    Ok(Moved::made(from, input, output))
}
