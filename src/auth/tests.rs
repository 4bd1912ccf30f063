//! A table of tokens that must be refused, each with its reason, and the few that are accepted.

use std::path::PathBuf;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
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
        functions: BTreeMap::from([("audit".to_owned(), HubFunction::Auditor)]),
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
        let header: Header = serde_json::from_value(header.clone()).unwrap();
        encode(&header, claims, &self.key()).unwrap()
    }
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
    let caller = bench.auth.authenticate(&bench.sign(&header(), &claims())).await.unwrap();
    assert_eq!(caller.agency().as_str(), "northfield-hospital");
    assert_eq!(caller.role().unwrap().as_str(), "nurse");
    let both = with(claims(), "roles", json!(["nurse", "audit", "canteen"]));
    let caller = bench.auth.authenticate(&bench.sign(&header(), &both)).await.unwrap();
    assert!(caller.functions().contains(&HubFunction::Auditor));
    let list = with(claims(), "aud", json!(["other", AUDIENCE]));
    assert!(bench.auth.authenticate(&bench.sign(&header(), &list)).await.is_ok());
    assert!(!format!("{caller:?}").contains("nurse-7"));
}

#[tokio::test]
async fn a_remembered_token_ends_when_it_expires() {
    let bench = bench();
    let token = bench.sign(&header(), &claims());
    assert!(bench.auth.authenticate(&token).await.is_ok());
    assert!(bench.auth.authenticate(&token).await.is_ok());
    bench.clock.set("2026-07-15T10:10:31+01:00".parse().unwrap());
    assert_eq!(bench.auth.authenticate(&token).await.unwrap_err(), AuthError::Expired);
}

#[tokio::test]
async fn claims_and_headers_that_are_refused() {
    use AuthError::*;
    let bench = bench();
    let now = NOW.parse::<Timestamp>().unwrap().as_second();
    let c = claims;
    let table: Vec<(&str, Value, AuthError)> = vec![
        ("no iss", without(c(), "iss"), Malformed),
        ("iss list", with(c(), "iss", json!([format!("{DEVELOPMENT}oakdale-gp")])), Malformed),
        ("iss slash", with(c(), "iss", json!(format!("{DEVELOPMENT}oakdale-gp/"))), IssuerUnknown),
        ("iss case", with(c(), "iss", json!(format!("{DEVELOPMENT}Oakdale-gp"))), IssuerUnknown),
        ("iss stranger", with(c(), "iss", json!("https://evil.example")), IssuerUnknown),
        ("no aud", without(c(), "aud"), Malformed),
        ("aud empty", with(c(), "aud", json!("")), AudienceWrong),
        ("aud other", with(c(), "aud", json!("urn:weir:hub2")), AudienceWrong),
        ("aud prefix", with(c(), "aud", json!("urn:weir")), AudienceWrong),
        ("aud case", with(c(), "aud", json!("URN:WEIR:HUB")), AudienceWrong),
        ("aud empty list", with(c(), "aud", json!([])), AudienceWrong),
        ("aud number", with(c(), "aud", json!(1)), Malformed),
        ("no sub", without(c(), "sub"), Malformed),
        ("sub empty", with(c(), "sub", json!("")), Malformed),
        ("sub long", with(c(), "sub", json!("x".repeat(2048))), Malformed),
        ("sub newline", with(c(), "sub", json!("a\nb")), Malformed),
        ("no exp", without(c(), "exp"), Malformed),
        ("exp text", with(c(), "exp", json!((now + 600).to_string())), Malformed),
        ("exp float", with(c(), "exp", json!(1e300)), Malformed),
        ("exp negative", with(c(), "exp", json!(-1)), Expired),
        ("exp past", with(c(), "exp", json!(now - 31)), Expired),
        ("exp far", with(c(), "exp", json!(now + 86_400)), TooLong),
        ("exp max", with(c(), "exp", json!(i64::MAX)), Malformed),
        ("no nbf", without(c(), "nbf"), Malformed),
        ("nbf future", with(c(), "nbf", json!(now + 60)), NotYetValid),
        ("no iat", without(c(), "iat"), Malformed),
        ("iat future", with(c(), "iat", json!(now + 60)), NotYetValid),
        ("iat old", with(c(), "iat", json!(now - 3600)), TooLong),
        ("no jti", without(c(), "jti"), Malformed),
        ("jti empty", with(c(), "jti", json!("")), Malformed),
        ("no roles", without(c(), "roles"), RoleMissing),
        ("roles empty", with(c(), "roles", json!([])), RoleMissing),
        ("role unmapped", with(c(), "roles", json!(["porter"])), RoleMissing),
        ("role case", with(c(), "roles", json!(["Nurse"])), RoleMissing),
        ("two roles", with(c(), "roles", json!(["nurse", "doctor"])), RoleAmbiguous),
    ];
    for (what, claims, reason) in table {
        let token = bench.sign(&header(), &claims);
        assert_eq!(bench.auth.authenticate(&token).await.unwrap_err(), reason, "{what}");
    }
    let headers: Vec<(&str, Value, AuthError)> = vec![
        ("no typ", without(header(), "typ"), Malformed),
        ("typ JWT", with(header(), "typ", json!("JWT")), Malformed),
        ("no kid", without(header(), "kid"), Malformed),
        ("kid unknown", with(header(), "kid", json!("../../etc/passwd")), KeyUnknown),
        ("kid long", with(header(), "kid", json!("k".repeat(4000))), Malformed),
        ("jku", with(header(), "jku", json!("https://evil.example")), Malformed),
        ("x5u", with(header(), "x5u", json!("https://evil.example")), Malformed),
        ("x5c", with(header(), "x5c", json!(["AAAA"])), Malformed),
        ("crit", with(header(), "crit", json!(["exp"])), Malformed),
    ];
    for (what, header, reason) in headers {
        let token = bench.sign(&header, &claims());
        assert_eq!(bench.auth.authenticate(&token).await.unwrap_err(), reason, "{what}");
    }
}

#[tokio::test]
async fn texts_that_are_no_token_are_refused() {
    use base64::Engine;
    let bench = bench();
    let b64 = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let good = bench.sign(&header(), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let none = b64(r#"{"alg":"none","typ":"at+jwt","kid":"development"}"#);
    let hs = b64(r#"{"alg":"HS256","typ":"at+jwt","kid":"development"}"#);
    let es384 = b64(r#"{"alg":"ES384","typ":"at+jwt","kid":"development"}"#);
    let flipped = good[..good.len() - 4].to_owned() + "AAAA";
    let other_claims = with(claims(), "sub", json!("doctor-1")).to_string();
    let table = [
        (String::new(), AuthError::Malformed),
        ("x".to_owned(), AuthError::Malformed),
        (parts[..2].join("."), AuthError::Malformed),
        (format!("{good}.x"), AuthError::Malformed),
        (format!("{good}.x.y"), AuthError::Malformed),
        (format!(" {good}"), AuthError::Malformed),
        (format!("{good}="), AuthError::Malformed),
        (good.replace('.', "\u{2024}"), AuthError::Malformed),
        (format!("{none}.{}.", parts[1]), AuthError::Malformed),
        (format!("{hs}.{}.{}", parts[1], parts[2]), AuthError::AlgorithmWrong),
        (format!("{es384}.{}.{}", parts[1], parts[2]), AuthError::AlgorithmWrong),
        (format!("{}.{}.{}", parts[0], b64(&other_claims), parts[2]), AuthError::SignatureWrong),
        (format!("{}.{}.", parts[0], parts[1]), AuthError::SignatureWrong),
        (flipped, AuthError::SignatureWrong),
        ("a".repeat(TOKEN_LEN_MAX + 1), AuthError::Malformed),
    ];
    for (token, reason) in table {
        assert_eq!(bench.auth.authenticate(&token).await.unwrap_err(), reason, "{token:.60}");
    }
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
    let caller = bench.auth.authenticate(&token).await.unwrap();
    assert_eq!((caller.agency().as_str(), caller.person().as_str()), ("oakdale-gp", "dr-1"));
}
