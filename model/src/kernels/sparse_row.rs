//! The product of one row of zeros with an operand that has a row for each of its inputs.

use super::matrix::block_size;
use super::simd::{SimdLevel, simd_dispatch};

simd_dispatch! {
    /// `sums += value * row`, fused as in the kernels of dense products.
    pub(super) fn add_scaled(sums: &mut [f32], value: f32, row: &[f32]) {
        for (sum, weight) in sums.iter_mut().zip(row) {
            *sum = value.mul_add(*weight, *sum);
        }
    }
}

/// Makes -0.0 into 0.0 and is nothing else.
pub(super) fn add_zero(values: &mut [f32]) {
    values.iter_mut().for_each(|value| *value += 0.0);
}

/// A row of zeros: indices and values, and which rows of an operand the values meet.
pub(super) struct SparseRow<'a> {
    pub indices: &'a [u32],
    pub values: &'a [f32],
    pub places: &'a [u32],
}

impl SparseRow<'_> {
    /// The product of the row, of `inputs` values, with an operand of one row for each input, or for each that is touched. A dense
    /// product adds up blocks of the row, each from 0 on: so does this one, and passes over those without values.
    pub(super) fn product(
        &self,
        level: SimdLevel,
        (inputs, operand): (usize, &[f32]),
        bias: Option<&[f32]>,
        (sums, into): (&mut [f32], &mut [f32]),
    ) {
        match bias {
            Some(bias) => into.copy_from_slice(&bias[..into.len()]),
            None => into.fill(0.0),
        }
        let (size, width) = (block_size(inputs), into.len());
        let mut at = 0;
        let mut before = 0;
        while let Some(first) = self.indices.get(at) {
            let block = *first as usize / size;
            // A block of zeros adds 0, which makes -0 into 0 and is nothing else: of many in a row one is enough.
            if block > before {
                add_zero(into);
            }
            before = block + 1;
            sums.fill(0.0);
            while let Some(index) = self
                .indices
                .get(at)
                .filter(|index| (**index as usize) < before * size)
            {
                debug_assert!((*index as usize) < inputs);
                let row = &operand[self.places[at] as usize * width..][..width];
                add_scaled(level, sums, self.values[at], row);
                at += 1;
            }
            super::add_into(level, into, sums);
        }
        if before * size < inputs {
            add_zero(into);
        }
    }
}
