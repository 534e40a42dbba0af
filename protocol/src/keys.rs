//! The job's secret, which stays in the driver, and the keys derived from it, docs/protocol/keys.md.

use crate::error::{ErrorKind, Failure};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use std::fmt;

/// 32 random bytes from which all keys of a job are derived. They never leave the driver: other processes get a
/// [`KeyRing`]. Debug does not show them.
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

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 3] = [Purpose::Feed, Purpose::Peer, Purpose::Control];

    /// Its name in messages and key rings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Feed => "feed",
            Purpose::Peer => "peer",
            Purpose::Control => "control",
        }
    }

    /// The purpose of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Purpose> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// Beside the keys of a ring: whether connections are encrypted.
const TLS: &str = "tls";

/// A key for one purpose, and whether the connections that are proven by it are TLS. Debug does not show it.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; 32],
    tls: bool,
}

/// The keys of a job that a process holds: only those that it needs. Its JSON is
/// `{"feed": digits, "peer": digits, "control": digits}` without those that it lacks, and with `"tls": true` where connections of
/// the job are encrypted; for task closures and a child's stdin only.
#[derive(Debug, Clone, Default, Serialize)]
pub struct KeyRing {
    #[serde(skip_serializing_if = "Option::is_none")]
    feed: Option<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<Key>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls: bool,
}

impl KeyRing {
    /// Whether connections of the job are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The key for a purpose.
    ///
    /// # Errors
    /// `Unauthenticated` where this ring has none.
    pub fn key(&self, purpose: Purpose) -> Result<&Key, Failure> {
        let held = match purpose {
            Purpose::Feed => &self.feed,
            Purpose::Peer => &self.peer,
            Purpose::Control => &self.control,
        };
        held.as_ref().ok_or_else(|| {
            let message = format!("this process has no {} key of the job", purpose.name());
            Failure::new(ErrorKind::Unauthenticated, message)
        })
    }

    /// What it has keys for.
    #[must_use]
    pub fn purposes(&self) -> Vec<Purpose> {
        Purpose::ALL
            .into_iter()
            .filter(|purpose| self.key(*purpose).is_ok())
            .collect()
    }

    /// A ring with some of its keys.
    ///
    /// # Errors
    /// `Unauthenticated` where it lacks one of them.
    pub fn only(&self, purposes: &[Purpose]) -> Result<KeyRing, Failure> {
        let mut ring = KeyRing {
            tls: self.tls,
            ..KeyRing::default()
        };
        for purpose in purposes {
            ring.put(*purpose, self.key(*purpose)?.clone());
        }
        Ok(ring)
    }

    fn put(&mut self, purpose: Purpose, key: Key) {
        let place = match purpose {
            Purpose::Feed => &mut self.feed,
            Purpose::Peer => &mut self.peer,
            Purpose::Control => &mut self.control,
        };
        *place = Some(key);
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.bytes))
    }
}

impl<'de> Deserialize<'de> for KeyRing {
    /// serde's own errors would quote what they do not understand, a key perhaps.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = |what: &str| serde::de::Error::custom(what);
        let value = serde_json::Value::deserialize(deserializer)
            .map_err(|_| wrong("the keys of a job cannot be read"))?;
        let keys = value
            .as_object()
            .ok_or_else(|| wrong("the keys of a job are an object: feed, peer, control"))?;
        let tls = match keys.get(TLS) {
            None => false,
            Some(serde_json::Value::Bool(tls)) => *tls,
            Some(_) => return Err(wrong("tls is true or false")),
        };
        let mut ring = KeyRing {
            tls,
            ..KeyRing::default()
        };
        for (name, digits) in keys.iter().filter(|(name, _)| *name != TLS) {
            let purpose = Purpose::of(name)
                .ok_or_else(|| wrong("there are keys for feed, peer and control, and no other"))?;
            let bytes = digits
                .as_str()
                .and_then(bytes_of)
                .ok_or_else(|| wrong("a key is 64 hexadecimal digits"))?;
            ring.put(purpose, Key { bytes, tls });
        }
        Ok(ring)
    }
}

/// The bytes of 64 hexadecimal digits.
fn bytes_of(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

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

    /// Reads 64 hexadecimal digits, the form in which the driver keeps the secret.
    ///
    /// # Errors
    /// `InvalidParameter`, without the text, where it is something else.
    pub fn from_hex(text: &str) -> Result<Self, Failure> {
        bytes_of(text)
            .map(JobSecret)
            .ok_or_else(|| Failure::parameter("a job secret is 64 hexadecimal digits"))
    }

    /// 64 hexadecimal digits; they stay in the driver.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// The keys of job `job` for some purposes, whose connections are TLS or are not.
    #[must_use]
    pub fn ring(&self, job: &str, purposes: &[Purpose], tls: bool) -> KeyRing {
        let mut ring = KeyRing {
            tls,
            ..KeyRing::default()
        };
        for purpose in purposes {
            ring.put(*purpose, self.derive(job, *purpose, tls));
        }
        ring
    }

    /// The key for `purpose` in job `job` (HKDF-SHA256, RFC 5869), another one for TLS: nobody takes a connection for what it is not.
    #[must_use]
    pub fn derive(&self, job: &str, purpose: Purpose, tls: bool) -> Key {
        let mut bytes = [0; 32];
        let source = Hkdf::<Sha256>::new(Some(job.as_bytes()), &self.0);
        let kind = if tls { " tls" } else { "" };
        // 32 bytes are always within HKDF's limit of 255 blocks; a zero key would only make every proof fail.
        let _ = source.expand(
            format!("candlewick/1 {}{kind}", purpose.name()).as_bytes(),
            &mut bytes,
        );
        Key { bytes, tls }
    }
}

impl Key {
    /// Whether the connections that are proven by it are TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// HMAC-SHA256 over `parts`, each preceded by its length so that no two lists of parts agree.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.bytes) else {
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
        Key {
            bytes: self.mac(parts),
            tls: self.tls,
        }
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
        let proof = secret.derive("a", Purpose::Feed, false).mac(&[b"x"]);
        assert!(secret.derive("a", Purpose::Feed, false).verify(&[b"x"], &proof));
        assert!(!secret.derive("a", Purpose::Peer, false).verify(&[b"x"], &proof));
        assert!(!secret.derive("b", Purpose::Feed, false).verify(&[b"x"], &proof));
        assert!(
            !secret
                .derive("a", Purpose::Feed, false)
                .verify(&[b"", b"x"], &proof)
        );
    }

    #[test]
    fn a_ring_holds_what_was_asked_for_and_nothing_else() {
        let secret = JobSecret::from_hex(&"07".repeat(32)).unwrap();
        let ring = secret.ring("a", &[Purpose::Feed], false);
        assert_eq!(ring.purposes(), [Purpose::Feed]);
        assert!(ring.key(Purpose::Feed).is_ok());
        for other in [Purpose::Peer, Purpose::Control] {
            let failure = ring.key(other).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Unauthenticated);
            assert!(
                failure.message.contains(&format!("no {} key", other.name())),
                "{failure}"
            );
            assert!(ring.only(&[other]).is_err());
        }
        let all = secret.ring("a", &Purpose::ALL, false);
        assert_eq!(all.purposes(), Purpose::ALL);
        assert_eq!(all.only(&[Purpose::Peer]).unwrap().purposes(), [Purpose::Peer]);

        let json = serde_json::to_string(&ring).unwrap();
        assert!(!json.contains(&secret.to_hex()), "the root is not in it");
        let again: KeyRing = serde_json::from_str(&json).unwrap();
        let mac = |ring: &KeyRing| ring.key(Purpose::Feed).unwrap().mac(&[b"x"]);
        assert_eq!(mac(&again), mac(&ring));
        assert_eq!(
            format!("{ring:?}"),
            "KeyRing { feed: Some(Key(..)), peer: None, control: None, tls: false }"
        );
        let key = "5a".repeat(32);
        for wrong in [
            format!(r#"{{"feed": "{key}x"}}"#),
            format!(r#"{{"feed": ["{key}"]}}"#),
            format!(r#"{{"{key}": 1}}"#),
            format!(r#""{key}""#),
            format!(r#"{{"feed": "{key}""#),
        ] {
            let error = serde_json::from_str::<KeyRing>(&wrong).unwrap_err().to_string();
            assert!(!error.contains("5a"), "{error}");
        }
    }

    #[test]
    fn keys_of_encrypted_connections_are_others_and_say_so() {
        let secret = JobSecret::from_hex(&"07".repeat(32)).unwrap();
        let (plain, tls) = (
            secret.ring("a", &Purpose::ALL, false),
            secret.ring("a", &Purpose::ALL, true),
        );
        let json = serde_json::to_string(&tls).unwrap();
        assert!(json.ends_with(r#""tls":true}"#), "{json}");
        assert!(!serde_json::to_string(&plain).unwrap().contains("tls"));
        let again: KeyRing = serde_json::from_str(&json).unwrap();
        for purpose in Purpose::ALL {
            let mac = |ring: &KeyRing| ring.key(purpose).unwrap().mac(&[b"x"]);
            assert_eq!(mac(&again), mac(&tls));
            assert_ne!(mac(&tls), mac(&plain));
            assert!(again.key(purpose).unwrap().is_tls() && !plain.key(purpose).unwrap().is_tls());
        }
        assert!(again.is_tls() && again.only(&[Purpose::Feed]).unwrap().is_tls() && !plain.is_tls());
        assert!(serde_json::from_str::<KeyRing>(r#"{"tls": 1}"#).is_err());
    }

    #[test]
    fn purposes_have_names() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::of(purpose.name()), Some(purpose));
        }
        assert_eq!(Purpose::of("root"), None);
    }

    #[test]
    fn hex_round_trip_and_refusal() {
        let secret = JobSecret::random().unwrap();
        assert_eq!(
            JobSecret::from_hex(&secret.to_hex()).unwrap().to_hex(),
            secret.to_hex()
        );
        assert!(JobSecret::from_hex("zz").is_err());
        assert!(JobSecret::from_hex(&"+7".repeat(32)).is_err());
        assert_eq!(format!("{secret:?}"), "JobSecret(..)");
    }
}
