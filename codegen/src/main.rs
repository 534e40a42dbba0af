//! Writes what Scala and Python know about parameters, layers, losses and optimisers from the Rust catalogue.
//!
//! `candlewick-codegen [--root DIR]` writes the files; `--check` compares instead, names every file that differs
//! and exits with 1.

mod docs;
mod python_builders;
mod python_params;
mod scala_builders;
mod scala_params;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Path below the repository's root, and what stands in it.
struct Generated {
    path: String,
    content: String,
}

const SCALA: &str = "spark-package/src/main/scala/candlewick/generated";
const PYTHON: &str = "spark-package/python/candlewick";

/// Everything that is generated.
fn generate() -> Vec<Generated> {
    vec![
        Generated {
            path: format!("{SCALA}/Params.scala"),
            content: scala_params::file(),
        },
        Generated {
            path: format!("{SCALA}/nn.scala"),
            content: scala_builders::nn(),
        },
        Generated {
            path: format!("{SCALA}/optim.scala"),
            content: scala_builders::optim(),
        },
        Generated {
            path: format!("{PYTHON}/nn.py"),
            content: python_builders::nn(),
        },
        Generated {
            path: format!("{PYTHON}/optim.py"),
            content: python_builders::optim(),
        },
        Generated {
            path: format!("{PYTHON}/_params.py"),
            content: python_params::file(),
        },
        Generated {
            path: format!("{PYTHON}/_version.py"),
            content: version(),
        },
        Generated {
            path: "docs/parameters.md".to_owned(),
            content: docs::parameters(),
        },
        Generated {
            path: "docs/layers.md".to_owned(),
            content: docs::layers(),
        },
    ]
}

/// The version of the Python package is that of the Rust workspace.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "# {}\n\"\"\"Version of Candlewick.\"\"\"\n\n__version__ = \"{version}\"\n",
        text::HEADER
    )
}

fn write(root: &Path, file: &Generated) -> std::io::Result<()> {
    let path = root.join(&file.path);
    if std::fs::read_to_string(&path).is_ok_and(|old| old == file.content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, &file.content)?;
    println!("wrote {}", file.path);
    Ok(())
}

fn differs(root: &Path, file: &Generated) -> bool {
    !std::fs::read_to_string(root.join(&file.path)).is_ok_and(|old| old == file.content)
}

fn run(root: &Path, check: bool) -> Result<(), String> {
    let files = generate();
    if check {
        let stale: Vec<&str> = files
            .iter()
            .filter(|file| differs(root, file))
            .map(|file| file.path.as_str())
            .collect();
        return if stale.is_empty() {
            println!("{} generated files are up to date", files.len());
            Ok(())
        } else {
            Err(format!(
                "these files differ from what the Rust catalogue says; run `make generate`, commit the result:\n  {}",
                stale.join("\n  ")
            ))
        };
    }
    files
        .iter()
        .try_for_each(|file| write(root, file).map_err(|error| format!("{}: {error}", file.path)))
}

fn main() -> ExitCode {
    let mut check = false;
    let mut root = PathBuf::from(".");
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.len()) {
            ("--check", _) => check = true,
            ("--root", 1..) => root = arguments.next().map(PathBuf::from).unwrap_or_default(),
            _ => {
                eprintln!("usage: candlewick-codegen [--check] [--root DIR]");
                return ExitCode::from(2);
            }
        }
    }
    match run(&root, check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("candlewick-codegen: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_names_the_file_that_drifted() {
        let folder = tempfile::tempdir().unwrap();
        let missing = run(folder.path(), true).unwrap_err();
        assert!(missing.contains("docs/parameters.md"));

        run(folder.path(), false).unwrap();
        run(folder.path(), true).unwrap();

        let nn = format!("{PYTHON}/nn.py");
        std::fs::write(folder.path().join(&nn), "edited by hand").unwrap();
        let drifted = run(folder.path(), true).unwrap_err();
        assert!(drifted.ends_with(&format!("\n  {nn}")), "{drifted}");
    }

    #[test]
    fn every_entry_and_parameter_is_written_in_both_languages() {
        let files = generate();
        let text = |name: &str| {
            files
                .iter()
                .find(|file| file.path.ends_with(name))
                .map(|file| file.content.as_str())
                .unwrap()
        };
        for entry in candlewick_model::catalogue::entries() {
            let (python, scala) = (
                format!("\nclass {}(", entry.name),
                format!("  object {} {{", entry.name),
            );
            assert!(
                text("/nn.py").contains(&python) || text("/optim.py").contains(&python),
                "{}",
                entry.name
            );
            assert!(
                text("/nn.scala").contains(&scala) || text("/optim.scala").contains(&scala),
                "{}",
                entry.name
            );
        }
        for param in candlewick_protocol::params::PARAMS {
            assert!(
                text("/_params.py").contains(&format!("    {}: Param[", param.name)),
                "{}",
                param.name
            );
            assert!(
                text("/Params.scala").contains(&format!("final val {}: ", param.name)),
                "{}",
                param.name
            );
        }
    }
}
