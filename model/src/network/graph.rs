//! Graph networks: named inputs, nodes that read inputs and other nodes, named outputs.
//!
//! `{"format": "candlewick.network/1", "inputs": [{"name": "user", "shape": [8]}, ...],
//! "nodes": [{"name": "hidden", "inputs": ["user"], "layer": {"type": "Linear", ...}}, ...], "outputs": ["score"]}`.
//! A node with `"shares": "hidden"` in the place of its layer calls the layer of that earlier node again, with the same weights.
//! A row of features holds the inputs one after another; a row of outputs holds the outputs one after another.

use super::builder::{Builder, DocPath, NamedLayer, NetworkOutput, TensorRef};
use super::node::{FORMAT, Output, ValueRef, wrong};
use crate::arguments::excerpt;
use crate::layers::{self, elements};
use candlewick_protocol::Failure;
use serde_json::{Map, Value, json};
use std::ops::Range;

/// Nodes that are known by name, in the order of the document.
type Named = Vec<(String, TensorRef)>;

impl Builder {
    /// Reads the body of a graph document; returns the complete document and the network's output.
    pub(super) fn graph(&mut self, object: &Map<String, Value>) -> Result<(Value, NetworkOutput), Failure> {
        let mut named: Named = Vec::new();
        let inputs = self.graph_inputs(object, &mut named)?;
        let list = object
            .get("nodes")
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| wrong("\"nodes\" must be a list of at least one node"))?;
        let mut nodes = Vec::with_capacity(list.len());
        let first = named.len();
        let mut parameters: Vec<Range<usize>> = Vec::with_capacity(list.len());
        for (index, node) in list.iter().enumerate() {
            let start = self.parameters.len();
            let known = Known {
                nodes: &nodes,
                parameters: &parameters,
            };
            let made = self.node(index, node, &mut named, &known)?;
            nodes.push(made);
            parameters.push(start..self.parameters.len());
        }
        let names = texts(object.get("outputs"))
            .filter(|names| !names.is_empty())
            .ok_or_else(|| wrong("\"outputs\" must be a list of names of nodes"))?;
        let mut outputs = Vec::new();
        let mut parts = Vec::new();
        let mut width = 0;
        for name in &names {
            let tensor = lookup(&named, name, "outputs")?;
            let size: usize = tensor.shape.iter().product();
            outputs.push(Output {
                name: name.clone(),
                shape: tensor.shape.clone(),
                range: width..width + size,
            });
            width += size;
            parts.push(tensor);
        }
        self.all_are_read(&named, first, &names)?;
        let values = parts.iter().map(|tensor| tensor.value).collect();
        let whole = match <[TensorRef; 1]>::try_from(parts) {
            Ok([tensor]) => tensor,
            Err(parts) => self.join_outputs(&parts)?,
        };
        let document = json!({
            "format": FORMAT, "input": {"shape": self.input}, "inputs": inputs, "nodes": nodes, "outputs": names,
        });
        let output = NetworkOutput {
            whole,
            outputs,
            values,
        };
        Ok((document, output))
    }

    /// Refuses inputs, the first of the named, and nodes that nothing reads.
    fn all_are_read(&self, named: &Named, inputs: usize, outputs: &[String]) -> Result<(), Failure> {
        for (at, (name, tensor)) in named.iter().enumerate() {
            let read = match tensor.value {
                ValueRef::Layer(layer) => self.is_read(layer),
                ValueRef::Features => true,
            };
            if !read && !outputs.contains(name) {
                let what = if at < inputs { "input" } else { "node" };
                return Err(wrong(format!(
                    "nothing reads the {what} {name:?}: use it in a node, name it among the outputs, or remove it"
                )));
            }
        }
        Ok(())
    }

    fn graph_inputs(
        &mut self,
        object: &Map<String, Value>,
        named: &mut Named,
    ) -> Result<Vec<Value>, Failure> {
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
            let name = new_name(input, &document, named)?;
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
            let tensor = if list.len() == 1 && size == width {
                TensorRef {
                    value: ValueRef::Features,
                    shape: shape.clone(),
                }
            } else {
                let place = DocPath {
                    document: &document,
                    path: "",
                    depth: 0,
                };
                let layer = NamedLayer { name: "Input", place };
                let made = layers::select(start, width, &shape);
                self.add(made, layer, vec![ValueRef::Features])?
            };
            documents.push(json!({"name": name, "shape": shape}));
            self.graph_inputs.push((name.clone(), shape.clone()));
            named.push((name, tensor));
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

    fn node(
        &mut self,
        index: usize,
        node: &Value,
        named: &mut Named,
        known: &Known<'_>,
    ) -> Result<Value, Failure> {
        let document = format!("nodes.{index}");
        let name = new_name(node, &document, named)?;
        let inputs = texts(node.get("inputs"))
            .filter(|inputs| !inputs.is_empty())
            .ok_or_else(|| {
                wrong(format!(
                    "{document} ({name}): \"inputs\" must be a list of names of inputs or earlier nodes"
                ))
            })?;
        let mut from = Vec::with_capacity(inputs.len());
        for input in &inputs {
            from.push(lookup(named, input, &format!("{document} ({name})"))?);
        }
        let place = DocPath {
            document: &format!("nodes.{name}"),
            path: &name,
            depth: 0,
        };
        let at = |what: String| wrong(format!("{document} ({name}): {what}"));
        match (node.get("layer"), node.get("shares")) {
            (Some(layer), None) => {
                let (layer, tensor) = self.layer(layer, place, &from)?;
                named.push((name.clone(), tensor));
                Ok(json!({"name": name, "inputs": inputs, "layer": layer}))
            }
            (None, Some(shared)) => {
                let (layer, parameters) = known.find(shared).map_err(at)?;
                let tensor = self.layer_again(layer, place, &from, parameters)?;
                self.named.push((name.clone(), tensor.clone()));
                named.push((name.clone(), tensor));
                Ok(json!({"name": name, "inputs": inputs, "shares": shared}))
            }
            (None, None) => Err(at("\"layer\" is missing".to_owned())),
            (Some(_), Some(_)) => Err(at("has both \"layer\" and \"shares\"; remove one".to_owned())),
        }
    }

    /// Brings several outputs into one row.
    fn join_outputs(&mut self, parts: &[TensorRef]) -> Result<TensorRef, Failure> {
        let sizes: Vec<usize> = parts.iter().map(|tensor| tensor.shape.iter().product()).collect();
        let place = DocPath {
            document: "outputs",
            path: "",
            depth: 0,
        };
        let values = parts.iter().map(|tensor| tensor.value).collect();
        let layer = NamedLayer {
            name: "Outputs",
            place,
        };
        self.add(layers::join_outputs(&sizes), layer, values)
    }
}

/// The nodes so far: their complete documents, and their parameters by index.
struct Known<'a> {
    nodes: &'a [Value],
    parameters: &'a [Range<usize>],
}

impl<'a> Known<'a> {
    /// The layer of the node that another one shares, and its parameters.
    fn find(&self, shared: &Value) -> Result<(&'a Value, Range<usize>), String> {
        let mut nodes = self.nodes.iter().zip(self.parameters);
        let found = nodes.find(|(node, _)| node["name"] == *shared);
        let (node, parameters) = found.ok_or_else(|| {
            format!(
                "\"shares\" must be the name of an earlier node, got {}",
                excerpt(shared)
            )
        })?;
        let layer = node.get("layer").ok_or_else(|| {
            format!(
                "\"shares\" is {}, which has no layer of its own: name the node that it shares, {}",
                excerpt(shared),
                excerpt(&node["shares"])
            )
        })?;
        Ok((layer, parameters.clone()))
    }
}

fn texts(list: Option<&Value>) -> Option<Vec<String>> {
    serde_json::from_value(list?.clone()).ok()
}

fn lookup(named: &Named, name: &str, place: &str) -> Result<TensorRef, Failure> {
    match named.iter().find(|(known, _)| known == name) {
        Some((_, tensor)) => Ok(tensor.clone()),
        None => {
            let known: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
            Err(wrong(format!(
                "{place}: there is no input or earlier node {name:?}; there are {}",
                known.join(", ")
            )))
        }
    }
}

/// A name that is new, and legal in the names of parameters.
fn new_name(item: &Value, place: &str, named: &Named) -> Result<String, Failure> {
    let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
    let legal = !name.is_empty() && name.len() <= 200 && !name.contains(['.', '/', '"', '\\']);
    if !legal || name.chars().any(char::is_control) {
        return Err(wrong(format!(
            "{place}: \"name\" must be a text without . / \" \\, got {}",
            item.get("name").map_or("none".to_owned(), excerpt)
        )));
    }
    if named.iter().any(|(known, _)| known == name) {
        return Err(wrong(format!(
            "{place}: the name {name:?} is taken; names differ"
        )));
    }
    Ok(name.to_owned())
}
