//! Tokens that must be refused, each with its reason. Every one is signed with the right key unless
//! its row is about the signature.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use aws_lc_rs::{hmac, rsa};

use super::*;

/// The order of P-256.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// Refused for this reason, and again: a refusal is not remembered as anything else.
async fn check(bench: &Bench, what: &str, token: &str, reason: AuthError) {
    for _ in 0..2 {
        assert_eq!(bench.auth.authenticate(token, None).await.err(), Some(reason), "{what}");
    }
}

#[tokio::test]
async fn claims_that_are_refused() {
    use AuthError::*;
    let bench = bench();
    let now = NOW.parse::<Timestamp>().unwrap().as_second();
    let name = |agency: &str| json!(format!("{DEVELOPMENT}{agency}"));
    let table: Vec<(&str, &str, Value, AuthError)> = vec![
        ("iss list", "iss", json!([name("oakdale-gp")]), Malformed),
        ("iss object", "iss", json!({ "is": name("oakdale-gp") }), Malformed),
        ("iss null", "iss", Value::Null, Malformed),
        ("iss empty", "iss", json!(""), IssuerUnknown),
        ("iss slash", "iss", name("oakdale-gp/"), IssuerUnknown),
        ("iss case", "iss", name("Oakdale-gp"), IssuerUnknown),
        ("iss space", "iss", name("oakdale-gp "), IssuerUnknown),
        ("iss homograph", "iss", name("o\u{430}kdale-gp"), IssuerUnknown),
        ("iss prefix", "iss", name("oakdale"), IssuerUnknown),
        ("iss NUL", "iss", name("oakdale-gp\0"), IssuerUnknown),
        ("iss stranger", "iss", json!("https://evil.example"), IssuerUnknown),
        ("aud empty", "aud", json!(""), AudienceWrong),
        ("aud other", "aud", json!("urn:weir:hub2"), AudienceWrong),
        ("aud prefix", "aud", json!("urn:weir"), AudienceWrong),
        ("aud case", "aud", json!("URN:WEIR:HUB"), AudienceWrong),
        ("aud space", "aud", json!("urn:weir:hub other"), AudienceWrong),
        ("aud empty list", "aud", json!([]), AudienceWrong),
        ("aud list of others", "aud", json!(["urn:weir:hub2", "x"]), AudienceWrong),
        ("aud mixed list", "aud", json!([AUDIENCE, 1]), Malformed),
        ("aud nested list", "aud", json!([[AUDIENCE]]), Malformed),
        ("aud number", "aud", json!(1), Malformed),
        ("aud null", "aud", Value::Null, Malformed),
        ("sub empty", "sub", json!(""), Malformed),
        ("sub long", "sub", json!("x".repeat(2048)), Malformed),
        ("sub newline", "sub", json!("a\nb"), Malformed),
        ("sub number", "sub", json!(7), Malformed),
        ("sub turned", "sub", json!("nurse\u{202e}7"), Malformed),
        ("exp text", "exp", json!((now + 600).to_string()), Malformed),
        ("exp huge float", "exp", json!(1e300), Malformed),
        ("exp fraction", "exp", json!(600.5), Malformed),
        ("exp null", "exp", Value::Null, Malformed),
        ("exp true", "exp", json!(true), Malformed),
        ("exp 2^63", "exp", json!(1_u64 << 63), Malformed),
        ("exp 2^63-1", "exp", json!(i64::MAX), Malformed),
        ("exp negative", "exp", json!(-1), Expired),
        ("exp zero", "exp", json!(0), Expired),
        ("exp 59 s past", "exp", json!(now - 59), Expired),
        ("exp 30 s past", "exp", json!(now - 30), Expired),
        ("exp milliseconds", "exp", json!((now + 600) * 1000), Malformed),
        ("exp far", "exp", json!(now + 86_400), TooLong),
        ("exp 15 min and 1 s", "exp", json!(now + 901), TooLong),
        ("exp at iat", "exp", json!(now), Malformed),
        ("nbf future", "nbf", json!(now + 31), NotYetValid),
        ("nbf text", "nbf", json!("0"), Malformed),
        ("nbf null", "nbf", Value::Null, Malformed),
        ("iat future", "iat", json!(now + 31), NotYetValid),
        ("iat old", "iat", json!(now - 3600), TooLong),
        ("iat text", "iat", json!("0"), Malformed),
        ("iat float", "iat", json!(1e9), Malformed),
        ("jti empty", "jti", json!(""), Malformed),
        ("jti number", "jti", json!(1), Malformed),
        ("roles empty", "roles", json!([]), RoleMissing),
        ("roles object", "roles", json!({ "nurse": true }), RoleMissing),
        ("role unmapped", "roles", json!(["porter"]), RoleMissing),
        ("role case", "roles", json!(["Nurse"]), RoleMissing),
        ("role joined", "roles", json!("nurse doctor"), RoleMissing),
        ("two roles", "roles", json!(["nurse", "doctor"]), RoleAmbiguous),
    ];
    for (what, name, value, reason) in &table {
        let token = bench.sign(&header(), &with(claims(), name, value.clone()));
        check(&bench, what, &token, *reason).await;
    }
    for name in ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "roles"] {
        let reason = if name == "roles" { RoleMissing } else { Malformed };
        check(&bench, name, &bench.sign(&header(), &without(claims(), name)), reason).await;
    }
}

#[tokio::test]
async fn headers_that_are_refused() {
    use AuthError::*;
    let bench = bench();
    let own = json!({ "kty": "EC", "crv": "P-256", "x": b64([7; 32]), "y": b64([7; 32]) });
    let table: Vec<(&str, &str, Value, AuthError)> = vec![
        ("alg none", "alg", json!("none"), Malformed),
        ("alg None", "alg", json!("None"), Malformed),
        ("alg empty", "alg", json!(""), Malformed),
        ("alg lower case", "alg", json!("es256"), Malformed),
        ("alg list", "alg", json!(["ES256"]), Malformed),
        ("alg null", "alg", Value::Null, Malformed),
        ("alg ES384", "alg", json!("ES384"), AlgorithmWrong),
        ("alg RS256", "alg", json!("RS256"), AlgorithmWrong),
        ("alg PS256", "alg", json!("PS256"), AlgorithmWrong),
        ("alg EdDSA", "alg", json!("EdDSA"), AlgorithmWrong),
        ("alg HS256", "alg", json!("HS256"), AlgorithmWrong),
        ("typ JWT", "typ", json!("JWT"), Malformed),
        ("typ of an id token", "typ", json!("ID"), Malformed),
        ("typ logout", "typ", json!("logout+jwt"), Malformed),
        ("typ DPoP", "typ", json!("dpop+jwt"), Malformed),
        ("typ space", "typ", json!("at+jwt "), Malformed),
        ("typ list", "typ", json!(["at+jwt"]), Malformed),
        ("kid empty", "kid", json!(""), Malformed),
        ("kid number", "kid", json!(1), Malformed),
        ("kid long", "kid", json!("k".repeat(4000)), Malformed),
        ("kid path", "kid", json!("../../etc/passwd"), KeyUnknown),
        ("kid SQL", "kid", json!("' OR 1=1 --"), KeyUnknown),
        ("kid newline", "kid", json!("development\n"), KeyUnknown),
        ("kid NUL", "kid", json!("development\0"), KeyUnknown),
        ("kid case", "kid", json!("Development"), KeyUnknown),
        ("kid URL", "kid", json!("https://evil.example/jwks"), KeyUnknown),
        ("jku", "jku", json!("https://evil.example"), Malformed),
        ("jku null", "jku", Value::Null, Malformed),
        ("jwk", "jwk", own, Malformed),
        ("x5u", "x5u", json!("https://evil.example"), Malformed),
        ("x5c", "x5c", json!(["AAAA"]), Malformed),
        ("x5c empty", "x5c", json!([]), Malformed),
        ("crit known", "crit", json!(["exp"]), Malformed),
        ("crit unknown", "crit", json!(["http://example/must"]), Malformed),
        ("crit empty", "crit", json!([]), Malformed),
        ("crit null", "crit", Value::Null, Malformed),
        ("b64 false", "b64", json!(false), Malformed),
        ("enc", "enc", json!("A256GCM"), Malformed),
        ("zip", "zip", json!("DEF"), Malformed),
        ("nested", "cty", json!("JWT"), Malformed),
    ];
    for (what, name, value, reason) in table {
        let token = bench.sign(&with(header(), name, value), &claims());
        check(&bench, what, &token, reason).await;
    }
    for name in ["alg", "typ", "kid"] {
        check(&bench, name, &bench.sign(&without(header(), name), &claims()), Malformed).await;
    }
}

#[tokio::test]
async fn signed_texts_that_are_no_objects_or_say_two_things_are_refused() {
    let bench = bench();
    let (head, body) = (header().to_string(), claims().to_string());
    let also = |text: &str, more: &str| text.replacen('{', &format!("{{{more},"), 1).into_bytes();
    for (what, header) in [
        ("kid twice", also(&head, r#""kid":"x""#)),
        ("alg twice", also(&head, r#""alg":"none""#)),
        ("extra twice", also(&head, r#""a":1,"a":2"#)),
        ("list", b"[]".to_vec()),
        ("empty", Vec::new()),
        ("BOM", format!("\u{feff}{head}").into_bytes()),
        ("more behind", format!("{head}x").into_bytes()),
        ("not UTF-8", [b"{\"x\":\"\xff\",", &head.as_bytes()[1..]].concat()),
    ] {
        let token = bench.sign_text(&header, body.as_bytes());
        check(&bench, what, &token, AuthError::Malformed).await;
    }
    let good = bench.sign(&header(), &claims());
    for (what, claims) in [
        ("sub twice", also(&body, r#""sub":"doctor-1""#)),
        ("iss twice", also(&body, r#""iss":"x""#)),
        ("roles twice", also(&body, r#""roles":["doctor"]"#)),
        ("exp twice", also(&body, r#""exp":0"#)),
        ("sub twice, escaped", also(&body, r#""\u0073ub":"doctor-1""#)),
        ("list", b"[]".to_vec()),
        ("empty", Vec::new()),
        ("a token", good.into_bytes()),
        ("BOM", format!("\u{feff}{body}").into_bytes()),
        ("more behind", format!("{body}{body}").into_bytes()),
        ("not UTF-8", [b"{\"x\":\"\xff\xfe\",", &body.as_bytes()[1..]].concat()),
        ("lone surrogate", also(&body, r#""x":"\ud800""#)),
        ("deep", also(&body, &format!("\"x\":{}{}", "[".repeat(500), "]".repeat(500)))),
    ] {
        let token = bench.sign_text(head.as_bytes(), &claims);
        check(&bench, what, &token, AuthError::Malformed).await;
    }
}

/// The next letter of the alphabet: the same bytes, if spare bits at the end were let through.
fn spare(part: &str) -> String {
    let (rest, last) = part.split_at(part.len() - 1);
    format!("{rest}{}", char::from(last.as_bytes()[0] + 1))
}

#[tokio::test]
async fn texts_that_are_no_token_are_refused() {
    let bench = bench();
    let good = bench.sign(&header(), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("{}", parts.len()) };
    let none = b64(r#"{"alg":"none","typ":"at+jwt","kid":"development"}"#);
    // Claims with spare bits in the last letter: one byte more than a multiple of three.
    let odd = (0..3)
        .map(|more| bench.sign(&header(), &with(claims(), "x", json!("x".repeat(more)))))
        .find(|token| token.split('.').nth(1).unwrap().len() % 4 == 2)
        .unwrap();
    assert!(bench.auth.authenticate(&odd, None).await.is_ok());
    let odd: Vec<&str> = odd.split('.').collect();
    let table = [
        ("empty", String::new()),
        ("one letter", "x".to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.x")),
        ("five parts", format!("{good}.x.y")),
        ("dots", "..".to_owned()),
        ("space before", format!(" {good}")),
        ("space behind", format!("{good} ")),
        ("newline behind", format!("{good}\n")),
        ("padding", format!("{good}=")),
        ("padded claims", format!("{head}.{body}=.{signature}")),
        ("plus and slash", format!("{head}.{body}+/.{signature}")),
        ("unicode dot", good.replace('.', "\u{2024}")),
        ("percent", good.replace('.', "%2e")),
        ("quoted", format!("\"{good}\"")),
        ("unsigned", format!("{none}.{body}.")),
        ("unsigned with signature", format!("{none}.{body}.{signature}")),
        ("spare bits in claims", format!("{}.{}.{}", odd[0], spare(odd[1]), odd[2])),
        ("9 KiB", "a".repeat(TOKEN_LEN_MAX + 1)),
        ("64 KiB", format!("{head}.{}.{signature}", "a".repeat(65_536))),
    ];
    for (what, token) in table {
        check(&bench, what, &token, AuthError::Malformed).await;
    }
}

#[tokio::test]
async fn signatures_that_are_refused() {
    use AuthError::*;
    let bench = bench();
    let good = bench.sign(&header(), &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = raw.split_at(32);
    let pk8 = std::fs::read(bench.dir.path().join("issuer.pk8")).unwrap();
    let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pk8).unwrap();
    let der = der.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let stranger = TempDir::new().unwrap();
    DevelopmentIssuer::open(stranger.path()).unwrap();
    let stranger = std::fs::read(stranger.path().join("issuer.pk8")).unwrap();
    let stranger = EncodingKey::from_ec_der(&stranger);
    let stranger = sign(signed.as_bytes(), &stranger, Algorithm::ES256).unwrap();
    let order = hex::decode(ORDER).unwrap();
    let body = with(claims(), "sub", json!("doctor-1"));
    let other = format!("{}.{}", b64(header().to_string()), b64(body.to_string()));
    let table = [
        ("other claims", format!("{other}.{signature}")),
        ("none", format!("{signed}.")),
        ("zeros", format!("{signed}.{}", b64([0; 64]))),
        ("r zero", format!("{signed}.{}", b64([&[0; 32], s].concat()))),
        ("s zero", format!("{signed}.{}", b64([r, &[0; 32]].concat()))),
        ("r of the order", format!("{signed}.{}", b64([&order, s].concat()))),
        ("s of the order", format!("{signed}.{}", b64([r, &order].concat()))),
        ("swapped", format!("{signed}.{}", b64([s, r].concat()))),
        ("one bit", format!("{signed}.{}", b64([&[r[0] ^ 1], &raw[1..]].concat()))),
        ("short", format!("{signed}.{}", b64(&raw[..63]))),
        ("long", format!("{signed}.{}", b64([&raw[..], &[0]].concat()))),
        ("DER", format!("{signed}.{}", b64(der.as_ref()))),
        ("stranger's", format!("{signed}.{stranger}")),
        ("spare bits", format!("{signed}.{}", spare(signature))),
    ];
    for (what, token) in table {
        check(&bench, what, &token, SignatureWrong).await;
    }
    // The public key as the secret of an HMAC, in each form in which somebody might hold it.
    let set = std::fs::read(jwks(&bench.dir)).unwrap();
    let json: Value = serde_json::from_slice(&set).unwrap();
    let x = URL_SAFE_NO_PAD.decode(json["keys"][0]["x"].as_str().unwrap()).unwrap();
    for (what, secret) in [("set", set), ("x", x), ("nothing", Vec::new())] {
        check(&bench, what, &hs256(&secret), AlgorithmWrong).await;
    }
    // The other of the two signatures that ECDSA has for one text: the same claims, so no harm.
    let mirrored = format!("{signed}.{}", b64([r, &minus(&order, s)].concat()));
    assert_ne!(mirrored, good);
    let one = bench.auth.authenticate(&good, None).await.unwrap();
    let two = bench.auth.authenticate(&mirrored, None).await.unwrap();
    assert_eq!(one.principal(), two.principal());
}

fn hs256(secret: &[u8]) -> String {
    let head = with(header(), "alg", json!("HS256"));
    let text = format!("{}.{}", b64(head.to_string()), b64(claims().to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", b64(tag))
}

/// `a - b`, big-endian, where `a` is the larger.
fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut out: Vec<u8> = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .map(|(a, b)| {
            let difference = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(difference < 0);
            u8::try_from(difference.rem_euclid(256)).unwrap()
        })
        .collect();
    out.reverse();
    out
}

#[tokio::test]
async fn an_issuer_that_signs_with_rsa_is_held_to_its_padding() {
    use aws_lc_rs::signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding};
    let dir = TempDir::new().unwrap();
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
    let n = b64(public.modulus().big_endian_without_leading_zero());
    let e = b64(public.exponent().big_endian_without_leading_zero());
    let key = json!({ "kty": "RSA", "kid": "development", "n": n, "e": e });
    std::fs::write(jwks(&dir), json!({ "keys": [key] }).to_string()).unwrap();
    let clock = FixedClock::at(NOW.parse().unwrap());
    let issuer = Issuer { algorithm: Algorithm::RS256, ..issuer(&dir, "northfield-hospital") };
    let auth = Authenticator::new(vec![issuer], Arc::new(clock.clone())).unwrap();
    let bench = Bench { dir, clock, auth };
    let signed = |alg: &str, padding: &'static dyn RsaEncoding| {
        let head = with(header(), "alg", json!(alg));
        let text = format!("{}.{}", b64(head.to_string()), b64(claims().to_string()));
        let mut signature = vec![0; 256];
        pair.sign(padding, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", b64(signature))
    };
    let good = signed("RS256", &RSA_PKCS1_SHA256);
    assert!(bench.auth.authenticate(&good, None).await.is_ok());
    for (what, token, reason) in [
        ("PS256", signed("PS256", &RSA_PSS_SHA256), AuthError::AlgorithmWrong),
        ("PSS as RS256", signed("RS256", &RSA_PSS_SHA256), AuthError::SignatureWrong),
        ("RS512", signed("RS512", &RSA_PKCS1_SHA512), AuthError::AlgorithmWrong),
        ("SHA-512 as RS256", signed("RS256", &RSA_PKCS1_SHA512), AuthError::SignatureWrong),
        ("HS256", hs256(n.as_bytes()), AuthError::AlgorithmWrong),
    ] {
        check(&bench, what, &token, reason).await;
    }
}
