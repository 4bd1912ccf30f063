//! A JWKS text -> the keys that this hub will verify with. The set comes from outside: a key that
//! does not fit is left out, a set that contradicts itself is refused whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use crate::limits::{KEY_NAME_LEN_MAX, KEY_SET_KEYS_MAX, KEY_SET_LEN_MAX};

/// Sizes of RSA keys, in bits. Larger ones cost time at every call.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key, and the parts it was made of, to tell whether it changed.
pub(super) struct Key {
    parts: Vec<String>,
    pub(super) decoding: Arc<DecodingKey>,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

/// Keys by name.
pub(super) type Keys = BTreeMap<String, Key>;

#[derive(serde::Deserialize)]
struct Set {
    keys: Vec<Map<String, Value>>,
}

/// The keys for `algorithm`; there may be none.
///
/// # Errors
/// When the text is no key set, is too large, or names two keys alike.
pub(super) fn parse(text: &[u8], algorithm: Algorithm) -> Result<Keys, String> {
    if text.len() > KEY_SET_LEN_MAX {
        return Err(format!("the key set is larger than {KEY_SET_LEN_MAX} bytes"));
    }
    // The parser's own words may repeat what was read.
    let set: Set =
        serde_json::from_slice(text).map_err(|e| format!("no key set (line {})", e.line()))?;
    if set.keys.len() > KEY_SET_KEYS_MAX {
        return Err(format!("the key set has more than {KEY_SET_KEYS_MAX} keys"));
    }
    let mut names = BTreeSet::new();
    let mut keys = Keys::new();
    for jwk in &set.keys {
        let Some(kid) = jwk.get("kid").and_then(Value::as_str) else {
            continue;
        };
        if !names.insert(kid) {
            return Err("two keys have one kid".to_owned());
        }
        let named = !kid.is_empty() && kid.len() <= KEY_NAME_LEN_MAX;
        if let (true, Some(key)) = (named, key(jwk, algorithm)) {
            keys.insert(kid.to_owned(), key);
        }
    }
    Ok(keys)
}

/// The key, if it is public, for signatures and of the kind that `algorithm` needs.
fn key(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<Key> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    // A private or symmetric key that anybody can read is good for forging.
    if jwk.contains_key("d") || jwk.contains_key("k") {
        return None;
    }
    if jwk.contains_key("use") && text("use") != Some("sig") {
        return None;
    }
    if let Some(uses) = jwk.get("key_ops")
        && !uses.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
    {
        return None;
    }
    let algs: &[&str] = match () {
        () if algorithm == Algorithm::ES256 => &["ES256"],
        () if algorithm == Algorithm::RS256 => &["RS256"],
        () if algorithm == Algorithm::EdDSA => &["EdDSA", "Ed25519"],
        () => return None,
    };
    if jwk.contains_key("alg") && !text("alg").is_some_and(|alg| algs.contains(&alg)) {
        return None;
    }
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let coordinate = |name: &str| bytes(name).is_some_and(|b| b.len() == 32);
    let part = |name: &str| text(name).map(str::to_owned);
    let (parts, decoding) = match (text("kty")?, text("crv")) {
        ("EC", Some("P-256"))
            if algorithm == Algorithm::ES256 && coordinate("x") && coordinate("y") =>
        {
            let (x, y) = (part("x")?, part("y")?);
            let key = DecodingKey::from_ec_components(&x, &y).ok()?;
            (vec![x, y], key)
        }
        ("OKP", Some("Ed25519")) if algorithm == Algorithm::EdDSA && coordinate("x") => {
            let x = part("x")?;
            let key = DecodingKey::from_ed_components(&x).ok()?;
            (vec![x], key)
        }
        ("RSA", _) if algorithm == Algorithm::RS256 && RSA_BITS.contains(&bits(&bytes("n")?)) => {
            let (n, e) = (part("n")?, part("e")?);
            let key = DecodingKey::from_rsa_components(&n, &e).ok()?;
            (vec![n, e], key)
        }
        _ => return None,
    };
    Some(Key { parts, decoding: Arc::new(decoding) })
}

/// How many bits a big-endian number has.
fn bits(number: &[u8]) -> usize {
    let digits = number.iter().position(|byte| *byte != 0).and_then(|at| number.get(at..));
    match digits {
        Some([first, rest @ ..]) => {
            rest.len() * 8 + usize::try_from(8 - first.leading_zeros()).unwrap_or(8)
        }
        Some([]) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn n(bits: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0x80; bits / 8])
    }

    #[test]
    fn only_fitting_public_keys_for_signatures_are_kept() {
        let c = URL_SAFE_NO_PAD.encode([7; 32]);
        let short = URL_SAFE_NO_PAD.encode([7; 31]);
        let ec = |over: Value| merged(json!({"kty": "EC", "crv": "P-256", "x": c, "y": c}), over);
        let rsa = |over: Value| merged(json!({"kty": "RSA", "n": n(2048), "e": "AQAB"}), over);
        let ed = |over: Value| merged(json!({"kty": "OKP", "crv": "Ed25519", "x": c}), over);
        let (es256, rs256, eddsa) = (Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA);
        for (jwk, algorithm, kept) in [
            (ec(json!({})), es256, true),
            (ec(json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]})), es256, true),
            (ec(json!({})), rs256, false),
            (ec(json!({})), Algorithm::ES384, false),
            (ec(json!({"crv": "P-384"})), es256, false),
            (ec(json!({"x": short})), es256, false),
            (ec(json!({"y": null})), es256, false),
            (ec(json!({"x": "+/=="})), es256, false),
            (ec(json!({"use": "enc"})), es256, false),
            (ec(json!({"use": 7})), es256, false),
            (ec(json!({"key_ops": ["deriveKey"]})), es256, false),
            (ec(json!({"alg": "ES384"})), es256, false),
            (ec(json!({"d": c})), es256, false),
            (json!({"kty": "oct", "k": c}), es256, false),
            (json!({"kty": "oct", "k": c, "alg": "HS256"}), Algorithm::HS256, false),
            (json!({"kty": "future", "x": c}), es256, false),
            (rsa(json!({})), rs256, true),
            (rsa(json!({})), Algorithm::PS256, false),
            (rsa(json!({"alg": "PS256"})), rs256, false),
            (rsa(json!({"n": n(1024)})), rs256, false),
            (rsa(json!({"n": n(2040)})), rs256, false),
            (rsa(json!({"n": n(16_384)})), rs256, false),
            (
                rsa(json!({"n": URL_SAFE_NO_PAD.encode([[0; 128], [0x80; 128]].concat())})),
                rs256,
                false,
            ),
            (rsa(json!({"e": null})), rs256, false),
            (ed(json!({})), eddsa, true),
            (ed(json!({"alg": "Ed25519"})), eddsa, true),
            (ed(json!({"crv": "Ed448"})), eddsa, false),
            (ed(json!({})), es256, false),
        ] {
            let set = json!({"keys": [merged(jwk.clone(), json!({"kid": "one"}))]}).to_string();
            let found = parse(set.as_bytes(), algorithm).unwrap();
            assert_eq!(found.contains_key("one"), kept, "{algorithm:?} {jwk}");
            let nameless = json!({"keys": [jwk]}).to_string();
            assert!(parse(nameless.as_bytes(), algorithm).unwrap().is_empty(), "{jwk}");
        }
    }

    fn merged(mut base: Value, over: Value) -> Value {
        for (name, value) in over.as_object().unwrap() {
            base[name] = value.clone();
        }
        base
    }

    #[test]
    fn sets_that_are_refused_whole() {
        let oct = |kid: String| json!({"kty": "oct", "k": "AAAA", "kid": kid});
        let many = |count| (0..count).map(|n| oct(n.to_string())).collect::<Vec<_>>();
        let check = |text: &str| parse(text.as_bytes(), Algorithm::ES256).is_ok();
        assert!(check(&json!({"keys": many(64)}).to_string()));
        assert!(check(&json!({"keys": [], "more": 1}).to_string()));
        for text in [
            json!({"keys": many(65)}).to_string(),
            // One name for two keys, even where neither would be kept.
            json!({"keys": [oct("x".to_owned()), oct("x".to_owned())]}).to_string(),
            "{}".to_owned(),
            r#"{"keys":[],"keys":[]}"#.to_owned(),
            r#"{"keys":{}}"#.to_owned(),
            r#"{"keys":["x"]}"#.to_owned(),
            "<html><body>sign in</body></html>".to_owned(),
            String::new(),
            format!("{}{}", json!({"keys": []}), " ".repeat(KEY_SET_LEN_MAX)),
            format!("{}[", json!({"keys": []})),
        ] {
            assert!(!check(&text), "{text:.60}");
        }
    }
}
