//! The cells: what happens to the states of a step once the products are there, and back.

use crate::kernels::{SimdLevel, simd_dispatch};

/// What a layer computes from the products of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// h = tanh(x + h).
    Tanh,
    /// h = max(x + h, 0).
    Relu,
    /// Gates i, f, g, o.
    Lstm,
    /// Gates r, z, n.
    Gru,
}

/// A product of the hidden state: blocks `from..to` of the rows of `weight_hh` land in the blocks of a step from
/// `at` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub at: usize,
    pub from: usize,
    pub to: usize,
    /// Added to the product of the input, which is there; else a sum of its own.
    pub joins: bool,
}

impl Cell {
    /// Blocks of hidden size in the rows of the weights.
    pub(super) fn gates(self) -> usize {
        match self {
            Cell::Tanh | Cell::Relu => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Blocks of a step: the gates, and of a GRU the hidden state's part of n, which r scales.
    pub(super) fn blocks(self) -> usize {
        match self {
            Cell::Gru => 4,
            other => other.gates(),
        }
    }

    /// The products of the hidden state.
    pub(super) fn parts(self) -> &'static [Part] {
        const fn part(at: usize, from: usize, to: usize, joins: bool) -> Part {
            Part { at, from, to, joins }
        }
        const ONE: [Part; 1] = [part(0, 0, 1, true)];
        const LSTM: [Part; 1] = [part(0, 0, 4, true)];
        const GRU: [Part; 2] = [part(0, 0, 2, true), part(3, 2, 3, false)];
        match self {
            Cell::Tanh | Cell::Relu => &ONE,
            Cell::Lstm => &LSTM,
            Cell::Gru => &GRU,
        }
    }

    /// True where there is a state beside the hidden one.
    pub(super) fn has_memory(self) -> bool {
        self == Cell::Lstm
    }

    /// Turns the sums of a step into its gates, and the states before it into those after it.
    pub(super) fn forward(
        self,
        level: SimdLevel,
        step: &mut [f32],
        h: &mut [f32],
        c: &mut [f32],
        hidden: usize,
    ) {
        match self {
            Cell::Tanh => tanh_step(level, step, h, hidden),
            Cell::Relu => relu_step(level, step, h, hidden),
            Cell::Lstm => lstm_step(level, step, h, c, hidden),
            Cell::Gru => gru_step(level, step, h, hidden),
        }
    }

    /// Turns the gates of a row's step into the gradient of its sums, and the gradients of the states after it into
    /// those of the states before it, as far as they do not come through the products.
    pub(super) fn backward(self, level: SimdLevel, row: Row<'_>) {
        match self {
            Cell::Tanh => tanh_back(level, row),
            Cell::Relu => relu_back(level, row),
            Cell::Lstm => lstm_back(level, row),
            Cell::Gru => gru_back(level, row),
        }
    }
}

/// A row's step on the way back.
pub(super) struct Row<'a> {
    /// The gates; becomes the gradient of the sums.
    pub gates: &'a mut [f32],
    /// The hidden state before the step.
    pub h: &'a [f32],
    /// The memory before the step.
    pub c: &'a [f32],
    /// Gradient of the output of the step; empty where it has none.
    pub output: &'a [f32],
    /// Gradient of the hidden state.
    pub dh: &'a mut [f32],
    /// Gradient of the memory.
    pub dc: &'a mut [f32],
    /// A copy of the gradient of the sums.
    pub step: &'a mut [f32],
    /// Their sum over the steps.
    pub sums: &'a mut [f32],
}

/// 1 / (1 + e^-x), within a few units in the last place; e^-x is kept within e^±87, where one power of 2 is enough:
/// less than half the operations of [`crate::kernels::exp`], which has to cover subnormal numbers.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to a whole number
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let y = (-x).clamp(-87.0, 87.0);
    let shifted = y * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = y - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.398_2e-3 + 1.987_569_1e-4 * r;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_66;
    p = p * r + 0.5;
    let value = p * (r * r) + r + 1.0;
    // The whole number is in the low bits of `shifted`; it goes to the exponent.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    1.0 / (1.0 + value * power)
}

/// tanh x, within a few units in the last place: a ratio of polynomials (as in Eigen), beyond 7.9 within 2e-7 of 1.
/// One division and no e^x.
#[inline(always)]
fn tanh_of(x: f32) -> f32 {
    let t = x.clamp(-7.905_311, 7.905_311);
    let z = t * t;
    let mut p = -2.760_768_5e-16;
    p = p * z + 2.000_188e-13;
    p = p * z - 8.604_672e-11;
    p = p * z + 5.122_297e-8;
    p = p * z + 1.485_722_4e-5;
    p = p * z + 6.372_619e-4;
    p = p * z + 4.893_524_6e-3;
    let mut q = 1.198_258_4e-6;
    q = q * z + 1.185_347e-4;
    q = q * z + 2.268_434_6e-3;
    q = q * z + 4.893_525e-3;
    // Rounding must not lead beyond 1: 1 - tanh² is a factor of gradients.
    (t * p / q).clamp(-1.0, 1.0)
}

/// The blocks of a step, each of `hidden` values.
#[inline(always)]
fn quarters(values: &mut [f32], hidden: usize) -> [&mut [f32]; 4] {
    let (a, rest) = values.split_at_mut(hidden);
    let (b, rest) = rest.split_at_mut(hidden);
    let (c, rest) = rest.split_at_mut(hidden);
    [a, b, c, &mut rest[..hidden]]
}

simd_dispatch! {
    fn tanh_step(step: &mut [f32], h: &mut [f32], hidden: usize) {
        for (step, h) in step.chunks_exact_mut(hidden).zip(h.chunks_exact_mut(hidden)) {
            for (x, h) in step.iter_mut().zip(h) {
                *x = tanh_of(*x);
                *h = *x;
            }
        }
    }
}

simd_dispatch! {
    fn relu_step(step: &mut [f32], h: &mut [f32], hidden: usize) {
        for (step, h) in step.chunks_exact_mut(hidden).zip(h.chunks_exact_mut(hidden)) {
            for (x, h) in step.iter_mut().zip(h) {
                *x = if *x <= 0.0 { 0.0 } else { *x };
                *h = *x;
            }
        }
    }
}

simd_dispatch! {
    fn lstm_step(step: &mut [f32], h: &mut [f32], c: &mut [f32], hidden: usize) {
        let states = h.chunks_exact_mut(hidden).zip(c.chunks_exact_mut(hidden));
        for (row, (h, c)) in step.chunks_exact_mut(4 * hidden).zip(states) {
            let [i, f, g, o] = quarters(row, hidden);
            let gates = i.iter_mut().zip(f).zip(g).zip(o);
            for ((((i, f), g), o), (c, h)) in gates.zip(c.iter_mut().zip(h)) {
                *i = sigmoid(*i);
                *f = sigmoid(*f);
                *g = tanh_of(*g);
                *o = sigmoid(*o);
                *c = *f * *c + *i * *g;
                *h = *o * tanh_of(*c);
            }
        }
    }
}

simd_dispatch! {
    fn gru_step(step: &mut [f32], h: &mut [f32], hidden: usize) {
        for (row, h) in step.chunks_exact_mut(4 * hidden).zip(h.chunks_exact_mut(hidden)) {
            let [r, z, n, from_h] = quarters(row, hidden);
            let gates = r.iter_mut().zip(z).zip(n).zip(from_h);
            for ((((r, z), n), from_h), h) in gates.zip(h) {
                *r = sigmoid(*r);
                *z = sigmoid(*z);
                *n = tanh_of(*n + *r * *from_h);
                *h = *n + *z * (*h - *n);
            }
        }
    }
}

/// Copies the gradient of a row's sums and adds it up.
#[inline(always)]
fn finish(gates: &[f32], step: &mut [f32], sums: &mut [f32]) {
    for ((gate, step), sum) in gates.iter().zip(step).zip(sums) {
        *step = *gate;
        *sum += *gate;
    }
}

/// Adds the gradient of the output to that of the hidden state.
#[inline(always)]
fn meet(dh: &mut [f32], output: &[f32]) {
    for (dh, output) in dh.iter_mut().zip(output) {
        *dh += *output;
    }
}

simd_dispatch! {
    fn tanh_back(row: Row<'_>) {
        meet(row.dh, row.output);
        for (gate, dh) in row.gates.iter_mut().zip(row.dh) {
            *gate = *dh * (1.0 - *gate * *gate);
        }
        finish(row.gates, row.step, row.sums);
    }
}

simd_dispatch! {
    fn relu_back(row: Row<'_>) {
        meet(row.dh, row.output);
        for (gate, dh) in row.gates.iter_mut().zip(row.dh) {
            *gate = if *gate <= 0.0 { 0.0 } else { *dh };
        }
        finish(row.gates, row.step, row.sums);
    }
}

simd_dispatch! {
    fn lstm_back(row: Row<'_>) {
        let hidden = row.dh.len();
        meet(row.dh, row.output);
        let [i, f, g, o] = quarters(row.gates, hidden);
        let gates = i.iter_mut().zip(f).zip(g).zip(o);
        let states = row.dh.iter().zip(row.dc).zip(row.c);
        for ((((i, f), g), o), ((dh, dc), c)) in gates.zip(states) {
            // The memory after the step: the forward pass's bits again.
            let t = tanh_of(*f * *c + *i * *g);
            let back = *dc + *dh * *o * (1.0 - t * t);
            let (di, df, dg) = (back * *g, back * *c, back * *i);
            *o = *dh * t * (1.0 - *o) * *o;
            *dc = back * *f;
            *i = di * (1.0 - *i) * *i;
            *f = df * (1.0 - *f) * *f;
            *g = dg * (1.0 - *g * *g);
        }
        finish(row.gates, row.step, row.sums);
    }
}

simd_dispatch! {
    fn gru_back(row: Row<'_>) {
        let hidden = row.dh.len();
        meet(row.dh, row.output);
        let [r, z, n, from_h] = quarters(row.gates, hidden);
        let gates = r.iter_mut().zip(z).zip(n).zip(from_h);
        for ((((r, z), n), from_h), (dh, h)) in gates.zip(row.dh.iter_mut().zip(row.h)) {
            let dn = *dh * (1.0 - *z) * (1.0 - *n * *n);
            let dz = *dh * (*h - *n);
            *dh *= *z;
            *z = dz * (1.0 - *z) * *z;
            let dr = dn * *from_h;
            *from_h = dn * *r;
            *r = dr * (1.0 - *r) * *r;
            *n = dn;
        }
        finish(row.gates, row.step, row.sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_close_to_exact() {
        let mut worst = [0.0f64; 2];
        for at in -200_000..=200_000 {
            let x = at as f32 * 1e-4;
            let exact = [1.0 / (1.0 + libm::exp(-f64::from(x))), libm::tanh(f64::from(x))];
            for (worst, (got, exact)) in worst
                .iter_mut()
                .zip([sigmoid(x), tanh_of(x)].into_iter().zip(exact))
            {
                *worst = worst.max((f64::from(got) - exact).abs() / exact.abs().max(1e-37));
            }
        }
        assert!(worst[0] < 4e-7 && worst[1] < 4e-7, "{worst:?}");
    }

    #[test]
    fn ends_of_the_range() {
        for x in [90.0, 1e30, f32::INFINITY] {
            assert_eq!(sigmoid(x), 1.0);
            assert!(sigmoid(-x) < 1e-37);
            assert!(tanh_of(x) <= 1.0 && tanh_of(x) > 1.0 - 2e-7);
            assert_eq!(tanh_of(-x), -tanh_of(x));
        }
        assert_eq!(tanh_of(-0.0).to_bits(), (-0.0f32).to_bits());
        assert!(sigmoid(f32::NAN).is_nan() && tanh_of(f32::NAN).is_nan());
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        let hidden = 37;
        let values = |count: usize, salt: usize| -> Vec<f32> {
            (0..count)
                .map(|at| ((at * 7_919 + salt) % 2_003) as f32 / 250.0 - 4.0)
                .collect()
        };
        for cell in [Cell::Tanh, Cell::Relu, Cell::Lstm, Cell::Gru] {
            let width = cell.blocks() * hidden;
            let run = |level| {
                let (mut step, mut h, mut c) =
                    (values(3 * width, 1), values(3 * hidden, 2), values(3 * hidden, 3));
                cell.forward(level, &mut step, &mut h, &mut c, hidden);
                let (before, mut dh, mut dc) = (values(hidden, 4), values(hidden, 5), values(hidden, 6));
                let (mut copy, mut sums) = (vec![0.0; width], values(width, 7));
                let row = Row {
                    gates: &mut step[..width],
                    h: &before,
                    c: &before,
                    output: &before,
                    dh: &mut dh,
                    dc: &mut dc,
                    step: &mut copy,
                    sums: &mut sums,
                };
                cell.backward(level, row);
                assert_eq!(step[..width], copy);
                let all = [step, h, c, dh, dc, sums].concat();
                all.iter().map(|value| value.to_bits()).collect::<Vec<u32>>()
            };
            for level in SimdLevel::available() {
                assert_eq!(run(level), run(SimdLevel::Generic), "{cell:?} {level:?}");
            }
        }
    }
}
