//! Layers that normalise: over the rows of a step (`batch`), or every row by itself (`row`).

mod batch;
mod group;
mod moments;
mod row;

use super::{Family, Init, ParameterSpec};

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("BatchNorm1d", batch::make),
    ("BatchNorm2d", batch::make),
    ("LayerNorm", row::make_layer),
    ("RMSNorm", row::make_rms),
    ("GroupNorm", group::make),
    ("InstanceNorm2d", group::make_instance),
];

/// Partial sums side by side: what a vector register of the widest instruction set holds. The order of a sum is that
/// of its lanes, at every level.
const LANES: usize = 16;

/// The sum of the lanes, halves first.
#[inline(always)]
fn sum_f32(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// As [`sum_f32`].
#[inline(always)]
fn sum_f64(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// The first lanes of `values`, filled up with `pad`.
#[inline(always)]
fn lanes_of(values: &[f32], pad: f32) -> [f32; LANES] {
    match values.first_chunk::<LANES>() {
        Some(full) => *full,
        None => {
            let mut lanes = [pad; LANES];
            lanes[..values.len()].copy_from_slice(values);
            lanes
        }
    }
}

/// Factor and summand of `shape`, from 1 and 0.
fn affine_specs(shape: &[usize], weight: bool, bias: bool) -> Vec<ParameterSpec> {
    let one = weight.then(|| ParameterSpec::new("weight", shape, Init::Constant(1.0)));
    let zero = bias.then(|| ParameterSpec::new("bias", shape, Init::Constant(0.0)));
    one.into_iter().chain(zero).collect()
}

/// Checks an inferred number of channels against the input's first dimension.
fn channels(
    arguments: &mut crate::arguments::Arguments,
    name: &str,
    input: &[usize],
) -> Result<usize, String> {
    let Some(&channels) = input.first() else {
        return Err("wants an input of at least one dimension, the channels, got a single number".to_owned());
    };
    if let Some(wanted) = arguments.size(name).filter(|wanted| *wanted != channels) {
        return Err(format!(
            "wants {wanted} channels in the first dimension ({name}={wanted}), but the input has shape {input:?}; set \
             {name} to {channels} or leave it out"
        ));
    }
    arguments.set_size(name, channels);
    Ok(channels)
}
