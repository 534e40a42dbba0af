//! The packages `nn` and `optim`: the builders of networks, losses, optimisers and schedules in Python.

use crate::families::{self, Family, class_of, held};
use crate::python_checks;
use crate::text::{HEADER, arg_words, literal, wrap};
use crate::{Generated, PYTHON};
use candlewick_model::catalogue::{Arg, Entry, Kind, default_of};
use candlewick_protocol::value::{Range, ValueType};
use std::fmt::Write as _;

const WIDTH: usize = 108;
/// Longest line of code.
const LINE: usize = 120;

/// What a module takes from elsewhere: name, and where it comes from.
const IMPORTS: [(&str, &str); 12] = [
    ("Mapping", "collections.abc"),
    ("Sequence", "collections.abc"),
    ("Any", "typing"),
    ("overload", "typing"),
    ("Container", "candlewick._document"),
    ("Initializer", "candlewick._document"),
    ("Loss", "candlewick._document"),
    ("LRScheduler", "candlewick._document"),
    ("Module", "candlewick._document"),
    ("Optimizer", "candlewick._document"),
    ("Stopping", "candlewick._document"),
    ("bind", "candlewick._document"),
];

/// Layers whose constructor ends in `inplace` in PyTorch. It is taken, so that a line of PyTorch stands, and has no effect: no document
/// has it.
const IN_PLACE: [&str; 14] = [
    "CELU",
    "Dropout",
    "Dropout2d",
    "ELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "Mish",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Threshold",
];

const NN: &str = r#""""Layers and losses by PyTorch's names: ``nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))``.

Sizes of a layer's input may be left out; they are inferred from the layer before or the features.
"""

from candlewick._document import Loss, Module, Sequential
from candlewick._graph import Graph
from candlewick._keras import from_keras
from candlewick._reading import from_json
from candlewick._tensor import Input, Tensor
from candlewick._torch import from_torch
from candlewick.nn import init
"#;

const OPTIM: &str = r#""""Optimisers by PyTorch's names, ``optim.AdamW(lr=1e-3)``, and ``optim.lr_scheduler``."""

from candlewick._document import Optimizer
from candlewick.optim import lr_scheduler
"#;

/// Every file of both packages.
pub(crate) fn files() -> Vec<Generated> {
    let mut families = families::of(Kind::Layer);
    families.extend(families::of(Kind::Loss));
    let mut files = Vec::new();
    let names = [
        "Graph",
        "Input",
        "Loss",
        "Module",
        "Sequential",
        "Tensor",
        "from_json",
        "from_keras",
        "from_torch",
        "init",
    ];
    package(&mut files, "nn", (NN, &names), &families);
    let optimizers = families::of(Kind::Optimizer);
    package(
        &mut files,
        "optim",
        (OPTIM, &["Optimizer", "lr_scheduler"]),
        &optimizers,
    );
    for (path, doc, base, kind) in [
        (
            "optim/lr_scheduler",
            "Schedules of the learning rate by PyTorch's names.",
            "LRScheduler",
            Kind::Scheduler,
        ),
        (
            "nn/init",
            "How parameters start, by the names of torch.nn.init, for ``Module.with_init``.",
            "Initializer",
            Kind::Initializer,
        ),
        ("_stopping", "Early stopping.", "", Kind::Stopping),
    ] {
        let families = families::of(kind).into_iter();
        let entries: Vec<&Entry> = families.flat_map(|family| family.entries).collect();
        files.push(Generated {
            path: format!("{PYTHON}/{path}.py"),
            content: module(doc, base, &entries),
        });
    }
    files
}

/// A package with a module for each family.
fn package(files: &mut Vec<Generated>, name: &str, (head, more): (&str, &[&str]), families: &[Family]) {
    let mut init = format!("# {HEADER}\n{head}");
    let mut names = more.to_vec();
    let mut imports = Vec::new();
    for family in families {
        let mut entries: Vec<&str> = family.entries.iter().map(|entry| entry.name).collect();
        names.extend(&entries);
        entries.sort_by(|left, right| imported(left, right));
        let one_line = format!(
            "from candlewick.{name}._{} import {}\n",
            family.module,
            entries.join(", ")
        );
        imports.push(if one_line.len() <= WIDTH {
            one_line
        } else {
            format!(
                "from candlewick.{name}._{} import (\n    {},\n)\n",
                family.module,
                entries.join(",\n    ")
            )
        });
        files.push(Generated {
            path: format!("{PYTHON}/{name}/_{}.py", family.module),
            content: module(&format!("{}.", family.title), "", &family.entries),
        });
    }
    imports.sort_unstable();
    init.push_str(&imports.concat());
    all(&mut init, names);
    files.push(Generated {
        path: format!("{PYTHON}/{name}/__init__.py"),
        content: init,
    });
}

/// The order of imported names: constants, then classes, each by the alphabet.
fn imported(left: &str, right: &str) -> std::cmp::Ordering {
    let constant = |name: &str| name.len() > 1 && !name.chars().any(char::is_lowercase);
    (!constant(left), left.to_lowercase()).cmp(&(!constant(right), right.to_lowercase()))
}

/// A module with these entries; `base`, where not empty, is exported too.
fn module(doc: &str, base: &'static str, entries: &[&Entry]) -> String {
    let mut body = String::new();
    for entry in entries {
        class(&mut body, entry);
    }
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    if !base.is_empty() {
        names.push(base);
    }
    let mut sources: Vec<(&str, Vec<&str>)> = Vec::new();
    let checks = python_checks::NAMES.map(|name| (name, "candlewick._domains"));
    for (name, source) in IMPORTS.into_iter().chain(checks) {
        if name != base && !uses(&body, name) {
            continue;
        }
        match sources.last_mut().filter(|(known, _)| *known == source) {
            Some((_, names)) => names.push(name),
            None => sources.push((source, vec![name])),
        }
    }
    let mut out = format!("# {HEADER}\n\"\"\"{doc}\"\"\"\n\nfrom __future__ import annotations\n");
    let mut group = "";
    for (source, names) in &sources {
        let root = if source.starts_with("candlewick") {
            "own"
        } else {
            "standard"
        };
        if root != group {
            out.push('\n');
            group = root;
        }
        let line = format!("from {source} import {}", names.join(", "));
        if line.len() <= LINE {
            let _ = writeln!(out, "{line}");
        } else {
            let _ = writeln!(out, "from {source} import (\n    {},\n)", names.join(",\n    "));
        }
    }
    out.push_str(&body);
    all(&mut out, names);
    out
}

/// Whether the code has the name as a word of its own, outside of documentation.
pub(crate) fn uses(body: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '"';
    body.split("\"\"\"").step_by(2).any(|code| {
        let code = without_texts(code);
        code.match_indices(name).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            let after = code[at + name.len()..].chars().next();
            !before.is_some_and(word) && !after.is_some_and(word)
        })
    })
}

/// Code whose texts are empty: a word in a message or a doc uses nothing.
fn without_texts(code: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), None, false);
    for c in code.chars() {
        // A text with double quotes in it stands in single ones.
        let quote = !escaped && (inside == Some(c) || inside.is_none() && matches!(c, '"' | '\''));
        escaped = c == '\\' && !escaped;
        if quote || inside.is_none() {
            out.push(c);
        }
        if quote {
            inside = if inside.is_none() { Some(c) } else { None };
        }
    }
    out
}

fn all(out: &mut String, mut names: Vec<&str>) {
    names.sort_unstable();
    // Two lines after a class, one after imports.
    let gap = if out.contains("\nclass ") { "\n" } else { "" };
    let _ = write!(
        out,
        "{gap}\n__all__ = [\n    \"{}\",\n]\n",
        names.join("\",\n    \"")
    );
}

fn class(out: &mut String, entry: &Entry) {
    let parent = if held(entry).is_some() {
        "Container"
    } else if entry.kind == Kind::Stopping {
        "Stopping"
    } else {
        class_of(entry.kind)
    };
    let name = entry.name;
    let doc = wrap(entry.doc, WIDTH, "    \"\"\"", "    ");
    let _ = write!(out, "\n\nclass {name}({parent}):\n{doc}");
    let bare = entry.args.is_empty() && !in_place(entry);
    let end = match (bare, doc.contains('\n')) {
        (true, false) => "\"\"\"\n",
        (true, true) => "\n    \"\"\"\n",
        (false, _) => "\n\n    Args:\n",
    };
    out.push_str(end);
    for arg in entry.args {
        let star = if held(entry) == Some(arg.name) { "*" } else { "" };
        let first = format!("        {star}{}: ", arg.name);
        let _ = writeln!(out, "{}", wrap(&arg_words(arg), WIDTH, &first, "            "));
    }
    if in_place(entry) {
        out.push_str("        inplace: PyTorch's, without effect here.\n");
    }
    if !bare {
        out.push_str("    \"\"\"\n");
    }
    out.push_str(&python_checks::attribute(entry, held(entry)));
    if held(entry).is_some() {
        container(out, entry)
    } else if inputs(entry).is_empty() {
        plain(out, entry)
    } else {
        inferred(out, entry)
    }
}

/// The sizes of the input that the full form begins with. One after an optional argument is optional itself.
pub(crate) fn inputs(entry: &Entry) -> Vec<&'static Arg> {
    let before = entry.args.iter().take_while(|arg| arg.default.is_none());
    before.filter(|arg| arg.input).collect()
}

/// Whether an argument is optional in both forms.
pub(crate) fn optional(arg: &Arg) -> bool {
    arg.default.is_some()
}

/// Whether PyTorch's constructor ends in `inplace`.
fn in_place(entry: &Entry) -> bool {
    entry.kind == Kind::Layer && IN_PLACE.contains(&entry.name)
}

fn plain(out: &mut String, entry: &Entry) {
    let mut args = entry.args.to_vec();
    if in_place(entry) {
        args.push(Arg {
            name: "inplace",
            ty: ValueType::Bool,
            default: Some("false"),
            input: false,
            keyword: false,
            nullable: false,
            range: Range::Any,
            doc: "",
        });
    }
    signature(out, &args, false);
    let given: Vec<String> = entry
        .args
        .iter()
        .map(|arg| format!("\"{0}\": {0}", arg.name))
        .collect();
    call(out, &given);
}

/// `super().__init__({...})`.
fn call(out: &mut String, given: &[String]) {
    let dictionary = format!("{{{}}}", given.join(", "));
    if dictionary.len() + 25 > WIDTH {
        let _ = writeln!(
            out,
            ":\n        super().__init__(\n            {{\n                {},\n            }}\n        )",
            given.join(",\n                ")
        );
    } else {
        let _ = writeln!(out, ":\n        super().__init__({dictionary})");
    }
}

/// A layer that holds layers, which it takes one by one.
fn container(out: &mut String, entry: &Entry) {
    let layers = held(entry).unwrap_or_default();
    let others: Vec<Arg> = entry
        .args
        .iter()
        .filter(|arg| arg.name != layers)
        .copied()
        .collect();
    let mut parts = vec!["self".to_owned(), format!("*{layers}: Module")];
    parts.extend(others.iter().map(declared));
    let given: String = others.iter().map(|arg| format!(", {0}={0}", arg.name)).collect();
    let _ = write!(
        out,
        "\n    def __init__({}) -> None:\n        super().__init__(*{layers}{given})\n",
        parts.join(", ")
    );
}

/// A layer whose input sizes may be left out: both forms for type checkers, one body that tells them apart.
fn inferred(out: &mut String, entry: &Entry) {
    let early = inputs(entry);
    let is_early = |arg: &Arg| early.iter().any(|input| input.name == arg.name);
    let short: Vec<Arg> = entry.args.iter().filter(|arg| !is_early(arg)).copied().collect();
    forms(out, entry, &is_early);
    out.push_str("\n    @overload");
    signature(out, &short, true);
    out.push_str(": ...\n\n    @overload");
    signature(out, entry.args, false);
    out.push_str(
        ": ...\n\n    def __init__(self, *args: Any, **kwargs: Any) -> None:\n        \
         super().__init__(bind(type(self), args, kwargs))\n",
    );
}

/// The class attributes that tell both forms apart.
fn forms(out: &mut String, entry: &Entry, is_early: &dyn Fn(&Arg) -> bool) {
    let names = |wanted: &dyn Fn(&Arg) -> bool| {
        let names: Vec<String> = entry
            .args
            .iter()
            .filter(|arg| wanted(arg))
            .map(|arg| format!("\"{}\"", arg.name))
            .collect();
        match names.as_slice() {
            [one] => format!("({one},)"),
            names => format!("({})", names.join(", ")),
        }
    };
    let late = |arg: &&Arg| !is_early(arg) && (optional(arg) || arg.input);
    let defaults: Vec<String> = entry
        .args
        .iter()
        .filter(late)
        .map(|arg| format!("\"{}\": {}", arg.name, literal(&default_of(arg))))
        .collect();
    let mut dictionary = format!("{{{}}}", defaults.join(", "));
    if dictionary.len() + 16 > LINE {
        dictionary = format!("{{\n        {},\n    }}", defaults.join(",\n        "));
    }
    let first_keyword = entry.args.iter().position(|arg| arg.keyword);
    let positional = &entry.args[..first_keyword.unwrap_or(entry.args.len())];
    let mut full = names(&|arg| positional.iter().any(|known| known.name == arg.name));
    if full.len() + 12 > LINE {
        full = format!(
            "(\n        {},\n    )",
            full.trim_matches(['(', ')']).replace(", ", ",\n        ")
        );
    }
    let _ = writeln!(
        out,
        "    _full = {full}\n    _short = {}\n    _optional = {dictionary}",
        names(&|arg| !is_early(arg) && !optional(arg) && !arg.input),
    );
}

/// `name: type = default`.
fn declared(arg: &Arg) -> String {
    let mut kind = match arg.ty {
        ValueType::Int | ValueType::Long => "int".to_owned(),
        ValueType::Real => "float".to_owned(),
        ValueType::Bool => "bool".to_owned(),
        ValueType::Text
        | ValueType::Switch
        | ValueType::Duration
        | ValueType::Bytes
        | ValueType::Compression
        | ValueType::Folders
        | ValueType::Weights
        | ValueType::ClassWeights => "str".to_owned(),
        ValueType::TextList => "Sequence[str]".to_owned(),
        ValueType::Texts => "str | Sequence[str]".to_owned(),
        ValueType::TextMap => "Mapping[str, str]".to_owned(),
        ValueType::RealPair => "tuple[float, float]".to_owned(),
        ValueType::RealList | ValueType::Thresholds => "Sequence[float]".to_owned(),
        ValueType::IntList => "Sequence[int]".to_owned(),
        ValueType::Size(1) => "int".to_owned(),
        ValueType::Size(_) => "int | Sequence[int]".to_owned(),
        ValueType::OpenSize(_) => "int | Sequence[int | None]".to_owned(),
        ValueType::Padding(_) => "int | Sequence[int] | str".to_owned(),
        ValueType::Document(kind) => class_of(kind).to_owned(),
        ValueType::Documents(kind) => format!("Sequence[{}]", class_of(kind)),
        ValueType::Groups => "Sequence[Mapping[str, Any]]".to_owned(),
    };
    if arg.nullable {
        kind.push_str(" | None");
    }
    let default = arg
        .default
        .map(|_| format!(" = {}", literal(&default_of(arg))))
        .unwrap_or_default();
    format!("{}: {kind}{default}", arg.name)
}

/// `def __init__(...) -> None` without its colon; `named`: optional arguments by keyword only.
fn signature(out: &mut String, args: &[Arg], named: bool) {
    let mut parts = vec!["self".to_owned()];
    let (mut starred, mut defaults) = (false, false);
    for arg in args {
        defaults |= optional(arg);
        let late = arg.input && defaults && !optional(arg);
        if !starred && (arg.keyword || (named && (optional(arg) || late))) {
            parts.push("*".to_owned());
            starred = true;
        }
        let late = if late { " | None = None" } else { "" };
        parts.push(declared(arg) + late);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{self, bare};

    #[test]
    fn every_type_of_argument_is_written() {
        let text = module("Samples.", "", &samples::ALL);
        if let Ok(path) = std::env::var("CANDLEWICK_PYTHON_SAMPLES") {
            std::fs::write(path, &text).unwrap();
        }
        for wanted in [
            "from collections.abc import Sequence\nfrom typing import Any, overload\n\nfrom candlewick._document import \
             Loss, LRScheduler, Module, bind\n",
            "    def __init__(\n        self,\n        out_channels: int,\n        kernel_size: int | Sequence[int],\n        *,\n        \
             stride: int | Sequence[int] = 1,\n        padding: int | Sequence[int] | str = 0,\n        \
             dilation: int | Sequence[int] = (1, 1),\n    ) -> None: ...",
            "    _full = (\"in_channels\", \"out_channels\", \"kernel_size\", \"stride\", \"padding\", \"dilation\")\n    \
             _short = (\"out_channels\", \"kernel_size\")\n    \
             _optional = {\"stride\": 1, \"padding\": 0, \"dilation\": (1, 1)}\n",
            "    _full = (\"num_groups\", \"num_channels\", \"eps\")\n    _short = (\"num_groups\",)\n",
            "    def __init__(self, *, eps: float = 1e-5, momentum: float | None = 0.1) -> None: ...",
            "    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None: ...",
            "num_heads: int, *, dropout: float = 0, kdim: int | None = None) -> None: ...",
            "    _optional = {\"dropout\": 0, \"kdim\": None}\n",
            "padding_idx: int | None = None,",
            "def __init__(self, losses: Sequence[Loss], weights: Sequence[float] | None = None) -> None:",
            "schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1",
        ] {
            assert!(
                bare(&text).contains(&bare(wanted)),
                "{wanted}\n\nis not in\n\n{text}"
            );
        }
    }

    #[test]
    fn a_line_of_pytorch_may_say_in_place() {
        for name in IN_PLACE {
            let entry = candlewick_model::catalogue::find(Kind::Layer, name).unwrap();
            assert!(inputs(entry).is_empty() && held(entry).is_none(), "{name}");
            let text = module("Some.", "", &[entry]);
            assert!(
                text.contains("inplace: bool = False) -> None") && !text.contains("\"inplace\""),
                "{text}"
            );
        }
    }

    #[test]
    fn only_what_is_used_is_imported() {
        assert!(uses("class A(Loss):\n    pass\n", "Loss"));
        assert!(!uses("doc = 'one of \"a\", and each of \"b\"'\n", "each"));
        assert!(uses("doc = 'it is \"a\"', each(1)\n", "each"));
        assert!(!uses(
            "class MSELoss(Module):\n    \"\"\"A Loss.\"\"\"\n    x = \"Loss\"\n",
            "Loss"
        ));
    }
}
