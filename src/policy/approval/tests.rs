use std::collections::BTreeSet;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::*;
use crate::policy::load::hash;

const OLD: [u8; 32] = [7; 32];

/// A person with a key of their own.
struct Signer {
    name: &'static str,
    pair: Ed25519KeyPair,
}

impl Signer {
    fn new(name: &'static str) -> Self {
        Self { name, pair: Ed25519KeyPair::generate().unwrap() }
    }

    fn trusted(&self, roles: &[&str]) -> TrustedKey {
        let public = self.pair.public_key().as_ref().try_into().unwrap();
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        TrustedKey { name: self.name.to_owned(), public, roles }
    }

    fn sign(&self, files: &mut Files) {
        let bytes = self.pair.sign(&bundle::message(files)).as_ref().to_vec();
        let key = self.pair.public_key().as_ref().try_into().unwrap();
        let signature = Signature { name: self.name.to_owned(), key, bytes };
        let (name, text) = signature_file(&signature);
        files.insert(name, text.into_bytes());
    }
}

/// Whom the hub trusts, and two whom it does not.
struct Ground {
    ade: Signer,
    mair: Signer,
    dee: Signer,
    ade_again: Signer,
    stranger: Signer,
    trust: Trust,
}

impl Ground {
    fn new() -> Self {
        let ade = Signer::new("Ade Bakare");
        let (mair, dee) = (Signer::new("Mair Pritchard"), Signer::new("Dee Author"));
        let (ade_again, stranger) = (Signer::new("ade  bakare"), Signer::new("Ade Bakare"));
        let keys = vec![
            ade.trusted(&["iao"]),
            mair.trusted(&["caldicott-guardian", "siro"]),
            dee.trusted(&["siro"]),
            ade_again.trusted(&["siro", "caldicott-guardian"]),
        ];
        let trust = Trust { required: true, keys };
        Self { ade, mair, dee, ade_again, stranger, trust }
    }
}

fn folder() -> Files {
    let files = [("model.conf", "m"), ("rules/a.csv", "p, A"), ("README.md", "words")];
    files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into()
}

fn bundle_of(files: &Files) -> Bundle {
    Bundle {
        version: 42,
        previous: Some(OLD),
        not_before: None,
        author: "Dee Author".to_owned(),
        class: Class::Widening,
        newly_allowed: None,
        acknowledged: BTreeSet::from(["W42".to_owned()]),
        advice: Some(Advice {
            by: "Pia Officer".to_owned(),
            text: "lawful and needed".to_owned(),
            not_followed: None,
        }),
        files: file_digests(files),
    }
}

fn with(mut files: Files, bundle: &Bundle, signers: &[&Signer]) -> Files {
    files.insert(Bundle::FILE.to_owned(), bundle.text().into_bytes());
    for signer in signers {
        signer.sign(&mut files);
    }
    files
}

fn before() -> Before {
    Before { number: 41, hash: Some(OLD) }
}

fn change(class: Class) -> Change {
    let roles: &[&str] =
        if class == Class::Widening { &["caldicott-guardian", "iao"] } else { &[] };
    Change {
        class,
        people: if class == Class::Widening { 2 } else { 1 },
        roles: roles.iter().map(|role| (*role).to_owned()).collect::<BTreeSet<_>>(),
        suspends: false,
        warnings: BTreeSet::new(),
        diff: None,
    }
}

#[test]
fn two_who_are_not_the_author_approve_what_widens() {
    let ground = Ground::new();
    let files = with(folder(), &bundle_of(&folder()), &[&ground.ade, &ground.mair]);
    let approved = ground.trust.approves(&files, before(), &change(Class::Widening)).unwrap();
    assert_eq!(approved.by, ["Ade Bakare", "Mair Pritchard"]);
    assert_eq!((approved.number, approved.author.as_str()), (42, "Dee Author"));
    assert_eq!(hash(&files), hash(&folder()), "an approval is no part of what it approves");
    // What explains a folder is no part of it either.
    let mut reworded = files;
    reworded.insert("README.md".to_owned(), b"other words".to_vec());
    assert!(ground.trust.approves(&reworded, before(), &change(Class::Widening)).is_ok());
}

#[test]
fn one_approves_what_narrows_the_author_too() {
    let ground = Ground::new();
    for signer in [&ground.ade, &ground.dee] {
        for class in [Class::Narrowing, Class::Wording] {
            let bundle = Bundle { class, ..bundle_of(&folder()) };
            let files = with(folder(), &bundle, &[signer]);
            let approved = ground.trust.approves(&files, before(), &change(class)).unwrap();
            assert_eq!(approved.by, [signer.name], "{class}");
        }
    }
}

#[test]
fn the_first_policy_follows_nothing() {
    let ground = Ground::new();
    let bundle = Bundle { version: 1, previous: None, ..bundle_of(&folder()) };
    let files = with(folder(), &bundle, &[&ground.ade, &ground.mair]);
    let widening = change(Class::Widening);
    assert!(ground.trust.approves(&files, Before::default(), &widening).is_ok());
    assert_eq!(ground.trust.approves(&files, before(), &widening).unwrap_err().code, "A08");
}

#[test]
fn every_attack_is_refused_by_name() {
    let ground = Ground::new();
    let Ground { ade, mair, dee, ade_again, stranger, trust } = &ground;
    let good = bundle_of(&folder());
    let signed = |bundle: &Bundle, signers: &[&Signer]| with(folder(), bundle, signers);
    let edited = |edit: &dyn Fn(&mut Files)| {
        let mut files = signed(&good, &[ade, mair]);
        edit(&mut files);
        files
    };
    let put = |name: &'static str, text: &'static str| {
        move |files: &mut Files| {
            files.insert(name.to_owned(), text.as_bytes().to_vec());
        }
    };
    let first_signature =
        |files: &Files| files.keys().find(|name| name.ends_with(".sig")).cloned().unwrap();
    let cases: Vec<(&str, Files, &str, &str)> = vec![
        ("no bundle", folder(), "A02", "nobody has approved"),
        ("a bundle that nobody signed", signed(&good, &[]), "A02", "nobody has signed"),
        (
            "a key that is not trusted",
            signed(&good, &[ade, stranger]),
            "A03",
            "none of [[policy.key]]",
        ),
        ("one signature for what widens", signed(&good, &[mair]), "A05", "needs 2 people"),
        ("one person with two keys", signed(&good, &[ade, ade_again]), "A05", "1 approved it"),
        ("the author as approver", signed(&good, &[mair, dee]), "A06", "the author may not"),
        (
            "the author under another spelling",
            {
                let bundle = Bundle { author: " ade BAKARE".to_owned(), ..good.clone() };
                signed(&bundle, &[ade, mair])
            },
            "A06",
            "the author may not",
        ),
        (
            "two without the role",
            signed(
                &good,
                &[mair, &Signer { name: "x", pair: Ed25519KeyPair::generate().unwrap() }],
            ),
            "A03",
            "none of",
        ),
        (
            "an old version again",
            signed(&Bundle { version: 41, ..good.clone() }, &[ade, mair]),
            "A08",
            "not higher than 41",
        ),
        (
            "version 0",
            signed(&Bundle { version: 0, ..good.clone() }, &[ade, mair]),
            "A08",
            "not higher",
        ),
        (
            "to follow another policy",
            signed(&Bundle { previous: Some([8; 32]), ..good.clone() }, &[ade, mair]),
            "A09",
            "another policy",
        ),
        (
            "to follow nothing",
            signed(&Bundle { previous: None, ..good.clone() }, &[ade, mair]),
            "A09",
            "another policy",
        ),
        (
            "taken for less than it is",
            signed(&Bundle { class: Class::Narrowing, ..good.clone() }, &[ade, mair]),
            "A10",
            "the change is widening",
        ),
        (
            "a file changed afterwards",
            edited(&put("rules/a.csv", "p, B")),
            "A12",
            "rules/a.csv: was changed",
        ),
        (
            "a file added afterwards",
            edited(&put("rules/b.csv", "p, B")),
            "A11",
            "rules/b.csv: was added",
        ),
        (
            "a file taken away afterwards",
            edited(&|files| {
                files.remove("rules/a.csv");
            }),
            "A13",
            "rules/a.csv: was taken away",
        ),
        (
            "a key in the folder",
            edited(&put("approvals/trusted.toml", "name = \"Me\"")),
            "A01",
            "Nothing in the policy folder",
        ),
        (
            "the bundle changed afterwards",
            edited(&|files| {
                let other = Bundle { author: "Somebody Else".to_owned(), ..good.clone() };
                files.insert(Bundle::FILE.to_owned(), other.text().into_bytes());
            }),
            "A04",
            "not of this bundle",
        ),
        (
            "a signature of another bundle",
            {
                let other = signed(&Bundle { version: 43, ..good.clone() }, &[ade]);
                edited(&|files| {
                    let name = first_signature(&other);
                    files.insert(name.clone(), other[&name].clone());
                })
            },
            "A04",
            "not of this bundle",
        ),
        (
            "a signature that names another",
            edited(&|files| {
                let name = signature_file(&Signature {
                    name: String::new(),
                    key: ade.trusted(&[]).public,
                    bytes: Vec::new(),
                })
                .0;
                let text =
                    String::from_utf8(files[&name].clone()).unwrap().replace("Ade Bakare", "Eve");
                files.insert(name, text.into_bytes());
            }),
            "A04",
            "another person",
        ),
        (
            "half a signature",
            edited(&|files| {
                let name = first_signature(files);
                let half = files[&name].len() / 2;
                files.get_mut(&name).unwrap().truncate(half);
            }),
            "A01",
            "is no signature",
        ),
        (
            "half a bundle",
            edited(&|files| {
                files.get_mut(Bundle::FILE).unwrap().truncate(30);
            }),
            "A01",
            "approvals/bundle.toml",
        ),
        (
            "a key more in the bundle",
            edited(&|files| {
                files.get_mut(Bundle::FILE).unwrap().splice(0..0, *b"trusted = 1\n");
            }),
            "A01",
            "unknown field",
        ),
    ];
    for (what, files, code, says) in cases {
        let why = trust.approves(&files, before(), &change(Class::Widening)).unwrap_err();
        assert_eq!(why.code, code, "{what}: {why}");
        assert!(why.to_string().contains(says), "{what}: {why}");
    }
    // Without the role that the touched categories demand.
    let demands =
        |role: &str| Change { roles: [role.to_owned()].into(), ..change(Class::Widening) };
    let files = signed(&good, &[ade, mair]);
    let why = trust.approves(&files, before(), &demands("dpo")).unwrap_err();
    assert_eq!(why.code, "A07", "{why}");
    assert!(why.to_string().contains("dpo"), "{why}");
    // The second key of one person brings no role of another person.
    let files = signed(&good, &[ade_again, mair]);
    let why = trust.approves(&files, before(), &demands("iao")).unwrap_err();
    assert_eq!(why.code, "A07", "{why}");
}

#[test]
fn a_change_widens_unless_it_is_proved_not_to() {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let old = crate::policy::load::read_dir(&shipped).unwrap();
    let book = crate::policy::load::load(&old).unwrap();
    let agreement = "agreements/isa-care.toml";
    let row = "p, S1, x, deny\n";
    let edit = |name: &str, from: &str, to: &str| {
        let text = String::from_utf8(old[name].clone()).unwrap();
        assert!(text.contains(from), "{name}: {from}");
        let mut files = old.clone();
        files.insert(name.to_owned(), text.replacen(from, to, 1).into_bytes());
        files
    };
    let put = |files: &Files, name: &str, text: &str| {
        let mut files = files.clone();
        files.insert(name.to_owned(), text.as_bytes().to_vec());
        files
    };
    let suspended = edit(agreement, STATUS.0, STATUS.1);
    let closed = put(&old, SUSPENDED, row);
    for (what, from, to, class) in [
        ("nothing", &old, old.clone(), Class::Wording),
        ("README", &old, put(&old, "README.md", "x"), Class::Wording),
        // Whether examples only reword is for the exact comparison; beside a suspension they are no suspension.
        ("an example", &old, put(&old, "scenarios/x.toml", "x"), Class::Widening),
        (
            "a suspension and an example",
            &old,
            put(&suspended, "scenarios/x.toml", "x"),
            Class::Widening,
        ),
        ("a suspension", &old, suspended.clone(), Class::Narrowing),
        ("its end", &suspended, old.clone(), Class::Widening),
        (
            "a suspension and more",
            &old,
            {
                let text = String::from_utf8(suspended[agreement].clone()).unwrap();
                put(&suspended, agreement, &text.replace("grace_days = 30", "grace_days = 60"))
            },
            Class::Widening,
        ),
        ("an agency suspended", &old, closed.clone(), Class::Narrowing),
        (
            "another one too",
            &closed,
            put(&old, SUSPENDED, "p, S1, x, deny\np, S2, y, deny\n"),
            Class::Narrowing,
        ),
        ("another one instead", &closed, put(&old, SUSPENDED, "p, S2, y, deny\n"), Class::Widening),
        ("its end", &closed, old.clone(), Class::Widening),
        (
            "an allow row among them",
            &old,
            put(&old, SUSPENDED, "p, S1, x, allow\n"),
            Class::Widening,
        ),
        ("a deny row elsewhere", &old, put(&old, "rules/01.csv", row), Class::Widening),
        (
            "a rule",
            &old,
            edit("rules/isa-care.csv", "doctor|nurse", "doctor|nurse|carer"),
            Class::Widening,
        ),
        (
            "a figure",
            &old,
            edit("conditions.toml", "adult_age = 18", "adult_age = 17"),
            Class::Widening,
        ),
        (
            "a file less",
            &old,
            {
                let mut files = old.clone();
                files.remove("promises.csv");
                files
            },
            Class::Widening,
        ),
    ] {
        assert_eq!(change::by_files(from, &to), class, "{what}");
    }
    let day = "2026-07-15".parse().unwrap();
    let compared = |files: &Files| {
        let new = crate::policy::load::load(files).unwrap();
        between(Some(Side { files: &old, book: &book, day }), Side { files, book: &new, day })
    };
    let wider =
        compared(&edit("rules/isa-care.csv", "doctor|nurse|", "doctor|nurse|social-worker|"));
    assert_eq!((wider.class, wider.people, wider.suspends), (Class::Widening, 2, false));
    assert!(wider.roles.contains("information-asset-owner"), "{:?}", wider.roles);
    let narrower = compared(&edit(agreement, "grace_days = 30", "grace_days = 14"));
    assert_eq!((narrower.class, narrower.people, narrower.suspends), (Class::Narrowing, 1, false));
    let stopped = compared(&suspended);
    assert_eq!((stopped.class, stopped.people, stopped.suspends), (Class::Narrowing, 1, true));
    assert!(stopped.roles.is_empty(), "one person, whoever it is");
    let first = between(None, Side { files: &old, book: &book, day });
    assert_eq!((first.class, first.people), (Class::Widening, 2), "the first policy");
}

#[test]
fn what_the_approvers_did_not_know_they_did_not_approve() {
    let ground = Ground::new();
    let brings = |code: &str| Change {
        warnings: BTreeSet::from([code.to_owned()]),
        ..change(Class::Widening)
    };
    let allows = |newly_allowed| {
        let mut diff = crate::policy::diff::Diff::default();
        diff.newly_allowed = newly_allowed;
        Change { diff: Some(diff), ..change(Class::Widening) }
    };
    let good = bundle_of(&folder());
    let counted = |count| Bundle { newly_allowed: Some(count), ..good.clone() };
    let unadvised = Bundle { advice: None, ..good.clone() };
    let check = |bundle: &Bundle, change: &Change, code: &str| {
        let files = with(folder(), bundle, &[&ground.ade, &ground.mair]);
        let found = ground.trust.approves(&files, before(), change);
        let found = found.err().map_or("", |why| why.code);
        assert_eq!(found, code, "{bundle:?} {change:?}");
    };
    check(&good, &allows(12), "A14");
    check(&counted(11), &allows(12), "A14");
    check(&counted(12), &allows(12), "");
    check(&good, &brings("W42"), "");
    check(&good, &brings("W43"), "A15");
    check(&unadvised, &change(Class::Widening), "A16");
    // One person narrows at once: nothing need be typed, and nobody asked.
    let narrows = Change { diff: allows(0).diff, ..change(Class::Narrowing) };
    check(&Bundle { class: Class::Narrowing, ..unadvised }, &narrows, "");
    // Advice that is not followed has its reason.
    let text = |reason: &str| {
        let advice =
            Advice { not_followed: Some(reason.to_owned()), ..good.advice.clone().unwrap() };
        Bundle { advice: Some(advice), ..good.clone() }.text()
    };
    let reason = Bundle::parse(text("the court ordered it").as_bytes()).unwrap().advice.unwrap();
    assert_eq!(reason.not_followed.as_deref(), Some("the court ordered it"));
    assert!(Bundle::parse(text(" ").as_bytes()).is_err());
}

#[test]
fn a_name_that_may_be_the_author_s_is_the_author_s() {
    for (one, other, so) in [
        ("Ade Bakare", "ade  BAKARE", true),
        ("Ade Bakare", "A. Bakare", true),
        ("Ade Bakare", "Adeola T. Bakare", true),
        ("Ade Bakare", "Mair Bakare", false),
        ("Ade Bakare", "Ade Pritchard", false),
    ] {
        assert_eq!(may_be_one_person(one, other), so, "{one} {other}");
    }
}
