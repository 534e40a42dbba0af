//! Names of document formats, for the languages that write them.

use crate::text::HEADER;
use crate::{Generated, PYTHON, SCALA};
use candlewick_model::network::FORMAT;
use candlewick_model::saved::{MODEL_FORMAT, STAGE_FORMAT};

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
                 private[candlewick] object Formats {{\n{}}}\n",
                scala.concat()
            ),
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
