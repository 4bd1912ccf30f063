//! Closed records as unlike nobody as can be, and what outsiders ask about them.

use weir::audit::entry::Kind;
use weir::domain::{
    Capacity, ChoiceKind, ConsentEvent, ConsentKind, ConsentState, CourtOrder, CustodianRelease,
    DecisionId, Giver, ObjectionState,
};
use weir::grpc::pb;
use weir::store::{ChoiceEvent, Fact, Store, StoredChoice};

use super::{LEGAL, Person, STRANGER};
use crate::support::{
    ABSENT, BEN, CARER, CHILDRENS, CONSTABLE, DOCTOR, HOUSING, NURSE, PROTECTED, Place, SEALED,
    prepared, treatment,
};

/// Makes the closed records as unlike nobody as can be: consents, objections, an order, releases.
pub(super) async fn enrich(place: &Place) {
    let at: jiff::Timestamp = "2026-07-01T09:00:00Z".parse().unwrap();
    for one in [SEALED, PROTECTED] {
        let consent = ConsentEvent {
            kind: ConsentKind::ConfidentialityExplicit,
            state: ConsentState::Given,
            at,
            until: jiff::civil::date(2027, 6, 30),
            purposes: ["direct_care", "child_welfare", "medical_priority"]
                .map(|p| p.parse().unwrap())
                .into(),
            recipients: ["northfield-hospital", "northfield-council-housing"]
                .map(|a| a.parse().unwrap())
                .into(),
            fields: None,
            by: Giver::Own,
            evidence: true,
            gillick: true,
            freely_given: true,
            parts: [].into(),
            collected: Default::default(),
            proxy: None,
        };
        let objection = weir::domain::Choice {
            kind: ChoiceKind::Art21,
            on: jiff::civil::date(2026, 7, 2),
            fields: None,
            lifted: None,
            purpose: Some("child_welfare".parse().unwrap()),
            state: ObjectionState::Pending,
        };
        for (n, event) in
            [ChoiceEvent::Consent(consent), ChoiceEvent::Choice(objection)].into_iter().enumerate()
        {
            let id = uuid::Uuid::from_u128(one.id + 0x1000 * (n as u128 + 1));
            let choice = StoredChoice {
                id: DecisionId::from_uuid(id),
                recorded_by: NURSE.agency.parse().unwrap(),
                recorded_at: at,
                event,
            };
            let store = place.app.store.as_ref();
            store
                .record_choice(one.resident(), choice, vec![prepared(Kind::Choice)])
                .await
                .unwrap();
        }
        let fields = vec!["identity/core".parse().unwrap()];
        place
            .record(vec![
                Fact::Death {
                    resident: one.resident(),
                    died: (one.id == SEALED.id).then(|| jiff::civil::date(2026, 7, 3)),
                },
                Fact::Capacity {
                    resident: one.resident(),
                    capacity: Capacity::Lacks,
                    on: jiff::civil::date(2026, 7, 3),
                },
                Fact::Household { resident: one.resident(), child: BEN.resident(), until: None },
                Fact::Factors { resident: one.resident(), count: 3 },
                Fact::Conflict {
                    agency: NURSE.agency.parse().unwrap(),
                    person: NURSE.person.parse().unwrap(),
                    resident: one.resident(),
                    is_self: true,
                    conflict: true,
                    tie: None,
                },
                Fact::Order {
                    resident: one.resident(),
                    order: CourtOrder {
                        id: "FC-2026-77".to_owned(),
                        to: LEGAL.agency.parse().unwrap(),
                        fields: fields.clone(),
                        from: jiff::civil::date(2026, 7, 1),
                        until: jiff::civil::date(2026, 7, 31),
                        sealed_copy: true,
                    },
                    copy_sha256: None,
                },
                Fact::Release {
                    resident: one.resident(),
                    agency: CHILDRENS.agency.parse().unwrap(),
                    release: CustodianRelease {
                        fields: vec!["contact/home".parse().unwrap()],
                        to: NURSE.agency.parse().unwrap(),
                        until: jiff::civil::date(2026, 7, 31),
                    },
                },
            ])
            .await;
    }
}

/// What outsiders ask about somebody.
pub(super) fn questions() -> Vec<(&'static str, Person, pb::CanShareRequest)> {
    let plain = || treatment(ABSENT);
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let claim = |kind: &str, answers: &[(&str, &str)]| {
        let text = |text: &str| pb::OverrideAnswer {
            answer: Some(match text {
                "true" => pb::override_answer::Answer::Flag(true),
                text => pb::override_answer::Answer::Text(text.to_owned()),
            }),
        };
        let answers = answers.iter().map(|(q, a)| ((*q).to_owned(), text(a))).collect();
        Some(pb::OverrideClaim { kind: kind.to_owned(), answers, ..Default::default() })
    };
    let welfare = || pb::CanShareRequest {
        holder: "agencies/northfield-council-childrens".to_owned(),
        purpose: "child_welfare".to_owned(),
        fields: fields(&["identity/core", "contact/home"]),
        ..plain()
    };
    let crime = || pb::CanShareRequest {
        purpose: "serious_crime".to_owned(),
        fields: fields(&["identity/core.name", "identity/history.previous_names"]),
        r#override: claim(
            "SERIOUS_CRIME",
            &[("offence", "x"), ("necessity", "y"), ("prejudice", "z")],
        ),
        ..plain()
    };
    vec![
        ("treatment", NURSE, plain()),
        (
            "everything",
            NURSE,
            pb::CanShareRequest {
                fields: fields(&[
                    "health/summary",
                    "contact/home",
                    "health/sensitive",
                    "identity/core",
                ]),
                ..plain()
            },
        ),
        ("no relationship", STRANGER, plain()),
        (
            "unconscious",
            DOCTOR,
            pb::CanShareRequest {
                r#override: claim("BREAK_GLASS", &[("reason", "Unconscious in bay two")]),
                ..plain()
            },
        ),
        (
            "dying",
            DOCTOR,
            pb::CanShareRequest {
                purpose: "life_at_risk".to_owned(),
                r#override: claim(
                    "VITAL",
                    &[("immediate_risk", "now"), ("unable_to_consent", "true")],
                ),
                ..plain()
            },
        ),
        ("welfare", CHILDRENS, welfare()),
        (
            "protection",
            CHILDRENS,
            pb::CanShareRequest {
                purpose: "child_protection".to_owned(),
                threshold_statement: "Reasonable cause, injuries seen".to_owned(),
                ..welfare()
            },
        ),
        ("an order", LEGAL, pb::CanShareRequest { purpose: "court_order".to_owned(), ..welfare() }),
        ("a crime", CONSTABLE, crime()),
        (
            "an enquiry",
            CONSTABLE,
            pb::CanShareRequest {
                holder: "agencies/northfield-council-housing".to_owned(),
                purpose: "crime_enquiry".to_owned(),
                fields: fields(&["housing/tenancy.tenancy_status", "contact/home.address"]),
                ..plain()
            },
        ),
        (
            "a consent",
            HOUSING,
            pb::CanShareRequest {
                purpose: "medical_priority".to_owned(),
                fields: fields(&["health/support.mobility"]),
                ..plain()
            },
        ),
        ("care", CARER, pb::CanShareRequest { fields: fields(&["health/summary"]), ..plain() }),
        ("no reason", NURSE, pb::CanShareRequest { reason: String::new(), ..plain() }),
        (
            "no such purpose",
            NURSE,
            pb::CanShareRequest { purpose: "marketing".to_owned(), ..plain() },
        ),
        (
            "no such field",
            NURSE,
            pb::CanShareRequest {
                fields: fields(&["health/summary.shoe_size", "shoes/sizes"]),
                ..plain()
            },
        ),
        ("a wrong basis", NURSE, pb::CanShareRequest { basis: "6-1-ea".to_owned(), ..plain() }),
        (
            "a gateway cited",
            NURSE,
            pb::CanShareRequest {
                cited_gateway: "CA04-16LA".to_owned(),
                received_for_purpose: "marac".to_owned(),
                do_not_tell_reason: "Risk to a child".to_owned(),
                ..plain()
            },
        ),
        (
            "no such holder",
            NURSE,
            pb::CanShareRequest { holder: "agencies/elsewhere-gp".to_owned(), ..plain() },
        ),
        ("not their purpose", HOUSING, plain()),
        (
            "never for this",
            HOUSING,
            pb::CanShareRequest { purpose: "debt_recovery".to_owned(), ..plain() },
        ),
    ]
}
