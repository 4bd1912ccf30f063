//! Who is calling: token text -> [`Caller`]. Agency, role and person come from here and nowhere else.

mod error;
pub mod issuer;
mod jwks;
mod keys;
mod source;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::digest;
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::task::JoinSet;

use crate::clock::SharedClock;
pub use crate::domain::HubFunction;
use crate::domain::{AgencyId, DecisionId, PersonId, ResidentId, RoleId};
use crate::limits::{TOKEN_CACHE_MAX, TOKEN_LEN_MAX};
pub use error::{AuthError, IssuerError};
pub use keys::KeyPace;
use keys::KeySet;
pub use source::{JwksUrl, JwksUrlError, KeySource};

/// A caller whose token was verified. Made only here.
#[derive(Clone)]
pub struct Caller {
    agency: AgencyId,
    role: Option<RoleId>,
    person: PersonId,
    principal: [u8; 16],
    functions: BTreeSet<HubFunction>,
    bound_to: Option<[u8; 32]>,
    session: Option<ResidentId>,
    speaks_for: Option<DecisionId>,
    request: Option<RequestKey>,
}

/// The id under which a caller makes a call, so that it can be repeated, and what was asked under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey {
    id: uuid::Uuid,
    digest: [u8; 32],
}

impl RequestKey {
    /// A caller's id of a call, and SHA-256 over its message.
    #[must_use]
    pub const fn new(id: uuid::Uuid, digest: [u8; 32]) -> Self {
        Self { id, digest }
    }

    /// The id.
    #[must_use]
    pub const fn id(&self) -> uuid::Uuid {
        self.id
    }

    /// The digest as it is kept.
    #[must_use]
    pub fn digest_text(&self) -> String {
        hex::encode(self.digest)
    }
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
    /// The resident who is logged in at the portal, where the caller is one. Such a caller has no role.
    #[must_use]
    pub const fn session(&self) -> Option<ResidentId> {
        self.session
    }
    /// The proxy on record as whom somebody else is logged in for that resident; `None`: they are themselves.
    /// What the proxy may do is looked up at each call.
    #[must_use]
    pub const fn proxy(&self) -> Option<DecisionId> {
        self.speaks_for
    }
    /// The request id of the call at hand, where it has one.
    #[must_use]
    pub const fn request(&self) -> Option<&RequestKey> {
        self.request.as_ref()
    }
    /// The same caller, making one call under a request id.
    #[must_use]
    pub fn under(&self, request: Option<RequestKey>) -> Self {
        Self { request, ..self.clone() }
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
    /// Where its public keys are.
    pub keys: KeySource,
    /// The claim that names roles: a text or a list of texts.
    pub role_claim: String,
    /// From a value of the claim to a role of the rule book.
    pub roles: BTreeMap<String, RoleId>,
    /// From a value of the claim to a function at the hub.
    pub functions: BTreeMap<String, HubFunction>,
    /// SHA-256 of the client certificates that the agency's systems connect with. Tokens of other issuers
    /// are not accepted over them.
    pub client_certificates: BTreeSet<[u8; 32]>,
    /// Its tokens are only accepted over one of these, or over the certificate that they are bound to.
    pub needs_certificate: bool,
}

struct Known {
    caller: Arc<Caller>,
    issuer: String,
    expires: Timestamp,
    /// The generation of the issuer's keys: a change forgets what the old ones had verified.
    generation: u64,
}

/// Verifies tokens of a closed list of issuers. Keeps their keys fresh until it is dropped.
pub struct Authenticator {
    issuers: BTreeMap<String, (Issuer, Arc<KeySet>)>,
    clock: SharedClock,
    known: Cache<[u8; 32], Arc<Known>>,
    /// Ends with this.
    _keeping: JoinSet<()>,
}

impl Authenticator {
    /// Reads the issuers' key files, and begins to read their URLs: an identity provider that
    /// cannot be reached now only turns away its own people.
    ///
    /// # Errors
    /// When an issuer stands twice, a key file or root certificates cannot be used, or there is no
    /// Tokio runtime.
    pub fn new(issuers: Vec<Issuer>, clock: SharedClock) -> Result<Self, IssuerError> {
        Self::with_pace(issuers, clock, KeyPace::default())
    }

    /// The same at another pace.
    ///
    /// # Errors
    /// As [`Authenticator::new`].
    pub fn with_pace(
        issuers: Vec<Issuer>,
        clock: SharedClock,
        pace: KeyPace,
    ) -> Result<Self, IssuerError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| IssuerError::NoRuntime)?;
        let mut known = BTreeMap::new();
        let mut keeping = JoinSet::new();
        for issuer in issuers {
            let name = issuer.issuer.clone();
            if known.contains_key(&name) {
                return Err(IssuerError::Twice(name));
            }
            let clock = Arc::clone(&clock);
            let keys = KeySet::open(&name, &issuer.keys, issuer.algorithm, pace, clock)
                .map_err(|why| IssuerError::Keys { issuer: name.clone(), why })?;
            let keys = Arc::new(keys);
            keeping.spawn_on(Arc::clone(&keys).keep(), &runtime);
            known.insert(name, (issuer, keys));
        }
        Ok(Self { issuers: known, clock, known: Cache::new(TOKEN_CACHE_MAX), _keeping: keeping })
    }

    /// The caller behind a token. A token that was verified is remembered until it expires or its
    /// issuer's keys change. Waits only for keys that are not there yet, at most for one reading.
    ///
    /// # Errors
    /// When the token is not accepted.
    pub async fn authenticate(
        &self,
        token: &str,
        certificate: Option<&[u8; 32]>,
    ) -> Result<Arc<Caller>, AuthError> {
        let (caller, issuer) = self.proven(token).await?;
        self.check_certificate(&caller, &issuer, certificate)?;
        Ok(caller)
    }

    /// Whoever holds a stolen token holds no certificate of its agency; whoever has a certificate of one
    /// agency has no business with a token of another. Checked on every call, never remembered.
    fn check_certificate(
        &self,
        caller: &Caller,
        issuer: &str,
        certificate: Option<&[u8; 32]>,
    ) -> Result<(), AuthError> {
        if let Some(bound_to) = &caller.bound_to
            && certificate != Some(bound_to)
        {
            return Err(AuthError::BindingWrong);
        }
        let own = self.issuers.get(issuer).map(|(issuer, _)| issuer);
        let is_own = |certificate: &[u8; 32]| {
            own.is_some_and(|own| own.client_certificates.contains(certificate))
        };
        match certificate {
            Some(certificate) if is_own(certificate) => Ok(()),
            Some(certificate) => {
                let of_another = self
                    .issuers
                    .values()
                    .any(|(issuer, _)| issuer.client_certificates.contains(certificate));
                let needed = own.is_none_or(|own| own.needs_certificate);
                if of_another || (needed && caller.bound_to.is_none()) {
                    return Err(AuthError::CertificateWrong);
                }
                Ok(())
            }
            None if own.is_none_or(|own| own.needs_certificate) => {
                Err(AuthError::CertificateMissing)
            }
            None => Ok(()),
        }
    }

    /// The caller of a token and the issuer's name, whatever the connection.
    async fn proven(&self, token: &str) -> Result<(Arc<Caller>, String), AuthError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(AuthError::Malformed);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let now = self.clock.now();
        if let Some(known) = self.known.get(&hash)
            && now < known.expires
            && self
                .issuers
                .get(&known.issuer)
                .is_some_and(|(_, keys)| keys.stands(known.generation, now))
        {
            return Ok((Arc::clone(&known.caller), known.issuer.clone()));
        }
        let header = token::header(token)?;
        let (issuer, keys) =
            self.issuers.get(&token::unverified_issuer(token)?).ok_or(AuthError::IssuerUnknown)?;
        let (key, generation) = keys.find(&header).await?;
        // Some tens of microseconds with every algorithm allowed: no case for another thread.
        let (caller, expires) = token::verify(token, issuer, &key, self.clock.now())?;
        let caller = Arc::new(caller);
        let entry = Known {
            caller: Arc::clone(&caller),
            issuer: issuer.issuer.clone(),
            expires,
            generation,
        };
        self.known.insert(hash, Arc::new(entry));
        Ok((caller, issuer.issuer.clone()))
    }
}

#[cfg(test)]
mod tests;
