//! A policy folder as one piece of bytes, to be kept; and what a folder must show before it goes live.

use super::load::{Files, content, hash, load};
use super::{PolicySnapshot, scenario};
use crate::limits::{POLICY_FILE_LEN_MAX, POLICY_FILES_MAX};

/// First bytes of what is kept.
const MAGIC: &[u8; 8] = b"WEIRPOL1";
/// Failures of scenarios that are named.
const NAMED_MAX: usize = 20;

/// The content of a folder as bytes; the same content is the same bytes.
#[must_use]
pub fn pack(files: &Files) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for part in content(files).flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()]) {
        out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(part);
    }
    out
}

/// A folder out of its bytes; `None` where they are no whole folder.
#[must_use]
pub fn unpack(bytes: &[u8]) -> Option<Files> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut files = Files::new();
    while !rest.is_empty() {
        let name = String::from_utf8(part(&mut rest)?.to_vec()).ok()?;
        let bytes = part(&mut rest)?.to_vec();
        let ordered = files.last_key_value().is_none_or(|(last, _)| *last < name);
        if !ordered || files.len() >= POLICY_FILES_MAX {
            return None;
        }
        files.insert(name, bytes);
    }
    Some(files)
}

/// A folder out of its bytes, if it is the one that has this hash: what is kept may have been swapped.
#[must_use]
pub fn unpack_own(bytes: &[u8], own: [u8; 32]) -> Option<Files> {
    unpack(bytes).filter(|files| hash(files) == own)
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length);
    if u64::from(length) > POLICY_FILE_LEN_MAX {
        return None;
    }
    let (part, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(part)
}

/// Builds the engine of a folder and checks it against itself.
///
/// # Errors
/// Everything that is wrong with the folder, a line each.
pub fn build(files: &Files) -> Result<PolicySnapshot, Vec<String>> {
    let book =
        load(files).map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    PolicySnapshot::build(book).map_err(|error| vec![error.to_string()])
}

/// The folder's own scenarios that do not come out as they say, a line each; a folder without
/// scenarios has one such line.
#[must_use]
pub fn failing_scenarios(files: &Files, policy: &PolicySnapshot) -> Vec<String> {
    let (mut lines, mut found) = (Vec::new(), 0);
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("scenarios/")) {
        let text = String::from_utf8_lossy(bytes);
        match scenario::parse(&text, policy.book()) {
            Ok(cases) => {
                found += cases.len();
                let report = scenario::run(policy, &cases);
                lines.extend(report.failures.iter().map(|line| format!("{name}: {line}")));
            }
            Err(problems) => lines.extend(problems.iter().map(|line| format!("{name}: {line}"))),
        }
    }
    if found == 0 && lines.is_empty() {
        lines.push("scenarios/: no scenario was found".to_owned());
    }
    let more = lines.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        lines.truncate(NAMED_MAX);
        lines.push(format!("scenarios/: {more} more failures"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[(&str, &str)]) -> Files {
        names.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_is_kept_is_the_content_and_comes_back_whole() {
        let folder = files(&[
            ("README.md", "for people"),
            ("approvals/bundle.toml", "version = 1"),
            ("model.conf", ""),
            ("rules/a.csv", "p, é"),
        ]);
        let bare = files(&[("model.conf", ""), ("rules/a.csv", "p, é")]);
        assert_eq!(unpack(&pack(&folder)).unwrap(), bare);
        assert_eq!(pack(&folder), pack(&bare));
        assert_eq!(hash(&folder), hash(&bare), "what explains or approves is not the policy");
        let other = files(&[("model.conf", ""), ("rules/a.csv", "p, è")]);
        assert_ne!(hash(&other), hash(&bare));
        assert_eq!(unpack_own(&pack(&bare), hash(&bare)).unwrap(), bare);
        assert!(unpack_own(&pack(&other), hash(&bare)).is_none(), "swapped");
        assert_eq!(unpack(&pack(&Files::new())).unwrap(), Files::new());
    }

    #[test]
    fn half_of_what_is_kept_is_nothing() {
        let bytes = pack(&files(&[("model.conf", "m"), ("rules/a.csv", "p")]));
        // Cut between two files it is another folder, and has another hash.
        let between = 8 + 4 + "model.conf".len() + 4 + 1;
        for cut in (0..bytes.len()).filter(|cut| *cut != 8 && *cut != between) {
            assert!(unpack(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        let twice = [bytes.as_slice(), &bytes[8..]].concat();
        assert!(unpack(&twice).is_none(), "a file stands twice");
    }
}
