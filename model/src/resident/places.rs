//! Which rows of a table a step touched, for the vectors on a device that have those alone.

#[cfg(any(test, feature = "candle"))]
use {candle_core::Tensor, std::sync::OnceLock};

/// Some rows of a table, ascending, of which a vector on a device has the values one after another.
#[derive(Debug)]
pub(crate) struct RowPlaces {
    indices: Vec<u32>,
    entries: usize,
    width: usize,
    /// The same on the device.
    #[cfg(any(test, feature = "candle"))]
    pub(super) uploaded: Uploaded,
}

/// Places of rows on a device, each once somebody has wanted it there.
#[cfg(any(test, feature = "candle"))]
#[derive(Debug, Default)]
pub(super) struct Uploaded {
    /// Where they are read.
    pub rows: OnceLock<Tensor>,
    /// Where they are written.
    pub parts: OnceLock<Vec<PlacedPart>>,
}

/// Rows that are written to the part of a table behind row `start`, by so many lanes: which rows, and to which rows of lanes.
#[cfg(any(test, feature = "candle"))]
#[derive(Debug)]
pub(super) struct PlacedPart {
    pub start: usize,
    pub lanes: usize,
    pub sources: Tensor,
    pub blocks: Tensor,
}

/// The same rows: what is on the device follows from them.
impl PartialEq for RowPlaces {
    fn eq(&self, other: &Self) -> bool {
        (&self.indices, self.entries, self.width) == (&other.indices, other.entries, other.width)
    }
}

impl RowPlaces {
    /// Rows of a table of `entries` rows of `width` values. Where there are none it is the first, whose values are zeros then: kernels
    /// take no vector without elements, and what is 0 counts as untouched.
    pub(crate) fn new(indices: Vec<u32>, (entries, width): (usize, usize)) -> Self {
        RowPlaces {
            indices: if indices.is_empty() { vec![0] } else { indices },
            entries,
            width,
            #[cfg(any(test, feature = "candle"))]
            uploaded: Uploaded::default(),
        }
    }

    /// The rows.
    #[cfg(any(test, feature = "candle"))]
    pub(super) fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Rows of the table, and values of a row.
    #[cfg(any(test, feature = "candle"))]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.entries, self.width)
    }

    /// Their values, of all elements of the table.
    pub(crate) fn of(&self, table: &[f32]) -> Vec<f32> {
        let rows = self.indices.iter().map(|row| *row as usize * self.width);
        rows.flat_map(|start| &table[start..start + self.width])
            .copied()
            .collect()
    }
}
