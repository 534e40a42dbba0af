//! What crossed between a host and a device.

use std::ops::Sub;

/// Bytes in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Weights, gradients, states of optimisers, moving averages.
    pub weights: u64,
    /// Rows: features, what layers put out, and gradients of that; of tables, which rows are meant.
    pub rows: u64,
    /// Random zeros, tables of indices, constants of layers.
    pub constants: u64,
    /// Sums: norms, and whether all is finite.
    pub sums: u64,
}

/// Bytes that crossed since the network was placed.
///
/// ```
/// use candlewick_model::resident::{Amounts, Traffic};
/// let before = Traffic { up: Amounts { rows: 4, ..Amounts::default() }, down: Amounts::default() };
/// let after = Traffic { up: Amounts { rows: 10, ..Amounts::default() }, down: Amounts { weights: 8, ..Amounts::default() } };
/// let between = after - before;
/// assert_eq!((between.up.rows, between.down.weights), (6, 8));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To the device.
    pub up: Amounts,
    /// From it.
    pub down: Amounts,
}

impl Sub for Amounts {
    type Output = Amounts;

    fn sub(self, before: Amounts) -> Amounts {
        Amounts {
            weights: self.weights - before.weights,
            rows: self.rows - before.rows,
            constants: self.constants - before.constants,
            sums: self.sums - before.sums,
        }
    }
}

impl Sub for Traffic {
    type Output = Traffic;

    fn sub(self, before: Traffic) -> Traffic {
        Traffic {
            up: self.up - before.up,
            down: self.down - before.down,
        }
    }
}
