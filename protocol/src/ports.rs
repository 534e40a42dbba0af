//! Ports to listen on: "0" (any), "7000", "7000-7100".

use crate::error::Failure;
use std::io::ErrorKind as IoKind;
use std::net::{TcpListener, ToSocketAddrs};
use std::ops::RangeInclusive;

/// Reads a port or a range of ports.
///
/// # Errors
/// `InvalidParameter` where it is neither.
pub fn parse(text: &str) -> Result<RangeInclusive<u16>, Failure> {
    let wrong = || {
        Failure::parameter(format!(
            "\"{text}\" is no port: expected 0 (any free port), one port such as 7000, or a range such as 7000-7100"
        ))
    };
    let number = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
    match text.split_once('-') {
        None => number(text).map(|port| port..=port),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            if first == 0 || first > last {
                Err(wrong())
            } else {
                Ok(first..=last)
            }
        }
    }
}

/// A host as the system takes it: literals of IPv6 may stand in brackets, as Spark has them.
#[must_use]
pub fn unbracketed(host: &str) -> &str {
    let within = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    within.filter(|host| host.contains(':')).unwrap_or(host)
}

/// Listens on the first free port of `port_or_range` at `host`.
///
/// # Errors
/// `InvalidParameter` where the range or the host is wrong; `Unavailable` where every port of the range is in use.
pub fn bind(host: &str, port_or_range: &str) -> Result<TcpListener, Failure> {
    let range = parse(port_or_range)?;
    for port in range.clone() {
        let addresses: Vec<_> = (unbracketed(host), port)
            .to_socket_addrs()
            .map_err(|error| Failure::parameter(format!("cannot listen on host {host}: {error}")))?
            .collect();
        match TcpListener::bind(addresses.as_slice()) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == IoKind::AddrInUse => {}
            Err(error) => {
                return Err(Failure::parameter(format!(
                    "cannot listen on {host}, port {port}: {error}"
                )));
            }
        }
    }
    Err(Failure::unavailable(format!(
        "no free port on {host}: {} in use; give a wider range or stop what uses it",
        if range.start() == range.end() {
            format!("port {} is", range.start())
        } else {
            format!("all ports from {} to {} are", range.start(), range.end())
        }
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn ports_and_ranges() {
        assert_eq!(parse("0").unwrap(), 0..=0);
        assert_eq!(parse("7000").unwrap(), 7000..=7000);
        assert_eq!(parse("7000-7100").unwrap(), 7000..=7100);
        for wrong in ["", "-", "x", "0-9", "9-8", "70000", "1-70000"] {
            assert_eq!(
                parse(wrong).unwrap_err().kind,
                ErrorKind::InvalidParameter,
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_used_range_is_named_and_the_next_free_port_taken() {
        let first = bind("127.0.0.1", "0").unwrap();
        let port = first.local_addr().unwrap().port();
        let failure = bind("127.0.0.1", &port.to_string()).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Unavailable);
        assert!(
            failure.message.contains(&format!("port {port} is in use")),
            "{}",
            failure.message
        );
        let failure = bind("127.0.0.1", &format!("{port}-{port}")).unwrap_err();
        assert!(failure.message.contains(&port.to_string()));
        if port < u16::MAX - 20 {
            let next = bind("127.0.0.1", &format!("{port}-{}", port + 20)).unwrap();
            assert!(next.local_addr().unwrap().port() > port);
        }
    }

    #[test]
    fn a_literal_of_ipv6_may_stand_in_brackets() {
        for (host, plain) in [
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("[fd00::1", "[fd00::1"),
            ("host", "host"),
            ("[host]", "[host]"),
        ] {
            assert_eq!(unbracketed(host), plain);
        }
        if TcpListener::bind("[::1]:0").is_ok() {
            let address = bind("[::1]", "0").unwrap().local_addr().unwrap();
            assert!(address.ip().is_loopback() && address.is_ipv6(), "{address}");
        }
    }

    #[test]
    fn a_host_that_is_not_ours_is_named() {
        let failure = bind("192.0.2.1", "0").unwrap_err();
        assert!(failure.message.contains("192.0.2.1"), "{}", failure.message);
    }
}
