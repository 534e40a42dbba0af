//! Layers that are made of other layers, with the names that PyTorch gives their parts.

use super::builder::{Builder, DocPath, End, below};
use crate::arguments::{Arguments, excerpt};
use crate::layers::check_batch_first;
use candlewick_protocol::Failure;
use serde_json::{Value, json};

/// Puts the parts of a layer in their places; returns the end of the last.
type Compose = fn(&mut Parts<'_>, &mut Arguments, &[End]) -> Result<End, Failure>;

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
    place: DocPath<'a>,
    name: &'static str,
}

impl Builder {
    /// Adds the parts of a layer; returns its complete document and its end.
    pub(super) fn composite(
        &mut self,
        mut arguments: Arguments,
        place: DocPath<'_>,
        inputs: &[End],
    ) -> Result<(Value, End), Failure> {
        let name = arguments.name();
        let mut parts = Parts {
            builder: self,
            place,
            name,
        };
        let compose = COMPOSITES.iter().find(|(known, _)| *known == name);
        let (_, compose) = compose.ok_or_else(|| parts.wrong("is made of nothing".to_owned()))?;
        let end = compose(&mut parts, &mut arguments, inputs)?;
        Ok((arguments.to_document(), end))
    }
}

impl Parts<'_> {
    fn wrong(&self, message: String) -> Failure {
        Failure::parameter(format!("{} ({}): {message}", self.place.document, self.name))
    }

    /// The only input.
    fn single<'a>(&self, inputs: &'a [End]) -> Result<&'a End, Failure> {
        match inputs {
            [input] => Ok(input),
            _ => Err(self.wrong(format!("takes one input, got {}", inputs.len()))),
        }
    }

    /// Adds a part.
    fn add(&mut self, name: &str, layer: &Value, inputs: &[&End]) -> Result<End, Failure> {
        self.complete(name, layer, inputs).map(|(_, end)| end)
    }

    /// Adds a part; gives its complete document too.
    fn complete(&mut self, name: &str, layer: &Value, inputs: &[&End]) -> Result<(Value, End), Failure> {
        let (document, path) = (
            format!("{}.{name}", self.place.document),
            below(self.place.path, name),
        );
        let place = DocPath {
            document: &document,
            path: &path,
            depth: self.place.depth,
        };
        let inputs: Vec<End> = inputs.iter().map(|end| (*end).clone()).collect();
        self.builder.layer(layer, place, &inputs)
    }

    /// Adds a Dropout where it does something.
    fn dropout(&mut self, name: &str, p: f64, input: End) -> Result<End, Failure> {
        match p > 0.0 {
            true => self.add(name, &json!({"type": "Dropout", "p": p}), &[&input]),
            false => Ok(input),
        }
    }
}

fn transformer_encoder_layer(
    parts: &mut Parts<'_>,
    arguments: &mut Arguments,
    inputs: &[End],
) -> Result<End, Failure> {
    let input = parts.single(inputs)?;
    check_sequence(parts, arguments, &input.shape)?;
    let (norm, add) = (layer_norm(arguments), json!({"type": "Add"}));
    if arguments.flag("norm_first") {
        let normal = parts.add("norm1", &norm, &[input])?;
        let attended = attend(parts, arguments, OF_ITSELF, &[&normal])?;
        let middle = parts.add("add1", &add, &[input, &attended])?;
        let normal = parts.add("norm2", &norm, &[&middle])?;
        let forward = feed_forward(parts, arguments, "dropout2", &normal)?;
        return parts.add("add2", &add, &[&middle, &forward]);
    }
    let attended = attend(parts, arguments, OF_ITSELF, &[input])?;
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
    inputs: &[End],
) -> Result<End, Failure> {
    let mut end = parts.single(inputs)?.clone();
    let mut layer = arguments.value("encoder_layer").clone();
    if layer["type"] != "TransformerEncoderLayer" {
        return Err(parts.wrong(format!(
            "expects a TransformerEncoderLayer as encoder_layer, got {}",
            excerpt(&layer)
        )));
    }
    for at in 0..arguments.size("num_layers").unwrap_or(1) {
        (layer, end) = parts.complete(&format!("layers.{at}"), &layer, &[&end])?;
    }
    arguments.set("encoder_layer", layer);
    if arguments.is_null("norm") {
        return Ok(end);
    }
    let (norm, end) = parts.complete("norm", &arguments.value("norm").clone(), &[&end])?;
    arguments.set("norm", norm);
    Ok(end)
}

fn transformer_decoder_layer(
    parts: &mut Parts<'_>,
    arguments: &mut Arguments,
    inputs: &[End],
) -> Result<End, Failure> {
    let [input, memory] = inputs else {
        return Err(parts.wrong(format!(
            "takes two inputs of a graph, the sequence and what it attends to, got {}; make it a node: \
             nn.TransformerDecoderLayer(...)(sequence, memory)",
            inputs.len()
        )));
    };
    check_sequence(parts, arguments, &input.shape)?;
    if memory.shape.len() != 2 || memory.shape[1] != input.shape[1] {
        return Err(parts.wrong(format!(
            "expects a second input of shape [length, {}], got {:?}",
            input.shape[1], memory.shape
        )));
    }
    let (norm, add) = (layer_norm(arguments), json!({"type": "Add"}));
    let first = arguments.flag("norm_first");
    let mut end = input.clone();
    for block in 1..=3 {
        let (norm_name, add_name) = (format!("norm{block}"), format!("add{block}"));
        let normal = match first {
            true => parts.add(&norm_name, &norm, &[&end])?,
            false => end.clone(),
        };
        let changed = match block {
            1 => attend(parts, arguments, OF_ITSELF, &[&normal])?,
            2 => attend(parts, arguments, OF_MEMORY, &[&normal, memory, memory])?,
            _ => feed_forward(parts, arguments, "dropout3", &normal)?,
        };
        end = parts.add(&add_name, &add, &[&end, &changed])?;
        if !first {
            end = parts.add(&norm_name, &norm, &[&end])?;
        }
    }
    Ok(end)
}

/// A LayerNorm with the arguments of the layer around it.
fn layer_norm(arguments: &Arguments) -> Value {
    json!({"type": "LayerNorm", "eps": arguments.real("layer_norm_eps"), "bias": arguments.flag("bias")})
}

fn check_sequence(parts: &Parts<'_>, arguments: &mut Arguments, shape: &[usize]) -> Result<(), Failure> {
    check_batch_first(arguments).map_err(|error| parts.wrong(error.to_string()))?;
    let &[_, size] = shape else {
        return Err(parts.wrong(format!(
            "expects an input of shape [length, d_model], got {shape:?}"
        )));
    };
    if let Some(wanted) = arguments.size("d_model").filter(|wanted| *wanted != size) {
        return Err(parts.wrong(format!(
            "expects {wanted} values in the last dimension (d_model={wanted}), but the input has shape {shape:?}; set \
             d_model to {size} or leave it out"
        )));
    }
    arguments.set_size("d_model", size);
    let heads = arguments.size("nhead").unwrap_or(1);
    if size % heads != 0 {
        return Err(parts.wrong(format!(
            "expects a d_model that nhead={heads} divides, got {size}: every head has d_model / nhead values"
        )));
    }
    Ok(())
}

/// Names of self-attention and of the Dropout after it.
const OF_ITSELF: (&str, &str) = ("self_attn", "dropout1");
/// Names of attention to another sequence and of the Dropout after it.
const OF_MEMORY: (&str, &str) = ("multihead_attn", "dropout2");

/// Attention and Dropout; self-attention may be causal.
fn attend(
    parts: &mut Parts<'_>,
    arguments: &Arguments,
    (name, dropout): (&str, &str),
    inputs: &[&End],
) -> Result<End, Failure> {
    let p = arguments.real("dropout");
    let causal = inputs.len() == 1 && arguments.flag("is_causal");
    let attention = json!({"type": "MultiheadAttention", "num_heads": arguments.int("nhead"), "dropout": p,
        "bias": arguments.flag("bias"), "is_causal": causal});
    let end = parts.add(name, &attention, inputs)?;
    parts.dropout(dropout, p, end)
}

/// Two Linears with an activation between, and a Dropout called `last`.
fn feed_forward(
    parts: &mut Parts<'_>,
    arguments: &Arguments,
    last: &str,
    input: &End,
) -> Result<End, Failure> {
    let (p, size) = (arguments.real("dropout"), input.shape[1]);
    let linear =
        |size: usize| json!({"type": "Linear", "out_features": size, "bias": arguments.flag("bias")});
    let hidden = arguments.size("dim_feedforward").unwrap_or(1);
    let end = parts.add("linear1", &linear(hidden), &[input])?;
    let activation = match arguments.text("activation") {
        "gelu" => "GELU",
        _ => "ReLU",
    };
    let end = parts.add("activation", &json!({"type": activation}), &[&end])?;
    let end = parts.dropout("dropout", p, end)?;
    let end = parts.add("linear2", &linear(size), &[&end])?;
    parts.dropout(last, p, end)
}
