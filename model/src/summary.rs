//! The network as a table, and what a trainer needs to train it.

use crate::engine::step_values;
use crate::network::Network;
use crate::optim;
use crate::parameter::Parameter;
use candlewick_protocol::{Failure, params};
use serde_json::Value;
use std::fmt::Write;

/// Bytes that a trainer needs for a network, beside its rows and what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepMemory {
    /// Weights and buffers.
    pub weights: u64,
    /// The gradient over the trainer's own shards, and that over all.
    pub gradients: u64,
    /// State of the optimiser.
    pub optimizer: u64,
    /// What the layers put out and keep in a step, and the gradients of it. Memory serves one layer after another
    /// where it can.
    pub activations: u64,
}

impl StepMemory {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.weights + self.gradients + self.optimizer + self.activations
    }
}

/// What a step over `rows` rows needs with an optimiser whose state takes `optimizer` bytes
/// ([`optim::state_size`]).
///
/// ```
/// use candlewick_model::{network::Network, summary::step_memory};
/// let document = serde_json::json!({"format": "candlewick.network/1",
///     "layers": [{"type": "Linear", "out_features": 3}]});
/// let memory = step_memory(&Network::from_document(&document, &[4])?, 10, 120);
/// assert_eq!((memory.weights, memory.gradients, memory.optimizer), (60, 120, 120));
/// assert_eq!(memory.activations, 2 * 10 * 3 * 4);
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
#[must_use]
pub fn step_memory(network: &Network, rows: usize, optimizer: usize) -> StepMemory {
    let bytes = |values: usize| (values as u64).saturating_mul(size_of::<f32>() as u64);
    let weights = network.num_parameters();
    StepMemory {
        weights: bytes(weights),
        gradients: bytes(2 * weights),
        optimizer: optimizer as u64,
        activations: bytes(step_values(network, rows)),
    }
}

/// As [`summary_for`] with the defaults of the parameters `batchSize` and `optimizer`.
///
/// # Errors
/// As there.
pub fn summary(network: &Network) -> Result<String, Failure> {
    let rows = params::default_of("batchSize").as_u64().unwrap_or(1);
    summary_for(
        network,
        usize::try_from(rows).unwrap_or(1),
        &params::default_of("optimizer"),
    )
}

/// A table of the layers (place, type, shape of the output, trained parameters, buffers), their totals, and what
/// a trainer needs for a step over `rows` rows with the optimiser of a document.
///
/// # Errors
/// `InvalidParameter` where the optimiser's document is not legal for the network.
pub fn summary_for(network: &Network, rows: usize, optimizer: &Value) -> Result<String, Failure> {
    let state = optim::state_size(optimizer, network, false)?;
    let mut lines = vec![["layer", "type", "output", "trained", "buffers"].map(str::to_owned)];
    for layer in network.layers() {
        let parameters = &network.parameters()[layer.parameters.clone()];
        let count = |trained| {
            let counted = parameters.iter().filter(|parameter| parameter.trained == trained);
            let count = counted.map(Parameter::len).sum::<usize>();
            if layer.repeats.is_some() && count > 0 {
                return "shared".to_owned();
            }
            count.to_string()
        };
        let place = layer.place.replace("layers.", "").replace("nodes.", "");
        let output = format!("{:?}", layer.output);
        lines.push([place, layer.name.to_owned(), output, count(true), count(false)]);
    }
    let mut text = table(&lines);
    let (all, trained) = (network.num_parameters(), network.num_trained());
    let memory = step_memory(network, rows, state.bytes());
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "input {:?}, output {:?}\n{all} parameters: {trained} trained, {} in buffers\nmemory of a trainer with {rows} \
         rows a step: {} (weights {}, gradients {}, optimiser {}, activations {})",
        network.input_shape(),
        network.output_shape(),
        all - trained,
        readable(memory.total()),
        readable(memory.weights),
        readable(memory.gradients),
        readable(memory.optimizer),
        readable(memory.activations)
    );
    Ok(text)
}

/// Texts to the left, numbers to the right.
fn table(lines: &[[String; 5]]) -> String {
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    });
    let mut text = String::new();
    for [place, name, output, trained, buffers] in lines {
        let [a, b, c, d, e] = widths;
        let _ = writeln!(
            text,
            "{place:<a$}  {name:<b$}  {output:<c$}  {trained:>d$}  {buffers:>e$}"
        );
    }
    text
}

/// Bytes with the unit that keeps them below 1024.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn readable(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1024.0, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn bytes_are_readable() {
        let shown = [0, 1023, 1024, 1536, 5 << 20, 3 << 40].map(readable);
        assert_eq!(
            shown,
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.0 TiB"]
        );
    }
}
