//! How many values the features of a row have, and the type that they are sent and held in.

use super::given;
use candlewick_protocol::Failure;
use candlewick_protocol::features::{FeatureEncoding, FeatureType};
use candlewick_protocol::job::JobInput;
use candlewick_protocol::params::Complete;

pub(super) fn feature_width(input: &JobInput, input_shape: Option<&[usize]>) -> Result<usize, Failure> {
    let shape =
        input_shape.and_then(|shape| shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size)));
    match (given("featureWidth", input.feature_width)?, shape) {
        (Some(width), _) | (None, Some(width)) => Ok(width),
        (None, None) => Err(Failure::parameter(
            "how many values a row's features have is not known (binary columns, no row to look at, or no featureWidth): set \
             inputShape, for example [28, 28]",
        )),
    }
}

/// The type of the features, and the factor that is left to be applied.
pub(super) fn encoding(input: &JobInput, params: &Complete, width: usize) -> FeatureEncoding {
    let columns: Vec<&str> = input.feature_types.iter().map(String::as_str).collect();
    let kind = FeatureType::of(&columns, width, input.nonzeros);
    let scale = match kind {
        FeatureType::Float32 | FeatureType::Sparse => None,
        FeatureType::UInt8 | FeatureType::Int8 | FeatureType::Int16 => params.value("scale").as_f64(),
    };
    FeatureEncoding {
        kind,
        scale: scale.unwrap_or(1.0),
        nonzeros: input.nonzeros.filter(|_| kind == FeatureType::Sparse),
    }
}

#[cfg(test)]
mod tests {
    use crate::job::complete;
    use candlewick_protocol::features::{FeatureEncoding, FeatureType};
    use serde_json::{Value, json};

    fn job(columns: &[&str], nonzeros: Option<u64>, params: Value) -> Value {
        let mut input = json!({"job": "00", "task": "classifier", "featureWidth": 1000, "featureTypes": columns,
            "nonzeros": nonzeros, "params": {"network": {"format": "candlewick.network/1",
            "layers": [{"type": "Linear", "out_features": 3}]}, "saveOptimizer": true}});
        input["params"]
            .as_object_mut()
            .unwrap()
            .extend(params.as_object().unwrap().clone());
        complete(&serde_json::from_value(input).unwrap())
            .unwrap()
            .to_json()
    }

    #[test]
    fn the_type_of_the_columns_is_that_of_the_rows_and_no_part_of_their_identity() {
        let plain = job(&["array<float>"], None, json!({"scale": 0.5}));
        assert!(plain["job"]["data"]["featureEncoding"].is_null());
        let bytes = job(&["binary"], None, json!({"scale": 0.5}));
        let read = |job: &Value| -> FeatureEncoding {
            serde_json::from_value(job["job"]["data"]["featureEncoding"].clone()).unwrap()
        };
        let expected = FeatureEncoding {
            kind: FeatureType::UInt8,
            scale: 0.5,
            nonzeros: None,
        };
        assert_eq!(read(&bytes), expected);
        let sparse = job(&["vector", "double"], Some(60), json!({"scale": 0.5}));
        let expected = FeatureEncoding {
            kind: FeatureType::Sparse,
            scale: 1.0,
            nonzeros: Some(60),
        };
        assert_eq!(read(&sparse), expected);
        for other in [bytes, sparse] {
            assert_eq!(other["launch"]["identity"], plain["launch"]["identity"]);
        }
    }
}
