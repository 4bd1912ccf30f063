//! Receipts: C2SP tlog-proof text with the leaf and the opened slots in `extra`.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::encoding::{Hash, base64, hash, number, plain, to_base64, uuid};
use crate::leaf::{Leaf, decode, slot_name};
use crate::note::{Head, Key};
use crate::tree::PROOF_LEN_MAX;
use crate::{FILE_LEN_MAX, Fault, text_of};

/// First line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A slot laid open.
pub(crate) struct Slot {
    pub(crate) number: u8,
    salt: Hash,
    content: Vec<u8>,
    sealed: Hash,
}

impl Slot {
    /// From its members in a receipt or an export.
    pub(crate) fn read(value: &Value, name: &str) -> Option<Self> {
        let members = value.as_object().filter(|members| members.len() == 4)?;
        let text = |member| members.get(member).and_then(Value::as_str);
        Some(Self {
            number: u8::try_from(members.get(name)?.as_u64()?).ok()?,
            salt: hash(text("salt")?)?,
            content: base64(text("content")?)?,
            sealed: hash(text("sealed")?)?,
        })
    }

    /// Whether it is what the leaf committed to.
    pub(crate) fn check(&self, leaf: &Leaf, index: u64) -> Result<(), String> {
        let (number, name) = (self.number, slot_name(self.number));
        let named = || format!("entry {index}: slot {number} ({name})");
        let Some(commitment) = leaf.commitment(number) else {
            return Err(format!("{} is not one of the entry", named()));
        };
        let content = Sha256::new()
            .chain_update(b"weir/audit/slot/1")
            .chain_update([number])
            .chain_update(self.salt)
            .chain_update(&self.content)
            .finalize();
        let own = Sha256::new()
            .chain_update(b"weir/audit/slot/2")
            .chain_update([number])
            .chain_update(content)
            .chain_update(self.sealed)
            .finalize();
        let own: Hash = own.into();
        if own == *commitment {
            Ok(())
        } else {
            Err(format!("{} is not what the entry committed to", named()))
        }
    }

    /// What it says, for somebody who asked for it.
    fn words(&self) -> String {
        match <[u8; 16]>::try_from(self.content.as_slice()) {
            Ok(id) if self.number == 1 => format!("residents/{}", uuid(&id)),
            _ => plain(&String::from_utf8_lossy(&self.content)),
        }
    }

    fn spelled(&self) -> String {
        let (salt, content) = (to_base64(&self.salt), to_base64(&self.content));
        let (number, sealed) = (self.number, to_base64(&self.sealed));
        format!(
            "{{\"id\":{number},\"salt\":\"{salt}\",\"content\":\"{content}\",\"sealed\":\"{sealed}\"}}"
        )
    }
}

/// A receipt that verifies.
pub(crate) struct Receipt {
    pub(crate) index: u64,
    pub(crate) head: Head,
    pub(crate) bytes: Vec<u8>,
    pub(crate) leaf: Leaf,
    slots: Vec<Slot>,
}

/// Leaf and slots of `extra`.
fn extra_of(line: &str) -> Result<(Vec<u8>, Vec<Slot>), String> {
    let wrong = |what: &str| format!("line 2 (extra): {what}");
    let json = line.strip_prefix("extra ").and_then(base64).ok_or(wrong("is no base64"))?;
    let value: Value = serde_json::from_slice(&json).map_err(|_| wrong("is no JSON"))?;
    if value.get("weir").and_then(Value::as_u64) != Some(1) {
        return Err(wrong("is not of version 1"));
    }
    let leaf = value.get("leaf").and_then(Value::as_str).and_then(base64);
    let leaf = leaf.ok_or(wrong("its leaf is no base64"))?;
    let slots = value.get("slots").and_then(Value::as_array).ok_or(wrong("it has no slots"))?;
    let slots: Option<Vec<Slot>> = slots.iter().map(|slot| Slot::read(slot, "id")).collect();
    let slots = slots.ok_or(wrong("a slot is malformed"))?;
    if !slots.is_sorted_by(|one, next| one.number < next.number) {
        return Err(wrong("its slots are not in order"));
    }
    let spelled: Vec<String> = slots.iter().map(Slot::spelled).collect();
    let own = format!(
        "{{\"weir\":1,\"leaf\":\"{}\",\"slots\":[{}]}}",
        to_base64(&leaf),
        spelled.join(",")
    );
    // No member may hide in another spelling.
    if own.as_bytes() == json { Ok((leaf, slots)) } else { Err(wrong("is spelled otherwise")) }
}

/// The hashes of a proof; `first` is the number of the first line.
pub(crate) fn hashes_of<'a>(
    lines: impl Iterator<Item = &'a str>,
    first: usize,
) -> Result<Vec<Hash>, String> {
    let mut hashes = Vec::new();
    for (at, line) in (first..).zip(lines) {
        if hashes.len() == PROOF_LEN_MAX {
            return Err(format!("line {at}: more than {PROOF_LEN_MAX} hashes"));
        }
        hashes.push(hash(line).ok_or_else(|| format!("line {at}: is no hash"))?);
    }
    Ok(hashes)
}

impl Receipt {
    /// Reads and verifies the text of a receipt.
    pub(crate) fn open(text: &str, key: &Key) -> Result<Self, String> {
        if text.len() as u64 > FILE_LEN_MAX {
            return Err("it is too long".to_owned());
        }
        let (above, note) = text.split_once("\n\n").ok_or("no empty line before the head")?;
        let mut lines = above.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(format!("line 1: is not {HEADER}"));
        }
        let (bytes, slots) = extra_of(lines.next().ok_or("line 2 (extra): is missing")?)?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(number);
        let index = index.ok_or("line 3 (index): is no index")?;
        let path = hashes_of(lines, 4)?;
        let head = key.open(note)?;
        head.includes(&bytes, index, &path)?;
        let leaf = decode(&bytes).map_err(|what| format!("entry {index}: its leaf {what}"))?;
        slots.iter().try_for_each(|slot| slot.check(&leaf, index))?;
        Ok(Self { index, head, bytes, leaf, slots })
    }

    /// The record of consent that slot 3 holds.
    fn record(&self) -> Result<String, String> {
        let slot = self.slots.iter().find(|slot| slot.number == 3);
        let slot = slot.ok_or("it opens no slot that could hold a record")?;
        let request: Value = serde_json::from_slice(&slot.content).unwrap_or_default();
        let record = request.get("record").and_then(Value::as_str);
        Ok(record.ok_or("its entry holds no record")?.to_owned())
    }
}

/// Verifies the text of a receipt; what it shows, in lines.
///
/// # Errors
/// With a sentence that names what does not verify.
pub fn verify_text(text: &str, key: &Key, show: bool) -> Result<Vec<String>, String> {
    let receipt = Receipt::open(text, key)?;
    let mut lines = vec![format!("Entry {} of {}", receipt.index, receipt.head)];
    lines.extend(receipt.leaf.lines());
    for slot in &receipt.slots {
        let (name, number) = (slot_name(slot.number), slot.number);
        lines.push(if show {
            format!("  slot {number} ({name}): {}", slot.words())
        } else {
            format!("  slot {number} ({name}): laid open, --show tells what it says")
        });
    }
    Ok(lines)
}

/// Verifies the receipt in a file; with `record`, also that its entry holds the record of consent in that file.
///
/// # Errors
/// When it cannot be read or does not verify.
pub fn verify(
    path: &Path,
    key: &Key,
    show: bool,
    record: Option<&Path>,
) -> Result<Vec<String>, Fault> {
    let text = text_of(path)?;
    let named = |what: String| Fault::one(format!("{}: {what}", path.display()));
    let mut lines = verify_text(&text, key, show).map_err(named)?;
    if let Some(record) = record {
        let (kept, shown) = (text_of(record)?, record.display());
        if Receipt::open(&text, key).map_err(named)?.record().map_err(named)?
            != kept.trim_end_matches('\n')
        {
            return Err(named(format!("its entry holds another record than {shown}")));
        }
        lines.push(format!("The entry holds the record in {shown}"));
    }
    Ok(lines)
}
