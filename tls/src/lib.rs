//! TLS 1.3 under the connections of a job, `docs/adr/0049-tls-bound-to-the-jobs-keys.md`.
//!
//! TLS hides what crosses the network and notices what is changed on its way. It does not say who is at the other end: a server shows a
//! key that its process made when it started (a raw public key, RFC 7250), which nobody vouches for. That is said by the proof of the
//! job's keys that each connection begins with (`candlewick_protocol::auth`), since the proof is over a value that only the two ends of
//! one TLS connection have ([`binding`]): who stands between them has two connections and two values, and no proof fits both.
//!
//! ```
//! # use candlewick_tls::{binding, client, server};
//! let (mut client, mut server) = (client()?, server()?);
//! while client.is_handshaking() || server.is_handshaking() {
//!     let mut bytes = Vec::new();
//!     client.write_tls(&mut bytes)?;
//!     server.read_tls(&mut bytes.as_slice())?;
//!     server.process_new_packets()?;
//!     let mut bytes = Vec::new();
//!     server.write_tls(&mut bytes)?;
//!     client.read_tls(&mut bytes.as_slice())?;
//!     client.process_new_packets()?;
//! }
//! assert_eq!(binding(&client)?, binding(&server)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use candlewick_protocol::Failure;
use candlewick_protocol::auth::Binding;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::ring::kx_group::X25519;
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, DigitallySignedStruct, Error, ServerConfig,
    ServerConnection, SignatureScheme,
};
use std::sync::{Arc, OnceLock};

pub use rustls;

/// What both ends of a connection derive a value from that belongs to it alone (RFC 9266).
const LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Sessions of a job's clients: TLS 1.3 alone, and every connection makes a handshake of its own.
///
/// # Errors
/// `Internal` where the cryptographic library cannot be set up.
pub fn client_config() -> Result<Arc<ClientConfig>, Failure> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    once(&CONFIG, || {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyKey))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    })
}

/// Sessions of a job's servers; the key is made once in the life of a process.
///
/// # Errors
/// `Internal` where no key can be made.
pub fn server_config() -> Result<Arc<ServerConfig>, Failure> {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    once(&CONFIG, || {
        let key = new_key()?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(key))));
        config.send_tls13_tickets = 0;
        Ok(config)
    })
}

/// The one of the process, made by the first who asks.
fn once<T>(place: &OnceLock<Arc<T>>, make: impl FnOnce() -> Result<T, Error>) -> Result<Arc<T>, Failure> {
    if let Some(config) = place.get() {
        return Ok(Arc::clone(config));
    }
    let made = make().map_err(|error| Failure::internal(format!("TLS cannot be set up: {error}")))?;
    Ok(Arc::clone(place.get_or_init(|| Arc::new(made))))
}

/// The name by which clients of TLS call the server; it goes nowhere.
///
/// # Errors
/// Never: the name is legal.
pub fn server_name() -> Result<ServerName<'static>, Failure> {
    ServerName::try_from("candlewick.invalid").map_err(|error| Failure::internal(error.to_string()))
}

/// A connection's side that dialled.
///
/// # Errors
/// `Internal` where TLS cannot be set up.
pub fn client() -> Result<ClientConnection, Failure> {
    ClientConnection::new(client_config()?, server_name()?)
        .map_err(|error| Failure::internal(format!("TLS cannot be set up: {error}")))
}

/// The other side.
///
/// # Errors
/// `Internal` where TLS cannot be set up.
pub fn server() -> Result<ServerConnection, Failure> {
    ServerConnection::new(server_config()?)
        .map_err(|error| Failure::internal(format!("TLS cannot be set up: {error}")))
}

/// What belongs to this connection and no other, after its handshake: 32 bytes, the same at both ends (RFC 9266).
///
/// # Errors
/// `Internal` before the end of the handshake.
pub fn binding<Side>(connection: &ConnectionCommon<Side>) -> Result<Binding, Failure> {
    connection
        .export_keying_material([0; 32], LABEL, None)
        .map_err(|error| Failure::internal(format!("TLS gives no value to bind a proof to: {error}")))
}

/// AES with keys of 128 bits first, as Spark's own encryption has it; ChaCha20 for machines without instructions for AES.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![
        TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384,
        TLS13_CHACHA20_POLY1305_SHA256,
    ];
    provider.kx_groups = vec![X25519];
    Arc::new(provider)
}

fn new_key() -> Result<CertifiedKey, Error> {
    let failed = |what: &str| Error::General(what.to_owned());
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| failed("no random bytes for a key"))?;
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(document.as_ref()))?;
    let public = key
        .public_key()
        .ok_or_else(|| failed("a key without its public half"))?;
    let shown = vec![CertificateDer::from(public.to_vec())];
    Ok(CertifiedKey::new(shown, key))
}

/// Takes whatever key a server shows, and sees to it that the server has it: who the server is, is proven later.
#[derive(Debug)]
struct AnyKey;

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 alone is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(key.as_ref()),
            signature,
            &provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries what one side has to say to the other.
    fn carry<A, B>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>)
    where
        A: rustls::SideData,
        B: rustls::SideData,
    {
        while from.wants_write() {
            let mut bytes = Vec::new();
            from.write_tls(&mut bytes).unwrap();
            to.read_tls(&mut bytes.as_slice()).unwrap();
            to.process_new_packets().unwrap();
        }
    }

    fn pair() -> (ClientConnection, ServerConnection) {
        let (mut client, mut server) = (client().unwrap(), server().unwrap());
        while client.is_handshaking() || server.is_handshaking() {
            carry(&mut client, &mut server);
            carry(&mut server, &mut client);
        }
        (client, server)
    }

    #[test]
    fn both_ends_of_a_connection_have_one_value_and_no_other_connection_has_it() {
        let (client, server) = pair();
        assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(binding(&client).unwrap(), binding(&server).unwrap());
        let (other, _) = pair();
        assert_ne!(binding(&client).unwrap(), binding(&other).unwrap());
    }

    #[test]
    fn there_is_no_value_before_the_handshake_has_ended() {
        let failure = binding(&client().unwrap()).unwrap_err();
        assert!(failure.message.starts_with("TLS gives no value"), "{failure}");
    }

    #[test]
    fn a_server_speaks_no_older_version() {
        // A client that speaks TLS 1.2 alone.
        let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
        let mut server = server().unwrap();
        server.read_tls(&mut hello.as_slice()).unwrap();
        let told = server.process_new_packets().unwrap_err();
        assert!(matches!(told, Error::PeerIncompatible(_)), "{told:?}");
    }
}
