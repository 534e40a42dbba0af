//! The job's secret and the keys derived from it, docs/protocols.md section E.

use crate::error::Failure;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// 32 random bytes that only the processes of one job know. Debug does not show them.
#[derive(Clone)]
pub struct JobSecret([u8; 32]);

/// What a key is for: a feed key cannot join the collective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Rows from executors to trainers.
    Feed,
    /// Allreduce between trainers.
    Peer,
    /// Trainers and executors to the coordinator.
    Control,
}

/// A key for one purpose. Debug does not show it.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl JobSecret {
    /// A new secret from the operating system's random source.
    ///
    /// # Errors
    /// `Internal` where that source fails.
    pub fn random() -> Result<Self, Failure> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::internal(format!("no random bytes: {error}")))?;
        Ok(JobSecret(bytes))
    }

    /// Reads 64 hexadecimal digits, the form in which the secret goes over a child's stdin.
    ///
    /// # Errors
    /// `InvalidParameter`, without the text, where it is something else.
    pub fn from_hex(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::parameter("a job secret is 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(JobSecret(bytes))
    }

    /// 64 hexadecimal digits; for task closures and a child's stdin only.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// The key for `purpose` in job `job` (HKDF-SHA256, RFC 5869).
    #[must_use]
    pub fn derive(&self, job: &str, purpose: Purpose) -> Key {
        let label = match purpose {
            Purpose::Feed => "feed",
            Purpose::Peer => "peer",
            Purpose::Control => "control",
        };
        let mut key = [0; 32];
        let source = Hkdf::<Sha256>::new(Some(job.as_bytes()), &self.0);
        // 32 bytes are always within HKDF's limit of 255 blocks; a zero key would only make every proof fail.
        let _ = source.expand(format!("candlewick/1 {label}").as_bytes(), &mut key);
        Key(key)
    }
}

impl Key {
    /// HMAC-SHA256 over `parts`, each preceded by its length so that no two lists of parts agree.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return [0; 32];
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// True where `proof` is the MAC over `parts`; takes the same time for every proof.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], proof: &[u8]) -> bool {
        constant_time_eq::constant_time_eq(&self.mac(parts), proof)
    }

    /// A key made of this one and `parts` (the nonces of a session).
    #[must_use]
    pub fn session(&self, parts: &[&[u8]]) -> Key {
        Key(self.mac(parts))
    }
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for JobSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobSecret(..)")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_purpose_and_job() {
        let secret = JobSecret::from_hex(&"07".repeat(32)).unwrap();
        let proof = secret.derive("a", Purpose::Feed).mac(&[b"x"]);
        assert!(secret.derive("a", Purpose::Feed).verify(&[b"x"], &proof));
        assert!(!secret.derive("a", Purpose::Peer).verify(&[b"x"], &proof));
        assert!(!secret.derive("b", Purpose::Feed).verify(&[b"x"], &proof));
        assert!(!secret.derive("a", Purpose::Feed).verify(&[b"", b"x"], &proof));
    }

    #[test]
    fn hex_round_trip_and_refusal() {
        let secret = JobSecret::random().unwrap();
        assert_eq!(
            JobSecret::from_hex(&secret.to_hex()).unwrap().to_hex(),
            secret.to_hex()
        );
        assert!(JobSecret::from_hex("zz").is_err());
        assert_eq!(format!("{secret:?}"), "JobSecret(..)");
    }
}
