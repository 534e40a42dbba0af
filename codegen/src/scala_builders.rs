//! `nn.scala` and `optim.scala`: the builders of networks, losses and optimisers in Scala.

use crate::text::{HEADER, arg_words, wrap};
use candlewick_model::catalogue::{Arg, ArgType, Entry, Kind, default_of, entries};
use std::fmt::Write as _;

const WIDTH: usize = 100;

const SEQUENTIAL: &str = "
  /** Layers one after another; may hold further Sequentials. */
  object Sequential {

    /** The container of these layers, in the order in which the rows go through them. */
    def apply(modules: Module*): Module = new Module(Document.container(\"Sequential\", modules))
  }
";

/// `nn.scala`.
pub(crate) fn nn() -> String {
    let mut out = format!(
        "// {HEADER}\npackage candlewick\n\n\
         /** Layers and losses by PyTorch's names: `nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))`. Sizes\n  \
         * of a layer's input may be left out; they are inferred from the layer before or the features.\n  */\n\
         object nn {{\n\n  /** A layer or container of layers. */\n  type Module = candlewick.Module\n\n  \
         /** A loss. */\n  type Loss = candlewick.Loss\n{SEQUENTIAL}"
    );
    for entry in entries().filter(|entry| [Kind::Layer, Kind::Loss].contains(&entry.kind)) {
        object(&mut out, entry);
    }
    out.push_str("}\n");
    out
}

/// `optim.scala`.
pub(crate) fn optim() -> String {
    let mut out = format!(
        "// {HEADER}\npackage candlewick\n\n/** Optimisers by PyTorch's names: `optim.AdamW(lr = 1e-3)`. */\n\
         object optim {{\n\n  /** An optimiser. */\n  type Optimizer = candlewick.Optimizer\n"
    );
    for entry in entries().filter(|entry| entry.kind == Kind::Optimizer) {
        object(&mut out, entry);
    }
    out.push_str("}\n");
    out
}

fn object(out: &mut String, entry: &Entry) {
    let result = class_of(entry.kind);
    let doc = wrap(entry.doc, WIDTH, "  /** ", "    * ");
    let end = if doc.contains('\n') { "\n    */" } else { " */" };
    let _ = write!(out, "\n{doc}{end}\n  object {} {{\n", entry.name);
    let all: Vec<&Arg> = entry.args.iter().collect();
    if entry.args.iter().any(|arg| arg.input) {
        let short: Vec<&Arg> = entry.args.iter().filter(|arg| !arg.input).collect();
        let required: Vec<&Arg> = short
            .iter()
            .filter(|arg| arg.default.is_none())
            .copied()
            .collect();
        let optional = short
            .iter()
            .filter(|arg| arg.default.is_some())
            .copied()
            .collect::<Vec<_>>();
        apply(out, entry, result, &required, &optional, true);
        if !optional.is_empty() {
            apply(out, entry, result, &short, &[], true);
        }
    }
    apply(
        out,
        entry,
        result,
        &all,
        &[],
        !entry.args.iter().any(|arg| arg.default.is_some()),
    );
    out.push_str("  }\n");
}

/// The class of what the builders of a kind make.
fn class_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Layer => "Module",
        Kind::Loss => "Loss",
        Kind::Optimizer => "Optimizer",
        Kind::Scheduler => "LRScheduler",
    }
}

/// One `apply` with `args`; `defaulted` are not arguments but go into the document with their defaults. Scala lets one
/// overload only have default arguments: `bare` ones have none.
fn apply(out: &mut String, entry: &Entry, result: &str, args: &[&Arg], defaulted: &[&Arg], bare: bool) {
    out.push_str("\n    /** ");
    if args.is_empty() {
        let _ = writeln!(
            out,
            "The {}. */",
            match entry.kind {
                Kind::Layer => "layer",
                Kind::Loss => "loss",
                Kind::Optimizer => "optimiser",
                Kind::Scheduler => "schedule",
            }
        );
    }
    for (index, arg) in args.iter().enumerate() {
        let first = format!("{}@param {} ", if index == 0 { "" } else { "      * " }, arg.name);
        let text = wrap(&arg_words(arg), WIDTH, &first, "      *   ");
        let _ = writeln!(out, "{text}");
    }
    if !args.is_empty() {
        out.push_str("      */\n");
    }
    let typed: Vec<String> = args.iter().map(|arg| declared(arg, bare)).collect();
    let document: Vec<String> = args
        .iter()
        .map(|arg| format!("\"{}\" -> {}", arg.name, value(arg)))
        .chain(
            defaulted
                .iter()
                .map(|arg| format!("\"{}\" -> {}", arg.name, constant(arg))),
        )
        .collect();
    let arguments = if document.is_empty() {
        "Nil".to_owned()
    } else {
        format!("Seq({})", document.join(", "))
    };
    let head = format!("    def apply({}): {result} =", typed.join(", "));
    let head = if head.len() <= 110 {
        head
    } else {
        format!(
            "    def apply(\n        {}\n    ): {result} =",
            typed.join(",\n        ")
        )
    };
    let body = format!("new {result}(Document.of(\"{}\", {arguments}))", entry.name);
    let one_line = format!("{head} {body}");
    if one_line.lines().all(|line| line.len() <= 110) && !head.contains('\n') {
        let _ = writeln!(out, "{one_line}");
    } else if body.len() + 6 <= 110 {
        let _ = writeln!(out, "{head}\n      {body}");
    } else if arguments.len() + entry.name.len() + 25 <= 110 {
        let inner = format!("Document.of(\"{}\", {arguments})", entry.name);
        let _ = writeln!(out, "{head}\n      new {result}(\n        {inner}\n      )");
    } else {
        let _ = writeln!(
            out,
            "{head}\n      new {result}(\n        Document.of(\n          \"{}\",\n          Seq(\n            {}\n          )\n        )\n      )",
            entry.name,
            document.join(",\n            ")
        );
    }
}

fn declared(arg: &Arg, bare: bool) -> String {
    let kind = match arg.ty {
        ArgType::Int => "Int",
        ArgType::Real => "Double",
        ArgType::Bool => "Boolean",
        ArgType::Text => "String",
        ArgType::RealPair => "(Double, Double)",
        ArgType::RealList => "Seq[Double]",
        ArgType::IntList => "Seq[Int]",
        ArgType::Size(_) => "Size",
        ArgType::Padding(_) => "Padding",
        ArgType::Document(kind) => class_of(kind),
        ArgType::Documents(_) => "Seq[Document]",
        ArgType::Groups => "Seq[Map[String, Any]]",
    };
    match arg.default {
        Some(_) if !bare => format!("{}: {kind} = {}", arg.name, default(arg)),
        _ => format!("{}: {kind}", arg.name),
    }
}

/// What the document holds for the argument.
fn value(arg: &Arg) -> String {
    match arg.ty {
        ArgType::RealPair => format!("Seq({0}._1, {0}._2)", arg.name),
        _ => arg.name.to_owned(),
    }
}

/// What the document holds for the default.
fn constant(arg: &Arg) -> String {
    match arg.ty {
        ArgType::RealPair => format!("Seq{}", default(arg)),
        _ => default(arg),
    }
}

/// The default as Scala writes it.
fn default(arg: &Arg) -> String {
    let value = default_of(arg);
    match (arg.ty, value.as_f64(), value.as_array()) {
        (ArgType::Real, Some(number), _) => real(number),
        (ArgType::RealPair, _, Some(items)) => {
            let items: Vec<String> = items
                .iter()
                .filter_map(serde_json::Value::as_f64)
                .map(real)
                .collect();
            format!("({})", items.join(", "))
        }
        _ => value.to_string(),
    }
}

fn real(number: f64) -> String {
    format!("{number:?}")
}
