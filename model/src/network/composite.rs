//! Layers that are made of other layers, with the names that PyTorch gives their parts.

use super::builder::{Builder, DocPath, NamedLayer, TensorRef, below};
use crate::arguments::{Arguments, excerpt};
use candlewick_protocol::Failure;
use serde_json::{Value, json};

/// Puts the parts of a layer in their places; returns the output of the last.
type Compose = fn(&mut Parts<'_>, &mut Arguments, &[TensorRef]) -> Result<TensorRef, Failure>;

/// The layers that are made of others.
const COMPOSITES: &[(&str, Compose)] = &[
    ("TransformerEncoderLayer", transformer_encoder_layer),
    ("TransformerEncoder", transformer_encoder),
    ("TransformerDecoderLayer", transformer_decoder_layer),
];

/// Their names.
#[cfg(test)]
pub(crate) fn composites() -> impl Iterator<Item = &'static str> {
    COMPOSITES.iter().map(|(name, _)| *name)
}

/// True for a layer that is made of others.
pub(super) fn is_composite(name: &str) -> bool {
    COMPOSITES.iter().any(|(known, _)| *known == name)
}

/// Where the parts of a layer go.
struct Parts<'a> {
    builder: &'a mut Builder,
    layer: NamedLayer<'a>,
}

impl Builder {
    /// Adds the parts of a layer; returns its complete document and its output.
    pub(super) fn composite(
        &mut self,
        mut arguments: Arguments,
        place: DocPath<'_>,
        inputs: &[TensorRef],
    ) -> Result<(Value, TensorRef), Failure> {
        let name = arguments.name();
        let mut parts = Parts {
            builder: self,
            layer: NamedLayer { name, place },
        };
        let compose = COMPOSITES.iter().find(|(known, _)| *known == name);
        let (_, compose) = compose.ok_or_else(|| parts.layer.wrong("is made of nothing"))?;
        let output = compose(&mut parts, &mut arguments, inputs)?;
        Ok((arguments.to_document(), output))
    }
}

impl Parts<'_> {
    /// The sequence, and the mask of its padding where there is one.
    fn masked<'a>(&self, inputs: &'a [TensorRef]) -> Result<(&'a TensorRef, Option<&'a TensorRef>), Failure> {
        match inputs {
            [input] => Ok((input, None)),
            [input, mask] => Ok((input, Some(mask))),
            _ => Err(self.layer.wrong(format!(
                "takes a sequence and, in a graph network, a src_key_padding_mask behind it, got {} inputs",
                inputs.len()
            ))),
        }
    }

    /// Adds a part.
    fn add(&mut self, name: &str, layer: &Value, inputs: &[&TensorRef]) -> Result<TensorRef, Failure> {
        self.complete(name, layer, inputs).map(|(_, output)| output)
    }

    /// Adds a part; returns its complete document too.
    fn complete(
        &mut self,
        name: &str,
        layer: &Value,
        inputs: &[&TensorRef],
    ) -> Result<(Value, TensorRef), Failure> {
        let (document, path) = (
            format!("{}.{name}", self.layer.place.document),
            below(self.layer.place.path, name),
        );
        let place = DocPath {
            document: &document,
            path: &path,
            depth: self.layer.place.depth,
        };
        let inputs: Vec<TensorRef> = inputs.iter().map(|input| (*input).clone()).collect();
        self.builder.layer(layer, place, &inputs)
    }

    /// Adds a Dropout where it does something.
    fn dropout(&mut self, name: &str, p: f64, input: TensorRef) -> Result<TensorRef, Failure> {
        match p > 0.0 {
            true => self.add(name, &json!({"type": "Dropout", "p": p}), &[&input]),
            false => Ok(input),
        }
    }
}

fn transformer_encoder_layer(
    parts: &mut Parts<'_>,
    arguments: &mut Arguments,
    inputs: &[TensorRef],
) -> Result<TensorRef, Failure> {
    let (input, mask) = parts.masked(inputs)?;
    check_sequence(parts, arguments, &input.shape)?;
    let (norm, add) = (layer_norm(arguments), json!({"type": "Add"}));
    if arguments.flag("norm_first") {
        let normal = parts.add("norm1", &norm, &[input])?;
        let attended = attend(parts, arguments, SELF_ATTENTION, &with_mask(&[&normal], mask))?;
        let middle = parts.add("add1", &add, &[input, &attended])?;
        let normal = parts.add("norm2", &norm, &[&middle])?;
        let forward = feed_forward(parts, arguments, "dropout2", &normal)?;
        return parts.add("add2", &add, &[&middle, &forward]);
    }
    let attended = attend(parts, arguments, SELF_ATTENTION, &with_mask(&[input], mask))?;
    let sum = parts.add("add1", &add, &[input, &attended])?;
    let middle = parts.add("norm1", &norm, &[&sum])?;
    let forward = feed_forward(parts, arguments, "dropout2", &middle)?;
    let sum = parts.add("add2", &add, &[&middle, &forward])?;
    parts.add("norm2", &norm, &[&sum])
}

/// Layers one after another, made alike; each starts from numbers of its own.
fn transformer_encoder(
    parts: &mut Parts<'_>,
    arguments: &mut Arguments,
    inputs: &[TensorRef],
) -> Result<TensorRef, Failure> {
    let (input, mask) = parts.masked(inputs)?;
    let mut output = input.clone();
    let mut layer = arguments.value("encoder_layer").clone();
    if layer["type"] != "TransformerEncoderLayer" {
        return Err(parts.layer.wrong(format!(
            "expects a TransformerEncoderLayer as encoder_layer, got {}",
            excerpt(&layer)
        )));
    }
    for at in 0..arguments.size("num_layers").unwrap_or(1) {
        let inputs: Vec<&TensorRef> = [Some(&output), mask].into_iter().flatten().collect();
        (layer, output) = parts.complete(&format!("layers.{at}"), &layer, &inputs)?;
    }
    arguments.set("encoder_layer", layer);
    if arguments.is_null("norm") {
        return Ok(output);
    }
    let (norm, output) = parts.complete("norm", &arguments.value("norm").clone(), &[&output])?;
    arguments.set("norm", norm);
    Ok(output)
}

fn transformer_decoder_layer(
    parts: &mut Parts<'_>,
    arguments: &mut Arguments,
    inputs: &[TensorRef],
) -> Result<TensorRef, Failure> {
    let (input, memory, mask, memory_mask) = match inputs {
        [input, memory] => (input, memory, None, None),
        [input, memory, memory_mask] => (input, memory, None, Some(memory_mask)),
        [input, memory, mask, memory_mask] => (input, memory, Some(mask), Some(memory_mask)),
        _ => {
            return Err(parts.layer.wrong(format!(
                "takes two inputs of a graph, the sequence and what it attends to, and masks of padding behind them (a \
                 memory_key_padding_mask, or a tgt_key_padding_mask and then that), got {}; make it a node: \
                 nn.TransformerDecoderLayer(...)(sequence, memory)",
                inputs.len()
            )));
        }
    };
    check_sequence(parts, arguments, &input.shape)?;
    if memory.shape.len() != 2 || memory.shape[1] != input.shape[1] {
        return Err(parts.layer.wrong(format!(
            "expects a second input of shape [length, {}], got {:?}",
            input.shape[1], memory.shape
        )));
    }
    let (norm, add) = (layer_norm(arguments), json!({"type": "Add"}));
    let first = arguments.flag("norm_first");
    let mut output = input.clone();
    for block in 1..=3 {
        let (norm_name, add_name) = (format!("norm{block}"), format!("add{block}"));
        let normal = match first {
            true => parts.add(&norm_name, &norm, &[&output])?,
            false => output.clone(),
        };
        let changed = match block {
            1 => attend(parts, arguments, SELF_ATTENTION, &with_mask(&[&normal], mask))?,
            2 => attend(
                parts,
                arguments,
                CROSS_ATTENTION,
                &with_mask(&[&normal, memory, memory], memory_mask),
            )?,
            _ => feed_forward(parts, arguments, "dropout3", &normal)?,
        };
        output = parts.add(&add_name, &add, &[&output, &changed])?;
        if !first {
            output = parts.add(&norm_name, &norm, &[&output])?;
        }
    }
    Ok(output)
}

/// The inputs of an attention, and the mask of padding behind them where there is one.
fn with_mask<'a>(inputs: &[&'a TensorRef], mask: Option<&'a TensorRef>) -> Vec<&'a TensorRef> {
    inputs.iter().copied().chain(mask).collect()
}

/// A LayerNorm with the arguments of the layer around it.
fn layer_norm(arguments: &Arguments) -> Value {
    json!({"type": "LayerNorm", "eps": arguments.real("layer_norm_eps"), "bias": arguments.flag("bias")})
}

fn check_sequence(parts: &Parts<'_>, arguments: &mut Arguments, shape: &[usize]) -> Result<(), Failure> {
    let &[_, size] = shape else {
        return Err(parts.layer.wrong(format!(
            "expects an input of shape [length, d_model], got {shape:?}"
        )));
    };
    if let Some(wanted) = arguments.size("d_model").filter(|wanted| *wanted != size) {
        return Err(parts.layer.wrong(format!(
            "expects {wanted} values in the last dimension (d_model={wanted}), but the input has shape {shape:?}; set \
             d_model to {size} or leave it out"
        )));
    }
    arguments.set_size("d_model", size);
    let heads = arguments.size("nhead").unwrap_or(1);
    if size % heads != 0 {
        return Err(parts.layer.wrong(format!(
            "expects a d_model that nhead={heads} divides, got {size}: every head has d_model / nhead values"
        )));
    }
    Ok(())
}

/// Names of an attention and of the Dropout after it.
#[derive(Debug, Clone, Copy)]
struct AttentionNames {
    attention: &'static str,
    dropout: &'static str,
}

/// Attention of a sequence to itself.
const SELF_ATTENTION: AttentionNames = AttentionNames {
    attention: "self_attn",
    dropout: "dropout1",
};

/// Attention of a sequence to another.
const CROSS_ATTENTION: AttentionNames = AttentionNames {
    attention: "multihead_attn",
    dropout: "dropout2",
};

/// Attention and Dropout; self-attention may be causal.
fn attend(
    parts: &mut Parts<'_>,
    arguments: &Arguments,
    names: AttentionNames,
    inputs: &[&TensorRef],
) -> Result<TensorRef, Failure> {
    let p = arguments.real("dropout");
    let causal = inputs.len() < 3 && arguments.flag("is_causal");
    let attention = json!({"type": "MultiheadAttention", "num_heads": arguments.int("nhead"), "dropout": p,
        "bias": arguments.flag("bias"), "is_causal": causal});
    let output = parts.add(names.attention, &attention, inputs)?;
    parts.dropout(names.dropout, p, output)
}

/// Two Linears with an activation between, and a Dropout called `last`.
fn feed_forward(
    parts: &mut Parts<'_>,
    arguments: &Arguments,
    last: &str,
    input: &TensorRef,
) -> Result<TensorRef, Failure> {
    let (p, size) = (arguments.real("dropout"), input.shape[1]);
    let linear =
        |size: usize| json!({"type": "Linear", "out_features": size, "bias": arguments.flag("bias")});
    let hidden = arguments.size("dim_feedforward").unwrap_or(1);
    let output = parts.add("linear1", &linear(hidden), &[input])?;
    let activation = match arguments.text("activation") {
        "gelu" => "GELU",
        _ => "ReLU",
    };
    let output = parts.add("activation", &json!({"type": activation}), &[&output])?;
    let output = parts.dropout("dropout", p, output)?;
    let output = parts.add("linear2", &linear(size), &[&output])?;
    parts.dropout(last, p, output)
}
