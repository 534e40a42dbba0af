//! The command line.

use crate::exit;
use crate::serve::{ServeConfig, TokenSource};
use crate::{gang, serve};
use candlewick_protocol::{ErrorKind, Failure};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

const USAGE: &str = "\
candlewick-trainer: trains neural networks on rows that arrive over Arrow Flight

  candlewick-trainer serve [--host 127.0.0.1] [--port 0] (--token-file FILE | --token-stdin) [--threads N]
      A plain Arrow Flight server; docs/flight.md has its protocol. The token comes from a file that only its owner can
      read, or from the first line of stdin; every call must bear it.
  candlewick-trainer gang
      One of several trainers of a Spark job, started by an executor: its configuration comes as one line of JSON on
      stdin, and the process ends when stdin does.
  candlewick-trainer --version | --help";

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    Version,
    Help,
    Gang,
    Serve(ServeConfig),
}

/// Runs the command line of this process; gives its exit status.
#[must_use]
pub fn main() -> i32 {
    log_to_stderr();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = parse(&arguments).and_then(|command| match command {
        Command::Version => {
            println!("candlewick-trainer {}", env!("CARGO_PKG_VERSION"));
            Ok(exit::OK)
        }
        Command::Help => {
            println!("{USAGE}");
            Ok(exit::OK)
        }
        Command::Gang => gang::run(),
        Command::Serve(config) => serve::run(&config),
    });
    outcome.unwrap_or_else(|failure| {
        eprintln!("candlewick-trainer: {}", failure.message);
        if failure.kind == ErrorKind::InvalidParameter {
            exit::USAGE
        } else {
            exit::FAILED
        }
    })
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call, in a test for instance, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .try_init();
}

fn parse(arguments: &[String]) -> Result<Command, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--version" | "-V"] => Ok(Command::Version),
        ["--help" | "-h" | "help"] => Ok(Command::Help),
        ["gang"] => Ok(Command::Gang),
        ["serve", options @ ..] => parse_serve(options).map(Command::Serve),
        [] => Err(usage("a command is missing")),
        [other, ..] => Err(usage(&format!("\"{other}\" is no command"))),
    }
}

fn usage(what: &str) -> Failure {
    Failure::parameter(format!("{what}\n\n{USAGE}"))
}

fn parse_serve(options: &[&str]) -> Result<ServeConfig, Failure> {
    let (mut host, mut port, mut threads, mut token) = ("127.0.0.1".to_owned(), "0".to_owned(), 0, None);
    let mut words = options.iter();
    while let Some(option) = words.next() {
        if *option == "--token-stdin" {
            token = Some(TokenSource::Stdin);
            continue;
        }
        if !["--host", "--port", "--threads", "--token-file"].contains(option) {
            return Err(usage(&format!("\"{option}\" is no option of serve")));
        }
        let value = words
            .next()
            .ok_or_else(|| usage(&format!("{option} wants a value")))?;
        match *option {
            "--host" => (*value).clone_into(&mut host),
            "--port" => (*value).clone_into(&mut port),
            "--threads" => {
                threads = value
                    .parse()
                    .map_err(|_| usage(&format!("--threads wants a whole number, \"{value}\" is none")))?;
            }
            _ => token = Some(TokenSource::File(PathBuf::from(value))),
        }
    }
    let token = token.ok_or_else(|| usage("serve wants --token-file FILE or --token-stdin"))?;
    Ok(ServeConfig {
        host,
        port,
        threads,
        token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Command, Failure> {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn commands_and_options() {
        assert_eq!(parsed("--version").unwrap(), Command::Version);
        assert_eq!(parsed("gang").unwrap(), Command::Gang);
        let Command::Serve(config) = parsed("serve --port 7000-7100 --token-stdin --threads 3").unwrap()
        else {
            panic!("not serve");
        };
        assert_eq!(
            (config.host.as_str(), config.port.as_str(), config.threads),
            ("127.0.0.1", "7000-7100", 3)
        );
        assert_eq!(config.token, TokenSource::Stdin);
    }

    #[test]
    fn wrong_words_are_named() {
        for (text, told) in [
            ("", "a command is missing"),
            ("dance", "\"dance\" is no command"),
            ("serve --token secret", "\"--token\" is no option"),
            ("serve --port", "--port wants a value"),
            (
                "serve --threads many --token-stdin",
                "--threads wants a whole number",
            ),
            ("serve", "serve wants --token-file FILE or --token-stdin"),
        ] {
            let failure = parsed(text).unwrap_err();
            assert!(failure.message.contains(told), "{failure}");
            assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        }
    }
}
