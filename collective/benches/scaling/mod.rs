//! What `benchmarks/scaling.py` starts: trainers in network namespaces, what delays them, and the model that it compares them with.

use crate::support::{LONG, config, credentials, members};
use candlewick_collective::{Algorithm, Collective, Config, Halts, Listener, Speed, Speeds, predict};
use serde::Deserialize;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What every trainer is told.
#[derive(Deserialize)]
struct Task {
    /// By rank, where the others find it: an address and a port. Trainers of one address are of one host.
    addresses: Vec<(String, u16)>,
    shards: u32,
    /// Bytes, and how often.
    sizes: Vec<(usize, u64)>,
    algorithms: Vec<String>,
}

/// One trainer: prints its port, reads its task, prints what the links take and then the median seconds of each size, a line for
/// each algorithm.
pub fn member(rank: usize, address: &str) {
    let listener = Listener::bind(address, "0", credentials(rank, "07")).unwrap();
    println!("{}", listener.port());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let task: Task = serde_json::from_str(&line).unwrap();
    let ports: Vec<u16> = task.addresses.iter().map(|(_, port)| *port).collect();
    let mut members = members(&ports, task.shards);
    for (member, (host, _)) in members.iter_mut().zip(&task.addresses) {
        member.trainer.host.clone_from(host);
    }
    let connect = |generation: u64, algorithm: Option<Algorithm>| {
        let config = Config {
            generation,
            algorithm,
            any_order: true,
            ..config(rank, &members, LONG)
        };
        Collective::connect(&listener, config, &Halts::default()).unwrap()
    };
    let began = Instant::now();
    let gang = connect(1, None);
    let seconds = began.elapsed().as_secs_f64();
    let speeds = gang.speeds().unwrap();
    drop(gang);
    let told = |speed: Option<Speed>| speed.map(|speed| [speed.latency, speed.per_byte]);
    let said = serde_json::json!({
        "near": told(speeds.near), "far": told(speeds.far), "message": speeds.message, "add": speeds.add, "seconds": seconds,
    });
    println!("{said}");
    for (algorithm, generation) in task.algorithms.iter().zip(2..) {
        let mut gang = connect(generation, Algorithm::of_name(algorithm));
        let mut first = 0;
        let mut medians = Vec::new();
        for (bytes, rounds) in &task.sizes {
            let member = (rank, ports.len(), task.shards);
            medians.push(crate::median(&mut gang, member, *bytes, (0, 0), (first, *rounds)));
            first += rounds;
        }
        println!("{}", serde_json::json!(medians));
        // Nobody closes while another one still measures.
        gang.all_equal("the end", "").unwrap();
    }
}

/// A question to the model.
#[derive(Deserialize)]
struct Question {
    hosts: Vec<usize>,
    shards: u32,
    near: Option<(f64, f64)>,
    far: Option<(f64, f64)>,
    message: f64,
    add: f64,
    algorithm: String,
    bytes: usize,
}

/// Reads questions as a list and prints the seconds of each.
pub fn model() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let questions: Vec<Question> = serde_json::from_str(&text).unwrap();
    let speed = |speed: Option<(f64, f64)>| speed.map(|(latency, per_byte)| Speed { latency, per_byte });
    let answer = |asked: &Question| {
        let speeds = Speeds {
            near: speed(asked.near),
            far: speed(asked.far),
            message: asked.message,
            add: asked.add,
        };
        let algorithm = Algorithm::of_name(&asked.algorithm).unwrap();
        predict(&asked.hosts, asked.shards, &speeds, algorithm, asked.bytes / 4)
    };
    let answers: Vec<f64> = questions.iter().map(answer).collect();
    println!("{}", serde_json::json!(answers));
}

/// Passes on what comes, both ways, each byte so many microseconds after it came: this kernel has nothing that does. Prints its port;
/// ends with its standard input.
pub fn relay(address: &str, target: &str, micros: u64) {
    let front = TcpListener::bind((address, 0)).unwrap();
    println!("{}", front.local_addr().unwrap().port());
    let target = target.to_owned();
    let delay = Duration::from_micros(micros);
    thread::spawn(move || {
        for caller in front.incoming().flatten() {
            let server = TcpStream::connect(&target).unwrap();
            for (from, to) in [(&caller, &server), (&server, &caller)] {
                pass(from.try_clone().unwrap(), to.try_clone().unwrap(), delay);
            }
        }
    });
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    to.set_nodelay(true).unwrap();
    let (sender, receiver) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        while let Ok(count) = from.read(&mut buffer)
            && count > 0
        {
            if sender
                .send((Instant::now() + delay, buffer[..count].to_vec()))
                .is_err()
            {
                return;
            }
        }
    });
    thread::spawn(move || {
        give(&receiver, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

fn give(receiver: &Receiver<(Instant, Vec<u8>)>, to: &mut TcpStream) {
    while let Ok((due, bytes)) = receiver.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
}
