//! What can be read: weights, metrics, the shape of the rows.

use super::state::Model;
use crate::chunk::Shape;
use arrow_array::builder::{Float32Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use candlewick_protocol::Failure;
use candlewick_protocol::message::MAX_FLIGHT_MESSAGE;
use std::sync::Arc;

fn list_of(name: &str, values: DataType) -> Field {
    Field::new(
        name,
        DataType::List(Arc::new(Field::new("item", values, false))),
        false,
    )
}

/// Columns of ticket "weights".
pub(super) fn weights_schema() -> Schema {
    Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        list_of("shape", DataType::Int64),
        list_of("data", DataType::Float32),
    ])
}

/// One batch per parameter, so that a batch is no larger than it must be.
pub(super) fn weights(model: &Model) -> Result<Vec<RecordBatch>, Failure> {
    let schema = Arc::new(weights_schema());
    let wrong = |error| Failure::internal(format!("the weights cannot be written as Arrow: {error}"));
    model
        .network
        .parameters()
        .iter()
        .map(|parameter| {
            if parameter.len() * 4 > MAX_FLIGHT_MESSAGE / 2 {
                return Err(Failure::parameter(format!(
                    "parameter {} has {} values, too many for one Flight message: read the action \"weights.safetensors\"",
                    parameter.name,
                    parameter.len()
                )));
            }
            let item = |values| Arc::new(Field::new("item", values, false));
            let mut name = StringBuilder::new();
            name.append_value(&parameter.name);
            let mut shape = ListBuilder::new(Int64Builder::new()).with_field(item(DataType::Int64));
            shape.append_value(parameter.shape.iter().map(|size| i64::try_from(*size).ok()));
            let mut data = ListBuilder::new(Float32Builder::new()).with_field(item(DataType::Float32));
            data.values().append_slice(&model.weights[parameter.offset..parameter.offset + parameter.len()]);
            data.append(true);
            let columns: Vec<ArrayRef> =
                vec![Arc::new(name.finish()), Arc::new(shape.finish()), Arc::new(data.finish())];
            RecordBatch::try_new(Arc::clone(&schema), columns).map_err(wrong)
        })
        .collect()
}

/// Columns of ticket "metrics".
pub(super) fn metrics_schema() -> Schema {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    Schema::new(vec![
        field("epoch", DataType::Int64),
        field("step", DataType::Int64),
        field("loss", DataType::Float64),
        field("lr", DataType::Float64),
        field("rows", DataType::Int64),
        field("seconds", DataType::Float64),
    ])
}

/// The history, a row per epoch.
pub(super) fn metrics(model: &Model) -> Result<RecordBatch, Failure> {
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let history = &model.history;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            history
                .iter()
                .map(|record| Some(i64::from(record.epoch)))
                .collect::<Int64Array>(),
        ),
        Arc::new(
            history
                .iter()
                .map(|record| Some(whole(record.step)))
                .collect::<Int64Array>(),
        ),
        Arc::new(
            history
                .iter()
                .map(|record| Some(record.loss))
                .collect::<Float64Array>(),
        ),
        Arc::new(
            history
                .iter()
                .map(|record| Some(record.lr))
                .collect::<Float64Array>(),
        ),
        Arc::new(
            history
                .iter()
                .map(|record| Some(whole(record.rows)))
                .collect::<Int64Array>(),
        ),
        Arc::new(
            history
                .iter()
                .map(|record| Some(record.seconds))
                .collect::<Float64Array>(),
        ),
    ];
    RecordBatch::try_new(Arc::new(metrics_schema()), columns)
        .map_err(|error| Failure::internal(format!("the metrics cannot be written as Arrow: {error}")))
}

/// Columns DoPut takes, in the narrowest form; wider types are converted.
pub(super) fn rows_schema(shape: &Shape) -> Schema {
    let width = i32::try_from(shape.features).unwrap_or(i32::MAX);
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let label = match i32::try_from(shape.labels()) {
        Ok(1) => DataType::Float64,
        labels => {
            let item = Arc::new(Field::new("item", DataType::Float64, false));
            DataType::FixedSizeList(item, labels.unwrap_or(i32::MAX))
        }
    };
    Schema::new(vec![
        Field::new("features", DataType::FixedSizeList(item, width), false),
        Field::new("label", label, false),
        Field::new("weight", DataType::Float64, false),
    ])
}
