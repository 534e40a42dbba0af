//! Functions of single elements, Softmax, and what brings values together.

use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name};
use super::proto::FLOAT;
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, ExportLayer)] = &[
    ("ReLU", |graph, layer| plain(graph, layer, "Relu")),
    ("Tanh", |graph, layer| plain(graph, layer, "Tanh")),
    ("Sigmoid", |graph, layer| plain(graph, layer, "Sigmoid")),
    ("Softsign", |graph, layer| plain(graph, layer, "Softsign")),
    ("Hardswish", |graph, layer| plain(graph, layer, "HardSwish")),
    ("SELU", |graph, layer| plain(graph, layer, "Selu")),
    ("Identity", |_, layer| Ok(layer.input().to_owned())),
    ("Dropout", |_, layer| Ok(layer.input().to_owned())),
    ("Dropout1d", |_, layer| Ok(layer.input().to_owned())),
    ("Dropout2d", |_, layer| Ok(layer.input().to_owned())),
    ("LeakyReLU", |graph, layer| {
        with_alpha(graph, layer, ("LeakyRelu", "negative_slope"))
    }),
    ("ELU", |graph, layer| with_alpha(graph, layer, ("Elu", "alpha"))),
    ("CELU", |graph, layer| with_alpha(graph, layer, ("Celu", "alpha"))),
    ("GELU", gelu),
    ("SiLU", |graph, layer| {
        let gate = graph.node("Sigmoid", &[layer.input()], &[]);
        Ok(graph.node("Mul", &[layer.input(), &gate], &[]))
    }),
    ("Mish", |graph, layer| {
        let soft = graph.node("Softplus", &[layer.input()], &[]);
        let gate = graph.node("Tanh", &[&soft], &[]);
        Ok(graph.node("Mul", &[layer.input(), &gate], &[]))
    }),
    ("Softplus", softplus),
    ("LogSigmoid", |graph, layer| {
        let negative = graph.node("Neg", &[layer.input()], &[]);
        let soft = graph.node("Softplus", &[&negative], &[]);
        Ok(graph.node("Neg", &[&soft], &[]))
    }),
    ("Hardsigmoid", |graph, layer| {
        let attributes = [
            ("alpha", Attribute::Real(1.0 / 6.0)),
            ("beta", Attribute::Real(0.5)),
        ];
        Ok(graph.node("HardSigmoid", &[layer.input()], &attributes))
    }),
    ("Hardshrink", |graph, layer| Ok(shrink(graph, layer, 0.0))),
    ("Softshrink", |graph, layer| {
        Ok(shrink(graph, layer, layer.real("lambd")))
    }),
    ("Tanhshrink", |graph, layer| {
        let tanh = graph.node("Tanh", &[layer.input()], &[]);
        Ok(graph.node("Sub", &[layer.input(), &tanh], &[]))
    }),
    ("Threshold", |graph, layer| {
        let (threshold, value) = (
            graph.real(layer.real("threshold")),
            graph.real(layer.real("value")),
        );
        let above = graph.node("Greater", &[layer.input(), &threshold], &[]);
        Ok(graph.node("Where", &[&above, layer.input(), &value], &[]))
    }),
    ("Eq", |graph, layer| {
        let other = graph.real(layer.real("other"));
        let equal = graph.node("Equal", &[layer.input(), &other], &[]);
        let float = Attribute::Int(i64::from(FLOAT));
        Ok(graph.node("Cast", &[&equal], &[("to", float)]))
    }),
    ("ReLU6", |graph, layer| Ok(clip(graph, layer, 0.0, 6.0))),
    ("Hardtanh", |graph, layer| {
        Ok(clip(graph, layer, layer.real("min_val"), layer.real("max_val")))
    }),
    ("PReLU", prelu),
    ("Softmax", |graph, layer| along(graph, layer, "Softmax")),
    ("LogSoftmax", |graph, layer| along(graph, layer, "LogSoftmax")),
    ("Softmin", |graph, layer| {
        let negative = graph.node("Neg", &[layer.input()], &[]);
        let axis = Attribute::Int(layer.dimension("dim"));
        Ok(graph.node("Softmax", &[&negative], &[("axis", axis)]))
    }),
    ("GLU", |graph, layer| {
        let axis = Attribute::Int(layer.dimension("dim"));
        let halves = graph.outputs("Split", &[layer.input()], &[("axis", axis)], 2);
        let gate = graph.node("Sigmoid", &[&halves[1]], &[]);
        Ok(graph.node("Mul", &[&halves[0], &gate], &[]))
    }),
    ("Add", |graph, layer| fold(graph, layer, "Add")),
    ("Residual", |graph, layer| fold(graph, layer, "Add")),
    ("Multiply", |graph, layer| fold(graph, layer, "Mul")),
    ("Concat", |graph, layer| {
        let inputs: Vec<&str> = layer.inputs.iter().map(String::as_str).collect();
        let axis = Attribute::Int(layer.dimension("dim"));
        Ok(graph.node("Concat", &inputs, &[("axis", axis)]))
    }),
];

fn plain(graph: &mut Graph, layer: &Layer<'_>, op: &str) -> Result<Name, Failure> {
    Ok(graph.node(op, &[layer.input()], &[]))
}

fn with_alpha(graph: &mut Graph, layer: &Layer<'_>, (op, argument): (&str, &str)) -> Result<Name, Failure> {
    let alpha = Attribute::Real(layer.real(argument));
    Ok(graph.node(op, &[layer.input()], &[("alpha", alpha)]))
}

/// ONNX's Shrink: 0 within ±lambd, nearer to 0 by `bias` outside.
fn shrink(graph: &mut Graph, layer: &Layer<'_>, bias: f32) -> Name {
    let attributes = [
        ("lambd", Attribute::Real(layer.real("lambd"))),
        ("bias", Attribute::Real(bias)),
    ];
    graph.node("Shrink", &[layer.input()], &attributes)
}

fn along(graph: &mut Graph, layer: &Layer<'_>, op: &str) -> Result<Name, Failure> {
    let axis = Attribute::Int(layer.dimension("dim"));
    Ok(graph.node(op, &[layer.input()], &[("axis", axis)]))
}

fn fold(graph: &mut Graph, layer: &Layer<'_>, op: &str) -> Result<Name, Failure> {
    let mut sum = layer.input().to_owned();
    for input in layer.inputs.iter().skip(1) {
        sum = graph.node(op, &[&sum, input], &[]);
    }
    Ok(sum)
}

fn clip(graph: &mut Graph, layer: &Layer<'_>, least: f32, most: f32) -> Name {
    let (least, most) = (graph.real(least), graph.real(most));
    graph.node("Clip", &[layer.input(), &least, &most], &[])
}

/// 0.5 x (1 + erf(x / √2)), or 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): the operator Gelu comes with set 20 only.
fn gelu(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let x = layer.input();
    let inner = if layer.text("approximate") == "tanh" {
        let (three, cube, scale) = (graph.real(3.0), graph.real(0.044_715), graph.real(0.797_884_6));
        let power = graph.node("Pow", &[x, &three], &[]);
        let power = graph.node("Mul", &[&power, &cube], &[]);
        let sum = graph.node("Add", &[x, &power], &[]);
        let scaled = graph.node("Mul", &[&sum, &scale], &[]);
        graph.node("Tanh", &[&scaled], &[])
    } else {
        let root = graph.real(std::f32::consts::FRAC_1_SQRT_2);
        let scaled = graph.node("Mul", &[x, &root], &[]);
        graph.node("Erf", &[&scaled], &[])
    };
    let (one, half) = (graph.real(1.0), graph.real(0.5));
    let sum = graph.node("Add", &[&inner, &one], &[]);
    let product = graph.node("Mul", &[x, &sum], &[]);
    Ok(graph.node("Mul", &[&product, &half], &[]))
}

/// log(1 + exp(beta x)) / beta. Above the threshold PyTorch takes x itself, which f32 cannot tell apart at its default.
fn softplus(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let (beta, threshold) = (
        graph.real(layer.real("beta")),
        graph.real(layer.real("threshold")),
    );
    let scaled = graph.node("Mul", &[layer.input(), &beta], &[]);
    let soft = graph.node("Softplus", &[&scaled], &[]);
    let soft = graph.node("Div", &[&soft, &beta], &[]);
    let large = graph.node("Greater", &[&scaled, &threshold], &[]);
    Ok(graph.node("Where", &[&large, layer.input(), &soft], &[]))
}

/// The slopes stand along the channels, the first dimension after the batch.
fn prelu(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let values = layer.values("weight")?;
    let mut shape = vec![1; layer.shape().len().max(1)];
    shape[0] = values.len();
    let slope = graph.reals(&shape, values);
    Ok(graph.node("PRelu", &[layer.input(), &slope], &[]))
}
