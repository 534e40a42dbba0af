//! What the outputs of a network mean: raw predictions, probabilities, predictions.

use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;

/// How the outputs of a row are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// One logit per class.
    ClassLogits {
        /// Number of classes.
        n: usize,
    },
    /// One logit for class 1 of two.
    BinaryLogit,
    /// The predicted values themselves.
    Values {
        /// Number of values.
        width: usize,
    },
}

impl Head {
    /// The head for a label and the network's output width.
    ///
    /// ```
    /// use candlewick_model::head::Head;
    /// use candlewick_protocol::job::LabelKind;
    /// let head = Head::of(&LabelKind::Class { num_classes: 2 }, 1)?;
    /// let mut probabilities = [0.0; 2];
    /// head.probabilities(&[0.0], &mut probabilities);
    /// assert_eq!(probabilities, [0.5, 0.5]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` where the width does not fit the label.
    pub fn of(label: &LabelKind, output_width: usize) -> Result<Self, Failure> {
        match *label {
            LabelKind::Class { num_classes: 2 } if output_width == 1 => Ok(Head::BinaryLogit),
            LabelKind::Class { num_classes } if num_classes as usize == output_width && output_width > 1 => {
                Ok(Head::ClassLogits { n: output_width })
            }
            LabelKind::Class { num_classes } => Err(Failure::parameter(format!(
                "the network ends in width {output_width}, but there are {num_classes} classes"
            ))),
            LabelKind::Real { width } if width as usize == output_width => {
                Ok(Head::Values { width: output_width })
            }
            LabelKind::Real { width } => Err(Failure::parameter(format!(
                "the network ends in width {output_width}, but the label has {width} value(s)"
            ))),
        }
    }

    /// Outputs of the network in a row.
    #[must_use]
    pub fn output_width(&self) -> usize {
        match *self {
            Head::ClassLogits { n } => n,
            Head::BinaryLogit => 1,
            Head::Values { width } => width,
        }
    }

    /// Values of a row's raw prediction, and of its probabilities: the number of classes, or of values.
    #[must_use]
    pub fn width(&self) -> usize {
        match *self {
            Head::ClassLogits { n } => n,
            Head::BinaryLogit => 2,
            Head::Values { width } => width,
        }
    }

    /// Raw predictions of one or more rows of outputs: the logits, `[-z, z]` for a single one, or the values.
    pub fn raw_predictions(&self, outputs: &[f32], out: &mut [f64]) {
        if *self == Head::BinaryLogit {
            for (z, pair) in outputs.iter().zip(out.chunks_exact_mut(2)) {
                pair.copy_from_slice(&[-f64::from(*z), f64::from(*z)]);
            }
            return;
        }
        out.iter_mut()
            .zip(outputs)
            .for_each(|(value, z)| *value = f64::from(*z));
    }

    /// Probabilities of the classes for one or more rows of outputs; the values themselves for [`Head::Values`].
    /// Computed in f64, row by row.
    pub fn probabilities(&self, outputs: &[f32], out: &mut [f64]) {
        self.raw_predictions(outputs, out);
        match *self {
            Head::Values { .. } => {}
            Head::BinaryLogit => {
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
            Head::ClassLogits { n } => out.chunks_exact_mut(n).for_each(softmax),
        }
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
            // A threshold of 0 gives infinity, or NaN for a probability of 0, which is never the largest.
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

    #[test]
    fn heads_follow_label_and_width() {
        let class = |num_classes| LabelKind::Class { num_classes };
        assert_eq!(Head::of(&class(2), 1), Ok(Head::BinaryLogit));
        assert_eq!(Head::of(&class(2), 2), Ok(Head::ClassLogits { n: 2 }));
        assert!(Head::of(&class(3), 2).is_err());
        assert!(Head::of(&class(1), 1).is_err());
        assert_eq!(
            Head::of(&LabelKind::Real { width: 3 }, 3),
            Ok(Head::Values { width: 3 })
        );
        assert!(Head::of(&LabelKind::Real { width: 1 }, 3).is_err());
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
