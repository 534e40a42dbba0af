//! A graph that grows node by node, and what a layer knows when it adds its own.

use super::proto::{
    AttributeProto, DOUBLE, DimensionProto, DimensionValue, FLOAT, GraphProto, INT64, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use serde_json::Value;
use std::collections::HashSet;

/// Value of an attribute.
#[derive(Debug, Clone)]
pub(super) enum Attribute {
    Real(f32),
    Int(i64),
    Text(&'static str),
    Ints(Vec<i64>),
    Texts(Vec<&'static str>),
}

/// The name of a value in the graph.
pub(super) type Name = String;

#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Names of those that are parameters.
    parameters: HashSet<String>,
}

/// A size as ONNX has it.
pub(super) fn long(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The shape of a value of the graph: any number of rows, then `shape`.
pub(super) fn batched(shape: &[usize]) -> Vec<i64> {
    std::iter::once(-1)
        .chain(shape.iter().map(|size| long(*size)))
        .collect()
}

impl Graph {
    /// Adds a node of one output; returns its name.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> Name {
        let at = self.outputs(op, inputs, attributes, 1);
        at.into_iter().next().unwrap_or_default()
    }

    /// Adds a node of several outputs.
    pub(super) fn outputs(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        count: usize,
    ) -> Vec<Name> {
        let name = format!("{op}_{}", self.nodes.len());
        let outputs: Vec<Name> = (0..count).map(|at| format!("{name}_{at}")).collect();
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: outputs.clone(),
            name,
            op_type: op.to_owned(),
            attribute: attributes
                .iter()
                .map(|(name, value)| attribute(name, value))
                .collect(),
        });
        outputs
    }

    /// Gives a value another name.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        self.nodes.push(NodeProto {
            input: vec![from.to_owned()],
            output: vec![to.to_owned()],
            name: format!("{to}_identity"),
            op_type: "Identity".to_owned(),
            attribute: Vec::new(),
        });
    }

    /// A constant of real numbers.
    pub(super) fn reals(&mut self, shape: &[usize], values: &[f32]) -> Name {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(FLOAT, shape, bytes, None)
    }

    /// A constant of one real number.
    pub(super) fn real(&mut self, value: f32) -> Name {
        self.reals(&[], &[value])
    }

    /// A constant of one number in f64.
    pub(super) fn double(&mut self, value: f64) -> Name {
        self.tensor(DOUBLE, &[], value.to_le_bytes().to_vec(), None)
    }

    /// A constant list of whole numbers.
    pub(super) fn ints(&mut self, values: &[i64]) -> Name {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(INT64, &[values.len()], bytes, None)
    }

    fn tensor(&mut self, kind: i32, shape: &[usize], raw_data: Vec<u8>, name: Option<&str>) -> Name {
        let named = name.is_some();
        let name = name.map_or_else(|| format!("constant_{}", self.constants.len()), str::to_owned);
        // A layer that is called again has its parameters there.
        if named && !self.parameters.insert(name.clone()) {
            return name;
        }
        self.constants.push(TensorProto {
            dims: shape.iter().map(|size| long(*size)).collect(),
            data_type: kind,
            name: name.clone(),
            raw_data,
        });
        name
    }

    /// A value with other dimensions after the batch.
    pub(super) fn reshape(&mut self, value: &str, shape: &[usize]) -> Name {
        let shape = self.ints(&batched(shape));
        self.node("Reshape", &[value, &shape], &[])
    }

    /// A value with its dimensions, the batch included, in another order.
    pub(super) fn transpose(&mut self, value: &str, order: &[i64]) -> Name {
        self.node(
            "Transpose",
            &[value],
            &[("perm", Attribute::Ints(order.to_vec()))],
        )
    }

    pub(super) fn finish(self, name: &str, ends: (Vec<ValueInfoProto>, Vec<ValueInfoProto>)) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.constants,
            input: ends.0,
            output: ends.1,
        }
    }
}

fn attribute(name: &str, value: &Attribute) -> AttributeProto {
    let mut made = AttributeProto {
        name: name.to_owned(),
        ..AttributeProto::default()
    };
    match value {
        Attribute::Real(value) => (made.f, made.r#type) = (*value, 1),
        Attribute::Int(value) => (made.i, made.r#type) = (*value, 2),
        Attribute::Text(text) => (made.s, made.r#type) = (text.as_bytes().to_vec(), 3),
        Attribute::Ints(values) => (made.ints, made.r#type) = (values.clone(), 7),
        Attribute::Texts(texts) => {
            made.strings = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            made.r#type = 8;
        }
    }
    made
}

/// An input or output of the graph.
pub(super) fn value_info(name: &str, shape: &[usize]) -> ValueInfoProto {
    let batch = DimensionValue::Name("batch".to_owned());
    let sizes = shape.iter().map(|size| DimensionValue::Size(long(*size)));
    let dim = std::iter::once(batch)
        .chain(sizes)
        .map(|value| DimensionProto { value: Some(value) })
        .collect();
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: FLOAT,
                shape: Some(TensorShapeProto { dim }),
            }),
        }),
    }
}

/// A layer that is to be exported: its arguments, its weights, what it reads.
#[derive(Debug)]
pub(super) struct Layer<'a> {
    pub weights: &'a [f32],
    pub kind: &'static str,
    pub arguments: &'a Value,
    /// Names of the inputs in the graph.
    pub inputs: &'a [Name],
    /// Their shapes, without the batch.
    pub shapes: &'a [Vec<usize>],
    /// Shape of the output, without the batch.
    pub output: &'a [usize],
    /// Its parameters.
    pub parameters: &'a [Parameter],
}

impl<'a> Layer<'a> {
    /// The first input.
    pub(super) fn input(&self) -> &str {
        self.inputs.first().map_or("", String::as_str)
    }

    /// Shape of the first input.
    pub(super) fn shape(&self) -> &[usize] {
        self.shapes.first().map_or(&[], Vec::as_slice)
    }

    /// The parameter whose name ends in `.name`.
    pub(super) fn parameter(&self, name: &str) -> Option<(&'a Parameter, &'a [f32])> {
        let found = self.parameters.iter().find(|parameter| {
            let end = parameter.name.strip_suffix(name);
            end.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })?;
        Some((found, &self.weights[found.offset..found.offset + found.len()]))
    }

    /// The values of a parameter the layer must have.
    pub(super) fn values(&self, name: &str) -> Result<&'a [f32], Failure> {
        self.parameter(name)
            .map(|(_, values)| values)
            .ok_or_else(|| Failure::internal(format!("{} has no parameter {name}", self.kind)))
    }

    /// A parameter as a constant of the graph, under its own name.
    pub(super) fn constant(&self, graph: &mut Graph, name: &str) -> Option<Name> {
        let (parameter, values) = self.parameter(name)?;
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Some(graph.tensor(FLOAT, &parameter.shape, bytes, Some(&parameter.name)))
    }

    /// A parameter as a constant, which the layer must have.
    pub(super) fn required(&self, graph: &mut Graph, name: &str) -> Result<Name, Failure> {
        self.constant(graph, name)
            .ok_or_else(|| Failure::internal(format!("{} has no parameter {name}", self.kind)))
    }

    /// A real argument.
    pub(super) fn real(&self, name: &str) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "attributes are f32")]
        let value = self.arguments[name].as_f64().unwrap_or_default() as f32;
        value
    }

    /// A whole argument.
    pub(super) fn int(&self, name: &str) -> i64 {
        self.arguments[name].as_i64().unwrap_or_default()
    }

    /// A truth value.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.arguments[name].as_bool().unwrap_or_default()
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.arguments[name].as_str().unwrap_or_default()
    }

    /// One size for each of `count` dimensions; `default` where there is none.
    pub(super) fn sizes(&self, name: &str, count: usize, default: &[i64]) -> Vec<i64> {
        match &self.arguments[name] {
            Value::Array(items) => items.iter().filter_map(Value::as_i64).collect(),
            value => value
                .as_i64()
                .map_or_else(|| default.to_vec(), |size| vec![size; count]),
        }
    }

    /// A dimension argument as ONNX counts it: from 0, the batch included.
    pub(super) fn dimension(&self, name: &str) -> i64 {
        let given = self.int(name);
        if given < 0 {
            given + long(self.shape().len()) + 1
        } else {
            given
        }
    }
}

/// Adds the nodes of a layer to a graph and returns the name of its output.
pub(super) type ExportLayer = fn(&mut Graph, &Layer<'_>) -> Result<Name, Failure>;
