//! A network: what its document says, with every shape known.

use crate::arguments::{Arguments, excerpt};
use crate::catalogue::{self, CONTAINER, Kind};
use crate::layers::{self, Init, Operation};
use crate::philox::{self, Key};
use crate::weights;
use candlewick_protocol::Failure;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

/// The `format` of a network document.
pub const FORMAT: &str = "candlewick.network/1";
/// Parameters a network can have, and elements a row can have anywhere in it.
const MAX_ELEMENTS: usize = 1 << 31;
/// Sequentials within Sequentials.
const MAX_NESTING: usize = 32;

/// A parameter and its place in the flat weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name, PyTorch's: `0.weight`.
    pub name: String,
    /// Shape, PyTorch's.
    pub shape: Vec<usize>,
    /// First element in the flat weights.
    pub offset: usize,
    /// False for a buffer, such as running statistics: the optimiser leaves it alone.
    pub trained: bool,
}

impl Parameter {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True where it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A layer in its place.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Path in the document, for messages: `layers.2.layers.0`.
    pub place: String,
    /// Type.
    pub name: &'static str,
    /// What it does.
    pub operation: Operation,
    /// Shape that goes out.
    pub output: Vec<usize>,
    /// Its parameters, as indices into the network's.
    pub parameters: Range<usize>,
    /// Its elements in the flat weights.
    pub weights: Range<usize>,
}

#[derive(Debug)]
struct Inner {
    document: Value,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    layers: Vec<Placed>,
    parameters: Vec<Parameter>,
    inits: Vec<Init>,
    num_parameters: usize,
}

/// A network whose shapes are known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

impl Network {
    /// Reads a network document for inputs of `input_shape` (without the batch): checks every argument, infers sizes.
    ///
    /// ```
    /// use candlewick_model::network::Network;
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 3}, {"type": "ReLU"}]});
    /// let network = Network::from_document(&document, &[4])?;
    /// assert_eq!((network.output_width(), network.num_parameters()), (3, 15));
    /// assert_eq!(network.parameters()[0].name, "0.weight");
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter`, with the layer's index and type where a layer is at fault.
    pub fn from_document(document: &Value, input_shape: &[usize]) -> Result<Self, Failure> {
        let list = layer_list(document, input_shape)?;
        let mut builder = Builder::new(input_shape)?;
        let layers = builder.sequence(list, "layers", "", 0)?;
        if builder.parameters.is_empty() {
            return Err(Failure::parameter(
                "the network has no parameters, so there is nothing to train: add a Linear layer",
            ));
        }
        let document = json!({"format": FORMAT, "input": {"shape": input_shape}, "layers": layers});
        Ok(Network {
            inner: Arc::new(builder.finish(document, input_shape)),
        })
    }

    /// The complete document: sizes inferred, defaults filled in.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.inner.document
    }

    /// Elements of a row that come in.
    #[must_use]
    pub fn input_width(&self) -> usize {
        self.inner.input_shape.iter().product()
    }

    /// Shape that comes in, without the batch.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        &self.inner.input_shape
    }

    /// Elements of a row that go out.
    #[must_use]
    pub fn output_width(&self) -> usize {
        self.inner.output_shape.iter().product()
    }

    /// Shape that goes out, without the batch.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        &self.inner.output_shape
    }

    /// Elements of all parameters.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.inner.num_parameters
    }

    /// The parameters in order; together they cover the flat weights.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.inner.parameters
    }

    pub(crate) fn layers(&self) -> &[Placed] {
        &self.inner.layers
    }

    /// The weights that training starts from: a function of the seed and the parameters' names and shapes.
    #[must_use]
    pub fn initial_weights(&self, seed: u64) -> Vec<f32> {
        let mut weights = vec![0.0; self.num_parameters()];
        for (parameter, init) in self.inner.parameters.iter().zip(&self.inner.inits) {
            let values = &mut weights[parameter.offset..parameter.offset + parameter.len()];
            match init {
                Init::Uniform(bound) => philox::uniform(Key::new(seed, &parameter.name), *bound, values),
            }
        }
        weights
    }

    /// Hash of the weights, rule B12: XXH3-128, 32 hexadecimal digits, over every parameter in order: length of its
    /// name (u32), name, `F32`, number of dimensions (u32), dimensions (u64 each), values (f32), little endian.
    ///
    /// # Panics
    /// Where there are fewer weights than [`Network::num_parameters`].
    #[must_use]
    pub fn weights_hash(&self, weights: &[f32]) -> String {
        weights::hash(&self.inner.parameters, weights)
    }

    /// The weights as a safetensors file with PyTorch's names and layouts.
    ///
    /// # Errors
    /// `Internal` where the number of weights is not the network's.
    pub fn save_weights(&self, weights: &[f32]) -> Result<Vec<u8>, Failure> {
        if weights.len() != self.num_parameters() {
            return Err(Failure::internal(format!(
                "{} weights to save, but the network has {}",
                weights.len(),
                self.num_parameters()
            )));
        }
        weights::save(&self.inner.parameters, weights)
    }

    /// Reads a safetensors file that holds exactly this network's parameters.
    ///
    /// # Errors
    /// `InvalidParameter` where it is no such file, or lacks a tensor, or holds another, or one of another shape.
    pub fn load_weights(&self, bytes: &[u8]) -> Result<Vec<f32>, Failure> {
        weights::load(&self.inner.parameters, self.num_parameters(), bytes)
    }

    /// A table of the layers: place, type, output shape, parameters.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut rows = vec![["layer", "type", "output", "parameters"].map(str::to_owned)];
        for layer in self.layers() {
            let place = layer.place.replace("layers.", "");
            let count = layer.weights.len().to_string();
            rows.push([place, layer.name.to_owned(), format!("{:?}", layer.output), count]);
        }
        let width = |column: usize| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2), width(3)];
        let mut text = String::new();
        for row in &rows {
            let [place, name, output, count] = row;
            let [a, b, c, d] = widths;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{place:<a$}  {name:<b$}  {output:<c$}  {count:>d$}");
        }
        let input = &self.inner.input_shape;
        let _ = write!(text, "input {input:?}, {} parameters", self.num_parameters());
        text
    }
}

/// The list of layers of a document whose other parts are right.
fn layer_list<'a>(document: &'a Value, input_shape: &[usize]) -> Result<&'a Value, Failure> {
    let wrong = |message: String| Failure::parameter(format!("network: {message}"));
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
    for key in object.keys() {
        if !["format", "type", "input", "layers"].contains(&key.as_str()) {
            return Err(wrong(format!(
                "unknown key {key:?}; legal keys are format, input, layers"
            )));
        }
    }
    if let Some(kind) = object.get("type").filter(|kind| *kind != CONTAINER) {
        return Err(wrong(format!(
            "expected a {CONTAINER}, got type {}",
            excerpt(kind)
        )));
    }
    if let Some(shape) = object.get("input").and_then(|input| input.get("shape"))
        && *shape != json!(input_shape)
    {
        return Err(wrong(format!(
            "its \"input\" says shape {}, but the features have {input_shape:?}",
            excerpt(shape)
        )));
    }
    object
        .get("layers")
        .ok_or_else(|| wrong("the list \"layers\" is missing".to_owned()))
}

struct Builder {
    shape: Vec<usize>,
    layers: Vec<Placed>,
    parameters: Vec<Parameter>,
    inits: Vec<Init>,
    total: usize,
}

/// Elements of a shape, if there are at most [`MAX_ELEMENTS`].
fn elements(shape: &[usize]) -> Option<usize> {
    let product = shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size))?;
    (product <= MAX_ELEMENTS).then_some(product)
}

impl Builder {
    fn new(input_shape: &[usize]) -> Result<Self, Failure> {
        if input_shape.is_empty() || input_shape.contains(&0) || elements(input_shape).is_none() {
            return Err(Failure::parameter(format!(
                "the input shape {input_shape:?} is not legal: expected sizes of at least 1 whose product is at most \
                 {MAX_ELEMENTS}"
            )));
        }
        let shape = input_shape.to_vec();
        Ok(Builder {
            shape,
            layers: Vec::new(),
            parameters: Vec::new(),
            inits: Vec::new(),
            total: 0,
        })
    }

    /// Adds the layers of a list; gives their complete documents. `place` is the list's path in the document, `path`
    /// that of its parameters.
    fn sequence(
        &mut self,
        list: &Value,
        place: &str,
        path: &str,
        depth: usize,
    ) -> Result<Vec<Value>, Failure> {
        let list = list.as_array().filter(|list| !list.is_empty()).ok_or_else(|| {
            let got = excerpt(list);
            Failure::parameter(format!(
                "network: {place} is to be a list of at least one layer, got {got}"
            ))
        })?;
        if depth > MAX_NESTING {
            return Err(Failure::parameter(format!(
                "network: {place} is nested more than {MAX_NESTING} deep; put its layers into the Sequential around it"
            )));
        }
        let mut documents = Vec::with_capacity(list.len());
        for (index, layer) in list.iter().enumerate() {
            let place = format!("{place}.{index}");
            let path = if path.is_empty() {
                index.to_string()
            } else {
                format!("{path}.{index}")
            };
            let container = layer.get("type").is_some_and(|kind| kind == CONTAINER);
            let document = if container {
                self.container(layer, &place, &path, depth)?
            } else {
                self.layer(layer, place, &path)?
            };
            documents.push(document);
        }
        Ok(documents)
    }

    fn container(&mut self, layer: &Value, place: &str, path: &str, depth: usize) -> Result<Value, Failure> {
        let object = layer.as_object().cloned().unwrap_or_else(Map::new);
        if let Some(key) = object
            .keys()
            .find(|key| !["type", "layers", "format"].contains(&key.as_str()))
        {
            return Err(Failure::parameter(format!(
                "{place} ({CONTAINER}): unknown argument {key:?}; legal arguments are layers"
            )));
        }
        let list = object.get("layers").unwrap_or(&Value::Null);
        let layers = self.sequence(list, &format!("{place}.layers"), path, depth + 1)?;
        Ok(json!({"type": CONTAINER, "layers": layers}))
    }

    fn layer(&mut self, document: &Value, place: String, path: &str) -> Result<Value, Failure> {
        let mut arguments =
            Arguments::read(Kind::Layer, document, &place).map_err(|failure| hint(failure, document))?;
        let name = arguments.name();
        let wrong = |message: String| Failure::parameter(format!("{place} ({name}): {message}"));
        let made = layers::make(&mut arguments, &self.shape, path).map_err(wrong)?;
        if elements(&made.output).is_none() {
            return Err(wrong(format!(
                "its output of shape {:?} has more than {MAX_ELEMENTS} elements a row",
                made.output
            )));
        }
        let (first, start) = (self.parameters.len(), self.total);
        let specs = match &made.operation {
            Operation::Module(module) => module.parameters(),
            Operation::View | Operation::Map(_) => Vec::new(),
        };
        for spec in specs {
            let end = elements(&spec.shape).and_then(|size| elements(&[size + self.total]));
            let end = end.ok_or_else(|| {
                wrong(format!(
                    "its {} of shape {:?} brings the network to more than {MAX_ELEMENTS} parameters, the limit; make \
                     the layer smaller",
                    spec.name, spec.shape
                ))
            })?;
            let name = format!("{path}.{}", spec.name);
            self.parameters.push(Parameter {
                name,
                shape: spec.shape,
                offset: self.total,
                trained: true,
            });
            self.inits.push(spec.init);
            self.total = end;
        }
        self.shape.clone_from(&made.output);
        self.layers.push(Placed {
            place,
            name,
            operation: made.operation,
            output: made.output,
            parameters: first..self.parameters.len(),
            weights: start..self.total,
        });
        Ok(arguments.to_document())
    }

    fn finish(self, document: Value, input_shape: &[usize]) -> Inner {
        Inner {
            document,
            input_shape: input_shape.to_vec(),
            output_shape: self.shape,
            layers: self.layers,
            parameters: self.parameters,
            inits: self.inits,
            num_parameters: self.total,
        }
    }
}

/// Says more where the type is one that users of PyTorch put at the end of a classifier.
fn hint(failure: Failure, document: &Value) -> Failure {
    match document.get("type").and_then(Value::as_str) {
        Some(name @ ("Softmax" | "LogSoftmax")) if catalogue::find(Kind::Layer, name).is_none() => {
            Failure::new(
                failure.kind,
                format!(
                    "{}. At the end of a classifier remove {name}: CrossEntropyLoss takes the outputs before softmax, \
                     and transform gives probabilities",
                    failure.message
                ),
            )
        }
        _ => failure,
    }
}
