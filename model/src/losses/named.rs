//! Outputs of the network and label columns by their names: a loss document that names them becomes one of ranges here,
//! before the loss is made. Whoever computes knows ranges and no name.

use super::loss::Labels;
use super::{make_loss, targets};
use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::network::Output;
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelColumn;
use candlewick_protocol::suggest;
use candlewick_protocol::value::excerpt;
use serde_json::{Value, json};
use std::ops::Range;

/// What a loss may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    /// Outputs of the network.
    pub outputs: &'a [Output],
    /// The label columns of a NeuralEstimator; none where an estimator has one label without a name.
    pub labels: Option<&'a [LabelColumn]>,
}

/// The loss with ranges for names; other documents come back as they are. What is no legal loss is refused by whoever reads
/// it.
///
/// # Errors
/// `InvalidParameter` where a name is unknown, or named things do not stand side by side; of a NeuralEstimator also where
/// it is not said which loss is for what.
pub(crate) fn ranges(document: &Value, names: Names<'_>) -> Result<Value, Failure> {
    let mut document = document.clone();
    if names.labels.is_some() && document["type"] == "LossTerm" {
        document = json!({"type": "MultiLoss", "losses": [document]});
    }
    if document["type"] == "MultiLoss" {
        let terms = document.get_mut("losses").and_then(Value::as_array_mut);
        for (at, term) in terms.into_iter().flatten().enumerate() {
            if term["type"] == "LossTerm" {
                names.term(term, &format!("loss: losses.{at} (LossTerm)"))?;
            }
        }
    } else if names.labels.is_some()
        && let [_, _, ..] = names.outputs
    {
        let first = names.outputs.first().map_or("", |output| &output.name);
        return Err(Failure::parameter(format!(
            "loss: the network has the outputs {}, and it is not said which of them the loss is for: give it by name, in \
             Python loss={{\"{first}\": ...}}, in Scala setLoss(\"{first}\" -> ...); an output without a loss can be a \
             column all the same",
            names.output_names()
        )));
    }
    Ok(document)
}

/// Refuses label columns that nothing reads.
///
/// # Errors
/// `InvalidParameter` naming the column.
pub(crate) fn all_are_read(document: &Value, names: Names<'_>, width: usize) -> Result<(), Failure> {
    let Some(columns) = names.labels else {
        return Ok(());
    };
    let whole = columns.iter().map(|column| column.width as usize).sum();
    let read = targets::label_ranges(document, width, whole)?;
    if columns.is_empty() && !read.is_empty() {
        return Err(Failure::parameter(
            "loss: it reads a label, but there is no label column: set labelCol or labelCols",
        ));
    }
    let mut start = 0;
    for column in columns {
        let end = start + column.width as usize;
        if !read.iter().any(|range| range.start < end && start < range.end) {
            let name = &column.name;
            return Err(Failure::parameter(format!(
                "no loss reads the label column '{name}': name it as the label of a loss, or leave it out of the label \
                 columns (labelCol=\"\" where a loss reads no label at all)"
            )));
        }
        start = end;
    }
    Ok(())
}

impl Names<'_> {
    fn output_names(&self) -> String {
        let names: Vec<&str> = self.outputs.iter().map(|output| output.name.as_str()).collect();
        names.join(", ")
    }

    /// Puts ranges into a term.
    fn term(&self, term: &mut Value, place: &str) -> Result<(), Failure> {
        let said = texts(term.get("output"));
        if let Some(names) = &said {
            let range = self.outputs_range(names, place)?;
            set_range(term, ("output", "outputs"), range, place)?;
        }
        if let Some(names) = texts(term.get("label")) {
            let range = self.labels_range(&names, place)?;
            set_range(term, ("label", "labels"), range, place)?;
        } else if let (Some(outputs), Some(labels)) = (&said, self.labels)
            && term.get("labels").is_none_or(Value::is_null)
            && reads_label(term)
        {
            let range = default_label(outputs, labels, place)?;
            term["labels"] = json!([range.start, range.end]);
        }
        Ok(())
    }

    fn outputs_range(&self, names: &[String], place: &str) -> Result<Range<usize>, Failure> {
        if let [only] = self.outputs
            && only.name.is_empty()
        {
            return Err(Failure::parameter(format!(
                "{place}: names the output {:?}, but the one output of this network has no name: leave output out, or give \
                 its outputs names with nn.Graph",
                names.join(", ")
            )));
        }
        let find = |name: &String| {
            let found = self.outputs.iter().find(|output| output.name == *name);
            found.map(|output| output.range.clone()).ok_or_else(|| {
                let known = self.outputs.iter().map(|output| output.name.as_str());
                Failure::parameter(format!(
                    "{place}: the network has no output {name:?}; its outputs are {}{}",
                    self.output_names(),
                    suggest::hint(name, known)
                ))
            })
        };
        let ranges = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        joined(&ranges).ok_or_else(|| {
            Failure::parameter(format!(
                "{place}: the outputs {} do not stand one after another: the order of the network's outputs is {}; name \
                 them in the order that the loss reads them when the network is made",
                names.join(", "),
                self.output_names()
            ))
        })
    }

    fn labels_range(&self, names: &[String], place: &str) -> Result<Range<usize>, Failure> {
        let Some(columns) = self.labels else {
            return Err(Failure::parameter(format!(
                "{place}: names the label {:?}, but this estimator has one label without parts by name: say by \
                 labels=[from, to] which of its values, or use a NeuralEstimator, which has labelCols",
                names.join(", ")
            )));
        };
        let find = |name: &String| {
            place_of(columns, name).ok_or_else(|| {
                let known = columns.iter().map(|column| column.name.as_str());
                Failure::parameter(format!(
                    "{place}: there is no label column '{name}'; the label columns are {}{}",
                    column_names(columns),
                    suggest::hint(name, known)
                ))
            })
        };
        let ranges = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        joined(&ranges).ok_or_else(|| {
            Failure::parameter(format!(
                "{place}: the label columns {} do not stand one after another: their order is {}; order labelCols as the \
                 loss reads them",
                names.join(", "),
                column_names(columns)
            ))
        })
    }
}

/// The column that a loss of these outputs reads where it says none: that of the output's name, or the only one.
fn default_label(outputs: &[String], columns: &[LabelColumn], place: &str) -> Result<Range<usize>, Failure> {
    let same = match outputs {
        [output] => place_of(columns, output),
        _ => None,
    };
    match (same, columns) {
        (Some(range), _) => Ok(range),
        (None, [only]) => Ok(0..only.width as usize),
        (None, []) => Err(Failure::parameter(format!(
            "{place}: its loss reads a label, but there is no label column: set labelCol or labelCols"
        ))),
        (None, _) => Err(Failure::parameter(format!(
            "{place}: it is not said which label column the loss of {} reads, and none has that name: name one of {} as \
             its label, in Python nn.LossTerm(..., label=\"{}\")",
            outputs.join(", "),
            column_names(columns),
            columns.first().map_or("", |column| &column.name)
        ))),
    }
}

fn column_names(columns: &[LabelColumn]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.join(", ")
}

/// Where in the label the values of a column stand.
fn place_of(columns: &[LabelColumn], name: &str) -> Option<Range<usize>> {
    let at = columns.iter().position(|column| column.name == name)?;
    let start = columns[..at].iter().map(|column| column.width as usize).sum();
    Some(start..start + columns[at].width as usize)
}

/// One range of several that follow each other.
fn joined(ranges: &[Range<usize>]) -> Option<Range<usize>> {
    let follows = ranges.windows(2).all(|pair| pair[0].end == pair[1].start);
    let (first, last) = (ranges.first()?, ranges.last()?);
    follows.then_some(first.start..last.end)
}

/// Sets what a name stands for; a range that was given too has to be the same.
fn set_range(
    term: &mut Value,
    (name, by_number): (&str, &str),
    range: Range<usize>,
    place: &str,
) -> Result<(), Failure> {
    let found = json!([range.start, range.end]);
    let given = term.get(by_number).filter(|given| !given.is_null());
    if let Some(given) = given.filter(|given| **given != found) {
        return Err(Failure::parameter(format!(
            "{place}: {name} = {} stands for {by_number} = {found}, but {by_number} = {} is given too: leave one of them out",
            excerpt(&term[name]),
            excerpt(given)
        )));
    }
    term[by_number] = found;
    Ok(())
}

/// A name, or names; none where there is nothing, or no text.
fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(name) => Some(vec![name.clone()]),
        Value::Array(names) if !names.is_empty() => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

/// Whether the loss of a term reads a label; also where that cannot be known yet.
fn reads_label(term: &Value) -> bool {
    let made = Arguments::read(Kind::Loss, &term["loss"], "loss")
        .ok()
        .and_then(|arguments| make_loss(&arguments).ok());
    // Three vectors, the one loss that reads none needs a multiple of 3.
    made.is_none_or(|loss| loss.labels(3) != Ok(Labels::Unused))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(name: &str, range: Range<usize>) -> Output {
        Output {
            name: name.to_owned(),
            shape: vec![range.len()],
            range,
        }
    }

    fn columns(all: &[(&str, u32)]) -> Vec<LabelColumn> {
        let column = |(name, width): &(&str, u32)| LabelColumn {
            name: (*name).to_owned(),
            width: *width,
        };
        all.iter().map(column).collect()
    }

    fn asked(terms: &Value, labels: Option<&[(&str, u32)]>) -> Result<Value, String> {
        let outputs = [
            output("digit", 0..10),
            output("mean", 10..12),
            output("width", 12..13),
        ];
        let labels = labels.map(columns);
        let names = Names {
            outputs: &outputs,
            labels: labels.as_deref(),
        };
        let document = if terms.is_array() {
            json!({"type": "MultiLoss", "losses": terms})
        } else {
            terms.clone()
        };
        ranges(&document, names)
            .and_then(|made| all_are_read(&made, names, 13).map(|()| made))
            .map_err(|failure| failure.message)
    }

    fn term(loss: &str, more: Value) -> Value {
        let mut term = json!({"type": "LossTerm", "loss": {"type": loss}});
        for (name, value) in more.as_object().unwrap() {
            term[name] = value.clone();
        }
        term
    }

    const LABELS: &[(&str, u32)] = &[("digit", 1), ("w", 1), ("h", 2)];

    #[test]
    fn names_stand_for_ranges() {
        let terms = json!([
            term("CrossEntropyLoss", json!({"output": "digit"})),
            term(
                "MSELoss",
                json!({"output": ["mean", "width"], "label": ["w", "h"]})
            ),
            term("L1Loss", json!({"outputs": [12, 13], "labels": [1, 2]})),
        ]);
        let made = asked(&terms, Some(LABELS)).unwrap();
        let of = |at: usize| {
            (
                made["losses"][at]["outputs"].clone(),
                made["losses"][at]["labels"].clone(),
            )
        };
        assert_eq!(
            of(0),
            (json!([0, 10]), json!([0, 1])),
            "the column of the output's name"
        );
        assert_eq!(of(1), (json!([10, 13]), json!([1, 4])));
        assert_eq!(of(2), (json!([12, 13]), json!([1, 2])));
        // What came out goes in again.
        assert_eq!(asked(&made, Some(LABELS)).unwrap(), made);
        // Elsewhere outputs have names too, but the label has none.
        let alone = json!([term("MSELoss", json!({"output": "width", "labels": [0, 1]}))]);
        assert_eq!(
            asked(&alone, None).unwrap()["losses"][0]["outputs"],
            json!([12, 13])
        );
        // A term alone is a sum of one, and the only column is meant.
        let one = asked(&term("MSELoss", json!({"output": "mean"})), Some(&[("x", 2)])).unwrap();
        assert_eq!(
            (&one["type"], &one["losses"][0]["labels"]),
            (&json!("MultiLoss"), &json!([0, 2]))
        );
        // A loss without a label wants none.
        let triplet = term("TripletMarginLoss", json!({"outputs": [0, 9]}));
        assert!(asked(&triplet, Some(&[])).is_ok());
    }

    #[test]
    fn what_is_not_there_is_told() {
        let told = |terms: Value, labels| asked(&terms, labels).unwrap_err();
        let near = told(json!([term("MSELoss", json!({"output": "widht"}))]), Some(LABELS));
        assert_eq!(
            near,
            "loss: losses.0 (LossTerm): the network has no output \"widht\"; its outputs are digit, mean, width; did you \
             mean 'width'?"
        );
        let label = told(
            json!([term("MSELoss", json!({"output": "width", "label": "hh"}))]),
            Some(&[("height", 1), ("w", 1)]),
        );
        assert!(
            label.contains("no label column 'hh'; the label columns are height, w"),
            "{label}"
        );
        let apart = told(
            json!([term("MSELoss", json!({"output": ["digit", "width"]}))]),
            Some(LABELS),
        );
        assert!(
            apart.contains("the outputs digit, width do not stand one after another"),
            "{apart}"
        );
        let apart = told(
            json!([term(
                "MSELoss",
                json!({"output": "mean", "label": ["digit", "h"]})
            )]),
            Some(LABELS),
        );
        assert!(
            apart.contains("columns digit, h do not stand one after another"),
            "{apart}"
        );
        let both = told(
            json!([term("MSELoss", json!({"output": "width", "outputs": [0, 1]}))]),
            Some(LABELS),
        );
        assert!(
            both.contains("stands for outputs = [12,13], but outputs = [0,1] is given too"),
            "{both}"
        );
    }

    #[test]
    fn what_is_not_said_is_asked_for() {
        let told = |terms: Value, labels| asked(&terms, labels).unwrap_err();
        let unsaid = told(json!([term("MSELoss", json!({"output": "width"}))]), Some(LABELS));
        assert!(
            unsaid.contains("name one of digit, w, h as its label"),
            "{unsaid}"
        );
        let unread = told(
            json!([term("MSELoss", json!({"output": "width", "label": "w"}))]),
            Some(LABELS),
        );
        assert!(
            unread.contains("no loss reads the label column 'digit'"),
            "{unread}"
        );
        let none = told(json!([term("MSELoss", json!({"output": "width"}))]), Some(&[]));
        assert!(none.contains("there is no label column: set labelCol"), "{none}");
        let which = told(json!({"type": "MSELoss"}), Some(LABELS));
        assert!(
            which.contains("the outputs digit, mean, width") && which.contains("loss={\"digit\": ...}"),
            "{which}"
        );
        let elsewhere = told(
            json!([term("MSELoss", json!({"output": "width", "label": "w"}))]),
            None,
        );
        assert!(
            elsewhere.contains("use a NeuralEstimator, which has labelCols"),
            "{elsewhere}"
        );
    }
}
