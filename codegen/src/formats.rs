//! Names of document formats, for the languages that write them.

use crate::scala_params::fixed;
use crate::text::{HEADER, param_words, quoted};
use crate::{Generated, PYTHON, SCALA};
use candlewick_model::catalogue::{Kind, names};
use candlewick_model::network::FORMAT;
use candlewick_model::saved::{MODEL_FORMAT, STAGE_FORMAT};
use candlewick_protocol::params::Param;

/// Name in Scala, name in Python, what it is the format of, format.
const FORMATS: [(&str, &str, &str, &str); 3] = [
    ("Network", "NETWORK_FORMAT", "a network's document", FORMAT),
    (
        "Model",
        "MODEL_FORMAT",
        "data/model.json in the folder of a saved model",
        MODEL_FORMAT,
    ),
    (
        "Stage",
        "STAGE_FORMAT",
        "a saved stage, in its metadata",
        STAGE_FORMAT,
    ),
];

/// Every file.
pub(crate) fn files() -> Vec<Generated> {
    let scala = FORMATS
        .map(|(name, _, of, format)| format!("\n  /** Format of {of}. */\n  val {name} = \"{format}\"\n"));
    let python =
        FORMATS.map(|(_, name, of, format)| format!("\n#: Format of {of}.\n{name} = \"{format}\"\n"));
    vec![
        Generated {
            path: format!("{SCALA}/Formats.scala"),
            content: format!(
                "// {HEADER}\npackage candlewick.generated\n\n/** Names of document formats. */\n\
                 private[candlewick] object Formats {{\n{}{}{}{}}}\n",
                scala.concat(),
                listed("Losses", Kind::Loss),
                listed("Optimizers", Kind::Optimizer),
                listed("Schedulers", Kind::Scheduler)
            ),
        },
        Generated {
            path: format!("{SCALA}/SharedDocs.scala"),
            content: shared_docs(),
        },
        Generated {
            path: format!("{PYTHON}/_formats.py"),
            content: format!(
                "# {HEADER}\n\"\"\"Names of document formats.\"\"\"\n{}",
                python.concat()
            ),
        },
    ]
}

/// The names of a kind, which stand for documents without arguments.
fn listed(what: &str, kind: Kind) -> String {
    let names: Vec<String> = names(kind).iter().map(|name| format!("    {name:?}")).collect();
    format!(
        "\n  /** Names of {}. */\n  val {what} = Seq(\n{}\n  )\n",
        what.to_lowercase(),
        names.join(",\n")
    )
}

/// What the parameters do that Spark lets nobody define anew, whose own words say less.
fn shared_docs() -> String {
    let line = |param: &Param| format!("    {} -> {}", quoted(param.name), quoted(&param_words(param)));
    let lines: Vec<String> = fixed().map(line).collect();
    format!(
        "// {HEADER}\npackage candlewick.generated\n\n/** What parameters do that Spark defines. */\n\
         private[candlewick] object SharedDocs {{\n\n  /** By name. */\n  val words: Map[String, String] = Map(\n{}\n  )\n}}\n",
        lines.join(",\n")
    )
}
