//! Rule 11 of the scenarios, read a second time and literally, against the engine: for any events in any order both say
//! the same, and nothing is released on a consent outside its life, kind, recipient or scope. What a proxy may do
//! (`consent::proxy`) agrees with whose yes the engine takes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;
use weir::consent::proxy::{Proxy, Whom, powers};
use weir::domain::{
    AgreementAmendment, Capacity, ConsentEvent, ConsentKind, ConsentState, DecisionId, FieldId,
    Giver, ProxyGrant,
};
use weir::policy::scenario::{Case, parse};
use weir::policy::{FieldOutcome, PolicySnapshot};

fn policy() -> &'static PolicySnapshot {
    static POLICY: OnceLock<PolicySnapshot> = OnceLock::new();
    POLICY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        weir::cli::policy::open(&root).unwrap()
    })
}

/// A question that rests on consent and on nothing else that could be missing.
struct Asked {
    agency: &'static str,
    role: &'static str,
    from: &'static str,
    purpose: &'static str,
    kind: ConsentKind,
    online: bool,
    /// Each with: special or confidential; one of the groups of a property and finance attorney.
    fields: &'static [(&'static str, bool, bool)],
}

const ASKED: [Asked; 4] = [
    Asked {
        agency: "northfield-council-housing",
        role: "housing-officer",
        from: "oakdale-gp",
        purpose: "medical_priority",
        kind: ConsentKind::ConfidentialityExplicit,
        online: false,
        fields: &[
            ("identity/core.name", false, false),
            ("health/support.mobility", true, false),
            ("housing/need.medical_priority_letter", true, true),
        ],
    },
    Asked {
        agency: "northfield-council-revenues",
        role: "badge-officer",
        from: "dwp-northshire",
        purpose: "benefit_check",
        kind: ConsentKind::Participation,
        online: false,
        fields: &[("benefits/awards.award_code", false, true)],
    },
    Asked {
        agency: "northfield-council-early-help",
        role: "early-help-worker",
        from: "st-annes-school",
        purpose: "youth_portal",
        kind: ConsentKind::GdprArt6a,
        online: true,
        fields: &[("identity/core.name", false, false)],
    },
    Asked {
        agency: "befriend",
        role: "charity-worker",
        from: "northfield-council-adult-care",
        purpose: "befriending",
        kind: ConsentKind::GdprArt9Explicit,
        online: false,
        fields: &[
            ("identity/core.name", false, false),
            ("health/support.support_needs_summary", true, false),
        ],
    },
];

fn case(asked: &Asked) -> Case {
    let fields: Vec<String> = asked.fields.iter().map(|(f, _, _)| format!("\"{f}\"")).collect();
    let text = format!(
        "[[scenario]]\nid = \"x\"\ntitle = \"x\"\nwhy = \"x\"\n\
         given.requester = {{ agency = \"{}\", role = \"{}\", training_until = 2199-12-31 }}\n\
         ask = {{ from = \"{}\", purpose = \"{}\", fields = [{}] }}\n\
         want = {{ outcome = \"DENY\" }}\n",
        asked.agency,
        asked.role,
        asked.from,
        asked.purpose,
        fields.join(", ")
    );
    let mut case = parse(&text, policy().book()).unwrap().pop().unwrap();
    // Agreements do not end here: only consent decides.
    for id in policy().book().agreements.keys() {
        let always = AgreementAmendment {
            start: Some(Date::constant(1946, 1, 1)),
            end: Some(Date::constant(2199, 1, 1)),
            review_due: Some(Date::constant(2199, 1, 1)),
            ..AgreementAmendment::default()
        };
        case.facts.amendments.agreements.insert(id.clone(), always);
    }
    case
}

fn zone() -> TimeZone {
    TimeZone::get("Europe/London").unwrap()
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(zone()).date()
}

/// Whole years of age; who was born on 29 February is a year older on 1 March of a common year.
fn age(born: Date, on: Date) -> i16 {
    let before = (on.month(), on.day()) < (born.month(), born.day());
    on.year() - born.year() - i16::from(before)
}

/// What the rule says, sentence by sentence.
fn rule_11(
    asked: &Asked,
    field: (&str, bool, bool),
    events: &[ConsentEvent],
    (born, capacity): (Option<Date>, Capacity),
    now: Timestamp,
) -> Result<(), BTreeSet<&'static str>> {
    let only = |code: &'static str| Err(BTreeSet::from([code]));
    let today = day_of(now);
    let yes = |e: &ConsentEvent| e.state == ConsentState::Given || e.state == ConsentState::Renewed;
    // "Take the events that name the purpose and are not later than the ask."
    let mut all: Vec<&ConsentEvent> = events
        .iter()
        .filter(|e| e.at <= now && e.purposes.iter().any(|p| p.as_str() == asked.purpose))
        .collect();
    all.sort_by_key(|e| e.at);
    if all.is_empty() {
        return only("CNS_ABSENT");
    }
    // "None of the kind: CNS_WRONG_KIND if the latest event of another kind is a yes, else CNS_ABSENT."
    let kind: Vec<&ConsentEvent> = all.iter().copied().filter(|e| e.kind == asked.kind).collect();
    if kind.is_empty() {
        return only(if yes(all[all.len() - 1]) { "CNS_WRONG_KIND" } else { "CNS_ABSENT" });
    }
    // "Only events that name the asking agency and cover the field go on."
    let group_and_name = field.0.rsplit_once('.').unwrap().0;
    let heard: Vec<&ConsentEvent> = kind
        .iter()
        .copied()
        .filter(|e| e.recipients.iter().any(|r| r.as_str() == asked.agency))
        .filter(|e| {
            e.fields.as_ref().is_none_or(|all| {
                all.iter().any(|s| [field.0, group_and_name].contains(&s.to_string().as_str()))
            })
        })
        .collect();
    if heard.is_empty() {
        let one = kind.iter().any(|e| yes(e));
        return only(if one { "CNS_OUT_OF_SCOPE" } else { "CNS_ABSENT" });
    }
    // "A self event counts if 16 or over at the event and capacity is not lacks; under 16 if gillick
    // (youth_portal: or digital_consent_age reached)."
    let counts = |e: &ConsentEvent| {
        e.by == Giver::Own
            && born.is_some_and(|born| match age(born, day_of(e.at)) {
                16.. => capacity != Capacity::Lacks,
                years => e.gillick || (asked.online && years >= 13),
            })
    };
    // "Entitled, with evidence: …"
    let entitled = |e: &ConsentEvent| {
        e.evidence
            && match e.by {
                Giver::Parent => born.is_some_and(|born| {
                    age(born, day_of(e.at)) < 16 && !(age(born, today) >= 11 && field.1)
                }),
                Giver::AttorneyHw | Giver::DeputyHw => {
                    born.is_some_and(|born| age(born, today) >= 16) && capacity == Capacity::Lacks
                }
                Giver::AttorneyPf => capacity != Capacity::Has && field.2,
                Giver::Own | Giver::Appointee | Giver::Advocate => false,
            }
    };
    // "If any self event counts, the latest decides; otherwise the latest from an entitled giver."
    let own = heard.iter().copied().rfind(|e| counts(e));
    let Some(deciding) = own.or_else(|| heard.iter().copied().rfind(|e| entitled(e))) else {
        return only("CNS_GIVER_NOT_ENTITLED");
    };
    match deciding.state {
        ConsentState::Refused => return only("CNS_REFUSED"),
        ConsentState::Withdrawn => return only("CNS_WITHDRAWN"),
        ConsentState::Invalidated => return only("CNS_INVALIDATED"),
        ConsentState::Requested | ConsentState::Unknown => return only("CNS_ABSENT"),
        ConsentState::Given | ConsentState::Renewed => {}
    }
    let mut stops = BTreeSet::new();
    let (then, by) = (day_of(deciding.at), deciding.by);
    if by == Giver::Own
        && capacity == Capacity::InDoubt
        && born.is_some_and(|born| age(born, today) >= 16)
    {
        stops.insert("CNS_CAPACITY_IN_DOUBT");
    }
    if !deciding.freely_given {
        stops.insert("CNS_NOT_FREELY_GIVEN");
    }
    if today > deciding.until {
        stops.insert("CNS_EXPIRED");
    }
    let mut birthdays = vec![16, 18];
    if asked.online && by == Giver::Parent {
        birthdays.push(13);
    }
    if born.is_some_and(|born| {
        birthdays.iter().any(|years| age(born, then) < *years && age(born, today) >= *years)
    }) {
        stops.insert("CNS_RECONFIRM_AT_AGE");
    }
    if stops.is_empty() { Ok(()) } else { Err(stops) }
}

/// What the engine says of each field: released, or the codes of consent.
fn said(case: &Case) -> Vec<(FieldId, Result<(), BTreeSet<&'static str>>)> {
    let decision = policy().decide(&case.ask, &case.facts, case.at);
    let outcome = |outcome: &FieldOutcome| match outcome {
        FieldOutcome::Released(path) => {
            // Never outside its life, kind, recipient or scope: an event says each of these.
            let used = path.consent.as_ref().expect("rests on consent");
            assert!(used.given_at <= case.at && day_of(case.at) <= used.until);
            Ok(())
        }
        FieldOutcome::Withheld(codes) => {
            assert!(codes.iter().all(|c| c.as_str().starts_with("CNS_")), "{codes:?}");
            Err(codes.iter().map(|c| c.as_str()).collect())
        }
    };
    decision.fields.iter().map(|(field, one)| (field.clone(), outcome(one))).collect()
}

fn now() -> Timestamp {
    "2028-03-01T09:00:00Z".parse().unwrap()
}

/// Days on which something turns, and others.
fn births() -> impl Strategy<Value = Option<Date>> {
    let turning = prop::sample::select(vec![
        "2012-02-29",
        "2012-02-28",
        "2012-03-01",
        "2017-03-01",
        "2017-03-02",
        "2017-02-28",
        "2016-02-29",
        "2015-03-01",
        "2015-03-02",
        "2010-03-01",
        "2010-03-02",
        "2011-02-28",
    ]);
    prop_oneof![
        1 => Just(None),
        6 => turning.prop_map(|day| Some(day.parse().unwrap())),
        6 => (0_i64..30_000).prop_map(|days| {
            Some(Date::constant(1946, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap())
        }),
    ]
}

fn events(asked: &'static Asked) -> impl Strategy<Value = Vec<ConsentEvent>> {
    let other = if asked.kind == ConsentKind::Participation {
        ConsentKind::ConfidentialityExplicit
    } else {
        ConsentKind::Participation
    };
    let word = |chosen: usize, own: &'static str, other: &'static str| -> Vec<&'static str> {
        match chosen {
            0 => vec![other],
            1 => vec![own, other],
            _ => vec![own],
        }
    };
    let one = (
        (0_usize..8, 0_usize..7, 0_usize..7),
        (-1_600_i64..20, 0_i64..86_400, 0_i64..900),
        (0_usize..8, 0_usize..8, 0_usize..6),
        (prop::bool::weighted(0.8), any::<bool>(), prop::bool::weighted(0.9)),
    );
    prop::collection::vec(one, 0..7).prop_map(move |all| {
        let events = all.into_iter().enumerate();
        events
            .map(
                |(
                    n,
                    ((k, state, by), (days, seconds, life), (p, r, f), (evidence, gillick, free)),
                )| {
                    let at = now()
                        + SignedDuration::from_hours(days * 24)
                        + SignedDuration::from_secs(seconds)
                        + SignedDuration::from_nanos(i64::try_from(n).unwrap());
                    let field = asked.fields[f % asked.fields.len()].0;
                    let fields = match f {
                        0 => Some(vec![field.parse().unwrap()]),
                        1 => Some(vec![field.rsplit_once('.').unwrap().0.parse().unwrap()]),
                        2 => Some(vec!["refuge/stay".parse().unwrap()]),
                        _ => None,
                    };
                    let purposes = word(p, asked.purpose, "early_help");
                    let recipients = word(r, asked.agency, "oakdale-gp");
                    ConsentEvent {
                        kind: if k == 0 { other } else { asked.kind },
                        state: ConsentState::ALL[state],
                        at,
                        until: day_of(at).checked_add(jiff::Span::new().days(life)).unwrap(),
                        purposes: purposes.into_iter().map(|p| p.parse().unwrap()).collect(),
                        recipients: recipients.into_iter().map(|r| r.parse().unwrap()).collect(),
                        fields,
                        by: Giver::ALL[by],
                        evidence,
                        gillick,
                        freely_given: free,
                        parts: BTreeSet::new(),
                        collected: Default::default(),
                        proxy: None,
                    }
                },
            )
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_events_in_any_order_are_read_as_the_rule_reads(
        (n, events) in (0..ASKED.len()).prop_flat_map(|n| (Just(n), events(&ASKED[n]))),
        born in births(),
        capacity in prop::sample::select(Capacity::ALL),
        turn in 0_usize..7,
    ) {
        let asked = &ASKED[n];
        let mut case = Case { at: now(), ..case(asked) };
        case.facts.resident.born = born;
        case.facts.resident.capacity = capacity;
        case.facts.consents = events.clone();
        let found = said(&case);
        prop_assert_eq!(found.len(), asked.fields.len());
        for (about, (field, outcome)) in asked.fields.iter().zip(&found) {
            prop_assert_eq!(about.0, field.as_str());
            let wanted = rule_11(asked, *about, &events, (born, capacity), now());
            prop_assert_eq!(outcome, &wanted, "{}", field);
        }
        // In another order.
        case.facts.consents.reverse();
        prop_assert_eq!(&said(&case), &found);
        let len = events.len();
        if len > 0 {
            case.facts.consents.rotate_left(turn % len);
            prop_assert_eq!(&said(&case), &found);
        }
    }

    /// A yes that a proxy says now opens exactly what the proxy may speak about now.
    #[test]
    fn powers_agree_with_whose_yes_counts(
        n in 0..ASKED.len(),
        by in 1_usize..7,
        born in births(),
        capacity in prop::sample::select(Capacity::ALL),
    ) {
        let (asked, by) = (&ASKED[n], Giver::ALL[by]);
        let id = DecisionId::from_uuid(Uuid::from_u128(1));
        let grant = ProxyGrant {
            kind: by,
            evidence: "court-order".parse().unwrap(),
            seen: Date::constant(1946, 1, 1),
            from: Date::constant(1946, 1, 1),
            until: None,
            purposes: None,
            fields: None,
        };
        let proxy = Proxy { id, grant, ended: None };
        let yes = ConsentEvent {
            kind: asked.kind,
            state: ConsentState::Given,
            at: now(),
            until: Date::constant(2029, 1, 1),
            purposes: BTreeSet::from([asked.purpose.parse().unwrap()]),
            recipients: BTreeSet::from([asked.agency.parse().unwrap()]),
            fields: None,
            by,
            evidence: true,
            gillick: false,
            freely_given: true,
            parts: BTreeSet::new(),
            collected: Default::default(),
            proxy: Some(id),
        };
        let book = policy().book();
        let mut case = Case { at: now(), ..case(asked) };
        case.facts.resident.born = born;
        case.facts.resident.capacity = capacity;
        let mut heard = vec![yes];
        weir::consent::proxy::weigh(book, std::slice::from_ref(&proxy), &mut heard, born, None);
        case.facts.consents = heard;
        let may = powers(book, &proxy, Whom { born, died: None, capacity }, now());
        for (field, outcome) in said(&case) {
            let covers = may.voice.covers(book, &field, &book.fields[&field]);
            prop_assert_eq!(outcome.is_ok(), covers, "{} {}", by, field);
        }
    }
}

#[test]
fn a_birthday_of_29_february_is_kept_on_1_march() {
    let own = |born: &str, said_at: &str| {
        let asked = &ASKED[2];
        let at: Timestamp = format!("{said_at}T09:00:00Z").parse().unwrap();
        let mut case = Case { at, ..case(asked) };
        case.facts.resident.born = Some(born.parse().unwrap());
        case.facts.consents = vec![ConsentEvent {
            kind: asked.kind,
            state: ConsentState::Given,
            at,
            until: day_of(at),
            purposes: BTreeSet::from([asked.purpose.parse().unwrap()]),
            recipients: BTreeSet::from([asked.agency.parse().unwrap()]),
            fields: None,
            by: Giver::Own,
            evidence: true,
            gillick: false,
            freely_given: true,
            parts: BTreeSet::new(),
            collected: Default::default(),
            proxy: None,
        }];
        said(&case).pop().unwrap().1.is_ok()
    };
    // Thirteen in a common year.
    assert!(!own("2012-02-29", "2025-02-28"));
    assert!(own("2012-02-29", "2025-03-01"));
    // Born the day before, or after.
    assert!(own("2012-02-28", "2025-02-28"));
    assert!(!own("2012-03-01", "2025-02-28"));
}
