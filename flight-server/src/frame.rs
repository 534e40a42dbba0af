//! Frames of a feed stream: Arrow IPC record batches of one fixed schema, read without a copy in between.
//!
//! The columns are features `FixedSizeList<T>[n]`, where T is Float32, UInt8, Int8 or Int16, or `List<Struct<index: UInt32,
//! value: Float32>>` where rows are sparse; label `FixedSizeList<Float64>[m]`, weight `Float64`, none with nulls. Buffers of an IPC body may lie at any address in a gRPC message; the general decoder would copy each
//! to an aligned place first. Here rows are read from the bytes as they are, straight into the spool's chunk.

use crate::chunk::{Chunk, ChunkBuilder, Shape, bad_row};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_schema::DataType;
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::CopiesAt;
use candlewick_protocol::features::{FeatureRow, FeatureType};
use candlewick_protocol::feed::{FEATURES, LABEL, WEIGHT};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::Home;
use candlewick_protocol::validation::FedShard;

/// Positions of the value buffers among the buffers of the schema: each list has a validity buffer, then its values'
/// validity and values; the weight has validity and values. Label and weight are counted from the end, since sparse features
/// have more: validity and offsets of the list, validity of the pairs, validity and values of index and value.
const FEATURE_VALUES: usize = 2;
const OFFSETS: usize = 1;
const INDICES: usize = 4;
const VALUES: usize = 6;
const LABEL_FROM_END: usize = 3;
const WEIGHT_FROM_END: usize = 1;
/// Nodes and buffers of the label and the weight.
const OTHER_NODES: usize = 3;
const OTHER_BUFFERS: usize = 5;

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
    let kind = shape.encoding.kind;
    let of_features = |data_type: &DataType| match kind {
        FeatureType::Float32 => list(data_type, &DataType::Float32, shape.features),
        FeatureType::UInt8 => list(data_type, &DataType::UInt8, shape.features),
        FeatureType::Int8 => list(data_type, &DataType::Int8, shape.features),
        FeatureType::Int16 => list(data_type, &DataType::Int16, shape.features),
        FeatureType::Sparse => matches!(data_type, DataType::List(item) if is_pair(item.data_type())),
    };
    let fits = matches!(fields[..], [features, label, weight]
        if of_features(features)
            && list(label, &DataType::Float64, shape.format().label_values())
            && *weight == DataType::Float64);
    if fits {
        return Ok(());
    }
    Err(wrong(&format!(
        "its schema is {fields:?}; expected features {}, label FixedSizeList<Float64>[{}], weight Float64",
        match kind {
            FeatureType::Sparse => format!("List<{}>", kind.name()),
            _ => format!("FixedSizeList<{}>[{}]", kind.name(), shape.features),
        },
        shape.format().label_values()
    )))
}

/// Index and value of a sparse row.
fn is_pair(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else {
        return false;
    };
    let types = fields.iter().map(|field| field.data_type());
    types.eq([&DataType::UInt32, &DataType::Float32])
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
    let mut builder =
        ChunkBuilder::typed(shape, shape.encoding.kind, rows.count, rows.values(shape)).within(frame.home);
    let (labels, sent) = (shape.labels(), shape.format().label_values());
    let mut scratch = Scratch::default();
    let mut weights = f64_le(rows.weights);
    for row in 0..rows.count {
        let (values, mark) = rows.labels[row * sent * 8..][..sent * 8].split_at(labels * 8);
        let values = f64_le(values);
        let marked = f64_le(mark).any(|mark| mark != 0.0);
        let weight = weights.next().unwrap_or_default();
        let pushed = match rows.row(row, shape, &mut scratch) {
            RowBytes::Float32(bytes) => {
                let features = bytes.as_chunks().0.iter();
                builder.push_marked(
                    features.map(|value| f32::from_le_bytes(*value)),
                    values,
                    weight,
                    marked,
                )
            }
            RowBytes::Of(features) => builder.push_row(features, values, weight, marked),
        };
        let FedShard { shard, .. } = pushed.map_err(|what| bad_row(place, row, &what))?;
        if !owned.contains(shard) {
            let what = format!("it belongs to shard {shard}, this trainer takes {owned}");
            return Err(bad_row(place, row, &what));
        }
    }
    let described = builder.describe(frame.copies);
    described.map_err(|what| wrong(&format!("{place}: {what}")))?;
    Ok(builder.finish())
}

/// Values whose number is known before, which a copy of them needs to be one of vectors.
fn f64_le(bytes: &[u8]) -> impl Iterator<Item = f64> + '_ {
    bytes.as_chunks().0.iter().map(|value| f64::from_le_bytes(*value))
}

/// The bytes of a batch's values.
struct FrameRows<'a> {
    count: usize,
    features: FeatureBytes<'a>,
    labels: &'a [u8],
    weights: &'a [u8],
}

/// The bytes of features.
enum FeatureBytes<'a> {
    /// Rows of one length.
    Fixed(&'a [u8]),
    /// Where each row begins and ends among the pairs, and those.
    Sparse {
        ends: Vec<usize>,
        indices: &'a [u8],
        values: &'a [u8],
    },
}

/// A row's features: those of f32 are read where they lie.
enum RowBytes<'a> {
    Float32(&'a [u8]),
    Of(FeatureRow<'a>),
}

/// A row's values at an address that suits their type.
#[derive(Default)]
struct Scratch {
    bytes: Vec<i8>,
    words: Vec<i16>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

/// What stands in `into` from now on.
fn filled<T>(into: &mut Vec<T>, values: impl Iterator<Item = T>) -> &[T] {
    into.clear();
    into.extend(values);
    into
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
        let is_sparse = shape.encoding.kind == FeatureType::Sparse;
        let (own_nodes, own_buffers) = if is_sparse { (4, 7) } else { (2, 3) };
        let (all_nodes, all_buffers) = (own_nodes + OTHER_NODES, own_buffers + OTHER_BUFFERS);
        if nodes.len() != all_nodes || buffers.len() != all_buffers {
            return Err(wrong(&format!(
                "a record batch of this feed has {all_nodes} nodes and {all_buffers} buffers"
            )));
        }
        let count = usize::try_from(batch.length()).map_err(|_| wrong("a record batch has a length"))?;
        if let Some(node) = nodes.iter().position(|node| node.null_count() != 0) {
            let column = match node.checked_sub(own_nodes) {
                None => FEATURES,
                Some(0 | 1) => LABEL,
                Some(_) => WEIGHT,
            };
            return Err(wrong(&format!("column {column} holds nulls")));
        }
        let slices = Slices {
            buffers: buffers.iter().copied().collect(),
            body,
            count,
        };
        let features = if is_sparse {
            slices.sparse()?
        } else {
            let width = shape.features * shape.encoding.kind.value_bytes().unwrap_or(0);
            FeatureBytes::Fixed(slices.rows(FEATURE_VALUES, width)?)
        };
        Ok(FrameRows {
            count,
            features,
            labels: slices.rows(all_buffers - LABEL_FROM_END, shape.format().label_values() * 8)?,
            weights: slices.rows(all_buffers - WEIGHT_FROM_END, 8)?,
        })
    }

    /// Values of all rows, those that are not zero where they are sparse.
    fn values(&self, shape: &Shape) -> usize {
        match &self.features {
            FeatureBytes::Fixed(_) => self.count * shape.features,
            FeatureBytes::Sparse { values, .. } => values.len() / 4,
        }
    }

    fn row<'s>(&self, row: usize, shape: &Shape, scratch: &'s mut Scratch) -> RowBytes<'s>
    where
        'a: 's,
    {
        let bytes = match &self.features {
            FeatureBytes::Fixed(bytes) => {
                let width = shape.features * shape.encoding.kind.value_bytes().unwrap_or(0);
                &bytes[row * width..][..width]
            }
            FeatureBytes::Sparse {
                ends,
                indices,
                values,
            } => {
                let part = ends[row] * 4..ends[row + 1] * 4;
                let indices = indices[part.clone()].as_chunks().0.iter();
                let values = values[part].as_chunks().0.iter();
                return RowBytes::Of(FeatureRow::Sparse(
                    filled(
                        &mut scratch.indices,
                        indices.map(|bytes| u32::from_le_bytes(*bytes)),
                    ),
                    filled(
                        &mut scratch.values,
                        values.map(|bytes| f32::from_le_bytes(*bytes)),
                    ),
                ));
            }
        };
        RowBytes::Of(match shape.encoding.kind {
            FeatureType::Float32 | FeatureType::Sparse => return RowBytes::Float32(bytes),
            FeatureType::UInt8 => FeatureRow::UInt8(bytes),
            FeatureType::Int8 => {
                let values = bytes.iter().map(|byte| byte.cast_signed());
                FeatureRow::Int8(filled(&mut scratch.bytes, values))
            }
            FeatureType::Int16 => {
                let values = bytes.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes));
                FeatureRow::Int16(filled(&mut scratch.words, values))
            }
        })
    }
}

/// The buffers of a record batch of so many rows.
struct Slices<'a> {
    buffers: Vec<arrow_ipc::Buffer>,
    body: &'a [u8],
    count: usize,
}

impl<'a> Slices<'a> {
    /// `width` bytes for each row.
    fn rows(&self, buffer: usize, width: usize) -> Result<&'a [u8], Failure> {
        self.bytes(buffer, self.count.checked_mul(width))
    }

    fn bytes(&self, buffer: usize, wanted: Option<usize>) -> Result<&'a [u8], Failure> {
        let place = self.buffers[buffer];
        let from = usize::try_from(place.offset()).ok();
        let range = from
            .zip(wanted)
            .and_then(|(from, wanted)| Some(from..from.checked_add(wanted)?));
        let fits =
            wanted.is_some_and(|wanted| u64::try_from(place.length()).is_ok_and(|n| n >= wanted as u64));
        range
            .filter(|_| fits)
            .and_then(|range| self.body.get(range))
            .ok_or_else(|| {
                let count = self.count;
                wrong(&format!(
                    "buffer {buffer} of a record batch of {count} rows is shorter than its rows"
                ))
            })
    }

    fn sparse(&self) -> Result<FeatureBytes<'a>, Failure> {
        // Arrow leaves the offsets of no rows out.
        let offsets = if self.count == 0 {
            Some(0)
        } else {
            self.count.checked_add(1)
        };
        let offsets = self.bytes(OFFSETS, offsets.and_then(|count| count.checked_mul(4)))?;
        let offset = |bytes: &[u8; 4]| usize::try_from(i32::from_le_bytes(*bytes));
        let ends: Result<Vec<usize>, _> = offsets.as_chunks().0.iter().map(offset).collect();
        let ends = ends.ok().filter(|ends| ends.is_sorted());
        let ends = ends.ok_or_else(|| wrong("the offsets of column features do not ascend from 0 on"))?;
        let bytes = ends.last().copied().unwrap_or(0).checked_mul(4);
        Ok(FeatureBytes::Sparse {
            indices: self.bytes(INDICES, bytes)?,
            values: self.bytes(VALUES, bytes)?,
            ends,
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
mod typed;

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
