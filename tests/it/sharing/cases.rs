//! Questions of every kind, and what must come out of each.

use weir::grpc::pb;

use super::Person;
use crate::support::{
    ABSENT, AISHA, BEN, CARER, CONSTABLE, DOCTOR, HOUSING, Inhabitant, NURSE, REFUGEE, SEALED,
    treatment,
};

pub(super) fn fields(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(super) fn claim(kind: &str, answers: &[(&str, &str)]) -> pb::OverrideClaim {
    let answers = answers.iter().map(|(question, text)| {
        let answer = match *text {
            "true" => pb::override_answer::Answer::Flag(true),
            "false" => pb::override_answer::Answer::Flag(false),
            text => pb::override_answer::Answer::Text(text.to_owned()),
        };
        ((*question).to_owned(), pb::OverrideAnswer { answer: Some(answer) })
    });
    pb::OverrideClaim { kind: kind.to_owned(), answers: answers.collect(), ..Default::default() }
}

/// What is asked, and what comes out of it: outcome, codes, values.
pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) who: Person,
    pub(super) asked: pb::CanShareRequest,
    pub(super) outcome: &'static str,
    pub(super) codes: &'static [&'static str],
    pub(super) values: &'static [(&'static str, &'static str)],
}

pub(super) fn cases() -> Vec<Case> {
    let permit = |what, who, asked, values| Case {
        what,
        who,
        asked,
        outcome: "OUTCOME_PERMIT",
        codes: &[],
        values,
    };
    let deny = |what, who, asked, codes| Case {
        what,
        who,
        asked,
        outcome: "OUTCOME_DENY",
        codes,
        values: &[],
    };
    let refer = |what, who, asked, codes| Case {
        outcome: "OUTCOME_REFER",
        ..deny(what, who, asked, codes)
    };
    let plain = || treatment(AISHA);
    let emergency = |claim| pb::CanShareRequest { r#override: claim, ..treatment(ABSENT_CASE) };
    const ALLERGIES: &[(&str, &str)] = &[("health/summary.allergies", "penicillin")];
    // A resident whom the doctor has no relationship with.
    const ABSENT_CASE: Inhabitant = BEN;
    vec![
        permit("a nurse for treatment", NURSE, plain(), ALLERGIES),
        Case {
            what: "a social worker asks for too much",
            who: CARER,
            asked: pb::CanShareRequest {
                fields: fields(&["health/summary.conditions", "health/summary.allergies"]),
                ..plain()
            },
            outcome: "OUTCOME_PARTIAL",
            codes: &["MIN_NOT_NECESSARY"],
            values: &[("health/summary.conditions", "asthma")],
        },
        refer(
            "the holder must judge",
            CONSTABLE,
            pb::CanShareRequest {
                holder: "agencies/northfield-council-housing".to_owned(),
                purpose: "crime_enquiry".to_owned(),
                fields: fields(&["housing/tenancy.tenancy_status"]),
                ..plain()
            },
            &["CNF_NO_BASIS"],
        ),
        deny(
            "nobody asked the resident",
            HOUSING,
            pb::CanShareRequest {
                purpose: "medical_priority".to_owned(),
                fields: fields(&["health/support.mobility"]),
                ..plain()
            },
            &["CNS_ABSENT"],
        ),
        deny(
            "no reason",
            NURSE,
            pb::CanShareRequest { reason: String::new(), ..plain() },
            &["REQ_INCOMPLETE"],
        ),
        deny(
            "no case reference",
            NURSE,
            pb::CanShareRequest { case_reference: String::new(), ..plain() },
            &["REQ_INCOMPLETE"],
        ),
        deny(
            "a reason that says nothing",
            NURSE,
            pb::CanShareRequest { reason: "because".to_owned(), ..plain() },
            &["REQ_REASON_INADEQUATE"],
        ),
        deny(
            "a purpose of no vocabulary",
            NURSE,
            pb::CanShareRequest { purpose: "marketing".to_owned(), ..plain() },
            &["PUR_UNKNOWN"],
        ),
        deny(
            "a field of no vocabulary",
            NURSE,
            pb::CanShareRequest { fields: fields(&["health/summary.shoe_size"]), ..plain() },
            &["REQ_INCOMPLETE"],
        ),
        deny(
            "a category of no vocabulary",
            NURSE,
            pb::CanShareRequest { fields: fields(&["shoes/sizes"]), ..plain() },
            &["REQ_INCOMPLETE"],
        ),
        deny(
            "a holder of no vocabulary",
            NURSE,
            pb::CanShareRequest { holder: "agencies/elsewhere-gp".to_owned(), ..plain() },
            &["WHO_AGENCY_UNKNOWN"],
        ),
        deny(
            "a basis of no vocabulary",
            NURSE,
            pb::CanShareRequest { basis: "6-1-z".to_owned(), ..plain() },
            &["LAW_NO_ART6"],
        ),
        deny(
            "glass that nobody may break so",
            NURSE,
            pb::CanShareRequest {
                r#override: Some(claim("SERIOUS_CRIME", &[("offence", "x")])),
                purpose: "marac".to_owned(),
                ..plain()
            },
            &["OVR_ROLE_NOT_ALLOWED"],
        ),
        deny(
            "an override of no vocabulary",
            DOCTOR,
            emergency(Some(claim("SKELETON_KEY", &[("reason", "Unconscious in bay two")]))),
            &["OVR_ROLE_NOT_ALLOWED", "WHO_NO_RELATIONSHIP"],
        ),
        deny("no relationship", DOCTOR, emergency(None), &["WHO_NO_RELATIONSHIP"]),
        refer(
            "broken glass without its answer",
            DOCTOR,
            emergency(Some(claim("BREAK_GLASS", &[]))),
            &["OVR_TEST_NOT_MET"],
        ),
        permit(
            "broken glass",
            DOCTOR,
            emergency(Some(claim("BREAK_GLASS", &[("reason", "Unconscious in bay two")]))),
            ALLERGIES,
        ),
        refer(
            "life at risk, and the resident can be asked",
            DOCTOR,
            emergency(Some(claim(
                "VITAL",
                &[("immediate_risk", "Not breathing"), ("unable_to_consent", "false")],
            ))),
            &["OVR_TEST_NOT_MET"],
        ),
        permit(
            "life at risk",
            DOCTOR,
            emergency(Some(claim(
                "VITAL",
                &[("immediate_risk", "Not breathing"), ("unable_to_consent", "true")],
            ))),
            ALLERGIES,
        ),
        Case {
            what: "a location in a refuge",
            who: NURSE,
            asked: pb::CanShareRequest {
                fields: fields(&["health/summary.allergies", "contact/home.address"]),
                ..treatment(REFUGEE)
            },
            outcome: "OUTCOME_PARTIAL",
            codes: &["SUBJ_NOT_AVAILABLE"],
            values: ALLERGIES,
        },
        deny("a sealed record", NURSE, treatment(SEALED), &["SUBJ_NOT_AVAILABLE"]),
        deny("nobody", NURSE, treatment(ABSENT), &["SUBJ_NOT_AVAILABLE"]),
    ]
}
