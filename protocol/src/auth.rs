//! Mutual proof of the job's secret, docs/protocol/keys.md: pure state machines, used by the Flight handshake and by
//! the connections between trainers.
//!
//! 1. client -> server [`ClientHello`]: who it is, what it wants, a nonce.
//! 2. server -> client [`ServerHello`]: its id, a nonce, and its proof. The server proves itself first, so a client
//!    tells a stranger nothing.
//! 3. client -> server [`ClientProof`].
//!
//! A proof is an HMAC over the role, the job, the purpose, both ids, the generation and both nonces, under the key of
//! that purpose: it fits one connection of one job and cannot be played back. Under TLS it is over the connection's
//! [`Binding`] too, so that it fits nobody who stands between the two ends.

use crate::error::{ErrorKind, Failure};
use crate::keys::{Key, Purpose, hex};
use serde::{Deserialize, Serialize};

/// Version of the handshake.
pub const VERSION: u32 = 1;
/// Time in which a connection must have proved itself, milliseconds.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 5_000;
/// Connections that may be in the handshake at once.
pub const MAX_PENDING: usize = 64;
/// Id under which a coordinator proves itself.
pub const COORDINATOR: &str = "coordinator";

/// What only the two ends of one TLS connection have (RFC 9266).
pub type Binding = [u8; 32];

/// 32 random bytes in hexadecimal digits, used once.
///
/// # Errors
/// `Internal` where the operating system's random source fails.
pub fn nonce() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::internal(format!("no random bytes: {error}")))?;
    Ok(hex(&bytes))
}

/// First message: who the client is and what it wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientHello {
    /// [`VERSION`].
    pub version: u32,
    /// Id of the job.
    pub job: String,
    /// Name of the purpose.
    pub purpose: String,
    /// Id of the client.
    pub client: String,
    /// Id of the server the client means; empty where it knows only the address.
    pub server: String,
    /// Generation of the gang; 0 outside of a gang.
    pub generation: u64,
    /// The client's nonce.
    pub nonce: String,
}

/// Second message: the server's proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerHello {
    /// Id of the server.
    pub server: String,
    /// The server's nonce.
    pub nonce: String,
    /// HMAC in hexadecimal digits.
    pub proof: String,
}

/// Third message: the client's proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientProof {
    /// HMAC in hexadecimal digits; empty where the server's proof did not convince the client.
    pub proof: String,
}

/// The connection's side that speaks first.
#[derive(Debug)]
pub struct Initiator {
    key: Key,
    hello: ClientHello,
    binding: Option<Binding>,
}

/// The connection's side that answers.
#[derive(Debug)]
pub struct Responder {
    key: Key,
    hello: ClientHello,
    server: String,
    nonce: String,
    binding: Option<Binding>,
}

/// Whom a client calls, for what, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// Id of the job.
    pub job: &'a str,
    /// What for; the key must be derived for it.
    pub purpose: Purpose,
    /// Id of the client.
    pub client: &'a str,
    /// Id of the server; empty where only the address is known.
    pub server: &'a str,
    /// Generation of the gang; 0 outside of a gang.
    pub generation: u64,
}

impl Initiator {
    /// Begins a handshake; [`Initiator::hello`] is the message to send. `binding` is that of the TLS connection, where it is one.
    ///
    /// # Errors
    /// `Internal` where there are no random bytes, `Unauthenticated` where the key is for the other kind of connection.
    pub fn new(key: Key, call: &Call<'_>, binding: Option<Binding>) -> Result<Self, Failure> {
        check_kind(&key, binding)?;
        let hello = ClientHello {
            version: VERSION,
            job: call.job.to_owned(),
            purpose: call.purpose.name().to_owned(),
            client: call.client.to_owned(),
            server: call.server.to_owned(),
            generation: call.generation,
            nonce: nonce()?,
        };
        Ok(Initiator { key, hello, binding })
    }

    /// The first message.
    #[must_use]
    pub fn hello(&self) -> &ClientHello {
        &self.hello
    }

    /// Checks the server's proof; returns the third message and the key of the session.
    ///
    /// # Errors
    /// `Unauthenticated` where the server did not prove that it has the job's key, `Unavailable` where it is not the one
    /// meant.
    pub fn prove(self, answer: &ServerHello) -> Result<(ClientProof, Key), Failure> {
        if !self.hello.server.is_empty() && self.hello.server != answer.server {
            return Err(Failure::unavailable(format!(
                "the other side is {} and not {}",
                short(&answer.server),
                short(&self.hello.server)
            )));
        }
        let transcript = Transcript {
            hello: &self.hello,
            server: &answer.server,
            nonce: &answer.nonce,
            binding: self.binding.as_ref(),
        };
        if !transcript.verify(&self.key, "server", &answer.proof) {
            return Err(unauthenticated("it did not prove that it knows the job's secret"));
        }
        let proof = ClientProof {
            proof: transcript.proof(&self.key, "client"),
        };
        Ok((proof, transcript.session(&self.key)))
    }
}

impl Responder {
    /// Answers a hello under `key`, which the caller chose by the hello's job and purpose. `binding` is that of the TLS connection,
    /// where it is one.
    ///
    /// # Errors
    /// `Unauthenticated` where the hello's version is another or the key for the other kind of connection, `Unavailable` where
    /// it means another server (which was there before), `Internal` where there are no random bytes.
    pub fn new(
        key: Key,
        server: &str,
        hello: ClientHello,
        binding: Option<Binding>,
    ) -> Result<(Self, ServerHello), Failure> {
        check_kind(&key, binding)?;
        if hello.version != VERSION {
            return Err(unauthenticated(format!(
                "it speaks version {} of the handshake, expected {VERSION}: both sides must run one version of Candlewick",
                hello.version
            )));
        }
        if !hello.server.is_empty() && hello.server != server {
            return Err(Failure::unavailable(format!(
                "it wants {}, but this is {}: the one it wants has ended and its port was taken over",
                short(&hello.server),
                short(server)
            )));
        }
        let responder = Responder {
            key,
            hello,
            server: server.to_owned(),
            nonce: nonce()?,
            binding,
        };
        let answer = ServerHello {
            server: responder.server.clone(),
            nonce: responder.nonce.clone(),
            proof: responder.transcript().proof(&responder.key, "server"),
        };
        Ok((responder, answer))
    }

    /// The hello that is being answered.
    #[must_use]
    pub fn hello(&self) -> &ClientHello {
        &self.hello
    }

    /// Checks the client's proof; returns the key of the session.
    ///
    /// # Errors
    /// `Unauthenticated` where the client did not prove that it knows the job's secret.
    pub fn accept(&self, proof: &ClientProof) -> Result<Key, Failure> {
        if proof.proof.is_empty() {
            return Err(unauthenticated(
                "our proof did not convince it: the two sides hold different secrets",
            ));
        }
        if !self.transcript().verify(&self.key, "client", &proof.proof) {
            return Err(unauthenticated("it did not prove that it knows the job's secret"));
        }
        Ok(self.transcript().session(&self.key))
    }

    fn transcript(&self) -> Transcript<'_> {
        Transcript {
            hello: &self.hello,
            server: &self.server,
            nonce: &self.nonce,
            binding: self.binding.as_ref(),
        }
    }
}

/// All that both sides said.
struct Transcript<'a> {
    hello: &'a ClientHello,
    server: &'a str,
    nonce: &'a str,
    binding: Option<&'a Binding>,
}

impl Transcript<'_> {
    fn with_parts<R>(&self, role: &str, body: impl FnOnce(&[&[u8]]) -> R) -> R {
        let hello = self.hello;
        let generation = hello.generation.to_le_bytes();
        let mut parts: Vec<&[u8]> = vec![
            b"candlewick/1",
            role.as_bytes(),
            hello.job.as_bytes(),
            hello.purpose.as_bytes(),
            hello.client.as_bytes(),
            self.server.as_bytes(),
            &generation,
            hello.nonce.as_bytes(),
            self.nonce.as_bytes(),
        ];
        if let Some(binding) = self.binding {
            parts.push(binding);
        }
        body(&parts)
    }

    fn proof(&self, key: &Key, role: &str) -> String {
        hex(&self.with_parts(role, |parts| key.mac(parts)))
    }

    fn verify(&self, key: &Key, role: &str, proof: &str) -> bool {
        constant_time_eq::constant_time_eq(self.proof(key, role).as_bytes(), proof.as_bytes())
    }

    fn session(&self, key: &Key) -> Key {
        self.with_parts("session", |parts| key.session(parts))
    }
}

/// A key of a job whose connections are TLS proves nothing on one that is not, and the other way round: a connection is never weaker
/// than the job asks for.
fn check_kind(key: &Key, binding: Option<Binding>) -> Result<(), Failure> {
    match (key.is_tls(), binding.is_some()) {
        (true, false) => Err(unauthenticated(
            "connections of this job are encrypted, and this one is not",
        )),
        (false, true) => Err(unauthenticated(
            "connections of this job are not encrypted, and this one is",
        )),
        _ => Ok(()),
    }
}

fn unauthenticated(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Unauthenticated, message)
}

/// Text from a stranger, fit for a log: short, without control characters.
#[must_use]
pub fn short(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::JobSecret;

    const CALL: Call<'_> = Call {
        job: "job",
        purpose: Purpose::Feed,
        client: "executor 1",
        server: "trainer",
        generation: 3,
    };

    fn key(secret: &str) -> Key {
        JobSecret::from_hex(&secret.repeat(32))
            .unwrap()
            .derive("job", Purpose::Feed, false)
    }

    fn initiator(secret: &str) -> Initiator {
        Initiator::new(key(secret), &CALL, None).unwrap()
    }

    #[test]
    fn both_sides_agree_on_a_session_key() {
        let initiator = initiator("07");
        let (responder, answer) =
            Responder::new(key("07"), "trainer", initiator.hello().clone(), None).unwrap();
        let (proof, client_key) = initiator.prove(&answer).unwrap();
        let server_key = responder.accept(&proof).unwrap();
        assert_eq!(client_key.mac(&[b"x"]), server_key.mac(&[b"x"]));
        assert_eq!(responder.hello().client, "executor 1");
    }

    #[test]
    fn each_side_detects_a_stranger() {
        let client = initiator("07");
        let (_, answer) = Responder::new(key("08"), "trainer", client.hello().clone(), None).unwrap();
        let failure = client.prove(&answer).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Unauthenticated);
        assert!(
            failure
                .message
                .contains("did not prove that it knows the job's secret")
        );

        let (responder, _) =
            Responder::new(key("07"), "trainer", initiator("08").hello().clone(), None).unwrap();
        assert!(
            responder
                .accept(&ClientProof {
                    proof: "00".repeat(32)
                })
                .is_err()
        );
        assert!(
            responder
                .accept(&ClientProof { proof: String::new() })
                .unwrap_err()
                .message
                .contains("different")
        );
    }

    #[test]
    fn a_proof_fits_one_connection_and_one_role() {
        let first = initiator("07");
        let (_, answer) = Responder::new(key("07"), "trainer", first.hello().clone(), None).unwrap();
        let second = initiator("07");
        let (responder, _) = Responder::new(key("07"), "trainer", second.hello().clone(), None).unwrap();
        assert!(second.prove(&answer).is_err(), "an answer to another nonce");
        let (proof, _) = first.prove(&answer).unwrap();
        assert!(responder.accept(&proof).is_err(), "a proof of another connection");
        assert!(
            responder.accept(&ClientProof { proof: answer.proof }).is_err(),
            "the server's proof sent back"
        );
    }

    #[test]
    fn every_field_of_the_hello_is_bound() {
        let changes: [fn(&mut ClientHello); 4] = [
            |hello| hello.job.push('x'),
            |hello| hello.client.push('x'),
            |hello| hello.generation += 1,
            |hello| hello.purpose = "control".into(),
        ];
        for change in changes {
            let client = initiator("07");
            let mut hello = client.hello().clone();
            change(&mut hello);
            let (_, answer) = Responder::new(key("07"), "trainer", hello, None).unwrap();
            assert!(client.prove(&answer).is_err());
        }
    }

    #[test]
    fn another_server_or_version_is_refused() {
        let client = initiator("07");
        let failure = Responder::new(key("07"), "someone", client.hello().clone(), None).unwrap_err();
        assert_eq!(
            failure.kind,
            ErrorKind::Unavailable,
            "the trainer that it wants is gone"
        );
        let mut hello = client.hello().clone();
        hello.version = 2;
        let failure = Responder::new(key("07"), "trainer", hello, None).unwrap_err();
        assert!(failure.message.contains("version 2"));
    }

    #[test]
    fn a_proof_fits_one_tls_connection() {
        let key = || {
            let secret = JobSecret::from_hex(&"07".repeat(32)).unwrap();
            secret.derive("job", Purpose::Feed, true)
        };
        let begin = |binding| Initiator::new(key(), &CALL, Some(binding)).unwrap();
        let answer = |client: &Initiator, binding| {
            Responder::new(key(), "trainer", client.hello().clone(), Some(binding)).unwrap()
        };
        let (client, other) = (begin([1; 32]), begin([1; 32]));
        let (responder, right) = answer(&client, [1; 32]);
        let (proof, _) = client.prove(&right).unwrap();
        responder.accept(&proof).unwrap();
        // Whoever stands between has another connection with each of them.
        let (_, relayed) = answer(&other, [2; 32]);
        assert_eq!(
            other.prove(&relayed).unwrap_err().kind,
            ErrorKind::Unauthenticated
        );
    }

    #[test]
    fn a_key_is_for_connections_that_are_encrypted_or_for_those_that_are_not() {
        let secret = JobSecret::from_hex(&"07".repeat(32)).unwrap();
        for tls in [true, false] {
            let key = || secret.derive("job", Purpose::Feed, tls);
            let (right, wrong) = (tls.then_some([1; 32]), (!tls).then_some([1; 32]));
            let told = Initiator::new(key(), &CALL, wrong).unwrap_err();
            assert_eq!(told.kind, ErrorKind::Unauthenticated);
            let client = Initiator::new(key(), &CALL, right).unwrap();
            let told = Responder::new(key(), "trainer", client.hello().clone(), wrong).unwrap_err();
            assert!(told.message.contains("encrypted, and this one is"), "{told}");
        }
    }

    #[test]
    fn text_of_a_stranger_is_fit_for_a_log() {
        assert_eq!(short("a\nb"), "a?b");
    }
}
