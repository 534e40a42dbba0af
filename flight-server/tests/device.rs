//! What the trainer binaries say about devices. With the feature `cuda` the trainer for GPUs is built along.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};

/// The exit status and the standard error of a trainer that is not to start.
fn refused(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    (output.status.code(), text)
}

#[test]
#[cfg(not(feature = "candle"))]
fn a_device_of_the_other_trainer_is_refused() {
    for command in [&["gang"][..], &["serve", "--token-stdin"]] {
        let arguments = [command, &["--device", "cuda:0"]].concat();
        let (code, text) = refused(env!("CARGO_BIN_EXE_candlewick-trainer"), &arguments);
        assert_eq!(code, Some(2), "{text}");
        let wanted = "cannot compute on cuda:0: start candlewick-trainer-gpu";
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
#[cfg(feature = "cuda")]
fn a_device_that_is_not_there_is_named() {
    let arguments = ["gang", "--device", "cuda:4096"];
    let (code, text) = refused(env!("CARGO_BIN_EXE_candlewick-trainer-gpu"), &arguments);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("the device cuda:4096 cannot be used"), "{text}");
    assert!(text.contains("CUDA_VISIBLE_DEVICES"), "{text}");
}

#[test]
fn a_device_that_does_not_exist_is_refused() {
    let program = env!("CARGO_BIN_EXE_candlewick-trainer");
    let (code, text) = refused(program, &["gang", "--device", "tpu"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("the device \"tpu\" is not known: expected cpu, cuda:0"),
        "{text}"
    );
}
