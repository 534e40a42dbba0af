//! Vectors over the weights of a network, of which runs may live on a device from step to step: the weights, a step's
//! gradient, each vector of an optimiser's state, moving averages.
//!
//! A run is what a segment of the network, or a table, has of it; the gradient of a table has the rows alone that a step touched. All else lies in memory of the host, and a build without devices has
//! nothing but that. Everything that crosses to or from a device goes through its [`Link`], which counts it.

#[cfg(not(any(test, feature = "candle")))]
mod absent;
mod ahead;
#[cfg(any(test, feature = "candle"))]
mod error;
mod flat;
#[cfg(any(test, feature = "candle"))]
mod integers;
#[cfg(any(test, feature = "candle"))]
mod link;
mod places;
#[cfg(any(test, feature = "candle"))]
mod rows;
#[cfg(any(test, feature = "candle"))]
mod table;
#[cfg(test)]
mod tests;
mod traffic;
#[cfg(any(test, feature = "candle"))]
mod values;
#[cfg(any(test, feature = "candle"))]
mod vector;

#[cfg(not(any(test, feature = "candle")))]
pub(crate) use absent::{DeviceRows, DeviceValues, DeviceVec, Link};
pub use ahead::Ahead;
#[cfg(any(test, feature = "candle"))]
pub(crate) use error::{Advice, DeviceError, first_line, is_too_much};
pub use flat::{Flat, FlatMut, FlatRef};
pub(crate) use flat::{HeldRows, Residence, Run, gaps};
#[cfg(any(test, feature = "candle"))]
pub(crate) use link::{Kind, Link};
pub(crate) use places::RowPlaces;
#[cfg(any(test, feature = "candle"))]
pub(crate) use rows::DeviceRows;
pub use traffic::{Amounts, Traffic};
#[cfg(any(test, feature = "candle"))]
pub(crate) use values::DeviceValues;
#[cfg(any(test, feature = "candle"))]
pub(crate) use vector::DeviceVec;
