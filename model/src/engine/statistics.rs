//! What a step leaves before and after it is over: where its gradient is final early, and the statistics that buffers (running
//! means and variances) follow, kept while another step is computed.

use super::{Engine, Gradient};
use crate::layers::{Module, Operation};
use std::ops::Range;

impl Engine {
    /// The modules that have statistics, where their values lie among the weights, and what they saved in the last step.
    fn with_statistics(&self) -> impl Iterator<Item = (&dyn Module, Range<usize>, &[f32])> {
        let stages = self.plan.stages.iter().zip(&self.memory.saved);
        stages.filter_map(|(stage, saved)| match &stage.operation {
            Operation::Module(module) if module.statistics() > 0 => {
                let statistics = saved.get(..module.statistics()).unwrap_or_default();
                Some((&**module, stage.weights.clone(), statistics))
            }
            _ => None,
        })
    }

    /// The values of a node in parts of at least so many, in the order in which they are final (see [`Exchange::ready`]): from
    /// the last to the first, which has what is left. One part where there are too few, or where they are final together.
    ///
    /// [`Exchange::ready`]: crate::engine::Exchange::ready
    #[must_use]
    pub fn parts(&self, least: usize) -> Vec<Range<usize>> {
        let (mut parts, mut end) = (Vec::new(), Gradient::node_len(&self.network));
        let stages = self.plan.stages.iter().rev();
        for stage in stages.filter(|stage| stage.gradient.is_some()) {
            let from = stage.final_from;
            if end.saturating_sub(from) >= least && from > 0 {
                parts.push(from..end);
                end = from;
            }
        }
        parts.push(0..end);
        parts
    }

    /// Keeps what [`Engine::update_buffers`] goes by after the last step, for [`Engine::update_buffers_by`]: the next step
    /// overwrites it.
    pub fn keep_statistics(&self, into: &mut Vec<f32>) {
        into.clear();
        self.with_statistics()
            .for_each(|(_, _, statistics)| into.extend_from_slice(statistics));
    }

    /// As [`Engine::update_buffers`], of the step whose statistics were kept.
    pub fn update_buffers_by(&self, mut statistics: &[f32], weights: &mut [f32]) -> bool {
        let mut all = true;
        for (module, place, _) in self.with_statistics() {
            let (own, rest) = statistics.split_at(module.statistics().min(statistics.len()));
            all &= module.update_buffers(own, &mut weights[place]);
            statistics = rest;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Alone, Batch, Engine, Exchange, Features, Gradient, NodeGradient, Slice};
    use crate::network::Network;
    use candlewick_protocol::Failure;
    use candlewick_protocol::job::LabelKind;
    use serde_json::json;
    use std::ops::Range;

    /// The parts, and their values when they were said to be final.
    struct Watch(Vec<Range<usize>>, Vec<Vec<f32>>);

    impl Exchange for Watch {
        fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure> {
            Alone.gather(own)
        }

        fn ready(&mut self, from: usize, nodes: &[Option<&[f32]>]) -> Result<(), Failure> {
            let [Some(values)] = nodes else {
                panic!("{nodes:?}")
            };
            while let Some(part) = self.0.get(self.1.len()).filter(|part| part.start >= from) {
                self.1.push(values[part.clone()].to_vec());
            }
            Ok(())
        }
    }

    #[test]
    fn what_is_said_to_be_final_is_that_also_where_a_layer_is_called_twice() {
        let linear = || json!({"type": "Linear", "out_features": 3});
        let layers = json!([linear(), {"type": "ReLU"}, linear(), {"type": "BatchNorm1d"}, linear()]);
        let node = |name: &str, input: &str| json!({"name": name, "inputs": [input], "layer": linear()});
        let nodes = json!([
            node("a", "x"), node("b", "a"), {"name": "again", "inputs": ["b"], "shares": "a"}, node("c", "again"),
            {"name": "d", "inputs": ["c"], "shares": "b"}]);
        for document in [
            json!({"format": "candlewick.network/1", "layers": layers}),
            json!({"format": "candlewick.network/1", "inputs": [{"name": "x", "shape": [3]}], "nodes": nodes, "outputs": ["d"]}),
        ] {
            let network = Network::from_document(&document, &[3]).unwrap();
            let loss = json!({"type": "CrossEntropyLoss"});
            let mut engine = Engine::new(&network, &loss, &LabelKind::class(3), 1, 1).unwrap();
            let parts = engine.parts(5);
            assert!(parts.len() > 1, "{parts:?}");
            let covered: usize = parts.iter().map(Range::len).sum();
            assert_eq!(covered, Gradient::node_len(&network));
            let mut watch = Watch(parts.clone(), Vec::new());
            let batch = Batch {
                step: 0,
                slices: &[Slice { shard: 0, rows: 3 }],
                features: Features::Dense(&[1.0, 2.0, -3.0, 0.5, 7.0, -1.0, 0.0, 1.0, 2.0]),
                labels: &[0.0, 1.0, 2.0],
                weights: &[1.0; 3],
            };
            let mut nodes = [NodeGradient::new(0, 1)];
            let weights = network.initial_weights(3);
            engine
                .step_among(&weights, &batch, &mut nodes, &mut watch)
                .unwrap();
            assert_eq!(watch.1.len(), parts.len());
            for (part, seen) in parts.iter().zip(&watch.1) {
                assert_eq!(nodes[0].values[part.clone()], seen[..], "{part:?} of {document}");
            }
        }
    }

    #[test]
    fn statistics_that_were_kept_update_as_those_of_the_last_step() {
        let layers = json!([
            {"type": "Linear", "out_features": 3}, {"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 2},
            {"type": "BatchNorm1d"}]);
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        let network = Network::from_document(&document, &[2]).unwrap();
        let mut engine = Engine::new(
            &network,
            &json!({"type": "CrossEntropyLoss"}),
            &LabelKind::class(2),
            1,
            1,
        )
        .unwrap();
        let weights = network.initial_weights(3);
        let step = |engine: &mut Engine, features: &[f32]| {
            let batch = Batch {
                step: 0,
                slices: &[Slice { shard: 0, rows: 3 }],
                features: Features::Dense(features),
                labels: &[0.0, 1.0, 1.0],
                weights: &[1.0; 3],
            };
            engine
                .step(&weights, &batch, &mut [NodeGradient::new(0, 1)])
                .unwrap();
        };
        let (mut at_once, mut late, mut kept) = (weights.clone(), weights.clone(), Vec::new());
        step(&mut engine, &[1.0, 2.0, -3.0, 0.5, 7.0, -1.0]);
        assert!(engine.update_buffers(&mut at_once));
        engine.keep_statistics(&mut kept);
        step(&mut engine, &[10.0, 0.0, 3.0, 5.0, -7.0, 4.0]);
        assert!(engine.update_buffers_by(&kept, &mut late));
        assert!(at_once == late && at_once != weights);
    }
}
