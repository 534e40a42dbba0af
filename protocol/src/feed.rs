//! The feed: which columns become a row, the frames of a stream, and the ledger.

use crate::dealing::CopiesAt;
use crate::error::Failure;
use crate::features::{FeatureEncoding, FeatureType};
use crate::job::LabelKind;
use crate::shards::ShardSet;
use crate::shuffle::{DataShuffle, Home, Homes};
use crate::validation::Validation;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A column of the rows handed to the feeder or scorer. `data_type` is Spark's `DataType.catalogString`:
/// `tinyint smallint int bigint float double boolean decimal(p,s) binary array<...> array<array<...>>`, or `vector` for VectorUDT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Position in the row.
    pub ordinal: u32,
    /// Name, for messages.
    pub name: String,
    /// Spark's type.
    pub data_type: String,
    /// Values the column must have, where that is known: an input of a graph of its own, one of several labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Sizes that nested arrays must have, outermost first, where every row has to have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Vec<usize>>,
}

/// Features that a layer takes as they come in and of which it does not take every number: `count` values from `first` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureLimit {
    /// Position among the features.
    pub first: usize,
    /// Number of values.
    pub count: usize,
    /// What they have to be.
    pub domain: FeatureDomain,
}

/// Numbers that a layer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FeatureDomain {
    /// Indices of a table of so many rows, such as an embedding's: whole numbers from 0 on below it.
    Index(usize),
    /// Counts, or weights, by whose sum it divides: at least 0.
    Count,
}

impl FeatureDomain {
    /// Whether a value is one of them. Zero always is.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "whole numbers up to 2^24 are exact in f32"
    )]
    pub fn contains(self, value: f32) -> bool {
        match self {
            FeatureDomain::Index(entries) => value >= 0.0 && value < entries as f32 && value.fract() == 0.0,
            FeatureDomain::Count => value >= 0.0,
        }
    }
}

/// How rows are read. Features are the concatenation of `features`; every numeric, array or vector column counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Columns {
    /// Fields of the row (the null bit set depends on it).
    pub num_fields: u32,
    /// The columns of the features, in order.
    pub features: Vec<Column>,
    /// f32 values the features must have in all.
    pub feature_width: u32,
    /// Nobody said how many they are: the first row of the DataFrame did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub width_of_first_row: bool,
    /// Factor for every feature value (binary columns: byte * scale).
    pub scale: Option<f64>,
    /// The type that features are sent in.
    #[serde(default)]
    pub feature_type: FeatureType,
    /// The columns of the label, whose values stand one after another; none when scoring.
    #[serde(default)]
    pub labels: Vec<Column>,
    /// What the label means; absent when scoring.
    pub label_kind: Option<LabelKind>,
    /// The weight, if a column gives it.
    pub weight: Option<Column>,
    /// The mark of a validation row, if a column gives it.
    #[serde(default)]
    pub validation: Option<Column>,
    /// The features that are not free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<FeatureLimit>,
    /// `handleInvalid`: true leaves invalid rows out (and counts them), false fails.
    pub skip_invalid: bool,
}

/// What the record batches of a feed hold: columns [`FEATURES`] (fixed-size lists of numbers, or lists of index and value),
/// [`LABEL`] (fixed-size lists of f64) and [`WEIGHT`] (f64), none with nulls. The feeder writes it, the trainer checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowFormat {
    /// Values of a row's features.
    pub features: usize,
    /// Their type.
    pub feature_type: FeatureType,
    /// f64 values of a row's label.
    pub labels: usize,
    /// Whether a column marks validation rows: one more value follows those of the label, 1 for a marked row, else 0.
    pub marked: bool,
}

/// Name of the column of the features.
pub const FEATURES: &str = "features";
/// Name of the column of the label.
pub const LABEL: &str = "label";
/// Name of the column of the weight.
pub const WEIGHT: &str = "weight";

impl RowFormat {
    /// The format of a job's rows.
    #[must_use]
    pub fn new(
        features: usize,
        feature_type: FeatureType,
        label: &LabelKind,
        validation: Option<Validation>,
    ) -> Self {
        RowFormat {
            features,
            feature_type,
            labels: label.width(),
            marked: validation == Some(Validation::Column),
        }
    }

    /// f64 values of the label column: those of the label, and the mark.
    #[must_use]
    pub fn label_values(&self) -> usize {
        self.labels + usize::from(self.marked)
    }

    /// Bytes of a row's values on their way; of a sparse row without its features.
    #[must_use]
    pub fn sent_bytes(&self) -> usize {
        self.features * self.feature_type.value_bytes().unwrap_or(0) + self.label_values() * 8 + 8
    }

    /// Bytes of a row's values as f32 without the mark, a function of the data alone, whatever type they are held in: rule B4
    /// derives the buckets of an epoch's order from it.
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        (self.features * 4 + self.labels * 8 + 8) as u64
    }

    /// Bytes of a row's values in memory.
    #[must_use]
    pub fn held_bytes(&self, encoding: &FeatureEncoding) -> u64 {
        encoding.row_bytes(self.features) + (self.labels * 8 + 8) as u64
    }
}

/// Where a shard range is fed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Id of the trainer.
    pub trainer: String,
    /// Its host.
    pub host: String,
    /// Spark executor whose JVM is its parent.
    #[serde(default)]
    pub executor: String,
    /// Its Flight port.
    pub port: u16,
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
}

/// What a feed task gets from the driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedSpec {
    /// Id of the job.
    pub job: String,
    /// Feed round.
    pub round: u32,
    /// V.
    pub logical_shards: u32,
    /// Who takes which shards. In the first round they cover `0..logical_shards`; in a later one they are those that are fed
    /// again, and rows of others are passed over. A trainer may be named more than once.
    pub owners: Vec<Owner>,
    /// How rows are read.
    pub columns: Columns,
    /// Which rows are put aside for validation, if any.
    #[serde(default)]
    pub validation: Option<Validation>,
    /// Which shards rows go to.
    #[serde(default)]
    pub data_shuffle: DataShuffle,
    /// Where partitions went in the first round, where that matters in a later one.
    #[serde(default)]
    pub homes: Option<Homes>,
    /// Bytes of rows that a task may hold for one owner, in all batches of its stream.
    pub stream_bytes: u64,
    /// Longest wait for one write or answer, milliseconds.
    pub timeout_ms: u64,
}

/// What names a stream: it is the JSON in the `cmd` of the DoPut descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamId {
    /// Id of the job.
    pub job: String,
    /// Feed round.
    pub round: u32,
    /// Partition of the DataFrame.
    pub partition: u32,
    /// TaskContext.taskAttemptId: unique, unlike attemptNumber.
    pub attempt: u64,
}

/// `app_metadata` of every data frame of a stream, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameHeader {
    /// Which stream it belongs to.
    #[serde(flatten)]
    pub stream: StreamId,
    /// Position in the stream, from 0 without gaps.
    pub sequence: u64,
    /// The shards among which the hash of each row chooses. Without it, among all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// Rows that stand for more than one, in order (rule A7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopiesAt>,
    /// Set on the last frame, which holds no rows. A stream that ends without it is a cancelled attempt (rule A2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<StreamEnd>,
}

/// What a feeder has sent in a stream, said in its last frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamEnd {
    /// Rows.
    pub rows: u64,
    /// Sum of their hashes, modulo 2^128.
    #[serde(with = "hex128")]
    pub hash_sum: u128,
}

/// Batches of rows that a feeder holds of one stream at a time, at most: the one that it fills, the one that waits for the
/// connection, the one that is encoded, the one on its way through HTTP/2. feedMemory is divided by them.
pub const BATCHES_OF_A_STREAM: u64 = 4;

/// How often a feeder that has no rows sends an empty frame, so that silence means that it is gone. Such a frame has no
/// header and does not count in the sequence.
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Rows of a shard and the sum (mod 2^128) of their hashes, as 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardSum {
    /// Logical shard; V and more for the validation rows of shard - V.
    pub shard: u32,
    /// Rows.
    pub rows: u64,
    /// Sum of the rows' 128-bit hashes, modulo 2^128.
    #[serde(with = "hex128")]
    pub hash_sum: u128,
}

/// Answer of a trainer at the end of a stream (`PutResult.app_metadata`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamSealed {
    /// Which stream.
    pub stream: StreamId,
    /// Rows in the spool.
    pub rows: u64,
    /// Sum of their hashes, recomputed by the spool.
    #[serde(with = "hex128")]
    pub hash_sum: u128,
}

/// The result of a feed task: one ledger row per partition. Independent counts, rule A8.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskLedger {
    /// Partition of the DataFrame.
    pub partition: u32,
    /// TaskContext.taskAttemptId.
    pub attempt: u64,
    /// Executor that ran the task; empty where rows move between trainers.
    #[serde(default)]
    pub executor: String,
    /// Rows the JVM's iterator gave.
    pub rows_read: u64,
    /// Rows the encoder wrote.
    pub rows_sent: u64,
    /// Rows left out because of handleInvalid="skip".
    pub rows_skipped: u64,
    /// Rows that were passed over: their shards are not fed in this round, or could not be handed over.
    #[serde(default)]
    pub rows_passed_over: u64,
    /// With `dataShuffle="none"`, rows that went to a trainer of the executor that ran the task.
    #[serde(default)]
    pub rows_local: u64,
    /// Bytes of the features sent, in the type that they are sent in.
    pub feature_bytes: u64,
    /// Where the partition went, where that is not decided row by row.
    #[serde(default)]
    pub home: Option<Home>,
    /// Per shard, only those with rows; those that were passed over are counted too.
    pub shards: Vec<ShardSum>,
    /// Shards of this round that could not be handed over, since their owner does not answer (rule A4).
    #[serde(default)]
    pub lost_shards: ShardSet,
    /// Why the first of them could not.
    #[serde(default)]
    pub lost_because: Option<String>,
    /// Set instead of throwing where a row is invalid, so that Spark does not try the task again in vain.
    pub failure: Option<Failure>,
}

/// The attempt that won a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Winner {
    /// Partition of the DataFrame.
    pub partition: u32,
    /// TaskContext.taskAttemptId.
    pub attempt: u64,
}

/// The job's ledger, shown as `summary.ledger`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Partitions fed.
    pub partitions: u64,
    /// Rows the JVM's iterators gave.
    pub rows_read: u64,
    /// Rows the encoders wrote.
    pub rows_sent: u64,
    /// Rows left out because of handleInvalid="skip".
    pub rows_skipped: u64,
    /// With `dataShuffle="none"`, rows that went to a trainer of the executor that read them, when they were fed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_local: Option<u64>,
    /// Rows the spools hold, counted from their bytes.
    pub rows_spooled: u64,
    /// Rows that come so often that their copies are dealt among the shards (rule A7).
    #[serde(default)]
    pub rows_dealt: u64,
    /// Bytes of the features sent, in the type that they are sent in.
    pub feature_bytes: u64,
    /// Rows to train on, per logical shard.
    pub shard_rows: Vec<u64>,
    /// Rows put aside for validation.
    #[serde(default)]
    pub validation_rows: u64,
    /// Data fingerprint: sum of all hashes, 32 hexadecimal digits.
    pub hash_sum: String,
    /// With `dataShuffle="none"`, the hash of what each shard holds: the same rows in the same shards, the same hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<String>,
}

/// serde of a u128 as 32 hexadecimal digits: JSON numbers do not hold it.
pub mod hex128 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes 32 hexadecimal digits.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value:032x}"))
    }

    /// Reads hexadecimal digits.
    ///
    /// # Errors
    /// Where the text is no hexadecimal number of at most 128 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}
