//! Two network namespaces, joined by a link of a set rate, and of a set delay where one is wanted.
//!
//! A token bucket limits the rate in each direction. Kernels without `netem` delay nothing, so a link with a delay is a tunnel
//! device in each namespace and two processes of this program (`relay`), which hand each packet on when its time has come.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the program is asked for that relays packets.
pub const RELAY: &str = "relay";
const DEVICE: &str = "cw-link";
/// Bytes of a packet of a tunnel at most: at 100 Mbit/s some 800 a second, which take little of a processor.
const MTU: usize = 16_000;

/// Address of a trainer to the other one, by its index.
pub fn address(index: usize) -> String {
    format!("10.77.0.{}", index + 1)
}

/// Its namespace.
pub fn space(index: usize) -> String {
    format!("candlewick-{index}")
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(
        done.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// The namespaces; they go with it.
pub struct Network {
    relays: Vec<Child>,
    /// Of the relays' sockets.
    _folder: TempDir,
}

impl Network {
    /// Of a link as the command line has it.
    pub fn new(link: &str) -> Self {
        remove();
        let (rate, delay) = link.split_once(',').unwrap_or((link, "0"));
        let delay: f64 = delay.trim_end_matches("ms").parse().unwrap();
        for index in 0..2 {
            control(index);
        }
        let folder = tempfile::tempdir().unwrap();
        let relays = if delay > 0.0 {
            tunnels(&folder, delay)
        } else {
            ip(&format!(
                "-n {} link add {DEVICE} type veth peer name {DEVICE} netns {}",
                space(0),
                space(1)
            ));
            Vec::new()
        };
        for index in 0..2 {
            let space = space(index);
            ip(&format!("-n {space} addr add {}/24 dev {DEVICE}", address(index)));
            ip(&format!("-n {space} link set {DEVICE} up"));
            ip(&format!(
                "netns exec {space} tc qdisc add dev {DEVICE} root tbf rate {rate} burst 64kb latency 200ms"
            ));
            ip(&format!("route add {} via 10.78.{index}.2", address(index)));
        }
        // Both call the coordinator at the address of the first device.
        ip(&format!("-n {} route add 10.78.0.1 via 10.78.1.1", space(1)));
        Network {
            relays,
            _folder: folder,
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for relay in &mut self.relays {
            let _ = relay.kill();
            let _ = relay.wait();
        }
        remove();
    }
}

fn remove() {
    for index in 0..2 {
        // What is not there needs no removing.
        let _ = Command::new("ip").args(["netns", "del", &space(index)]).output();
        let _ = Command::new("ip")
            .args(["link", "del", &format!("cw-here{index}")])
            .output();
    }
}

/// A namespace, and the way between it and the coordinator.
fn control(index: usize) {
    let (space, here) = (space(index), format!("10.78.{index}.1"));
    ip(&format!("netns add {space}"));
    ip(&format!("-n {space} link set lo up"));
    ip(&format!(
        "link add cw-here{index} type veth peer name cw-control netns {space}"
    ));
    ip(&format!("addr add {here}/24 dev cw-here{index}"));
    ip(&format!("link set cw-here{index} up"));
    ip(&format!("-n {space} addr add 10.78.{index}.2/24 dev cw-control"));
    ip(&format!("-n {space} link set cw-control up"));
}

/// A tunnel in each namespace, and who relays its packets.
fn tunnels(folder: &TempDir, delay: f64) -> Vec<Child> {
    let socket = |index: usize| folder.path().join(index.to_string());
    let start = |index: usize| {
        let space = space(index);
        ip(&format!("-n {space} tuntap add dev {DEVICE} mode tun"));
        ip(&format!("-n {space} link set {DEVICE} mtu {MTU}"));
        let mut relay = Command::new("ip")
            .args(["netns", "exec", &space])
            .arg(std::env::current_exe().unwrap())
            .arg(RELAY)
            .args([socket(index), socket(1 - index)])
            .arg(delay.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It has the device then, and its socket.
        let mut line = String::new();
        BufReader::new(relay.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line.trim(), "ready", "the relay in {space}");
        relay
    };
    (0..2).map(start).collect()
}

/// The tunnel device of the namespace at hand.
fn tunnel() -> File {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .unwrap();
    // SAFETY: all of it are numbers, for which 0 is legal.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (into, byte) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
        *into = libc::c_char::from_ne_bytes([byte]);
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_TUN | libc::IFF_NO_PI).unwrap();
    // SAFETY: the descriptor is open, and the kernel reads and writes no more than the request, which outlives the call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert!(done >= 0, "{DEVICE}: {}", std::io::Error::last_os_error());
    file
}

/// Hands packets of the tunnel to the relay in the other namespace, each so many milliseconds after it came; until it is killed.
pub fn relay(arguments: &[String]) {
    let [own, other, delay] = arguments else {
        panic!("{RELAY} SOCKET SOCKET MILLISECONDS")
    };
    let delay = Duration::from_secs_f64(delay.parse::<f64>().unwrap() / 1e3);
    let (socket, tunnel) = (UnixDatagram::bind(own).unwrap(), tunnel());
    println!("ready");
    let (queue, due) = channel::<(Instant, Vec<u8>)>();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (at, packet) in due {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                // Lost where the other one has gone, as on a link that is down.
                let _ = socket.send_to(&packet, other);
            }
        });
        scope.spawn(|| {
            let mut packet = vec![0; MTU];
            while let Ok(bytes) = socket.recv(&mut packet) {
                let _ = (&tunnel).write(&packet[..bytes]);
            }
        });
        let mut packet = vec![0; MTU];
        while let Ok(bytes) = (&tunnel).read(&mut packet) {
            let _ = queue.send((Instant::now() + delay, packet[..bytes].to_vec()));
        }
    });
}
