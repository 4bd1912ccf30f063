//! Who is calling: token text -> [`Caller`]. Agency, role and person come from here and nowhere else.

pub mod issuer;
mod keys;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;
use jiff::Timestamp;
use moka::sync::Cache;

use crate::clock::SharedClock;
use crate::domain::{AgencyId, PersonId, RoleId};
use crate::limits::{TOKEN_CACHE_MAX, TOKEN_LEN_MAX};
use keys::KeySet;

/// What a caller may do at the hub besides asking in a role.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum HubFunction {
    /// Publishes the agency's records.
    Publisher,
    /// Registers residents and links local ids.
    Registrar,
    /// Reads the audit log.
    Auditor,
    /// Runs the hub.
    Operator,
}

impl HubFunction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Publisher, Self::Registrar, Self::Auditor, Self::Operator];

    /// The word in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Registrar => "registrar",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

/// A caller whose token was verified. Made only here.
#[derive(Clone)]
pub struct Caller {
    agency: AgencyId,
    role: Option<RoleId>,
    person: PersonId,
    principal: [u8; 16],
    functions: BTreeSet<HubFunction>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("agency", &self.agency).field("role", &self.role).finish()
    }
}

impl Caller {
    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }
    /// The acting role.
    #[must_use]
    pub const fn role(&self) -> Option<&RoleId> {
        self.role.as_ref()
    }
    /// The person.
    #[must_use]
    pub const fn person(&self) -> &PersonId {
        &self.person
    }
    /// Opaque id of the person: the first bytes of a hash of issuer and subject.
    #[must_use]
    pub const fn principal(&self) -> [u8; 16] {
        self.principal
    }
    /// What they may do at the hub.
    #[must_use]
    pub const fn functions(&self) -> &BTreeSet<HubFunction> {
        &self.functions
    }
}

/// One identity provider, bound to one agency.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The `iss` of its tokens, compared byte for byte.
    pub issuer: String,
    /// The agency all of its people belong to.
    pub agency: AgencyId,
    /// The `aud` that tokens for this hub carry.
    pub audience: String,
    /// The one algorithm: ES256, EdDSA or RS256.
    pub algorithm: jsonwebtoken::Algorithm,
    /// Its public keys, a JWKS file.
    pub jwks_file: PathBuf,
    /// The claim that names roles: a text or a list of texts.
    pub role_claim: String,
    /// From a value of the claim to a role of the rule book.
    pub roles: BTreeMap<String, RoleId>,
    /// From a value of the claim to a function at the hub.
    pub functions: BTreeMap<String, HubFunction>,
}

macro_rules! auth_errors {
    ($($(#[$doc:meta])* $variant:ident = $reason:literal, $text:literal, $fix:literal;)*) => {
        /// Why a token is not accepted. Never repeats the token.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        pub enum AuthError { $($(#[$doc])* #[error($text)] $variant,)* }

        impl AuthError {
            /// All of them, for the published list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for machines.
            #[must_use]
            pub const fn reason(&self) -> &'static str {
                match self { $(Self::$variant => $reason),* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn fix(&self) -> &'static str {
                match self { $(Self::$variant => $fix),* }
            }
        }
    };
}

auth_errors! {
    /// No authorization header.
    Missing = "TOKEN_MISSING", "the call carries no bearer token",
        "send one authorization header: Bearer and an access token";
    /// More than one.
    Twice = "TOKEN_TWICE", "the call carries two authorization headers",
        "send exactly one authorization header";
    /// No token of the expected shape.
    Malformed = "TOKEN_MALFORMED", "the token is malformed",
        "send a signed RFC 9068 access token with iss, sub, aud, exp, nbf, iat and jti";
    /// Past its end.
    Expired = "TOKEN_EXPIRED", "the token has expired", "sign on again";
    /// Before its beginning.
    NotYetValid = "TOKEN_NOT_YET_VALID", "the token is not yet valid",
        "check the clock of the identity provider";
    /// Good for too long.
    TooLong = "TOKEN_TOO_LONG", "the token is valid for longer than the hub allows",
        "have the identity provider issue tokens of at most 15 minutes";
    /// Not on the list.
    IssuerUnknown = "ISSUER_UNKNOWN", "the token's issuer is not known to this hub",
        "ask the hub's operator to enter your identity provider";
    /// For somebody else.
    AudienceWrong = "AUDIENCE_WRONG", "the token is not for this hub",
        "ask the identity provider for a token for this hub's audience";
    /// Not the algorithm that is pinned.
    AlgorithmWrong = "ALGORITHM_WRONG", "the token is not signed with the algorithm agreed",
        "sign with the algorithm that the hub's operator has entered";
    /// No such key.
    KeyUnknown = "KEY_UNKNOWN", "the token names a key that the hub does not know",
        "publish the key in the identity provider's key set";
    /// Does not verify.
    SignatureWrong = "SIGNATURE_WRONG", "the token's signature does not verify", "sign on again";
    /// No role and no function.
    RoleMissing = "ROLE_MISSING", "the token carries no role that this hub knows",
        "ask your agency's administrator for a role";
    /// More than one acting role.
    RoleAmbiguous = "ROLE_AMBIGUOUS", "the token carries more than one acting role",
        "ask for a token with the one role in which you act";
    /// The keys cannot be had.
    KeysUnavailable = "KEYS_UNAVAILABLE", "the identity provider's keys cannot be read",
        "try again; if it lasts, tell the hub's operator";
}

/// Why a list of issuers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Two entries for one issuer.
    #[error("issuer {0} is entered twice")]
    Twice(String),
    /// Its keys cannot be read.
    #[error("the keys of issuer {issuer} cannot be used: {why}")]
    Keys {
        /// Which.
        issuer: String,
        /// Why.
        why: String,
    },
}

struct Known {
    caller: Arc<Caller>,
    expires: Timestamp,
    /// The key set's generation: a rotation forgets what the old keys had verified.
    generation: u64,
}

/// Verifies tokens of a closed list of issuers.
pub struct Authenticator {
    issuers: BTreeMap<String, (Issuer, KeySet)>,
    clock: SharedClock,
    known: Cache<[u8; 32], Arc<Known>>,
}

impl Authenticator {
    /// Reads the issuers' keys.
    ///
    /// # Errors
    /// When an issuer stands twice or its keys cannot be used.
    pub fn new(issuers: Vec<Issuer>, clock: SharedClock) -> Result<Self, IssuerError> {
        let mut known = BTreeMap::new();
        for issuer in issuers {
            let keys = KeySet::open(&issuer.jwks_file, issuer.algorithm)
                .map_err(|why| IssuerError::Keys { issuer: issuer.issuer.clone(), why })?;
            let name = issuer.issuer.clone();
            if known.insert(name.clone(), (issuer, keys)).is_some() {
                return Err(IssuerError::Twice(name));
            }
        }
        Ok(Self { issuers: known, clock, known: Cache::new(TOKEN_CACHE_MAX) })
    }

    /// The caller behind a token. A token that was verified is remembered until it expires.
    ///
    /// # Errors
    /// When the token is not accepted.
    #[expect(clippy::unused_async, reason = "keys by URL are fetched here")]
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Caller>, AuthError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(AuthError::Malformed);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let now = self.clock.now();
        if let Some(known) = self.known.get(&hash)
            && now < known.expires
            && self.generation_of(&known.caller) == Some(known.generation)
        {
            return Ok(Arc::clone(&known.caller));
        }
        let header = token::header(token)?;
        let (issuer, keys) =
            self.issuers.get(&token::unverified_issuer(token)?).ok_or(AuthError::IssuerUnknown)?;
        let (key, generation) = keys.find(&header)?;
        let (caller, expires) = token::verify(token, issuer, &key, now)?;
        let caller = Arc::new(caller);
        let entry = Known { caller: Arc::clone(&caller), expires, generation };
        self.known.insert(hash, Arc::new(entry));
        Ok(caller)
    }

    fn generation_of(&self, caller: &Caller) -> Option<u64> {
        self.issuers
            .values()
            .find(|(issuer, _)| issuer.agency == caller.agency)
            .map(|(_, keys)| keys.generation())
    }
}

#[cfg(test)]
mod tests;
