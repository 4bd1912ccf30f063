//! What can be wrong with a log, each named; also what only whoever has the signing key could have done.

use uuid::Uuid;

use super::*;
use crate::audit::checkpoint::{Checkpoint, SigningKey};
use crate::audit::leaf::encode;
use crate::audit::tree::leaf_hash;

const ORIGIN: &str = "hub.example/audit";
const POLICY: [u8; 32] = [7; 32];

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

fn entry(n: u8, kind: Kind, policy: [u8; 32], what: &str) -> Entry {
    let event = DecisionId::from_uuid(Uuid::from_bytes([n; 16]));
    let facets = BTreeMap::from([(Facet::What, what.to_owned())]);
    Entry { policy, ..Entry::of_hub(event, kind, "test", facets) }
}

fn leaf(entry: &Entry, second: i64) -> Vec<u8> {
    encode(entry, Timestamp::from_second(second).unwrap(), &BTreeMap::new()).unwrap()
}

/// Entry `n` at second `n`: the log begins, a policy comes into force, and what is done under it.
fn usual(n: u8) -> Vec<u8> {
    let made = match n {
        0 => entry(n, Kind::Genesis, [0; 32], "begun"),
        1 => entry(n, Kind::Policy, POLICY, "activated|widening|signed|v1"),
        _ => entry(n, Kind::Query, POLICY, "test"),
    };
    leaf(&made, n.into())
}

fn leaves() -> Vec<Vec<u8>> {
    (0..8).map(usual).collect()
}

/// Heads at every size, as whoever has the key signs them over these leaves.
fn heads(leaves: &[Vec<u8>]) -> Vec<(u64, String)> {
    let mut edge = Edge::default();
    let sign = |leaf: &Vec<u8>| {
        edge.push(leaf_hash(leaf));
        let (size, root) = (edge.size(), edge.root());
        (size, key().sign(&Checkpoint { origin: ORIGIN.to_owned(), size, root }))
    };
    leaves.iter().map(sign).collect()
}

fn read(heads: Vec<(u64, String)>, leaves: &[Vec<u8>]) -> Verdict {
    let mut verifier = Verifier::new(key().verifier(ORIGIN), heads);
    for (index, leaf) in (0..).zip(leaves) {
        verifier.take(index, &Examining::leaf(leaf).end());
    }
    verifier.finish()
}

#[test]
fn a_whole_log_has_no_findings_and_says_which_policies_came_into_force() {
    let verdict = read(heads(&leaves()), &leaves());
    assert_eq!(verdict.findings, Vec::<String>::new());
    let event = DecisionId::from_uuid(Uuid::from_bytes([1; 16]));
    assert_eq!(verdict.activated, [Activation { index: 1, event, number: 1, hash: POLICY }]);
}

#[test]
fn what_was_done_to_a_log_is_named() {
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut changed = leaves();
        change(&mut changed);
        read(heads(&leaves()), &changed).findings
    };
    let edited = leaf(&entry(4, Kind::Query, POLICY, "another"), 4);
    let cases: [(&str, Vec<String>, &str); 6] = [
        ("edited", changed(&|l| l[4].clone_from(&edited)), "entry 4 was changed"),
        ("inserted", changed(&|l| l.insert(4, edited.clone())), "entry 4 was changed"),
        ("put at the end", changed(&|l| l.push(usual(9))), "entries 8 to 8 are under no signed"),
        ("reordered", changed(&|l| l.swap(4, 5)), "entry 5: committed before the entry before it"),
        ("removed", changed(&|l| drop(l.remove(4))), "entry 4 was changed"),
        ("cut off", changed(&|l| l.truncate(5)), "head 6: covers entries that are not there"),
    ];
    for (what, found, says) in cases {
        assert!(found.iter().any(|finding| finding.contains(says)), "{what}: {found:?}");
    }
    let cut = read(heads(&leaves()), &leaves()[..5]).findings;
    assert_eq!(cut.len(), 2, "{cut:?}");
    assert_eq!(cut[1], "and 2 later heads cover more");
}

#[test]
fn what_the_hub_itself_signed_and_never_should_have_is_named() {
    let signed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut made = leaves();
        change(&mut made);
        read(heads(&made), &made).findings
    };
    let back = |l: &mut Vec<Vec<u8>>| l[5] = leaf(&entry(5, Kind::Query, POLICY, "test"), 3);
    assert_eq!(signed(&back), ["entry 5: committed before the entry before it"]);
    let twice = |l: &mut Vec<Vec<u8>>| l[5] = leaf(&entry(4, Kind::Query, POLICY, "test"), 5);
    assert_eq!(signed(&twice), ["entry 5: its id is used twice"]);
    let again = |l: &mut Vec<Vec<u8>>| l[5] = leaf(&entry(5, Kind::Genesis, POLICY, "begun"), 5);
    assert_eq!(signed(&again), ["entry 5: does not go on from the head before it"]);
}

#[test]
fn an_entry_under_a_policy_that_never_came_into_force_is_named_once() {
    const OTHER: [u8; 32] = [9; 32];
    let under = |n: u8, policy, what| leaf(&entry(n, Kind::Query, policy, what), n.into());
    let found = |made: &[Vec<u8>]| read(heads(made), made).findings;
    let mut made = leaves();
    made[5] = under(5, OTHER, "test");
    made[6] = under(6, OTHER, "test");
    let says = format!(
        "entry 5: was made under policy {}, which no entry before it brought into force",
        hex::encode(OTHER)
    );
    assert_eq!(found(&made), std::slice::from_ref(&says));
    // Only a policy's own entry brings it into force, and only from then on.
    made[4] = under(4, OTHER, "activated|widening|signed|v2");
    assert_eq!(found(&made)[0], says.replace('5', "4"));
    made[4] = leaf(&entry(4, Kind::Policy, OTHER, "refused"), 4);
    assert_eq!(found(&made)[0], says.replace('5', "4"));
    made[4] = leaf(&entry(4, Kind::Policy, OTHER, "activated|widening|signed|v2"), 4);
    assert_eq!(found(&made), Vec::<String>::new());
    // A log that entered no policy at all is of a version that did not.
    let old: Vec<_> = (0..4).map(|n| under(n, OTHER, "test")).collect();
    assert_eq!(found(&old[1..]), Vec::<String>::new());
}
