//! Every instruction set and any threads give the same bits, and forward is the definition.

use super::Window;
use crate::kernels::{Kernels, Program, SimdLevel, blocks};
use crate::philox::{Key, uniform};
use candlewick_protocol::job::Precision;

fn values(count: usize, stream: &str) -> Vec<f32> {
    let mut values = vec![0.0; count];
    uniform(Key::new(2, stream), 1.0, &mut values);
    values
}

fn window(groups: usize, channels: usize, filters: usize, stride: [usize; 2]) -> Window {
    let (padded, kernel, dilation) = ([17, 38], [3, 2], [1, 2]);
    let size = |d: usize| (padded[d] - dilation[d] * (kernel[d] - 1) - 1) / stride[d] + 1;
    Window {
        groups,
        channels,
        filters,
        input: [15, 37],
        kernel,
        stride,
        dilation,
        before: [1, 0],
        padded,
        output: [size(0), size(1)],
    }
}

/// Output, gradient of the input, of the weights and of the bias.
fn all(window: &Window, (level, precision): (SimdLevel, Precision), threads: usize) -> Vec<Vec<u32>> {
    let rows = 5;
    let mut kernels = Kernels::at(level, threads).unwrap().with_precision(precision);
    let input = values(rows * window.input_row(), "input");
    let weights = values(window.groups * window.filters * window.depth(), "weights");
    let bias = values(window.groups * window.filters, "bias");
    let mut padded = vec![f32::NAN; rows * window.padded_row()];
    kernels.pad(window, rows, &input, &mut padded);
    let mut output = vec![f32::NAN; rows * window.output_row()];
    kernels.convolve(window, &padded, &weights, Some(&bias), &mut output);
    let mut back = vec![f32::NAN; input.len()];
    kernels.convolve_back(window, &output, &weights, None, &mut back);
    let tree = Program::of(0, 4, &|shard| [(0, 1), (1, 0), (1, 3), (4, 1)][shard as usize]);
    let mut of_weights = vec![f32::NAN; weights.len()];
    kernels.convolve_weights(window, &padded, &output, &tree, &mut of_weights);
    let mut of_bias = vec![f32::NAN; bias.len()];
    kernels.tree_plane_sums(&output, window.places(), &tree, &mut of_bias);
    if precision == Precision::F32 {
        define(window, (&padded, &weights, &bias), &output);
    }
    let bits = |values: Vec<f32>| values.iter().map(|value| value.to_bits()).collect();
    vec![bits(output), bits(back), bits(of_weights), bits(of_bias)]
}

/// Checks elements of the output against the chain of fused multiply-adds they are defined by.
fn define(window: &Window, (padded, weights, bias): (&[f32], &[f32], &[f32]), output: &[f32]) {
    let (mut taps, depth, places) = (Vec::new(), window.depth(), window.places());
    window.taps(window.channels, &mut taps);
    for at in (0..output.len()).step_by(7) {
        let (plane, place) = (at / places, at % places);
        let (row, filter) = (
            plane / (window.groups * window.filters),
            plane % (window.groups * window.filters),
        );
        let start = row * window.padded_row() + filter / window.filters * window.channels * window.plane();
        let mut wanted = bias[filter];
        for (from, to) in blocks(depth) {
            wanted += (from..to).fold(0.0f32, |sum, tap| {
                weights[filter * depth + tap].mul_add(padded[start + taps[tap] + window.place(place)], sum)
            });
        }
        assert_eq!(output[at].to_bits(), wanted.to_bits(), "element {at}");
    }
}

#[test]
fn every_level_and_any_threads_give_the_same_bits() {
    // Miri interprets: it gets the smallest, which reaches every path.
    let windows = [
        window(3, 1, 1, [1, 2]),
        window(1, 3, 35, [1, 1]),
        window(1, 90, 17, [1, 1]),
        window(2, 4, 5, [2, 3]),
    ];
    for window in windows.into_iter().take(if cfg!(miri) { 1 } else { 4 }) {
        for precision in Precision::ON_PROCESSORS {
            let wanted = all(&window, (SimdLevel::Generic, precision), 1);
            for level in SimdLevel::available() {
                for threads in 1..=if cfg!(miri) { 2 } else { 3 } {
                    assert_eq!(
                        all(&window, (level, precision), threads),
                        wanted,
                        "{window:?} {level:?} {precision:?} {threads}"
                    );
                }
            }
        }
    }
}
