//! The rows that are measured.

/// Rows of one slice: outputs of the network, labels, weights, row after row.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Outputs of the network.
    pub outputs: &'a [f32],
    /// Labels.
    pub labels: &'a [f64],
    /// A weight a row.
    pub weights: &'a [f64],
}
