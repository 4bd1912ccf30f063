//! Verifies what the hub handed out, with nothing but the log's key.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::Outcome;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::SlotId;
use crate::audit::proof::{PROOF_LEN_MAX, SizedRoot, verify_consistency};
use crate::audit::receipt::{ProvenEntry, RECEIPT_LEN_MAX, Shown};
use crate::audit::witness::{Quorum, WitnessKey};

/// What is no proof of anything, and what proves that something is wrong.
enum Fault {
    Usage(String),
    Finding(String),
}

fn told(done: Result<String, Fault>) -> Outcome {
    match done {
        Ok(text) => Outcome { text, exit: 0 },
        Err(Fault::Finding(text)) => Outcome { text, exit: 1 },
        Err(Fault::Usage(text)) => Outcome { text, exit: 2 },
    }
}

/// `weir audit check-receipt FILE --key KEY [--show] [--witness KEY .. [--quorum K]] [--record FILE]`.
pub(super) fn receipt(
    file: &Path,
    key: &str,
    show: bool,
    (witnesses, quorum): (&[String], Option<usize>),
    record: Option<&Path>,
) -> Outcome {
    told(receipt_said(file, key, show, (witnesses, quorum), record))
}

/// The witnesses that must have signed; `None`: none is named.
fn quorum_of(witnesses: &[String], quorum: Option<usize>) -> Result<Option<Quorum>, Fault> {
    if witnesses.is_empty() {
        return Ok(None);
    }
    let usage = |what: &str, e: &dyn std::fmt::Display| Fault::Usage(format!("--{what}: {e}"));
    let keys = witnesses.iter().map(|text| WitnessKey::parse(text));
    let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|e| usage("witness", &e))?;
    let needed = quorum.unwrap_or(keys.len());
    Quorum::new(needed, keys).map(Some).map_err(|e| usage("quorum", &e))
}

fn receipt_said(
    file: &Path,
    key: &str,
    show: bool,
    (witnesses, quorum): (&[String], Option<usize>),
    record: Option<&Path>,
) -> Result<String, Fault> {
    let quorum = quorum_of(witnesses, quorum)?;
    let shown = file.display();
    let (key, text) = (key_of(key)?, read(file)?);
    let wrong = |e| Fault::Finding(format!("{shown} does not verify: {e}"));
    let proven = ProvenEntry::parse(&text).map_err(wrong)?;
    let Shown { head, leaf } = proven.verify(&key).map_err(wrong)?;
    let entry = &leaf.entry;
    let agency = entry.agency.as_ref().map_or("the hub", |agency| agency.as_str());
    let mut lines = vec![
        format!("Entry {} of the {} of {}, as signed", proven.index, head.size, head.origin),
        format!(
            "{}  {:?}  {agency}  {}  {}",
            leaf.committed_at, entry.kind, entry.rpc, entry.event
        ),
    ];
    lines.extend(entry.facets.iter().map(|(facet, words)| format!("  {facet:?}: {words}")));
    for (slot, content) in &entry.slots {
        lines.push(match show {
            true => format!("  {slot:?}: {}", words(*slot, content)),
            false => format!("  {slot:?}: laid open, --show tells what it says"),
        });
    }
    if let Some(record) = record {
        holds(record, entry.slots.get(&SlotId::Request), shown.to_string())?;
        lines.push(format!("The entry holds the record in {}", record.display()));
    }
    if let Some(quorum) = quorum {
        let signed = quorum.signed(&proven.note);
        lines.extend(
            signed.iter().map(|(key, by)| format!("Witnessed by {} at {}", key.name(), by.at)),
        );
        if signed.len() < quorum.needed() {
            let (found, needed) = (signed.len(), quorum.needed());
            let what = format!("{found} of the witnesses named have signed its head, not {needed}");
            return Err(Fault::Finding(format!("{shown} does not verify: {what}")));
        }
    }
    lines.push("The receipt verifies".to_owned());
    Ok(lines.join("\n"))
}

/// That the request slot holds the record in the file. A line end that a terminal added does not count.
fn holds(record: &Path, slot: Option<&Vec<u8>>, receipt: String) -> Result<(), Fault> {
    let wrong = |what: &str| Fault::Finding(format!("{receipt}: {what}"));
    let slot = slot.ok_or_else(|| wrong("it opens no slot that could hold a record"))?;
    let request: serde_json::Value = serde_json::from_slice(slot).unwrap_or_default();
    let held = request.get("record").and_then(serde_json::Value::as_str);
    let held = held.ok_or_else(|| wrong("its entry holds no record"))?;
    if read(record)?.trim_end_matches('\n') == held {
        Ok(())
    } else {
        Err(wrong(&format!("its entry holds another record than {}", record.display())))
    }
}

/// What a slot says, as text for a terminal.
fn words(slot: SlotId, content: &[u8]) -> String {
    match (slot, uuid::Uuid::from_slice(content)) {
        (SlotId::Subject, Ok(id)) => format!("residents/{id}"),
        (_, _) => String::from_utf8_lossy(content).escape_debug().to_string(),
    }
}

/// `weir audit check-growth OLD PROOF --key KEY`.
pub(super) fn growth(old: &Path, proof: &Path, key: &str) -> Outcome {
    told(growth_said(old, proof, key))
}

fn growth_said(old: &Path, proof: &Path, key: &str) -> Result<String, Fault> {
    let (key, old_note, text) = (key_of(key)?, read(old)?, read(proof)?);
    let wrong = |file: &Path, e: &dyn std::fmt::Display| {
        Fault::Finding(format!("{} does not verify: {e}", file.display()))
    };
    let earlier = key.open(&old_note).map_err(|e| wrong(old, &e))?;
    let malformed = || wrong(proof, &"it is no proof of growth");
    let (above, note) = text.split_once("\n\n").ok_or_else(malformed)?;
    let mut lines = above.split('\n');
    let from = lines.next().and_then(|line| line.strip_prefix("old "));
    if from != Some(earlier.size.to_string().as_str()) {
        return Err(wrong(proof, &format!("it does not begin at {} entries", earlier.size)));
    }
    let mut hashes = Vec::new();
    for line in lines.take(PROOF_LEN_MAX + 1) {
        let hash = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
        hashes.push(hash.ok_or_else(malformed)?);
    }
    let later = key.open(note).map_err(|e| wrong(proof, &e))?;
    let before = SizedRoot { size: earlier.size, root: earlier.root };
    let after = SizedRoot { size: later.size, root: later.root };
    verify_consistency(before, after, &hashes).map_err(|e| wrong(proof, &e))?;
    Ok(format!("The log only grew from {} to {} entries", before.size, after.size))
}

fn key_of(text: &str) -> Result<VerifierKey, Fault> {
    VerifierKey::parse(text).map_err(|e| Fault::Usage(format!("--key: {e}")))
}

/// A file that is no longer than a receipt may be.
fn read(path: &Path) -> Result<String, Fault> {
    let shown = path.display();
    let bound = u64::try_from(RECEIPT_LEN_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(bound + 1).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(Fault::Finding(format!("{shown} does not verify: it is no text")))
        }
        Err(error) => Err(Fault::Usage(format!("{shown}: {error}"))),
    }
}
