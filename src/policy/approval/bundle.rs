//! `approvals/bundle.toml`, what is signed, and the signatures beside it.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Change, Class, Unapproved, no};
use crate::policy::load::{Files, content};

/// Where approvals stand in a policy folder.
pub const FOLDER: &str = "approvals/";
const FILE: &str = "approvals/bundle.toml";
/// Ends the name of a signature's file.
const ENDING: &str = ".sig";
/// What a signature is over begins with this: it can be taken for nothing else.
const DOMAIN: &[u8] = b"weir/policy/bundle/1\n";

/// What is approved: which content, to follow what, from when on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The number that the policy will have; higher than every one before.
    pub version: u64,
    /// The content that is in force when it is approved; `None`: there was none.
    pub previous: Option<[u8; 32]>,
    /// From when on it may be in force.
    pub not_before: Option<Timestamp>,
    /// Who wrote it.
    pub author: String,
    /// What its approvers took it for.
    pub class: Class,
    /// How many combinations its approvers saw newly allowed; `None`: it could not be counted.
    pub newly_allowed: Option<u128>,
    /// Codes of the warnings that they know of.
    pub acknowledged: BTreeSet<String>,
    /// What the data protection officer advised.
    pub advice: Option<Advice>,
    /// SHA-256 of every file.
    pub files: BTreeMap<String, String>,
}

/// What the data protection officer advised about a change: they advise and do not decide, and advice that is
/// not followed has its reason (UK GDPR Articles 35(2), 38 and 39).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    /// Whose advice.
    pub by: String,
    /// The advice.
    pub text: String,
    /// Why it is not followed; `None`: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_followed: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleFile {
    version: u64,
    previous: String,
    not_before: Option<String>,
    author: String,
    class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    newly_allowed: Option<String>,
    #[serde(default)]
    acknowledged: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
    files: BTreeMap<String, String>,
}

/// A signature with the public key that it is to be held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Whose it is said to be.
    pub name: String,
    /// The public key.
    pub key: [u8; 32],
    /// The signature.
    pub bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    name: String,
    key: String,
    signature: String,
}

/// SHA-256 of every file that is policy, in hexadecimal.
#[must_use]
pub fn file_digests(files: &Files) -> BTreeMap<String, String> {
    content(files)
        .map(|(name, bytes)| {
            (name.clone(), hex::encode(digest::digest(&digest::SHA256, bytes).as_ref()))
        })
        .collect()
}

fn malformed<T>(file: &str, what: impl std::fmt::Display) -> Result<T, Unapproved> {
    no("A01", format!("{file}: {what}"))
}

fn bytes32(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).ok()?.try_into().ok()
}

/// The bundle of a folder.
pub(super) fn read(files: &Files) -> Result<Bundle, Unapproved> {
    for name in files.keys().filter(|name| name.starts_with(FOLDER)) {
        if name != FILE && !name.ends_with(ENDING) {
            return malformed(
                name,
                "only bundle.toml and signatures stand here. Nothing in the policy folder can make \
                 somebody an approver.",
            );
        }
    }
    let Some(bytes) = files.get(FILE) else {
        return no(
            "A02",
            "approvals/: nobody has approved this folder. Run `weir policy approve`.",
        );
    };
    Bundle::parse(bytes).or_else(|what| malformed(FILE, what))
}

/// What a signature of the folder's bundle is over.
pub(super) fn message(files: &Files) -> Vec<u8> {
    Bundle::message(files.get(FILE).map(Vec::as_slice).unwrap_or_default())
}

/// The signatures of a folder, by their file.
pub(super) fn signatures(files: &Files) -> Result<Vec<(&str, Signature)>, Unapproved> {
    files
        .iter()
        .filter(|(name, _)| name.starts_with(FOLDER) && name.ends_with(ENDING))
        .map(|(name, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            let parsed = toml::from_str::<SignatureFile>(&text).ok().and_then(|file| {
                Some(Signature {
                    name: file.name,
                    key: bytes32(&file.key)?,
                    bytes: hex::decode(&file.signature).ok()?,
                })
            });
            match parsed {
                Some(signature) => Ok((name.as_str(), signature)),
                None => malformed(name, "is no signature. Approve anew."),
            }
        })
        .collect()
}

/// A signature as a file: its name in the folder, and its text.
#[must_use]
pub fn signature_file(signature: &Signature) -> (String, String) {
    let key = hex::encode(signature.key);
    let name = format!("{FOLDER}{}{ENDING}", key.get(..16).unwrap_or(&key));
    let file = SignatureFile {
        name: signature.name.clone(),
        key,
        signature: hex::encode(&signature.bytes),
    };
    // Strings always can be written.
    (name, toml::to_string(&file).unwrap_or_default())
}

impl Bundle {
    /// Its name in the folder.
    pub const FILE: &'static str = FILE;

    /// Reads a bundle.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
        let file: BundleFile = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        let previous = match file.previous.as_str() {
            "" => None,
            text => Some(bytes32(text).ok_or("previous must be 64 hexadecimal digits")?),
        };
        let not_before = file.not_before.map(|text| text.parse::<Timestamp>()).transpose();
        if file.author.trim().is_empty() {
            return Err("author is empty".to_owned());
        }
        let count =
            |text: String| text.parse::<u128>().map_err(|_| "newly_allowed must be a number");
        let empty = |text: &String| text.trim().is_empty();
        if let Some(Advice { by, text, not_followed }) = &file.advice
            && (empty(by) || empty(text) || not_followed.as_ref().is_some_and(empty))
        {
            return Err("advice: by, text and not_followed must not be empty".to_owned());
        }
        Ok(Self {
            newly_allowed: file.newly_allowed.map(count).transpose()?,
            acknowledged: file.acknowledged,
            advice: file.advice,
            version: file.version,
            previous,
            not_before: not_before
                .map_err(|_| "not_before must be a time such as 2026-08-01T00:00:00Z")?,
            author: file.author,
            class: file.class.parse()?,
            files: file.files,
        })
    }

    /// The bundle as the text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        let file = BundleFile {
            version: self.version,
            previous: self.previous.map(hex::encode).unwrap_or_default(),
            not_before: self.not_before.map(|at| at.to_string()),
            author: self.author.clone(),
            class: self.class.to_string(),
            newly_allowed: self.newly_allowed.map(|count| count.to_string()),
            acknowledged: self.acknowledged.clone(),
            advice: self.advice.clone(),
            files: self.files.clone(),
        };
        // Strings and numbers always can be written.
        toml::to_string(&file).unwrap_or_default()
    }

    /// What a signature of a bundle's file is over.
    #[must_use]
    pub fn message(bytes: &[u8]) -> Vec<u8> {
        [DOMAIN, bytes].concat()
    }

    /// Whether who approved it knew what `change` does: how much it allows, which warnings it brings, and, where
    /// it widens, what was advised.
    ///
    /// # Errors
    /// The first thing that they did not know, with what to do.
    pub fn knows(&self, change: &Change) -> Result<(), Unapproved> {
        if let Some(found) = change.newly_allowed()
            && self.newly_allowed != Some(found)
        {
            return no(
                "A14",
                format!(
                    "{found} combination(s) are newly allowed, and that number was not approved. Read the \
                     diff, and approve with --newly-allowed {found}."
                ),
            );
        }
        let unknown: Vec<&str> =
            change.warnings.difference(&self.acknowledged).map(String::as_str).collect();
        if !unknown.is_empty() {
            return no(
                "A15",
                format!(
                    "the change brings warnings that nobody acknowledged. Read them in `weir policy check`, \
                     and approve with --acknowledge {}.",
                    unknown.join(",")
                ),
            );
        }
        if change.class == Class::Widening && self.advice.is_none() {
            return no(
                "A16",
                "a change that widens has no advice of the data protection officer. Approve with --advice \
                 TEXT --advice-by NAME, and --advice-not-followed REASON where it is not followed.",
            );
        }
        Ok(())
    }

    /// Whether the folder is what was approved.
    ///
    /// # Errors
    /// The first file that is not.
    pub fn fits(&self, files: &Files) -> Result<(), Unapproved> {
        let found = file_digests(files);
        for (name, digest) in &found {
            match self.files.get(name) {
                None => return no("A11", format!("{name}: was added after the approval.")),
                Some(approved) if approved != digest => {
                    return no("A12", format!("{name}: was changed after the approval."));
                }
                Some(_) => {}
            }
        }
        match self.files.keys().find(|name| !found.contains_key(*name)) {
            Some(name) => no("A13", format!("{name}: was taken away after the approval.")),
            None => Ok(()),
        }
    }
}
