//! The register of what was not given, or not done in time: over a socket, and by command.

use tonic::{Code, Response, Status};
use weir::auth::issuer::Person;
use weir::clock::Clock;
use weir::grpc::pb;

use crate::story::weir;
use crate::support::{
    AISHA, BEN, CHILDRENS, CONSTABLE, GP_AUDITOR, HOSPITAL_AUDITOR, Inhabitant, NURSE, Place,
    expect_refused, relationship, request, treatment,
};

const POLICE_AUDITOR: Person<'_> =
    Person { agency: "northshire-police", person: "auditor-3", roles: &["hub-auditor"] };
const HOUSING_AUDITOR: Person<'_> =
    Person { agency: "northfield-council-housing", person: "auditor-5", roles: &["hub-auditor"] };

async fn listed(
    place: &Place,
    who: Person<'_>,
    message: pb::ListNonDisclosuresRequest,
) -> Result<Response<pb::ListNonDisclosuresResponse>, Status> {
    place.audit().list_non_disclosures(place.from(who, message)).await
}

fn any() -> pb::ListNonDisclosuresRequest {
    pb::ListNonDisclosuresRequest::default()
}

/// Rows as text: kind, codes, days, state.
async fn rows(
    place: &Place,
    who: Person<'_>,
    message: pb::ListNonDisclosuresRequest,
) -> Vec<String> {
    let reply = listed(place, who, message).await.unwrap().into_inner();
    assert_eq!(reply.next_page_token, "");
    reply.rows.iter().map(shown).collect()
}

fn shown(row: &pb::NonDisclosureRow) -> String {
    let kind = row.kind().as_str_name().trim_start_matches("NON_DISCLOSURE_KIND_").to_lowercase();
    let state = row.state().as_str_name().trim_start_matches("NON_DISCLOSURE_STATE_");
    let alarm = if row.alarm { " !" } else { "" };
    let days = row.age_days;
    format!("{kind} {} {days} {}{alarm}", row.codes.join("|"), state.to_lowercase())
}

async fn have(place: &Place, who: Person<'_>, question: pb::CanShareRequest) -> String {
    let message = place.from(who, request(question));
    let reply = place.sharing().request_records(message).await.unwrap().into_inner();
    reply.answers[0].receipt.as_ref().unwrap().entry.clone()
}

fn later(place: &Place, hours: i64) {
    place.clock.set(place.clock.now() + jiff::SignedDuration::from_hours(hours));
}

fn marketing(about: Inhabitant) -> pb::CanShareRequest {
    pb::CanShareRequest { purpose: "marketing".to_owned(), ..treatment(about) }
}

fn report(about: Inhabitant) -> pb::ReportNonDisclosureRequest {
    pb::ReportNonDisclosureRequest {
        resident: about.path(),
        holder: "agencies/oakdale-gp".to_owned(),
        purpose: "child_protection".to_owned(),
        fields: vec!["health/summary.conditions".to_owned()],
        asked_date: "2026-07-10".to_owned(),
        answer: pb::NonDisclosure::Silent.into(),
        reason: "No answer to three calls".to_owned(),
        case_reference: "CP-1".to_owned(),
        threshold_statement: "Significant harm is suspected".to_owned(),
        cited_gateway: "CA89-47".to_owned(),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn what_was_not_given_stands_in_the_register_until_it_is_given() {
    let place = Place::open().await;
    have(&place, NURSE, marketing(AISHA)).await;
    place.sharing().report_non_disclosure(place.from(CHILDRENS, report(BEN))).await.unwrap();
    // The constable has nothing to do with Ben yet.
    let unrelated = || pb::CanShareRequest {
        purpose: "missing_person".to_owned(),
        fields: vec!["health/summary.conditions".to_owned()],
        ..treatment(BEN)
    };
    let refused = have(&place, CONSTABLE, unrelated()).await;
    let fields = ["health/summary.allergies", "housing/tenancy.rent_arrears"].map(str::to_owned);
    let partly = pb::CanShareRequest { fields: fields.into(), ..treatment(AISHA) };
    let part = have(&place, NURSE, partly).await;
    have(&place, NURSE, treatment(AISHA)).await;
    later(&place, 49);
    let all = rows(&place, GP_AUDITOR, any()).await;
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(all[0], "refused PUR_UNKNOWN 2 open");
    assert_eq!(all[1], "reported silent 2 open !");
    assert!(all[2].ends_with(" 2 open") && all[3].starts_with("withheld "), "{all:?}");
    let of_part = listed(&place, GP_AUDITOR, any()).await.unwrap().into_inner();
    assert_eq!((&of_part.rows[2].entry, &of_part.rows[3].entry), (&refused, &part));
    assert_eq!(of_part.rows[0].asker, "agencies/northfield-hospital");
    assert_eq!(of_part.rows[0].holder, "agencies/oakdale-gp");
    assert_eq!(of_part.log_size, of_part.receipt.unwrap().tree_size);
    // Each filter leads to its rows.
    use pb::NonDisclosureKind::{Late, Referred, Refused, Reported, Withheld};
    let kinds = |all: &[pb::NonDisclosureKind]| pb::ListNonDisclosuresRequest {
        kinds: all.iter().map(|kind| i32::from(*kind)).collect(),
        ..any()
    };
    for (message, places) in [
        (kinds(&[Reported]), vec![1]),
        (kinds(&[Withheld, Refused, Referred]), vec![0, 2, 3]),
        (kinds(&[Late]), vec![]),
        (pb::ListNonDisclosuresRequest { code: "PUR_UNKNOWN".to_owned(), ..any() }, vec![0]),
        (pb::ListNonDisclosuresRequest { code: "silent".to_owned(), ..any() }, vec![1]),
        (pb::ListNonDisclosuresRequest { code: "REVIEW_BY".to_owned(), ..any() }, vec![]),
        (pb::ListNonDisclosuresRequest { purpose: "direct_care".to_owned(), ..any() }, vec![3]),
        (
            pb::ListNonDisclosuresRequest {
                asker: "agencies/northfield-hospital".to_owned(),
                ..any()
            },
            vec![0, 3],
        ),
        (
            pb::ListNonDisclosuresRequest { holder: "agencies/oakdale-gp".to_owned(), ..any() },
            vec![0, 1, 2, 3],
        ),
        (pb::ListNonDisclosuresRequest { min_age_days: 2, ..any() }, vec![0, 1, 2, 3]),
        (pb::ListNonDisclosuresRequest { min_age_days: 3, ..any() }, vec![]),
    ] {
        let wanted: Vec<String> = places.iter().map(|n: &usize| all[*n].clone()).collect();
        assert_eq!(rows(&place, GP_AUDITOR, message.clone()).await, wanted, "{places:?}");
    }
    // Within what the auditor's agency asked or held.
    assert_eq!(rows(&place, HOSPITAL_AUDITOR, any()).await, [all[0].clone(), all[3].clone()]);
    assert_eq!(rows(&place, HOUSING_AUDITOR, any()).await, [""; 0]);
    // Page by page, it is the same, and ends where the log ended at the first.
    let mut paged = Vec::new();
    let mut message = pb::ListNonDisclosuresRequest { page_size: 1, ..any() };
    loop {
        let reply = listed(&place, GP_AUDITOR, message.clone()).await.unwrap().into_inner();
        assert!(reply.rows.len() <= 1);
        paged.extend(reply.rows.iter().map(shown));
        if reply.next_page_token.is_empty() {
            break;
        }
        message.page_token = reply.next_page_token;
        have(&place, NURSE, marketing(BEN)).await;
    }
    assert_eq!(paged, all);
    // What is given later settles it, for that asker and that purpose alone.
    place.record(vec![relationship(CONSTABLE, BEN, place.clock.now())]).await;
    let given = have(
        &place,
        CHILDRENS,
        pb::CanShareRequest {
            purpose: "child_protection".to_owned(),
            fields: vec!["health/summary.conditions".to_owned()],
            threshold_statement: "Significant harm is suspected".to_owned(),
            ..treatment(BEN)
        },
    )
    .await;
    later(&place, 24);
    let settled = listed(&place, GP_AUDITOR, kinds(&[Reported])).await.unwrap().into_inner();
    assert_eq!(shown(&settled.rows[0]), "reported silent 2 settled !");
    assert_eq!(settled.rows[0].settled_by, given);
    let open = pb::ListNonDisclosuresRequest { open_only: true, ..kinds(&[Reported, Withheld]) };
    let open = rows(&place, GP_AUDITOR, open).await;
    assert!(open.len() == 1 && open[0].starts_with("withheld"), "{open:?}");
    // Figures of the same, which name nobody.
    let message = pb::GetNonDisclosureFiguresRequest::default();
    let figures = place.audit().get_non_disclosure_figures(place.from(GP_AUDITOR, message)).await;
    let figures = figures.unwrap().into_inner().figures;
    let figure = |code: &str| figures.iter().find(|figure| figure.code == code).unwrap();
    let silent = figure("silent");
    assert_eq!(
        (silent.count, silent.of_count, silent.alarm_count, silent.open_count),
        (1, 0, 1, 0)
    );
    let unknown = figure("PUR_UNKNOWN");
    assert_eq!(unknown.holder, "agencies/oakdale-gp");
    assert!(unknown.count > 1 && unknown.open_count == unknown.count && unknown.of_count >= 5);
    assert_eq!(unknown.oldest_open_days, 3);
}

#[tokio::test]
async fn a_duty_that_is_late_stands_in_the_register_until_it_is_met() {
    let place = Place::open().await;
    place.record(vec![relationship(CONSTABLE, BEN, place.clock.now())]).await;
    let text = |text: &str| pb::OverrideAnswer {
        answer: Some(pb::override_answer::Answer::Text(text.to_owned())),
    };
    let questions = ["harm", "who_at_risk", "why_these_fields", "why_not_consent"];
    let message = pb::LocateRecordsRequest {
        resident: BEN.path(),
        purpose: "missing_person".to_owned(),
        reason: "Missing since this morning".to_owned(),
        case_reference: "CASE-4".to_owned(),
        r#override: Some(pb::OverrideClaim {
            kind: "SAFEGUARD_CHILD".to_owned(),
            answers: questions.map(|q| (q.to_owned(), text("as told"))).into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    place.sharing().locate_records(place.from(CONSTABLE, message)).await.unwrap();
    later(&place, 25);
    let mut sweep = weir::hub::Sweep::default();
    while place.app.hub.sweep(&mut sweep).await.unwrap() {}
    let late = pb::ListNonDisclosuresRequest {
        kinds: vec![pb::NonDisclosureKind::Late.into()],
        code: "RETROSPECTIVE_FORM".to_owned(),
        ..any()
    };
    let reply = listed(&place, POLICE_AUDITOR, late.clone()).await.unwrap().into_inner();
    assert!(!reply.rows.is_empty());
    for row in &reply.rows {
        assert_eq!(shown(row), "late RETROSPECTIVE_FORM 0 open");
        assert_eq!(
            (row.holder.as_str(), row.purpose.as_str()),
            ("agencies/northshire-police", "missing_person")
        );
        assert_eq!(row.asker, "agencies/northshire-police");
    }
    let other = pb::ListNonDisclosuresRequest { purpose: "direct_care".to_owned(), ..late.clone() };
    assert_eq!(rows(&place, POLICE_AUDITOR, other).await, [""; 0]);
    let list = pb::ListObligationsRequest::default();
    let owed = place.reviews().list_obligations(place.from(CONSTABLE, list)).await.unwrap();
    for one in owed.into_inner().obligations {
        if one.duty != "RETROSPECTIVE_FORM" {
            continue;
        }
        let message = pb::FulfilObligationRequest {
            name: one.name,
            note: "Written by the sergeant".to_owned(),
            request_id: String::new(),
        };
        place.reviews().fulfil_obligation(place.from(CONSTABLE, message)).await.unwrap();
    }
    let met = listed(&place, POLICE_AUDITOR, late).await.unwrap().into_inner();
    assert!(met.rows.iter().all(|row| row.settled_by.starts_with("entries/")));
    let message = pb::GetNonDisclosureFiguresRequest::default();
    let figures =
        place.audit().get_non_disclosure_figures(place.from(POLICE_AUDITOR, message)).await;
    let figures = figures.unwrap().into_inner().figures;
    let of = |duty: &str| figures.iter().find(|figure| figure.code == duty).unwrap();
    let form = of("RETROSPECTIVE_FORM");
    assert_eq!((form.open_count, form.count), (0, met.rows.len() as u64));
    assert!(form.of_count >= form.count);
}

#[tokio::test]
async fn wrong_wishes_are_told_what_is_wrong() {
    let place = Place::open().await;
    let wrong = |field: &'static str, message| (field, message);
    for (field, message) in [
        wrong("kinds", pb::ListNonDisclosuresRequest { kinds: vec![99], ..any() }),
        wrong("code", pb::ListNonDisclosuresRequest { code: "PUR_UNKNOWNN".to_owned(), ..any() }),
        wrong("min_age_days", pb::ListNonDisclosuresRequest { min_age_days: 4_000, ..any() }),
        wrong("holder", pb::ListNonDisclosuresRequest { holder: "oakdale-gp".to_owned(), ..any() }),
        wrong("access", pb::ListNonDisclosuresRequest { access: "x".to_owned(), ..any() }),
        wrong("page_token", pb::ListNonDisclosuresRequest { page_token: "x".to_owned(), ..any() }),
    ] {
        let reply = listed(&place, GP_AUDITOR, message).await;
        expect_refused(field, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    let reply = listed(&place, NURSE, any()).await;
    expect_refused("a nurse", reply, Code::PermissionDenied, "AUDITOR_NEEDED", &[]);
    have(&place, NURSE, marketing(AISHA)).await;
    let (dir, _clock) = place.ended().await;
    let data = dir.path().join("data");
    let ask = |more: &[&str]| {
        let all = ["audit", "non-disclosures", "--data", data.to_str().unwrap()];
        weir(&[&all[..], more].concat())
    };
    for (more, exit, says) in [
        (&[][..], 0, "1 rows; complete up to"),
        (&["--json", "--open"], 0, r#""codes":["PUR_UNKNOWN"],"entry":"entries/"#),
        (&["--kind", "late"], 0, "0 rows; complete up to"),
        (&["--figures"], 0, "oakdale-gp  refused  PUR_UNKNOWN  1 of 1 (100.0 %)  1 open, for "),
        (&["--figures", "--json"], 0, r#""kind":"refused""#),
        (&["--kind", "lat"], 2, "\"lat\" is none of refused, withheld"),
        (&["--code", "silnet"], 2, "the nearest is `silent`"),
        (&["--since", "yesterday"], 2, "--since"),
        (&["--older-than", "99999"], 2, "--older-than must be at most"),
        (&["--figures", "--open"], 2, "cannot be used with"),
    ] {
        let (found, text) = ask(more);
        assert!(found == exit && text.contains(says), "{more:?}: {found}: {text}");
    }
    let looks = ["audit", "search", "--data", data.to_str().unwrap()];
    assert!(weir(&looks).1.contains("non-disclosures"), "the reading is an entry");
}
