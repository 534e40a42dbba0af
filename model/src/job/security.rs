//! `transportSecurity`: what connections are protected by.

use candlewick_protocol::Failure;
use candlewick_protocol::params::Complete;

/// Whether the user is to hear of it where Spark encrypts its connections: those of a fit are in the clear.
///
/// # Errors
/// `InvalidParameter` where they are to be encrypted.
pub(super) fn warns(params: &Complete) -> Result<bool, Failure> {
    let asked = params.value("transportSecurity");
    if asked == "tls" {
        return Err(Failure::parameter(
            "transportSecurity = \"tls\": connections of a fit cannot be encrypted yet, both ends only prove that they belong to it. \
             Run it in a network that is private or encrypts by itself (WireGuard, IPsec, the provider's encryption between hosts) and \
             set transportSecurity to \"auto\", or to \"none\" to hear of it no more",
        ));
    }
    Ok(asked == "auto")
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::params;
    use serde_json::json;

    fn told(value: &str) -> Result<bool, Failure> {
        let set = json!({"transportSecurity": value});
        warns(&params::check(set.as_object().unwrap()).unwrap())
    }

    #[test]
    fn only_auto_warns_and_tls_is_refused_with_what_to_do() {
        assert_eq!((told("auto"), told("none")), (Ok(true), Ok(false)));
        let refused = told("tls").unwrap_err().message;
        assert!(refused.contains("set transportSecurity to \"auto\""), "{refused}");
    }
}
