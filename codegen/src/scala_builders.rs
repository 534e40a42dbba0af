//! `object nn` and `object optim`: the builders of networks, losses, optimisers and schedules in Scala, a trait for
//! each family.
//!
//! Scala lets one overload only have default arguments. Where sizes of the input may be left out, that is the short
//! form, in which the arguments after the required ones take up what the full form has more: `Conv2d(32, 3,
//! padding = 1)` and `Conv2d(1, 32, 3, padding = 1)` are the same method.

use crate::families::{self, Family, class_of, held};
use crate::python_builders::{inputs, optional};
use crate::text::{HEADER, arg_words, capital, wrap};
use crate::{Generated, SCALA};
use candlewick_model::catalogue::{Arg, Entry, Kind, default_of};
use candlewick_protocol::value::ValueType;
use serde_json::Value;
use std::fmt::Write as _;

const WIDTH: usize = 100;

const SEQUENTIAL: &str = "
  /** A graph of layers: columns in, named outputs out. See [[candlewick.Graph]]. */
  val Graph: candlewick.Graph.type = candlewick.Graph

  /** An input of a graph, which is a column of the DataFrame. */
  object Input {

    /** @param name name of the column
      * @param shape shape of its values: Seq(1) for a number
      */
    def apply(name: String, shape: Size = 1): Tensor = Tensor.input(name, shape)
  }

  /** Layers one after another; may hold further Sequentials. */
  object Sequential {

    /** The container of these layers, in the order in which the rows go through them. */
    def apply(modules: Module*): Module = new Module(Document.container(\"Sequential\", modules, Nil))
  }
";

/// Every file.
pub(crate) fn files() -> Vec<Generated> {
    let mut layers = families::of(Kind::Layer);
    layers.extend(families::of(Kind::Loss));
    let (optimizers, schedulers) = (families::of(Kind::Optimizer), families::of(Kind::Scheduler));
    let initializers = families::of(Kind::Initializer);
    let mut files: Vec<Generated> = [&layers, &optimizers, &schedulers, &initializers]
        .into_iter()
        .flatten()
        .map(|family| Generated {
            path: format!("{SCALA}/{}.scala", family.module),
            content: family_file(family),
        })
        .collect();
    let nn = format!(
        "// {HEADER}\npackage candlewick\n\n\
         /** Layers and losses by PyTorch's names: `nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))`. Sizes\n  \
         * of a layer's input may be left out; they are inferred from the layer before or the features.\n  */\n\
         object nn{} {{\n\n  /** A layer or container of layers. */\n  type Module = candlewick.Module\n\n  \
         /** A loss. */\n  type Loss = candlewick.Loss\n{SEQUENTIAL}\n  \
         /** How parameters start, by the names of torch.nn.init, for `withInit`. */\n  object init{} {{\n\n    \
         /** How a parameter starts. */\n    type Initializer = candlewick.Initializer\n  }}\n}}\n",
        extends(&layers, ""),
        extends(&initializers, "  ")
    );
    let optim = format!(
        "// {HEADER}\npackage candlewick\n\n/** Optimisers by PyTorch's names: `optim.AdamW(lr = 1e-3)`. */\n\
         object optim{} {{\n\n  /** An optimiser. */\n  type Optimizer = candlewick.Optimizer\n\n  \
         /** Schedules of the learning rate by PyTorch's names. */\n  object lr_scheduler{} {{\n\n    \
         /** A schedule. */\n    type LRScheduler = candlewick.LRScheduler\n  }}\n}}\n",
        extends(&optimizers, ""),
        extends(&schedulers, "  ")
    );
    for entry in families::of(Kind::Stopping)
        .into_iter()
        .flat_map(|family| family.entries)
    {
        files.push(Generated {
            path: format!("{SCALA}/{}.scala", entry.name),
            content: case_class(entry),
        });
    }
    for (name, content) in [("nn", nn), ("optim", optim)] {
        let path = format!("{SCALA}/{name}.scala");
        files.push(Generated { path, content });
    }
    files
}

fn trait_of(family: &Family) -> String {
    let words: String = family.module.split('_').map(capital).collect();
    format!("{words}Builders")
}

fn extends(families: &[Family], indent: &str) -> String {
    let traits: Vec<String> = families
        .iter()
        .map(|family| format!("generated.{}", trait_of(family)))
        .collect();
    match traits.len() {
        0 => String::new(),
        1 => format!(" extends {}", traits[0]),
        _ => format!(
            "\n{indent}    extends {}",
            traits.join(&format!("\n{indent}    with "))
        ),
    }
}

fn family_file(family: &Family) -> String {
    let mut out = format!(
        "// {HEADER}\npackage candlewick\npackage generated\n\n/** {}. */\nprivate[candlewick] trait {} {{\n",
        family.title,
        trait_of(family)
    );
    for entry in &family.entries {
        object(&mut out, entry);
    }
    out.push_str("}\n");
    out
}

/// A file with a class that holds its arguments, for what stands at the package's top.
fn case_class(entry: &Entry) -> String {
    let mut out = format!("// {HEADER}\npackage candlewick\n\n/** {}\n  *\n", entry.doc);
    let mut fields = Vec::new();
    for arg in entry.args {
        let slot = slot(arg, true);
        let first = format!("  * @param {} ", slot.name);
        let _ = writeln!(out, "{}", wrap(&slot.doc, WIDTH, &first, "  *   "));
        let default = slot.default.map_or(String::new(), |value| format!(" = {value}"));
        fields.push(format!("{}: {}{default}", slot.name, slot.kind));
    }
    let (name, fields) = (entry.name, fields.join(",\n    "));
    let arguments = pairs(entry.args.iter()).join(",\n        ");
    let _ = write!(
        out,
        "  */\nfinal case class {name}(\n    {fields}\n) {{\n\n  \
         /** The document that `set{name}` takes. */\n  def json: String = {{\n    \
         val arguments = Seq(\n        {arguments}\n      )\n    Document.of(\"{name}\", arguments).toString\n  }}\n}}\n"
    );
    out
}

/// A parameter of a method.
struct Slot {
    name: String,
    kind: String,
    default: Option<String>,
    doc: String,
}

fn slot(arg: &Arg, defaulted: bool) -> Slot {
    let base = base_type(arg.ty);
    let late = arg.input && !optional(arg) && defaulted;
    let kind = if arg.nullable || late {
        format!("Opt[{base}]")
    } else {
        base
    };
    let default = if late {
        Some("None".to_owned())
    } else {
        arg.default.map(|_| default(arg))
    };
    Slot {
        name: named(arg.name),
        kind,
        default: default.filter(|_| defaulted),
        doc: arg_words(arg),
    }
}

/// A name that is legal in Scala.
fn named(name: &str) -> String {
    if [
        "type", "val", "var", "class", "object", "match", "lazy", "final", "with", "new",
    ]
    .contains(&name)
    {
        format!("`{name}`")
    } else {
        name.to_owned()
    }
}

fn object(out: &mut String, entry: &Entry) {
    let doc = wrap(entry.doc, WIDTH, "  /** ", "    * ");
    let end = if doc.contains('\n') { "\n    */" } else { " */" };
    let _ = write!(out, "\n{doc}{end}\n  object {} {{\n", entry.name);
    let early = inputs(entry);
    let is_early = |arg: &&Arg| early.iter().any(|input| input.name == arg.name);
    let required: Vec<&Arg> = entry
        .args
        .iter()
        .filter(|arg| !is_early(arg) && !optional(arg) && !arg.input)
        .collect();
    let options: Vec<&Arg> = entry
        .args
        .iter()
        .filter(|arg| !is_early(arg) && (optional(arg) || arg.input))
        .collect();
    if held(entry).is_some() {
        container(out, entry);
    } else if early.is_empty() || required.is_empty() {
        let slots = entry.args.iter().map(|arg| slot(arg, true)).collect();
        method(out, entry, slots, &pairs(entry.args.iter()));
    } else {
        let leads = |arg: &&Arg| is_early(arg) || required.iter().any(|known| known.name == arg.name);
        let full: Vec<&Arg> = entry.args.iter().filter(leads).collect();
        if options.is_empty() {
            let slots = required.iter().map(|arg| slot(arg, true)).collect();
            method(out, entry, slots, &pairs(required.iter().copied()));
        } else {
            short(out, entry, (&full, &required), &options);
        }
        let slots = full.iter().map(|arg| slot(arg, false)).collect();
        method(out, entry, slots, &pairs(full.iter().copied()));
    }
    out.push_str("  }\n");
}

fn pairs<'a>(args: impl Iterator<Item = &'a Arg>) -> Vec<String> {
    args.map(|arg| format!("\"{}\" -> {}", arg.name, named(arg.name)))
        .collect()
}

/// The form with defaults of an entry that has required arguments and sizes that may be left out.
fn short(out: &mut String, entry: &Entry, (full, required): (&[&Arg], &[&Arg]), options: &[&Arg]) {
    let order: Vec<&str> = full.iter().map(|arg| arg.name).collect();
    let mut slots: Vec<Slot> = Vec::new();
    for (at, arg) in full.iter().enumerate() {
        match required.get(at) {
            Some(own) => slots.push(Slot {
                kind: joined(base_type(own.ty), base_type(arg.ty)),
                ..slot(own, true)
            }),
            None => slots.push(Slot {
                name: if full.len() == required.len() + 1 {
                    "full".to_owned()
                } else {
                    format!("full{}", at + 1 - required.len())
                },
                kind: format!("Opt[{}]", base_type(arg.ty)),
                default: Some("None".to_owned()),
                doc: format!(
                    "In the full form, where the first arguments are by position {}: {}.",
                    order.join(", "),
                    arg.name
                ),
            }),
        }
    }
    let positions: Vec<String> = slots.iter().map(|slot| slot.name.clone()).collect();
    slots.extend(options.iter().map(|arg| slot(arg, true)));
    let texts = |names: &[&str]| format!("Seq(\"{}\")", names.join("\", \""));
    let short: Vec<&str> = required.iter().map(|arg| arg.name).collect();
    let arguments = format!(
        "Document.forms(\"{}\", {}, {}, Seq({}))",
        entry.name,
        texts(&order),
        texts(&short),
        positions.join(", ")
    );
    let options = format!("Seq({})", pairs(options.iter().copied()).join(", "));
    write_method(out, entry, slots, &format!("{arguments} ++\n          {options}"));
}

/// The narrowest type that both forms' arguments have.
fn joined(short: String, full: String) -> String {
    match (short.as_str(), full.as_str()) {
        (left, right) if left == right => short,
        ("Int", "Size") | ("Size", "Int") => "Size".to_owned(),
        _ => "Any".to_owned(),
    }
}

fn container(out: &mut String, entry: &Entry) {
    let layers = held(entry).unwrap_or_default();
    let mut forms = vec![Vec::new()];
    let others: Vec<&Arg> = entry.args.iter().filter(|arg| arg.name != layers).collect();
    if !others.is_empty() {
        forms.push(others);
    }
    for others in forms {
        let mut slots: Vec<Slot> = others.iter().map(|arg| slot(arg, false)).collect();
        slots.push(Slot {
            name: layers.to_owned(),
            kind: "Module*".to_owned(),
            default: None,
            doc: entry
                .args
                .iter()
                .find(|arg| arg.name == layers)
                .map(arg_words)
                .unwrap_or_default(),
        });
        let pairs = pairs(others.into_iter());
        let arguments = if pairs.is_empty() {
            "Nil".to_owned()
        } else {
            format!("Seq({})", pairs.join(", "))
        };
        let body = format!(
            "new Module(Document.container(\"{}\", {layers}, {arguments}))",
            entry.name
        );
        head(out, entry, slots);
        let _ = writeln!(out, "\n      {body}");
    }
}

fn method(out: &mut String, entry: &Entry, slots: Vec<Slot>, pairs: &[String]) {
    let arguments = if pairs.is_empty() {
        "Nil".to_owned()
    } else {
        format!("Seq({})", pairs.join(", "))
    };
    write_method(out, entry, slots, &arguments);
}

fn write_method(out: &mut String, entry: &Entry, slots: Vec<Slot>, arguments: &str) {
    head(out, entry, slots);
    let (result, name) = (class_of(entry.kind), entry.name);
    let body = format!("new {result}(Document.of(\"{name}\", {arguments}))");
    if body.len() + 6 <= 110 {
        let _ = writeln!(out, "\n      {body}");
    } else {
        let _ = writeln!(
            out,
            " {{\n      val arguments =\n        {arguments}\n      new {result}(Document.of(\"{name}\", arguments))\n    }}"
        );
    }
}

/// Documentation and `def apply(...): Result =`.
fn head(out: &mut String, entry: &Entry, slots: Vec<Slot>) {
    out.push_str("\n    /** ");
    if slots.is_empty() {
        let _ = writeln!(
            out,
            "The {}. */",
            match entry.kind {
                Kind::Layer => "layer",
                Kind::Loss => "loss",
                Kind::Optimizer => "optimiser",
                Kind::Scheduler => "schedule",
                Kind::Initializer => "start",
                Kind::Stopping => "rule",
                Kind::Network => "network",
            }
        );
    }
    for (index, slot) in slots.iter().enumerate() {
        let first = format!(
            "{}@param {} ",
            if index == 0 { "" } else { "      * " },
            slot.name
        );
        let _ = writeln!(out, "{}", wrap(&slot.doc, WIDTH, &first, "      *   "));
    }
    if !slots.is_empty() {
        out.push_str("      */\n");
    }
    let typed: Vec<String> = slots
        .iter()
        .map(|slot| {
            let default = slot
                .default
                .as_ref()
                .map(|value| format!(" = {value}"))
                .unwrap_or_default();
            format!("{}: {}{default}", slot.name, slot.kind)
        })
        .collect();
    let result = class_of(entry.kind);
    let line = format!("    def apply({}): {result} =", typed.join(", "));
    if line.len() <= 110 {
        out.push_str(&line);
    } else {
        let _ = write!(
            out,
            "    def apply(\n        {}\n    ): {result} =",
            typed.join(",\n        ")
        );
    }
}

fn base_type(kind: ValueType) -> String {
    match kind {
        ValueType::Int | ValueType::Size(1) => "Int".to_owned(),
        ValueType::Real => "Double".to_owned(),
        ValueType::Bool => "Boolean".to_owned(),
        ValueType::Long => "Long".to_owned(),
        ValueType::Text | ValueType::Duration | ValueType::Bytes | ValueType::Weights => "String".to_owned(),
        ValueType::TextList => "Seq[String]".to_owned(),
        ValueType::RealPair => "(Double, Double)".to_owned(),
        ValueType::RealList => "Seq[Double]".to_owned(),
        ValueType::IntList => "Seq[Int]".to_owned(),
        ValueType::Size(_) => "Size".to_owned(),
        ValueType::OpenSize(_) => "OpenSize".to_owned(),
        ValueType::Padding(_) => "Padding".to_owned(),
        ValueType::Document(kind) => class_of(kind).to_owned(),
        ValueType::Documents(kind) => format!("Seq[{}]", class_of(kind)),
        ValueType::Groups => "Seq[Map[String, Any]]".to_owned(),
    }
}

/// The default as Scala writes it.
fn default(arg: &Arg) -> String {
    let value = default_of(arg);
    if value.is_null() {
        return "None".to_owned();
    }
    let real = |item: &Value| {
        item.as_f64()
            .map_or(item.to_string(), |number| format!("{number:?}"))
    };
    let items = |write: &dyn Fn(&Value) -> String| {
        let items: Vec<String> = value.as_array().into_iter().flatten().map(write).collect();
        items.join(", ")
    };
    match arg.ty {
        ValueType::Real => real(&value),
        ValueType::RealPair => format!("({})", items(&real)),
        ValueType::RealList => format!("Seq({})", items(&real)),
        ValueType::IntList => format!("Seq({})", items(&Value::to_string)),
        ValueType::Size(_) | ValueType::Padding(_) if value.is_array() => {
            format!("Size({})", items(&Value::to_string))
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{self, bare};

    #[test]
    fn every_type_of_argument_is_written() {
        let mut text = String::new();
        for entry in samples::ALL {
            object(&mut text, entry);
        }
        if let Ok(path) = std::env::var("CANDLEWICK_SAMPLES") {
            let content = format!("package candlewick\npackage generated\n\nobject Samples {{\n{text}}}\n");
            std::fs::write(path, content).unwrap();
        }
        for wanted in [
            "def apply(\n        out_channels: Int,\n        kernel_size: Size,\n        full: Opt[Size] = None,\n        \
             stride: Size = 1,\n        padding: Padding = 0,\n        dilation: Size = Size(1, 1)\n    ): Module",
            "def apply(in_channels: Int, out_channels: Int, kernel_size: Size): Module",
            "Seq(\"in_channels\", \"out_channels\", \"kernel_size\"), Seq(\"out_channels\", \"kernel_size\"), \
             Seq(out_channels, kernel_size, full)",
            "def apply(num_features: Opt[Int] = None, eps: Double = 1e-5, momentum: Opt[Double] = 0.1): Module",
            "padding_idx: Opt[Int] = None,",
            "def apply(num_heads: Int, full: Opt[Int] = None, dropout: Double = 0.0, kdim: Opt[Int] = None): Module",
            "def apply(losses: Seq[Loss], weights: Opt[Seq[Double]] = None): Loss",
            "def apply(schedulers: Seq[LRScheduler], milestones: Seq[Int], last_epoch: Int = -1): LRScheduler",
            "full1: Opt[Int] = None, full2: Opt[Int] = None, bias: Boolean = true",
            "def apply(num_groups: Int, full: Opt[Int] = None, eps: Double = 1e-5): Module",
            "Seq(\"num_groups\", \"num_channels\"), Seq(\"num_groups\"), Seq(num_groups, full)",
            "def apply(num_groups: Int, num_channels: Int): Module",
        ] {
            assert!(
                bare(&text).contains(&bare(wanted)),
                "{wanted}\n\nis not in\n\n{text}"
            );
        }
    }
}
