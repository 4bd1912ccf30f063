use jiff::Timestamp;
use uuid::Uuid;

use super::super::checkpoint::SigningKey;
use super::super::entry::{Entry, Facet, Kind};
use super::super::leaf::{SealedSlot, encode};
use super::super::proof::{Nodes, inclusion};
use super::super::tree::{Edge, node_hash};
use super::*;
use crate::domain::DecisionId;

const ORIGIN: &str = "hub.example/audit";

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

struct Few(Vec<Hash>);

impl Nodes for Few {
    type Error = std::convert::Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let at = usize::try_from(index).unwrap();
        Ok(match level {
            0 => self.0[at],
            1 => node_hash(&self.0[2 * at], &self.0[2 * at + 1]),
            _ => unreachable!(),
        })
    }
}

fn slot(id: SlotId, content: &[u8]) -> (OpenedSlot, [u8; 32]) {
    let sealed = [content, b"sealed"].concat();
    let commitment = content_commitment(id, &[9; 32], content);
    let kept = SealedSlot { id, content: commitment, bytes: sealed.clone() };
    let content = content.to_vec();
    let open = OpenedSlot { id, salt: [9; 32], content, sealed: sealed_hash(&sealed) };
    (open, kept.commitment())
}

/// The third of five entries, with two of its three slots laid open.
fn sample() -> ProvenEntry {
    let (subject, one) = slot(SlotId::Subject, &[7; 16]);
    let (asker, two) = slot(SlotId::Asker, br#"{"person":"jo"}"#);
    let (_, four) = slot(SlotId::Decision, b"{}");
    let event = DecisionId::from_uuid(Uuid::from_u128(1));
    let facets = BTreeMap::from([(Facet::Purpose, "direct_care".to_owned())]);
    let entry = Entry::of_hub(event, Kind::Disclose, "a/B", facets);
    let commitments =
        BTreeMap::from([(SlotId::Subject, one), (SlotId::Asker, two), (SlotId::Decision, four)]);
    let leaf = encode(&entry, Timestamp::UNIX_EPOCH, &commitments).unwrap();
    let mut leaves: Vec<Hash> = (0_u8..4).map(|i| leaf_hash(&[i])).collect();
    leaves.insert(2, leaf_hash(&leaf));
    let mut edge = Edge::default();
    leaves.iter().for_each(|leaf| edge.push(*leaf));
    let head = Checkpoint { origin: ORIGIN.to_owned(), size: 5, root: edge.root() };
    let path = inclusion(&Few(leaves), 2, 5).unwrap().unwrap();
    ProvenEntry { index: 2, leaf, path, note: key().sign(&head), slots: vec![subject, asker] }
}

fn check(text: &str) -> Result<Shown, ReceiptError> {
    ProvenEntry::parse(text)?.verify(&key().verifier(ORIGIN))
}

#[test]
fn a_receipt_says_what_it_shows() {
    let (sample, text) = (sample(), sample().text());
    assert_eq!(ProvenEntry::parse(&text).unwrap(), sample);
    let shown = check(&text).unwrap();
    assert_eq!(shown.head.size, 5);
    assert_eq!(shown.leaf.entry.event, DecisionId::from_uuid(Uuid::from_u128(1)));
    let slots = BTreeMap::from([
        (SlotId::Subject, vec![7; 16]),
        (SlotId::Asker, br#"{"person":"jo"}"#.to_vec()),
    ]);
    assert_eq!(shown.leaf.entry.slots, slots);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
    let extra = STANDARD.decode(lines[1].strip_prefix("extra ").unwrap()).unwrap();
    let extra = String::from_utf8(extra).unwrap();
    let head = format!("{{\"weir\":1,\"leaf\":\"{}\",", STANDARD.encode(&sample.leaf));
    assert!(extra.starts_with(&head), "{extra}");
    assert!(extra.contains("\"slots\":[{\"id\":1,\"salt\":\""), "{extra}");
    assert_eq!(&lines[2..7], ["index 2", lines[3], lines[4], lines[5], ""]);
    assert_eq!(lines[7], ORIGIN);
    assert!(!format!("{sample:?}").contains("jo"), "what is personal is not shown");
}

#[test]
fn a_receipt_may_open_nothing() {
    let mut sample = sample();
    sample.slots.clear();
    assert!(check(&sample.text()).unwrap().leaf.entry.slots.is_empty());
}

#[test]
fn no_flipped_bit_and_no_cut_verifies() {
    let text = sample().text();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(wrong) = String::from_utf8(bytes) {
                assert!(check(&wrong).is_err(), "byte {at}, bit {bit}: {wrong}");
            }
        }
        if let Some(cut) = text.get(..at) {
            assert!(check(cut).is_err(), "cut at {at}");
        }
    }
}

#[test]
fn a_receipt_has_one_spelling() {
    let text = sample().text();
    let of = |extra: &str| {
        let line = text.lines().nth(1).unwrap();
        text.replace(line, &format!("extra {}", STANDARD.encode(extra)))
    };
    let line = text.lines().nth(1).unwrap();
    let json = STANDARD.decode(line.strip_prefix("extra ").unwrap()).unwrap();
    let json = String::from_utf8(json).unwrap();
    assert!(check(&of(&json)).is_ok());
    let wrongs = [
        of(&json.replace(":1,\"leaf", ": 1,\"leaf")),
        of(&json.replace("{\"weir\":1,", "{\"weir\":1,\"weir\":1,")),
        of(&json.replace("{\"weir\":1,", "{\"more\":1,\"weir\":1,")),
        of(&json.replace("\"weir\":1", "\"weir\":2")),
        of(&json.replace("\"id\":2", "\"id\":1")),
        of(&json.replace("\"id\":2", "\"id\":9")),
        text.replace("index 2", "index 02"),
        text.replace("index 2", "index +2"),
        text.replace("index 2", "index 3"),
        text.replace("index 2\n", "index 2\nindex 2\n"),
        text.replace("index 2\n", ""),
        text.replace(&format!("{line}\n"), ""),
        text.replace('\n', "\r\n"),
        text.replace("\n\n", "\n\n\n"),
        format!("{text}\n"),
        format!(" {text}"),
        "x".repeat(RECEIPT_LEN_MAX + 1),
    ];
    for wrong in wrongs {
        assert_ne!(wrong, text);
        assert!(check(&wrong).is_err(), "{wrong:.300}");
    }
}

#[test]
fn a_slot_that_opens_to_something_else_is_named() {
    let change = |change: fn(&mut OpenedSlot)| {
        let mut sample = sample();
        change(&mut sample.slots[1]);
        check(&sample.text()).map(drop)
    };
    let wrong = Err(ReceiptError::Slot(SlotId::Asker));
    assert_eq!(change(|_| {}), Ok(()));
    assert_eq!(change(|slot| slot.content = b"{}".to_vec()), wrong);
    assert_eq!(change(|slot| slot.salt = [8; 32]), wrong);
    assert_eq!(change(|slot| slot.sealed = [8; 32]), wrong);
    assert_eq!(
        change(|slot| slot.id = SlotId::Decision),
        Err(ReceiptError::Slot(SlotId::Decision))
    );
}

#[test]
fn a_receipt_is_good_under_the_key_of_its_log_only() {
    let receipt = sample();
    let other = SigningKey::from_seed(&[2; 32]).unwrap();
    let unsigned = receipt.verify(&other.verifier(ORIGIN)).unwrap_err();
    assert_eq!(unsigned, ReceiptError::Head(NoteError::Unsigned));
    let elsewhere = receipt.verify(&key().verifier("else")).unwrap_err();
    assert_eq!(elsewhere, ReceiptError::Head(NoteError::Origin));
}

#[test]
fn the_page_for_strangers_has_every_number() {
    let page = include_str!("../../../docs/receipt-format.md");
    let part = |from: &str, to: &str| page.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let (kinds, facets) = (part("Kinds:", "Facets:"), part("Facets:", "Slots:"));
    let slots = part("Slots:", "A verifier");
    let listed = |list: &str, number: u8, name: String| {
        let words = list.replace(['\n', ',', '.', '('], " ").to_lowercase();
        let wanted = format!(" {number} {} ", name.to_lowercase());
        assert!(format!(" {words} ").replace("_", "").contains(&wanted), "{wanted} in {list}");
    };
    for number in 0..=u8::MAX {
        if let Some(kind) = Kind::from_number(number) {
            listed(kinds, number, format!("{kind:?}"));
        }
        if let Some(facet) = Facet::from_number(number) {
            listed(facets, number, format!("{facet:?}"));
        }
        if let Some(slot) = SlotId::from_number(number) {
            listed(slots, number, format!("{slot:?}"));
        }
    }
}
