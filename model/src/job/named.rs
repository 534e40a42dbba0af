//! Losses, optimisers and schedules that are given by their names alone.

use crate::catalogue::{Kind, names};
use candlewick_protocol::Failure;
use candlewick_protocol::suggest;
use candlewick_protocol::value::excerpt;
use serde_json::{Map, Value, json};

/// The parameters that may be names, and what of.
const NAMED: [(&str, Kind, &str); 3] = [
    ("loss", Kind::Loss, "a loss"),
    ("optimizer", Kind::Optimizer, "an optimiser"),
    ("lrScheduler", Kind::Scheduler, "a schedule"),
];

/// Puts documents without arguments where there are names, in any case of letters.
pub(super) fn expand(params: &mut Map<String, Value>) -> Result<(), Failure> {
    for (param, kind, what) in NAMED {
        let Some(Value::String(text)) = params.get(param) else {
            continue;
        };
        let all = names(kind);
        let Some(name) = all.iter().find(|name| name.eq_ignore_ascii_case(text)) else {
            return Err(Failure::parameter(format!(
                "parameter {param} = {} is not legal: expected an object such as {}, or the name of {what}{}",
                excerpt(&Value::from(text.as_str())),
                kind.example(),
                suggest::hint(text, all.iter().copied())
            )));
        };
        params.insert(param.to_owned(), json!({"type": name}));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, network};
    use serde_json::{Value, json};

    #[test]
    fn a_name_stands_for_the_document_without_arguments() {
        let train = |more: Value| {
            let mut params = json!({"network": network()});
            params
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            ask(&params, &json!({})).map(|complete| complete.job.train)
        };
        let documents =
            json!({"optimizer": {"type": "Adam"}, "loss": {"type": "MultiMarginLoss"}, "learningRate": 0.5});
        let names = json!({"optimizer": "adam", "loss": "MULTIMARGINLOSS", "learningRate": 0.5});
        assert_eq!(train(names), train(documents));
        let told = |more: Value| train(more).unwrap_err().message;
        assert_eq!(
            told(json!({"optimizer": "adamx"})),
            "parameter optimizer = \"adamx\" is not legal: expected an object such as {\"type\": \"AdamW\", \"lr\": 0.001}, or \
             the name of an optimiser; did you mean 'Adamax'?"
        );
        // One that lacks something says what.
        let missing = told(json!({"lrScheduler": "StepLR"}));
        assert!(missing.contains("step_size"), "{missing}");
    }
}
