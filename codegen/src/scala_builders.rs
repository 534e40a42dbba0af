//! `object nn` and `object optim`: the builders of networks, losses, optimisers and schedules in Scala, a trait for
//! each family.
//!
//! Where sizes of the input may be left out there are two forms, `Conv2d(32, 3, padding = 1)` and `Conv2d(1, 32, 3,
//! padding = 1)`. Scala lets one of the methods of a name only have default arguments; but an object with an `apply` and
//! a method may have one name too, where different traits bring them, and are overloads for who calls them. So the short
//! form is an object's, and the full form a method, whose trait `nn` extends besides.

use crate::families::{self, Family, class_of, held};
use crate::python_builders::{inputs, optional};
use crate::scala_checks;
use crate::text::{HEADER, arg_words, capital, wrap};
use crate::{Generated, SCALA};
use candlewick_model::catalogue::{Arg, Entry, Kind, default_of};
use candlewick_protocol::value::ValueType;
use serde_json::Value;
use std::fmt::Write as _;

const WIDTH: usize = 100;
/// Type of what stands between the arguments by position and those by name, and its one value.
const BY_NAME: &str = "ByName";
/// Longest line of code.
const LINE: usize = 110;

const SEQUENTIAL: &str = "
  /** A graph of layers: columns in, named outputs out. See [[candlewick.Graph]]. */
  val Graph: candlewick.Graph.type = candlewick.Graph

  /** The network of a JSON document: of another's `json`, or of an estimator's `getNetwork`. Its layers
    * are checked when it is trained.
    *
    * {{{
    * val net = nn.fromJson(estimator.getNetwork)
    * }}}
    */
  def fromJson(json: String): Network = NetworkReading.fromJson(json)

  /** An input of a graph, which is a column of the DataFrame. */
  object Input {

    /** @param name name of the column
      * @param shape shape of its values: Seq(1) for a number
      */
    def apply(name: String, shape: Size = 1): Tensor = Tensor.input(name, shape)
  }

  /** Layers one after another; may hold further Sequentials. A layer that stands in it twice has one set of weights, as in
    * PyTorch.
    */
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

/// The trait of the full forms.
fn overloads_of(family: &Family) -> String {
    format!("Full{}", trait_of(family))
}

fn extends(families: &[Family], indent: &str) -> String {
    let traits: Vec<String> = families
        .iter()
        .flat_map(|family| {
            let full = family.entries.iter().any(|entry| has_forms(entry));
            [Some(trait_of(family)), full.then(|| overloads_of(family))]
        })
        .flatten()
        .map(|name| format!("generated.{name}"))
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
    let mut body = String::new();
    for entry in &family.entries {
        object(&mut body, entry);
    }
    let full: Vec<&Entry> = family
        .entries
        .iter()
        .copied()
        .filter(|entry| has_forms(entry))
        .collect();
    let mut overloads = String::new();
    if !full.is_empty() {
        let _ = write!(
            overloads,
            "\n/** {}: the forms with the sizes of the input. */\nprivate[candlewick] trait {} {{\n",
            family.title,
            overloads_of(family)
        );
        for entry in full {
            full_form(&mut overloads, entry);
        }
        overloads.push_str("}\n");
    }
    let text = format!("{body}{overloads}");
    format!(
        "// {HEADER}\npackage candlewick\npackage generated\n{}\n/** {}. */\nprivate[candlewick] trait {} {{\n{body}}}\n{overloads}",
        imports(&text),
        family.title,
        trait_of(family)
    )
}

/// The imports that a text needs, after an empty line.
fn imports(text: &str) -> String {
    let import = |part: &str, line: &'static str| if text.contains(part) { line } else { "" };
    let lines = [
        import("Legal.", "import candlewick.internal.Legal\n"),
        import(
            "ParamValidators.",
            "import org.apache.spark.ml.param.ParamValidators\n",
        ),
        import("@unused ", "import scala.annotation.unused\n"),
    ]
    .concat();
    if lines.is_empty() {
        lines
    } else {
        format!("\n{lines}")
    }
}

/// A file with a class that holds its arguments, for what stands at the package's top.
fn case_class(entry: &Entry) -> String {
    let mut doc = format!("/** {}\n  *\n", entry.doc);
    let slots: Vec<Slot> = entry.args.iter().map(|arg| slot(entry, arg, true)).collect();
    let mut fields = Vec::new();
    for slot in &slots {
        let first = format!("  * @param {} ", slot.name);
        let _ = writeln!(doc, "{}", wrap(&slot.doc, WIDTH, &first, "  *   "));
        fields.push(slot.declared());
    }
    let (name, fields) = (entry.name, fields.join(",\n    "));
    let arguments = given(&slots).join(",\n    ");
    let imports = imports(&arguments);
    format!(
        "// {HEADER}\npackage candlewick\n{imports}\n{doc}  */\nfinal case class {name}(\n    {fields}\n) {{\n  \
         private val arguments = Seq[(String, Any)](\n    {arguments}\n  )\n\n  \
         /** The document that `set{name}` takes. */\n  \
         def json: String = Document.of(\"{name}\", arguments).toString\n}}\n"
    )
}

/// A parameter of a method.
struct Slot {
    name: String,
    kind: String,
    default: Option<String>,
    doc: String,
    /// What the document is given for it, if anything.
    given: Option<String>,
}

impl Slot {
    /// `name: Type = default`.
    fn declared(&self) -> String {
        let default = self
            .default
            .as_ref()
            .map_or(String::new(), |value| format!(" = {value}"));
        let unused = if self.kind == BY_NAME { "@unused " } else { "" };
        format!("{unused}{}: {}{default}", self.name, self.kind)
    }
}

/// `defaulted`: it may be left out where it has a default, or is a size of the input.
fn slot(entry: &Entry, arg: &Arg, defaulted: bool) -> Slot {
    let base = base_type(arg.ty);
    let late = arg.input && !optional(arg) && defaulted;
    let opt = arg.nullable || late;
    let default = if late {
        Some("None".to_owned())
    } else {
        arg.default.map(|_| default(arg))
    };
    let name = named(arg.name);
    Slot {
        kind: if opt { format!("Opt[{base}]") } else { base },
        default: default.filter(|_| defaulted),
        doc: arg_words(arg),
        given: Some(scala_checks::argument(entry, arg, &name, opt)),
        name,
    }
}

/// What the document is given.
fn given(slots: &[Slot]) -> Vec<String> {
    slots.iter().filter_map(|slot| slot.given.clone()).collect()
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

/// The required arguments of the short form.
fn required(entry: &Entry) -> Vec<&'static Arg> {
    entry
        .args
        .iter()
        .filter(|arg| !optional(arg) && !arg.input)
        .collect()
}

/// Whether the sizes of the input, which come first in the full form, are left out of a short one.
fn has_forms(entry: &Entry) -> bool {
    held(entry).is_none() && !inputs(entry).is_empty() && !required(entry).is_empty()
}

fn object(out: &mut String, entry: &Entry) {
    let doc = wrap(entry.doc, WIDTH, "  /** ", "    * ");
    let end = if doc.contains('\n') { "\n    */" } else { " */" };
    let _ = write!(out, "\n{doc}{end}\n  object {} {{\n", entry.name);
    if held(entry).is_some() {
        container(out, entry);
    } else if has_forms(entry) {
        method(out, entry, "    ", &short_form(entry));
    } else {
        let slots: Vec<Slot> = entry.args.iter().map(|arg| slot(entry, arg, true)).collect();
        method(out, entry, "    ", &slots);
    }
    out.push_str("  }\n");
}

/// The form without the sizes of the input. What may be left out goes by name, so that no number stands for a size in
/// one form and for a stride in the other.
fn short_form(entry: &Entry) -> Vec<Slot> {
    let (required, early) = (required(entry), inputs(entry));
    let known = |arg: &&Arg| required.iter().chain(&early).any(|known| known.name == arg.name);
    let mut slots: Vec<Slot> = required.iter().map(|arg| slot(entry, arg, true)).collect();
    let options = entry.args.iter().filter(|arg| !known(arg));
    let options: Vec<Slot> = options.map(|arg| slot(entry, arg, true)).collect();
    if !options.is_empty() {
        slots.push(Slot {
            name: "named".to_owned(),
            kind: BY_NAME.to_owned(),
            default: Some(BY_NAME.to_owned()),
            doc: "Nothing: what comes after it goes by name.".to_owned(),
            given: None,
        });
    }
    slots.extend(options);
    slots
}

/// The form with the sizes of the input, in PyTorch's order: a method of the layer's name.
fn full_form(out: &mut String, entry: &Entry) {
    let early = inputs(entry);
    let late = |arg: &Arg| early.iter().all(|input| input.name != arg.name);
    let slots: Vec<Slot> = entry.args.iter().map(|arg| slot(entry, arg, late(arg))).collect();
    method(out, entry, "  ", &slots);
}

fn container(out: &mut String, entry: &Entry) {
    let layers = held(entry).unwrap_or_default();
    let (own, others): (Vec<&Arg>, Vec<&Arg>) = entry.args.iter().partition(|arg| arg.name == layers);
    let mut forms = vec![Vec::new()];
    if !others.is_empty() {
        forms.push(others);
    }
    for others in forms {
        let mut slots: Vec<Slot> = others.iter().map(|arg| slot(entry, arg, false)).collect();
        slots.push(Slot {
            name: layers.to_owned(),
            kind: "Module*".to_owned(),
            default: None,
            doc: own.iter().copied().map(arg_words).collect(),
            given: None,
        });
        head(out, entry, "    ", &slots);
        body(
            out,
            entry,
            "    ",
            &slots,
            &format!("Document.container(\"{}\", {layers}, ", entry.name),
        );
    }
}

/// A method that makes an entry: of its object, where `indent` has two steps, else of the entry's name.
fn method(out: &mut String, entry: &Entry, indent: &str, slots: &[Slot]) {
    head(out, entry, indent, slots);
    body(
        out,
        entry,
        indent,
        slots,
        &format!("Document.of(\"{}\", ", entry.name),
    );
}

/// What stands behind the `=`; `call`: the maker of the document, up to its last argument.
fn body(out: &mut String, entry: &Entry, indent: &str, slots: &[Slot], call: &str) {
    let (result, given) = (class_of(entry.kind), given(slots));
    let list = match given.as_slice() {
        [] => "Nil".to_owned(),
        given => format!("Seq({})", given.join(", ")),
    };
    let line = format!("new {result}({call}{list}))");
    if line.len() + indent.len() + 2 <= LINE {
        let _ = writeln!(out, "\n{indent}  {line}");
    } else {
        let _ = writeln!(
            out,
            " {{\n{indent}  val arguments = Seq[(String, Any)](\n{indent}    {}\n{indent}  )\n{indent}  \
             new {result}({call}arguments))\n{indent}}}",
            given.join(&format!(",\n{indent}    "))
        );
    }
}

/// Documentation and `def apply(...): Result =`.
fn head(out: &mut String, entry: &Entry, indent: &str, slots: &[Slot]) {
    let _ = write!(out, "\n{indent}/** ");
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
        let before = if index == 0 {
            String::new()
        } else {
            format!("{indent}  * ")
        };
        let first = format!("{before}@param {} ", slot.name);
        let _ = writeln!(
            out,
            "{}",
            wrap(&slot.doc, WIDTH, &first, &format!("{indent}  *   "))
        );
    }
    if !slots.is_empty() {
        let _ = writeln!(out, "{indent}  */");
    }
    let name = if indent.len() > 2 { "apply" } else { entry.name };
    let typed: Vec<String> = slots.iter().map(Slot::declared).collect();
    let result = class_of(entry.kind);
    let line = format!("{indent}def {name}({}): {result} =", typed.join(", "));
    if line.len() <= LINE {
        out.push_str(&line);
    } else {
        let _ = write!(
            out,
            "{indent}def {name}(\n{indent}    {}\n{indent}): {result} =",
            typed.join(&format!(",\n{indent}    "))
        );
    }
}

fn base_type(kind: ValueType) -> String {
    match kind {
        ValueType::Int | ValueType::Size(1) => "Int".to_owned(),
        ValueType::Real => "Double".to_owned(),
        ValueType::Bool => "Boolean".to_owned(),
        ValueType::Long => "Long".to_owned(),
        ValueType::Text
        | ValueType::Switch
        | ValueType::Duration
        | ValueType::Bytes
        | ValueType::Compression
        | ValueType::Folders
        | ValueType::Weights
        | ValueType::ClassWeights => "String".to_owned(),
        ValueType::TextList => "Seq[String]".to_owned(),
        ValueType::Texts => "Names".to_owned(),
        ValueType::TextMap => "Map[String, String]".to_owned(),
        ValueType::RealPair => "(Double, Double)".to_owned(),
        ValueType::RealList | ValueType::Thresholds => "Seq[Double]".to_owned(),
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
            if has_forms(entry) {
                full_form(&mut text, entry);
            }
        }
        if let Ok(path) = std::env::var("CANDLEWICK_SAMPLES") {
            let content = format!("package candlewick\npackage generated\n\nobject Samples {{\n{text}}}\n");
            std::fs::write(path, content).unwrap();
        }
        for wanted in [
            "def apply(\n        out_channels: Int,\n        kernel_size: Size,\n        @unused named: ByName = ByName,\n        \
             stride: Size = 1,\n        padding: Padding = 0,\n        dilation: Size = Size(1, 1)\n    ): Module",
            "def Conv2d(\n        in_channels: Int,\n        out_channels: Int,\n        kernel_size: Size,\n        \
             stride: Size = 1,\n        padding: Padding = 0,\n        dilation: Size = Size(1, 1)\n    ): Module",
            "def apply(num_features: Opt[Int] = None, eps: Double = 1e-5, momentum: Opt[Double] = 0.1): Module",
            "padding_idx: Opt[Int] = None,",
            "def apply(num_heads: Int, @unused named: ByName = ByName, dropout: Double = 0.0, kdim: Opt[Int] = None): Module",
            "def MultiheadAttention(embed_dim: Int, num_heads: Int, dropout: Double = 0.0, kdim: Opt[Int] = None): Module",
            "def apply(losses: Seq[Loss], weights: Opt[Seq[Double]] = None): Loss",
            "def apply(schedulers: Seq[LRScheduler], milestones: Seq[Int], last_epoch: Int = -1): LRScheduler",
            "def Bilinear(in1_features: Int, in2_features: Int, out_features: Int, bias: Boolean = true): Module",
            "def apply(num_groups: Int, @unused named: ByName = ByName, eps: Double = 1e-5): Module",
            "def GroupNorm(num_groups: Int, num_channels: Int, eps: Double = 1e-5): Module",
            "Argument(\"Conv2d\", \"stride\", stride, ",
            "(Argument.padding(2, Legal.whole(Int.MinValue.toLong, Int.MaxValue.toLong), Array(\"same\", \"valid\")))",
            "Argument(\"BatchNorm1d\", \"momentum\", momentum, \"a finite number, or null\")(Argument.opt(Legal.finite))",
            "Argument(\"WeightedLoss\", \"losses\", losses, ",
        ] {
            assert!(
                bare(&text).contains(&bare(wanted)),
                "{wanted}\n\nis not in\n\n{text}"
            );
        }
    }
}
