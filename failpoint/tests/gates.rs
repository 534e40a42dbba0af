//! A process is held at a point until its test lets it go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(feature = "armed")]

use candlewick_failpoint::{Gates, arm_from_environment, reach};
use std::process::{Command, Stdio};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(120);

/// In a process of its own (see below): passes five times, prints what it met.
#[test]
fn helper_that_passes_points() {
    if std::env::var_os("CANDLEWICK_FAILPOINTS").is_none() {
        return;
    }
    arm_from_environment();
    for at in 0..5 {
        match reach("walk.step", at) {
            Ok(()) => println!("passed {at}"),
            Err(failure) => println!("failed {at}: {failure}"),
        }
    }
    reach("walk.home", 7).unwrap();
}

#[test]
fn a_process_stands_at_a_point_until_it_is_let_go() {
    let gates = Gates::new().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_that_passes_points", "--nocapture"])
        .envs(gates.environment("walk.step=1,walk.step=3,walk.home=*"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hit = gates.hit("walk.step", 1, WAIT).unwrap();
    assert_eq!((hit.pid, hit.at), (child.id(), 1));
    let nobody = gates.hit("walk.step", 3, Duration::ZERO).unwrap_err();
    assert!(
        nobody.message.contains("no process came to walk.step 3"),
        "{nobody}"
    );
    hit.go();
    gates.hit("walk.step", 3, WAIT).unwrap().fail("the disk is full");
    gates.hit("walk.home", 7, WAIT).unwrap().panic();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    for wanted in [
        "passed 2",
        "failed 3: the disk is full",
        "passed 4",
        "the test wants a panic at walk.home",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
}
