//! Names of document formats, for the languages that write them.

use crate::text::HEADER;
use crate::{Generated, PYTHON, SCALA};
use candlewick_model::network::FORMAT;

/// Every file.
pub(crate) fn files() -> Vec<Generated> {
    vec![
        Generated {
            path: format!("{SCALA}/Formats.scala"),
            content: format!(
                "// {HEADER}\npackage candlewick.generated\n\n/** Names of document formats. */\n\
                 private[candlewick] object Formats {{\n\n  /** Format of a network's document. */\n  \
                 val Network = \"{FORMAT}\"\n}}\n"
            ),
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
