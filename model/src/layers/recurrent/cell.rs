//! The cells: what happens to the states of a step once the products are there, and back.

use crate::kernels::{Level, exp, leveled, tanh_of};

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
    pub(super) fn forward(self, level: Level, step: &mut [f32], h: &mut [f32], c: &mut [f32], hidden: usize) {
        match self {
            Cell::Tanh => tanh_step(level, step, h),
            Cell::Relu => relu_step(level, step, h),
            Cell::Lstm => lstm_step(level, step, h, c, hidden),
            Cell::Gru => gru_step(level, step, h, hidden),
        }
    }

    /// Turns the gates of a row's step into the gradient of its sums, and the gradients of the states after it into
    /// those of the states before it, as far as they do not come through the products.
    pub(super) fn backward(self, level: Level, row: Row<'_>) {
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

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The blocks of a step, each of `hidden` values.
#[inline(always)]
fn quarters(values: &mut [f32], hidden: usize) -> [&mut [f32]; 4] {
    let (a, rest) = values.split_at_mut(hidden);
    let (b, rest) = rest.split_at_mut(hidden);
    let (c, rest) = rest.split_at_mut(hidden);
    [a, b, c, &mut rest[..hidden]]
}

leveled! {
    fn tanh_step(step: &mut [f32], h: &mut [f32]) {
        for (x, h) in step.iter_mut().zip(h) {
            *x = tanh_of(*x);
            *h = *x;
        }
    }
}

leveled! {
    fn relu_step(step: &mut [f32], h: &mut [f32]) {
        for (x, h) in step.iter_mut().zip(h) {
            *x = if *x <= 0.0 { 0.0 } else { *x };
            *h = *x;
        }
    }
}

leveled! {
    fn lstm_step(step: &mut [f32], h: &mut [f32], c: &mut [f32], hidden: usize) {
        let states = h.chunks_exact_mut(hidden).zip(c.chunks_exact_mut(hidden));
        for (row, (h, c)) in step.chunks_exact_mut(4 * hidden).zip(states) {
            let [i, f, g, o] = quarters(row, hidden);
            for at in 0..hidden {
                i[at] = sigmoid(i[at]);
                f[at] = sigmoid(f[at]);
                g[at] = tanh_of(g[at]);
                o[at] = sigmoid(o[at]);
                c[at] = f[at] * c[at] + i[at] * g[at];
                h[at] = o[at] * tanh_of(c[at]);
            }
        }
    }
}

leveled! {
    fn gru_step(step: &mut [f32], h: &mut [f32], hidden: usize) {
        for (row, h) in step.chunks_exact_mut(4 * hidden).zip(h.chunks_exact_mut(hidden)) {
            let [r, z, n, from_h] = quarters(row, hidden);
            for at in 0..hidden {
                r[at] = sigmoid(r[at]);
                z[at] = sigmoid(z[at]);
                n[at] = tanh_of(n[at] + r[at] * from_h[at]);
                h[at] = n[at] + z[at] * (h[at] - n[at]);
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

leveled! {
    fn tanh_back(row: Row<'_>) {
        meet(row.dh, row.output);
        for (gate, dh) in row.gates.iter_mut().zip(row.dh) {
            *gate = *dh * (1.0 - *gate * *gate);
        }
        finish(row.gates, row.step, row.sums);
    }
}

leveled! {
    fn relu_back(row: Row<'_>) {
        meet(row.dh, row.output);
        for (gate, dh) in row.gates.iter_mut().zip(row.dh) {
            *gate = if *gate <= 0.0 { 0.0 } else { *dh };
        }
        finish(row.gates, row.step, row.sums);
    }
}

leveled! {
    fn lstm_back(row: Row<'_>) {
        let hidden = row.dh.len();
        meet(row.dh, row.output);
        let (dh, dc, c) = (&row.dh[..hidden], &mut row.dc[..hidden], &row.c[..hidden]);
        let [i, f, g, o] = quarters(row.gates, hidden);
        for at in 0..hidden {
            // The memory after the step: the forward pass's bits again.
            let t = tanh_of(f[at] * c[at] + i[at] * g[at]);
            let back = dc[at] + dh[at] * o[at] * (1.0 - t * t);
            let (di, df, dg) = (back * g[at], back * c[at], back * i[at]);
            o[at] = dh[at] * t * (1.0 - o[at]) * o[at];
            dc[at] = back * f[at];
            i[at] = di * (1.0 - i[at]) * i[at];
            f[at] = df * (1.0 - f[at]) * f[at];
            g[at] = dg * (1.0 - g[at] * g[at]);
        }
        finish(row.gates, row.step, row.sums);
    }
}

leveled! {
    fn gru_back(row: Row<'_>) {
        let hidden = row.dh.len();
        meet(row.dh, row.output);
        let (dh, h) = (&mut row.dh[..hidden], &row.h[..hidden]);
        let [r, z, n, from_h] = quarters(row.gates, hidden);
        for at in 0..hidden {
            let dn = dh[at] * (1.0 - z[at]) * (1.0 - n[at] * n[at]);
            let dz = dh[at] * (h[at] - n[at]);
            dh[at] *= z[at];
            z[at] = dz * (1.0 - z[at]) * z[at];
            let dr = dn * from_h[at];
            from_h[at] = dn * r[at];
            r[at] = dr * (1.0 - r[at]) * r[at];
            n[at] = dn;
        }
        finish(row.gates, row.step, row.sums);
    }
}
