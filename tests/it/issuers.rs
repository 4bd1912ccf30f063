//! Callers' keys by URL: a real key server on a real socket, real tokens, a clock that is set.

mod families;
mod pace;
mod provider;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use weir::auth::{AuthError, Authenticator, Issuer, JwksUrl, KeyPace, KeySource};
use weir::clock::{Clock, FixedClock, SharedClock};

use provider::{Provider, Says, file, says, set};

const NOW: &str = "2026-07-15T10:00:00+01:00";
const HOUR: Duration = Duration::from_secs(3600);
/// Readings only when a token makes them, and as long as they like.
const CALM: KeyPace = KeyPace {
    refresh: HOUR,
    retry: HOUR,
    on_demand: Duration::from_secs(30),
    fetch: HOUR,
    age_max: Duration::from_secs(24 * 3600),
};

/// A key of an issuer.
struct Signer {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair, kid }
    }

    fn jwk(&self) -> Value {
        // An uncompressed point: 0x04, x, y.
        let (x, y) = self.pair.public_key().as_ref().split_at(1).1.split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    fn token(&self, issuer: &str, at: Timestamp) -> String {
        let random = SystemRandom::new();
        let sign = |text: &[u8]| self.pair.sign(&random, text).unwrap().as_ref().to_vec();
        token("ES256", self.kid, issuer, at, sign)
    }
}

/// A token as an identity provider issues it, signed by `sign`.
fn token(
    algorithm: &str,
    kid: &str,
    issuer: &str,
    at: Timestamp,
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> String {
    let now = at.as_second();
    let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid });
    let claims = json!({
        "iss": issuer, "sub": "gp-1", "aud": "urn:weir:hub", "iat": now, "nbf": now,
        "exp": now + 600, "jti": uuid::Uuid::new_v4().to_string(), "roles": ["gp"],
    });
    let b64 = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", b64(header), b64(claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign(signed.as_bytes())))
}

fn issuer(name: &str, keys: KeySource) -> Issuer {
    Issuer {
        issuer: name.to_owned(),
        agency: "oakdale-gp".parse().unwrap(),
        audience: "urn:weir:hub".to_owned(),
        algorithm: jsonwebtoken::Algorithm::ES256,
        keys,
        role_claim: "roles".to_owned(),
        roles: [("gp".to_owned(), "gp".parse().unwrap())].into(),
        functions: std::collections::BTreeMap::new(),
        client_certificates: std::collections::BTreeSet::new(),
        needs_certificate: false,
    }
}

fn url(text: &str, ca_file: Option<PathBuf>) -> KeySource {
    KeySource::Url { url: JwksUrl::parse_for_development(text).unwrap(), ca_file }
}

/// A hub's door with issuers `https://a.example`, `https://b.example` and so on.
struct Door {
    auth: Arc<Authenticator>,
    clock: FixedClock,
}

const A: &str = "https://a.example";
const B: &str = "https://b.example";

impl Door {
    fn open(sources: Vec<KeySource>, pace: KeyPace) -> Self {
        let clock = FixedClock::at(NOW.parse().unwrap());
        let names = [A, B];
        let issuers = names.iter().zip(sources).map(|(name, keys)| issuer(name, keys)).collect();
        let shared: SharedClock = Arc::new(clock.clone());
        Self { auth: Arc::new(Authenticator::with_pace(issuers, shared, pace).unwrap()), clock }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn later(&self, seconds: i64) {
        self.clock.set(self.now().checked_add(SignedDuration::from_secs(seconds)).unwrap());
    }

    async fn says(&self, token: &str) -> Option<AuthError> {
        self.auth.authenticate(token, None).await.err()
    }

    async fn fresh(&self, signer: &Signer) -> Option<AuthError> {
        self.says(&signer.token(A, self.now())).await
    }
}

/// Ends a test that would wait for ever; no test depends on how long it takes.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.unwrap()
}

#[tokio::test]
async fn a_set_over_tls_counts_when_the_server_is_proven_by_the_root_that_is_entered() {
    let (a, dir) = (Signer::new("a"), tempfile::tempdir().unwrap());
    let (right, root) = Provider::open_tls("localhost", set(&[&a.jwk()])).await;
    let (other, strange) = Provider::open_tls("idp.example", set(&[&a.jwk()])).await;
    let root = file(&dir, "root.pem", &root);
    let strange = file(&dir, "strange.pem", &strange);
    let at = |provider: &Provider| format!("https://localhost:{}/", provider.address.port());
    for (provider, ca_file, expected, asked) in [
        (&right, Some(&root), None, 1),
        (&right, Some(&strange), Some(AuthError::KeysUnavailable), 1),
        (&right, None, Some(AuthError::KeysUnavailable), 1),
        // Its own root, but the certificate is another server's.
        (&other, Some(&strange), Some(AuthError::KeysUnavailable), 0),
    ] {
        let door = Door::open(vec![url(&at(provider), ca_file.cloned())], CALM);
        assert_eq!(soon(door.fresh(&a)).await, expected, "{ca_file:?}");
        assert_eq!(provider.asked(), asked, "{ca_file:?}");
    }
    for (name, text) in [("empty.pem", ""), ("text.pem", "no certificate")] {
        let source = url("https://localhost/", Some(file(&dir, name, text)));
        let clock = Arc::new(FixedClock::at(NOW.parse().unwrap()));
        assert!(Authenticator::new(vec![issuer(A, source)], clock).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_rotation_with_overlap_refuses_nobody() {
    let (a, b, c) = (Signer::new("a"), Signer::new("b"), Signer::new("c"));
    let idp = Provider::open(set(&[&a.jwk()])).await;
    let door = Door::open(vec![url(&idp.url(), None)], CALM);
    let old = a.token(A, door.now());
    assert_eq!(soon(door.says(&old)).await, None);
    idp.says(set(&[&a.jwk(), &b.jwk()]));
    door.later(30);
    assert_eq!(soon(door.fresh(&b)).await, None);
    assert_eq!((soon(door.fresh(&a)).await, soon(door.says(&old)).await), (None, None));
    assert_eq!(idp.asked(), 2);
    idp.says(set(&[&b.jwk()]));
    door.later(30);
    assert_eq!(soon(door.fresh(&c)).await, Some(AuthError::KeyUnknown));
    assert_eq!(soon(door.fresh(&b)).await, None);
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeyUnknown));
    assert_eq!(soon(door.says(&old)).await, Some(AuthError::KeyUnknown), "from memory");
    assert_eq!(idp.asked(), 3);
}

#[tokio::test]
async fn a_rotation_without_overlap_is_noticed_by_the_first_new_token() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let idp = Provider::open(set(&[&a.jwk()])).await;
    let door = Door::open(vec![url(&idp.url(), None)], CALM);
    let old = a.token(A, door.now());
    assert_eq!(soon(door.says(&old)).await, None);
    idp.says(set(&[&b.jwk()]));
    // Too early to ask again: the old set holds, and the new key is not known.
    door.later(29);
    assert_eq!(soon(door.fresh(&b)).await, Some(AuthError::KeyUnknown));
    assert_eq!((soon(door.says(&old)).await, idp.asked()), (None, 1));
    door.later(1);
    assert_eq!((soon(door.fresh(&b)).await, idp.asked()), (None, 2));
    assert_eq!(soon(door.says(&old)).await, Some(AuthError::KeyUnknown), "from memory");
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeyUnknown));
    assert_eq!(idp.asked(), 2);
    // The same name for another key: what the old one had signed is forgotten too.
    let again = Signer::new("b");
    let before = b.token(A, door.now());
    assert_eq!(soon(door.says(&before)).await, None);
    idp.says(set(&[&again.jwk()]));
    door.later(30);
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeyUnknown));
    assert_eq!(soon(door.says(&before)).await, Some(AuthError::SignatureWrong));
    assert_eq!(soon(door.fresh(&again)).await, None);
    // An issuer that withdraws all its keys is obeyed.
    idp.says(set(&[]));
    door.later(30);
    assert_eq!(soon(door.fresh(&a)).await, Some(AuthError::KeyUnknown));
    assert_eq!(soon(door.fresh(&again)).await, Some(AuthError::KeyUnknown));
}

#[tokio::test]
async fn an_answer_that_is_no_set_leaves_the_keys_in_force() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let twin = json!({ "kty": "oct", "k": "AAAA", "kid": "b" });
    let many: Vec<Value> = (0..65).map(|n| json!({ "kty": "oct", "kid": n.to_string() })).collect();
    let large = json!({ "keys": [b.jwk()], "more": "x".repeat(300 * 1024) }).to_string();
    let elsewhere = Provider::open(set(&[&a.jwk(), &b.jwk()])).await;
    let moved = format!("302 Found\r\nlocation: {}", elsewhere.url());
    let metadata = "301 Gone\r\nlocation: http://169.254.169.254/latest".to_owned();
    let cut = json!({ "keys": [b.jwk()] }).to_string();
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{cut}", cut.len() + 9);
    let ok = "200 OK";
    let good = json!({ "keys": [b.jwk()] }).to_string();
    for (what, answer) in [
        ("500", says("500 Internal Server Error", &good)),
        ("404", says("404 Not Found", &good)),
        ("204", Says::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())),
        ("203", says("203 Non-Authoritative Information", &good)),
        ("redirect", says(&moved, &good)),
        ("redirect to a metadata service", says(&metadata, "")),
        ("large", says(ok, &large)),
        ("endless", Says::Endless),
        ("cut", Says::Bytes(cut.into_bytes())),
        ("html", says("200 OK\r\ncontent-type: text/html", "<html>sign in</html>")),
        ("empty", says(ok, "")),
        ("no http", Says::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        ("two of one kid", set(&[&b.jwk(), &Signer::new("b").jwk()])),
        ("two kinds of one kid", set(&[&b.jwk(), &twin])),
        ("65 keys", set(&many.iter().collect::<Vec<_>>())),
    ] {
        let idp = Provider::open(set(&[&a.jwk()])).await;
        let door = Door::open(vec![url(&idp.url(), None)], CALM);
        let old = a.token(A, door.now());
        assert_eq!(soon(door.says(&old)).await, None, "{what}");
        idp.says(answer);
        door.later(30);
        assert_eq!(soon(door.fresh(&b)).await, Some(AuthError::KeysUnavailable), "{what}");
        assert_eq!(soon(door.fresh(&b)).await, Some(AuthError::KeysUnavailable), "{what}");
        assert_eq!(soon(door.says(&old)).await, None, "{what}");
        assert_eq!(soon(door.fresh(&a)).await, None, "{what}");
        assert_eq!(idp.asked(), 2, "{what}");
        // And it heals.
        idp.says(says("200 OK\r\ncontent-type: text/plain", &good));
        door.later(30);
        assert_eq!(soon(door.fresh(&b)).await, None, "{what}");
        assert_eq!(soon(door.says(&old)).await, Some(AuthError::KeyUnknown), "{what}");
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn keys_that_do_not_fit_are_not_there() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let n = |bits: usize| URL_SAFE_NO_PAD.encode(vec![0xC1; bits / 8]);
    let mut encrypts = b.jwk();
    encrypts["use"] = json!("enc");
    let mut private = b.jwk();
    private["d"] = json!("AAAA");
    for (what, key) in [
        ("symmetric", json!({ "kty": "oct", "k": "AAAA", "kid": "b", "alg": "HS256" })),
        ("RSA-1024", json!({ "kty": "RSA", "n": n(1024), "e": "AQAB", "kid": "b" })),
        ("RSA for ES256", json!({ "kty": "RSA", "n": n(2048), "e": "AQAB", "kid": "b" })),
        ("of the future", json!({ "kty": "ML-DSA", "pub": "AAAA", "kid": "b" })),
        ("for encryption", encrypts),
        ("private", private),
    ] {
        let idp = Provider::open(set(&[&key, &a.jwk()])).await;
        let door = Door::open(vec![url(&idp.url(), None)], CALM);
        assert_eq!(soon(door.fresh(&a)).await, None, "{what}");
        assert_eq!(soon(door.fresh(&b)).await, Some(AuthError::KeyUnknown), "{what}");
    }
}

#[tokio::test]
async fn a_key_of_another_issuer_with_the_same_name_does_not_verify() {
    let (a, b) = (Signer::new("one"), Signer::new("one"));
    let (of_a, of_b) =
        (Provider::open(set(&[&a.jwk()])).await, Provider::open(set(&[&b.jwk()])).await);
    let door = Door::open(vec![url(&of_a.url(), None), url(&of_b.url(), None)], CALM);
    for (signer, name, expected) in [
        (&a, A, None),
        (&b, B, None),
        (&b, A, Some(AuthError::SignatureWrong)),
        (&a, B, Some(AuthError::SignatureWrong)),
        (&a, "https://c.example", Some(AuthError::IssuerUnknown)),
    ] {
        assert_eq!(soon(door.says(&signer.token(name, door.now()))).await, expected, "{name}");
    }
    assert_eq!((of_a.asked(), of_b.asked()), (1, 1));
}

/// Both issuers are of one agency: what is remembered belongs to an issuer, not to an agency.
#[tokio::test]
async fn a_key_that_is_withdrawn_by_the_second_issuer_of_an_agency_is_forgotten() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let (of_a, of_b) =
        (Provider::open(set(&[&a.jwk()])).await, Provider::open(set(&[&b.jwk()])).await);
    let door = Door::open(vec![url(&of_a.url(), None), url(&of_b.url(), None)], CALM);
    let (stays, goes) = (a.token(A, door.now()), b.token(B, door.now()));
    assert_eq!((soon(door.says(&stays)).await, soon(door.says(&goes)).await), (None, None));
    of_b.says(set(&[]));
    door.later(30);
    let unknown = a.token(B, door.now());
    assert_eq!(soon(door.says(&unknown)).await, Some(AuthError::KeyUnknown));
    assert_eq!(soon(door.says(&goes)).await, Some(AuthError::KeyUnknown));
    assert_eq!(soon(door.says(&stays)).await, None);
}
