//! Memory that one thread reuses.

use super::conv::WindowScratch;
use super::tiles::TileScratch;

/// Memory that one thread reuses.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// What products need.
    pub tile: TileScratch,
    /// What a convolution keeps beside its operands.
    pub window: WindowScratch,
    /// Squares of an attention's scores.
    pub squares: Vec<f32>,
}
