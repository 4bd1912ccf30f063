//! One token: its header, its claims, its signature. The library's defaults are lax; what is not
//! checked here is not checked.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{DecodingKey, Header, Validation, decode, decode_header};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{AuthError, Caller, HubFunction, Issuer};
use crate::domain::{DecisionId, PersonId, ResidentId, RoleId};
use crate::limits;

/// Clocks of identity providers may differ by this much.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Parameters of a header that bring keys of their own, or ask for more than a plain verification.
const UNWANTED: [&str; 9] = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "enc", "zip", "cty"];
/// Longest life of a token.
const LIFE_MAX: SignedDuration = SignedDuration::from_mins(15);

/// The header, if it asks for nothing but a plain verification with a known key.
pub(super) fn header(token: &str) -> Result<Header, AuthError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !token.bytes().all(plain) || token.split('.').count() != 3 {
        return Err(AuthError::Malformed);
    }
    let header = decode_header(token).map_err(|_| AuthError::Malformed)?;
    let typed = header.typ.as_deref().is_some_and(|typ| {
        typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
    });
    let named = header
        .kid
        .as_deref()
        .is_some_and(|kid| !kid.is_empty() && kid.len() <= limits::KEY_NAME_LEN_MAX);
    let Object(parameters) = part(token, 0)?;
    let bare = !UNWANTED.iter().any(|name| parameters.contains_key(*name));
    if typed && named && bare { Ok(header) } else { Err(AuthError::Malformed) }
}

/// The issuer that a token claims: tells whose keys to try, and nothing more.
pub(super) fn unverified_issuer(token: &str) -> Result<String, AuthError> {
    let Object(claims) = part(token, 1)?;
    text(&claims, "iss").map(str::to_owned)
}

/// An object that names nothing twice: two readers must not read two things.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object that names nothing twice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a name stands twice"));
                    }
                }
                Ok(Object(object))
            }
        }
        from.deserialize_map(Members)
    }
}

/// The header (0) or the claims (1).
fn part(token: &str, at: usize) -> Result<Object, AuthError> {
    let part = token.split('.').nth(at).ok_or(AuthError::Malformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| AuthError::Malformed)
}

/// Verifies signature, time, audience and roles; gives the caller and when the token ends.
pub(super) fn verify(
    token: &str,
    issuer: &Issuer,
    key: &DecodingKey,
    now: Timestamp,
) -> Result<(Caller, Timestamp), AuthError> {
    let mut validation = Validation::new(issuer.algorithm);
    // Time is checked below, against the hub's own clock; issuer and audience are compared there
    // byte for byte.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let Object(claims) =
        decode::<Object>(token, key, &validation).map_err(|_| AuthError::SignatureWrong)?.claims;
    if text(&claims, "iss")? != issuer.issuer {
        return Err(AuthError::IssuerUnknown);
    }
    audience(&claims, &issuer.audience)?;
    let expires = times(&claims, now)?;
    if text(&claims, "jti")?.is_empty() {
        return Err(AuthError::Malformed);
    }
    let subject = text(&claims, "sub")?;
    let person: PersonId = subject.parse().map_err(|_| AuthError::Malformed)?;
    let (role, functions) = roles(&claims, issuer)?;
    let principal = principal(&issuer.issuer, subject);
    let agency = issuer.agency.clone();
    let bound_to = binding(&claims)?;
    let (session, speaks_for) = match session(&claims, role.as_ref(), &functions)? {
        Some((resident, proxy)) => (Some(resident), proxy),
        None => (None, None),
    };
    let caller = Caller {
        agency,
        role,
        person,
        principal,
        functions,
        bound_to,
        session,
        speaks_for,
        request: None,
    };
    Ok((caller, expires))
}

/// The resident whom a portal acts for. The claim `resident` and the function stand together or not at
/// all, with nothing beside them: who acts for one resident must not ask about another. The claim
/// `resident_by` is `self`, or the id of a proxy on record: what that one may do is looked up at each call.
fn session(
    claims: &Map<String, Value>,
    role: Option<&RoleId>,
    functions: &BTreeSet<HubFunction>,
) -> Result<Option<(ResidentId, Option<DecisionId>)>, AuthError> {
    let portal = functions.contains(&HubFunction::ResidentPortal);
    let named = ["resident", "resident_by"].iter().any(|name| claims.contains_key(*name));
    if !portal {
        return if named { Err(AuthError::Malformed) } else { Ok(None) };
    }
    let alone = role.is_none() && functions.len() == 1;
    if !alone {
        return Err(AuthError::Malformed);
    }
    let proxy = match text(claims, "resident_by")? {
        "self" => None,
        id if id.len() == 36 => Some(id.parse().map_err(|_| AuthError::Malformed)?),
        _ => return Err(AuthError::Malformed),
    };
    let resident: ResidentId =
        text(claims, "resident")?.parse().map_err(|_| AuthError::Malformed)?;
    if resident.uuid().is_nil() {
        return Err(AuthError::Malformed);
    }
    Ok(Some((resident, proxy)))
}

/// The certificate that the token is bound to (RFC 8705 section 3.1).
fn binding(claims: &Map<String, Value>) -> Result<Option<[u8; 32]>, AuthError> {
    let Some(confirmation) = claims.get("cnf") else {
        return Ok(None);
    };
    // Another way of binding is one that nobody here would check.
    let only = confirmation.as_object().filter(|all| all.len() == 1);
    let thumbprint = only.and_then(|all| all.get("x5t#S256")).and_then(Value::as_str);
    let bytes = thumbprint.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(AuthError::Malformed)?;
    Ok(Some(bytes))
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, AuthError> {
    claims.get(name).and_then(Value::as_str).ok_or(AuthError::Malformed)
}

fn audience(claims: &Map<String, Value>, wanted: &str) -> Result<(), AuthError> {
    let found = match claims.get("aud") {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            all.iter().any(|one| one.as_str() == Some(wanted))
        }
        Some(_) | None => return Err(AuthError::Malformed),
    };
    if found { Ok(()) } else { Err(AuthError::AudienceWrong) }
}

fn times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, AuthError> {
    let time = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_i64)
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .ok_or(AuthError::Malformed)
    };
    let (exp, nbf, iat) = (time("exp")?, time("nbf")?, time("iat")?);
    let end = exp.checked_add(LEEWAY).map_err(|_| AuthError::TooLong)?;
    if now >= end {
        return Err(AuthError::Expired);
    }
    let soon = now.checked_add(LEEWAY).map_err(|_| AuthError::Malformed)?;
    if nbf > soon || iat > soon {
        return Err(AuthError::NotYetValid);
    }
    if exp <= iat {
        return Err(AuthError::Malformed);
    }
    if exp.duration_since(iat) > LIFE_MAX {
        return Err(AuthError::TooLong);
    }
    Ok(exp)
}

fn roles(
    claims: &Map<String, Value>,
    issuer: &Issuer,
) -> Result<(Option<RoleId>, BTreeSet<HubFunction>), AuthError> {
    let named: Vec<&str> = match claims.get(&issuer.role_claim) {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => return Err(AuthError::RoleMissing),
    };
    let mut acting: Vec<&RoleId> =
        named.iter().filter_map(|name| issuer.roles.get(*name)).collect();
    acting.sort();
    acting.dedup();
    let functions = named
        .iter()
        .filter_map(|name| issuer.functions.get(*name))
        .copied()
        .collect::<BTreeSet<_>>();
    match acting.as_slice() {
        [] if functions.is_empty() => Err(AuthError::RoleMissing),
        [] => Ok((None, functions)),
        [one] => Ok((Some((*one).clone()), functions)),
        [_, _, ..] => Err(AuthError::RoleAmbiguous),
    }
}

fn principal(issuer: &str, subject: &str) -> [u8; 16] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(issuer.as_bytes());
    context.update(&[0]);
    context.update(subject.as_bytes());
    let digest = context.finish();
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}
