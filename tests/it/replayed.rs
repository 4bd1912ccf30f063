//! Every scenario again, through a running hub: what is given is set through public calls by those who may,
//! the question is asked with the asker's token, and the answer is the one that the scenario's own facts
//! give. What cannot be set is listed by id with the reason.

mod files;
mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use weir::domain::Facts;
use weir::policy::PolicySnapshot;
use weir::policy::scenario::Case;

use crate::support::{Place, decision};
use setting::{Impossible, Set, Told};

/// Cases that no running hub can be brought into, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("agr-all-at-once", "takes a category out of an agreement: a live agreement is made of rules"),
    ("agr-category", "takes a category out of an agreement: a live agreement is made of rules"),
    ("agr-none-only", "takes a category out of an agreement: a live agreement is made of rules"),
    ("agr-party#2", "a folder whose rules name a recipient that is no party does not load"),
    ("ask-unknown-agency#1", "an agency that no list has has no issuer, and so no token"),
    (
        "cho-ndo#8",
        "knows an opt-out from a check of last year: what a check found is deleted with it",
    ),
    ("cns-all-names", "a consent that names no recipient is refused when it is recorded"),
    ("gw-nations#4", "a nation that no agency and no gateway has is refused at registration"),
];

/// All cases of the shipped folder, by the changes of the rule book that they make.
fn cases(policy: &PolicySnapshot) -> BTreeMap<String, Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/scenarios");
    let mut groups: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for case in weir::policy::scenario::parse(&text, policy.book()).unwrap() {
            let amendments = serde_json::to_string(&case.facts.amendments).unwrap();
            groups.entry(amendments).or_default().push(case);
        }
    }
    groups
}

/// What the requester is told, as one text.
fn told(answer: &weir::grpc::pb::Answer) -> String {
    let decision = decision(answer);
    let withheld: Vec<_> = decision.withheld.iter().map(|w| (&w.field, &w.codes)).collect();
    let outcome = match decision.outcome {
        1 => "PERMIT",
        2 => "PARTIAL",
        3 => "REFER",
        4 => "DENY",
        _ => "?",
    };
    let (permitted, duties) = (&decision.permitted_fields, &decision.duties);
    format!("{outcome} {permitted:?} {withheld:?} {duties:?} {}", decision.duty_alarm)
}

/// The same from the case's own facts.
fn wanted(policy: &PolicySnapshot, case: &Case) -> String {
    let decided = policy.decide(&case.ask, &case.facts, case.at);
    let view = policy.view(&decided, |_| true);
    let permitted: Vec<String> = view.released.iter().map(|(f, _)| f.to_string()).collect();
    let withheld: Vec<(String, Vec<String>)> = view
        .withheld
        .iter()
        .map(|(f, codes)| (f.to_string(), codes.iter().map(ToString::to_string).collect()))
        .collect();
    let duties: Vec<String> = view.duties.iter().map(|d| d.as_str().to_owned()).collect();
    format!("{} {permitted:?} {withheld:?} {duties:?} {}", view.outcome, view.duty_alarm)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_is_answered_alike_by_a_running_hub() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let shipped = weir::cli::policy::open(&root).unwrap();
    let exceptions: BTreeMap<&str, &str> = EXCEPTIONS.iter().copied().collect();
    let mut impossible: BTreeMap<String, String> = BTreeMap::new();
    let mut differs = Vec::new();
    let (mut asked, mut all) = (0, BTreeSet::new());
    for (_, cases) in cases(&shipped) {
        all.extend(cases.iter().map(|case| case.id.clone()));
        let amendments = &cases[0].facts.amendments;
        let folder = match files::amended(&root, amendments) {
            Ok(folder) => folder,
            Err(why) => {
                impossible.extend(cases.iter().map(|case| (case.id.clone(), why.clone())));
                continue;
            }
        };
        let place = Place::empty(folder.path()).await;
        let mut set = Set::up(&place).await;
        for case in &cases {
            let answer = match set.ask(case).await {
                Ok(answer) => answer,
                Err(Impossible(why)) => {
                    impossible.insert(case.id.clone(), why);
                    continue;
                }
            };
            asked += 1;
            // Under the hub's own rule book: the amendments are in its files.
            let plain = Case {
                facts: Facts { amendments: Default::default(), ..case.facts.clone() },
                ..case.clone()
            };
            let wanted = wanted(&place.app.hub.policy().unwrap(), &plain);
            let (told, wanted) = match answer {
                Told::Answer(answer) => (told(&answer), wanted),
                Told::Located(told) => (told.to_string(), wanted.starts_with("PERMIT").to_string()),
            };
            if told != wanted {
                differs.push(format!("{}:\n  told   {told}\n  wanted {wanted}", case.id));
            }
        }
    }
    assert!(differs.is_empty(), "{} differ:\n{}", differs.len(), differs.join("\n"));
    let unlisted: Vec<_> =
        impossible.iter().filter(|(id, _)| !exceptions.contains_key(id.as_str())).collect();
    assert!(unlisted.is_empty(), "{} more cannot be set: {unlisted:#?}", unlisted.len());
    let stale: Vec<_> = exceptions.keys().filter(|id| !impossible.contains_key(**id)).collect();
    assert!(stale.is_empty(), "can be set after all: {stale:?}");
    assert_eq!(asked + exceptions.len(), all.len());
}
