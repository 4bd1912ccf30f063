//! The bytes of an entry, as `docs/receipt-format.md` section 1 lists them.

use crate::encoding::{Hash, plain, time, uuid};

/// Longest leaf, in bytes.
pub(crate) const LEAF_LEN_MAX: usize = 16_384;
/// Most facets.
const FACETS_MAX: u8 = 24;

const KINDS: [&str; 17] = [
    "GENESIS",
    "DISCLOSE",
    "REFUSE",
    "QUERY",
    "CHOICE",
    "HOLD",
    "FACT",
    "POLICY",
    "AUDIT_READ",
    "TURNED_AWAY",
    "GAP",
    "OPERATION",
    "REVIEW",
    "REPORT",
    "ERASE",
    "RIGHTS",
    "NOTICE",
];

const FACETS: [&str; 19] = [
    "role",
    "purpose",
    "holder",
    "outcome",
    "codes",
    "released",
    "withheld",
    "rules",
    "gateways",
    "agreements",
    "duties",
    "override",
    "alarm",
    "bases",
    "subjects",
    "what",
    "count",
    "previous",
    "review",
];

/// Number of the facet `what`.
const WHAT: u8 = 16;

const SLOTS: [&str; 4] = ["subject", "asker", "request", "decision"];

/// The word for a number, or the number: numbers are added, none changes its meaning.
fn word(words: &[&str], number: u8) -> String {
    let at = usize::from(number).checked_sub(1);
    at.and_then(|at| words.get(at)).map_or_else(|| format!("number {number}"), |w| (*w).to_owned())
}

/// The name of a slot.
pub(crate) fn slot_name(number: u8) -> String {
    word(&SLOTS, number)
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) event: [u8; 16],
    kind: u8,
    pub(crate) call: String,
    agency: String,
    facets: Vec<(u8, String)>,
    slots: Vec<(u8, Hash)>,
}

impl Leaf {
    /// The word for its kind.
    pub(crate) fn kind(&self) -> String {
        word(&KINDS, self.kind)
    }

    /// The commitment to a slot.
    pub(crate) fn commitment(&self, slot: u8) -> Option<&Hash> {
        self.slots.iter().find(|(number, _)| *number == slot).map(|(_, hash)| hash)
    }

    /// What was written or read, in words.
    pub(crate) fn what(&self) -> Option<&str> {
        self.facets.iter().find(|(facet, _)| *facet == WHAT).map(|(_, words)| words.as_str())
    }

    /// What it says, in lines: nothing of what is personal.
    pub(crate) fn lines(&self) -> Vec<String> {
        let agency = if self.agency.is_empty() { "the hub" } else { &self.agency };
        let call = plain(&self.call);
        let (time, kind, event) = (time(self.time), self.kind(), uuid(&self.event));
        let mut lines = vec![format!("{time}  {kind}  {agency}  {call}  {event}")];
        let facets = self.facets.iter();
        lines.extend(facets.map(|(n, text)| format!("  {}: {}", word(&FACETS, *n), plain(text))));
        lines
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, len: usize, what: &str) -> Result<&'a [u8], String> {
        let (taken, rest) =
            self.0.split_at_checked(len).ok_or_else(|| format!("is cut short at its {what}"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        self.bytes(N, what)?.try_into().map_err(|_| format!("is cut short at its {what}"))
    }

    fn byte(&mut self, what: &str) -> Result<u8, String> {
        self.fixed::<1>(what).map(u8::from_be_bytes)
    }

    fn text(&mut self, what: &str) -> Result<String, String> {
        let len = usize::from(u16::from_be_bytes(self.fixed(what)?));
        let text = std::str::from_utf8(self.bytes(len, what)?);
        text.map(str::to_owned).map_err(|_| format!("its {what} is no text"))
    }
}

fn is_agency(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/.".contains(&byte);
    text.len() <= 120 && text.bytes().all(allowed)
}

/// Numbers strictly ascend.
fn ascends<T>(list: &[(u8, T)], next: u8) -> bool {
    list.last().is_none_or(|(last, _)| *last < next)
}

/// Reads a leaf; the sentence says what is wrong with "the leaf".
pub(crate) fn decode(bytes: &[u8]) -> Result<Leaf, String> {
    if bytes.len() > LEAF_LEN_MAX {
        return Err(format!("is longer than {LEAF_LEN_MAX} bytes"));
    }
    let mut at = Cursor(bytes);
    if at.bytes(4, "magic")? != b"WEIR" {
        return Err("does not begin with WEIR".to_owned());
    }
    let version = at.byte("version")?;
    if version != 2 {
        return Err(format!("is of version {version}, not 2"));
    }
    let time = i64::from_be_bytes(at.fixed("time")?);
    let event = at.fixed("event")?;
    let kind = at.byte("kind")?;
    let call = at.text("call")?;
    // The call's id, which part of how many.
    at.bytes(16 + 4 + 4, "call id")?;
    let agency = at.text("agency")?;
    if !is_agency(&agency) {
        return Err("its agency is malformed".to_owned());
    }
    // Principal and policy.
    at.bytes(16 + 32, "principal")?;
    let mut facets = Vec::new();
    let count = at.byte("facets")?;
    if count > FACETS_MAX {
        return Err(format!("has more than {FACETS_MAX} facets"));
    }
    for _ in 0..count {
        let number = at.byte("facets")?;
        if !ascends(&facets, number) {
            return Err("its facets are not in order".to_owned());
        }
        facets.push((number, at.text("facets")?));
    }
    let mut slots = Vec::new();
    for _ in 0..at.byte("slots")? {
        let number = at.byte("slots")?;
        if !ascends(&slots, number) {
            return Err("its slots are not in order".to_owned());
        }
        slots.push((number, at.fixed("slots")?));
    }
    if at.0.is_empty() {
        Ok(Leaf { time, event, kind, call, agency, facets, slots })
    } else {
        Err("goes on after its end".to_owned())
    }
}

#[cfg(test)]
mod tests;
