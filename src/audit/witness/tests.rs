use super::*;
use crate::audit::checkpoint::SigningKey;
use crate::audit::proof::{Nodes, consistency, root};
use crate::audit::tree::{Hash, leaf_hash, node_hash};

const ORIGIN: &str = "hub.example/audit";

/// A tree of the leaves `salt ‖ index`.
struct Tree(u8);

impl Nodes for Tree {
    type Error = std::convert::Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        Ok(if level == 0 {
            // Two trees that are the same up to 8 entries.
            let salt = if index < 8 { 0 } else { self.0 };
            leaf_hash(&[&[salt][..], &index.to_be_bytes()].concat())
        } else {
            node_hash(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?)
        })
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

fn head(tree: &Tree, size: u64) -> Checkpoint {
    let Ok(root) = root(tree, size);
    Checkpoint { origin: ORIGIN.to_owned(), size, root }
}

fn request(tree: &Tree, old: u64, size: u64) -> AddCheckpoint {
    let Ok(growth) = consistency(tree, old.min(size), size);
    AddCheckpoint { old, growth: growth.unwrap(), note: key().sign(&head(tree, size)) }
}

fn latest(tree: &Tree, size: u64) -> Option<SizedRoot> {
    let head = head(tree, size);
    Some(SizedRoot { size, root: head.root })
}

fn judged(latest: Option<SizedRoot>, request: &AddCheckpoint) -> Result<u64, Declined> {
    let head = submitted(request, &[key().verifier(ORIGIN)])?;
    may_follow(latest, request, &head).map(|()| head.size)
}

#[test]
fn a_head_is_signed_only_when_it_grew_out_of_the_last() {
    use Declined::*;
    let (one, other) = (Tree(0), Tree(1));
    for old in 0..20 {
        for size in old..24 {
            assert_eq!(judged(latest(&one, old), &request(&one, old, size)), Ok(size));
        }
    }
    assert_eq!(judged(None, &request(&one, 0, 5)), Ok(5));
    for (what, held, asked, why) in [
        ("never seen", None, request(&one, 3, 5), Conflict(0)),
        ("seen more", latest(&one, 9), request(&one, 5, 12), Conflict(9)),
        ("seen less", latest(&one, 3), request(&one, 5, 12), Conflict(3)),
        ("going back", latest(&one, 9), request(&one, 5, 7), Conflict(9)),
        ("same size, other root", latest(&one, 9), request(&other, 9, 9), Conflict(9)),
        ("forked", latest(&one, 9), request(&other, 9, 12), Inconsistent),
        ("forked, from where both agree", latest(&one, 12), request(&other, 8, 12), Conflict(12)),
        ("old above new", latest(&one, 9), request(&one, 9, 5), Malformed),
    ] {
        assert_eq!(judged(held, &asked), Err(why), "{what}");
    }
    let mut longer = request(&one, 5, 12);
    longer.growth.push([0; 32]);
    let mut from_nothing = request(&one, 0, 12);
    from_nothing.growth.push([0; 32]);
    let mut same = request(&one, 12, 12);
    same.growth.push([0; 32]);
    for (held, asked) in [(latest(&one, 5), longer), (None, from_nothing), (latest(&one, 12), same)]
    {
        assert_eq!(judged(held, &asked), Err(Inconsistent), "{}", asked.old);
    }
}

#[test]
fn only_a_head_of_a_known_log_under_its_own_key_is_looked_at() {
    let asked = request(&Tree(0), 0, 5);
    let keys = [key().verifier(ORIGIN)];
    let stranger = SigningKey::from_seed(&[9; 32]).unwrap().verifier(ORIGIN);
    assert!(submitted(&asked, &keys).is_ok());
    // One of several keys is enough: a log may change its key.
    assert!(submitted(&asked, &[stranger.clone(), keys[0].clone()]).is_ok());
    assert_eq!(submitted(&asked, &[stranger]), Err(Declined::Untrusted));
    assert_eq!(submitted(&asked, &[key().verifier("else")]), Err(Declined::Unknown));
    assert_eq!(submitted(&asked, &[]), Err(Declined::Unknown));
    let touched = AddCheckpoint { note: asked.note.replace("\n5\n", "\n6\n"), ..asked.clone() };
    assert_eq!(submitted(&touched, &keys), Err(Declined::Untrusted));
    let long = AddCheckpoint { note: asked.note.replace("\n5\n", "\n5\nx\n"), ..asked };
    assert_eq!(submitted(&long, &keys), Err(Declined::Malformed));
}

#[test]
fn a_body_is_read_as_the_protocol_writes_it_and_no_other() {
    // The example of c2sp.org/tlog-witness.
    let example = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let read = AddCheckpoint::parse(example).unwrap();
    assert_eq!((read.old, read.growth.len()), (20_852_014, 4));
    assert_eq!(read.origin(), "example.com/behind-the-sofa");
    assert_eq!(read.text(), example);
    let none = request(&Tree(0), 0, 5);
    assert_eq!(AddCheckpoint::parse(&none.text()), Ok(none.clone()));
    let line = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
    let many = |n: usize| format!("old 1\n{}\n{}", line.repeat(n), none.note);
    assert!(AddCheckpoint::parse(&many(GROWTH_LEN_MAX)).is_ok());
    for wrong in [
        many(GROWTH_LEN_MAX + 1),
        example.replace("old 20852014", "old 020852014"),
        example.replace("old 20852014", "old +20852014"),
        example.replace("old 20852014", "old -1"),
        example.replace("old 20852014", "old"),
        example.replace("old 20852014", "Old 20852014"),
        example.replace("old 20852014", "old 18446744073709551616"),
        example.replace("old 20852014\n", "old 20852014\r\n"),
        example.replace("PlRN", "PlR"),
        example.replace("pkaw=", "pkaw"),
        example.trim_end().to_owned(),
        String::new(),
        "old 0\n".to_owned(),
        format!("{example}{}\n", "x".repeat(REQUEST_LEN_MAX)),
    ] {
        let told: String = wrong.chars().take(40).collect();
        assert_eq!(AddCheckpoint::parse(&wrong), Err(Declined::Malformed), "{told}");
    }
    for (body, size) in [("0\n", Some(0)), ("42\n", Some(42)), ("42", None), ("042\n", None)] {
        assert_eq!(size_answered(body), size, "{body}");
    }
    assert_eq!(size_answered(&size_answer(7)), Some(7));
}

#[test]
fn the_key_of_a_witness_has_its_own_type() {
    let signer = WitnessSigner::from_seed("witness.example/w1", &[3; 32]).unwrap();
    let key = signer.key();
    assert_eq!(WitnessKey::parse(&key.text()), Ok(key.clone()));
    // The key of a log is none of a witness, and the other way round.
    let log = SigningKey::from_seed(&[3; 32]).unwrap().verifier("witness.example/w1").text();
    assert!(WitnessKey::parse(&log).is_err());
    assert!(VerifierKey::parse(&key.text()).is_err());
    for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b"] {
        assert!(WitnessSigner::from_seed(name, &[3; 32]).is_err(), "{name:?}");
    }
    assert!(WitnessSigner::from_seed("w", &[3; 31]).is_err());
    assert!(!format!("{signer:?}").contains('3'));
}

#[test]
fn what_is_signed_are_the_bytes_of_the_specification() {
    // Written down by hand from c2sp.org/tlog-cosignature, and verified with nothing of this module.
    let signer = WitnessSigner::from_seed("w.example", &[3; 32]).unwrap();
    let note = key().sign(&Checkpoint { origin: ORIGIN.to_owned(), size: 7, root: [9; 32] });
    let at = jiff::Timestamp::from_second(1_679_315_147).unwrap();
    let line = signer.cosign(&note, at).unwrap();
    let bytes = line.strip_prefix("\u{2014} w.example ").unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, bytes).unwrap();
    assert_eq!(bytes.len(), 4 + 8 + 64);
    assert_eq!(&bytes[4..12], &1_679_315_147_u64.to_be_bytes());
    let id = signer.key().text().split('+').nth(1).unwrap().to_owned();
    assert_eq!(hex::encode(&bytes[..4]), id);
    let message = "cosignature/v1\ntime 1679315147\nhub.example/audit\n7\n\
                   CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n";
    use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
    let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
    let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref().to_vec());
    assert!(public.verify(message.as_bytes(), &bytes[12..]).is_ok());
}

#[test]
fn a_quorum_counts_each_witness_once_and_only_for_what_it_signed() {
    let signers: Vec<WitnessSigner> = (0..3_u8)
        .map(|n| WitnessSigner::from_seed(&format!("w{n}"), &[10 + n; 32]).unwrap())
        .collect();
    let keys: Vec<WitnessKey> = signers.iter().map(WitnessSigner::key).collect();
    let two = Quorum::new(2, keys.clone()).unwrap();
    let note = key().sign(&head(&Tree(0), 5));
    let other = key().sign(&head(&Tree(0), 6));
    let at = |s| jiff::Timestamp::from_second(s).unwrap();
    let line = |n: usize, note: &str, s| signers[n].cosign(note, at(s)).unwrap() + "\n";
    let with = |lines: &[String]| format!("{note}{}", lines.concat());
    for (what, note, met) in [
        ("none", note.clone(), false),
        ("one", with(&[line(0, &note, 5)]), false),
        ("one twice", with(&[line(0, &note, 5), line(0, &note, 6)]), false),
        ("two", with(&[line(0, &note, 5), line(2, &note, 6)]), true),
        ("one of another head", with(&[line(0, &note, 5), line(2, &other, 6)]), false),
        ("one touched", with(&[line(0, &note, 5), line(2, &note, 6).replace('A', "B")]), false),
    ] {
        assert_eq!(two.is_met(&note), met, "{what}");
    }
    assert_eq!(keys[0].find(&with(&[line(0, &note, 5), line(0, &note, 9)])).unwrap().at, at(9));
    assert_eq!(keys[0].verify(&note, line(0, &note, 5).trim_end()).unwrap().at, at(5));
    assert_eq!(keys[1].verify(&note, line(0, &note, 5).trim_end()), None);
    // The log's own key still reads a head with cosignatures.
    let whole = with(&[line(0, &note, 5), line(1, &note, 5), line(2, &note, 5)]);
    assert_eq!(key().verifier(ORIGIN).open(&whole), Ok(head(&Tree(0), 5)));
    assert_eq!(Quorum::new(4, keys.clone()), Err(QuorumError::Number(3)));
    assert_eq!(Quorum::new(0, keys.clone()), Err(QuorumError::Number(3)));
    let twice = vec![keys[0].clone(), keys[0].clone()];
    assert_eq!(Quorum::new(1, twice), Err(QuorumError::Twice("w0".to_owned())));
    let alias = WitnessSigner::from_seed("w9", &[10; 32]).unwrap().key();
    let aliased = vec![keys[0].clone(), alias];
    assert_eq!(Quorum::new(1, aliased), Err(QuorumError::Twice("w9".to_owned())));
}
