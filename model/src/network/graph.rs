//! Graph networks: named inputs, nodes that read inputs and other nodes, named outputs.
//!
//! `{"format": "candlewick.network/1", "inputs": [{"name": "user", "shape": [8]}, ...],
//! "nodes": [{"name": "hidden", "inputs": ["user"], "layer": {"type": "Linear", ...}}, ...], "outputs": ["score"]}`.
//! A row of features holds the inputs one after another; a row of outputs holds the outputs one after another.

use super::builder::{Builder, DocPath, End, Ends, elements};
use super::node::{FORMAT, Output, ValueRef, wrong};
use crate::arguments::excerpt;
use crate::layers;
use candlewick_protocol::Failure;
use serde_json::{Map, Value, json};

/// Nodes that are known by name, in the order of the document.
type Named = Vec<(String, End)>;

impl Builder {
    /// Reads the body of a graph document; returns the complete document and the ends.
    pub(super) fn graph(&mut self, object: &Map<String, Value>) -> Result<(Value, Ends), Failure> {
        let mut ends: Named = Vec::new();
        let inputs = self.graph_inputs(object, &mut ends)?;
        let list = object
            .get("nodes")
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| wrong("\"nodes\" must be a list of at least one node"))?;
        let mut nodes = Vec::with_capacity(list.len());
        let first = ends.len();
        for (index, node) in list.iter().enumerate() {
            nodes.push(self.node(index, node, &mut ends)?);
        }
        let names = texts(object.get("outputs"))
            .filter(|names| !names.is_empty())
            .ok_or_else(|| wrong("\"outputs\" must be a list of names of nodes"))?;
        let mut outputs = Vec::new();
        let mut parts = Vec::new();
        let mut width = 0;
        for name in &names {
            let end = lookup(&ends, name, "outputs")?;
            let size: usize = end.shape.iter().product();
            outputs.push(Output {
                name: name.clone(),
                shape: end.shape.clone(),
                range: width..width + size,
            });
            width += size;
            parts.push(end);
        }
        for (at, (name, end)) in ends.iter().enumerate() {
            let read = match end.value {
                ValueRef::Layer(layer) => self.is_read(layer),
                ValueRef::Features => true,
            };
            if !read && !names.contains(name) {
                let what = if at < first { "input" } else { "node" };
                return Err(wrong(format!(
                    "nothing reads the {what} {name:?}: use it in a node, name it among the outputs, or remove it"
                )));
            }
        }
        let values = parts.iter().map(|end| end.value).collect();
        let whole = match <[End; 1]>::try_from(parts) {
            Ok([end]) => end,
            Err(parts) => self.join_outputs(&parts)?,
        };
        let document = json!({
            "format": FORMAT, "input": {"shape": self.input}, "inputs": inputs, "nodes": nodes, "outputs": names,
        });
        let ends = Ends {
            whole,
            outputs,
            values,
        };
        Ok((document, ends))
    }

    fn graph_inputs(&mut self, object: &Map<String, Value>, ends: &mut Named) -> Result<Vec<Value>, Failure> {
        let list = object
            .get("inputs")
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| {
            wrong("\"inputs\" must be a list such as [{\"name\": \"user\", \"shape\": [8]}]")
        })?;
        let width: usize = self.input.iter().product();
        let mut start = 0;
        let mut documents = Vec::new();
        for (index, input) in list.iter().enumerate() {
            let document = format!("inputs.{index}");
            let name = new_name(input, &document, ends)?;
            let shape: Option<Vec<usize>> = match input.get("shape") {
                None | Some(Value::Null) if list.len() == 1 => Some(self.input.clone()),
                shape => shape.and_then(|shape| serde_json::from_value(shape.clone()).ok()),
            };
            let shape =
                shape.filter(|shape| !shape.is_empty() && !shape.contains(&0) && elements(shape).is_some());
            let shape = shape.ok_or_else(|| {
                wrong(format!(
                    "{document} ({name}): \"shape\" must be a list of sizes of at least 1"
                ))
            })?;
            let size: usize = shape.iter().product();
            if start + size > width {
                break;
            }
            let end = if list.len() == 1 && size == width {
                End {
                    value: ValueRef::Features,
                    shape: shape.clone(),
                }
            } else {
                let place = DocPath {
                    document: &document,
                    path: "",
                    depth: 0,
                };
                let made = layers::select((start, width), &shape);
                self.add(made, ("Input", place), vec![ValueRef::Features])?
            };
            documents.push(json!({"name": name, "shape": shape}));
            self.graph_inputs.push((name.clone(), shape.clone()));
            ends.push((name, end));
            start += size;
        }
        if documents.len() < list.len() || start != width {
            let given: Vec<String> = list.iter().map(excerpt).collect();
            return Err(wrong(format!(
                "the inputs {} do not have the {width} values that a row of features has",
                given.join(", ")
            )));
        }
        Ok(documents)
    }

    fn node(&mut self, index: usize, node: &Value, ends: &mut Named) -> Result<Value, Failure> {
        let document = format!("nodes.{index}");
        let name = new_name(node, &document, ends)?;
        let inputs = texts(node.get("inputs"))
            .filter(|inputs| !inputs.is_empty())
            .ok_or_else(|| {
                wrong(format!(
                    "{document} ({name}): \"inputs\" must be a list of names of inputs or earlier nodes"
                ))
            })?;
        let mut from = Vec::with_capacity(inputs.len());
        for input in &inputs {
            from.push(lookup(ends, input, &format!("{document} ({name})"))?);
        }
        let layer = node
            .get("layer")
            .ok_or_else(|| wrong(format!("{document} ({name}): \"layer\" is missing")))?;
        let place = DocPath {
            document: &document,
            path: &name,
            depth: 0,
        };
        let (layer, end) = self.layer(layer, place, &from)?;
        ends.push((name.clone(), end));
        Ok(json!({"name": name, "inputs": inputs, "layer": layer}))
    }

    /// Brings several outputs into one row.
    fn join_outputs(&mut self, parts: &[End]) -> Result<End, Failure> {
        let sizes: Vec<usize> = parts.iter().map(|end| end.shape.iter().product()).collect();
        let place = DocPath {
            document: "outputs",
            path: "",
            depth: 0,
        };
        let values = parts.iter().map(|end| end.value).collect();
        self.add(layers::join_outputs(&sizes), ("Outputs", place), values)
    }
}

fn texts(list: Option<&Value>) -> Option<Vec<String>> {
    serde_json::from_value(list?.clone()).ok()
}

fn lookup(ends: &Named, name: &str, place: &str) -> Result<End, Failure> {
    match ends.iter().find(|(known, _)| known == name) {
        Some((_, end)) => Ok(end.clone()),
        None => {
            let known: Vec<&str> = ends.iter().map(|(name, _)| name.as_str()).collect();
            Err(wrong(format!(
                "{place}: there is no input or earlier node {name:?}; there are {}",
                known.join(", ")
            )))
        }
    }
}

/// A name that is new, and legal in the names of parameters.
fn new_name(item: &Value, place: &str, ends: &Named) -> Result<String, Failure> {
    let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
    let legal = !name.is_empty() && name.len() <= 200 && !name.contains(['.', '/', '"', '\\']);
    if !legal || name.chars().any(char::is_control) {
        return Err(wrong(format!(
            "{place}: \"name\" must be a text without . / \" \\, got {}",
            item.get("name").map_or("none".to_owned(), excerpt)
        )));
    }
    if ends.iter().any(|(known, _)| known == name) {
        return Err(wrong(format!(
            "{place}: the name {name:?} is taken; names differ"
        )));
    }
    Ok(name.to_owned())
}
