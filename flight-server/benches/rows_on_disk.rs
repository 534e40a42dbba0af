//! The time of an epoch whose rows are on disk, next to one from memory: `make bench-spill`.
//!
//! One trainer, 8 logical shards, 200,000 rows of 784 values (627 MB) or the number of the second argument, an MLP of 784-256-128-3
//! and batches of 256; the median of five epochs. Where it says "in a container", the trainer is in a control group of its limit and
//! 64 MB, which the page cache of its files counts in, so that most rows come from the disk; that wants root. The folder is that for
//! temporary files, or the first argument. A third argument leaves out cases without it in their names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use arrow_flight::FlightData;
use candlewick_protocol::feed::{ShardSum, StreamId, TaskLedger};
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::row::{RowHasher, shard_of};
use common::data::{Lcg, Row, job};
use common::feed::{connect, frames_of, put, runtime};
use common::{Gang, coordinator_config};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

const WIDTH: usize = 784;
/// Rows of a set of 627 MB, a tenth of which holds no bucket for each shard.
const ROWS: usize = 200_000;
/// Rows of a stream: few are in this process at a time.
const PART: usize = 20_000;
const FRAME: usize = 330;
const EPOCHS: u32 = 5;
const MB: u64 = 1_000_000;

fn main() {
    let mut given = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    let folder = given.next().map_or_else(std::env::temp_dir, Into::into);
    let rows = given.next().map_or(ROWS, |rows| rows.parse().unwrap());
    assert!(rows > 0 && rows % PART == 0, "{rows} rows are no parts of {PART}");
    let only = given.next().unwrap_or_default();
    let (written, read) = disk(&folder);
    println!(
        "the disk of {}: writes {written:.0} MB/s, reads {read:.0} MB/s (not cached)",
        folder.display()
    );
    let data = (rows * WIDTH * 4) as u64;
    println!("{rows} rows, {} MB", data / MB);
    let (mut of_memory, mut hash) = (f64::NAN, Value::Null);
    for (name, budget, encrypt, contained) in [
        ("memory", 0, false, false),
        ("1/2 of the rows", data / 2, false, false),
        ("1/2, in a container", data / 2, false, true),
        ("1/10 of the rows", data / 10, false, false),
        ("1/10, in a container", data / 10, false, true),
        ("1/10, encrypted", data / 10, true, false),
        ("1/10, encrypted, in a container", data / 10, true, true),
    ] {
        if budget > 0 && !name.contains(&only) {
            continue;
        }
        let (seconds, read, done) = epoch(&folder, rows, budget, (encrypt, contained));
        if budget == 0 {
            (of_memory, hash) = (seconds, done["weightsHash"].clone());
        }
        if done["event"] == "failed" {
            println!("{name}: {}", done["failure"]["message"]);
            continue;
        }
        assert_eq!(done["weightsHash"], hash, "other bits");
        let memory = &done["memory"][0];
        println!(
            "{name}: {seconds:.2} s an epoch, {:.2}x; {} MB written, {} MB an epoch from the disk, buckets {} MB, rows {} MB",
            seconds / of_memory,
            memory["spilledBytes"].as_u64().unwrap() / MB,
            read / MB / u64::from(EPOCHS),
            memory["accounts"]["buckets"].as_u64().unwrap() / MB,
            memory["accounts"]["rows"].as_u64().unwrap() / MB,
        );
    }
}

fn spec() -> JobSpec {
    let mut spec = job(EPOCHS, 256);
    spec.data.feature_width = WIDTH as u32;
    spec.data.input_shape = vec![WIDTH];
    spec.train.network = json!({"format": "candlewick.network/1", "input": {"shape": [WIDTH]}, "layers": [
        {"type": "Linear", "in_features": WIDTH, "out_features": 256, "bias": true}, {"type": "ReLU"},
        {"type": "Linear", "in_features": 256, "out_features": 128, "bias": true}, {"type": "ReLU"},
        {"type": "Linear", "in_features": 128, "out_features": 3, "bias": true}]});
    spec
}

/// Bytes that a process has read from disks.
fn read_bytes(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    line.unwrap().parse().unwrap()
}

/// A control group of so much memory.
struct Container(PathBuf);

impl Container {
    fn of(pid: u32, bytes: u64) -> Option<Container> {
        let root = Path::new("/sys/fs/cgroup");
        let (folder, limit) = if root.join("memory").is_dir() {
            (root.join("memory"), "memory.limit_in_bytes")
        } else {
            (root.to_owned(), "memory.max")
        };
        let folder = folder.join(format!("candlewick-bench-{pid}"));
        std::fs::create_dir(&folder).ok()?;
        let container = Container(folder);
        std::fs::write(container.0.join(limit), bytes.to_string()).ok()?;
        std::fs::write(container.0.join("cgroup.procs"), pid.to_string()).ok()?;
        Some(container)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Its process has ended.
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The median of the epochs of a fit, bytes read from the disk meanwhile, and how it ended.
fn epoch(folder: &Path, rows: usize, budget: u64, (encrypt, contained): (bool, bool)) -> (f64, u64, Value) {
    let spec = spec();
    // What the trainer takes beside rows, as it says at the end: program, network and batches.
    let beside = 24 * MB;
    let limit = if budget == 0 { 0 } else { budget + beside };
    let memory = json!({"limit": limit, "spoolDirs": [folder], "encrypt": encrypt});
    let mut gang = Gang::gather_with(
        memory,
        (coordinator_config(&spec), 1),
        |_, address| address,
        &|_| None,
    );
    gang.fix_members(&[]);
    let pid = gang.trainers[0].pid();
    let container = contained.then(|| Container::of(pid, limit + 64 * MB));
    if let Some(None) = container {
        println!("skipped: no control group can be made here; the next line is one without");
    }
    let runtime = runtime();
    let client = runtime
        .block_on(connect(&gang.owners[0], &gang.job.job, &gang.secret))
        .unwrap();
    let mut random = Lcg(3);
    let mut ledgers = Vec::new();
    for partition in 0..(rows / PART) as u32 {
        let (frames, ledger) = part(&spec, partition, &mut random);
        runtime.block_on(put(&client, frames)).unwrap();
        gang.coordinator.tick();
        ledgers.push(ledger);
    }
    gang.seal(&ledgers);
    let before = read_bytes(pid);
    gang.command(&json!({"cmd": "train"}));
    let mut seconds = Vec::new();
    // One wait for each epoch: an event that does not come in its time ends the program.
    let done = loop {
        let event = gang.event_where("an epoch, or the end", |event| {
            let name = event["event"].as_str().unwrap_or_default();
            ["epoch", "done", "failed"].contains(&name)
        });
        if event["event"] != "epoch" {
            break event;
        }
        seconds.push(event["record"]["seconds"].as_f64().unwrap());
    };
    if done["event"] == "failed" {
        return (f64::NAN, 0, done);
    }
    let read = read_bytes(pid) - before;
    seconds.sort_by(f64::total_cmp);
    gang.command(&json!({"cmd": "finish"}));
    gang.all_end();
    drop(container);
    (seconds[seconds.len() / 2], read, done)
}

/// A partition as a feed task sends and tells it.
fn part(spec: &JobSpec, partition: u32, random: &mut Lcg) -> (Vec<FlightData>, TaskLedger) {
    let mut hasher = RowHasher::default();
    let rows: Vec<Row> = (0..PART)
        .map(|at| Row {
            features: (0..WIDTH).map(|_| random.real()).collect(),
            label: (at % 3) as f64,
            weight: 1.0,
        })
        .collect();
    let mut sums: BTreeMap<u32, (u64, u128)> = BTreeMap::new();
    for row in &rows {
        let hash = hasher.hash(&row.features, &[row.label], row.weight, false);
        let sum = sums.entry(shard_of(hash, spec.train.logical_shards)).or_default();
        *sum = (sum.0 + 1, sum.1.wrapping_add(hash));
    }
    let id = StreamId {
        job: spec.job.clone(),
        round: 0,
        partition,
        attempt: 1,
    };
    let shards = sums.into_iter().map(|(shard, (rows, hash_sum))| ShardSum {
        shard,
        rows,
        hash_sum,
    });
    let ledger = TaskLedger {
        partition,
        attempt: 1,
        rows_read: PART as u64,
        rows_sent: PART as u64,
        feature_bytes: (PART * WIDTH * 4) as u64,
        shards: shards.collect(),
        ..TaskLedger::default()
    };
    (frames_of(&id, &rows, FRAME), ledger)
}

/// Megabytes a second that the folder's disk writes and, after the cache is told to forget them, reads.
fn disk(folder: &Path) -> (f64, f64) {
    const BYTES: usize = 512 << 20;
    let mut file = tempfile::tempfile_in(folder).unwrap();
    let piece = vec![7u8; 1 << 20];
    let began = Instant::now();
    for _ in 0..BYTES >> 20 {
        file.write_all(&piece).unwrap();
    }
    file.sync_all().unwrap();
    let written = began.elapsed().as_secs_f64();
    // SAFETY: the descriptor is open, and advice changes nothing that is written.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    std::io::Seek::rewind(&mut file).unwrap();
    let (mut into, began) = (piece, Instant::now());
    for _ in 0..BYTES >> 20 {
        file.read_exact(&mut into).unwrap();
    }
    let rate = |seconds: f64| BYTES as f64 / 1e6 / seconds;
    (rate(written), rate(began.elapsed().as_secs_f64()))
}
