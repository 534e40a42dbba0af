//! The layers from their arguments.

use super::cell::Cell;
use super::{Dropout, Recurrent};
use crate::arguments::Arguments;
use crate::layers::error::{LayerError, infer};
use crate::layers::{BuiltLayer, MakeJoin, check_padding};

/// The layers of this family.
pub(in crate::layers) const JOINS: &[(&str, MakeJoin)] = &[("RNN", rnn), ("LSTM", lstm), ("GRU", gru)];

fn rnn(arguments: &mut Arguments, inputs: &[&[usize]], path: &str) -> Result<BuiltLayer, LayerError> {
    let cell = if arguments.text("nonlinearity") == "relu" {
        Cell::Relu
    } else {
        Cell::Tanh
    };
    make(cell, arguments, inputs, path)
}

fn lstm(arguments: &mut Arguments, inputs: &[&[usize]], path: &str) -> Result<BuiltLayer, LayerError> {
    make(Cell::Lstm, arguments, inputs, path)
}

fn gru(arguments: &mut Arguments, inputs: &[&[usize]], path: &str) -> Result<BuiltLayer, LayerError> {
    make(Cell::Gru, arguments, inputs, path)
}

fn make(
    cell: Cell,
    arguments: &mut Arguments,
    inputs: &[&[usize]],
    path: &str,
) -> Result<BuiltLayer, LayerError> {
    let (input, padding) = match *inputs {
        [input] => (input, None),
        [input, padding] => (input, Some(padding)),
        _ => {
            return Err(format!(
                "takes a sequence and, in a graph network, a padding mask behind it, got {} inputs",
                inputs.len()
            )
            .into());
        }
    };
    let &[steps, inputs] = input else {
        return Err(LayerError::input(
            "a sequence of shape [time, features] a row",
            format!("shape {input:?}"),
        )
        .hint("give the features two dimensions"));
    };
    if steps == 0 || inputs == 0 {
        return Err(LayerError::input(
            "at least one step of at least one feature",
            format!("shape {input:?}"),
        ));
    }
    check_padding(padding, steps)?;
    infer(arguments, "input_size", inputs, "features a step", input)?;
    let layers = arguments.size("num_layers").unwrap_or(1);
    let hidden = arguments.size("hidden_size").unwrap_or_default();
    let projected = arguments.size("proj_size").unwrap_or_default();
    if projected >= hidden {
        let wrong = format!("expects a proj_size below hidden_size={hidden}, or 0 for none, got {projected}");
        return Err(wrong.into());
    }
    let recurrent = Recurrent {
        cell,
        inputs,
        hidden,
        projected,
        layers,
        directions: 1 + usize::from(arguments.flag("bidirectional")),
        steps,
        bias: arguments.flag("bias"),
        last: arguments.text("output") == "last",
        padding: padding.is_some(),
        dropout: dropout(arguments.real("dropout"), layers, path),
    };
    let width = recurrent.output_width();
    let output = if recurrent.last {
        vec![width]
    } else {
        vec![steps, width]
    };
    Ok(BuiltLayer::module(recurrent, output))
}

fn dropout(p: f64, layers: usize, path: &str) -> Vec<Dropout> {
    let keep = 1.0 - p;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 2^32"
    )]
    let below = (keep * 4_294_967_296.0) as u64;
    #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
    let scale = if keep > 0.0 { (1.0 / keep) as f32 } else { 0.0 };
    let between = if p > 0.0 { layers - 1 } else { 0 };
    let dropout = |layer| Dropout {
        path: format!("{path}.dropout_l{layer}"),
        below,
        scale,
    };
    (0..between).map(dropout).collect()
}
