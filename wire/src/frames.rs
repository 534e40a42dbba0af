//! Rows on their way to one trainer: an open batch and its frames, and the stream that they make up.

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch};
use arrow_flight::{FlightData, FlightDescriptor, SchemaAsIpc};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Copies, CopiesAt};
use candlewick_protocol::feed::{
    BATCHES_OF_A_STREAM, FEATURES, FrameHeader, LABEL, RowFormat, StreamEnd, StreamId, WEIGHT,
};
use candlewick_protocol::message::MAX_FLIGHT_MESSAGE;
use candlewick_protocol::shuffle::Home;
use std::mem::take;
use std::sync::Arc;

/// Bytes of the largest batch: beyond this nothing gets faster.
const MAX_BATCH: usize = 1 << 20;

/// The format of a row and the number of rows that a batch holds.
#[derive(Debug, Clone)]
pub struct BatchFormat {
    row: RowFormat,
    rows: usize,
    schema: SchemaRef,
}

impl BatchFormat {
    /// Batches of which a stream may hold `stream_bytes` bytes: at most [`MAX_BATCH`] each, at least one row.
    ///
    /// # Errors
    /// `InvalidParameter` where one row is larger than a Flight message may be.
    pub fn new(row: RowFormat, stream_bytes: u64) -> Result<BatchFormat, Failure> {
        let (features, row_bytes) = (row.features, row.sent_bytes());
        // Room for the frame's own header.
        let most = MAX_FLIGHT_MESSAGE - 64 * 1024;
        if row_bytes > most {
            return Err(Failure::parameter(format!(
                "a row takes {row_bytes} bytes ({features} features), more than the {most} that a message may hold"
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
        let schema = Arc::new(Schema::new(vec![
            list(FEATURES, DataType::Float32, features)?,
            list(LABEL, DataType::Float64, row.label_values())?,
            Field::new(WEIGHT, DataType::Float64, false),
        ]));
        Ok(BatchFormat {
            row,
            rows: (bytes / row_bytes).max(1),
            schema,
        })
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

    fn list(&self, field: usize, values: ArrayRef) -> Result<ArrayRef, ArrowError> {
        let DataType::FixedSizeList(item, width) = self.schema.field(field).data_type() else {
            return Err(ArrowError::SchemaError("a list is expected".to_owned()));
        };
        Ok(Arc::new(FixedSizeListArray::try_new(
            Arc::clone(item),
            *width,
            values,
            None,
        )?))
    }
}

/// The rows that were not sent yet, and the position of the next frame.
#[derive(Debug)]
pub struct OpenBatch {
    format: BatchFormat,
    sequence: u64,
    features: Vec<f32>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    /// Rows that stand for more than one.
    copies: Vec<CopiesAt>,
    /// The shards of the rows, where they are not all.
    home: Option<Home>,
    /// Rows of the batch by their hash, the last one of each slot.
    recent: Vec<Recent>,
    context: IpcWriteContext,
}

/// Slots for rows that may come again within a batch. Rows that come often are found in few, and few stay in the cache.
const RECENT: usize = 1 << u8::BITS;
/// No position.
const NONE: u32 = u32::MAX;

/// A row that may come again.
#[derive(Debug, Clone, Copy)]
struct Recent {
    hash: u128,
    /// Its position in the batch.
    row: u32,
    /// Its position among those that stand for several, once it does.
    copies: u32,
}

impl Recent {
    const EMPTY: Recent = Recent {
        hash: 0,
        row: NONE,
        copies: NONE,
    };
}

impl OpenBatch {
    /// An empty batch.
    #[must_use]
    pub fn new(format: BatchFormat) -> OpenBatch {
        let context = IpcWriteContext::default();
        OpenBatch {
            format,
            sequence: 0,
            features: vec![],
            labels: vec![],
            weights: vec![],
            copies: vec![],
            home: None,
            recent: vec![],
            context,
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
    pub fn push_copies(&mut self, features: &[f32], labels: &[f64], weight: f64, copies: Copies) -> bool {
        if copies != Copies::ONE {
            let row = u32::try_from(self.weights.len()).unwrap_or(NONE);
            self.copies.push((row, copies));
        }
        self.push(features, labels, weight)
    }

    /// Adds a row; true where the batch is full now.
    pub fn push(&mut self, features: &[f32], labels: &[f64], weight: f64) -> bool {
        if self.weights.is_empty() {
            // One allocation per batch, and none for a trainer that gets no rows.
            let (rows, row) = (self.format.rows, self.format.row);
            self.features.reserve_exact(rows * row.features);
            self.labels.reserve_exact(rows * row.label_values());
            self.weights.reserve_exact(rows);
        }
        self.features.extend_from_slice(features);
        self.labels.extend_from_slice(labels);
        self.weights.push(weight);
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
        let data = self
            .encode()
            .map_err(|error| Failure::internal(format!("cannot encode rows: {error}")))?;
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

    fn encode(&mut self) -> Result<FlightData, ArrowError> {
        let features: ArrayRef = Arc::new(Float32Array::from(take(&mut self.features)));
        let labels: ArrayRef = Arc::new(Float64Array::from(take(&mut self.labels)));
        let weights: ArrayRef = Arc::new(Float64Array::from(take(&mut self.weights)));
        let columns = vec![
            self.format.list(0, features)?,
            self.format.list(1, labels)?,
            weights,
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.format.schema), columns)?;
        let options = IpcWriteOptions::default();
        let mut dictionaries = DictionaryTracker::new(false);
        let (_, encoded) =
            IpcDataGenerator::default().encode(&batch, &mut dictionaries, &options, &mut self.context)?;
        Ok(FlightData::new()
            .with_data_header(encoded.ipc_message)
            .with_data_body(encoded.arrow_data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Float64Type};
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
        assert_eq!(rows(u64::MAX), (1 << 20) / row_bytes);
    }

    #[test]
    fn a_row_beyond_a_message_is_refused() {
        assert!(
            BatchFormat::new(row(20_000_000), 1)
                .unwrap_err()
                .message
                .contains("20000000 features")
        );
    }
}
