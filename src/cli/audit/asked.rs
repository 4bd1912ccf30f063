//! What was looked for in the log: the entry of it, and which of its words the policy in force does not have.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::import::entry;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::hub::entry::{UNKNOWN, subject};
use crate::hub::{UnknownWord, unknown_words};
use crate::policy::kept::unpack_own;
use crate::policy::load::load;
use crate::store::sqlite::policies::PolicyReader;
use crate::store::{Page, Search, StoreError};

/// What was looked for, by name.
pub(super) type Asked = Vec<(&'static str, String)>;

/// The entry of a reading. All have the same slots: who reads the files does not learn whether it was about
/// somebody.
pub(super) fn reading(
    rpc: &str,
    what: String,
    about: Option<Vec<u8>>,
    request: &serde_json::Value,
) -> Entry {
    let mut look = entry(Kind::AuditRead, rpc, &[(Facet::What, what)]);
    look.slots = BTreeMap::from([
        (SlotId::Subject, about.unwrap_or_else(|| subject(None))),
        (SlotId::Asker, b"{}".to_vec()),
        (SlotId::Request, request.to_string().into_bytes()),
        (SlotId::Decision, b"{}".to_vec()),
    ]);
    look
}

/// The entry of a search: what was looked for is in the open as far as it is a word of the policy or of a fixed
/// form. What else was typed may be anything, a name too, and is sealed.
pub(super) fn searching(
    rpc: &str,
    before: Option<&str>,
    asked: &Asked,
    known: &Known,
    search: &Search,
) -> Entry {
    let typed = asked.iter().filter(|(name, _)| *name != "resident");
    let words =
        typed.clone().map(|(name, word)| if known.has(name, word) { word } else { UNKNOWN });
    // In one facet: a search for a code finds refusals, not searches.
    let what = before.into_iter().chain(words).collect::<Vec<_>>().join("|");
    let typed: BTreeMap<&str, &str> = typed.map(|(name, word)| (*name, word.as_str())).collect();
    let about = search.slot.as_ref().map(|(_, bytes)| bytes.clone());
    reading(rpc, what, about, &serde_json::json!(typed))
}

/// What the policy in force does not have of a search; `None`: no policy was in force yet, or none that this
/// program reads, and every word may be anything.
pub(super) struct Known(Option<Vec<UnknownWord>>);

impl Known {
    /// By the newest policy of the data folder.
    pub(super) fn in_force(data: &Path, search: &Search) -> Result<Self, String> {
        let said = |e: StoreError| format!("{}: {e}", data.display());
        let newest = match PolicyReader::open(data).map_err(said)? {
            Some(reader) => reader.folder(None).map_err(said)?,
            None => None,
        };
        let files = newest.and_then(|(kept, bytes)| unpack_own(&bytes, kept.hash));
        // One that was changed, or that this program does not read, is found by `weir audit verify`.
        let book = files.and_then(|files| load(&files).ok());
        Ok(Self(book.map(|book| unknown_words(&book, search))))
    }

    /// Whether a word may stand in the open.
    fn has(&self, name: &str, word: &str) -> bool {
        let fixed = ["kind", "officer", "since", "until", "outcome", "codes"].contains(&name);
        let unknown = |all: &[UnknownWord]| all.iter().any(|one| one.word == word);
        fixed || self.0.as_deref().is_some_and(|all| !unknown(all))
    }
}

/// What the policy in force does not have of a search that found nothing. Entries may hold words of an
/// earlier policy: these are noted, and what no entry has either is a slip.
///
/// `asker` is the flag for who asked.
///
/// # Errors
/// Names the slips.
pub(super) async fn unheard(
    known: Known,
    asker: &str,
    look: &impl AsyncFn(Search) -> Result<Page, StoreError>,
) -> Result<Vec<String>, String> {
    let (mut notes, mut slips) = (Vec::new(), Vec::new());
    for word in known.0.unwrap_or_default() {
        let heard = is_in(look, word.alone()).await?;
        let UnknownWord { field, what, word, nearest, .. } = word;
        let flag = if field == "asker" { asker } else { field };
        let nearest = nearest.map(|word| format!("; nearest: {word}")).unwrap_or_default();
        let beside = if heard { "only in older entries" } else { "nor in any entry" };
        let told =
            format!("--{flag} {word}: no such {what} in the policy in force, {beside}{nearest}");
        if heard { notes.push(told) } else { slips.push(told) }
    }
    if slips.is_empty() {
        return Ok(notes);
    }
    slips.extend(notes);
    Err(slips.join("\n"))
}

/// Whether an entry is found.
async fn is_in(
    look: &impl AsyncFn(Search) -> Result<Page, StoreError>,
    mut search: Search,
) -> Result<bool, String> {
    loop {
        let page = look(search.clone()).await.map_err(|e| e.to_string())?;
        match page.next_index {
            _ if !page.entries.is_empty() => return Ok(true),
            Some(next) => (search.from_index, search.upto) = (next, Some(page.size)),
            None => return Ok(false),
        }
    }
}
