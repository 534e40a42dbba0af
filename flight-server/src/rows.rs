//! Rows on their way out of a dataset.

use crate::chunk::Shape;
use candlewick_model::kernels::Csr;
use candlewick_protocol::dealing::Copies;
use candlewick_protocol::features::FeatureRow;

/// A row as it is sent to another trainer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) features: FeatureRow<'a>,
    pub(crate) labels: &'a [f64],
    /// Follows the label where a column marks validation rows.
    pub(crate) mark: Option<f64>,
    pub(crate) weight: f64,
    pub(crate) hash: u128,
    pub(crate) copies: Copies,
}

/// Where gathered rows go: values of the rows one after another.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Features, where the network takes dense rows.
    pub features: Vec<f32>,
    /// Features, where it takes sparse ones.
    pub sparse: Option<Csr>,
    /// Labels.
    pub labels: Vec<f64>,
    /// Weights.
    pub weights: Vec<f64>,
}

impl Gathered {
    /// Without rows; whether the network takes sparse ones.
    #[must_use]
    pub fn new(sparse: bool) -> Self {
        Gathered {
            sparse: sparse.then(Csr::default),
            ..Gathered::default()
        }
    }

    /// Appends the features of a row, as the network takes them.
    pub(crate) fn push(&mut self, row: FeatureRow<'_>, shape: &Shape) {
        match (&mut self.sparse, row) {
            (Some(sparse), FeatureRow::Sparse(indices, values)) => sparse.push_row(indices, values),
            (Some(sparse), row) => {
                self.features.clear();
                row.expand(shape.features, shape.encoding.scale, &mut self.features);
                let values = (0u32..).zip(&self.features);
                values.for_each(|(index, value)| sparse.push(index, *value));
                sparse.end_row();
            }
            (None, row) => row.expand(shape.features, shape.encoding.scale, &mut self.features),
        }
    }
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.features.clear();
        self.sparse.iter_mut().for_each(Csr::clear);
        self.labels.clear();
        self.weights.clear();
    }
}
