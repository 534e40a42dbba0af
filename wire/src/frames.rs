//! Rows on their way to one trainer: an open batch and its frames, and the stream that they make up.

use crate::recent::{NONE, RECENT, Recent};
use crate::spare::Spare;
use arrow_buffer::{ArrowNativeType, ToByteSlice};
use arrow_flight::{FlightData, FlightDescriptor, SchemaAsIpc};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_ipc::{Buffer, FieldNode, MessageBuilder, MessageHeader, MetadataVersion, RecordBatchBuilder};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, CopiesAt};
use candlewick_protocol::features::{FeatureRow, FeatureType, NONZERO_BYTES};
use candlewick_protocol::feed::{
    BATCHES_OF_A_STREAM, FEATURES, FrameHeader, LABEL, RowFormat, StreamEnd, StreamId, WEIGHT,
};
use candlewick_protocol::message::MAX_FLIGHT_MESSAGE;
use candlewick_protocol::shuffle::Home;
use flatbuffers::FlatBufferBuilder;
use std::mem::take;
use std::sync::Arc;

/// Bytes of the largest batch: small enough that what is written by one step is still in the cache of the core when the next
/// one reads it, large enough that what a frame costs besides its bytes does not count (docs/performance.md).
const MAX_BATCH: usize = 128 * 1024;

/// The format of a row and the number of rows that a batch holds.
#[derive(Debug, Clone)]
pub struct BatchFormat {
    row: RowFormat,
    /// Rows of a batch at most, and bytes, which count where rows are sparse.
    rows: usize,
    bytes: usize,
    schema: SchemaRef,
}

/// Bytes of the largest row: room for the frame's own header is left.
const MAX_ROW: usize = MAX_FLIGHT_MESSAGE - 64 * 1024;
/// Bytes of a sparse row beside its values: where they end.
const OFFSET: usize = size_of::<i32>();

impl BatchFormat {
    /// Batches of which a stream may hold `stream_bytes` bytes: at most [`MAX_BATCH`] each, at least one row.
    ///
    /// # Errors
    /// `InvalidParameter` where one row is larger than a Flight message may be.
    pub fn new(row: RowFormat, stream_bytes: u64) -> Result<BatchFormat, Failure> {
        let (features, row_bytes) = (row.features, row.sent_bytes());
        if row_bytes > MAX_ROW {
            return Err(Failure::parameter(format!(
                "a row takes {row_bytes} bytes ({features} features), more than the {MAX_ROW} that a message may hold"
            )));
        }
        let bytes = usize::try_from(stream_bytes / BATCHES_OF_A_STREAM)
            .map_or(MAX_BATCH, |bytes| bytes.min(MAX_BATCH));
        let list = |name: &str, item: DataType, width: usize| -> Result<Field, Failure> {
            let width =
                i32::try_from(width).map_err(|_| Failure::parameter(format!("{name} of {width} values")))?;
            let item = Arc::new(Field::new("item", item, false));
            Ok(Field::new(name, DataType::FixedSizeList(item, width), false))
        };
        let features = match row.feature_type {
            FeatureType::Float32 => list(FEATURES, DataType::Float32, features)?,
            FeatureType::UInt8 => list(FEATURES, DataType::UInt8, features)?,
            FeatureType::Int8 => list(FEATURES, DataType::Int8, features)?,
            FeatureType::Int16 => list(FEATURES, DataType::Int16, features)?,
            FeatureType::Sparse => Field::new(FEATURES, sparse(), false),
        };
        let schema = Arc::new(Schema::new(vec![
            features,
            list(LABEL, DataType::Float64, row.label_values())?,
            Field::new(WEIGHT, DataType::Float64, false),
        ]));
        Ok(BatchFormat {
            row,
            rows: (bytes / row_bytes).max(1),
            bytes,
            schema,
        })
    }

    /// Whether a sparse row can be sent: how long it is is known only now.
    ///
    /// # Errors
    /// `InvalidParameter` where it is larger than a Flight message may be.
    pub fn check_row(&self, row: &FeatureRow<'_>) -> Result<(), Failure> {
        let bytes = self.row.sent_bytes() + row.bytes();
        if bytes <= MAX_ROW {
            return Ok(());
        }
        Err(Failure::parameter(format!(
            "a row takes {bytes} bytes ({} features that are not zero), more than the {MAX_ROW} that a message may hold",
            row.bytes() / NONZERO_BYTES
        )))
    }

    /// The first message of a stream: its schema and which stream it is.
    ///
    /// # Errors
    /// `Internal` where it cannot be written.
    pub fn opening(&self, stream: &StreamId) -> Result<FlightData, Failure> {
        let cmd = serde_json::to_vec(stream).map_err(|error| Failure::internal(error.to_string()))?;
        let options = IpcWriteOptions::default();
        let schema: FlightData = SchemaAsIpc::new(&self.schema, &options).into();
        Ok(schema.with_descriptor(FlightDescriptor::new_cmd(cmd)))
    }

    /// Bytes of the body of a full batch.
    fn body_bytes(&self) -> usize {
        let values = match self.row.feature_type {
            FeatureType::Sparse => self.bytes,
            _ => self.rows * self.row.sent_bytes(),
        };
        values + 5 * PADDING
    }
}

/// The type of sparse features: of each row the values that are not zero, by ascending index.
fn sparse() -> DataType {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    let pair = Fields::from(vec![
        field("index", DataType::UInt32),
        field("value", DataType::Float32),
    ]);
    DataType::List(Arc::new(field("item", DataType::Struct(pair))))
}

/// Arrow's alignment of buffers in a body.
const PADDING: usize = 64;

/// Appends a buffer to the body of a record batch; where it lies.
fn place<T: ArrowNativeType>(body: &mut Vec<u8>, values: &[T]) -> Buffer {
    body.resize(body.len().next_multiple_of(PADDING), 0);
    let from = body.len();
    append(body, values);
    Buffer::new(number(from), number(body.len() - from))
}

// Frames are little endian, and values go to them as they lie.
const _: () = assert!(cfg!(target_endian = "little"));

/// Appends values.
fn append<T: ArrowNativeType>(body: &mut Vec<u8>, values: &[T]) {
    body.extend_from_slice(values.to_byte_slice());
}

/// A size as Arrow writes it.
fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The Arrow message of a record batch: rows, the lengths of its nodes, its buffers, and the bytes of its body.
fn message(rows: usize, nodes: &[usize], buffers: &[Buffer], body: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let nodes: Vec<FieldNode> = nodes
        .iter()
        .map(|values| FieldNode::new(number(*values), 0))
        .collect();
    let (nodes, buffers) = (builder.create_vector(&nodes), builder.create_vector(buffers));
    let mut batch = RecordBatchBuilder::new(&mut builder);
    batch.add_length(number(rows));
    batch.add_nodes(nodes);
    batch.add_buffers(buffers);
    let batch = batch.finish();
    let mut message = MessageBuilder::new(&mut builder);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::RecordBatch);
    message.add_bodyLength(number(body));
    message.add_header(batch.as_union_value());
    let message = message.finish();
    builder.finish(message, None);
    builder.finished_data().to_vec()
}

/// The rows that were not sent yet, and the position of the next frame.
#[derive(Debug)]
pub struct OpenBatch {
    format: BatchFormat,
    sequence: u64,
    /// The body of the next frame, so far the features, of sparse rows their indices: the place from which they go to the
    /// socket.
    body: Vec<u8>,
    /// Where bodies come from and come back to.
    spare: Spare,
    /// The values of sparse rows, and where each row ends among them.
    values: Vec<f32>,
    ends: Vec<i32>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    /// Rows that stand for more than one.
    copies: Vec<CopiesAt>,
    /// The shards of the rows, where they are not all.
    home: Option<Home>,
    /// Rows of the batch by their hash, the last one of each slot.
    recent: Vec<Recent>,
}

impl OpenBatch {
    /// An empty batch.
    #[must_use]
    pub fn new(format: BatchFormat) -> OpenBatch {
        OpenBatch {
            format,
            sequence: 0,
            body: vec![],
            spare: Spare::default(),
            values: vec![],
            ends: vec![],
            labels: vec![],
            weights: vec![],
            copies: vec![],
            home: None,
            recent: vec![],
        }
    }

    /// The rows that follow belong to these shards, among which their hash chooses. To be called without open rows.
    pub fn set_home(&mut self, home: Home) {
        debug_assert!(self.weights.is_empty(), "a frame has one home");
        self.home = Some(home);
    }

    /// True where a row of this hash is in the batch, which stands for one more now (rule A7). Else the row is to be pushed.
    pub fn merge(&mut self, hash: u128) -> bool {
        if self.recent.is_empty() {
            self.recent.resize(RECENT, Recent::EMPTY);
        }
        // The low half chooses the shard, so its bits are the same for many rows of a batch.
        let slot = &mut self.recent[usize::from((hash >> 64).to_le_bytes()[0])];
        if slot.hash != hash || slot.row == NONE {
            let row = u32::try_from(self.weights.len()).unwrap_or(NONE);
            *slot = Recent {
                hash,
                row,
                copies: NONE,
            };
            return false;
        }
        if let Some((_, copies)) = self.copies.get_mut(slot.copies as usize) {
            copies.here += 1;
        } else {
            slot.copies = u32::try_from(self.copies.len()).unwrap_or(NONE);
            self.copies.push((slot.row, Copies { here: 2, in_all: 0 }));
        }
        true
    }

    /// Adds a row that stands for several.
    pub fn push_copies<'a>(
        &mut self,
        features: impl Into<FeatureRow<'a>>,
        labels: &[f64],
        weight: f64,
        copies: Copies,
    ) -> bool {
        if copies != Copies::ONE {
            let row = u32::try_from(self.weights.len()).unwrap_or(NONE);
            self.copies.push((row, copies));
        }
        self.push(features, labels, weight)
    }

    /// Whether a row fits the batch as it is; else the frame goes first. Only sparse rows differ in it.
    #[must_use]
    pub fn fits(&self, row: &FeatureRow<'_>) -> bool {
        self.format.row.feature_type != FeatureType::Sparse
            || self.weights.is_empty()
            || self.sparse_bytes() + row.bytes() + OFFSET + self.format.row.sent_bytes() <= self.format.bytes
    }

    /// Bytes of the batch where rows are sparse.
    fn sparse_bytes(&self) -> usize {
        self.values.len() * NONZERO_BYTES + self.weights.len() * (self.format.row.sent_bytes() + OFFSET)
    }

    /// Adds a row; true where the batch is full now. A row of f32 becomes a sparse one where those are sent; else rows are of
    /// the type that is.
    pub fn push<'a>(&mut self, features: impl Into<FeatureRow<'a>>, labels: &[f64], weight: f64) -> bool {
        let (features, row) = (features.into(), self.format.row);
        if self.weights.is_empty() {
            // One allocation per batch, and none for a trainer that gets no rows.
            let rows = self.format.rows;
            self.body = self.spare.take();
            self.body.reserve_exact(self.format.body_bytes());
            if row.feature_type != FeatureType::Sparse {
                self.labels.reserve_exact(rows * row.label_values());
                self.weights.reserve_exact(rows);
            }
        }
        match features {
            FeatureRow::Float32(values) if row.feature_type == FeatureType::Sparse => {
                for (index, value) in (0u32..).zip(values).filter(|(_, value)| **value != 0.0) {
                    self.body.extend(index.to_le_bytes());
                    self.values.push(*value);
                }
            }
            FeatureRow::Float32(values) => append(&mut self.body, values),
            FeatureRow::UInt8(values) => self.body.extend_from_slice(values),
            FeatureRow::Int8(values) => append(&mut self.body, values),
            FeatureRow::Int16(values) => append(&mut self.body, values),
            FeatureRow::Sparse(indices, values) => {
                append(&mut self.body, indices);
                self.values.extend_from_slice(values);
            }
        }
        self.labels.extend_from_slice(labels);
        self.weights.push(weight);
        if row.feature_type == FeatureType::Sparse {
            self.ends
                .push(i32::try_from(self.values.len()).unwrap_or(i32::MAX));
            return self.sparse_bytes() >= self.format.bytes;
        }
        self.weights.len() >= self.format.rows
    }

    /// The frame of all rows added since the last one, and their number, copies counted; `None` without rows.
    ///
    /// # Errors
    /// `Internal` where it cannot be written.
    pub fn frame(&mut self, stream: &StreamId) -> Result<Option<(FlightData, u64)>, Failure> {
        if self.weights.is_empty() {
            return Ok(None);
        }
        let mut copies = take(&mut self.copies);
        copies.sort_unstable_by_key(|(row, _)| *row);
        self.recent.fill(Recent::EMPTY);
        let further: u64 = copies.iter().map(|(_, copies)| copies.here - 1).sum();
        let rows = self.weights.len() as u64 + further;
        let header = FrameHeader {
            stream: stream.clone(),
            sequence: self.sequence,
            home: self.home,
            copies,
            end: None,
        };
        let header = serde_json::to_vec(&header).map_err(|error| Failure::internal(error.to_string()))?;
        let data = self.encode();
        self.sequence += 1;
        Ok(Some((data.with_app_metadata(header), rows)))
    }

    /// The last frame of the stream, after all rows.
    ///
    /// # Errors
    /// `Internal` where it cannot be written.
    pub fn last(&self, stream: &StreamId, end: StreamEnd) -> Result<FlightData, Failure> {
        let header = FrameHeader {
            stream: stream.clone(),
            sequence: self.sequence,
            home: None,
            copies: Vec::new(),
            end: Some(end),
        };
        let header = serde_json::to_vec(&header).map_err(|error| Failure::internal(error.to_string()))?;
        Ok(FlightData::new().with_app_metadata(header))
    }

    /// A validity buffer of a column without nulls has no bytes.
    fn encode(&mut self) -> FlightData {
        let mut body = take(&mut self.body);
        let (rows, row) = (self.weights.len(), self.format.row);
        let none = |before: Buffer| Buffer::new(before.offset(), 0);
        let features = Buffer::new(0, number(body.len()));
        let (mut nodes, mut buffers) = (vec![rows], vec![none(features)]);
        if row.feature_type == FeatureType::Sparse {
            let count = self.values.len();
            let values = place(&mut body, &self.values);
            self.ends.insert(0, 0);
            let ends = place(&mut body, &self.ends);
            nodes.extend([count; 3]);
            buffers.extend([ends, none(ends), none(features), features, none(values), values]);
        } else {
            nodes.push(rows * row.features);
            buffers.extend([none(features), features]);
        }
        let labels = place(&mut body, &self.labels);
        let weights = place(&mut body, &self.weights);
        nodes.extend([rows, rows * row.label_values(), rows]);
        buffers.extend([none(labels), none(labels), labels, none(weights), weights]);
        let header = message(rows, &nodes, &buffers, body.len());
        self.values.clear();
        self.ends.clear();
        self.labels.clear();
        self.weights.clear();
        let body = self.spare.lend(body);
        FlightData::new().with_data_header(header).with_data_body(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Float64Type, UInt32Type};
    use arrow_array::{Array, RecordBatch};
    use arrow_flight::utils::flight_data_to_batches;

    fn stream() -> StreamId {
        StreamId {
            job: "j".into(),
            round: 0,
            partition: 2,
            attempt: 9,
        }
    }

    fn row(features: usize) -> RowFormat {
        RowFormat {
            features,
            feature_type: FeatureType::Float32,
            labels: 1,
            marked: false,
        }
    }

    #[test]
    fn frames_hold_the_rows_in_order_with_their_sequence() {
        let format = BatchFormat::new(row(3), 60 * BATCHES_OF_A_STREAM).unwrap();
        let opening = format.opening(&stream()).unwrap();
        let cmd = opening.flight_descriptor.clone().unwrap().cmd;
        assert_eq!(serde_json::from_slice::<StreamId>(&cmd).unwrap(), stream());
        let mut batch = OpenBatch::new(format);
        let mut frames = vec![opening];
        for row in 0..5u8 {
            let value = f32::from(row);
            if batch.push(&[value, -value, 0.5], &[f64::from(row)], 1.0) {
                frames.push(batch.frame(&stream()).unwrap().unwrap().0);
            }
        }
        frames.push(batch.frame(&stream()).unwrap().unwrap().0);
        assert!(batch.frame(&stream()).unwrap().is_none());
        for (at, frame) in frames[1..].iter().enumerate() {
            let header: FrameHeader = serde_json::from_slice(&frame.app_metadata).unwrap();
            assert_eq!((header.stream, header.sequence), (stream(), at as u64));
        }
        let batches = flight_data_to_batches(&frames).unwrap();
        assert_eq!(
            batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(),
            [2, 2, 1]
        );
        let last = batches[2].column(0).as_fixed_size_list().value(0);
        assert_eq!(last.as_primitive::<Float32Type>().values(), &[4.0, -4.0, 0.5]);
        assert_eq!(
            batches[1].column(2).as_primitive::<Float64Type>().values(),
            &[1.0, 1.0]
        );
    }

    #[test]
    fn equal_rows_of_a_batch_are_sent_once_and_counted() {
        let mut batch = OpenBatch::new(BatchFormat::new(row(1), 1 << 20).unwrap());
        let feed = |batch: &mut OpenBatch, hash: u128| {
            if !batch.merge(hash) {
                batch.push(&[hash as f32], &[0.0], 1.0);
            }
        };
        let copies = |batch: &mut OpenBatch| {
            let (frame, rows) = batch.frame(&stream()).unwrap().unwrap();
            let header: FrameHeader = serde_json::from_slice(&frame.app_metadata).unwrap();
            let copies: Vec<(u32, u64)> = header
                .copies
                .iter()
                .map(|(row, copies)| (*row, copies.here))
                .collect();
            (rows, copies)
        };
        // Hash 0 is a row like others; so is one that shares its slot.
        for hash in [0, 7 << 64, 0, (7 << 64) | 1, 0, 7 << 64, 3] {
            feed(&mut batch, hash);
        }
        assert_eq!(copies(&mut batch), (7, vec![(0, 3)]));
        // What was sent is not in the next batch.
        for hash in [0, 3 << 64, 0, 3 << 64, 3 << 64] {
            feed(&mut batch, hash);
        }
        assert_eq!(copies(&mut batch), (5, vec![(0, 2), (1, 3)]));
    }

    #[test]
    fn the_batches_of_a_stream_fit_into_its_memory() {
        let rows = |stream_bytes| BatchFormat::new(row(3), stream_bytes).unwrap().rows as u64;
        let row_bytes = row(3).sent_bytes() as u64;
        for stream_bytes in [1_000, 64 << 10, 1 << 20, u64::MAX] {
            let held = rows(stream_bytes) * row_bytes * BATCHES_OF_A_STREAM;
            assert!(held <= stream_bytes, "{held} of {stream_bytes}");
        }
        assert_eq!(rows(0), 1, "a row is the least");
        assert_eq!(rows(u64::MAX), MAX_BATCH as u64 / row_bytes);
    }

    #[test]
    fn a_row_larger_than_a_batch_is_a_frame_of_its_own() {
        // 4 MB, a frame of a video.
        let format = BatchFormat::new(row(1 << 20), 1).unwrap();
        let mut frames = vec![format.opening(&stream()).unwrap()];
        let mut batch = OpenBatch::new(format);
        for value in [1.0, 2.0] {
            assert!(batch.push(&vec![value; 1 << 20], &[0.0], 1.0));
            frames.push(batch.frame(&stream()).unwrap().unwrap().0);
        }
        let batches = flight_data_to_batches(&frames).unwrap();
        let last = batches[1].column(0).as_fixed_size_list().value(0);
        let last = last.as_primitive::<Float32Type>().values();
        assert_eq!((last.len(), last[last.len() - 1]), (1 << 20, 2.0));
    }

    #[test]
    fn frames_of_sparse_rows_are_arrow_and_hold_no_more_than_their_bytes() {
        let format = RowFormat {
            feature_type: FeatureType::Sparse,
            ..row(1 << 20)
        };
        let most = 1_000;
        let format = BatchFormat::new(format, most * BATCHES_OF_A_STREAM).unwrap();
        let mut frames = vec![format.opening(&stream()).unwrap()];
        let mut batch = OpenBatch::new(format);
        // One of them is larger than a frame.
        let counts = [0, 3, 0, 40, 500, 1, 60, 60, 2];
        for (at, count) in (0u32..).zip(counts) {
            let indices: Vec<u32> = (0..count).map(|index| index * 3 + at).collect();
            let values: Vec<f32> = indices.iter().map(|index| *index as f32 + 0.5).collect();
            let features = FeatureRow::Sparse(&indices, &values);
            if !batch.fits(&features) {
                frames.push(batch.frame(&stream()).unwrap().unwrap().0);
            }
            if batch.push(features, &[f64::from(at)], 1.0) {
                frames.push(batch.frame(&stream()).unwrap().unwrap().0);
            }
        }
        frames.push(batch.frame(&stream()).unwrap().unwrap().0);
        let batches = flight_data_to_batches(&frames).unwrap();
        let mut seen = Vec::new();
        for (batch, frame) in batches.iter().zip(&frames[1..]) {
            batch.column(0).to_data().validate_full().unwrap();
            let lists = batch.column(0).as_list::<i32>();
            for row in 0..batch.num_rows() {
                let pairs = lists.value(row);
                let pairs = pairs.as_struct();
                let indices = pairs.column(0).as_primitive::<UInt32Type>().values().to_vec();
                let values = pairs.column(1).as_primitive::<Float32Type>().values().to_vec();
                assert!(
                    indices
                        .iter()
                        .zip(&values)
                        .all(|(index, value)| *index as f32 + 0.5 == *value)
                );
                seen.push(indices.len() as u32);
            }
            assert!(frame.data_body.len() as u64 <= most + 5 * PADDING as u64 || batch.num_rows() == 1);
        }
        assert_eq!(seen, counts);
        assert_eq!(batches.len(), 4);
    }

    #[test]
    fn a_row_beyond_a_message_is_refused() {
        let format = RowFormat {
            feature_type: FeatureType::Sparse,
            ..row(20_000_000)
        };
        let sparse = BatchFormat::new(format, 1).unwrap();
        let (indices, values) = ((0..9_000_000).collect::<Vec<u32>>(), vec![1.0; 9_000_000]);
        assert!(
            sparse
                .check_row(&FeatureRow::Sparse(&indices[..60], &values[..60]))
                .is_ok()
        );
        let told = sparse
            .check_row(&FeatureRow::Sparse(&indices, &values))
            .unwrap_err();
        assert!(
            told.message.contains("9000000 features that are not zero"),
            "{told}"
        );
        assert!(
            BatchFormat::new(row(20_000_000), 1)
                .unwrap_err()
                .message
                .contains("20000000 features")
        );
    }
}
