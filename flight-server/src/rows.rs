//! Rows on their way out of a dataset.

use crate::chunk::Shape;
use crate::features::Features;
use candlewick_model::engine::{self, TypedRows};
use candlewick_model::kernels::Csr;
use candlewick_model::network::Network;
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

/// How a network takes the rows of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Takes {
    /// As f32.
    #[default]
    Dense,
    /// In the type that they are held in, for a device that makes f32 of them.
    Typed,
    /// What is not zero of them.
    Sparse,
}

impl Takes {
    /// How a network, placed where it is computed, takes them.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        if network.has_sparse_input() {
            Takes::Sparse
        } else if network.reads_on_device() {
            Takes::Typed
        } else {
            Takes::Dense
        }
    }
}

/// Where gathered rows go: values of the rows one after another.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Features as f32, where the network takes dense rows that are no integers.
    pub features: Vec<f32>,
    /// Integers, where it takes these, and the factor that makes features of them.
    integers: Features,
    scale: f64,
    typed: bool,
    /// Features, where it takes sparse ones.
    pub sparse: Option<Csr>,
    /// Labels.
    pub labels: Vec<f64>,
    /// Weights.
    pub weights: Vec<f64>,
}

impl Gathered {
    /// Without rows; how the network takes them.
    #[must_use]
    pub fn new(takes: Takes) -> Self {
        Gathered {
            typed: takes == Takes::Typed,
            sparse: (takes == Takes::Sparse).then(Csr::default),
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
            (None, row) => {
                if !self.keeps(row, shape.encoding.scale) {
                    row.expand(shape.features, shape.encoding.scale, &mut self.features);
                }
            }
        }
    }

    /// Keeps a row of integers as it is, where the network takes these and the rows before are of the same type; else all are f32.
    fn keeps(&mut self, row: FeatureRow<'_>, scale: f64) -> bool {
        let integers = !matches!(row, FeatureRow::Float32(_) | FeatureRow::Sparse(..));
        let before = self.integers.dense().filter(|values| values.count() > 0);
        let fits = before.is_none() || self.integers.kind() == row.kind();
        if self.typed && integers && fits && self.features.is_empty() {
            if self.integers.kind() != row.kind() {
                self.integers = Features::with_capacity(row.kind(), 0, 0);
            }
            self.scale = scale;
            return self.integers.push(row).is_ok();
        }
        if let Some(values) = before {
            values.expand(self.scale, &mut self.features);
            self.integers.clear();
        }
        false
    }

    /// The features.
    #[must_use]
    pub fn features(&self) -> engine::Features<'_> {
        match &self.sparse {
            Some(rows) => rows.into(),
            None => engine::Features::Typed(self.dense()),
        }
    }

    /// The features of a network that takes dense rows.
    #[must_use]
    pub fn dense(&self) -> TypedRows<'_> {
        match self.integers.dense().filter(|values| values.count() > 0) {
            Some(values) => TypedRows::new(values, self.scale),
            None => self.features.as_slice().into(),
        }
    }

    /// The largest of the features.
    #[must_use]
    pub fn largest(&self) -> f32 {
        let most = |values: &[f32]| values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        match &self.sparse {
            Some(rows) => most(rows.values()),
            None => {
                let mut features = Vec::new();
                let rows = self.dense();
                rows.values().expand(rows.scale(), &mut features);
                most(&features)
            }
        }
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.features.clear();
        self.integers.clear();
        self.sparse.iter_mut().for_each(Csr::clear);
        self.labels.clear();
        self.weights.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::features::{DenseValues, FeatureEncoding, FeatureType};
    use candlewick_protocol::job::LabelKind;

    fn shape() -> Shape {
        Shape {
            features: 2,
            encoding: FeatureEncoding {
                kind: FeatureType::UInt8,
                scale: 0.5,
                nonzeros: None,
            },
            label: LabelKind::Real { width: 1 },
            logical_shards: 8,
            validation: None,
        }
    }

    fn gathered(takes: Takes, rows: &[FeatureRow<'_>]) -> Gathered {
        let mut gathered = Gathered::new(takes);
        rows.iter().for_each(|row| gathered.push(*row, &shape()));
        gathered
    }

    #[test]
    fn integers_stay_what_they_are_where_the_network_takes_them() {
        let rows = [FeatureRow::UInt8(&[0, 3]), FeatureRow::UInt8(&[255, 1])];
        let mut typed = gathered(Takes::Typed, &rows);
        assert_eq!(typed.dense().values(), DenseValues::UInt8(&[0, 3, 255, 1]));
        assert_eq!((typed.dense().scale(), typed.largest()), (0.5, 127.5));
        let dense = gathered(Takes::Dense, &rows);
        assert_eq!(
            dense.dense().values(),
            DenseValues::Float32(&[0.0, 1.5, 127.5, 0.5])
        );
        assert_eq!((dense.dense().scale(), dense.largest()), (1.0, 127.5));
        typed.clear();
        typed.push(FeatureRow::Int16(&[-300, 7]), &shape());
        assert_eq!(typed.dense().values(), DenseValues::Int16(&[-300, 7]));
    }

    #[test]
    fn rows_of_several_types_are_f32_together() {
        let rows = [
            FeatureRow::UInt8(&[2, 3]),
            FeatureRow::Int8(&[-2, 4]),
            FeatureRow::UInt8(&[8, 9]),
            FeatureRow::Float32(&[7.0, 0.25]),
        ];
        let wanted = [1.0, 1.5, -1.0, 2.0, 4.0, 4.5, 7.0, 0.25];
        for count in 2..=4 {
            let typed = gathered(Takes::Typed, &rows[..count]);
            assert_eq!(typed.dense().values(), DenseValues::Float32(&wanted[..count * 2]));
        }
        let sparse = gathered(Takes::Typed, &[FeatureRow::Sparse(&[1], &[0.5]), rows[0]]);
        assert_eq!(
            sparse.dense().values(),
            DenseValues::Float32(&[0.0, 0.5, 1.0, 1.5])
        );
    }
}
