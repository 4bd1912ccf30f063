//! Tokens that are accepted, and key sets that are not. What is refused is in [`attacks`].

mod attacks;

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::issuer::{AUDIENCE, DEVELOPMENT, DevelopmentIssuer, Person};
use super::*;
use crate::clock::FixedClock;

const NOW: &str = "2026-07-15T10:00:00+01:00";

struct Bench {
    dir: TempDir,
    clock: FixedClock,
    auth: Authenticator,
}

fn jwks(dir: &TempDir) -> PathBuf {
    dir.path().join("jwks.json")
}

fn issuer(dir: &TempDir, agency: &str) -> Issuer {
    Issuer {
        issuer: format!("{DEVELOPMENT}{agency}"),
        agency: agency.parse().unwrap(),
        audience: AUDIENCE.to_owned(),
        algorithm: Algorithm::ES256,
        keys: KeySource::File(jwks(dir)),
        role_claim: "roles".to_owned(),
        roles: [("nurse", "nurse"), ("doctor", "doctor")]
            .map(|(a, b)| (a.to_owned(), b.parse().unwrap()))
            .into(),
        functions: BTreeMap::from([
            ("audit".to_owned(), HubFunction::Auditor),
            ("portal".to_owned(), HubFunction::ResidentPortal),
        ]),
        client_certificates: std::collections::BTreeSet::new(),
        needs_certificate: false,
    }
}

fn bench() -> Bench {
    let dir = TempDir::new().unwrap();
    DevelopmentIssuer::open(dir.path()).unwrap();
    let clock = FixedClock::at(NOW.parse().unwrap());
    let issuers = vec![issuer(&dir, "northfield-hospital"), issuer(&dir, "oakdale-gp")];
    let auth = Authenticator::new(issuers, Arc::new(clock.clone())).unwrap();
    Bench { dir, clock, auth }
}

impl Bench {
    fn key(&self) -> EncodingKey {
        EncodingKey::from_ec_der(&std::fs::read(self.dir.path().join("issuer.pk8")).unwrap())
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// Signs what need not be JSON.
    fn sign_text(&self, header: &[u8], claims: &[u8]) -> String {
        let text = format!("{}.{}", b64(header), b64(claims));
        let signature = sign(text.as_bytes(), &self.key(), Algorithm::ES256).unwrap();
        format!("{text}.{signature}")
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": "development" })
}

fn claims() -> Value {
    let now = NOW.parse::<Timestamp>().unwrap().as_second();
    json!({
        "iss": format!("{DEVELOPMENT}northfield-hospital"), "sub": "nurse-7", "aud": AUDIENCE,
        "iat": now, "nbf": now, "exp": now + 600, "jti": "1", "roles": ["nurse"],
    })
}

fn with(mut base: Value, key: &str, value: Value) -> Value {
    base[key] = value;
    base
}

fn without(mut base: Value, key: &str) -> Value {
    base.as_object_mut().unwrap().remove(key);
    base
}

#[tokio::test]
async fn a_good_token_makes_a_caller() {
    let bench = bench();
    let caller = bench.auth.authenticate(&bench.sign(&header(), &claims()), None).await.unwrap();
    assert_eq!(caller.agency().as_str(), "northfield-hospital");
    assert_eq!(caller.role().unwrap().as_str(), "nurse");
    let both = with(claims(), "roles", json!(["nurse", "audit", "canteen"]));
    let caller = bench.auth.authenticate(&bench.sign(&header(), &both), None).await.unwrap();
    assert!(caller.functions().contains(&HubFunction::Auditor));
    let list = with(claims(), "aud", json!(["other", AUDIENCE]));
    assert!(bench.auth.authenticate(&bench.sign(&header(), &list), None).await.is_ok());
    assert!(!format!("{caller:?}").contains("nurse-7"));
}

#[tokio::test]
async fn a_remembered_token_ends_when_it_expires() {
    let bench = bench();
    let token = bench.sign(&header(), &claims());
    assert!(bench.auth.authenticate(&token, None).await.is_ok());
    assert!(bench.auth.authenticate(&token, None).await.is_ok());
    bench.clock.set("2026-07-15T10:10:31+01:00".parse().unwrap());
    assert_eq!(bench.auth.authenticate(&token, None).await.unwrap_err(), AuthError::Expired);
}

#[tokio::test]
async fn key_sets_that_are_refused() {
    let dir = TempDir::new().unwrap();
    let issuer = issuer(&dir, "oakdale-gp");
    let clock = || -> SharedClock { Arc::new(FixedClock::at(NOW.parse().unwrap())) };
    DevelopmentIssuer::open(dir.path()).unwrap();
    let good: Value = serde_json::from_slice(&std::fs::read(jwks(&dir)).unwrap()).unwrap();
    let key = good["keys"][0].clone();
    for (what, text) in [
        ("missing kid", json!({ "keys": [without(key.clone(), "kid")] }).to_string()),
        ("twice", json!({ "keys": [key.clone(), key.clone()] }).to_string()),
        ("symmetric", json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "x" }] }).to_string()),
        ("empty", json!({ "keys": [] }).to_string()),
        ("html", "<html>".to_owned()),
        ("large", " ".repeat(300 * 1024)),
    ] {
        std::fs::write(jwks(&dir), text).unwrap();
        assert!(Authenticator::new(vec![issuer.clone()], clock()).is_err(), "{what}");
    }
    std::fs::write(jwks(&dir), good.to_string()).unwrap();
    assert!(Authenticator::new(vec![issuer.clone(), issuer], clock()).is_err(), "twice");
}

#[tokio::test]
async fn the_development_issuer_signs_what_the_hub_accepts() {
    let bench = bench();
    let dev = DevelopmentIssuer::open(bench.dir.path()).unwrap();
    let person = Person { agency: "oakdale-gp", person: "dr-1", roles: &["doctor"] };
    let token = dev.token(person, NOW.parse().unwrap(), 10).unwrap();
    let caller = bench.auth.authenticate(&token, None).await.unwrap();
    assert_eq!((caller.agency().as_str(), caller.person().as_str()), ("oakdale-gp", "dr-1"));
}

#[tokio::test]
async fn a_portal_speaks_for_one_resident_who_is_logged_in() {
    const ID: &str = "018f0000-0000-7000-8000-000000000001";
    let bench = bench();
    let session = |roles: Value, resident: Value, by: Value| {
        let base = with(with(claims(), "roles", roles), "resident", resident);
        bench.sign(&header(), &with(base, "resident_by", by))
    };
    let good = session(json!(["portal"]), json!(ID), json!("self"));
    let caller = bench.auth.authenticate(&good, None).await.unwrap();
    assert_eq!(caller.session().unwrap().uuid().to_string(), ID);
    assert!(caller.proxy().is_none());
    assert!(caller.role().is_none());
    let plain = bench.auth.authenticate(&bench.sign(&header(), &claims()), None).await.unwrap();
    assert!(plain.session().is_none());

    let portal = || json!(["portal"]);
    let nil = "00000000-0000-0000-0000-000000000000";
    for (what, token) in [
        ("no portal", session(json!(["nurse"]), json!(ID), json!("self"))),
        ("a role beside", session(json!(["portal", "nurse"]), json!(ID), json!("self"))),
        ("a function beside", session(json!(["portal", "audit"]), json!(ID), json!("self"))),
        ("a parent", session(portal(), json!(ID), json!("parent"))),
        (
            "no proxy's id",
            session(portal(), json!(ID), json!("00000000-0000-4000-8000-00000000000g")),
        ),
        ("two speakers", session(portal(), json!(ID), json!(["self", ID]))),
        ("nobody's id", session(portal(), json!(nil), json!("self"))),
        ("no id", session(portal(), json!("aisha"), json!("self"))),
        ("two ids", session(portal(), json!([ID, ID]), json!("self"))),
        ("a number", session(portal(), json!(7), json!("self"))),
        ("no speaker", session(portal(), json!(ID), Value::Null)),
        ("no resident", bench.sign(&header(), &with(claims(), "roles", portal()))),
        ("a speaker alone", bench.sign(&header(), &with(claims(), "resident_by", json!("self")))),
    ] {
        let found = bench.auth.authenticate(&token, None).await.unwrap_err();
        assert_eq!(found, AuthError::Malformed, "{what}");
    }
}
