//! Rows that are made up: as a trainer holds them, and as it gathers those of a step.

use crate::engine::{Features, Slice};
use crate::kernels::Csr;
use crate::network::Network;
use crate::philox::{Key, uniform};
use candlewick_protocol::features::{FeatureRow, FeatureType};
use candlewick_protocol::feed::FeatureDomain;
use candlewick_protocol::job::{DataSpec, LabelKind};
use std::ops::Range;

/// The rows of a step, spread over the shards.
pub(super) fn slices(rows: u64, shards: &Range<u32>) -> Vec<Slice> {
    let owned = u64::from(shards.end - shards.start).max(1);
    let all = shards.clone().zip(0u64..).map(|(shard, at)| {
        let rows = rows / owned + u64::from(at < rows % owned);
        Slice {
            shard,
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
        }
    });
    all.filter(|slice| slice.rows > 0).collect()
}

/// Rows in the type in which trainers hold those of the job.
#[derive(Debug)]
pub(super) struct Held {
    rows: usize,
    width: usize,
    scale: f64,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Float32(Vec<f32>),
    UInt8(Vec<u8>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Sparse(Csr),
}

impl Held {
    /// So many rows; at least one.
    pub(super) fn made_up(network: &Network, data: &DataSpec, rows: usize) -> Self {
        let (rows, width) = (rows.max(1), network.input_width());
        let encoding = data.feature_encoding;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is beyond the type becomes its largest value"
        )]
        let values = match encoding.kind {
            FeatureType::Float32 => Values::Float32(features(network, rows)),
            FeatureType::UInt8 => Values::UInt8(whole(network, rows, encoding.scale, |value| value as u8)),
            FeatureType::Int8 => Values::Int8(whole(network, rows, encoding.scale, |value| value as i8)),
            FeatureType::Int16 => Values::Int16(whole(network, rows, encoding.scale, |value| value as i16)),
            FeatureType::Sparse => {
                let nonzeros = usize::try_from(encoding.nonzeros.unwrap_or(1)).unwrap_or(usize::MAX);
                Values::Sparse(sparse_features(width, nonzeros, rows))
            }
        };
        Held {
            rows,
            width,
            scale: encoding.scale,
            values,
        }
    }

    fn row(&self, at: usize) -> FeatureRow<'_> {
        let of = at * self.width..(at + 1) * self.width;
        match &self.values {
            Values::Float32(all) => FeatureRow::Float32(&all[of]),
            Values::UInt8(all) => FeatureRow::UInt8(&all[of]),
            Values::Int8(all) => FeatureRow::Int8(&all[of]),
            Values::Int16(all) => FeatureRow::Int16(&all[of]),
            Values::Sparse(all) => {
                let (indices, values) = all.row(at);
                FeatureRow::Sparse(indices, values)
            }
        }
    }

    /// The rows of a step, from anywhere, as the order of an epoch has them.
    pub(super) fn gather(&self, step: u64, rows: usize, into: &mut Step) {
        /// An odd number: the places of a table of any size are met in no order that a processor foresees.
        const LEAP: usize = 0x9e37_79b9_7f4a_7c15;
        into.clear();
        let first = usize::try_from(step).unwrap_or(0).wrapping_mul(rows);
        for at in first..first.saturating_add(rows) {
            let row = self.row((at.wrapping_mul(LEAP) >> 16) % self.rows);
            match (&mut into.sparse, row) {
                (Some(sparse), FeatureRow::Sparse(indices, values)) => sparse.push_row(indices, values),
                (_, row) => row.expand(self.width, self.scale, &mut into.dense),
            }
        }
    }
}

/// The rows of a step, as the network takes them.
#[derive(Debug)]
pub(super) struct Step {
    dense: Vec<f32>,
    sparse: Option<Csr>,
}

impl Step {
    pub(super) fn new(network: &Network) -> Self {
        Step {
            dense: Vec::new(),
            sparse: network.has_sparse_input().then(Csr::default),
        }
    }

    fn clear(&mut self) {
        self.dense.clear();
        self.sparse.iter_mut().for_each(Csr::clear);
    }

    pub(super) fn features(&self) -> Features<'_> {
        match &self.sparse {
            Some(rows) => rows.into(),
            None => (&self.dense).into(),
        }
    }
}

/// Integers that become features when they are scaled.
fn whole<T>(network: &Network, rows: usize, scale: f64, of: impl Fn(f64) -> T) -> Vec<T> {
    let scale = if scale == 0.0 { 1.0 } else { scale };
    let all = features(network, rows).into_iter();
    all.map(|value| of((f64::from(value) / scale).round())).collect()
}

/// Rows of so many values that are not zero, one in each of as many equal parts.
fn sparse_features(width: usize, nonzeros: usize, rows: usize) -> Csr {
    let nonzeros = nonzeros.clamp(1, width.max(1));
    let part = width / nonzeros;
    let mut places = vec![0.0; rows * nonzeros];
    uniform(Key::new(1, "probe"), 1.0, &mut places);
    let mut all = Csr::with_capacity(rows, rows * nonzeros);
    for row in places.chunks(nonzeros) {
        for (at, value) in row.iter().enumerate() {
            // Any bits of the value choose the place.
            let index = at * part + value.to_bits() as usize % part.max(1);
            all.push(u32::try_from(index).unwrap_or(u32::MAX), value.abs() + 0.5);
        }
        all.end_row();
    }
    all
}

/// Values between 0 and 1, and where the network wants indices, those.
#[expect(clippy::cast_precision_loss, reason = "any index will do")]
fn features(network: &Network, rows: usize) -> Vec<f32> {
    let width = network.input_width();
    let mut features = vec![0.0; rows * width];
    uniform(Key::new(1, "probe"), 1.0, &mut features);
    for limit in network.feature_limits() {
        let FeatureDomain::Index(entries) = limit.domain else {
            continue;
        };
        for row in features.chunks_mut(width) {
            for value in &mut row[limit.first..limit.first + limit.count] {
                // The fraction of a value that is anywhere in -1 to 1.
                *value = (value.abs() * entries.saturating_sub(1) as f32).floor();
            }
        }
    }
    features.iter_mut().for_each(|value| *value = value.abs());
    features
}

/// Labels that every loss accepts: classes in turn, and 1 where it is a number.
#[expect(clippy::cast_precision_loss, reason = "classes are fewer than 2^53")]
pub(super) fn labels(label: &LabelKind, rows: usize) -> Vec<f64> {
    let width = label.width();
    let value = |at: usize| match label.classes_at(at % width) {
        Some(classes) => (at / width % classes.max(1) as usize) as f64,
        None => 1.0,
    };
    (0..rows * width).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::complete;
    use candlewick_protocol::features::FeatureEncoding;
    use serde_json::json;

    fn network() -> Network {
        let embedding = json!({"type": "EmbeddingBag", "num_embeddings": 50, "embedding_dim": 3});
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 7, "params": {
            "network": {"format": "candlewick.network/1", "layers": [embedding, {"type": "Linear", "out_features": 2}]}}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        Network::from_document(&job.train.network, &job.data.input_shape).unwrap()
    }

    #[test]
    fn indices_are_in_their_range_and_all_rows_are_there() {
        let features = features(&network(), 20);
        let legal = |index: &f32| index.fract() == 0.0 && (0.0..50.0).contains(index);
        assert!(features.iter().all(legal));
        assert!(features.iter().any(|index| *index > 9.0));
        let rows: Vec<usize> = slices(10, &(2..5)).iter().map(|slice| slice.rows).collect();
        assert_eq!(rows, [4, 3, 3]);
        assert_eq!(labels(&LabelKind::class(3), 4), [0.0, 1.0, 2.0, 0.0]);
    }

    #[test]
    fn rows_of_a_step_are_legal_in_every_type() {
        let network = network();
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 7, "params": {
            "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 2}]}}});
        let mut data = complete(&serde_json::from_value(input).unwrap())
            .unwrap()
            .job
            .data;
        for kind in [
            FeatureType::Float32,
            FeatureType::UInt8,
            FeatureType::Int8,
            FeatureType::Int16,
            FeatureType::Sparse,
        ] {
            data.feature_encoding = FeatureEncoding {
                kind,
                scale: 1.0,
                nonzeros: Some(2),
            };
            let held = Held::made_up(&network, &data, 40);
            let mut step = Step::new(&network);
            held.gather(3, 11, &mut step);
            assert_eq!(step.dense.len(), 11 * 7, "{kind:?}");
            assert!(
                step.dense.iter().all(|value| (0.0..50.0).contains(value)),
                "{kind:?}"
            );
        }
    }
}
