//! Writes what Scala and Python know about parameters, layers, losses and optimisers from the Rust catalogue.
//!
//! `candlewick-codegen [--root DIR]` writes the files; `--check` compares instead, names every file that differs
//! and exits with 1.

// A cast that loses something says why; tests cast at will.
#![cfg_attr(
    not(test),
    deny(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

mod docs;
mod families;
mod formats;
mod parts;
mod python_builders;
mod python_checks;
mod python_params;
#[cfg(test)]
mod samples;
mod scala_builders;
mod scala_checks;
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
    let mut files = vec![
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
        Generated {
            path: "docs/initializers.md".to_owned(),
            content: docs::initializers(),
        },
        Generated {
            path: "docs/losses.md".to_owned(),
            content: docs::losses(),
        },
        Generated {
            path: "docs/optimizers.md".to_owned(),
            content: docs::optimizers(),
        },
    ];
    files.extend(scala_params::files());
    files.extend(python_params::files());
    files.extend(formats::files());
    files.extend(scala_builders::files());
    files.extend(python_builders::files());
    files
}

/// Files in the folders of generated ones that nobody writes any more: of a family that is gone.
fn orphans(root: &Path, files: &[Generated]) -> Vec<String> {
    let folders = [
        SCALA.to_owned(),
        format!("{PYTHON}/_params"),
        format!("{PYTHON}/nn"),
        format!("{PYTHON}/optim"),
    ];
    let found = folders.iter().flat_map(|folder| {
        let entries = std::fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .filter_map(move |entry| Some(format!("{folder}/{}", entry.file_name().to_str()?)))
    });
    let mut found: Vec<String> = found
        .filter(|path| files.iter().all(|file| file.path != *path))
        .collect();
    found.sort_unstable();
    found
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
    let orphans = orphans(root, &files);
    if check {
        let stale: Vec<&str> = files
            .iter()
            .filter(|file| differs(root, file))
            .map(|file| file.path.as_str())
            .chain(orphans.iter().map(String::as_str))
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
    for orphan in orphans {
        std::fs::remove_file(root.join(&orphan)).map_err(|error| format!("{orphan}: {error}"))?;
        println!("removed {orphan}");
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

        let nn = format!("{PYTHON}/nn/_linear.py");
        std::fs::write(folder.path().join(&nn), "edited by hand").unwrap();
        let drifted = run(folder.path(), true).unwrap_err();
        assert!(drifted.ends_with(&format!("\n  {nn}")), "{drifted}");

        run(folder.path(), false).unwrap();
        let orphan = format!("{PYTHON}/nn/_gone.py");
        std::fs::write(folder.path().join(&orphan), "").unwrap();
        assert!(run(folder.path(), true).unwrap_err().ends_with(&orphan));
        run(folder.path(), false).unwrap();
        run(folder.path(), true).unwrap();
    }

    #[test]
    fn every_entry_and_parameter_is_written_in_both_languages() {
        let files = generate();
        let anywhere = |wanted: &str| files.iter().any(|file| file.content.contains(wanted));
        for entry in candlewick_model::catalogue::entries() {
            let name = entry.name;
            assert!(anywhere(&format!("\nclass {name}(")), "{name}");
            let scala = [format!("  object {name} {{"), format!("case class {name}(")];
            assert!(scala.iter().any(|form| anywhere(form)), "{name}");
            assert!(anywhere(&format!("\n### {name}\n")), "{name}");
        }
        for param in candlewick_protocol::params::all() {
            assert!(anywhere(&format!("    {}: Param[", param.name)), "{}", param.name);
            // What Spark ML has too is no definition of ours.
            let owner = format!(" with Has{}", text::capital(param.name));
            let written = [format!("final val {}: ", param.name), owner];
            assert!(written.iter().any(|form| anywhere(form)), "{}", param.name);
        }
    }

    #[test]
    fn no_file_is_too_long_to_read() {
        for file in generate().iter().filter(|file| !file.path.ends_with(".md")) {
            let lines = file.content.lines().count();
            assert!(lines <= 600, "{} has {lines} lines", file.path);
        }
    }
}
