//! A development issuer, for trying things out: makes a key and signs tokens. A production
//! configuration refuses it by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use uuid::Uuid;

use super::{HubFunction, Issuer, KeySource};
use crate::domain::{AgencyId, DecisionId, ResidentId, RoleId};

/// Issuers whose name begins so are for development only.
pub const DEVELOPMENT: &str = "urn:weir:development:";
/// The audience of development tokens.
pub const AUDIENCE: &str = "urn:weir:hub";
const KID: &str = "development";

/// What cannot be done with a development issuer's files.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The key cannot be made or used.
    #[error("the key cannot be made or used")]
    Key,
}

/// One development issuer for each agency, all with the key set in `dir`; every role under its own name,
/// every function as `hub-` and its own.
#[must_use]
pub fn issuers<'a>(
    agencies: impl Iterator<Item = &'a AgencyId>,
    roles: impl Iterator<Item = &'a RoleId>,
    dir: &Path,
) -> Vec<Issuer> {
    let roles: BTreeMap<String, RoleId> =
        roles.map(|role| (role.as_str().to_owned(), role.clone())).collect();
    agencies
        .map(|agency| Issuer {
            issuer: format!("{DEVELOPMENT}{agency}"),
            agency: agency.clone(),
            audience: AUDIENCE.to_owned(),
            algorithm: Algorithm::ES256,
            keys: KeySource::File(dir.join("jwks.json")),
            role_claim: "roles".to_owned(),
            roles: roles.clone(),
            functions: HubFunction::ALL.map(|f| (format!("hub-{}", f.as_str()), f)).into(),
            client_certificates: BTreeSet::new(),
            needs_certificate: false,
        })
        .collect()
}

/// A key that signs tokens for every agency of a sample place.
pub struct DevelopmentIssuer {
    key: EncodingKey,
}

/// Whom a token is for.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The agency.
    pub agency: &'a str,
    /// The person.
    pub person: &'a str,
    /// The acting role and functions.
    pub roles: &'a [&'a str],
}

impl DevelopmentIssuer {
    /// Opens the issuer in `dir`, or makes one there: `issuer.pk8` (its owner's alone) and
    /// `jwks.json`.
    ///
    /// # Errors
    /// When the files cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self, DevelopmentError> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = dir.join("issuer.pk8");
        if !path.exists() {
            std::fs::create_dir_all(dir)?;
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .map_err(|_| DevelopmentError::Key)?;
            let pk8 = pair.to_pkcs8v1().map_err(|_| DevelopmentError::Key)?;
            let mut file =
                std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            std::io::Write::write_all(&mut file, pk8.as_ref())?;
            std::fs::write(dir.join("jwks.json"), jwks(pair.public_key().as_ref())?)?;
        }
        let pk8 = std::fs::read(&path)?;
        // Read once with the library that made it: a damaged key is found here, not at first use.
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pk8)
            .map_err(|_| DevelopmentError::Key)?;
        Ok(Self { key: EncodingKey::from_ec_der(&pk8) })
    }

    /// Signs a token that is good for `minutes` from `now`.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn token(
        &self,
        person: Person<'_>,
        now: Timestamp,
        minutes: i64,
    ) -> Result<String, DevelopmentError> {
        self.signed(person, None, "self", now, minutes)
    }

    /// As [`DevelopmentIssuer::token`], for a portal at which a resident is logged in.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn session(
        &self,
        portal: Person<'_>,
        resident: ResidentId,
        now: Timestamp,
        minutes: i64,
    ) -> Result<String, DevelopmentError> {
        self.signed(portal, Some(resident), "self", now, minutes)
    }

    /// As [`DevelopmentIssuer::session`], for somebody who is logged in as a proxy of the resident.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn proxy_session(
        &self,
        portal: Person<'_>,
        resident: ResidentId,
        proxy: DecisionId,
        now: Timestamp,
        minutes: i64,
    ) -> Result<String, DevelopmentError> {
        self.signed(portal, Some(resident), &proxy.to_string(), now, minutes)
    }

    fn signed(
        &self,
        person: Person<'_>,
        resident: Option<ResidentId>,
        by: &str,
        now: Timestamp,
        minutes: i64,
    ) -> Result<String, DevelopmentError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(KID.to_owned());
        let mut claims = json!({
            "iss": format!("{DEVELOPMENT}{}", person.agency),
            "sub": person.person,
            "aud": AUDIENCE,
            "client_id": "weir",
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": now.as_second() + minutes * 60,
            "jti": Uuid::new_v4().to_string(),
            "roles": person.roles,
        });
        if let (Some(resident), Some(claims)) = (resident, claims.as_object_mut()) {
            claims.insert("resident".to_owned(), json!(resident.uuid().to_string()));
            claims.insert("resident_by".to_owned(), json!(by));
        }
        encode(&header, &claims, &self.key).map_err(|_| DevelopmentError::Key)
    }
}

fn jwks(public: &[u8]) -> Result<String, DevelopmentError> {
    // An uncompressed point: 0x04, x, y.
    let (Some(x), Some(y)) = (public.get(1..33), public.get(33..65)) else {
        return Err(DevelopmentError::Key);
    };
    let key = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KID,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    Ok(json!({ "keys": [key] }).to_string())
}
