//! Parameters and their places in the flat weights.

/// A parameter and its place in the flat weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name, PyTorch's: `0.weight`.
    pub name: String,
    /// Shape, PyTorch's.
    pub shape: Vec<usize>,
    /// First element in the flat weights.
    pub offset: usize,
    /// False for a buffer, such as a running mean, which no optimiser touches.
    pub trained: bool,
    /// True for a count, which files and hashes hold as I64.
    pub count: bool,
}

impl Parameter {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True where it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A parameter of which a step touches few rows, and its place in the flat weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SparseParameter {
    /// First element in the flat weights.
    pub offset: usize,
    /// Number of rows.
    pub entries: usize,
    /// Values of a row.
    pub width: usize,
}

impl SparseParameter {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries * self.width
    }

    /// True where it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
