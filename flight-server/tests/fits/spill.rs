//! Rows that the memory of the trainers does not hold: the bits of a fit whose rows are in memory, whoever is lost, and a disk
//! that takes no rows ends the fit with its name.

use crate::common::data::{Lcg, Row, evaluated_job};
use crate::common::{Fit, Gang, WAIT, coordinator_config};
use candlewick_failpoint::Gates;
use candlewick_protocol::features::FeatureType;
use candlewick_protocol::job::JobSpec;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// 16 KiB a row, so that a fit of few rows is more than a program takes for itself.
const WIDTH: usize = 4_096;
const ROWS: usize = 4_000;
/// Less than half of the rows.
const LIMIT: u64 = 36 << 20;

fn spec() -> JobSpec {
    let mut job = evaluated_job(2);
    job.data.feature_width = WIDTH as u32;
    job.data.input_shape = vec![WIDTH];
    job.train.network["input"]["shape"] = json!([WIDTH]);
    job.train.network["layers"][0]["in_features"] = json!(WIDTH);
    job
}

/// Some rows occur twice.
fn wide_rows(count: usize) -> Vec<Row> {
    let mut random = Lcg(11);
    let mut rows: Vec<Row> = (0..count)
        .map(|at| Row {
            features: (0..WIDTH).map(|_| random.real()).collect(),
            label: (at % 3) as f64,
            weight: 1.0 + (at % 2) as f64,
        })
        .collect();
    for at in 0..count / 20 {
        rows[count - 1 - at] = rows[at].clone();
    }
    rows
}

fn memory(limit: u64, folder: &Path, encrypt: bool) -> Value {
    json!({"limit": limit, "spoolDirs": [folder], "encrypt": encrypt})
}

/// Two trainers of so much memory, the last one held at `points`.
fn gang(memory: Value, held: Option<(&Gates, &str)>) -> Gang {
    gang_of(&spec(), memory, held)
}

fn gang_of(job: &JobSpec, memory: Value, held: Option<(&Gates, &str)>) -> Gang {
    let config = coordinator_config(job);
    let points = |index: usize| {
        let (gates, points) = held.filter(|_| index == 1)?;
        Some((gates, points.to_owned()))
    };
    let mut gang = Gang::gather_with(memory, (config, 2), |_, address| address, &points);
    gang.fix_members(&[]);
    gang
}

/// The fit whose rows are in memory.
static FROM_MEMORY: LazyLock<Fit> = LazyLock::new(|| {
    let rows = wide_rows(ROWS);
    let mut from_memory = gang(json!({}), None);
    let ledger = from_memory.feed_and_seal(&rows);
    from_memory.train_with(ledger, |gang| {
        let done = &gang.events_named("done")[0];
        for trainer in ["trainer-0", "trainer-1"] {
            let needed = needed(done, trainer);
            assert_eq!(needed["spilledBytes"], 0, "{needed}");
            let (rows, weights) = (&needed["accounts"]["rows"], &needed["accounts"]["weights"]);
            let least = (ROWS / 4 * WIDTH * 4) as u64;
            assert!(
                rows.as_u64().unwrap() > least && weights.as_u64().unwrap() > 0,
                "{needed}"
            );
        }
    })
});

fn same(fit: &Fit, expected: &Fit) {
    assert_eq!(fit.weights_hash, expected.weights_hash);
    assert_eq!((fit.steps, &fit.history), (expected.steps, &expected.history));
    assert_eq!(fit.weights, expected.weights);
    assert_eq!(fit.ledger["hashSum"], expected.ledger["hashSum"]);
}

/// What a trainer says of its memory at the end.
fn needed(done: &Value, trainer: &str) -> Value {
    let all = done["memory"].as_array().unwrap();
    let of = all.iter().find(|one| one["trainer"] == trainer);
    of.unwrap_or_else(|| panic!("{trainer} is not in {done}")).clone()
}

#[test]
fn a_fit_from_disk_has_the_bits_of_one_from_memory_also_where_a_trainer_is_lost() {
    let (rows, expected) = (wide_rows(ROWS), &*FROM_MEMORY);
    let folder = tempfile::tempdir().unwrap();
    let gates = Gates::new().unwrap();
    let mut from_disk = gang(
        memory(LIMIT, folder.path(), true),
        Some((&gates, "train.step=70")),
    );
    let ledger = from_disk.feed_and_seal(&rows);
    from_disk.command(&json!({"cmd": "train"}));
    let hit = gates.hit("train.step", 70, WAIT);
    let hit = hit.unwrap_or_else(|why| panic!("{why}\n{}", from_disk.logs()));
    // Nothing has a name there.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    from_disk.kill(1);
    drop(hit);
    loop {
        let word = from_disk.event_where("a round to feed, or the end of a recovery", |event| {
            event["event"] == "needFeed" || event["event"] == "recovered"
        });
        if word["event"] == "recovered" {
            break;
        }
        from_disk.serve_feed(&word, &rows, |_, _| {});
    }
    let fit = from_disk.rest_with(ledger, |gang| {
        let needed = needed(&gang.events_named("done")[0], "trainer-0");
        let account = |name: &str| needed["accounts"][name].as_u64().unwrap();
        assert_eq!(needed["limit"], LIMIT);
        assert!(
            needed["spilledBytes"].as_u64().unwrap() > (ROWS * WIDTH * 4) as u64,
            "{needed}"
        );
        assert!(
            account("buckets") > 0 && account("buckets") + account("process") <= LIMIT,
            "{needed}"
        );
    });
    same(&fit, expected);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Rows of small integers and few that are not zero; some occur twice.
fn sparse_rows(count: usize) -> Vec<Row> {
    let mut random = Lcg(13);
    let mut row = |at: usize| {
        let mut features = vec![0.0; WIDTH];
        for _ in 0..at % 600 {
            features[random.next() as usize % WIDTH] = (random.next() % 200) as f32 * 0.25;
        }
        Row {
            features,
            label: (at % 3) as f64,
            weight: 1.0 + (at % 2) as f64,
        }
    };
    let mut rows: Vec<Row> = (0..count).map(&mut row).collect();
    for at in 0..count / 20 {
        rows[count - 1 - at] = rows[at].clone();
    }
    rows
}

#[test]
fn rows_of_bytes_and_sparse_rows_have_the_bits_of_floats_on_disk_too_where_trainers_are_lost_and_join() {
    let rows = sparse_rows(5_000);
    let mut floats = gang(json!({}), None);
    let ledger = floats.feed_and_seal(&rows);
    let expected = floats.train(ledger);
    for kind in [FeatureType::UInt8, FeatureType::Sparse] {
        let folder = tempfile::tempdir().unwrap();
        let gates = Gates::new().unwrap();
        let mut job = spec();
        (job.data_replicas, job.data.feature_encoding.kind) = (2, kind);
        if kind == FeatureType::UInt8 {
            job.data.feature_encoding.scale = 0.25;
        }
        // Windows of streams leave no room for rows at first. What rows that are judged may take counts from the start, and a state for who joins.
        let limit = if kind == FeatureType::UInt8 { 32 } else { 48 };
        let memory = memory(limit << 20, folder.path(), true);
        let mut gang = gang_of(&job, memory, Some((&gates, "train.step=20")));
        let ledger = gang.feed_and_seal(&rows);
        gang.command(&json!({"cmd": "train"}));
        let hit = gates.hit("train.step", 20, WAIT);
        let hit = hit.unwrap_or_else(|why| panic!("{why}\n{}", gang.logs()));
        gang.join(None);
        gang.kill(1);
        drop(hit);
        gang.event("recovered");
        let fit = gang.rest_with(ledger, |gang| {
            let done = &gang.events_named("done")[0];
            let spilled = needed(done, "trainer-0")["spilledBytes"].as_u64().unwrap();
            // Each of two has all rows, of 20 MB as bytes and 11 MB as what is not zero.
            let bytes = if kind == FeatureType::UInt8 {
                20 << 20
            } else {
                10 << 20
            };
            assert!(spilled > bytes && spilled < 4 * bytes, "{done}");
        });
        same(&fit, &expected);
    }
}

#[test]
fn rows_on_disk_move_to_who_joins_and_copies_of_them_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let gates = Gates::new().unwrap();
    let job = JobSpec {
        data_replicas: 2,
        ..spec()
    };
    let memory = memory(LIMIT, folder.path(), false);
    let mut gang = gang_of(&job, memory, Some((&gates, "train.step=20")));
    let ledger = gang.feed_and_seal(&wide_rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    let hit = gates.hit("train.step", 20, WAIT);
    let hit = hit.unwrap_or_else(|why| panic!("{why}\n{}", gang.logs()));
    gang.join(None);
    drop(hit);
    let record = gang.event("rescaled")["record"].clone();
    assert_eq!(record["trainers"], 3, "{record}");
    let fit = gang.rest_with(ledger, |gang| {
        for event in ["needFeed", "recovered", "failed", "lost"] {
            let told = gang.events_named(event);
            assert!(told.is_empty(), "{told:?}");
        }
        let done = &gang.events_named("done")[0];
        for trainer in ["trainer-0", "trainer-1", "trainer-2"] {
            let needed = needed(done, trainer);
            assert!(needed["spilledBytes"].as_u64().unwrap() > 10 << 20, "{needed}");
        }
    });
    same(&fit, &FROM_MEMORY);
}

/// From now on no file of a process grows over so many bytes.
fn limit_files(pid: u32, bytes: u64) {
    let limit = libc::rlimit64 {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    let pid = i32::try_from(pid).unwrap();
    // SAFETY: the new limit is a value of this frame, and the old one is not asked for.
    let done = unsafe { libc::prlimit64(pid, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_disk_that_takes_no_rows_ends_the_fit_with_the_folder_and_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    for (at, told) in [
        (folder.path(), "more are needed at once"),
        (
            &missing,
            "No such file or directory (os error 2); name one that is there on every executor",
        ),
    ] {
        // Windows of streams and the program itself take all of it.
        let mut gang = gang(memory(30 << 20, at, false), None);
        for trainer in &gang.trainers {
            limit_files(trainer.pid(), 1 << 20);
        }
        let owners = gang.owners.clone();
        gang.feed_round(0, &owners, &wide_rows(ROWS / 4), |_, _| {});
        let failure = gang.failure();
        assert!(
            failure.contains(at.to_str().unwrap()) && failure.contains(told) && failure.contains("spoolDir"),
            "{failure}"
        );
        gang.all_end();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// A fit in a folder has the bits of one from memory, and leaves nothing.
fn fits(folder: &Path, encrypt: bool) {
    let mut from_disk = gang(memory(LIMIT, folder, encrypt), None);
    let ledger = from_disk.feed_and_seal(&wide_rows(ROWS));
    let fit = from_disk.train_with(ledger, |gang| {
        let done = &gang.events_named("done")[0];
        let spilled = needed(done, "trainer-0")["spilledBytes"].as_u64().unwrap();
        assert!(spilled > 10 << 20, "{done}");
    });
    same(&fit, &FROM_MEMORY);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

/// The end of a fit that the disk ends, which says all of `told`.
fn fails(mut gang: Gang, told: &[&str]) {
    let failure = gang.failure();
    for told in told {
        assert!(failure.contains(told), "{told:?} is not in: {failure}");
    }
    gang.all_end();
}

/// The files of a process in a folder, which lists none of them.
fn files_of(pid: u32, folder: &Path) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let paths = all.map(|entry| entry.unwrap().path());
    let within =
        |path: &std::path::PathBuf| std::fs::read_link(path).is_ok_and(|file| file.starts_with(folder));
    paths.filter(within).collect()
}

#[test]
fn files_that_are_cut_while_rows_are_read_end_the_fit_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let gates = Gates::new().unwrap();
    let mut cut = gang(
        memory(LIMIT, folder.path(), false),
        Some((&gates, "train.step=20")),
    );
    cut.feed_and_seal(&wide_rows(ROWS));
    cut.command(&json!({"cmd": "train"}));
    let hit = gates.hit("train.step", 20, WAIT);
    let hit = hit.unwrap_or_else(|why| panic!("{why}\n{}", cut.logs()));
    let files = files_of(cut.trainers[1].pid(), folder.path());
    assert!(!files.is_empty());
    for file in files {
        OpenOptions::new()
            .write(true)
            .open(file)
            .unwrap()
            .set_len(0)
            .unwrap();
    }
    drop(hit);
    let name = folder.path().to_str().unwrap();
    fails(
        cut,
        &[
            name,
            "cannot be read back",
            "cut short while the fit ran",
            "spoolDir",
        ],
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    fits(folder.path(), true);
}

#[test]
fn a_folder_that_is_removed_while_rows_come_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let mut gang = gang(memory(LIMIT, &spool, false), None);
    let owners = gang.owners.clone();
    let ledgers = gang.feed_round(0, &owners, &wide_rows(ROWS), |_, _| {});
    // What is in the log stays readable; the buckets want another file.
    std::fs::remove_dir(&spool).unwrap();
    gang.command(&json!({"cmd": "seal", "round": 0, "ledgers": ledgers}));
    fails(
        gang,
        &[spool.to_str().unwrap(), "No such file or directory", "spoolDir"],
    );
}

/// Where the test below has mounted a small disk.
const DISK: &str = "CANDLEWICK_TEST_DISK";

fn remount(disk: &Path, options: &str) {
    let done = Command::new("mount")
        .args(["-o", &format!("remount,{options}")])
        .arg(disk)
        .status();
    assert!(done.unwrap().success(), "{options}");
}

#[test]
#[ignore = "a_full_disk_and_one_that_is_read_only_end_the_fit runs it, in a mount of its own"]
fn on_a_disk_of_its_own() {
    let disk = std::path::PathBuf::from(std::env::var_os(DISK).unwrap());
    let name = disk.to_str().unwrap();
    let mut full = gang(memory(LIMIT, &disk, false), None);
    let owners = full.owners.clone();
    full.feed_round(0, &owners, &wide_rows(ROWS), |_, _| {});
    let told = [
        name,
        "No space left on device",
        "more are needed at once",
        "are free",
        "make room",
        "spoolDir",
    ];
    fails(full, &told);
    assert_eq!(std::fs::read_dir(&disk).unwrap().count(), 0);
    // Rows of 66 MB, once, and what is written anew where some are dealt: the room of the log, and of each list that is written
    // anew, is given back meanwhile.
    remount(&disk, "size=90m");
    fits(&disk, false);
    remount(&disk, "ro");
    let mut fixed = gang(memory(LIMIT, &disk, false), None);
    let owners = fixed.owners.clone();
    fixed.feed_round(0, &owners, &wide_rows(ROWS), |_, _| {});
    fails(fixed, &[name, "Read-only file system", "spoolDir"]);
}

#[test]
fn a_full_disk_and_one_that_is_read_only_end_the_fit() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().to_str().unwrap();
    let mut within = Command::new("unshare");
    within.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    let mount = |then: &str| format!("mount -t tmpfs -o size=8m,mode=700 none {disk} || exit 77; {then}");
    let test = std::env::current_exe().unwrap();
    let run = format!(
        "exec {} --exact spill::on_a_disk_of_its_own --ignored",
        test.display()
    );
    let done = within.arg(mount(&run)).env(DISK, disk).output();
    let done = match done {
        Ok(done) if done.status.code() != Some(77) && !unshared_nothing(&done) => done,
        other => {
            // Past what captures the words of a test that passes.
            let told =
                format!("skipped: no disk can be mounted here for the test of full disks: {other:?}\n");
            std::io::stderr().write_all(told.as_bytes()).unwrap();
            return;
        }
    };
    let told = String::from_utf8_lossy(&done.stdout);
    let test = told.contains("1 passed");
    assert!(
        done.status.success() && test,
        "{told}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Whether the system gave no namespace.
fn unshared_nothing(done: &std::process::Output) -> bool {
    !done.status.success() && String::from_utf8_lossy(&done.stderr).starts_with("unshare:")
}

#[test]
fn a_trainer_without_room_for_its_network_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(1 << 20, folder.path(), false);
    let config = coordinator_config(&spec());
    let mut gang = Gang::gather_with(memory, (config, 1), |_, address| address, &|_| None);
    let failure = gang.failure();
    assert!(
        failure.contains("may use 1024 KiB of memory, but needs") && failure.contains("raise trainerMemory"),
        "{failure}"
    );
    gang.all_end();
}
