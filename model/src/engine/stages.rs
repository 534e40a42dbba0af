//! Which buffer every layer reads and writes.

use crate::layers::{Keeps, Operation};
use crate::network::Network;
use std::ops::Range;

/// What a stage reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The features of the batch.
    Features,
    /// The output of an earlier stage.
    Buffer(usize),
}

/// A layer that does something, and its memory.
#[derive(Debug)]
pub(super) struct Stage {
    pub operation: Operation,
    pub input: Source,
    /// Buffer of the output; a map that may overwrites its input's.
    pub output: usize,
    /// A map whose input must survive works on a copy.
    pub copies: bool,
    /// Elements of an output row.
    pub width: usize,
    /// The layer's elements in the flat weights.
    pub weights: Range<usize>,
    /// Elements of each of its parameters in the flat weights.
    pub parameters: Vec<Range<usize>>,
}

/// The stages of a training step, and the number of buffers. A map works in place unless what it would overwrite is
/// needed for the gradient of its own layer or of the one before.
pub(super) fn for_training(network: &Network) -> (Vec<Stage>, usize) {
    plan(network, true)
}

/// The stages of scoring: two buffers in turn, every map in place.
pub(super) fn for_scoring(network: &Network) -> (Vec<Stage>, usize) {
    let (mut stages, _) = plan(network, false);
    let mut current = None;
    for stage in &mut stages {
        stage.input = current.map_or(Source::Features, Source::Buffer);
        if matches!(stage.operation, Operation::Module(_)) || current.is_none() {
            current = Some(current.map_or(0, |buffer: usize| 1 - buffer));
        }
        stage.output = current.unwrap_or(0);
    }
    (stages, 2)
}

fn plan(network: &Network, training: bool) -> (Vec<Stage>, usize) {
    let mut stages = Vec::new();
    let mut buffers = 0;
    let mut current = Source::Features;
    // True where the values in `current` must survive.
    let mut needed = true;
    for layer in network.layers() {
        let (fresh, keeps) = match &layer.operation {
            Operation::View => continue,
            Operation::Map(map) if !training && map.only_training() => continue,
            Operation::Map(map) => {
                let own = training && map.keeps() == Keeps::Input;
                (needed || own, training && map.keeps() == Keeps::Output)
            }
            Operation::Module(_) => (true, false),
        };
        let output = match current {
            Source::Buffer(buffer) if !fresh => buffer,
            _ => {
                buffers += 1;
                buffers - 1
            }
        };
        let parameters = &network.parameters()[layer.parameters.clone()];
        stages.push(Stage {
            operation: layer.operation.clone(),
            input: current,
            output,
            copies: fresh,
            width: layer.output.iter().product(),
            weights: layer.weights.clone(),
            parameters: parameters.iter().map(|p| p.offset..p.offset + p.len()).collect(),
        });
        current = Source::Buffer(output);
        needed = keeps;
    }
    (stages, buffers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn network(layers: &[&str]) -> Network {
        let layers: Vec<_> = layers
            .iter()
            .map(|name| {
                if *name == "Linear" {
                    json!({"type": name, "out_features": 3})
                } else {
                    json!({"type": name})
                }
            })
            .collect();
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        Network::from_document(&document, &[3]).unwrap()
    }

    fn outputs(stages: &[Stage]) -> Vec<usize> {
        stages.iter().map(|stage| stage.output).collect()
    }

    #[test]
    fn maps_overwrite_only_what_nobody_needs() {
        let (stages, buffers) = for_training(&network(&["Linear", "ReLU", "Flatten", "Dropout", "Linear"]));
        assert_eq!(
            (outputs(&stages), buffers),
            (vec![0, 0, 1, 2], 3),
            "ReLU's output survives Dropout"
        );
        let (stages, _) = for_training(&network(&["Linear", "GELU", "Dropout", "ReLU"]));
        assert_eq!(outputs(&stages), [0, 1, 1, 1], "GELU's input survives GELU");
        let (stages, _) = for_training(&network(&["ReLU", "Linear"]));
        assert_eq!(outputs(&stages), [0, 1], "the features survive");
        assert!(stages[0].copies);
    }

    #[test]
    fn scoring_takes_two_buffers() {
        let (stages, buffers) = for_scoring(&network(&[
            "Dropout", "Tanh", "Linear", "GELU", "Linear", "Linear",
        ]));
        assert_eq!((outputs(&stages), buffers), (vec![0, 1, 1, 0, 1], 2));
        assert_eq!(stages[0].input, Source::Features);
    }
}
