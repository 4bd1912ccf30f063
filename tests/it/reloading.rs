//! A policy that is edited while the hub runs: a good edit goes live without a lost request, a bad one leaves what
//! was in force, and the log tells of both.

pub(crate) mod draft;
mod load;
mod starting;

use std::task::Poll;

use weir::app::reload::Looked;
use weir::audit::entry::{Facet, Kind};
use weir::clock::FixedClock;
use weir::grpc::pb;
use weir::store::Store;

use crate::support::{AISHA, Logged, NURSE, OPENED, Place, decision, request, treatment};
use draft::{Draft, settled};

/// A place that follows a folder when told.
pub(crate) async fn following(draft: &Draft) -> Place {
    let clock = FixedClock::at(OPENED.parse().unwrap());
    Place::following(tempfile::tempdir().unwrap(), clock, draft.unsigned()).await
}

/// The answer to the nurse's question.
pub(crate) async fn answer(place: &Place) -> pb::Answer {
    let asked = place.from(NURSE, request(treatment(AISHA)));
    place.sharing().request_records(asked).await.unwrap().into_inner().answers.remove(0)
}

pub(crate) fn version(answer: &pb::Answer) -> &pb::PolicyVersion {
    answer.policy.as_ref().unwrap()
}

/// Number, hash and age of the policy that an answer names.
pub(crate) fn stamp(answer: &pb::Answer) -> (u64, String, i64) {
    let version = version(answer);
    (version.number, hex::encode(&version.hash), version.since_time.unwrap().seconds)
}

pub(crate) fn outcome(answer: &pb::Answer) -> &'static str {
    decision(answer).outcome().as_str_name()
}

/// What entries of policies say from a place of the log on: what happened, and how many findings.
pub(crate) fn told(place: &Place, from: u64) -> Vec<(String, String)> {
    let of_policy = |logged: &Logged| logged.entry.kind == Kind::Policy;
    let told = |l: Logged| (l.facet(Facet::What).to_owned(), l.facet(Facet::Count).to_owned());
    place.entries(from).into_iter().filter(of_policy).map(told).collect()
}

/// Why the candidate is refused, as the store keeps it.
pub(crate) async fn reasons(place: &Place) -> Vec<String> {
    place.app.store.candidate().await.unwrap().map(|c| c.reasons).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_goes_live_with_a_number_a_hash_and_its_age() {
    let draft = Draft::new();
    let mut place = following(&draft).await;
    let before = answer(&place).await;
    assert_eq!(outcome(&before), "OUTCOME_PERMIT");
    assert_eq!((version(&before).number, &version(&before).hash[..]), (1, &draft.hash()[..]));
    let mut reloader = place.reloader.take().unwrap();
    let log = place.log_size();
    assert_eq!(settled(&mut reloader).await, Looked::Same);
    assert_eq!(place.log_size(), log, "a look leaves nothing behind");

    place.clock.set("2026-07-15T11:30:00+01:00".parse().unwrap());
    draft.close();
    assert_eq!(reloader.look().await.unwrap(), Looked::Busy, "it may still be written");
    assert_eq!(answer(&place).await.policy.unwrap().number, 1);
    assert_eq!(reloader.look().await.unwrap(), Looked::Activated);
    let log_of_it = place.entries(log);
    let entry = log_of_it.iter().find(|e| e.entry.kind == Kind::Policy).unwrap();
    assert_eq!(entry.facet(Facet::What), "activated|narrowing|unsigned|v2");
    assert_eq!(entry.facet(Facet::Previous), hex::encode(&version(&before).hash));
    assert_eq!(entry.entry.policy, draft.hash());

    let after = answer(&place).await;
    assert_eq!(outcome(&after), "OUTCOME_DENY");
    assert_eq!(decision(&after).codes, ["AGR_SUSPENDED"]);
    assert_eq!((version(&after).number, &version(&after).hash[..]), (2, &draft.hash()[..]));
    let since = |answer: &pb::Answer| version(answer).since_time.unwrap().seconds;
    assert_eq!(since(&after) - since(&before), 90 * 60);
    let told = place.policies().get_policy(place.from(NURSE, pb::GetPolicyRequest {})).await;
    assert!(told.unwrap().into_inner().version.as_ref() == Some(version(&after)));
    let kept = place.app.store.kept_policies(10).await.unwrap();
    assert_eq!(kept.iter().map(|k| k.number).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_leaves_what_is_in_force_and_says_why() {
    let draft = Draft::new();
    let mut place = following(&draft).await;
    let mut reloader = place.reloader.take().unwrap();
    let first = draft.hash();
    type Edit = (&'static str, fn(&Draft), &'static str);
    let edits: [Edit; 7] = [
        (
            "a word that is in no vocabulary",
            |d| d.edit("rules/isa-care.csv", "direct_care", "direct_car"),
            "rules/isa-care.csv line",
        ),
        ("a file that nobody reads", |d| d.write("rules/new.cvs", "x"), "rules/new.cvs"),
        ("half a file", |d| d.write("promises.csv", "never, *, *, debt"), "promises.csv"),
        ("no model", |d| d.remove("model.conf"), "model.conf"),
        (
            "an example that does not come out",
            |d| d.edit("scenarios/start.toml", "\"DENY\"", "\"PERMIT\""),
            "scenarios/start.toml: start (A reason of one word)",
        ),
        ("no example", |d| d.remove("scenarios/start.toml"), "no scenario was found"),
        (
            "an example that cannot be read",
            |d| d.edit("scenarios/start.toml", "[[scenario]]", "[[scenarios]]"),
            "scenarios/start.toml: key `scenarios`",
        ),
    ];
    for (what, edit, why) in edits {
        let good = draft.files();
        edit(&draft);
        let log = place.log_size();
        assert_eq!(settled(&mut reloader).await, Looked::Refused, "{what}");
        let reasons = reasons(&place).await;
        assert!(reasons.iter().any(|line| line.contains(why)), "{what}: {reasons:?}");
        let told = told(&place, log);
        assert_eq!(told, [("refused".to_owned(), reasons.len().to_string())], "{what}");
        let log = place.log_size();
        assert_eq!(settled(&mut reloader).await, Looked::Same, "{what}");
        assert_eq!(place.log_size(), log, "{what}: told once");
        let answer = answer(&place).await;
        assert_eq!(outcome(&answer), "OUTCOME_PERMIT", "{what}");
        assert_eq!(version(&answer).hash, first, "{what}");

        for name in draft.files().keys().filter(|name| !good.contains_key(*name)) {
            draft.remove(name);
        }
        for (name, bytes) in &good {
            draft.write(name, bytes);
        }
        let log = place.log_size();
        assert_eq!(settled(&mut reloader).await, Looked::InForce, "{what}");
        assert_eq!(crate::reloading::told(&place, log)[0].0, "withdrawn", "{what}");
        assert!(place.app.store.candidate().await.unwrap().is_none(), "{what}");
    }
    draft.close();
    assert_eq!(settled(&mut reloader).await, Looked::Activated, "a good edit after bad ones");
}

/// The log first: a policy that cannot be entered does not come into force.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_entered_does_not_come_into_force() {
    let draft = Draft::new();
    let mut place = following(&draft).await;
    let mut reloader = place.reloader.take().unwrap();
    let first = draft.hash();
    for (what, file) in [("the store is held", "hub.db"), ("the log is held", "audit-2026.db")] {
        let before = place.app.hub.policy().unwrap().version().clone();
        draft.turn();
        assert_eq!(reloader.look().await.unwrap(), Looked::Busy, "{what}");
        let other = rusqlite::Connection::open(place.data().join(file)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let log = place.log_size();
        for _ in 0..2 {
            assert!(reloader.look().await.is_err(), "{what}");
            assert_eq!(*place.app.hub.policy().unwrap().version(), before, "{what}");
        }
        assert_eq!(told(&place, log), [], "{what}");
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(settled(&mut reloader).await, Looked::Activated, "{what}");
        assert_eq!(place.app.hub.policy().unwrap().version().hash, draft.hash(), "{what}");
        let told = told(&place, log);
        let activated = told.iter().filter(|(what, _)| what.starts_with("activated")).count();
        assert_eq!(activated, 1, "{what}: {told:?}");
    }
    assert_eq!(draft.hash(), first, "turned twice");
}

/// A reloader that ends at any point leaves a policy in force that the log knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_reloader_that_is_killed_leaves_a_policy_in_force_that_the_log_knows() {
    let draft = Draft::new();
    let mut place = following(&draft).await;
    let mut reloader = place.reloader.take().unwrap();
    let (mut cut_off, mut polls, mut rounds) = (0, 1, 0);
    loop {
        let before = place.app.hub.policy().unwrap().version().clone();
        draft.turn();
        assert_eq!(reloader.look().await.unwrap(), Looked::Busy);
        let (mut look, mut left) = (Box::pin(reloader.look()), polls);
        let ended = std::future::poll_fn(|context| {
            left -= 1;
            match look.as_mut().poll(context) {
                Poll::Ready(looked) => Poll::Ready(Some(looked)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        let ended = ended.await;
        drop(look);
        let now = place.app.hub.policy().unwrap().version().clone();
        assert!([before.hash, draft.hash()].contains(&now.hash), "{polls} polls");
        let served = answer(&place).await;
        assert_eq!(version(&served).hash, now.hash, "{polls} polls");
        let known = |hash: [u8; 32]| {
            place.entries(0).iter().any(|e| {
                e.entry.policy == hash
                    && e.entry.kind == Kind::Policy
                    && e.facet(Facet::What).starts_with("activated")
            })
        };
        assert!(known(now.hash), "{polls} polls: a policy that the log does not know");
        if let Some(looked) = ended {
            assert_eq!(looked.unwrap(), Looked::Activated);
            // On a busy machine some of what it waits for is there before it has to wait: then once more.
            rounds += 1;
            if cut_off >= 4 || rounds == 20 {
                break;
            }
            polls = 1;
            continue;
        }
        cut_off += 1;
        let after = settled(&mut reloader).await;
        assert!(matches!(after, Looked::Activated | Looked::InForce), "{polls} polls: {after:?}");
        assert_eq!(place.app.hub.policy().unwrap().version().hash, draft.hash(), "{polls} polls");
        polls += 1;
    }
    assert!(cut_off >= 4, "cut off {cut_off} times only");
}
