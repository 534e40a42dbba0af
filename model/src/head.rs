//! What the outputs of a network mean: raw predictions, probabilities, predictions.

use crate::network::{Network, Output, ValueRef};
use crate::resolve::{self, PROBABILITIES};
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;

/// How the outputs of a row are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// One logit per class, or its log-probability, which softmax returns as it is.
    ClassLogits {
        /// Number of classes.
        n: usize,
    },
    /// One logit for class 1 of two.
    BinaryLogit,
    /// The probability of class 1 of two.
    BinaryProbability,
    /// The predicted values themselves.
    Values {
        /// Number of values.
        width: usize,
    },
}

impl Head {
    /// The head for a label and a network. The end of the network tells logits from probabilities: a loss of one is
    /// refused after layers that give the other. A regressor has all outputs as its values, whose number is not that
    /// of the label where the loss reads several outputs for a value (such as mean and variance).
    ///
    /// ```
    /// use candlewick_model::{head::Head, network::Network};
    /// use candlewick_protocol::job::LabelKind;
    /// let layers = serde_json::json!([{"type": "Linear", "out_features": 1}]);
    /// let document = serde_json::json!({"format": "candlewick.network/1", "layers": layers});
    /// let network = Network::from_document(&document, &[4])?;
    /// let head = Head::of(&LabelKind::class(2), &network)?;
    /// let mut probabilities = [0.0; 2];
    /// head.probabilities(&[0.0], &mut probabilities);
    /// assert_eq!(probabilities, [0.5, 0.5]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` where the width does not fit the label.
    pub fn of(label: &LabelKind, network: &Network) -> Result<Self, Failure> {
        if let (LabelKind::Targets { .. }, [output]) = (label, network.outputs()) {
            return Self::of_output(label, network, output);
        }
        let ending = resolve::ending(network).map(|end| end.name);
        Self::of_width(label, network.output_width(), ending)
    }

    /// The head of one output of a network: that of a class where a loss over it says that its label is one.
    ///
    /// # Errors
    /// `InvalidParameter` where the width does not fit the label.
    pub fn of_output(label: &LabelKind, network: &Network, output: &Output) -> Result<Self, Failure> {
        let width = output.range.len();
        match label {
            LabelKind::Class { .. } => Self::of(label, network),
            LabelKind::Real { .. } => Ok(Head::Values { width }),
            LabelKind::Targets { targets, .. } => {
                let found = targets.iter().find_map(|target| {
                    let [first, end] = target.outputs.map(|place| place as usize);
                    target.num_classes.filter(|_| output.range == (first..end))
                });
                match found {
                    Some(classes) => {
                        let ending = Self::value_of(network, output)
                            .and_then(|value| resolve::ending_of(network, value))
                            .map(|end| end.name);
                        Self::of_width(&LabelKind::class(classes), width, ending)
                    }
                    None => Ok(Head::Values { width }),
                }
            }
        }
    }

    /// What an output is read from.
    fn value_of(network: &Network, output: &Output) -> Option<ValueRef> {
        let mut values = network.outputs().iter().zip(network.output_values());
        values.find(|(known, _)| *known == output).map(|(_, value)| value)
    }

    fn of_width(label: &LabelKind, output_width: usize, ending: Option<&str>) -> Result<Self, Failure> {
        match *label {
            LabelKind::Class { num_classes: 2, .. }
                if output_width == 1 && ending.is_some_and(|name| PROBABILITIES.contains(&name)) =>
            {
                Ok(Head::BinaryProbability)
            }
            LabelKind::Class { num_classes: 2, .. } if output_width == 1 => Ok(Head::BinaryLogit),
            LabelKind::Class { num_classes, .. }
                if num_classes as usize == output_width && output_width > 1 =>
            {
                Ok(Head::ClassLogits { n: output_width })
            }
            LabelKind::Class { num_classes, .. } => Err(Failure::parameter(format!(
                "the network ends in width {output_width}, but there are {num_classes} classes"
            ))),
            LabelKind::Real { .. } | LabelKind::Targets { .. } => Ok(Head::Values { width: output_width }),
        }
    }

    /// Outputs of the network in a row.
    #[must_use]
    pub fn output_width(&self) -> usize {
        match *self {
            Head::ClassLogits { n } => n,
            Head::BinaryLogit | Head::BinaryProbability => 1,
            Head::Values { width } => width,
        }
    }

    /// Values of a row's raw prediction, and of its probabilities: the number of classes, or of values.
    #[must_use]
    pub fn width(&self) -> usize {
        match *self {
            Head::ClassLogits { n } => n,
            Head::BinaryLogit | Head::BinaryProbability => 2,
            Head::Values { width } => width,
        }
    }

    /// Raw predictions of one or more rows of outputs: the logits or log-probabilities, `[-z, z]` for a single logit,
    /// `[1 - p, p]` for a probability, or the values.
    ///
    /// Two logits are given less their mean, `[(a - b) / 2, (b - a) / 2]`: evaluators rank the rows of two classes by
    /// the second number alone, and a logit alone does not say how likely its class is. So ranked, rows are in the
    /// order of their probabilities, and in that of their logits where f64 rounds probabilities to the same number.
    pub fn raw_predictions(&self, outputs: &[f32], out: &mut [f64]) {
        let other = match self {
            Head::BinaryLogit => |z: f64| -z,
            Head::BinaryProbability => |p: f64| 1.0 - p,
            Head::ClassLogits { n: 2 } => {
                for (logits, pair) in outputs.chunks_exact(2).zip(out.chunks_exact_mut(2)) {
                    let (a, b) = (f64::from(logits[0]), f64::from(logits[1]));
                    pair.copy_from_slice(&[(a - b) / 2.0, (b - a) / 2.0]);
                }
                return;
            }
            Head::ClassLogits { .. } | Head::Values { .. } => return widen(outputs, out),
        };
        for (z, pair) in outputs.iter().zip(out.chunks_exact_mut(2)) {
            let z = f64::from(*z);
            pair.copy_from_slice(&[other(z), z]);
        }
    }

    /// Probabilities of the classes for one or more rows of outputs; the values themselves for [`Head::Values`].
    /// Computed in f64, row by row.
    pub fn probabilities(&self, outputs: &[f32], out: &mut [f64]) {
        match *self {
            Head::Values { .. } | Head::BinaryProbability => self.raw_predictions(outputs, out),
            Head::BinaryLogit => {
                self.raw_predictions(outputs, out);
                for pair in out.chunks_exact_mut(2) {
                    // exp of a negative number only: neither side loses its digits.
                    let small = libm::exp(-pair[1].abs());
                    let (likely, unlikely) = (1.0 / (1.0 + small), small / (1.0 + small));
                    let positive = pair[1] >= 0.0;
                    pair.copy_from_slice(&if positive {
                        [unlikely, likely]
                    } else {
                        [likely, unlikely]
                    });
                }
            }
            Head::ClassLogits { n } => {
                // Not the raw predictions: a log-probability may be minus infinity, and so have no mean.
                widen(outputs, out);
                out.chunks_exact_mut(n).for_each(softmax);
            }
        }
    }

    /// The predicted class of one row of outputs, where they tell it without their probabilities: [`Head::prediction`] of those, without
    /// thresholds, is the same. `None` where two are so close that rounding may decide, and for heads that have none.
    ///
    /// ```
    /// use candlewick_model::head::Head;
    /// let head = Head::ClassLogits { n: 3 };
    /// assert_eq!(head.clear_class(&[0.5, 2.0, -1.0]), Some(1.0));
    /// assert_eq!(head.clear_class(&[2.0, 2.0, -1.0]), None);
    /// ```
    #[must_use]
    pub fn clear_class(&self, outputs: &[f32]) -> Option<f64> {
        // Far above what exp and the division round, far below what tells classes apart.
        const CLEAR: f64 = 1e-6;
        let (mut best, mut first, mut second) = (0u32, f32::NEG_INFINITY, f32::NEG_INFINITY);
        match self {
            Head::ClassLogits { .. } => {
                for (class, value) in (0..).zip(outputs) {
                    if *value > first {
                        (best, second, first) = (class, first, *value);
                    } else if *value > second {
                        second = *value;
                    } else if value.is_nan() {
                        return None;
                    }
                }
            }
            Head::BinaryLogit => {
                let logit = *outputs.first()?;
                (best, first, second) = (u32::from(logit > 0.0), logit.abs(), -logit.abs());
            }
            Head::BinaryProbability | Head::Values { .. } => return None,
        }
        let clear = first.is_finite() && f64::from(first) - f64::from(second) > CLEAR;
        clear.then_some(f64::from(best))
    }

    /// The predicted class of one row's probabilities: the first largest, or the first largest of probability /
    /// threshold as Spark ML does it; for [`Head::Values`] the first value.
    #[must_use]
    pub fn prediction(&self, probabilities: &[f64], thresholds: Option<&[f64]>) -> f64 {
        if let Head::Values { .. } = self {
            return probabilities.first().copied().unwrap_or(f64::NAN);
        }
        let mut best = (0, f64::NEG_INFINITY);
        for (class, probability) in probabilities.iter().enumerate() {
            // A threshold of 0 yields infinity, or NaN for a probability of 0, which is never the largest.
            let scaled = match thresholds.and_then(|thresholds| thresholds.get(class)) {
                Some(threshold) => probability / threshold,
                None => *probability,
            };
            if scaled > best.1 {
                best = (class, scaled);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "classes are far below 2^53")]
        let class = best.0 as f64;
        class
    }
}

fn widen(outputs: &[f32], out: &mut [f64]) {
    out.iter_mut()
        .zip(outputs)
        .for_each(|(value, z)| *value = f64::from(*z));
}

fn softmax(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for value in row.iter_mut() {
        *value = libm::exp(*value - largest);
        total += *value;
    }
    row.iter_mut().for_each(|value| *value /= total);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::{Key, uniform};

    #[test]
    fn heads_follow_label_and_width() {
        let class = |num_classes| LabelKind::class(num_classes);
        let of = |label: &LabelKind, width| Head::of_width(label, width, Some("Linear"));
        assert_eq!(of(&class(2), 1), Ok(Head::BinaryLogit));
        assert_eq!(of(&class(2), 2), Ok(Head::ClassLogits { n: 2 }));
        assert!(of(&class(3), 2).is_err());
        assert!(of(&class(1), 1).is_err());
        for (label, outputs) in [(3, 3), (1, 3)] {
            let values = Head::Values { width: outputs };
            assert_eq!(of(&LabelKind::Real { width: label }, outputs), Ok(values));
        }
        for ending in PROBABILITIES {
            let head = Head::of_width(&class(2), 1, Some(ending));
            assert_eq!(head, Ok(Head::BinaryProbability));
        }
        assert_eq!(
            Head::of_width(&class(2), 2, Some("Sigmoid")),
            Ok(Head::ClassLogits { n: 2 })
        );
    }

    #[test]
    fn probabilities_that_the_network_gives() {
        let mut out = [0.0; 4];
        Head::BinaryProbability.probabilities(&[0.25, 1.0], &mut out);
        assert_eq!(out, [0.75, 0.25, 0.0, 1.0]);
        Head::BinaryProbability.raw_predictions(&[0.5, 0.75], &mut out);
        assert_eq!(out, [0.5, 0.5, 0.25, 0.75]);
        // Log-probabilities come back.
        let logs = [0.2f32.ln(), 0.8f32.ln()];
        Head::ClassLogits { n: 2 }.probabilities(&logs, &mut out[..2]);
        assert!((out[0] - 0.2).abs() < 1e-7 && (out[1] - 0.8).abs() < 1e-7);
    }

    #[test]
    fn a_clear_class_is_that_of_the_probabilities() {
        let mut values = [0.0f32; 4];
        let (mut clear, mut rows) = (0, 0);
        for step in 0..20u64 {
            for scale in [1e-30f32, 1e-7, 1e-6, 1e-3, 1.0, 60.0, 1e4] {
                uniform(Key::new(step, "clear"), scale, &mut values);
                values[3] = if step % 3 == 0 { values[1] } else { values[3] + 0.5 };
                for head in [Head::ClassLogits { n: 4 }, Head::BinaryLogit] {
                    let outputs = &values[..head.output_width()];
                    let mut probabilities = vec![0.0; head.width()];
                    head.probabilities(outputs, &mut probabilities);
                    rows += 1;
                    if let Some(class) = head.clear_class(outputs) {
                        clear += 1;
                        assert_eq!(
                            class,
                            head.prediction(&probabilities, None),
                            "{head:?}: {outputs:?}"
                        );
                    }
                }
            }
        }
        assert!(clear > rows / 2 && clear < rows, "{clear} of {rows}");
        let head = Head::ClassLogits { n: 3 };
        for odd in [f32::NAN, f32::INFINITY] {
            for at in 0..3 {
                let mut outputs = [0.5, -1.0, 2.0];
                outputs[at] = odd;
                assert_eq!(head.clear_class(&outputs), None, "{outputs:?}");
            }
        }
        assert_eq!(head.clear_class(&[f32::NEG_INFINITY, 0.0, -1.0]), Some(1.0));
        assert_eq!(Head::BinaryProbability.clear_class(&[0.9]), None);
    }

    #[test]
    fn probabilities_of_many_rows() {
        let mut out = [0.0; 4];
        Head::ClassLogits { n: 2 }.probabilities(&[0.0, 0.0, 1000.0, 0.0], &mut out);
        assert_eq!(out, [0.5, 0.5, 1.0, 0.0]);
        Head::BinaryLogit.probabilities(&[-40.0, 40.0], &mut out);
        assert!(
            out[1] > 0.0 && out[1] < 1e-17 && out[2] > 0.0 && (out[0] - 1.0).abs() < 1e-15,
            "{out:?}"
        );
        Head::BinaryLogit.raw_predictions(&[3.0, -1.0], &mut out);
        assert_eq!(out, [-3.0, 3.0, 1.0, -1.0]);
    }

    /// What an evaluator of two classes sees: one number, which must rank rows as their probabilities do.
    #[test]
    fn two_logits_rank_as_their_probabilities() {
        let head = Head::ClassLogits { n: 2 };
        let (mut raw, mut probabilities) = ([0.0; 2], [0.0; 2]);
        head.raw_predictions(&[1.0, 4.0], &mut raw);
        assert_eq!(raw, [-1.5, 1.5]);
        let mut seed = 1u64;
        let mut random = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            #[expect(clippy::cast_precision_loss, reason = "24 bits are exact")]
            let unit = (seed >> 40) as f32 / 16_777_216.0;
            unit * 2.0 - 1.0
        };
        // Of every size: nearly equal logits, usual ones, and such that the probabilities round to 0 and 1.
        let mut rows = Vec::new();
        for scale in [1e-20f32, 1e-8, 1e-3, 1.0, 30.0, 1e3] {
            for _ in 0..5000 {
                let logits = [random() * scale + random(), random() * scale];
                head.raw_predictions(&logits, &mut raw);
                head.probabilities(&logits, &mut probabilities);
                assert_eq!(raw[0], -raw[1]);
                rows.push((raw[1], probabilities[1]));
            }
        }
        rows.sort_by(|left, right| left.0.total_cmp(&right.0));
        for pair in rows.windows(2) {
            let ((low, unlikely), (high, likely)) = (pair[0], pair[1]);
            assert!(unlikely <= likely, "{low} {unlikely} before {high} {likely}");
            assert!(
                low < high || unlikely == likely,
                "equal {low}: {unlikely} and {likely}"
            );
        }
        // Log-probabilities of certainty.
        head.raw_predictions(&[f32::NEG_INFINITY, 0.0], &mut raw);
        head.probabilities(&[f32::NEG_INFINITY, 0.0], &mut probabilities);
        assert_eq!((raw[1], probabilities), (f64::INFINITY, [0.0, 1.0]));
    }

    #[test]
    fn thresholds_as_in_spark() {
        let head = Head::ClassLogits { n: 3 };
        assert_eq!(head.prediction(&[0.2, 0.5, 0.3], None), 1.0);
        assert_eq!(head.prediction(&[0.2, 0.5, 0.3], Some(&[0.1, 0.5, 0.5])), 0.0);
        assert_eq!(head.prediction(&[0.2, 0.5, 0.3], Some(&[1.0, 1.0, 0.0])), 2.0);
        assert_eq!(head.prediction(&[0.5, 0.5, 0.0], Some(&[1.0, 1.0, 0.0])), 0.0);
        assert_eq!(Head::Values { width: 1 }.prediction(&[7.5], None), 7.5);
    }
}
