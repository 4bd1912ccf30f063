//! Why a caller is not proven, and why a list of issuers cannot be used.

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
        "the calling system sends one authorization header: Bearer and an access token";
    /// More than one.
    Twice = "TOKEN_TWICE", "the call carries two authorization headers",
        "the calling system sends exactly one authorization header";
    /// No token of the expected shape.
    Malformed = "TOKEN_MALFORMED", "the token is malformed",
        "the identity provider issues a signed RFC 9068 access token with iss, sub, aud, exp, \
         nbf, iat and jti, and the calling system sends it unchanged";
    /// Past its end.
    Expired = "TOKEN_EXPIRED", "the token has expired",
        "the calling system gets a fresh token; if that is refused too, the identity provider's \
         clock is wrong";
    /// Before its beginning.
    NotYetValid = "TOKEN_NOT_YET_VALID", "the token is not yet valid",
        "the identity provider's administrator checks its clock";
    /// Good for too long.
    TooLong = "TOKEN_TOO_LONG", "the token is valid for longer than the hub allows",
        "the identity provider's administrator has it issue tokens of at most 15 minutes";
    /// Not on the list.
    IssuerUnknown = "ISSUER_UNKNOWN", "the token's issuer is not known to this hub",
        "the hub's operator enters the agency's identity provider, if the hub's board agrees";
    /// For somebody else.
    AudienceWrong = "AUDIENCE_WRONG", "the token is not for this hub",
        "the calling system asks its identity provider for a token for this hub's audience";
    /// Not the algorithm that is pinned.
    AlgorithmWrong = "ALGORITHM_WRONG", "the token is not signed with the algorithm agreed",
        "the identity provider's administrator has it sign with the algorithm that the hub's \
         operator has entered";
    /// No such key.
    KeyUnknown = "KEY_UNKNOWN", "the token names a key that the hub does not know",
        "the calling system tries again after half a minute with a fresh token; if it lasts, the \
         identity provider's administrator publishes the key";
    /// Does not verify.
    SignatureWrong = "SIGNATURE_WRONG", "the token's signature does not verify",
        "the calling system gets a fresh token and sends it unchanged; if it lasts, the identity \
         provider's administrator checks the published keys";
    /// No role and no function.
    RoleMissing = "ROLE_MISSING", "the token carries no role that this hub knows",
        "the agency's administrator gives the person a role that is entered at the hub";
    /// More than one acting role.
    RoleAmbiguous = "ROLE_AMBIGUOUS", "the token carries more than one acting role",
        "the calling system asks for a token with the one role in which the person acts";
    /// No certificate where one is needed.
    CertificateMissing = "CERTIFICATE_MISSING", "the token needs a client certificate on the connection",
        "the calling system connects with the client certificate that its agency has for this hub";
    /// A certificate of somebody else.
    CertificateWrong = "CERTIFICATE_WRONG", "the client certificate is not one of the token's agency",
        "the calling system connects with its own agency's certificate, or the hub's operator enters it";
    /// Bound to another certificate.
    BindingWrong = "BINDING_WRONG", "the token is bound to another client certificate",
        "the calling system uses the token on the connection with the certificate that it was issued for";
    /// The keys cannot be had.
    KeysUnavailable = "KEYS_UNAVAILABLE", "the identity provider's keys cannot be read",
        "the calling system tries again with growing pauses; if it lasts, the hub's operator and \
         the identity provider's administrator find out why";
    /// The keys could not be had for too long to believe those that are held.
    KeysTooOld = "KEYS_TOO_OLD", "the identity provider's keys could not be read for too long",
        "the hub's operator and the identity provider's administrator see to it that the hub can \
         read the keys; what is wrong is in the hub's log";
}

/// Why a list of issuers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Keys are kept fresh by tasks.
    #[error("issuers' keys can only be kept where a runtime is")]
    NoRuntime,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Reasons are part of the contract: one that changes breaks clients.
    const REASONS: [&str; 18] = [
        "TOKEN_MISSING",
        "TOKEN_TWICE",
        "TOKEN_MALFORMED",
        "TOKEN_EXPIRED",
        "TOKEN_NOT_YET_VALID",
        "TOKEN_TOO_LONG",
        "ISSUER_UNKNOWN",
        "AUDIENCE_WRONG",
        "ALGORITHM_WRONG",
        "KEY_UNKNOWN",
        "SIGNATURE_WRONG",
        "ROLE_MISSING",
        "ROLE_AMBIGUOUS",
        "CERTIFICATE_MISSING",
        "CERTIFICATE_WRONG",
        "BINDING_WRONG",
        "KEYS_UNAVAILABLE",
        "KEYS_TOO_OLD",
    ];

    #[test]
    fn every_reason_is_stable_and_names_who_mends_it() {
        let reasons: Vec<&str> = AuthError::ALL.iter().map(AuthError::reason).collect();
        assert_eq!(reasons, REASONS);
        let who = [
            "the calling system ",
            "the identity provider ",
            "the identity provider's administrator ",
            "the agency's administrator ",
            "the hub's operator ",
        ];
        let mut texts = BTreeSet::new();
        for error in AuthError::ALL {
            let fix = error.fix();
            assert!(who.iter().any(|who| fix.starts_with(who)), "{}: {fix}", error.reason());
            assert!(texts.insert(error.to_string()), "{error} stands twice");
        }
    }
}
