//! Frames of a feed stream: Arrow IPC record batches of one fixed schema, read without a copy in between.
//!
//! The columns are features `FixedSizeList<Float32>[n]`, label `FixedSizeList<Float64>[m]`, weight `Float64`, none
//! with nulls. Buffers of an IPC body may lie at any address in a gRPC message; the general decoder would copy each
//! to an aligned place first. Here rows are read from the bytes as they are, straight into the spool's chunk.

use crate::chunk::{Chunk, ChunkBuilder, Shape, bad_row};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_schema::DataType;
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::CopiesAt;
use candlewick_protocol::feed::{FEATURES, LABEL, WEIGHT};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::Home;
use candlewick_protocol::validation::FedShard;

/// Positions of the value buffers among the buffers of the schema: each list has a validity buffer, then its values'
/// validity and values; the weight has validity and values.
const FEATURE_VALUES: usize = 2;
const LABEL_VALUES: usize = 5;
const WEIGHT_VALUES: usize = 7;
const BUFFERS: usize = 8;
const NODES: usize = 5;

/// Checks the schema message a stream begins with.
///
/// # Errors
/// `InvalidData` saying what was expected.
pub fn check_schema(header: &[u8], shape: &Shape) -> Result<(), Failure> {
    let message = message(header)?;
    let Some(schema) = message.header_as_schema() else {
        return Err(wrong("a feed stream begins with its schema"));
    };
    let schema = try_fb_to_schema(schema).map_err(|error| wrong(&error.to_string()))?;
    let fields: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
    let list = |data_type: &DataType, values: &DataType, width: usize| {
        matches!(data_type, DataType::FixedSizeList(item, n)
            if item.data_type() == values && usize::try_from(*n) == Ok(width))
    };
    let fits = matches!(fields[..], [features, label, weight]
        if list(features, &DataType::Float32, shape.features)
            && list(label, &DataType::Float64, shape.format().label_values())
            && *weight == DataType::Float64);
    if fits {
        return Ok(());
    }
    Err(wrong(&format!(
        "its schema is {fields:?}; expected features FixedSizeList<Float32>[{}], label FixedSizeList<Float64>[{}], weight \
         Float64",
        shape.features,
        shape.format().label_values()
    )))
}

/// What a frame is.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The Arrow message.
    pub header: &'a [u8],
    /// Its buffers.
    pub body: &'a [u8],
    /// The shards of its rows, where they are not all.
    pub home: Option<Home>,
    /// Rows that stand for more than one.
    pub copies: Vec<CopiesAt>,
    /// Names it for messages.
    pub place: &'a str,
}

/// Decodes a record batch into a chunk; every row must belong to a shard of `owned`.
///
///
/// # Errors
/// `InvalidData` naming the row and what is wrong with it.
pub fn decode(frame: Frame<'_>, shape: &Shape, owned: &ShardSet) -> Result<Chunk, Failure> {
    let place = frame.place;
    let rows = FrameRows::new(frame.header, frame.body, shape)?;
    let mut builder = ChunkBuilder::new(shape, rows.count).within(frame.home);
    let format = shape.format();
    let (width, labels, sent) = (format.features, format.labels, format.label_values());
    for row in 0..rows.count {
        let features = rows.features[row * width * 4..][..width * 4]
            .chunks_exact(4)
            .map(f32_le);
        let (values, mark) = rows.labels[row * sent * 8..][..sent * 8].split_at(labels * 8);
        let values = values.chunks_exact(8).map(f64_le);
        let marked = mark.chunks_exact(8).map(f64_le).any(|mark| mark != 0.0);
        let weight = f64_le(&rows.weights[row * 8..][..8]);
        let FedShard { shard, .. } = builder
            .push_marked(features, values, weight, marked)
            .map_err(|what| bad_row(place, row, &what))?;
        if !owned.contains(shard) {
            let what = format!("it belongs to shard {shard}, this trainer takes {owned}");
            return Err(bad_row(place, row, &what));
        }
    }
    let described = builder.describe(frame.copies);
    described.map_err(|what| wrong(&format!("{place}: {what}")))?;
    Ok(builder.finish())
}

fn f32_le(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn f64_le(bytes: &[u8]) -> f64 {
    f64::from_le_bytes([
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
    ])
}

/// The bytes of a batch's values.
struct FrameRows<'a> {
    count: usize,
    features: &'a [u8],
    labels: &'a [u8],
    weights: &'a [u8],
}

impl<'a> FrameRows<'a> {
    fn new(header: &[u8], body: &'a [u8], shape: &Shape) -> Result<Self, Failure> {
        let message = message(header)?;
        let batch = message
            .header_as_record_batch()
            .ok_or_else(|| wrong("a frame after the schema is a record batch"))?;
        if batch.compression().is_some() {
            return Err(wrong("a feed's frames are not compressed"));
        }
        let (Some(nodes), Some(buffers)) = (batch.nodes(), batch.buffers()) else {
            return Err(wrong("a record batch has nodes and buffers"));
        };
        if nodes.len() != NODES || buffers.len() != BUFFERS {
            return Err(wrong(&format!(
                "a record batch of a feed has {NODES} nodes and {BUFFERS} buffers"
            )));
        }
        let count = usize::try_from(batch.length()).map_err(|_| wrong("a record batch has a length"))?;
        if let Some(node) = nodes.iter().position(|node| node.null_count() != 0) {
            return Err(wrong(&format!(
                "column {} holds nulls",
                [FEATURES, LABEL, WEIGHT][node / 2]
            )));
        }
        let values = |buffer: usize, width: usize| -> Result<&'a [u8], Failure> {
            let (place, wanted) = (buffers.get(buffer), count.checked_mul(width));
            let from = usize::try_from(place.offset()).ok();
            let range = from
                .zip(wanted)
                .and_then(|(from, wanted)| Some(from..from.checked_add(wanted)?));
            let fits =
                wanted.is_some_and(|wanted| u64::try_from(place.length()).is_ok_and(|n| n >= wanted as u64));
            range
                .filter(|_| fits)
                .and_then(|range| body.get(range))
                .ok_or_else(|| {
                    wrong(&format!(
                        "buffer {buffer} of a record batch of {count} rows is shorter than its rows"
                    ))
                })
        };
        Ok(FrameRows {
            count,
            features: values(FEATURE_VALUES, shape.features * 4)?,
            labels: values(LABEL_VALUES, shape.format().label_values() * 8)?,
            weights: values(WEIGHT_VALUES, 8)?,
        })
    }
}

fn message(header: &[u8]) -> Result<arrow_ipc::Message<'_>, Failure> {
    arrow_ipc::root_as_message(header).map_err(|_| wrong("a frame's header is no Arrow message"))
}

fn wrong(what: &str) -> Failure {
    Failure::data(format!("the feed stream cannot be read: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch};
    use arrow_flight::FlightData;
    use arrow_flight::utils::batches_to_flight_data;
    use arrow_schema::{Field, Schema};
    use candlewick_protocol::features::FeatureRow;
    use candlewick_protocol::job::LabelKind;
    use candlewick_protocol::row::RowHasher;
    use std::sync::Arc;

    fn shape() -> Shape {
        Shape {
            features: 3,
            encoding: Default::default(),
            label: LabelKind::Real { width: 2 },
            logical_shards: 8,
            validation: None,
        }
    }

    fn read(header: &[u8], body: &[u8], owned: &ShardSet, place: &str) -> Result<Chunk, Failure> {
        let frame = Frame {
            header,
            body,
            home: None,
            copies: Vec::new(),
            place,
        };
        decode(frame, &shape(), owned)
    }

    fn lists(values: ArrayRef, width: i32) -> ArrayRef {
        let item = Arc::new(Field::new("item", values.data_type().clone(), false));
        Arc::new(FixedSizeListArray::new(item, width, values, None))
    }

    fn flight(rows: usize, nan: bool) -> Vec<FlightData> {
        let mut features: Vec<f32> = (0..rows * 3).map(|n| n as f32 * 0.5).collect();
        if nan {
            features[4] = f32::NAN;
        }
        let features = lists(Arc::new(Float32Array::from(features)), 3);
        let labels = (0..rows * 2).map(|n| n as f64).collect::<Vec<_>>();
        let label = lists(Arc::new(Float64Array::from(labels)), 2);
        let weight: ArrayRef = Arc::new(Float64Array::from(vec![1.0; rows]));
        let batch =
            RecordBatch::try_from_iter([("features", features), ("label", label), ("weight", weight)])
                .unwrap();
        batches_to_flight_data(&batch.schema(), [&batch]).unwrap()
    }

    #[test]
    fn values_and_hashes_come_through_at_any_alignment() {
        let frames = flight(5, false);
        check_schema(&frames[0].data_header, &shape()).unwrap();
        for shift in 0..9 {
            let mut moved = vec![0u8; shift];
            moved.extend_from_slice(&frames[1].data_body);
            let chunk = read(&frames[1].data_header, &moved[shift..], &(0..8).into(), "x").unwrap();
            assert_eq!(chunk.rows(), 5);
            assert_eq!(chunk.features.row(4, 3), FeatureRow::Float32(&[6.0, 6.5, 7.0]));
            assert_eq!(chunk.labels, (0..10).map(f64::from).collect::<Vec<_>>());
            let row = RowHasher::default().hash(&[0.0, 0.5, 1.0], &[0.0, 1.0], 1.0, false);
            assert_eq!(chunk.hashes[0], row);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_without_a_panic() {
        let frames = flight(5, false);
        let wide = Shape {
            features: 4,
            ..shape()
        };
        let told = check_schema(&frames[0].data_header, &wide).unwrap_err().message;
        assert!(
            told.contains("expected features FixedSizeList<Float32>[4]"),
            "{told}"
        );
        let (header, body) = (&frames[1].data_header, &frames[1].data_body);
        assert!(check_schema(header, &shape()).is_err());
        assert!(read(&frames[0].data_header, body, &(0..8).into(), "x").is_err());
        for cut in 0..body.len().min(120) {
            assert!(read(header, &body[..cut], &(0..8).into(), "x").is_err());
        }
        for cut in 0..header.len() {
            let _ = read(&header[..cut], body, &(0..8).into(), "x");
        }
        let told = read(header, body, &(0..0).into(), "x").unwrap_err().message;
        assert!(
            told.starts_with("row 0 of x: it belongs to shard ")
                && told.ends_with(", this trainer takes none"),
            "{told}"
        );
        let bad = flight(5, true);
        let told = read(&bad[1].data_header, &bad[1].data_body, &(0..8).into(), "frame 0")
            .unwrap_err()
            .message;
        assert_eq!(
            told,
            "row 1 of frame 0: features[1] is NaN, expected a finite number"
        );
    }

    #[test]
    fn nulls_are_refused_by_column() {
        let weight: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None]));
        let features = lists(Arc::new(Float32Array::from(vec![0.0; 6])), 3);
        let label = lists(Arc::new(Float64Array::from(vec![0.0; 4])), 2);
        let schema = Schema::new(vec![
            Field::new("features", features.data_type().clone(), false),
            Field::new("label", label.data_type().clone(), false),
            Field::new("weight", weight.data_type().clone(), true),
        ]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![features, label, weight]).unwrap();
        let frames = batches_to_flight_data(&batch.schema(), [&batch]).unwrap();
        let told = read(&frames[1].data_header, &frames[1].data_body, &(0..8).into(), "x").unwrap_err();
        assert!(told.message.contains("column weight holds nulls"), "{told}");
    }
}
