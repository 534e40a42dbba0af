//! A trainer whose output has no room: a log on a full disk ends nothing.

use crate::common;
use candlewick_wire::Client;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

fn trainer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candlewick-trainer"));
    command.args(arguments).stdin(Stdio::null()).stderr(full());
    command
}

#[test]
fn words_that_cannot_be_written_are_no_panic() {
    // 101 would be a panic.
    for (arguments, status) in [(&["dance"][..], 2), (&["serve", "--token-stdin"][..], 2)] {
        let mut child = trainer(arguments).stdout(Stdio::null()).spawn().unwrap();
        let code = common::ended(&mut child, "a trainer with a wrong command line").code();
        assert_eq!(code, Some(status), "{arguments:?}");
    }
    let mut child = trainer(&["serve", "--token-file"])
        .arg(OsStr::from_bytes(b"/tmp/\xff"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let code = common::ended(&mut child, "a trainer with an argument that is no text").code();
    assert_eq!(code, Some(2));
    for arguments in [&["--version"][..], &["--help"]] {
        let mut child = trainer(arguments).stdout(full()).spawn().unwrap();
        let code = common::ended(&mut child, "a trainer that is asked for words").code();
        assert_eq!(code, Some(1), "{arguments:?}");
    }
}

#[test]
fn a_server_works_while_its_log_has_no_room() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let mut child = trainer(&["serve", "--token-stdin"])
        .env("RUST_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{TOKEN}").unwrap();
    let line = common::first_line(&mut child);
    let port = line.trim().rsplit_once(':').unwrap().1.parse().unwrap();
    common::feed::runtime().block_on(async {
        let client = Client::connect_bearer("127.0.0.1", port, TOKEN, common::WAIT)
            .await
            .unwrap();
        let shutdown = arrow_flight::Action::new("shutdown", "");
        let request = client.authorize("DoAction", tonic::Request::new(shutdown));
        client.flight().do_action(request).await.unwrap();
    });
    assert!(common::ended(&mut child, "the server").success());
}
