//! How many values the features of a row have, and the type that they are sent and held in.

use super::given;
use crate::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::features::{FeatureEncoding, FeatureType};
use candlewick_protocol::feed::{FeatureDomain, FeatureLimit};
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
pub(super) fn encoding(
    input: &JobInput,
    params: &Complete,
    (network, width): (&Network, usize),
) -> Result<FeatureEncoding, Failure> {
    let columns: Vec<&str> = input.feature_types.iter().map(String::as_str).collect();
    let kind = FeatureType::of(&columns, width, input.nonzeros);
    let scale = match kind {
        FeatureType::Float32 | FeatureType::Sparse => None,
        FeatureType::UInt8 | FeatureType::Int8 | FeatureType::Int16 => params.value("scale").as_f64(),
    };
    check_indices(network, kind)?;
    Ok(FeatureEncoding {
        kind,
        scale: scale.unwrap_or(1.0),
        nonzeros: input.nonzeros.filter(|_| kind == FeatureType::Sparse),
    })
}

/// Refuses counts that a table would take for indices: sparse Vectors with a value for each of its rows. All of them may be legal
/// indices, and a network learns something from them too.
fn check_indices(network: &Network, kind: FeatureType) -> Result<(), Failure> {
    let width = network.input_width();
    let is_index = |limit: &FeatureLimit| limit.count == width && limit.domain == FeatureDomain::Index(width);
    if kind == FeatureType::Sparse && network.feature_limits().iter().any(is_index) {
        return Err(Failure::parameter(format!(
            "the features are sparse Vectors of {width} values, as many as the table that reads them has rows, which takes each value \
             for the index of a row: for counts or weights, as HashingTF and CountVectorizer make them, use \
             EmbeddingBag({width}, ..., input=\"counts\"); indices come as an array"
        )));
    }
    Ok(())
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
    fn counts_are_not_taken_for_indices() {
        let told = |bag: Value, width: u64, nonzeros: u64| {
            let layers = json!([bag, {"type": "Linear", "out_features": 3}]);
            let input = json!({"job": "00", "task": "classifier", "featureWidth": width, "featureTypes": ["vector"],
                "nonzeros": nonzeros, "params": {"network": {"format": "candlewick.network/1", "layers": layers}}});
            complete(&serde_json::from_value(input).unwrap())
                .map(|_| ())
                .map_err(|failure| failure.message)
        };
        let bag = |more: Value| {
            let mut bag = json!({"type": "EmbeddingBag", "num_embeddings": 1000, "embedding_dim": 2});
            bag.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            bag
        };
        let refused = told(bag(json!({})), 1000, 20).unwrap_err();
        assert!(
            refused.contains("EmbeddingBag(1000, ..., input=\"counts\")"),
            "{refused}"
        );
        assert_eq!(told(bag(json!({"input": "counts"})), 1000, 20), Ok(()));
        // Indices, some of which are padding; and values of a dense vector.
        assert_eq!(told(bag(json!({})), 50, 5), Ok(()));
        assert_eq!(told(bag(json!({})), 1000, 1000), Ok(()));
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
