//! The layout of a row on disk: a head of 48 bytes, the label, the features. Little endian, all rows of a job of one length.

use crate::chunk::{Chunk, Shape};
use crate::features::Features;
use crate::rows::Gathered;
use candlewick_protocol::dealing::Copies;
use candlewick_protocol::features::FeatureRow;
use candlewick_protocol::shuffle::Home;

const HASH: usize = 0;
const HERE: usize = 16;
const IN_ALL: usize = 24;
const WEIGHT: usize = 32;
const SHARD: usize = 40;
const HELD_OUT: usize = 44;
const HEAD: usize = 48;

/// How long the parts of a row are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Layout {
    features: usize,
    scale: f64,
    labels: usize,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a>(&'a [u8]);

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
        u32::from_le_bytes(four(self.0, SHARD))
    }

    /// Whether it is put aside for validation.
    pub(crate) fn held_out(self) -> bool {
        self.0[HELD_OUT] != 0
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
            features: shape.features,
            scale: shape.encoding.scale,
            labels: shape.labels(),
        }
    }

    /// Bytes of a row.
    pub(crate) fn bytes(&self) -> usize {
        HEAD + self.labels * 8 + self.features * 4
    }

    /// The rows of some bytes.
    pub(crate) fn records<'a>(&self, bytes: &'a [u8]) -> impl ExactSizeIterator<Item = Record<'a>> + use<'a> {
        bytes.chunks_exact(self.bytes()).map(Record)
    }

    /// A row by its position.
    pub(crate) fn record<'a>(&self, bytes: &'a [u8], at: usize) -> Record<'a> {
        Record(&bytes[at * self.bytes()..][..self.bytes()])
    }

    /// Its label, appended.
    pub(crate) fn labels(&self, record: Record<'_>, into: &mut Vec<f64>) {
        let label = &record.0[HEAD..][..self.labels * 8];
        into.extend(
            label
                .chunks_exact(8)
                .map(|value| f64::from_le_bytes(eight(value, 0))),
        );
    }

    /// Its features, appended.
    pub(crate) fn features(&self, record: Record<'_>, into: &mut Vec<f32>) {
        let features = &record.0[HEAD + self.labels * 8..];
        into.extend(
            features
                .chunks_exact(4)
                .map(|value| f32::from_le_bytes(four(value, 0))),
        );
    }

    /// The row, appended to a batch.
    pub(crate) fn gather(&self, record: Record<'_>, into: &mut Gathered) {
        self.features(record, &mut into.features);
        self.labels(record, &mut into.labels);
        into.weights.push(record.weight());
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
        into.extend_from_slice(&chunk.hashes[row].to_le_bytes());
        into.extend_from_slice(&copies.here.to_le_bytes());
        into.extend_from_slice(&copies.in_all.to_le_bytes());
        into.extend_from_slice(&chunk.weights[row].to_le_bytes());
        into.extend_from_slice(&shard.to_le_bytes());
        into.extend_from_slice(&u32::from(held_out).to_le_bytes());
        let label = &chunk.labels[row * self.labels..][..self.labels];
        into.extend(label.iter().flat_map(|value| value.to_le_bytes()));
        let mut bytes = |features: &[f32]| into.extend(features.iter().flat_map(|value| value.to_le_bytes()));
        match chunk.features.row(row, self.features) {
            FeatureRow::Float32(features) => bytes(features),
            row => {
                let mut features = Vec::with_capacity(self.features);
                row.expand(self.features, self.scale, &mut features);
                bytes(&features);
            }
        }
    }

    /// The same row, as often as `copies` says.
    pub(crate) fn with_copies(record: Record<'_>, copies: Copies, into: &mut Vec<u8>) {
        let first = into.len();
        into.extend_from_slice(record.0);
        into[first + HERE..][..8].copy_from_slice(&copies.here.to_le_bytes());
        into[first + IN_ALL..][..8].copy_from_slice(&copies.in_all.to_le_bytes());
    }

    /// Rows in memory again, where the hash of each chooses its shard in `home`.
    pub(crate) fn chunk<'a>(
        &self,
        records: impl ExactSizeIterator<Item = Record<'a>>,
        shape: &Shape,
        home: Option<Home>,
    ) -> Chunk {
        let rows = records.len();
        let mut features = Vec::with_capacity(rows * self.features);
        let mut chunk = Chunk {
            labels: Vec::with_capacity(rows * self.labels),
            weights: Vec::with_capacity(rows),
            hashes: Vec::with_capacity(rows),
            home,
            ..Chunk::default()
        };
        for (record, at) in records.zip(0u32..) {
            self.features(record, &mut features);
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
        chunk.features = Features::Float32(features);
        chunk
    }
}
