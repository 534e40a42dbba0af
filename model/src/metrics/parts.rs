//! What each output adds to a loss that is a sum over named outputs.

use super::rows::Rows;
use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::kernels::SimdLevel;
use crate::losses::{self, Criterion, SliceRows};
use candlewick_protocol::Failure;
use serde_json::{Value, json};

/// The parts of a loss, by the outputs that its terms name.
#[derive(Debug)]
pub(super) struct Parts {
    /// The complete loss.
    document: Value,
    /// The name in the history, and the sum of the terms over the output.
    parts: Vec<(String, Criterion)>,
}

/// Equal where the losses are.
impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl Parts {
    /// Those of a complete loss; none where it is not made of several terms, or none of them names its output.
    ///
    /// # Errors
    /// As making the loss.
    pub(super) fn of(loss: &Value) -> Result<Option<Self>, Failure> {
        let terms = loss["losses"].as_array().map_or(&[][..], Vec::as_slice);
        let mut by_output: Vec<(String, Vec<Value>)> = Vec::new();
        for term in terms.iter().filter(|_| terms.len() > 1) {
            let Some(name) = output_of(term) else { continue };
            match by_output.iter_mut().find(|(known, _)| *known == name) {
                Some((_, own)) => own.push(term.clone()),
                None => by_output.push((name, vec![term.clone()])),
            }
        }
        let made = by_output.into_iter().map(|(name, own)| {
            let mut part = loss.clone();
            part["losses"] = json!(own);
            let arguments = Arguments::read(Kind::Loss, &part, "loss")?;
            Ok((format!("loss_{name}"), losses::make(&arguments)?))
        });
        let parts = made.collect::<Result<Vec<_>, Failure>>()?;
        let document = loss.clone();
        Ok((!parts.is_empty()).then_some(Parts { document, parts }))
    }

    /// Names in the history.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(name, _)| name.as_str())
    }

    /// Numbers of a tally.
    pub(super) fn width(&self) -> usize {
        self.parts.len()
    }

    /// Appends the weighted sum of each part over some rows.
    pub(super) fn tally(&self, rows: &Rows<'_>, sums: &mut Vec<f64>) {
        let width = rows.outputs.len() / rows.weights.len().max(1);
        let mut gradient = vec![0.0; rows.outputs.len()];
        for (_, criterion) in &self.parts {
            let slice = SliceRows {
                outputs: rows.outputs,
                labels: rows.labels,
                weights: rows.weights,
                gradient: &mut gradient,
            };
            // Rows that the whole loss does not take have ended the step before.
            let part = criterion.slice(SimdLevel::detect(), width, slice);
            sums.push(part.map_or(f64::NAN, |part| part.loss));
        }
    }
}

/// The name of the output of a term; of several, all of them.
fn output_of(term: &Value) -> Option<String> {
    match &term["output"] {
        Value::String(name) => Some(name.clone()),
        Value::Array(names) => {
            let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
            names.map(|names| names.join("_"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::MetricSet;
    use crate::head::Head;
    use crate::metrics::Rows;
    use serde_json::json;

    #[test]
    fn parts_add_up_to_the_loss() {
        let loss = json!({"type": "MultiLoss", "losses": [
            {"type": "LossTerm", "loss": {"type": "MSELoss"}, "weight": 0.5, "output": "a", "outputs": [0, 2], "labels": [0, 2]},
            {"type": "LossTerm", "loss": {"type": "L1Loss"}, "weight": 2.0, "output": "b", "outputs": [2, 3], "labels": [2, 3]},
            {"type": "LossTerm", "loss": {"type": "L1Loss"}, "output": "a", "outputs": [0, 2], "labels": [0, 2]}]});
        let set = MetricSet::new(&[], Head::Values { width: 3 }, None).unwrap();
        assert!(set.is_empty());
        let set = set.with_parts(&loss).unwrap();
        assert!(!set.is_empty());
        assert_eq!(set.names().collect::<Vec<_>>(), ["loss_a", "loss_b"]);
        let rows = |outputs, labels, weights| {
            set.tally(&Rows {
                outputs,
                labels,
                weights,
            })
        };
        let mut sums = rows(&[1.0, 3.0, 5.0], &[0.0, 1.0, 2.0], &[2.0]);
        set.merge(&mut sums, &rows(&[0.0, 0.0, 1.0], &[0.0, 0.0, 2.0], &[1.0]));
        let values = set.values(&sums, &[]);
        // Of the first row 0.5 * (1 + 4) / 2 + (1 + 2) / 2 = 2.75 and 2 * 3 = 6, of the second 0 and 2.
        assert_eq!(values["loss_a"], (2.0 * 2.75) / 3.0);
        assert_eq!(values["loss_b"], (2.0 * 6.0 + 2.0) / 3.0);
        assert_eq!(set.of_training().names().count(), 2);
        let one = json!({"type": "MultiLoss", "losses": [loss["losses"][0]]});
        let alone = MetricSet::new(&[], Head::Values { width: 3 }, None).unwrap();
        assert!(
            alone.with_parts(&one).unwrap().is_empty(),
            "it is the loss itself"
        );
    }
}
