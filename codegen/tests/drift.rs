//! The program as `make lint` runs it: what is committed agrees with the catalogue.

use std::process::Command;

#[test]
fn the_committed_files_are_up_to_date() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = Command::new(env!("CARGO_BIN_EXE_candlewick-codegen"))
        .args(["--check", "--root", root])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_wrong_argument_prints_the_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_candlewick-codegen"))
        .arg("--chek")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("usage: candlewick-codegen"));
}
