//! The same bits everywhere, and nothing of what the memory held before.

use super::*;
use crate::kernels::SimdLevel;
use crate::philox::{Key, uniform};
use candlewick_protocol::job::Precision;

fn values(name: &str, count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    uniform(Key::new(1, name), 1.0, &mut values);
    values
}

fn bits((level, precision): (SimdLevel, Precision), threads: usize, rows: usize, causal: bool) -> Vec<u32> {
    let shape = Shape {
        heads: 3,
        size: 9,
        queries: 150,
        keys: 150,
        causal,
    };
    let ends = values("ends", rows * 150 * 81);
    let gradient = values("gradient", rows * 150 * 27);
    let attention = Attention {
        shape,
        rows,
        layout: Layout {
            starts: [0, 27, 54],
            stride: 81,
        },
        ends: &ends,
        drop: None,
        padding: &[],
    };
    let mut kernels = Kernels::at(level, threads).unwrap().with_precision(precision);
    let (mut context, mut statistics) = (vec![0.0; gradient.len()], vec![0.0; rows * shape.statistics()]);
    // What the memory held before must not show.
    let mut into = vec![f32::NAN; ends.len()];
    kernels.attend(&attention, &mut context, &mut statistics);
    kernels.attend_backward(&attention, &statistics, &gradient, &mut into);
    context.iter().chain(&into).map(|value| value.to_bits()).collect()
}

#[test]
fn keys_that_no_query_sees_have_no_gradient() {
    let (rows, embed) = (2, 8);
    let shape = Shape {
        heads: 2,
        size: 4,
        queries: 3,
        keys: 5,
        causal: true,
    };
    let (queries, keys) = (rows * shape.queries * embed, rows * shape.keys * embed);
    let ends = values("ends", queries + 2 * keys);
    let gradient = values("gradient", queries);
    let attention = Attention {
        shape,
        rows,
        layout: Layout {
            starts: [0, queries, queries + keys],
            stride: embed,
        },
        ends: &ends,
        drop: None,
        padding: &[],
    };
    let mut kernels = Kernels::at(SimdLevel::detect(), 1).unwrap();
    let (mut context, mut statistics) = (vec![0.0; queries], vec![0.0; rows * shape.statistics()]);
    // What a larger batch has left there.
    let mut into = vec![f32::NAN; ends.len()];
    kernels.attend(&attention, &mut context, &mut statistics);
    kernels.attend_backward(&attention, &statistics, &gradient, &mut into);
    for start in [queries, queries + keys] {
        for row in 0..rows {
            let lines = &into[start + row * shape.keys * embed..][..shape.keys * embed];
            let (seen, hidden) = lines.split_at(shape.queries * embed);
            assert!(
                seen.iter().all(|value| value.is_finite() && *value != 0.0),
                "{seen:?}"
            );
            assert!(hidden.iter().all(|value| *value == 0.0), "{hidden:?}");
        }
    }
}

#[test]
fn every_level_and_any_threads_give_the_same_bits() {
    for (causal, precision) in [false, true]
        .into_iter()
        .flat_map(|causal| Precision::ON_PROCESSORS.map(|precision| (causal, precision)))
    {
        let wanted = bits((SimdLevel::Generic, precision), 1, 2, causal);
        for level in SimdLevel::available() {
            for threads in [1, 3] {
                assert!(
                    bits((level, precision), threads, 2, causal) == wanted,
                    "{level:?}, {precision:?}, {threads} threads, causal {causal}"
                );
            }
        }
        assert_eq!(
            bits((SimdLevel::detect(), precision), 1, 1, causal)[..4050],
            wanted[..4050],
            "a row alone"
        );
    }
}
