//! An executor that has no files left: the trouble is its own, and no trainer is given up for it.

use super::*;
use candlewick_wire::{Client, Identity};
use std::fs::File;
use std::process::Command;

const CHILD: &str = "CANDLEWICK_HAS_NO_FILES";

/// Takes every file that this process may still open.
fn all_files() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Waits until a trainer has the files that it needs, and those of a connection that stays open.
fn greet(trainer: &Trainer, job: &str, secret: &JobSecret) -> (tokio::runtime::Runtime, Client) {
    let mut threads = tokio::runtime::Builder::new_current_thread();
    let runtime = threads.enable_all().build().unwrap();
    let identity = Identity {
        job: job.to_owned(),
        client: "a test".to_owned(),
        server: "t0".to_owned(),
        key: secret.derive(job, Purpose::Feed, false),
        purpose: Purpose::Feed,
    };
    let timeout = Duration::from_millis(LONG_MS);
    let client = runtime.block_on(Client::connect("127.0.0.1", trainer.port, &identity, timeout));
    (runtime, client.unwrap())
}

/// Runs in a process of its own, which may open few files.
#[test]
fn a_task_that_has_no_files_fails_and_gives_no_trainer_up() {
    if std::env::var_os(CHILD).is_none() {
        let name = "starved::a_task_that_has_no_files_fails_and_gives_no_trainer_up";
        let mut shell = Command::new("sh");
        let run = shell
            .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && told.contains("1 passed"), "{run:?}");
        return;
    }
    let (rows, _) = data(100);
    // The library's threads need files the first time; the second time a connection does.
    let mut open = Vec::new();
    for what in ["native threads", "cannot connect to"] {
        let (job, secret) = job();
        let trainer = Trainer::start(&job, &secret, Manner::Honest);
        let greeted = greet(&trainer, &job, &secret);
        let feeder = || {
            let task = task(&job, vec![trainer.owner(0, SHARDS)], 0);
            Feeder::new(task, ring(&job, &secret)).unwrap()
        };
        let files = all_files();
        let failed = feed(&mut feeder(), &rows).map(|ledger| ledger.lost_because);
        drop(files);
        let failure = failed.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::JobFailed, "{failure}");
        for part in [what, "Too many open files", "ulimit"] {
            assert!(failure.message.contains(part), "{part}: {failure}");
        }
        // The same round, in another task. What is open stays so: no file comes back while the next one is refused.
        let mut again = feeder();
        let ledger = feed(&mut again, &rows).unwrap();
        assert_eq!((ledger.rows_sent, ledger.lost_because), (100, None));
        open.push((again, greeted, trainer));
    }
}
