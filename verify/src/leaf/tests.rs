use proptest::prelude::*;

use super::*;

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// A leaf as the document lists its fields.
fn sample(kind: u8, facets: &[(u8, &str)], slots: &[u8]) -> Vec<u8> {
    let mut bytes = b"WEIR\x02".to_vec();
    bytes.extend(1_784_106_000_000_000_i64.to_be_bytes());
    bytes.extend([0x11; 16]);
    bytes.push(kind);
    text(&mut bytes, "weir.hub.v1.SharingService/RequestRecords");
    bytes.extend([0x22; 16]);
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 1]);
    text(&mut bytes, "northfield-hospital");
    bytes.extend([0x33; 16]);
    bytes.extend([0x44; 32]);
    bytes.push(u8::try_from(facets.len()).unwrap());
    for (number, words) in facets {
        bytes.push(*number);
        text(&mut bytes, words);
    }
    bytes.push(u8::try_from(slots.len()).unwrap());
    for number in slots {
        bytes.push(*number);
        bytes.extend([*number; 32]);
    }
    bytes
}

#[test]
fn a_leaf_says_what_it_says() {
    let leaf = decode(&sample(2, &[(2, "direct_care"), (4, "PERMIT")], &[1, 4])).unwrap();
    assert_eq!(
        leaf.lines(),
        [
            "2026-07-15T09:00:00Z  DISCLOSE  northfield-hospital  \
             weir.hub.v1.SharingService/RequestRecords  11111111-1111-1111-1111-111111111111",
            "  purpose: direct_care",
            "  outcome: PERMIT",
        ]
    );
    assert_eq!(leaf.commitment(4), Some(&[4; 32]));
    assert_eq!(leaf.commitment(2), None);
}

#[test]
fn a_number_that_is_not_known_is_said_and_read() {
    let leaf = decode(&sample(99, &[(77, "new\u{1b}[2J")], &[9])).unwrap();
    assert_eq!(leaf.kind(), "number 99");
    assert_eq!(leaf.lines().last().unwrap(), "  number 77: new\\u{1b}[2J");
    assert_eq!(slot_name(9), "number 9");
}

#[test]
fn what_is_not_a_leaf_is_refused_by_name() {
    let good = sample(2, &[(2, "a"), (4, "b")], &[1, 2]);
    let check = |bytes: &[u8], says: &str| {
        let said = decode(bytes).unwrap_err();
        assert!(said.contains(says), "{said}: {says}");
    };
    for len in 0..good.len() {
        check(&good[..len], "");
    }
    check(&good[..3], "cut short at its magic");
    check(&good[..good.len() - 1], "cut short at its slots");
    check(&[&good[..], b"x"].concat(), "goes on after its end");
    check(&[b"WEIS", &good[4..]].concat(), "does not begin with WEIR");
    check(&[b"WEIR\x01", &good[5..]].concat(), "version 1");
    check(&sample(2, &[(4, "b"), (2, "a")], &[]), "its facets are not in order");
    check(&sample(2, &[(2, "b"), (2, "a")], &[]), "its facets are not in order");
    check(&sample(2, &[], &[2, 2]), "its slots are not in order");
    let many: Vec<(u8, &str)> = (1..=25).map(|n| (n, "")).collect();
    check(&sample(2, &many, &[]), "more than 24 facets");
    check(&[good.clone(), vec![0; 17_000]].concat(), "longer than 16384 bytes");
    let spaced = String::from_utf8_lossy(&good).into_owned();
    assert!(spaced.contains("northfield-hospital"));
    let at = good.windows(4).position(|four| four == b"nort").unwrap();
    for wrong in [b' ', 0xff] {
        let mut bytes = good.clone();
        bytes[at] = wrong;
        check(&bytes, "agency");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let _ = decode(&[b"WEIR\x02".as_slice(), &bytes].concat());
    }

    #[test]
    fn no_change_of_a_leaf_makes_it_panic(at in 0_usize..300, byte in any::<u8>(), cut in 0_usize..300) {
        let mut bytes = sample(2, &[(2, "direct_care"), (4, "PERMIT")], &[1, 4]);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        if let Ok(leaf) = decode(&bytes) {
            prop_assert!(!leaf.lines().is_empty());
        }
    }
}
