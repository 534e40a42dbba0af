//! What can be read: weights, metrics, the shape of the rows.

use super::state::Model;
use crate::chunk::Shape;
use arrow_array::builder::{Float32Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use candlewick_protocol::Failure;
use candlewick_protocol::message::{EpochRecord, MAX_FLIGHT_MESSAGE};
use serde_json::Value;
use std::collections::BTreeSet;
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

/// Columns of ticket "metrics": those of every training, and the metrics that were measured.
pub(super) fn metrics_schema(history: &[EpochRecord]) -> Schema {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    let mut fields = vec![
        field("epoch", DataType::Int64),
        field("step", DataType::Int64),
        field("loss", DataType::Float64),
        field("lr", DataType::Float64),
        field("rows", DataType::Int64),
        field("seconds", DataType::Float64),
    ];
    let measured = measured(history).into_iter();
    fields.extend(measured.map(|name| Field::new(name, DataType::Float64, true)));
    Schema::new(fields)
}

/// Names of what was measured of epochs, in order: the numbers among it. A matrix is in `status` alone, and so are the evaluations
/// within an epoch.
fn measured(history: &[EpochRecord]) -> BTreeSet<&str> {
    let all = history.iter().flat_map(|record| &record.metrics);
    let numbers = all.filter(|(_, value)| value.is_number() || value.is_null());
    numbers.map(|(name, _)| name.as_str()).collect()
}

/// The history, a row per epoch; null where a metric is not defined.
pub(super) fn metrics(history: &[EpochRecord]) -> Result<RecordBatch, Failure> {
    let whole = |of: fn(&EpochRecord) -> u64| -> ArrayRef {
        let values = history
            .iter()
            .map(|record| i64::try_from(of(record)).unwrap_or(i64::MAX));
        Arc::new(values.map(Some).collect::<Int64Array>())
    };
    let real = |of: &dyn Fn(&EpochRecord) -> Option<f64>| -> ArrayRef {
        Arc::new(history.iter().map(of).collect::<Float64Array>())
    };
    let mut columns = vec![
        whole(|record| u64::from(record.epoch)),
        whole(|record| record.step),
        real(&|record| Some(record.loss)),
        real(&|record| Some(record.lr)),
        whole(|record| record.rows),
        real(&|record| Some(record.seconds)),
    ];
    let measured = measured(history).into_iter();
    columns.extend(measured.map(|name| real(&|record| record.metrics.get(name).and_then(Value::as_f64))));
    RecordBatch::try_new(Arc::new(metrics_schema(history)), columns)
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    use serde_json::{from_value, json};

    #[test]
    fn what_was_measured_follows_what_every_training_tells() {
        let record = |epoch: u32, more: Value| -> EpochRecord {
            let mut record =
                json!({"epoch": epoch, "step": 4, "loss": 0.5, "lr": 0.1, "rows": 9, "seconds": 0.25});
            record
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            from_value(record).unwrap()
        };
        let history = [
            record(
                0,
                json!({"val_loss": 1.5, "accuracy": 1, "confusion_matrix": [[1]], "validations": []}),
            ),
            record(1, json!({"val_loss": 0.5, "accuracy": 0.75, "val_roc_auc": null})),
        ];
        let batch = metrics(&history).unwrap();
        let schema = batch.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let always = ["epoch", "step", "loss", "lr", "rows", "seconds"];
        assert_eq!(names[..6], always);
        assert_eq!(names[6..], ["accuracy", "val_loss", "val_roc_auc"]);
        let column =
            |name: &str| -> Vec<Option<f64>> { batch[name].as_primitive::<Float64Type>().iter().collect() };
        assert_eq!(column("accuracy"), [Some(1.0), Some(0.75)]);
        assert_eq!(column("val_loss"), [Some(1.5), Some(0.5)]);
        assert_eq!(column("val_roc_auc"), [None, None]);
        assert_eq!(metrics_schema(&[]).fields().len(), 6);
    }
}
