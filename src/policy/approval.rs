//! Who must approve a change of the policy, and whether they have. What is trusted comes from the hub's own
//! configuration: nothing in the folder can make somebody an approver.

mod bundle;
mod change;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use jiff::Timestamp;

use super::load::Files;
pub use bundle::{Advice, Bundle, FOLDER, Signature, file_digests, signature_file};
pub use change::{Change, Class, STATUS, SUSPENDED, Side, between};

/// A key that may approve, whose it is and in which roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The person; two keys of one name are one person's.
    pub name: String,
    /// The Ed25519 public key.
    pub public: [u8; 32],
    /// The roles that the person approves in.
    pub roles: BTreeSet<String>,
}

/// Whom the hub trusts to approve, and whether anything may come into force without them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Nothing comes into force unapproved.
    pub required: bool,
    /// The keys.
    pub keys: Vec<TrustedKey>,
}

/// What is in force, for a candidate to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Before {
    /// The highest number that ever was in force; 0: none was.
    pub number: u64,
    /// The content that was in force last.
    pub hash: Option<[u8; 32]>,
}

/// An approval that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The number that the policy will have.
    pub number: u64,
    /// Who approved it, in order of name.
    pub by: Vec<String>,
    /// Who wrote it.
    pub author: String,
    /// From when on it may be in force.
    pub not_before: Option<Timestamp>,
}

/// Why a folder is not approved; each says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unapproved {
    /// `A01` and so on.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Unapproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

fn no<T>(code: &'static str, message: impl Into<String>) -> Result<T, Unapproved> {
    Err(Unapproved { code, message: message.into() })
}

/// A name as it is compared: case and white space do not make another person.
#[must_use]
pub fn person(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether two names may be one person's: the same, or the same family name and first letter. A change that
/// widens needs people of whom nobody can say so.
#[must_use]
pub fn may_be_one_person(one: &str, other: &str) -> bool {
    let (one, other) = (person(one), person(other));
    let last = |name: &str| name.rsplit(' ').next().map(str::to_owned);
    one == other || (last(&one) == last(&other) && one.chars().next() == other.chars().next())
}

impl Trust {
    /// Whether the folder `files` is approved to follow what was in force `before`, given what it
    /// changes.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn approves(
        &self,
        files: &Files,
        before: Before,
        change: &Change,
    ) -> Result<Approved, Unapproved> {
        let bundle = bundle::read(files)?;
        bundle.fits(files)?;
        if bundle.version <= before.number {
            return no(
                "A08",
                format!(
                    "approvals/bundle.toml: version {} is not higher than {}, which was in force \
                     already. An approval counts once: approve anew.",
                    bundle.version, before.number
                ),
            );
        }
        if bundle.previous != before.hash {
            let was = before.hash.map_or_else(|| "nothing".to_owned(), hex::encode);
            return no(
                "A09",
                format!(
                    "approvals/bundle.toml: it was approved to follow another policy than the one in \
                     force ({was}). Compare with that one and approve anew."
                ),
            );
        }
        if bundle.class < change.class {
            return no(
                "A10",
                format!(
                    "approvals/bundle.toml: it says {}, but the change is {}. Approve anew.",
                    bundle.class, change.class
                ),
            );
        }
        bundle.knows(change)?;
        let by = self.counted(files, &bundle, change)?;
        if by.len() < change.people {
            return no(
                "A05",
                format!(
                    "a change that is {} needs {}; {} approved it{}",
                    change.class,
                    change.needs(),
                    by.len(),
                    named(by.keys().map(String::as_str)),
                ),
            );
        }
        let roles: BTreeSet<&str> = by.values().flat_map(|key| key.roles()).collect();
        let missing: Vec<&str> =
            change.roles.iter().map(String::as_str).filter(|r| !roles.contains(r)).collect();
        if !missing.is_empty() {
            return no(
                "A07",
                format!(
                    "what the change touches needs an approver in the role{}",
                    named(missing.into_iter())
                ),
            );
        }
        Ok(Approved {
            number: bundle.version,
            by: by.into_values().map(|key| key.name.clone()).collect(),
            author: bundle.author,
            not_before: bundle.not_before,
        })
    }

    /// The people whose approval counts, each once. Every signature must be sound: one that is not
    /// says that something is wrong, whoever else signed.
    fn counted<'a>(
        &'a self,
        files: &Files,
        bundle: &Bundle,
        change: &Change,
    ) -> Result<BTreeMap<String, &'a TrustedKey>, Unapproved> {
        let mut counted = BTreeMap::new();
        let message = bundle::message(files);
        for (file, signature) in bundle::signatures(files)? {
            let key = self.keys.iter().find(|key| key.public == signature.key);
            let Some(key) = key else {
                return no(
                    "A03",
                    format!(
                        "{file}: the key is none of [[policy.key]] in the hub's configuration. Only \
                         the operator can enter a key, and never in this folder."
                    ),
                );
            };
            let public = UnparsedPublicKey::new(&ED25519, key.public);
            if public.verify(&message, &signature.bytes).is_err() {
                return no(
                    "A04",
                    format!("{file}: the signature is not of this bundle. Approve anew."),
                );
            }
            if person(&key.name) != person(&signature.name) {
                return no(
                    "A04",
                    format!("{file}: it names another person than the one whose key it is."),
                );
            }
            let may_be_its_author = may_be_one_person(&key.name, &bundle.author);
            if change.class == Class::Widening && may_be_its_author {
                return no(
                    "A06",
                    format!(
                        "{file}: the author may not approve a change that widens. Another person \
                         must."
                    ),
                );
            }
            counted.insert(person(&key.name), key);
        }
        if counted.is_empty() {
            return no("A02", "approvals/: nobody has signed. Run `weir policy approve`.");
        }
        Ok(counted)
    }
}

impl TrustedKey {
    fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(String::as_str)
    }
}

fn named<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}
