//! Areas under curves: exact over all rows.

/// Areas under the curves of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Areas {
    /// Under the ROC curve (`sklearn.metrics.roc_auc_score`); `None` without a row of the class, or of another.
    pub roc: Option<f64>,
    /// Average precision (`sklearn.metrics.average_precision_score`); `None` without a row of the class.
    pub pr: Option<f64>,
}

impl Areas {
    /// The areas of the points of all rows: (score, weight), the weight negative where the row is of another class.
    ///
    /// The points are sorted by all they hold, so equal ones are interchangeable and the sums have one order wherever
    /// the rows came from: the answer is exact, and the same bits on any cluster. Rows of one score count as one step
    /// of the curve.
    ///
    /// ```
    /// use candlewick_model::metrics::Areas;
    /// let areas = Areas::of(&mut [(0.9, 1.0), (0.2, -1.0), (0.6, 1.0), (0.6, -1.0)]);
    /// assert_eq!(areas.roc, Some(0.875));
    /// ```
    #[must_use]
    pub fn of(points: &mut [(f64, f64)]) -> Areas {
        points.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let (mut hits, mut alarms, mut roc, mut pr) = (0.0, 0.0, 0.0, 0.0);
        for step in points.chunk_by(|a, b| a.0 == b.0) {
            let (mut own, mut other) = (0.0, 0.0);
            for (_, weight) in step {
                if *weight > 0.0 {
                    own += weight;
                } else {
                    other -= weight;
                }
            }
            roc += other * (hits + own / 2.0);
            hits += own;
            alarms += other;
            if own > 0.0 {
                pr += own * (hits / (hits + alarms));
            }
        }
        Areas {
            roc: (hits > 0.0 && alarms > 0.0).then(|| roc / hits / alarms),
            pr: (hits > 0.0).then(|| pr / hits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfect_random_and_one_sided() {
        let perfect = Areas::of(&mut [(0.1, -1.0), (0.9, 2.0), (0.2, -3.0)]);
        assert_eq!((perfect.roc, perfect.pr), (Some(1.0), Some(1.0)));
        let equal = Areas::of(&mut [(0.5, -1.0), (0.5, 1.0)]);
        assert_eq!((equal.roc, equal.pr), (Some(0.5), Some(0.5)));
        let one = Areas::of(&mut [(0.5, 1.0)]);
        assert_eq!((one.roc, one.pr), (None, Some(1.0)));
        assert_eq!(Areas::of(&mut []), Areas::default());
    }
}
