//! A chunk of the spool: rows in canonical form, with their hashes.

use crate::features::Features;
use crate::memory::Charge;
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, CopiesAt};
use candlewick_protocol::features::{FeatureEncoding, FeatureRow, FeatureType};
use candlewick_protocol::feed::RowFormat;
use candlewick_protocol::job::{DataSpec, LabelKind};
use candlewick_protocol::row::{RowHasher, shard_of};
use candlewick_protocol::shuffle::Home;
use candlewick_protocol::text::number;
use candlewick_protocol::validation::{FedShard, Validation};

/// What the rows of a job look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Values of a row's features.
    pub features: usize,
    /// What they are held as.
    pub encoding: FeatureEncoding,
    /// What the label means.
    pub label: LabelKind,
    /// V.
    pub logical_shards: u32,
    /// Which rows are put aside for validation, if any.
    pub validation: Option<Validation>,
}

impl Shape {
    /// The shape of a job's rows.
    #[must_use]
    pub fn of(data: &DataSpec, logical_shards: u32) -> Self {
        Shape {
            features: data.feature_width as usize,
            encoding: data.feature_encoding,
            label: data.label.clone(),
            logical_shards,
            validation: data.validation,
        }
    }

    /// What its record batches hold.
    #[must_use]
    pub fn format(&self) -> RowFormat {
        RowFormat::new(self.features, self.encoding.kind, &self.label, self.validation)
    }

    /// f64 values of a row's label.
    #[must_use]
    pub fn labels(&self) -> usize {
        self.label.width()
    }
}

/// Rows one after another. -0.0 is stored as 0.0, so that rows of one hash are equal bit for bit.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Of each row `shape.features` values.
    pub features: Features,
    /// `rows * shape.labels()` values.
    pub labels: Vec<f64>,
    /// One per row.
    pub weights: Vec<f64>,
    /// Identity of each row (rule A6), computed from the values above.
    pub hashes: Vec<u128>,
    /// True for each row that is put aside for validation; empty where the job holds none out.
    pub held_out: Vec<bool>,
    /// Rows that stand for more than one, by their position, in order.
    pub copies: Vec<CopiesAt>,
    /// The shards among which the hash of each row chooses, where they are not all.
    pub home: Option<Home>,
    /// Of its memory.
    pub(crate) charge: Charge,
}

impl Chunk {
    /// Bytes of its memory.
    pub(crate) fn bytes(&self) -> u64 {
        let values = self.features.bytes() + (self.labels.capacity() + self.weights.capacity()) * 8;
        let rest = self.hashes.capacity() * 16 + self.held_out.capacity() + self.copies.capacity() * 24;
        (values + rest) as u64
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.hashes.len()
    }

    /// Rows that it stands for, copies counted.
    pub(crate) fn meant(&self) -> u64 {
        let further = self
            .copies
            .iter()
            .map(|(_, copies)| copies.here.saturating_sub(1));
        further.fold(self.rows() as u64, u64::saturating_add)
    }

    /// How often a row is there.
    #[must_use]
    pub fn copies_of(&self, row: u32) -> Copies {
        let found = self.copies.binary_search_by_key(&row, |(row, _)| *row);
        found.map_or(Copies::ONE, |at| self.copies[at].1)
    }

    /// Rows and the sum of their hashes, copies counted.
    #[must_use]
    pub fn sum(&self) -> (u64, u128) {
        let once = self
            .hashes
            .iter()
            .fold(0u128, |sum, hash| sum.wrapping_add(*hash));
        let more = |(rows, sum): (u64, u128), (row, copies): &CopiesAt| {
            let further = copies.here.saturating_sub(1);
            let hashes = self.hashes[*row as usize].wrapping_mul(u128::from(further));
            (rows + further, sum.wrapping_add(hashes))
        };
        self.copies.iter().fold((self.hashes.len() as u64, once), more)
    }

    /// The shard of a row by its hash.
    #[must_use]
    pub fn shard_of(&self, hash: u128, logical_shards: u32) -> u32 {
        self.home
            .map_or_else(|| shard_of(hash, logical_shards), |home| home.shard_of(hash))
    }

    /// Those of the rows that `keep` accepts by their position.
    pub(crate) fn only(&self, shape: &Shape, keep: impl Fn(usize) -> bool) -> Chunk {
        let rows: Vec<usize> = (0..self.rows()).filter(|row| keep(*row)).collect();
        let held_out = if self.held_out.is_empty() { 0 } else { 1 };
        // What is copied is counted in the index by now.
        let mut only = Chunk {
            charge: Charge::default(),
            copies: Vec::new(),
            home: self.home,
            features: self.features.only(&rows, shape.features),
            labels: picked(&self.labels, shape.labels(), &rows),
            weights: picked(&self.weights, 1, &rows),
            hashes: picked(&self.hashes, 1, &rows),
            held_out: picked(&self.held_out, held_out, &rows),
        };
        only.charge = self.charge.beside(only.bytes());
        only
    }
}

/// The values of some rows, `width` for each, in memory of just that size.
fn picked<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    let mut picked = Vec::with_capacity(rows.len() * width);
    for row in rows {
        picked.extend_from_slice(&values[row * width..][..width]);
    }
    picked
}

/// Builds a chunk row by row: copies, checks and hashes while the row is in the cache.
#[derive(Debug)]
pub struct ChunkBuilder<'a> {
    shape: &'a Shape,
    chunk: Chunk,
    hasher: RowHasher,
    /// The features of the row at hand as f32, where they are held as integers.
    scratch: Vec<f32>,
}

const EXPONENT: u32 = 0x7f80_0000;

impl<'a> ChunkBuilder<'a> {
    /// A builder for `rows` rows whose features are held as f32.
    #[must_use]
    pub fn new(shape: &'a Shape, rows: usize) -> Self {
        Self::typed(shape, FeatureType::Float32, rows, rows * shape.features)
    }

    /// A builder for `rows` rows with so many values in all, those that are not zero where the type is sparse.
    #[must_use]
    pub fn typed(shape: &'a Shape, kind: FeatureType, rows: usize, values: usize) -> Self {
        let chunk = Chunk {
            features: Features::with_capacity(kind, rows, values),
            labels: Vec::with_capacity(rows * shape.labels()),
            weights: Vec::with_capacity(rows),
            hashes: Vec::with_capacity(rows),
            held_out: Vec::new(),
            copies: Vec::new(),
            home: None,
            charge: Charge::default(),
        };
        ChunkBuilder {
            shape,
            chunk,
            hasher: RowHasher::default(),
            scratch: Vec::new(),
        }
    }

    /// The rows belong to these shards only, among which their hash chooses.
    #[must_use]
    pub fn within(mut self, home: Option<Home>) -> Self {
        self.chunk.home = home;
        self
    }

    /// Adds a row that no column marks; returns the shard it belongs to.
    ///
    /// # Errors
    /// What is wrong with the row, without its position: "features\[3\] is NaN".
    pub fn push(
        &mut self,
        features: impl Iterator<Item = f32>,
        labels: impl Iterator<Item = f64>,
        weight: f64,
    ) -> Result<FedShard, String> {
        self.push_marked(features, labels, weight, false)
    }

    /// As [`ChunkBuilder::push`], with the mark of a validation row.
    ///
    /// # Errors
    /// As there.
    pub fn push_marked(
        &mut self,
        features: impl Iterator<Item = f32>,
        labels: impl Iterator<Item = f64>,
        weight: f64,
        marked: bool,
    ) -> Result<FedShard, String> {
        let chunk = &mut self.chunk;
        let Features::Float32(all) = &mut chunk.features else {
            return Err(wrong_type(FeatureType::Float32, chunk.features.kind()));
        };
        let (first, first_label) = (all.len(), chunk.labels.len());
        // Adding 0.0 turns -0.0 into 0.0 and leaves every other value as it is.
        all.extend(features.map(|value| value + 0.0));
        chunk.labels.extend(labels.map(|value| value + 0.0));
        let weight = weight + 0.0;
        let (row, labels) = (&all[first..], &chunk.labels[first_label..]);
        check_features(row, self.shape)?;
        check_label(&self.shape.label, labels)?;
        check_weight(weight)?;
        let hash = self.hasher.hash(row, labels, weight, marked);
        Ok(self.add(hash, weight, marked))
    }

    /// Adds a row of the type that the builder was made for. Zeros of a sparse one are left out.
    ///
    /// # Errors
    /// As [`ChunkBuilder::push`].
    pub fn push_row(
        &mut self,
        features: FeatureRow<'_>,
        labels: impl Iterator<Item = f64>,
        weight: f64,
        marked: bool,
    ) -> Result<FedShard, String> {
        if let FeatureRow::Float32(values) = features {
            return self.push_marked(values.iter().copied(), labels, weight, marked);
        }
        let first_label = self.chunk.labels.len();
        self.chunk.labels.extend(labels.map(|value| value + 0.0));
        let labels = &self.chunk.labels[first_label..];
        let weight = weight + 0.0;
        let hash = match (features, &mut self.chunk.features) {
            (FeatureRow::Sparse(indices, values), Features::Sparse(rows)) => {
                check_sparse(indices, values, self.shape.features)?;
                if values.contains(&0.0) {
                    let pairs = indices.iter().zip(values);
                    pairs.for_each(|(index, value)| rows.push(*index, *value));
                    rows.end_row();
                } else {
                    rows.push_row(indices, values);
                }
                self.hasher.hash_sparse((indices, values), labels, weight, marked)
            }
            (row, all) => {
                self.scratch.clear();
                row.expand(self.shape.features, self.shape.encoding.scale, &mut self.scratch);
                check_features(&self.scratch, self.shape)?;
                all.push(row)?;
                self.hasher.hash(&self.scratch, labels, weight, marked)
            }
        };
        check_label(&self.shape.label, labels)?;
        check_weight(weight)?;
        Ok(self.add(hash, weight, marked))
    }

    /// Adds what is left of a row.
    fn add(&mut self, hash: u128, weight: f64, marked: bool) -> FedShard {
        let chunk = &mut self.chunk;
        chunk.weights.push(weight);
        chunk.hashes.push(hash);
        let held_out = match &self.shape.validation {
            None => false,
            Some(validation) => {
                let held_out = validation.holds_out(hash, marked);
                chunk.held_out.push(held_out);
                held_out
            }
        };
        FedShard {
            shard: chunk.shard_of(hash, self.shape.logical_shards),
            validation: held_out,
        }
    }

    /// How often rows are there, as a frame says it besides their values.
    ///
    /// # Errors
    /// Where copies are none or of rows that are not there.
    pub fn describe(&mut self, copies: Vec<CopiesAt>) -> Result<(), String> {
        let rows = self.chunk.hashes.len();
        let ascending = copies.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let within = copies.last().is_none_or(|(row, _)| (*row as usize) < rows);
        if !ascending || !within || copies.iter().any(|(_, copies)| copies.here == 0) {
            return Err(format!("its copies are not those of its {rows} rows"));
        }
        self.chunk.copies = copies;
        Ok(())
    }

    /// The chunk.
    #[must_use]
    pub fn finish(self) -> Chunk {
        self.chunk
    }
}

#[cold]
fn wrong_type(has: FeatureType, expected: FeatureType) -> String {
    format!("its features are {}, expected {}", has.name(), expected.name())
}

fn check_features(row: &[f32], shape: &Shape) -> Result<(), String> {
    if row.len() != shape.features {
        return Err(format!(
            "it has {} features, expected {}",
            row.len(),
            shape.features
        ));
    }
    if has_odd(row) {
        Err(describe_odd(row))
    } else {
        Ok(())
    }
}

/// True where a value is not finite.
fn has_odd(row: &[f32]) -> bool {
    let odd = |odd, value: &f32| odd | (value.to_bits() & EXPONENT == EXPONENT);
    row.iter().fold(false, odd)
}

fn check_sparse(indices: &[u32], values: &[f32], width: usize) -> Result<(), String> {
    if let Some(pair) = indices.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(format!(
            "features have index {} after {}, expected indices that ascend",
            pair[1], pair[0]
        ));
    }
    if let Some(last) = indices.last().filter(|last| **last as usize >= width) {
        let most = width.saturating_sub(1);
        return Err(format!(
            "features have index {last}, expected whole numbers from 0 to {most}"
        ));
    }
    let odd = || values.iter().position(|value| !value.is_finite());
    match has_odd(values).then(odd).flatten() {
        Some(at) => Err(format!(
            "features[{}] is {}, expected a finite number",
            indices[at], values[at]
        )),
        None => Ok(()),
    }
}

fn check_weight(weight: f64) -> Result<(), String> {
    if weight.is_finite() && weight >= 0.0 {
        return Ok(());
    }
    Err(format!(
        "its weight is {}, expected a finite number of at least 0",
        number(weight)
    ))
}

#[cold]
fn describe_odd(row: &[f32]) -> String {
    let at = row.iter().position(|value| !value.is_finite()).unwrap_or(0);
    format!("features[{at}] is {}, expected a finite number", row[at])
}

fn check_label(kind: &LabelKind, labels: &[f64]) -> Result<(), String> {
    if labels.len() != kind.width() {
        return Err(format!(
            "its label has {} values, expected {}",
            labels.len(),
            kind.width()
        ));
    }
    let wrong = |(at, value): &(usize, &f64)| !kind.accepts(*at, **value);
    let Some((at, value)) = labels.iter().enumerate().find(wrong) else {
        return Ok(());
    };
    let expected = match kind.classes_at(at) {
        Some(classes) => format!("a whole number from 0 to {}", classes.saturating_sub(1)),
        None => "a finite number".to_owned(),
    };
    let place = if labels.len() == 1 {
        String::new()
    } else {
        format!("[{at}]")
    };
    Err(format!(
        "its label{place} is {}, expected {expected}",
        number(*value)
    ))
}

/// A row that cannot be taken, with its place.
pub(crate) fn bad_row(place: &str, row: usize, what: &str) -> Failure {
    Failure::data(format!("row {row} of {place}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(label: LabelKind) -> Shape {
        Shape {
            features: 2,
            encoding: Default::default(),
            label,
            logical_shards: 8,
            validation: None,
        }
    }

    fn push(shape: &Shape, features: &[f32], labels: &[f64], weight: f64) -> Result<Chunk, String> {
        let mut builder = ChunkBuilder::new(shape, 1);
        builder.push(features.iter().copied(), labels.iter().copied(), weight)?;
        Ok(builder.finish())
    }

    #[test]
    fn negative_zero_is_stored_as_zero() {
        let shape = shape(LabelKind::Real { width: 1 });
        let one = push(&shape, &[-0.0, 1.0], &[-0.0], 1.0).unwrap();
        let other = push(&shape, &[0.0, 1.0], &[0.0], 1.0).unwrap();
        assert_eq!(one.hashes, other.hashes);
        let FeatureRow::Float32(features) = one.features.row(0, 2) else {
            panic!("{:?}", one.features);
        };
        assert_eq!(features[0].to_bits(), 0);
        assert_eq!(one.labels[0].to_bits(), 0);
    }

    #[test]
    fn a_wrong_row_says_what_is_wrong() {
        let class = shape(LabelKind::class(3));
        let told =
            |features: &[f32], labels: &[f64], weight| push(&class, features, labels, weight).unwrap_err();
        assert_eq!(
            told(&[1.0, f32::NAN], &[0.0], 1.0),
            "features[1] is NaN, expected a finite number"
        );
        assert_eq!(
            told(&[f32::INFINITY, 1.0], &[0.0], 1.0),
            "features[0] is inf, expected a finite number"
        );
        assert_eq!(told(&[1.0], &[0.0], 1.0), "it has 1 features, expected 2");
        for label in [3.0, -1.0, 0.5, f64::NAN] {
            assert!(told(&[1.0, 1.0], &[label], 1.0).contains("expected a whole number from 0 to 2"));
        }
        assert_eq!(
            told(&[1.0, 1.0], &[1e300], 1.0),
            "its label is 1e300, expected a whole number from 0 to 2"
        );
        assert!(told(&[1.0, 1.0], &[0.0, 1.0], 1.0).contains("its label has 2 values, expected 1"));
        assert!(told(&[1.0, 1.0], &[0.0], -1.0).contains("its weight is -1"));
        let real = shape(LabelKind::Real { width: 2 });
        assert!(push(&real, &[1.0, 1.0], &[0.0, f64::INFINITY], 1.0).is_err());
        assert!(push(&real, &[1.0, 1.0], &[0.5, -1e300], 0.0).is_ok());
    }
}
