//! What rows of a class weigh in the loss (parameter `classWeight`).

use serde::{Deserialize, Serialize};

/// The rule, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClassWeight {
    /// What comes less often weighs more, by the rows that train: rows / (classes * rows of the class).
    Balanced,
    /// A weight for each class.
    Of(Vec<f64>),
}

impl ClassWeight {
    /// Of each class, what its rows weigh, where `rows` counts those that train. A class without rows weighs 1.
    ///
    /// ```
    /// use candlewick_protocol::class_weight::ClassWeight;
    /// assert_eq!(ClassWeight::Balanced.weights(&[6, 2, 0]), [8.0 / 18.0, 8.0 / 6.0, 1.0]);
    /// assert_eq!(ClassWeight::Of(vec![1.0, 12.0]).weights(&[6, 2]), [1.0, 12.0]);
    /// ```
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "tables have fewer than 2^53 rows and classes"
    )]
    pub fn weights(&self, rows: &[u64]) -> Vec<f64> {
        let all = rows.iter().sum::<u64>() as f64;
        let balanced = |of_class: &u64| match *of_class {
            0 => 1.0,
            of_class => all / (rows.len() as f64 * of_class as f64),
        };
        match self {
            ClassWeight::Balanced => rows.iter().map(balanced).collect(),
            ClassWeight::Of(weights) => weights.clone(),
        }
    }
}
