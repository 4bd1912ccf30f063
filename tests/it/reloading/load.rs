//! Reloads under load: no request is lost, and every answer is of the policy that it names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir::app::reload::Looked;
use weir::audit::entry::{Facet, Kind};

use super::draft::{Draft, settled};
use super::{following, outcome, version};
use crate::support::{AISHA, NURSE, bearing, request, treatment};

const RELOADS: usize = 20;
const CALLERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_no_request_and_mix_no_two_policies() {
    let draft = Draft::new();
    let mut place = following(&draft).await;
    let mut reloader = place.reloader.take().unwrap();
    let open = draft.hash();
    draft.close();
    let closed = draft.hash();
    draft.open();
    assert_eq!(draft.hash(), open);
    let ended = Arc::new(AtomicBool::new(false));
    let token = place.token(NURSE);
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (ended, token) = (Arc::clone(&ended), token.clone());
            let mut sharing = place.sharing();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let asked = bearing(&token, request(treatment(AISHA)));
                    let answers = sharing.request_records(asked).await.unwrap().into_inner();
                    let answer = &answers.answers[0];
                    let (number, hash) = (version(answer).number, &version(answer).hash[..]);
                    let permitted = outcome(answer) == "OUTCOME_PERMIT";
                    assert_eq!(permitted, hash == open, "an answer that its policy does not give");
                    assert!(permitted || hash == closed, "an answer of no policy");
                    assert_eq!(permitted, answer.values.len() == 1);
                    assert_eq!(number % 2 == 1, permitted, "a number of another policy");
                    assert!(numbers.last() <= Some(&number), "a policy that was out of force");
                    numbers.push(number);
                }
                numbers
            })
        })
        .collect();
    for reload in 0..RELOADS {
        draft.turn();
        assert_eq!(settled(&mut reloader).await, Looked::Activated, "reload {reload}");
    }
    ended.store(true, Ordering::Relaxed);
    let (mut answered, mut seen) = (0, BTreeSet::new());
    for caller in callers {
        let numbers = caller.await.unwrap();
        answered += numbers.len();
        seen.extend(numbers);
    }
    assert!(seen.len() > RELOADS / 2, "the load met few of the policies: {seen:?}");
    assert!(answered > RELOADS, "{answered} answers are no load");
    // In the log too: every decision comes after the entry of its policy.
    let mut activated = BTreeSet::new();
    let mut decided = 0;
    for logged in place.entries(0) {
        let policy = logged.entry.policy;
        let kind = logged.entry.kind;
        if kind == Kind::Policy && logged.facet(Facet::What).starts_with("activated") {
            activated.insert(policy);
        }
        if matches!(kind, Kind::Disclose | Kind::Refuse) {
            assert!(activated.contains(&policy), "entry {}", logged.index);
            assert_eq!(kind == Kind::Disclose, policy == open);
            decided += 1;
        }
    }
    assert_eq!(decided, answered, "an answer that the log does not hold, or the other way round");
    // Whoever was in force is freed when nobody uses it any more.
    assert!(reloader.parked() <= RELOADS);
    settled(&mut reloader).await;
    assert_eq!(reloader.parked(), 0);
}
