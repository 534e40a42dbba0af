//! Rows of any sensible Arrow types into the spool's form: lists of numbers as features, numbers as labels.

use crate::chunk::{Chunk, ChunkBuilder, Shape};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, UInt8Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, OffsetSizeTrait, PrimitiveArray, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use candlewick_protocol::Failure;
use candlewick_protocol::features::{FeatureRow, FeatureType};
use std::ops::Range;

/// Converts a batch; `number` is its position in the stream, for messages.
pub(super) fn to_chunk(batch: &RecordBatch, number: u64, shape: &Shape) -> Result<Chunk, Failure> {
    let features = column(batch, "features")?;
    match items(features.data_type()) {
        DataType::UInt8 => rows::<UInt8Type>(batch, features, number, shape),
        DataType::Int8 => rows::<Int8Type>(batch, features, number, shape),
        DataType::Int16 => rows::<Int16Type>(batch, features, number, shape),
        _ => rows::<Float32Type>(batch, features, number, shape),
    }
}

/// The type of a column's numbers.
fn items(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            item.data_type()
        }
        other => other,
    }
}

/// A type that features stay in.
trait Held: ArrowPrimitiveType {
    const KIND: FeatureType;
    fn row(values: &[Self::Native]) -> FeatureRow<'_>;
}

macro_rules! held {
    ($($arrow:ident $kind:ident),*) => {$(
        impl Held for $arrow {
            const KIND: FeatureType = FeatureType::$kind;
            fn row(values: &[Self::Native]) -> FeatureRow<'_> {
                FeatureRow::$kind(values)
            }
        }
    )*};
}

held!(Float32Type Float32, UInt8Type UInt8, Int8Type Int8, Int16Type Int16);

fn rows<T: Held>(
    batch: &RecordBatch,
    features: &ArrayRef,
    number: u64,
    shape: &Shape,
) -> Result<Chunk, Failure> {
    let features = Lists::<T>::read(features, "features", number)?;
    let labels = Lists::<Float64Type>::read(column(batch, "label")?, "label", number)?;
    let weights = match batch.column_by_name("weight") {
        Some(weight) => Some(Lists::<Float64Type>::read(weight, "weight", number)?),
        None => None,
    };
    let count = batch.num_rows();
    // Rows may be shorter than they have to be: then the first of them is refused below, and no memory taken for all.
    let values = features.values.len().min(count * shape.features);
    let mut builder = ChunkBuilder::typed(shape, T::KIND, count, values);
    for row in 0..batch.num_rows() {
        let weight = match &weights {
            None => 1.0,
            Some(weights) => *weights
                .row(row)
                .first()
                .ok_or_else(|| bad(row, number, "column weight is empty"))?,
        };
        let (features, labels) = (T::row(features.row(row)), labels.row(row).iter().copied());
        builder
            .push_row(features, labels, weight, false)
            .map_err(|what| bad(row, number, &what))?;
    }
    Ok(builder.finish())
}

fn bad(row: usize, number: u64, what: &str) -> Failure {
    Failure::data(format!("row {row} of batch {number}: {what}"))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Failure> {
    batch.column_by_name(name).ok_or_else(|| {
        let schema = batch.schema();
        let have: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        Failure::data(format!(
            "the rows have no column \"{name}\"; expected features, label and perhaps weight, got {have:?}"
        ))
    })
}

/// A column as a list of numbers per row; a plain number is a list of one.
struct Lists<T: ArrowPrimitiveType> {
    values: PrimitiveArray<T>,
    ends: Ends,
}

enum Ends {
    Fixed(usize),
    Offsets(Vec<usize>),
}

impl<T: ArrowPrimitiveType> Lists<T> {
    fn read(array: &ArrayRef, name: &str, number: u64) -> Result<Self, Failure> {
        let null_at = |row: usize| bad(row, number, &format!("column {name} is null"));
        if let Some(row) = (0..array.len()).find(|row| array.is_null(*row)) {
            return Err(null_at(row));
        }
        let (values, ends) = match array.data_type() {
            DataType::FixedSizeList(_, width) => {
                let list = array.as_fixed_size_list();
                (
                    list.values().clone(),
                    Ends::Fixed(usize::try_from(*width).unwrap_or(0)),
                )
            }
            DataType::List(_) => of_list::<i32>(array),
            DataType::LargeList(_) => of_list::<i64>(array),
            _ => (array.clone(), Ends::Fixed(1)),
        };
        let numeric = values.data_type().is_numeric() || *values.data_type() == DataType::Boolean;
        if !numeric {
            return Err(Failure::data(format!(
                "column {name} has type {:?}: expected numbers or lists of numbers",
                array.data_type()
            )));
        }
        let values = if T::DATA_TYPE == DataType::Float32 && goes_by_f64(values.data_type()) {
            to_type(&values, &DataType::Float64, name)?
        } else {
            values
        };
        let cast = to_type(&values, &T::DATA_TYPE, name)?;
        let lists = Lists {
            values: cast.as_primitive::<T>().clone(),
            ends,
        };
        if lists.values.null_count() > 0 {
            // A null value, or one that the type does not hold.
            let row = (0..array.len()).find(|row| lists.range(*row).any(|at| lists.values.is_null(at)));
            let what = format!("column {name} holds a null or a number out of range");
            if let Some(row) = row {
                return Err(bad(row, number, &what));
            }
        }
        Ok(lists)
    }

    fn range(&self, row: usize) -> Range<usize> {
        match &self.ends {
            Ends::Fixed(width) => row * width..(row + 1) * width,
            Ends::Offsets(offsets) => offsets[row]..offsets[row + 1],
        }
    }

    fn row(&self, row: usize) -> &[T::Native] {
        &self.values.values()[self.range(row)]
    }
}

/// Numbers that a double does not hold exactly. Rows of Spark become doubles first, and what is rounded twice may be another f32.
fn goes_by_f64(of: &DataType) -> bool {
    of.is_decimal() || matches!(of, DataType::Int64 | DataType::UInt64)
}

fn to_type(values: &ArrayRef, to: &DataType, name: &str) -> Result<ArrayRef, Failure> {
    cast(values, to)
        .map_err(|error| Failure::data(format!("column {name} cannot be read as numbers: {error}")))
}

fn of_list<O: OffsetSizeTrait>(array: &ArrayRef) -> (ArrayRef, Ends) {
    let list = array.as_list::<O>();
    let offsets = list
        .value_offsets()
        .iter()
        .map(|offset| offset.as_usize())
        .collect();
    (list.values().clone(), Ends::Offsets(offsets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{Float64Builder, ListBuilder};
    use arrow_array::{
        BooleanArray, Decimal128Array, FixedSizeListArray, Float32Array, Float64Array, Int8Array, Int64Array,
        StringArray,
    };
    use arrow_schema::Field;
    use candlewick_protocol::job::LabelKind;
    use std::sync::Arc;

    fn shape() -> Shape {
        Shape {
            features: 2,
            encoding: Default::default(),
            label: LabelKind::class(3),
            logical_shards: 8,
            validation: None,
        }
    }

    fn fixed() -> ArrayRef {
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let values = Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0, 4.0]));
        Arc::new(FixedSizeListArray::new(item, 2, values, None))
    }

    /// The same in a type that rows stay in.
    fn small<T: Held>(values: [T::Native; 4]) -> ArrayRef {
        let item = Arc::new(Field::new("item", T::DATA_TYPE, true));
        let values = PrimitiveArray::<T>::from_iter_values(values);
        Arc::new(FixedSizeListArray::new(item, 2, Arc::new(values), None))
    }

    fn list(rows: &[Option<&[Option<f64>]>]) -> ArrayRef {
        let mut builder = ListBuilder::new(Float64Builder::new());
        for row in rows {
            match row {
                Some(values) => builder.append_value(values.iter().copied()),
                None => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }

    fn batch(features: ArrayRef, label: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("features", features, true), ("label", label, true)])
            .unwrap()
    }

    fn told(batch: &RecordBatch) -> String {
        to_chunk(batch, 4, &shape()).unwrap_err().message
    }

    #[test]
    fn equal_rows_of_any_types_are_the_same_rows() {
        let labels: [ArrayRef; 3] = [
            Arc::new(Int64Array::from(vec![0, 1])),
            Arc::new(Int8Array::from(vec![0, 1])),
            Arc::new(BooleanArray::from(vec![false, true])),
        ];
        let features = [
            fixed(),
            list(&[Some(&[Some(1.0), Some(2.0)]), Some(&[Some(3.0), Some(4.0)])]),
        ];
        let wanted = to_chunk(&batch(features[0].clone(), labels[0].clone()), 0, &shape()).unwrap();
        for features in &features {
            for labels in &labels {
                let chunk = to_chunk(&batch(features.clone(), labels.clone()), 0, &shape()).unwrap();
                assert_eq!(chunk.hashes, wanted.hashes);
            }
        }
        for (features, kind) in [
            (small::<UInt8Type>([1, 2, 3, 4]), FeatureType::UInt8),
            (small::<Int8Type>([1, 2, 3, 4]), FeatureType::Int8),
            (small::<Int16Type>([1, 2, 3, 4]), FeatureType::Int16),
        ] {
            let chunk = to_chunk(&batch(features, labels[0].clone()), 0, &shape()).unwrap();
            assert_eq!(
                (chunk.hashes, chunk.features.kind()),
                (wanted.hashes.clone(), kind)
            );
        }
        let sliced = batch(features[1].clone(), labels[0].clone()).slice(1, 1);
        assert_eq!(to_chunk(&sliced, 0, &shape()).unwrap().hashes, wanted.hashes[1..]);
        let sliced = batch(features[0].clone(), labels[0].clone()).slice(1, 1);
        assert_eq!(to_chunk(&sliced, 0, &shape()).unwrap().hashes, wanted.hashes[1..]);
    }

    #[test]
    fn numbers_that_a_double_rounds_are_those_of_a_fit_by_spark() {
        // f32 has 24 bits, and f64 53: rounded at once it is the next f32.
        let number = (1 << 60) + (1 << 36) + 1i64;
        #[expect(clippy::cast_precision_loss, reason = "that is the point")]
        let rounded = number as f64;
        let list = |values: ArrayRef| -> ArrayRef {
            let item = Arc::new(Field::new("item", values.data_type().clone(), true));
            Arc::new(FixedSizeListArray::new(item, 2, values, None))
        };
        let hashes = |values: ArrayRef| {
            let label: ArrayRef = Arc::new(Int64Array::from(vec![0]));
            to_chunk(&batch(list(values), label), 0, &shape()).unwrap().hashes
        };
        let by_spark = hashes(Arc::new(Float64Array::from(vec![rounded, 0.0])));
        assert_eq!(hashes(Arc::new(Int64Array::from(vec![number, 0]))), by_spark);
        let decimals = Decimal128Array::from(vec![i128::from(number), 0]).with_precision_and_scale(20, 0);
        assert_eq!(hashes(Arc::new(decimals.unwrap())), by_spark);
    }

    #[test]
    fn rows_that_are_too_short_take_no_memory_for_longer_ones() {
        let wide = Shape {
            features: 1 << 40,
            ..shape()
        };
        let label: ArrayRef = Arc::new(Int64Array::from(vec![0; 1 << 16]));
        let features: ArrayRef = Arc::new(Float32Array::from(vec![1.0; 1 << 16]));
        let told = to_chunk(&batch(features, label), 4, &wide).unwrap_err().message;
        assert!(told.contains("row 0 of batch 4: it has 1 features"), "{told}");
    }

    #[test]
    fn what_is_wrong_names_column_batch_and_row() {
        let label: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
        let null_row = batch(list(&[Some(&[Some(1.0), Some(2.0)]), None]), label.clone());
        assert_eq!(told(&null_row), "row 1 of batch 4: column features is null");
        let null_value = batch(
            list(&[Some(&[Some(1.0), Some(2.0)]), Some(&[None, Some(2.0)])]),
            label.clone(),
        );
        assert!(told(&null_value).contains("row 1 of batch 4: column features holds a null"));
        let nan = batch(
            list(&[Some(&[Some(1.0), Some(f64::NAN)]), Some(&[Some(1.0), Some(2.0)])]),
            label.clone(),
        );
        assert!(told(&nan).contains("row 0 of batch 4: features[1] is NaN"));
        let short = batch(
            list(&[Some(&[Some(1.0)]), Some(&[Some(1.0), Some(2.0)])]),
            label.clone(),
        );
        assert!(told(&short).contains("row 0 of batch 4: it has 1 features, expected 2"));
        let huge = batch(
            list(&[Some(&[Some(1e300), Some(0.0)]), Some(&[Some(1.0), Some(2.0)])]),
            label.clone(),
        );
        assert!(told(&huge).contains("row 0 of batch 4"), "{}", told(&huge));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        assert!(told(&batch(fixed(), text)).contains("column label has type Utf8"));
        let odd: ArrayRef = Arc::new(Int64Array::from(vec![0, 3]));
        assert!(told(&batch(fixed(), odd)).contains("row 1 of batch 4: its label is 3"));
        let unnamed = RecordBatch::try_from_iter([("x", fixed()), ("label", label)]).unwrap();
        assert!(told(&unnamed).contains("no column \"features\""));
    }
}
