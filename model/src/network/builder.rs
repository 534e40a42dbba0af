//! Reads a network document: every argument checked, every size inferred, every layer in its place.

use super::node::{FORMAT, Inner, InnerValue, LayerNode, MAX_NESTING, Output, Placed, ValueRef, wrong};
use super::{composite, init};
use crate::arguments::{Arguments, excerpt};
use crate::catalogue::{CONTAINER, Kind};
use crate::layers::{self, BuiltLayer, Init, MAX_ELEMENTS, Operation, ParameterSpec, elements};
use crate::parameter::{Parameter, SparseLayout, SparseParameter};
use crate::resident::Residence;
use candlewick_protocol::Failure;
use candlewick_protocol::job::Precision;
use serde_json::{Map, Value, json};
use std::ops::Range;

/// A value of the network and its shape: what a layer reads, or puts out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorRef {
    pub value: ValueRef,
    pub shape: Vec<usize>,
}

/// Where in the document and in the names of the parameters a layer stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct DocPath<'a> {
    /// Path in the document, for messages: `layers.2.layers.0`.
    pub document: &'a str,
    /// Path of its parameters: `2.0`.
    pub path: &'a str,
    /// Containers around it.
    pub depth: usize,
}

/// A layer of the document: its type, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedLayer<'a> {
    pub name: &'static str,
    pub place: DocPath<'a>,
}

impl NamedLayer<'_> {
    /// A failure that names the layer.
    pub(super) fn wrong(&self, message: impl std::fmt::Display) -> Failure {
        Failure::parameter(format!("{} ({}): {message}", self.place.document, self.name))
    }
}

/// The whole output of a network, the outputs it consists of, and what each is read from.
pub(super) struct NetworkOutput {
    pub whole: TensorRef,
    pub outputs: Vec<Output>,
    pub values: Vec<ValueRef>,
}

pub(super) struct Builder {
    pub(super) input: Vec<usize>,
    pub(super) graph_inputs: Vec<(String, Vec<usize>)>,
    layers: Vec<LayerNode>,
    pub(super) parameters: Vec<Parameter>,
    inits: Vec<Init>,
    sparse_parameters: Vec<SparseParameter>,
    /// Parameters that layers use again, see [`super::Network::repeats`].
    repeats: Vec<usize>,
    /// While a layer is called again: its parameters that are still to be taken.
    pub(super) again: Option<Range<usize>>,
    /// Layers that may be called again, by their places.
    pub(super) placed: Vec<Placed>,
    pub(super) named: Vec<(String, TensorRef)>,
    total: usize,
}

/// Appends to a path of parameter names.
pub(super) fn below(path: &str, name: impl std::fmt::Display) -> String {
    if path.is_empty() {
        name.to_string()
    } else {
        format!("{path}.{name}")
    }
}

impl Builder {
    pub(super) fn new(input_shape: &[usize]) -> Result<Self, Failure> {
        if input_shape.is_empty() || input_shape.contains(&0) || elements(input_shape).is_none() {
            return Err(Failure::parameter(format!(
                "the input shape {input_shape:?} is not legal: expected sizes of at least 1 whose product is at most \
                 {MAX_ELEMENTS}"
            )));
        }
        Ok(Builder {
            input: input_shape.to_vec(),
            graph_inputs: Vec::new(),
            layers: Vec::new(),
            parameters: Vec::new(),
            inits: Vec::new(),
            sparse_parameters: Vec::new(),
            repeats: Vec::new(),
            again: None,
            placed: Vec::new(),
            named: Vec::new(),
            total: 0,
        })
    }

    /// Reads the whole document; returns the complete one and the network's output.
    pub(super) fn body(&mut self, document: &Value) -> Result<(Value, NetworkOutput), Failure> {
        let object = header(document, &self.input)?;
        let (mut complete, output) = if object.contains_key("nodes") {
            self.graph(object)?
        } else {
            self.chain(object)?
        };
        let init = init::apply(object.get("init"), &self.parameters, &mut self.inits)?;
        if !init.is_null() {
            complete["init"] = init;
        }
        Ok((complete, output))
    }

    /// Reads the body of a document of layers one after another.
    fn chain(&mut self, object: &Map<String, Value>) -> Result<(Value, NetworkOutput), Failure> {
        let list = object
            .get("layers")
            .ok_or_else(|| wrong("the list \"layers\" is missing"))?;
        let input = self.features();
        let place = DocPath {
            document: "layers",
            path: "",
            depth: 0,
        };
        let (layers, whole) = self.sequence(list, place, input)?;
        let only = Output {
            name: String::new(),
            shape: whole.shape.clone(),
            range: 0..whole.shape.iter().product(),
        };
        let document = json!({"format": FORMAT, "input": {"shape": self.input}, "layers": layers});
        let output = NetworkOutput {
            values: vec![whole.value],
            outputs: vec![only],
            whole,
        };
        Ok((document, output))
    }

    /// The features as an input.
    pub(super) fn features(&self) -> TensorRef {
        TensorRef {
            value: ValueRef::Features,
            shape: self.input.clone(),
        }
    }

    /// Adds the layers of a list, one after another; returns their complete documents and the output of the last.
    pub(super) fn sequence(
        &mut self,
        list: &Value,
        place: DocPath<'_>,
        input: TensorRef,
    ) -> Result<(Vec<Value>, TensorRef), Failure> {
        let list = items(list, place)?;
        let mut documents = Vec::with_capacity(list.len());
        let mut last = input;
        for (index, layer) in list.iter().enumerate() {
            let (document, path) = (format!("{}.{index}", place.document), below(place.path, index));
            let inner = DocPath {
                document: &document,
                path: &path,
                depth: place.depth,
            };
            let (document, next) = self.layer(layer, inner, &[last])?;
            documents.push(document);
            last = next;
        }
        Ok((documents, last))
    }

    /// Adds one layer or container; returns its complete document and its output, which is known by the path from then on.
    pub(super) fn layer(
        &mut self,
        document: &Value,
        place: DocPath<'_>,
        inputs: &[TensorRef],
    ) -> Result<(Value, TensorRef), Failure> {
        let start = self.parameters.len();
        let (document, output) = match document.get("shares") {
            Some(shared) => self.shared(document, shared, place, inputs)?,
            None => self.layer_or_container(document, place, inputs)?,
        };
        if self.again.is_none() {
            self.placed.push(Placed {
                path: place.path.to_owned(),
                document: document.clone(),
                parameters: start..self.parameters.len(),
            });
        }
        self.named.push((place.path.to_owned(), output.clone()));
        Ok((document, output))
    }

    pub(super) fn layer_or_container(
        &mut self,
        document: &Value,
        place: DocPath<'_>,
        inputs: &[TensorRef],
    ) -> Result<(Value, TensorRef), Failure> {
        if document.get("type").is_some_and(|kind| kind == CONTAINER) {
            return self.sequential(document, place, inputs);
        }
        let mut arguments = Arguments::read(Kind::Layer, document, place.document)?;
        if let Value::Array(_) = arguments.value("layers") {
            return self.branches(&mut arguments, place, inputs);
        }
        if composite::is_composite(arguments.name()) {
            return self.composite(arguments, place, inputs);
        }
        let name = arguments.name();
        let layer = NamedLayer { name, place };
        let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.shape.as_slice()).collect();
        let made = layers::make(&mut arguments, &shapes, place.path).map_err(|error| layer.wrong(error))?;
        let values = inputs.iter().map(|input| input.value).collect();
        let output = self.add(made, layer, values)?;
        Ok((self.documented(arguments.to_document()), output))
    }

    /// Notes the complete document of the layer that was added last.
    fn documented(&mut self, document: Value) -> Value {
        if let Some(node) = self.layers.last_mut() {
            node.arguments.clone_from(&document);
        }
        document
    }

    fn sequential(
        &mut self,
        layer: &Value,
        place: DocPath<'_>,
        inputs: &[TensorRef],
    ) -> Result<(Value, TensorRef), Failure> {
        let object = layer.as_object().cloned().unwrap_or_else(Map::new);
        let layer = NamedLayer {
            name: CONTAINER,
            place,
        };
        if let Some(key) = object
            .keys()
            .find(|key| !["type", "layers", "format"].contains(&key.as_str()))
        {
            return Err(layer.wrong(format!("unknown argument {key:?}; legal arguments are layers")));
        }
        let [input] = inputs else {
            return Err(layer.wrong(format!("takes one input, got {}", inputs.len())));
        };
        let list = object.get("layers").unwrap_or(&Value::Null);
        let document = format!("{}.layers", place.document);
        let (layers, output) = self.sequence(list, place.inside(&document), input.clone())?;
        Ok((json!({"type": CONTAINER, "layers": layers}), output))
    }

    /// A container whose layers are branches over the same input, which its join brings together (Add, Multiply,
    /// Concat), or one chain that is added to its input (Residual).
    fn branches(
        &mut self,
        arguments: &mut Arguments,
        place: DocPath<'_>,
        inputs: &[TensorRef],
    ) -> Result<(Value, TensorRef), Failure> {
        let name = arguments.name();
        let container = NamedLayer { name, place };
        let [input] = inputs else {
            return Err(container.wrong(format!(
                "with layers of its own it takes one input, got {}",
                inputs.len()
            )));
        };
        let list = arguments.value("layers").clone();
        let inner = format!("{}.layers", place.document);
        let (documents, outputs) = if name == "Residual" {
            let (documents, output) = self.sequence(&list, place.inside(&inner), input.clone())?;
            (documents, vec![input.clone(), output])
        } else {
            let mut outputs = Vec::new();
            let mut documents = Vec::new();
            for (index, branch) in items(&list, place.inside(&inner))?.iter().enumerate() {
                let (document, path) = (format!("{inner}.{index}"), below(place.path, index));
                let place = DocPath {
                    document: &document,
                    path: &path,
                    depth: place.depth + 1,
                };
                let (document, output) = self.layer(branch, place, std::slice::from_ref(input))?;
                documents.push(document);
                outputs.push(output);
            }
            (documents, outputs)
        };
        let shapes: Vec<&[usize]> = outputs.iter().map(|output| output.shape.as_slice()).collect();
        let made = layers::make(arguments, &shapes, place.path).map_err(|error| container.wrong(error))?;
        let values = outputs.iter().map(|output| output.value).collect();
        let output = self.add(made, container, values)?;
        self.documented(arguments.to_document());
        arguments.set("layers", Value::from(documents));
        Ok((arguments.to_document(), output))
    }

    /// Puts a layer that was made in its place.
    pub(super) fn add(
        &mut self,
        made: BuiltLayer,
        layer: NamedLayer<'_>,
        inputs: Vec<ValueRef>,
    ) -> Result<TensorRef, Failure> {
        let NamedLayer { name, place } = layer;
        layers::check_output(&made.output).map_err(|error| layer.wrong(error))?;
        let first = self
            .again
            .as_ref()
            .map_or(self.parameters.len(), |again| again.start);
        let repeats = self.again.as_ref().map(|_| self.repeats.len());
        let specs = match &made.operation {
            Operation::Module(module) => module.parameters(),
            Operation::View | Operation::Elementwise(_) => Vec::new(),
        };
        let parameters = first..first + specs.len();
        for spec in specs {
            self.parameter(spec, layer)?;
        }
        let weights = match &self.parameters[parameters.clone()] {
            [] => self.total..self.total,
            [first, .., last] => first.offset..last.offset + last.len(),
            [only] => only.offset..only.offset + only.len(),
        };
        let shape = made.output.clone();
        self.layers.push(LayerNode {
            place: place.document.to_owned(),
            path: place.path.to_owned(),
            name,
            operation: made.operation,
            arguments: Value::Null,
            inputs,
            output: made.output,
            parameters,
            weights,
            repeats,
        });
        Ok(TensorRef {
            value: ValueRef::Layer(self.layers.len() - 1),
            shape,
        })
    }

    /// The next parameter of a layer that is called again.
    fn known_parameter(&mut self, spec: &ParameterSpec, layer: NamedLayer<'_>) -> Result<(), Failure> {
        let index = self.again.as_mut().and_then(Iterator::next);
        let known = index.and_then(|index| Some((index, self.parameters.get(index)?)));
        match known {
            Some((index, known)) if known.shape == spec.shape && known.trained == spec.trained => {
                if spec.trained {
                    self.repeats.push(index);
                }
                Ok(())
            }
            known => Err(layer.wrong(format!(
                "here its {} would have shape {:?}, but the layer that it shares has {}",
                spec.name,
                spec.shape,
                known.map_or("no such parameter".to_owned(), |(_, known)| format!(
                    "{} of shape {:?}",
                    known.name, known.shape
                ))
            ))),
        }
    }

    fn parameter(&mut self, spec: ParameterSpec, layer: NamedLayer<'_>) -> Result<(), Failure> {
        if self.again.is_some() {
            return self.known_parameter(&spec, layer);
        }
        let end = elements(&spec.shape).and_then(|size| elements(&[size + self.total]));
        let end = end.ok_or_else(|| {
            layer.wrong(format!(
                "its {} of shape {:?} brings the network to more than {MAX_ELEMENTS} parameters, the limit; make \
                 the layer smaller",
                spec.name, spec.shape
            ))
        })?;
        if let (true, &[entries, width]) = (spec.sparse, spec.shape.as_slice()) {
            self.sparse_parameters.push(SparseParameter {
                offset: self.total,
                entries,
                width,
                layout: SparseLayout::Rows,
            });
        }
        self.parameters.push(Parameter {
            name: below(layer.place.path, spec.name),
            shape: spec.shape,
            offset: self.total,
            trained: spec.trained,
            count: spec.count,
        });
        self.inits.push(spec.init);
        self.total = end;
        Ok(())
    }

    /// Layers that somebody reads, by index.
    pub(super) fn is_read(&self, layer: usize) -> bool {
        let value = ValueRef::Layer(layer);
        self.layers.iter().any(|node| node.inputs.contains(&value))
    }

    pub(super) fn finish(self, document: Value, output: NetworkOutput) -> Inner {
        Inner {
            document,
            input_shape: self.input,
            output: output.whole.value,
            output_shape: output.whole.shape,
            outputs: output.outputs,
            output_values: output.values,
            graph_inputs: self.graph_inputs,
            layers: self.layers,
            parameters: self.parameters,
            inits: self.inits,
            sparse_parameters: self.sparse_parameters,
            repeats: self.repeats,
            sparse_input: false,
            precision: Precision::F32,
            tf32: false,
            residence: Residence::default(),
            named: self.named.into_iter().map(InnerValue::of).collect(),
            num_parameters: self.total,
        }
    }
}

impl InnerValue {
    fn of((name, tensor): (String, TensorRef)) -> Self {
        InnerValue {
            name,
            value: tensor.value,
            width: tensor.shape.iter().product(),
        }
    }
}

impl<'a> DocPath<'a> {
    /// The place of what this container holds; `document` is its list.
    fn inside(self, document: &'a str) -> Self {
        DocPath {
            document,
            depth: self.depth + 1,
            ..self
        }
    }
}

/// The layers of a list that is not empty and not nested too deep.
fn items<'a>(list: &'a Value, place: DocPath<'_>) -> Result<&'a [Value], Failure> {
    let items = list.as_array().filter(|list| !list.is_empty()).ok_or_else(|| {
        let got = excerpt(list);
        wrong(format!(
            "{} must be a list of at least one layer, got {got}",
            place.document
        ))
    })?;
    if place.depth > MAX_NESTING {
        return Err(wrong(format!(
            "{} is nested more than {MAX_NESTING} deep; put its layers into the Sequential around it",
            place.document
        )));
    }
    Ok(items)
}

/// The object of a document whose header is right.
fn header<'a>(document: &'a Value, input_shape: &[usize]) -> Result<&'a Map<String, Value>, Failure> {
    let object = document.as_object().filter(|object| !object.is_empty()).ok_or_else(|| {
        wrong(format!(
            "expected a document such as {{\"format\": \"{FORMAT}\", \"layers\": [...]}}, got {}; make it with \
             nn.Sequential(...)",
            excerpt(document)
        ))
    })?;
    match object.get("format") {
        Some(Value::String(format)) if format == FORMAT => {}
        other => {
            let got = other.map_or("none".to_owned(), excerpt);
            return Err(wrong(format!("expected \"format\": \"{FORMAT}\", got {got}")));
        }
    }
    let legal: &[&str] = if object.contains_key("nodes") {
        &["format", "type", "input", "inputs", "nodes", "outputs", "init"]
    } else {
        &["format", "type", "input", "layers", "init"]
    };
    for key in object.keys() {
        if !legal.contains(&key.as_str()) {
            let legal: Vec<&str> = legal.iter().copied().filter(|key| *key != "type").collect();
            return Err(wrong(format!(
                "unknown key {key:?}; legal keys are {}",
                legal.join(", ")
            )));
        }
    }
    let wanted = if object.contains_key("nodes") {
        "Graph"
    } else {
        CONTAINER
    };
    if let Some(kind) = object.get("type").filter(|kind| *kind != wanted) {
        return Err(wrong(format!("expected a {wanted}, got type {}", excerpt(kind))));
    }
    if let Some(shape) = object.get("input").and_then(|input| input.get("shape"))
        && *shape != json!(input_shape)
    {
        return Err(wrong(format!(
            "its \"input\" says shape {}, but the features have {input_shape:?}",
            excerpt(shape)
        )));
    }
    Ok(object)
}
