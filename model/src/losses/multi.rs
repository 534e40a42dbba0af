//! A weighted sum of losses, each over a range of the outputs and of the label.
//!
//! The mean of the sum is the sum of the means: a term's numerator is divided by what a row of it adds to the
//! denominator, so that all terms share one denominator, the sum of the rows' weights. Reduction "sum" divides by
//! nothing.

use super::error::LossError;
use super::loss::{Labels, Loss, Make, SliceRows, Sums, real};
use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::kernels::SimdLevel;
use crate::numbers::to_f32;
use candlewick_protocol::Failure;
use std::ops::Range;

/// A loss, its weight, and what it reads.
#[derive(Debug)]
struct Term {
    name: &'static str,
    loss: Box<dyn Loss>,
    weight: f64,
    /// Where in the outputs; everywhere if none.
    outputs: Option<Range<usize>>,
    /// Where in the label; everywhere if none.
    labels: Option<Range<usize>>,
}

#[derive(Debug)]
struct Multi {
    terms: Vec<Term>,
    /// Divide every term by its elements.
    means: bool,
}

/// Reads a range `[from, to]`.
fn range(arguments: &Arguments, name: &'static str) -> Result<Option<Range<usize>>, LossError> {
    if arguments.is_null(name) {
        return Ok(None);
    }
    let ends: Vec<usize> = arguments
        .ints(name)
        .into_iter()
        .filter_map(|end| usize::try_from(end).ok())
        .collect();
    match ends[..] {
        [from, to] if from < to => Ok(Some(from..to)),
        _ => Err(LossError::Argument {
            name,
            value: arguments.value(name).to_string(),
            expected: "[from, to] with from below to, for example [0, 2] for the first two",
        }),
    }
}

impl Term {
    /// Reads a loss or a LossTerm.
    fn read(document: &serde_json::Value, place: &str, make_loss: Make) -> Result<Self, LossError> {
        let read =
            |document, place: &str| Arguments::read(Kind::Loss, document, place).map_err(LossError::Document);
        let outer = read(document, place)?;
        if outer.name() != "LossTerm" {
            return Self::of(&outer, None, make_loss);
        }
        let inner = read(outer.value("loss"), &format!("{place}.loss"))?;
        Self::of(&inner, Some(&outer), make_loss)
    }

    fn of(arguments: &Arguments, outer: Option<&Arguments>, make_loss: Make) -> Result<Self, LossError> {
        let name = arguments.name();
        if arguments.text("reduction") == "sum" {
            let error = LossError::Misplaced(
                "has the reduction \"sum\" within a MultiLoss: leave it out there, and set the reduction of the \
                 MultiLoss, which goes for all its losses",
            );
            return Err(error.of(name));
        }
        let mut loss = make_loss(arguments).map_err(|error| error.of(name))?;
        loss.count_every_row().map_err(|error| error.of(name))?;
        let mut term = Term {
            name,
            loss,
            weight: 1.0,
            outputs: None,
            labels: None,
        };
        if let Some(outer) = outer {
            // Where names are known they have become ranges by now.
            for (name, range) in [("output", "outputs"), ("label", "labels")] {
                if !outer.is_null(name) && outer.is_null(range) {
                    let error =
                        LossError::Misplaced("names an output or a label, but here only numbers are known");
                    return Err(error.of("LossTerm"));
                }
            }
            term.weight = outer.real("weight");
            term.outputs = range(outer, "outputs").map_err(|error| error.of("LossTerm"))?;
            term.labels = range(outer, "labels").map_err(|error| error.of("LossTerm"))?;
        }
        Ok(term)
    }

    /// Which outputs it reads.
    fn outputs(&self, width: usize) -> Range<usize> {
        self.outputs.clone().unwrap_or(0..width)
    }

    /// Values that the whole label must have, or at least have where that is known to be a part; `None` where the
    /// loss reads none.
    fn labels(&self, width: usize) -> Result<Option<LabelWidth>, LossError> {
        let outputs = self.outputs(width);
        if outputs.end > width {
            return Err(LossError::Terms(format!(
                "has a {} over the outputs {} to {}, but the network ends in width {width}",
                self.name, outputs.start, outputs.end
            )));
        }
        let wanted = self.loss.labels(outputs.len()).map_err(|error| LossError::Term {
            name: self.name,
            error: Box::new(error),
        })?;
        let Some(count) = wanted.width() else {
            return Ok(None);
        };
        match &self.labels {
            None => Ok(Some(LabelWidth::Exactly(count))),
            Some(range) if range.len() == count => Ok(Some(LabelWidth::AtLeast(range.end))),
            Some(range) => Err(LossError::Terms(format!(
                "has a {} that reads {count} value(s) of the label for its {} output(s), but its labels are {} to {}, \
                 which is {} value(s): give the end of the network another width, or the loss other labels",
                self.name,
                outputs.len(),
                range.start,
                range.end,
                range.len()
            ))),
        }
    }
}

/// Values of the label that a term expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LabelWidth {
    Exactly(usize),
    AtLeast(usize),
}

/// The loss of complete arguments; `make_loss` makes those within it.
pub(super) fn make(arguments: &Arguments, make_loss: Make) -> Result<Box<dyn Loss>, LossError> {
    let documents = arguments.value("losses").as_array();
    let terms: Result<Vec<Term>, LossError> = documents
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(at, document)| Term::read(document, &format!("losses.{at}"), make_loss))
        .collect();
    Ok(Box::new(Multi {
        terms: terms.map_err(|error| LossError::Sum(Box::new(error)))?,
        means: arguments.text("reduction") != "sum",
    }))
}

/// A term stands in a sum only.
pub(super) fn lonely_term(_arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    Err(LossError::Misplaced(
        "is a part of a MultiLoss and no loss by itself: write MultiLoss with a list that has it",
    ))
}

/// The columns `range` of rows of `width`.
fn columns<'a, T: Copy>(
    values: &'a [T],
    width: usize,
    range: &'a Range<usize>,
) -> impl Iterator<Item = T> + 'a {
    values
        .chunks_exact(width.max(1))
        .flat_map(move |row| row[range.clone()].iter().copied())
}

impl Loss for Multi {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        let (mut exactly, mut least) = (None, 0);
        for term in &self.terms {
            match term.labels(width)? {
                Some(LabelWidth::Exactly(count)) => match exactly.replace((term.name, count)) {
                    Some((other, before)) if before != count => {
                        return Err(LossError::Terms(format!(
                            "has a {other} over a label of {before} value(s) and a {} over one of {count}; say with \
                             LossTerm which outputs and labels each reads",
                            term.name
                        )));
                    }
                    _ => {}
                },
                Some(LabelWidth::AtLeast(count)) => least = least.max(count),
                None => {}
            }
        }
        match exactly {
            Some((name, count)) if count < least => Err(LossError::Terms(format!(
                "reads label values up to {least}, but its {name} expects a label of {count} value(s); give it a LossTerm \
                 with labels"
            ))),
            Some((_, count)) => Ok(Labels::Values(count)),
            None if least > 0 => Ok(Labels::Values(least)),
            None => Ok(Labels::Unused),
        }
    }

    fn elements(&self, _width: usize) -> usize {
        1
    }

    fn count_every_row(&mut self) -> Result<(), LossError> {
        Err(LossError::Misplaced(
            "cannot stand within another MultiLoss: list its losses there",
        ))
    }

    fn slice(&self, level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let label_width = rows.labels.len() / rows.weights.len().max(1);
        let mut sums = Sums {
            loss: 0.0,
            denominator: rows.weights.iter().sum(),
        };
        rows.gradient.fill(0.0);
        for term in &self.terms {
            let range = term.outputs(width);
            let outputs: Vec<f32> = columns(rows.outputs, width, &range).collect();
            let whole = 0..label_width;
            let labels: Vec<f64> =
                columns(rows.labels, label_width, term.labels.as_ref().unwrap_or(&whole)).collect();
            let mut gradient = vec![0.0; outputs.len()];
            let part = SliceRows {
                outputs: &outputs,
                labels: &labels,
                weights: rows.weights,
                gradient: &mut gradient,
            };
            let term_sums = term.loss.slice(level, range.len(), part)?;
            let elements = if self.means {
                real(term.loss.elements(range.len()))
            } else {
                1.0
            };
            let factor = term.weight / elements;
            sums.loss += factor * term_sums.loss;
            let lines = rows
                .gradient
                .chunks_exact_mut(width)
                .zip(gradient.chunks_exact(range.len()));
            for (into, from) in lines {
                for (sum, slope) in into[range.clone()].iter_mut().zip(from) {
                    *sum += to_f32(factor * f64::from(*slope));
                }
            }
        }
        Ok(sums)
    }
}
