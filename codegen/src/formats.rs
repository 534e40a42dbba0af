//! Names of document formats, for the languages that write them.

use crate::scala_params::fixed;
use crate::text::{HEADER, param_words, quoted};
use crate::{Generated, PYTHON, SCALA};
use candlewick_model::catalogue::{Kind, names};
use candlewick_model::network::FORMAT;
use candlewick_protocol::params::Param;

/// Every file.
pub(crate) fn files() -> Vec<Generated> {
    vec![
        Generated {
            path: format!("{SCALA}/Formats.scala"),
            content: format!(
                "// {HEADER}\npackage candlewick.generated\n\n/** Names of document formats. */\n\
                 private[candlewick] object Formats {{\n\n  /** Format of a network's document. */\n  \
                 val Network = \"{FORMAT}\"\n{}{}{}}}\n",
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
                "# {HEADER}\n\"\"\"Names of document formats.\"\"\"\n\n\
                 #: Format of a network's document.\nNETWORK_FORMAT = \"{FORMAT}\"\n"
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
