//! `nn.py` and `optim.py`: the builders of networks, losses and optimisers in Python.

use crate::python_params::literal;
use crate::text::{HEADER, arg_words, wrap};
use candlewick_model::catalogue::{Arg, ArgType, Entry, Kind, default_of, entries};
use std::fmt::Write as _;

const WIDTH: usize = 108;

const SEQUENTIAL: &str = r#"

class Sequential(Container):
    """Layers one after another; may hold further Sequentials.

    Args:
        *modules: The layers, in the order in which the rows go through them.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(*modules)
"#;

/// `nn.py`.
pub(crate) fn nn() -> String {
    let mut out = format!(
        "# {HEADER}\n\"\"\"Layers and losses by PyTorch's names: ``nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))``.\n\n\
         Sizes of a layer's input may be left out; they are inferred from the layer before or the features.\n\"\"\"\n\n\
         from __future__ import annotations\n\nfrom typing import Any, overload\n\n\
         from candlewick._document import Container, Loss, Module, bind\n"
    );
    out.push_str(SEQUENTIAL);
    let mut names = vec!["Loss", "Module", "Sequential"];
    for entry in entries().filter(|entry| [Kind::Layer, Kind::Loss].contains(&entry.kind)) {
        class(&mut out, entry);
        names.push(entry.name);
    }
    all(&mut out, names);
    out
}

/// `optim.py`.
pub(crate) fn optim() -> String {
    let mut out = format!(
        "# {HEADER}\n\"\"\"Optimisers by PyTorch's names: ``optim.AdamW(lr=1e-3)``.\"\"\"\n\n\
         from __future__ import annotations\n\nfrom collections.abc import Mapping, Sequence\nfrom typing import Any\n\n\
         from candlewick._document import Optimizer\n"
    );
    let mut names = vec!["Optimizer"];
    for entry in entries().filter(|entry| entry.kind == Kind::Optimizer) {
        class(&mut out, entry);
        names.push(entry.name);
    }
    all(&mut out, names);
    out
}

fn all(out: &mut String, mut names: Vec<&str>) {
    names.sort_unstable();
    let _ = write!(
        out,
        "\n\n__all__ = [\n    \"{}\",\n]\n",
        names.join("\",\n    \"")
    );
}

fn class(out: &mut String, entry: &Entry) {
    let parent = class_of(entry.kind);
    let name = entry.name;
    let doc = wrap(entry.doc, WIDTH, "    \"\"\"", "    ");
    let _ = write!(out, "\n\nclass {name}({parent}):\n{doc}");
    let end = match (entry.args.is_empty(), doc.contains('\n')) {
        (true, false) => "\"\"\"\n",
        (true, true) => "\n    \"\"\"\n",
        (false, _) => "\n\n    Args:\n",
    };
    out.push_str(end);
    for arg in entry.args {
        let first = format!("        {}: ", arg.name);
        let _ = writeln!(out, "{}", wrap(&arg_words(arg), WIDTH, &first, "            "));
    }
    if !entry.args.is_empty() {
        out.push_str("    \"\"\"\n");
    }
    if entry.args.iter().any(|arg| arg.input) {
        inferred(out, entry)
    } else {
        plain(out, entry)
    }
}

/// The class that entries of a kind extend.
fn class_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Layer => "Module",
        Kind::Loss => "Loss",
        Kind::Optimizer => "Optimizer",
        Kind::Scheduler => "LRScheduler",
    }
}

fn plain(out: &mut String, entry: &Entry) {
    let given: Vec<String> = entry
        .args
        .iter()
        .map(|arg| format!("\"{0}\": {0}", arg.name))
        .collect();
    signature(out, entry.args, false);
    let mut dictionary = format!("{{{}}}", given.join(", "));
    if dictionary.len() + 25 > WIDTH {
        dictionary = format!(
            "{{\n                {},\n            }}",
            given.join(",\n                ")
        );
        let _ = writeln!(
            out,
            ":\n        super().__init__(\n            {dictionary}\n        )"
        );
    } else {
        let _ = writeln!(out, ":\n        super().__init__({dictionary})");
    }
}

/// A layer whose input sizes may be left out: both forms for type checkers, one body that tells them apart.
fn inferred(out: &mut String, entry: &Entry) {
    let short: Vec<Arg> = entry.args.iter().filter(|arg| !arg.input).copied().collect();
    out.push_str("\n    @overload");
    signature(out, &short, true);
    out.push_str(": ...\n\n    @overload");
    signature(out, entry.args, false);
    let of = |wanted: &dyn Fn(&Arg) -> bool| {
        let names: String = entry
            .args
            .iter()
            .filter(|arg| wanted(arg))
            .map(|arg| format!("\"{}\",", arg.name))
            .collect();
        format!("({names})")
    };
    let optional: Vec<String> = entry
        .args
        .iter()
        .filter(|arg| arg.default.is_some())
        .map(|arg| format!("\"{}\": {}", arg.name, literal(&default_of(arg))))
        .collect();
    let _ = write!(
        out,
        ": ...\n\n    def __init__(self, *args: Any, **kwargs: Any) -> None:\n        \
         optional = {{{}}}\n        \
         super().__init__(bind(\"{}\", {}, {}, optional, (args, kwargs)))\n",
        optional.join(", "),
        entry.name,
        of(&|arg| arg.input),
        of(&|arg| !arg.input && arg.default.is_none()),
    );
}

/// `def __init__(...) -> None` without its colon; `named`: optional arguments by keyword only.
fn signature(out: &mut String, args: &[Arg], named: bool) {
    let mut parts = vec!["self".to_owned()];
    let mut starred = false;
    for arg in args {
        if !starred && (arg.keyword || (named && arg.default.is_some())) {
            parts.push("*".to_owned());
            starred = true;
        }
        let mut kind = match arg.ty {
            ArgType::Int => "int".to_owned(),
            ArgType::Real => "float".to_owned(),
            ArgType::Bool => "bool".to_owned(),
            ArgType::Text => "str".to_owned(),
            ArgType::RealPair => "tuple[float, float]".to_owned(),
            ArgType::RealList => "Sequence[float]".to_owned(),
            ArgType::IntList => "Sequence[int]".to_owned(),
            ArgType::Size(_) => "int | Sequence[int]".to_owned(),
            ArgType::Padding(_) => "int | Sequence[int] | str".to_owned(),
            ArgType::Document(kind) => class_of(kind).to_owned(),
            ArgType::Documents(kind) => format!("Sequence[{}]", class_of(kind)),
            ArgType::Groups => "Sequence[Mapping[str, Any]]".to_owned(),
        };
        if arg.nullable {
            kind.push_str(" | None");
        }
        let default = arg
            .default
            .map(|_| format!(" = {}", literal(&default_of(arg))))
            .unwrap_or_default();
        parts.push(format!("{}: {kind}{default}", arg.name));
    }
    let line = format!("    def __init__({}) -> None", parts.join(", "));
    if line.len() < WIDTH {
        let _ = write!(out, "\n{line}");
    } else {
        let _ = write!(
            out,
            "\n    def __init__(\n        {},\n    ) -> None",
            parts.join(",\n        ")
        );
    }
}
