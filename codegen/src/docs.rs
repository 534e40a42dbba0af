//! The generated pages of the user guide: `docs/{parameters,layers,losses,optimizers,initializers}.md`.

use crate::families::{self, held};
use crate::text::{self, HEADER, arg_words};
use candlewick_model::catalogue::{Entry, Kind, default_of};
use candlewick_protocol::params::{self, Param, Scope};
use std::fmt::Write as _;

const INTRO: &str = "\
# Parameters

Scala and Python know the same parameters by the same names. In Python they are keyword arguments of the
estimators (`NeuralClassifier(network=net, epochs=10)`) and have `setX` and `getX`; in Scala there are `setX` and `getX`.
A wrong value is refused where it is set, with an error that names the parameter, the value and what it may be; what only
shows together with the data, such as a loss that does not fit the network, before anything is started.
Columns of an estimator are also parameters of its model, where the last column says so. A model also knows what its estimator was
set to, as Spark's own do: `model.getEpochs()` has the value of the fit, and there is no setter.
";

/// The whole page.
pub(crate) fn parameters() -> String {
    let mut out = format!("<!-- {HEADER} -->\n{INTRO}");
    for group in params::GROUPS {
        let _ = write!(
            out,
            "\n## {}\n\n{}\n\n| parameter | value | default | meaning | in |\n|---|---|---|---|---|\n",
            text::capital(group.name),
            group.doc
        );
        for param in group.params {
            row(&mut out, param);
        }
    }
    sections(&mut out, &[Kind::Stopping]);
    out
}

fn row(out: &mut String, param: &Param) {
    let owner = match param.scope {
        Scope::All => "estimators, models",
        Scope::Classifier => "classifier, its model",
        Scope::General => "NeuralEstimator, its model",
        Scope::Estimator => "estimators; models know it",
        Scope::ClassifierEstimator => "classifier; its model knows it",
        Scope::EstimatorAlone => "estimators",
    };
    let default = param
        .default
        .map_or("not set".to_owned(), |json| format!("`{json}`"));
    let _ = writeln!(
        out,
        "| `{}` | {} | {default} | {} | {owner} |",
        param.name,
        text::legal_words(param),
        param.doc.replace('|', "\\|")
    );
}

const LAYERS: &str = "\
# Layers

Names, arguments, defaults and numerics are PyTorch's. In Python and Scala they stand in `nn`: `nn.Linear(256)`. Sizes of a
layer's input (marked *inferred*) may be left out: `nn.Linear(256)` and `nn.Linear(784, 256)` are both legal; given, they are
checked. A size of several dimensions is one number for all or one for each: `kernel_size=3`, `kernel_size=(3, 5)`.
`nn.Sequential(...)` holds layers and further Sequentials; `nn.Graph` joins layers to any graph (see the
[user guide](user-guide.md)). Losses: [losses.md](losses.md). Optimisers and schedules: [optimizers.md](optimizers.md).
";

const INITIALIZERS: &str = "\
# How parameters start

Layers start as PyTorch's do. Other starts have the names and arguments of torch.nn.init; in Python and Scala they stand in
`nn.init`. A network takes them by patterns of parameter names, of which the first that fits counts:
`net.with_init({\"*.weight\": nn.init.kaiming_normal_(nonlinearity=\"relu\"), \"*.bias\": nn.init.zeros_()})`, in Scala
`net.withInit(\"*.weight\" -> nn.init.kaiming_normal_(nonlinearity = \"relu\"))`. Values follow from the seed and the
parameter's name: the same on any number of trainers, but not PyTorch's own numbers.
";

const LOSSES: &str = "\
# Losses

Names, arguments, defaults and numerics are PyTorch's; in Python and Scala they stand in `nn`. The parameter `loss` takes one:
`loss=nn.HuberLoss(delta=0.5)`; a `NeuralEstimator` also one for each output by its name ([general networks](general-networks.md)). Rows are weighted by `weightCol` and, of a classifier,
by `classWeight`.
";

const OPTIMIZERS: &str = "\
# Optimisers and schedules

Names, arguments, defaults and numerics are PyTorch's. In Python and Scala optimisers stand in `optim`, schedules of the
learning rate in `optim.lr_scheduler`: `optimizer=optim.AdamW(lr=1e-3)`,
`lrScheduler=optim.lr_scheduler.CosineAnnealingLR(T_max=10)`. A schedule moves the rates of all groups by the same factor: what it
names as a rate (max_lr, eta_min, min_lr) is that of the optimiser itself, and a group of a tenth of its rate has a tenth of it, where
PyTorch would set one rate for all groups.
";

/// The page of the layers.
pub(crate) fn layers() -> String {
    page(LAYERS, &[Kind::Layer])
}

/// The page of how parameters start.
pub(crate) fn initializers() -> String {
    page(INITIALIZERS, &[Kind::Initializer])
}

/// The page of the losses.
pub(crate) fn losses() -> String {
    page(LOSSES, &[Kind::Loss])
}

/// The page of optimisers and schedules.
pub(crate) fn optimizers() -> String {
    page(OPTIMIZERS, &[Kind::Optimizer, Kind::Scheduler])
}

fn page(head: &str, kinds: &[Kind]) -> String {
    let mut out = format!("<!-- {HEADER} -->\n{head}");
    sections(&mut out, kinds);
    out
}

/// A chapter for every family of these kinds.
fn sections(out: &mut String, kinds: &[Kind]) {
    for kind in kinds {
        for family in families::of(*kind) {
            let _ = write!(out, "\n## {}\n", family.title);
            for entry in family.entries {
                section(out, entry);
            }
        }
    }
}

fn section(out: &mut String, entry: &Entry) {
    let _ = write!(out, "\n### {}\n\n{}\n", entry.name, entry.doc);
    if !entry.args.is_empty() {
        out.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
    }
    for arg in entry.args {
        let star = if held(entry) == Some(arg.name) { "*" } else { "" };
        let default = match (arg.default, arg.input) {
            _ if !star.is_empty() => String::new(),
            (Some(_), _) => format!("`{}`", default_of(arg)).replace("`null`", "none"),
            (None, true) => "inferred".to_owned(),
            (None, false) => "required".to_owned(),
        };
        let words = arg_words(arg).replace('|', "\\|");
        let _ = writeln!(out, "| `{star}{}` | {default} | {words} |", arg.name);
    }
}
