//! `docs/parameters.md` and `docs/layers.md`: pages of the user guide.

use crate::text::{self, HEADER, arg_words};
use candlewick_model::catalogue::{Kind, default_of, entries};
use candlewick_protocol::params::{PARAMS, Param, Scope};
use std::fmt::Write as _;

const INTRO: &str = "\
# Parameters

Scala and Python know the same parameters by the same names. In Python they are keyword arguments of the
estimators (`NeuralClassifier(network=net, epochs=10)`) and have `setX` and `getX`; in Scala there are `setX` and `getX`.
A wrong value is refused before anything is started, with an error that names the parameter, the value and what it may be.
Columns of an estimator are also parameters of its model, where the last column says so.
";

/// The whole page.
pub(crate) fn parameters() -> String {
    let mut out = format!("<!-- {HEADER} -->\n{INTRO}");
    let mut groups: Vec<&str> = vec![];
    for param in PARAMS {
        if !groups.contains(&param.group) {
            groups.push(param.group);
        }
    }
    for group in groups {
        let _ = write!(
            out,
            "\n## {}\n\n| parameter | value | default | meaning | in |\n|---|---|---|---|---|\n",
            text::capital(group)
        );
        for param in PARAMS.iter().filter(|param| param.group == group) {
            row(&mut out, param);
        }
    }
    out
}

fn row(out: &mut String, param: &Param) {
    let owner = match param.scope {
        Scope::All => "estimators, models",
        Scope::Classifier => "classifier, its model",
        Scope::Estimator => "estimators",
    };
    let default = if param.default.is_empty() {
        "not set".to_owned()
    } else {
        format!("`{}`", param.default)
    };
    let _ = writeln!(
        out,
        "| `{}` | {} | {default} | {} | {owner} |",
        param.name,
        text::type_words(param.kind),
        param.doc.replace('|', "\\|")
    );
}

const LAYERS: &str = "\
# Layers, losses and optimisers

Names, arguments, defaults and numerics are PyTorch's. In Python and Scala they stand in `nn` and `optim`:
`nn.Linear(256)`, `optim.AdamW(lr=1e-3)`. Sizes of a layer's input (marked *inferred*) may be left out: `nn.Linear(256)`
and `nn.Linear(784, 256)` are both legal; given, they are checked. `nn.Sequential(...)` holds layers and further
Sequentials.
";

/// The page of layers, losses and optimisers.
pub(crate) fn layers() -> String {
    let mut out = format!("<!-- {HEADER} -->\n{LAYERS}");
    let sections = [
        (Kind::Layer, "Layers"),
        (Kind::Loss, "Losses"),
        (Kind::Optimizer, "Optimisers"),
    ];
    for (kind, title) in sections {
        let _ = write!(out, "\n## {title}\n");
        for entry in entries().filter(|entry| entry.kind == kind) {
            let _ = write!(out, "\n### {}\n\n{}\n", entry.name, entry.doc);
            if !entry.args.is_empty() {
                out.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
            }
            for arg in entry.args {
                let default = match (arg.default, arg.input) {
                    (Some(_), _) => format!("`{}`", default_of(arg)),
                    (None, true) => "inferred".to_owned(),
                    (None, false) => "required".to_owned(),
                };
                let _ = writeln!(out, "| `{}` | {default} | {} |", arg.name, arg_words(arg));
            }
        }
    }
    out
}
