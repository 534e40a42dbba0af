//! How parameters start: what the layers say, and what a network's `init` says instead.
//!
//! `"init": [{"params": "*.weight", "type": "kaiming_normal_", "nonlinearity": "relu"}, ...]`: the first rule with a
//! pattern that fits a parameter's name decides. Values are a function of the job's seed and the parameter's name and
//! shape.

use super::node::wrong;
use crate::arguments::{Arguments, excerpt};
use crate::catalogue::Kind;
use crate::layers::Init;
use crate::parameter::Parameter;
use crate::pattern;
use crate::philox::{self, Key};
use candlewick_protocol::Failure;
use serde_json::{Map, Value};
use std::fmt;

/// Why a rule cannot fill a parameter.
#[derive(Debug, Clone, PartialEq)]
enum InitError {
    /// The bounds `a` and `b` do not leave anything between them.
    Bounds {
        low: f64,
        high: f64,
        /// How they stand, and what to change.
        wrong: &'static str,
        change: &'static str,
    },
    /// The rule needs fan_in and fan_out, which a parameter of this shape does not have.
    Shape(Vec<usize>),
}

impl fmt::Display for InitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Bounds {
                low,
                high,
                wrong,
                change,
            } => write!(formatter, "a = {low} is {wrong} b = {high}; {change}"),
            InitError::Shape(shape) => write!(
                formatter,
                "its shape is {shape:?}, but fan_in and fan_out need two dimensions or more; leave it out of the \
                 patterns (such as \"*.weight\" without biases), or use zeros_, normal_ or uniform_"
            ),
        }
    }
}

/// A rule of a network's document.
struct Rule {
    place: String,
    patterns: Vec<String>,
    arguments: Arguments,
    complete: Value,
}

/// Applies the rules of a document to the parameters; returns the complete rules, or null where there are none.
pub(super) fn apply(
    rules: Option<&Value>,
    parameters: &[Parameter],
    inits: &mut [Init],
) -> Result<Value, Failure> {
    let Some(rules) = rules.filter(|rules| !rules.is_null()) else {
        return Ok(Value::Null);
    };
    let rules = rules.as_array().ok_or_else(|| {
        wrong(format!(
            "\"init\" must be a list of rules, got {}",
            excerpt(rules)
        ))
    })?;
    let rules: Vec<Rule> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| read(index, rule))
        .collect::<Result<_, _>>()?;
    for rule in &rules {
        pattern::check(&rule.place, &rule.patterns, parameters)?;
    }
    for (parameter, init) in parameters
        .iter()
        .zip(inits)
        .filter(|(parameter, _)| parameter.trained)
    {
        let fits = |rule: &&Rule| {
            rule.patterns
                .iter()
                .any(|one| pattern::matches(one, &parameter.name))
        };
        if let Some(rule) = rules.iter().find(fits) {
            *init = init_of(&rule.arguments, &parameter.shape).map_err(|error| {
                Failure::parameter(format!("{}: parameter {}: {error}", rule.place, parameter.name))
            })?;
        }
    }
    Ok(rules.into_iter().map(|rule| rule.complete).collect())
}

fn read(index: usize, rule: &Value) -> Result<Rule, Failure> {
    let place = format!("init[{index}]");
    let mut object: Map<String, Value> = rule
        .as_object()
        .cloned()
        .ok_or_else(|| wrong(format!("{place} must be an object, got {}", excerpt(rule))))?;
    let params = object.remove("params").unwrap_or_default();
    let patterns = pattern::list(&params).ok_or_else(|| {
        Failure::parameter(format!(
            "{place}: \"params\" must be a pattern of parameter names such as \"*.weight\", or a list of them, got {}",
            excerpt(&params)
        ))
    })?;
    let arguments = Arguments::read(Kind::Initializer, &Value::Object(object), &place)?;
    let mut complete = arguments.to_document();
    complete["params"] = params;
    Ok(Rule {
        place: format!("{place} ({})", arguments.name()),
        patterns,
        arguments,
        complete,
    })
}

/// torch.nn.init's function of that name for a shape.
#[expect(clippy::cast_possible_truncation, reason = "computed in f64, used in f32")]
fn init_of(arguments: &Arguments, shape: &[usize]) -> Result<Init, InitError> {
    let number = |name: &str| arguments.real(name);
    let uniform = |deviation: f64| Init::Uniform((libm::sqrt(3.0) * deviation).abs() as f32);
    Ok(match arguments.name() {
        "uniform_" => {
            let (low, high) = (number("a"), number("b"));
            if low > high {
                return Err(InitError::Bounds {
                    low,
                    high,
                    wrong: "above",
                    change: "exchange them",
                });
            }
            Init::Between(low as f32, high as f32)
        }
        "normal_" => Init::NormalAround(number("mean") as f32, number("std") as f32),
        "trunc_normal_" => {
            let [mean, std, low, high] = ["mean", "std", "a", "b"].map(number);
            if low >= high {
                return Err(InitError::Bounds {
                    low,
                    high,
                    wrong: "not below",
                    change: "a truncated normal distribution needs room between them",
                });
            }
            Init::Truncated([mean, std, low, high].map(|value| value as f32))
        }
        "constant_" => Init::Constant(number("val") as f32),
        "ones_" => Init::Constant(1.0),
        "zeros_" => Init::Constant(0.0),
        "xavier_uniform_" => uniform(number("gain") * xavier(shape)?),
        "xavier_normal_" => Init::Normal((number("gain") * xavier(shape)?) as f32),
        "kaiming_uniform_" => uniform(kaiming(arguments, shape)?),
        "kaiming_normal_" => Init::Normal(kaiming(arguments, shape)? as f32),
        _ => {
            fans(shape)?;
            Init::Orthogonal(number("gain") as f32)
        }
    })
}

/// torch.nn.init._calculate_fan_in_and_fan_out.
#[expect(clippy::cast_precision_loss, reason = "sizes are below 2^53")]
fn fans(shape: &[usize]) -> Result<[f64; 2], InitError> {
    let &[out, inputs, ref field @ ..] = shape else {
        return Err(InitError::Shape(shape.to_vec()));
    };
    let field: usize = field.iter().product();
    Ok([inputs * field, out * field].map(|fan| fan as f64))
}

fn xavier(shape: &[usize]) -> Result<f64, InitError> {
    let [fan_in, fan_out] = fans(shape)?;
    Ok(libm::sqrt(2.0 / (fan_in + fan_out)))
}

fn kaiming(arguments: &Arguments, shape: &[usize]) -> Result<f64, InitError> {
    let [fan_in, fan_out] = fans(shape)?;
    let fan = if arguments.text("mode") == "fan_in" {
        fan_in
    } else {
        fan_out
    };
    let slope = arguments.real("a");
    // torch.nn.init.calculate_gain.
    let gain = match arguments.text("nonlinearity") {
        "tanh" => 5.0 / 3.0,
        "relu" => libm::sqrt(2.0),
        "leaky_relu" => libm::sqrt(2.0 / (1.0 + slope * slope)),
        "selu" => 0.75,
        _ => 1.0,
    };
    Ok(gain / libm::sqrt(fan))
}

/// Writes the values that a parameter starts with.
pub(super) fn fill(init: Init, seed: u64, parameter: &Parameter, values: &mut [f32]) {
    let key = Key::new(seed, &parameter.name);
    match init {
        Init::Uniform(bound) => philox::uniform(key, bound, values),
        Init::Between(low, high) => {
            philox::uniform(key, 1.0, values);
            values
                .iter_mut()
                .for_each(|value| *value = low + (high - low) * (0.5 * (*value + 1.0)));
        }
        Init::Normal(deviation) => philox::normal(key, deviation, values),
        Init::NormalAround(mean, deviation) => {
            philox::normal(key, deviation, values);
            values.iter_mut().for_each(|value| *value += mean);
        }
        Init::Truncated(bounds) => {
            philox::uniform(key, 1.0, values);
            values
                .iter_mut()
                .for_each(|value| *value = truncated(bounds, *value));
        }
        Init::Constant(value) => values.fill(value),
        Init::NormalBut(start, count) => {
            philox::normal(key, 1.0, values);
            values[start..start + count].fill(0.0);
        }
        Init::Orthogonal(gain) => {
            philox::normal(key, 1.0, values);
            let rows = parameter.shape.first().copied().unwrap_or(1);
            orthogonal(rows, gain, values);
        }
    }
}

/// The normal number between bounds at a place from -1 to 1 of its distribution, as torch.nn.init.trunc_normal_.
#[expect(clippy::cast_possible_truncation, reason = "computed in f64, used in f32")]
fn truncated([mean, std, low, high]: [f32; 4], place: f32) -> f32 {
    let distribution =
        |bound: f32| libm::erf(f64::from(bound - mean) / f64::from(std) / std::f64::consts::SQRT_2);
    let (least, most) = (distribution(low), distribution(high));
    let share = f64::from(place).mul_add(0.5, 0.5);
    let value = f64::from(mean)
        + f64::from(std) * std::f64::consts::SQRT_2 * inverse_erf(least + (most - least) * share);
    (value as f32).clamp(low, high)
}

/// The inverse of erf: Winitzki's approximation and two steps of Newton's method.
fn inverse_erf(y: f64) -> f64 {
    let y = y.clamp(-1.0 + 1e-16, 1.0 - 1e-16);
    let log = libm::log((1.0 - y) * (1.0 + y));
    let half = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * log;
    let mut x = libm::copysign(libm::sqrt(libm::sqrt(half * half - log / 0.147) - half), y);
    for _ in 0..2 {
        let slope = std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-x * x);
        x -= (libm::erf(x) - y) / slope;
    }
    x
}

/// Makes the rows (the columns, where they are fewer) of a matrix of normal numbers orthogonal, each of length `gain`:
/// Gram and Schmidt's process in f64, twice for each vector, so that no digit is lost.
#[expect(clippy::cast_possible_truncation, reason = "computed in f64, used in f32")]
fn orthogonal(rows: usize, gain: f32, values: &mut [f32]) {
    let columns = values.len() / rows.max(1);
    let wide = rows <= columns;
    let (count, length) = if wide { (rows, columns) } else { (columns, rows) };
    let at = |vector: usize, element: usize| {
        if wide {
            vector * columns + element
        } else {
            element * columns + vector
        }
    };
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for vector in 0..count {
        let mut own: Vec<f64> = (0..length)
            .map(|element| f64::from(values[at(vector, element)]))
            .collect();
        for _ in 0..2 {
            for other in &basis {
                let dot: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                own.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = libm::sqrt(own.iter().map(|value| value * value).sum());
        own.iter_mut().for_each(|value| *value /= norm);
        for (element, value) in own.iter().enumerate() {
            values[at(vector, element)] = (value * f64::from(gain)) as f32;
        }
        basis.push(own);
    }
}
