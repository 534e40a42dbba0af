//! The command line.

use crate::exit;
use crate::serve::{ServeConfig, TokenSource};
use crate::words::PassOn;
use crate::{gang, serve};
use candlewick_model::device::driver::Gpus;
use candlewick_model::device::{self, DeviceName};
use candlewick_protocol::launch::TrainerMemory;
use candlewick_protocol::{ErrorKind, Failure};
use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value, ValueExt};
use std::io::Write;
use std::path::PathBuf;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

const USAGE: &str = "\
candlewick-trainer: trains neural networks on rows that arrive over Arrow Flight

  candlewick-trainer serve [--host 127.0.0.1] [--port 0] (--token-file FILE | --token-stdin) [--threads N] [--device D]
                           [--memory BYTES] [--spool-dir FOLDER]...
      A plain Arrow Flight server on a loopback address; docs/flight.md has its protocol. The token comes from a file that only its owner can
      read, or from the first line of stdin; every call must bear it.
      Rows that do not fit BYTES of memory go to files without a name in the FOLDERs, or in the folder for temporary files.
  candlewick-trainer gang [--device D]
      One of several trainers of a Spark job, started by an executor: its configuration comes as one line of JSON on
      stdin, and the process ends when stdin does.
  candlewick-trainer probe
      Prints a line of JSON with the GPUs that this host has for the trainer, or what is wrong with its driver.
  candlewick-trainer --version | --help

  D is where networks are computed: cpu, which is all that candlewick-trainer can do, or cuda:0 (or another number), an
  NVIDIA GPU, with which candlewick-trainer-gpu starts where no device is named.";

/// A trainer binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binary {
    /// Its name.
    pub name: &'static str,
    /// Where it computes unless it is told otherwise.
    pub device: DeviceName,
    /// Whether processors stand in for GPUs, with candle's functions; only in a program that is never packed.
    pub rehearses: bool,
}

/// The trainer for the CPU.
pub const CPU: Binary = Binary {
    name: "candlewick-trainer",
    device: DeviceName::Cpu,
    rehearses: false,
};

/// The trainer for NVIDIA GPUs.
pub const GPU: Binary = Binary {
    name: "candlewick-trainer-gpu",
    device: DeviceName::Cuda(0),
    rehearses: false,
};

/// Stands in for [`GPU`] in tests of what is around it, on a machine without a GPU.
#[cfg(feature = "candle")]
pub const REHEARSAL: Binary = Binary {
    rehearses: true,
    ..GPU
};

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    Version,
    Help,
    Probe,
    Gang(Option<DeviceName>),
    Serve(ServeConfig, Option<DeviceName>),
}

/// Runs the command line of this process; returns its exit status.
#[must_use]
pub fn main(binary: Binary) -> i32 {
    log_to_stderr();
    let outcome = parse(Parser::from_env()).and_then(|command| run(binary, command));
    // The process ends with this status, and drops nothing.
    crate::spill::leave();
    outcome.unwrap_or_else(|failure| {
        // eprintln! panics where stderr has no room.
        let _ = writeln!(std::io::stderr(), "{}: {}", binary.name, failure.message);
        if failure.kind == ErrorKind::InvalidParameter {
            exit::USAGE
        } else {
            exit::FAILED
        }
    })
}

fn run(binary: Binary, command: Command) -> Result<i32, Failure> {
    match command {
        Command::Version => print(&format!("{} {}", binary.name, env!("CARGO_PKG_VERSION")))?,
        Command::Help => print(USAGE)?,
        Command::Probe => print(&probe(binary)?)?,
        Command::Gang(device) => {
            start_on(binary, device.unwrap_or(binary.device))?;
            return gang::run();
        }
        Command::Serve(config, device) => {
            start_on(binary, device.unwrap_or(binary.device))?;
            return serve::run(&config);
        }
    }
    Ok(exit::OK)
}

/// Prints to stdout; `println!` would panic where it has no room.
fn print(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}")
        .and_then(|()| std::io::stdout().flush())
        .map_err(|error| Failure::unavailable(format!("stdout cannot be written: {error}")))
}

/// What this program, its driver and the GPUs are.
fn probe(binary: Binary) -> Result<String, Failure> {
    let found = if binary.rehearses {
        rehearsed()
    } else {
        device::driver::look()
    };
    let mut told = found?.to_json();
    told["version"] = env!("CARGO_PKG_VERSION").into();
    Ok(told.to_string())
}

#[cfg(feature = "candle")]
fn rehearsed() -> Result<Gpus, Failure> {
    device::driver::rehearsed(std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref())
}

#[cfg(not(feature = "candle"))]
fn rehearsed() -> Result<Gpus, Failure> {
    Err(Failure::internal("no program without candle rehearses"))
}

/// Chooses the device of this process.
fn start_on(binary: Binary, device: DeviceName) -> Result<(), Failure> {
    match device {
        DeviceName::Cuda(_) if binary.rehearses => {
            rehearsed()?;
            device::choose(DeviceName::Candle)?;
        }
        device => device::choose(device)?,
    }
    if device != DeviceName::Cpu {
        tracing::info!("networks are computed on {device}");
    }
    Ok(())
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call, in a test for instance, changes nothing.
    let _ = subscriber(filter).try_init();
}

/// Each layer has a filter of its own: one without any would have h2 make a span for each frame that it reads or writes.
fn subscriber(filter: EnvFilter) -> impl Subscriber + Send + Sync + 'static {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        // It would say so on stderr, with a panic where that has no room: a full disk would end the training.
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(PassOn.with_filter(LevelFilter::WARN))
}

fn parse(mut words: Parser) -> Result<Command, Failure> {
    match words.next().map_err(wrong)? {
        Some(Long("version") | Short('V')) => nothing_more(words, Command::Version),
        Some(Long("help") | Short('h')) => Ok(Command::Help),
        Some(Value(command)) => match command.to_str() {
            Some("help") => Ok(Command::Help),
            Some("probe") => parse_probe(words),
            Some("gang") => parse_gang(words),
            Some("serve") => parse_serve(words),
            _ => Err(usage(&format!("{command:?} is not a command"))),
        },
        Some(other) => Err(wrong(other.unexpected())),
        None => Err(usage("a command is missing")),
    }
}

fn usage(what: &str) -> Failure {
    Failure::parameter(format!("{what}\n\n{USAGE}"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(error: lexopt::Error) -> Failure {
    usage(&error.to_string())
}

/// The command, if nothing follows it.
fn nothing_more(mut words: Parser, command: Command) -> Result<Command, Failure> {
    match words.next().map_err(wrong)? {
        None => Ok(command),
        Some(other) => Err(wrong(other.unexpected())),
    }
}

fn parse_probe(mut words: Parser) -> Result<Command, Failure> {
    match words.next().map_err(wrong)? {
        Some(Long("help") | Short('h')) => Ok(Command::Help),
        Some(other) => Err(wrong(other.unexpected())),
        None => Ok(Command::Probe),
    }
}

fn parse_gang(mut words: Parser) -> Result<Command, Failure> {
    let mut device = None;
    while let Some(word) = words.next().map_err(wrong)? {
        match word {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("device") => device = Some(text(&mut words)?.parse()?),
            other => return Err(wrong(other.unexpected())),
        }
    }
    Ok(Command::Gang(device))
}

/// The value of the option that was read last.
fn text(words: &mut Parser) -> Result<String, Failure> {
    words.value().and_then(ValueExt::string).map_err(wrong)
}

fn parse_serve(mut words: Parser) -> Result<Command, Failure> {
    let (mut host, mut port, mut threads, mut token) = ("127.0.0.1".to_owned(), "0".to_owned(), 0, None);
    let (mut device, mut memory) = (None, TrainerMemory::default());
    while let Some(word) = words.next().map_err(wrong)? {
        match word {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("token-stdin") => token = Some(TokenSource::Stdin),
            Long("token-file") => {
                token = Some(TokenSource::File(PathBuf::from(words.value().map_err(wrong)?)));
            }
            Long("host") => host = text(&mut words)?,
            Long("port") => port = text(&mut words)?,
            Long("device") => device = Some(text(&mut words)?.parse()?),
            Long("threads") => threads = whole("--threads", &text(&mut words)?)?,
            Long("memory") => memory.limit = whole("--memory", &text(&mut words)?)?,
            Long("spool-dir") => memory.spool_dirs.push(text(&mut words)?),
            other => return Err(wrong(other.unexpected())),
        }
    }
    let token = token.ok_or_else(|| usage("serve expects --token-file FILE or --token-stdin"))?;
    let config = ServeConfig {
        host,
        port,
        threads,
        token,
        memory,
    };
    Ok(Command::Serve(config, device))
}

fn whole<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, Failure> {
    let wrong = |_| usage(&format!("{option} expects a whole number, got \"{value}\""));
    value.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Command, Failure> {
        parse(Parser::from_args(text.split_whitespace()))
    }

    #[test]
    fn what_is_not_logged_is_not_even_looked_at() {
        let most = subscriber(EnvFilter::new("info")).max_level_hint();
        assert_eq!(most, Some(LevelFilter::INFO));
        let most = subscriber(EnvFilter::new("off")).max_level_hint();
        assert_eq!(
            most,
            Some(LevelFilter::WARN),
            "the coordinator is told of warnings all the same"
        );
    }

    #[test]
    fn commands_and_options() {
        assert_eq!(parsed("--version").unwrap(), Command::Version);
        assert_eq!(parsed("probe").unwrap(), Command::Probe);
        for text in ["--help", "help", "serve --port 1 --help", "gang -h", "probe -h"] {
            assert_eq!(parsed(text).unwrap(), Command::Help);
        }
        assert_eq!(parsed("gang").unwrap(), Command::Gang(None));
        assert_eq!(
            parsed("gang --device cuda:2").unwrap(),
            Command::Gang(Some(DeviceName::Cuda(2)))
        );
        let words = "serve --port=7000-7100 --token-stdin --threads 3 --device=cpu --memory 1000 --spool-dir /a --spool-dir=/b";
        let Command::Serve(config, Some(DeviceName::Cpu)) = parsed(words).unwrap() else {
            panic!("not serve");
        };
        assert_eq!(
            (config.host.as_str(), config.port.as_str(), config.threads),
            ("127.0.0.1", "7000-7100", 3)
        );
        assert_eq!(config.token, TokenSource::Stdin);
        assert_eq!(
            (config.memory.limit, config.memory.spool_dirs),
            (1000, vec!["/a".to_owned(), "/b".to_owned()])
        );
    }

    #[test]
    #[cfg(not(feature = "candle"))]
    fn the_trainer_for_the_cpu_names_the_other() {
        let failure = start_on(CPU, DeviceName::Cuda(0)).unwrap_err();
        assert!(
            failure.message.contains("start candlewick-trainer-gpu"),
            "{failure}"
        );
        assert!(start_on(CPU, DeviceName::Cpu).is_ok());
        let failure = probe(CPU).unwrap_err();
        assert!(
            failure.message.contains("start candlewick-trainer-gpu"),
            "{failure}"
        );
    }

    #[test]
    fn wrong_words_are_named() {
        for (text, told) in [
            ("", "a command is missing"),
            ("dance", "\"dance\" is not a command"),
            ("--dance", "invalid option '--dance'"),
            ("--version now", "unexpected argument \"now\""),
            ("probe now", "unexpected argument \"now\""),
            ("serve --token secret", "invalid option '--token'"),
            ("serve secret", "unexpected argument \"secret\""),
            (
                "serve --token-stdin=1",
                "unexpected argument for option '--token-stdin': \"1\"",
            ),
            ("serve --port", "missing argument for option '--port'"),
            ("gang --device", "missing argument for option '--device'"),
            ("gang --gpu", "invalid option '--gpu'"),
            (
                "serve --device gpu --token-stdin",
                "the device \"gpu\" is not known: expected cpu, cuda:0",
            ),
            (
                "serve --threads many --token-stdin",
                "--threads expects a whole number",
            ),
            ("serve", "serve expects --token-file FILE or --token-stdin"),
        ] {
            let failure = parsed(text).unwrap_err();
            assert!(failure.message.contains(told), "{failure}");
            assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        }
    }
}
