//! The layout of a row on disk: a head of 48 bytes, the label, the features in the type that they came in. Little endian. Rows
//! are of one length, but for sparse ones, whose heads say how many values they have.

use crate::chunk::{Chunk, Shape};
use crate::features::Features;
use crate::rows::Gathered;
use candlewick_protocol::dealing::Copies;
use candlewick_protocol::features::{FeatureRow, FeatureType, NONZERO_BYTES};
use candlewick_protocol::shuffle::Home;

const HASH: usize = 0;
const HERE: usize = 16;
const IN_ALL: usize = 24;
const WEIGHT: usize = 32;
/// The shard; its highest bit says that the row is held out.
const SHARD: usize = 40;
/// Values of a sparse row.
const NONZEROS: usize = 44;
const HEAD: usize = 48;
/// There are fewer shards than this.
const HELD_OUT: u32 = 1 << 31;

/// How long the parts of a row are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Layout {
    kind: FeatureType,
    features: usize,
    /// Factor of integers.
    scale: f64,
    labels: usize,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a>(&'a [u8]);

/// Rows one after another; ends before what is not a whole row.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    layout: Layout,
    bytes: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let length = self.layout.length(self.bytes)?;
        let (record, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(Record(record))
    }
}

fn four(bytes: &[u8], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

fn eight(bytes: &[u8], at: usize) -> [u8; 8] {
    let (low, high) = (four(bytes, at), four(bytes, at + 4));
    [low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]]
}

impl<'a> Record<'a> {
    /// Its hash.
    pub(crate) fn hash(self) -> u128 {
        let low = u64::from_le_bytes(eight(self.0, HASH));
        let high = u64::from_le_bytes(eight(self.0, HASH + 8));
        u128::from(high) << 64 | u128::from(low)
    }

    /// How often it is there.
    pub(crate) fn copies(self) -> Copies {
        Copies {
            here: u64::from_le_bytes(eight(self.0, HERE)),
            in_all: u64::from_le_bytes(eight(self.0, IN_ALL)),
        }
    }

    /// Its weight.
    pub(crate) fn weight(self) -> f64 {
        f64::from_le_bytes(eight(self.0, WEIGHT))
    }

    /// The logical shard it belongs to.
    pub(crate) fn shard(self) -> u32 {
        u32::from_le_bytes(four(self.0, SHARD)) & !HELD_OUT
    }

    /// Whether it is put aside for validation.
    pub(crate) fn held_out(self) -> bool {
        u32::from_le_bytes(four(self.0, SHARD)) & HELD_OUT != 0
    }

    fn nonzeros(self) -> usize {
        u32::from_le_bytes(four(self.0, NONZEROS)) as usize
    }

    /// All of it.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }
}

impl Layout {
    /// That of a job's rows.
    pub(crate) fn of(shape: &Shape) -> Self {
        Layout {
            kind: shape.encoding.kind,
            features: shape.features,
            scale: shape.encoding.scale,
            labels: shape.labels(),
        }
    }

    /// Bytes of a row; none where each has a length of its own.
    pub(crate) fn fixed(&self) -> Option<usize> {
        let value = self.kind.value_bytes()?;
        Some(HEAD + self.labels * 8 + self.features * value)
    }

    /// Bytes of the first of some rows; none where there is none.
    pub(crate) fn length(&self, bytes: &[u8]) -> Option<usize> {
        if let Some(fixed) = self.fixed() {
            return Some(fixed);
        }
        let head = bytes.get(..HEAD)?;
        Some(HEAD + self.labels * 8 + Record(head).nonzeros() * NONZERO_BYTES)
    }

    /// The rows of some bytes.
    pub(crate) fn records<'a>(&self, bytes: &'a [u8]) -> Records<'a> {
        Records { layout: *self, bytes }
    }

    /// Number of the rows of some bytes.
    pub(crate) fn count(&self, bytes: &[u8]) -> usize {
        match self.fixed() {
            Some(fixed) => bytes.len() / fixed,
            None => self.records(bytes).count(),
        }
    }

    /// Bytes of a chunk's rows.
    pub(crate) fn bytes_of(&self, chunk: &Chunk) -> usize {
        match (self.fixed(), &chunk.features) {
            (Some(fixed), _) => chunk.rows() * fixed,
            (None, Features::Sparse(rows)) => {
                chunk.rows() * (HEAD + self.labels * 8) + rows.nonzeros() * NONZERO_BYTES
            }
            (None, _) => 0,
        }
    }

    /// Its label, appended.
    pub(crate) fn labels(&self, record: Record<'_>, into: &mut Vec<f64>) {
        let label = &record.0[HEAD..][..self.labels * 8];
        into.extend(label.as_chunks().0.iter().map(|value| f64::from_le_bytes(*value)));
    }

    /// The bytes of its features: those of its values, of a sparse row of the indices and then of the values.
    fn values<'a>(&self, record: Record<'a>) -> &'a [u8] {
        &record.0[HEAD + self.labels * 8..]
    }

    /// Its features, appended to others of the same type.
    pub(crate) fn features(&self, record: Record<'_>, into: &mut Features) {
        let bytes = self.values(record);
        match into {
            Features::Float32(values) => values.extend(floats(bytes)),
            Features::UInt8(values) => values.extend_from_slice(bytes),
            Features::Int8(values) => values.extend(bytes.iter().map(|value| value.cast_signed())),
            Features::Int16(values) => {
                let (pairs, _) = bytes.as_chunks::<2>();
                values.extend(pairs.iter().map(|pair| i16::from_le_bytes(*pair)));
            }
            Features::Sparse(rows) => {
                pairs(bytes).for_each(|(index, value)| rows.push(index, value));
                rows.end_row();
            }
        }
    }

    /// The row, appended to a batch. `one` is memory for one row.
    pub(crate) fn gather(&self, record: Record<'_>, shape: &Shape, one: &mut Features, into: &mut Gathered) {
        let bytes = self.values(record);
        match (self.kind, &mut into.sparse) {
            // As they are, which most rows come in.
            (FeatureType::Float32, None) => into.features.extend(floats(bytes)),
            (FeatureType::UInt8, None) => into.push(FeatureRow::UInt8(bytes), shape),
            (FeatureType::Sparse, Some(rows)) => {
                pairs(bytes).for_each(|(index, value)| rows.push(index, value));
                rows.end_row();
            }
            _ => {
                self.alone(record, one);
                into.push(one.row(0, self.features), shape);
            }
        }
        self.labels(record, &mut into.labels);
        into.weights.push(record.weight());
    }

    /// Its features, in the place of what was there.
    pub(crate) fn alone(&self, record: Record<'_>, one: &mut Features) {
        if one.kind() == self.kind {
            one.clear();
        } else {
            *one = Features::with_capacity(self.kind, 1, 0);
        }
        self.features(record, one);
    }

    /// Whether rows of a chunk can be written: they are of the same type, or expanded.
    pub(crate) fn takes(&self, chunk: &Chunk) -> bool {
        self.kind == FeatureType::Float32 || self.kind == chunk.features.kind()
    }

    /// Appends a row of a chunk, as often as `copies` says.
    pub(crate) fn write(
        &self,
        chunk: &Chunk,
        row: usize,
        (shard, copies): (u32, Copies),
        into: &mut Vec<u8>,
    ) {
        let held_out = chunk.held_out.get(row).copied().unwrap_or(false);
        let shard = if held_out { shard | HELD_OUT } else { shard };
        let features = chunk.features.row(row, self.features);
        let nonzeros = match features {
            // Indices are 32 bits wide, and each is there once.
            FeatureRow::Sparse(indices, _) => u32::try_from(indices.len()).unwrap_or(u32::MAX),
            _ => 0,
        };
        into.extend_from_slice(&chunk.hashes[row].to_le_bytes());
        into.extend_from_slice(&copies.here.to_le_bytes());
        into.extend_from_slice(&copies.in_all.to_le_bytes());
        into.extend_from_slice(&chunk.weights[row].to_le_bytes());
        into.extend_from_slice(&shard.to_le_bytes());
        into.extend_from_slice(&nonzeros.to_le_bytes());
        let label = &chunk.labels[row * self.labels..][..self.labels];
        into.extend(label.iter().flat_map(|value| value.to_le_bytes()));
        match features {
            FeatureRow::Float32(values) => into.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            row if self.kind == FeatureType::Float32 => {
                let mut values = Vec::with_capacity(self.features);
                row.expand(self.features, self.scale, &mut values);
                into.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            FeatureRow::UInt8(values) => into.extend_from_slice(values),
            FeatureRow::Int8(values) => into.extend(values.iter().map(|value| value.cast_unsigned())),
            FeatureRow::Int16(values) => into.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            FeatureRow::Sparse(indices, values) => {
                into.extend(indices.iter().flat_map(|index| index.to_le_bytes()));
                into.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
    }

    /// The same row in another shard, as often as `copies` says.
    pub(crate) fn dealt(record: Record<'_>, (shard, copies): (u32, Copies), into: &mut Vec<u8>) {
        let first = into.len();
        into.extend_from_slice(record.0);
        let shard = if record.held_out() {
            shard | HELD_OUT
        } else {
            shard
        };
        into[first + SHARD..][..4].copy_from_slice(&shard.to_le_bytes());
        into[first + HERE..][..8].copy_from_slice(&copies.here.to_le_bytes());
        into[first + IN_ALL..][..8].copy_from_slice(&copies.in_all.to_le_bytes());
    }

    /// The row that some bytes are.
    pub(crate) fn row<'a>(&self, bytes: &'a [u8]) -> Record<'a> {
        Record(bytes)
    }

    /// Rows in memory again, where the hash of each chooses its shard in `home`.
    pub(crate) fn chunk(&self, bytes: &[u8], shape: &Shape, home: Option<Home>) -> Chunk {
        let rows = self.count(bytes);
        let values = match self.kind {
            FeatureType::Sparse => self.records(bytes).map(Record::nonzeros).sum(),
            _ => rows * self.features,
        };
        let mut chunk = Chunk {
            features: Features::with_capacity(self.kind, rows, values),
            labels: Vec::with_capacity(rows * self.labels),
            weights: Vec::with_capacity(rows),
            hashes: Vec::with_capacity(rows),
            home,
            ..Chunk::default()
        };
        for (record, at) in self.records(bytes).zip(0u32..) {
            self.features(record, &mut chunk.features);
            self.labels(record, &mut chunk.labels);
            chunk.weights.push(record.weight());
            chunk.hashes.push(record.hash());
            if shape.validation.is_some() {
                chunk.held_out.push(record.held_out());
            }
            if record.copies() != Copies::ONE {
                chunk.copies.push((at, record.copies()));
            }
        }
        chunk
    }
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value))
}

/// Indices and values of a sparse row.
fn pairs(bytes: &[u8]) -> impl Iterator<Item = (u32, f32)> + '_ {
    let (indices, values) = bytes.split_at(bytes.len() / 2);
    let indices = indices.as_chunks().0.iter();
    indices
        .map(|index| u32::from_le_bytes(*index))
        .zip(floats(values))
}
