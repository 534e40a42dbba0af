//! Layers that are made of other layers, with the names that PyTorch gives their parts.

use super::builder::{Builder, DocPath, End, below};
use crate::arguments::Arguments;
use candlewick_protocol::Failure;
use serde_json::{Value, json};

/// Puts the parts of a layer in their places; gives the end of the last.
type Compose = fn(&mut Parts<'_>, &mut Arguments, &End) -> Result<End, Failure>;

/// The layers that are made of others.
const COMPOSITES: &[(&str, Compose)] = &[("TransformerEncoderLayer", transformer_encoder_layer)];

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
    /// Adds the parts of a layer; gives its complete document and its end.
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
        let [input] = inputs else {
            return Err(parts.wrong(format!("takes one input, got {}", inputs.len())));
        };
        let compose = COMPOSITES.iter().find(|(known, _)| *known == name);
        let (_, compose) = compose.ok_or_else(|| parts.wrong("is made of nothing".to_owned()))?;
        let end = compose(&mut parts, &mut arguments, input)?;
        Ok((arguments.to_document(), end))
    }
}

impl Parts<'_> {
    fn wrong(&self, message: String) -> Failure {
        Failure::parameter(format!("{} ({}): {message}", self.place.document, self.name))
    }

    /// Adds a part.
    fn add(&mut self, name: &str, layer: &Value, inputs: &[&End]) -> Result<End, Failure> {
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
        let (_, end) = self.builder.layer(layer, place, &inputs)?;
        Ok(end)
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
    input: &End,
) -> Result<End, Failure> {
    check_sequence(parts, arguments, &input.shape)?;
    let norm =
        json!({"type": "LayerNorm", "eps": arguments.real("layer_norm_eps"), "bias": arguments.flag("bias")});
    let add = json!({"type": "Add"});
    if arguments.flag("norm_first") {
        let normal = parts.add("norm1", &norm, &[input])?;
        let attended = attend(parts, arguments, &normal)?;
        let middle = parts.add("add1", &add, &[input, &attended])?;
        let normal = parts.add("norm2", &norm, &[&middle])?;
        let forward = feed_forward(parts, arguments, &normal)?;
        return parts.add("add2", &add, &[&middle, &forward]);
    }
    let attended = attend(parts, arguments, input)?;
    let sum = parts.add("add1", &add, &[input, &attended])?;
    let middle = parts.add("norm1", &norm, &[&sum])?;
    let forward = feed_forward(parts, arguments, &middle)?;
    let sum = parts.add("add2", &add, &[&middle, &forward])?;
    parts.add("norm2", &norm, &[&sum])
}

fn check_sequence(parts: &Parts<'_>, arguments: &mut Arguments, shape: &[usize]) -> Result<(), Failure> {
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

/// Self-attention.
fn attend(parts: &mut Parts<'_>, arguments: &Arguments, input: &End) -> Result<End, Failure> {
    let p = arguments.real("dropout");
    let attention = json!({"type": "MultiheadAttention", "num_heads": arguments.int("nhead"), "dropout": p,
        "bias": arguments.flag("bias"), "is_causal": arguments.flag("is_causal")});
    let end = parts.add("self_attn", &attention, &[input])?;
    parts.dropout("dropout1", p, end)
}

/// Two Linears with an activation between.
fn feed_forward(parts: &mut Parts<'_>, arguments: &Arguments, input: &End) -> Result<End, Failure> {
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
    parts.dropout("dropout2", p, end)
}
