//! What rows of a class weigh in the loss.

use crate::resolve::Resolved;
use candlewick_protocol::Failure;
use candlewick_protocol::class_weight::ClassWeight;
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::params::Complete;
use candlewick_protocol::value::{BALANCED, class_of};
use serde_json::Value;

/// Arguments of losses that say it too.
const OF_LOSSES: [&str; 2] = ["weight", "pos_weight"];

/// The rule that the parameters give, complete; none where they give none.
pub(super) fn class_weight(params: &Complete, resolved: &Resolved) -> Result<Option<ClassWeight>, Failure> {
    let value = params.value("classWeight");
    if value.is_null() {
        return Ok(None);
    }
    let LabelKind::Class { num_classes, .. } = resolved.label else {
        return Err(Failure::parameter(
            "parameter classWeight is for classifiers only: leave it out, and let weightCol name a column with the weight \
             of each row",
        ));
    };
    let said = OF_LOSSES
        .iter()
        .find(|name| resolved.loss.get(**name).is_some_and(is_said));
    if let Some(name) = said {
        let loss = resolved.loss["type"].as_str().unwrap_or_default();
        return Err(Failure::parameter(format!(
            "parameter classWeight and {name} of {loss} both say what a class weighs: set one of them"
        )));
    }
    if value == BALANCED {
        return Ok(Some(ClassWeight::Balanced));
    }
    // Classes that are not named weigh 1.
    let mut weights = vec![1.0; num_classes as usize];
    for (key, weight) in value.as_object().into_iter().flatten() {
        let place = class_of(key).and_then(|class| weights.get_mut(class as usize));
        let (Some(place), Some(weight)) = (place, weight.as_f64()) else {
            return Err(Failure::parameter(format!(
                "parameter classWeight names class {key}, but the network tells {num_classes} classes apart, 0 to {}",
                num_classes.saturating_sub(1)
            )));
        };
        *place = weight;
    }
    if weights.iter().all(|weight| *weight == 0.0) {
        return Err(Failure::parameter(
            "parameter classWeight gives every class the weight 0: no row would count in the loss",
        ));
    }
    Ok(Some(ClassWeight::Of(weights)))
}

/// An argument that is given: a list that is not empty.
fn is_said(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, network};
    use super::*;
    use serde_json::json;

    fn asked(more: &Value, task: &Value) -> Result<Option<ClassWeight>, String> {
        let mut params = json!({"network": network()});
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ask(&params, task)
            .map(|complete| complete.job.train.class_weight)
            .map_err(|failure| failure.message)
    }

    #[test]
    fn classes_that_are_not_named_weigh_one() {
        let none = json!({});
        assert_eq!(asked(&none, &none), Ok(None));
        assert_eq!(
            asked(&json!({"classWeight": "balanced"}), &none),
            Ok(Some(ClassWeight::Balanced))
        );
        let Some(ClassWeight::Of(weights)) =
            asked(&json!({"classWeight": {"1": 12, "9": 0.5}}), &none).unwrap()
        else {
            panic!("no weights");
        };
        assert_eq!(weights, [1.0, 12.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let told = |value: Value| asked(&json!({"classWeight": value}), &json!({})).unwrap_err();
        assert_eq!(
            told(json!({"10": 2.0})),
            "parameter classWeight names class 10, but the network tells 10 classes apart, 0 to 9"
        );
        assert!(
            told(json!({"0": -1.0}))
                .contains("classWeight = {\"0\":-1.0} is not legal: expected \"balanced\", or")
        );
        assert!(told(json!("Balanced")).contains("is not legal"));
        let zeros: serde_json::Map<String, Value> =
            (0..10).map(|class| (class.to_string(), json!(0))).collect();
        assert!(told(Value::Object(zeros)).contains("gives every class the weight 0"));
        let of_loss = json!({"classWeight": "balanced",
            "loss": {"type": "CrossEntropyLoss", "weight": [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]}});
        assert_eq!(
            asked(&of_loss, &json!({})).unwrap_err(),
            "parameter classWeight and weight of CrossEntropyLoss both say what a class weighs: set one of them"
        );
        let regressor = asked(
            &json!({"classWeight": "balanced"}),
            &json!({"task": "regressor", "labelWidth": 10}),
        );
        assert!(
            regressor
                .unwrap_err()
                .contains("classWeight is for classifiers only")
        );
    }
}
