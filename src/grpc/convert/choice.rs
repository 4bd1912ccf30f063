//! Consents, objections and restrictions.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::proxy::{proxy_name, proxy_of};
use super::record::{ResidentPage, read_token, token};
use super::{Check, Violations, agency_name, receipt_message, resident_name, time_message, words};
use crate::consent::TakenBack;
use crate::consent::notices::NoticeRef;
use crate::consent::standing::begin;
use crate::domain::{
    AgencyId, Channel, Choice, ChoiceKind, ChoiceStep, Collected, ConsentEvent, ConsentKind,
    ConsentState, DecisionId, Giver, IdError, Language, NoticeShown, PurposeId, ResidentId, Scope,
    StatutoryPart,
};
use crate::grpc::pb;
use crate::hub::{
    ConsentReceipt, Finding, ListedChoice, NewConsent, NewObjection, NewRestriction,
    PurposeWithdrawal, Settled, Stand, Withdrawal,
};
use crate::limits;
use crate::policy::book::Told;
use crate::store::{ChoiceEvent, Receipt, StoredChoice};

/// `residents/{uuid}/choices/{uuid}`.
#[must_use]
pub fn choice_name(resident: ResidentId, choice: DecisionId) -> String {
    format!("{}/choices/{choice}", resident_name(resident))
}

fn fields(check: &mut Check, field: &str, texts: &[String]) -> Option<Vec<Scope>> {
    (!texts.is_empty()).then(|| check.scopes(field, texts, 1))
}

fn set<T: Ord + FromStr<Err = IdError>>(
    check: &mut Check,
    field: &str,
    texts: &[String],
) -> BTreeSet<T> {
    if !check.count(field, texts.len(), 1, limits::CONSENT_WORDS_MAX) {
        return BTreeSet::new();
    }
    texts
        .iter()
        .enumerate()
        .filter_map(|(n, text)| check.word(&format!("{field}[{n}]"), text))
        .collect()
}

impl TryFrom<pb::RecordConsentRequest> for NewConsent {
    type Error = Violations;

    fn try_from(message: pb::RecordConsentRequest) -> Result<Self, Violations> {
        let pb::RecordConsentRequest { resident, consent, request_id: _ } = message;
        let mut check = Check::default();
        let resident = check.resident("resident", &resident);
        let Some(consent) = consent else {
            check.wrong("consent", "is empty");
            return check.done(None);
        };
        let pb::Consent {
            kind,
            state,
            event_time,
            until_date,
            purposes,
            recipients,
            fields: covered,
            by,
            evidence,
            gillick,
            freely_given,
            parts,
            notice,
            channel,
            assessment,
            proxy,
        } = consent;
        let kind = check.one_of("consent.kind", &kind, ConsentKind::ALL);
        let state = check.one_of("consent.state", &state, ConsentState::ALL);
        let by = check.one_of("consent.by", &by, Giver::ALL);
        let at = check.time("consent.event_time", event_time);
        let until = check.day("consent.until_date", &until_date);
        let purposes: BTreeSet<PurposeId> = set(&mut check, "consent.purposes", &purposes);
        let many =
            check.count("consent.recipients", recipients.len(), 1, limits::CONSENT_WORDS_MAX);
        let recipients: BTreeSet<AgencyId> = recipients
            .iter()
            .enumerate()
            .filter(|_| many)
            .filter_map(|(n, name)| check.agency(&format!("consent.recipients[{n}]"), name))
            .collect();
        let covered = fields(&mut check, "consent.fields", &covered);
        check.count("consent.parts", parts.len(), 0, StatutoryPart::ALL.len());
        let proxy = proxy_of(&mut check, "consent.proxy", &proxy, resident);
        let parts = parts
            .iter()
            .take(StatutoryPart::ALL.len())
            .filter_map(|part| check.one_of("consent.parts", part, StatutoryPart::ALL))
            .collect();
        let notice = notice.and_then(|notice| notice_ref(&mut check, "consent.notice", &notice));
        let channel = maybe_channel(&mut check, "consent.channel", &channel);
        let assessment = check.maybe_word("consent.assessment", &assessment);
        let new = match (resident, kind, state, by) {
            (Some(resident), Some(kind), Some(state), Some(by)) => Some(Self {
                resident,
                kind,
                state,
                at,
                until,
                purposes,
                recipients,
                fields: covered,
                by,
                evidence,
                proxy,
                gillick,
                freely_given,
                parts,
                notice,
                channel,
                assessment,
            }),
            _ => None,
        };
        check.done(new)
    }
}

fn notice_ref(check: &mut Check, field: &str, notice: &pb::NoticeShown) -> Option<NoticeRef> {
    let pb::NoticeShown { id, version, language, wording_sha256 } = notice;
    if !wording_sha256.is_empty() {
        let text = "is worked out by the hub: leave it empty";
        check.wrong(&format!("{field}.wording_sha256"), text);
    }
    if *version == 0 {
        check.wrong(&format!("{field}.version"), "counts from 1");
    }
    let id = check.word(&format!("{field}.id"), id);
    let language = check.one_of(&format!("{field}.language"), language, Language::ALL);
    Some(NoticeRef { id: id?, version: *version, language: language? })
}

fn maybe_channel(check: &mut Check, field: &str, text: &str) -> Option<Channel> {
    if text.is_empty() { None } else { check.one_of(field, text, Channel::ALL) }
}

/// What somebody takes back.
pub enum Withdrawn {
    /// A consent that is named.
    Consent(Withdrawal),
    /// All consent for a purpose.
    Purpose(PurposeWithdrawal),
}

/// What became of all consent for a purpose.
#[must_use]
pub fn settled_response(
    resident: ResidentId,
    settled: Settled,
    receipt: &Receipt,
) -> pb::WithdrawConsentResponse {
    let Settled { withdrawn, objection, en, cy, goes_on } = settled;
    pb::WithdrawConsentResponse {
        choice: String::new(),
        receipt: Some(receipt_message("events", receipt)),
        withdrawn: withdrawn.into_iter().map(|one| choice_name(resident, one)).collect(),
        objection: objection.map(|one| choice_name(resident, one)).unwrap_or_default(),
        told: Some(pb::Told { en, cy }),
        goes_on_under: goes_on.into_iter().collect(),
        not_counted: String::new(),
    }
}

impl TryFrom<pb::WithdrawConsentRequest> for Withdrawn {
    type Error = Violations;

    fn try_from(message: pb::WithdrawConsentRequest) -> Result<Self, Violations> {
        let pb::WithdrawConsentRequest {
            choice,
            event_time,
            by,
            evidence,
            gillick,
            request_id: _,
            channel,
            resident,
            purpose,
            proxy,
        } = message;
        let mut check = Check::default();
        let purpose_named = !resident.is_empty() || !purpose.is_empty();
        let of_purpose = choice.is_empty() && purpose_named;
        if purpose_named && !choice.is_empty() {
            check.wrong("choice", "stands in place of resident and purpose: give one of the two");
        }
        let at = check.time("event_time", event_time);
        let by = check.one_of("by", &by, Giver::ALL);
        let channel = maybe_channel(&mut check, "channel", &channel);
        let taken = by.map(|by| TakenBack { at, by, evidence, gillick, channel });
        if of_purpose {
            let resident = check.resident("resident", &resident);
            let proxy = proxy_of(&mut check, "proxy", &proxy, resident);
            let purpose = check.word("purpose", &purpose);
            let said = resident.zip(purpose).zip(taken).map(|((resident, purpose), taken)| {
                Self::Purpose(PurposeWithdrawal { resident, purpose, taken, proxy })
            });
            return check.done(said);
        }
        let choice = check.choice("choice", &choice);
        let of = choice.map(|(resident, _)| resident);
        let proxy = proxy_of(&mut check, "proxy", &proxy, of);
        let withdrawal = choice.zip(taken).map(|((resident, choice), taken)| {
            Self::Consent(Withdrawal { resident, choice, taken, proxy })
        });
        check.done(withdrawal)
    }
}

impl TryFrom<pb::RecordObjectionRequest> for NewObjection {
    type Error = Violations;

    fn try_from(message: pb::RecordObjectionRequest) -> Result<Self, Violations> {
        let pb::RecordObjectionRequest {
            resident,
            kind,
            purpose,
            fields: covered,
            on_date,
            request_id: _,
        } = message;
        let mut check = Check::default();
        let resident = check.resident("resident", &resident);
        let kind = check.one_of("kind", &kind, ChoiceKind::ALL);
        let purpose = check.maybe_word("purpose", &purpose);
        let covered = fields(&mut check, "fields", &covered);
        let on = check.day("on_date", &on_date);
        let objection = resident.zip(kind).map(|(resident, kind)| Self {
            resident,
            kind,
            purpose,
            fields: covered,
            on,
        });
        check.done(objection)
    }
}

impl TryFrom<pb::SetRestrictionRequest> for NewRestriction {
    type Error = Violations;

    fn try_from(message: pb::SetRestrictionRequest) -> Result<Self, Violations> {
        let pb::SetRestrictionRequest { resident, fields: covered, on_date, request_id: _ } =
            message;
        let mut check = Check::default();
        let resident = check.resident("resident", &resident);
        let covered = fields(&mut check, "fields", &covered);
        let on = check.day("on_date", &on_date);
        let restriction = resident.map(|resident| Self { resident, fields: covered, on });
        check.done(restriction)
    }
}

impl TryFrom<pb::ListChoicesRequest> for ResidentPage {
    type Error = Violations;

    fn try_from(message: pb::ListChoicesRequest) -> Result<Self, Violations> {
        let pb::ListChoicesRequest { resident, page_size, page_token } = message;
        let mut check = Check::default();
        let size = check.page_size(page_size);
        let skip = read_token(&mut check, &page_token, &resident).unwrap_or(0);
        let resident = check.resident("resident", &resident);
        check.done(resident.map(|resident| Self { resident, size, skip }))
    }
}

/// A page of choices on the wire.
#[must_use]
pub fn list_response(
    page: &ResidentPage,
    choices: Vec<ListedChoice>,
    receipt: &Receipt,
) -> pb::ListChoicesResponse {
    let name = resident_name(page.resident);
    let next = page.skip.saturating_add(page.size);
    let next_page_token = if choices.len() > next { token(&next, &name) } else { String::new() };
    let choices = choices
        .into_iter()
        .skip(page.skip)
        .take(page.size)
        .filter_map(|choice| choice_message(page.resident, choice))
        .collect();
    pb::ListChoicesResponse {
        choices,
        next_page_token,
        receipt: Some(receipt_message("events", receipt)),
    }
}

/// Which consent's receipt, and whether witnesses must have signed.
pub struct WantedConsentReceipt {
    /// Whose.
    pub resident: ResidentId,
    /// The consent event.
    pub choice: DecisionId,
    /// Witnesses must have signed.
    pub cosigned: bool,
}

impl TryFrom<pb::GetConsentReceiptRequest> for WantedConsentReceipt {
    type Error = Violations;

    fn try_from(message: pb::GetConsentReceiptRequest) -> Result<Self, Violations> {
        let pb::GetConsentReceiptRequest { choice, cosigned } = message;
        let mut check = Check::default();
        let choice = check.choice("choice", &choice);
        check.done(choice.map(|(resident, choice)| Self { resident, choice, cosigned }))
    }
}

/// A receipt to keep, on the wire.
#[must_use]
pub fn consent_receipt_message(kept: ConsentReceipt) -> pb::GetConsentReceiptResponse {
    let ConsentReceipt { record, proven, receipt } = kept;
    pb::GetConsentReceiptResponse {
        record,
        text: proven.text(),
        entry: format!("entries/{}", proven.index),
        receipt: Some(receipt_message("events", &receipt)),
    }
}

/// What a privacy officer says of an objection.
pub struct Verdict {
    /// Which, and why.
    pub finding: Finding,
    /// Upheld or rejected.
    pub upheld: bool,
}

fn finding(check: &mut Check, choice: &str, reason: String) -> Option<Finding> {
    let choice = check.choice("choice", choice);
    if reason.trim().is_empty() {
        check.wrong("reason", "must say why");
    }
    let reason = check.text("reason", reason);
    choice.map(|(resident, choice)| Finding { resident, choice, reason })
}

impl TryFrom<pb::DecideObjectionRequest> for Verdict {
    type Error = Violations;

    fn try_from(message: pb::DecideObjectionRequest) -> Result<Self, Violations> {
        let pb::DecideObjectionRequest { choice, upheld, reason, request_id: _ } = message;
        let mut check = Check::default();
        let finding = finding(&mut check, &choice, reason);
        check.done(finding.map(|finding| Self { finding, upheld }))
    }
}

impl TryFrom<pb::LiftRestrictionRequest> for Finding {
    type Error = Violations;

    fn try_from(message: pb::LiftRestrictionRequest) -> Result<Self, Violations> {
        let pb::LiftRestrictionRequest { choice, reason, request_id: _ } = message;
        let mut check = Check::default();
        let finding = finding(&mut check, &choice, reason);
        check.done(finding)
    }
}

impl TryFrom<pb::InvalidateConsentRequest> for Finding {
    type Error = Violations;

    fn try_from(message: pb::InvalidateConsentRequest) -> Result<Self, Violations> {
        let pb::InvalidateConsentRequest { choice, reason, request_id: _ } = message;
        let mut check = Check::default();
        let finding = finding(&mut check, &choice, reason);
        check.done(finding)
    }
}

/// An objection to take back.
pub struct TakenObjection {
    /// Whose.
    pub resident: ResidentId,
    /// The objection.
    pub choice: DecisionId,
}

impl TryFrom<pb::WithdrawObjectionRequest> for TakenObjection {
    type Error = Violations;

    fn try_from(message: pb::WithdrawObjectionRequest) -> Result<Self, Violations> {
        let pb::WithdrawObjectionRequest { choice, request_id: _ } = message;
        let mut check = Check::default();
        let choice = check.choice("choice", &choice);
        check.done(choice.map(|(resident, choice)| Self { resident, choice }))
    }
}

pub(super) fn choice_message(resident: ResidentId, listed: ListedChoice) -> Option<pb::Choice> {
    let ListedChoice { choice, stand } = listed;
    let StoredChoice { id, recorded_by, recorded_at, event } = choice;
    let event = match event {
        ChoiceEvent::Consent(consent) => {
            pb::choice::Event::Consent(consent_message(resident, consent))
        }
        ChoiceEvent::Choice(choice) => {
            pb::choice::Event::Objection(objection_message(choice, stand))
        }
        // Put into the objection that they are about, or listed as proxies: never listed by themselves.
        ChoiceEvent::Decided { .. }
        | ChoiceEvent::Lifted { .. }
        | ChoiceEvent::Stepped { .. }
        | ChoiceEvent::ProxyGranted(_)
        | ChoiceEvent::ProxyEnded { .. } => return None,
    };
    Some(pb::Choice {
        name: choice_name(resident, id),
        recorded_by: agency_name(&recorded_by),
        record_time: Some(time_message(recorded_at)),
        event: Some(event),
    })
}

fn consent_message(resident: ResidentId, consent: ConsentEvent) -> pb::Consent {
    let ConsentEvent {
        kind,
        state,
        at,
        until,
        purposes,
        recipients,
        fields,
        by,
        evidence,
        gillick,
        freely_given,
        parts,
        collected,
        proxy,
    } = consent;
    let Collected { notice, channel, assessment } = collected;
    pb::Consent {
        kind: kind.to_string(),
        state: state.to_string(),
        event_time: Some(time_message(at)),
        until_date: until.to_string(),
        purposes: words(purposes),
        recipients: recipients.iter().map(agency_name).collect(),
        fields: words(fields.unwrap_or_default()),
        by: by.to_string(),
        evidence,
        gillick,
        freely_given,
        parts: words(parts),
        notice: notice.map(notice_message),
        channel: channel.map(|channel| channel.to_string()).unwrap_or_default(),
        assessment: assessment.map(String::from).unwrap_or_default(),
        proxy: proxy.map(|id| proxy_name(resident, id)).unwrap_or_default(),
    }
}

fn notice_message(shown: NoticeShown) -> pb::NoticeShown {
    let NoticeShown { id, version, language, wording } = shown;
    pb::NoticeShown {
        id: id.into(),
        version,
        language: language.to_string(),
        wording_sha256: wording,
    }
}

fn objection_message(choice: Choice, stand: Option<Stand>) -> pb::Objection {
    let Choice { kind, on, fields, lifted, purpose, state: _ } = choice;
    let state = stand.as_ref().map_or(begin(kind), |stand| stand.course.state);
    let mut message = pb::Objection {
        kind: kind.to_string(),
        on_date: on.to_string(),
        fields: words(fields.unwrap_or_default()),
        purpose: purpose.map(String::from).unwrap_or_default(),
        state: state.as_str().to_owned(),
        lifted_time: lifted.map(time_message),
        ..Default::default()
    };
    if let Some(Stand { course, decide_by, overdue, reason, complaint }) = stand {
        message.decide_by_date = decide_by.map(|day| day.to_string()).unwrap_or_default();
        message.overdue = overdue;
        message.extended = course.extended;
        message.told_time = course.told.map(time_message);
        message.decision_reason = reason.unwrap_or_default();
        message.complaint_route = complaint.map(route_message);
    }
    message
}

/// Where a resident can complain, on the wire.
#[must_use]
pub fn route_message(told: Told) -> pb::ComplaintRoute {
    let Told { en, cy } = told;
    pb::ComplaintRoute { en, cy }
}

/// What becomes of an objection or a restriction.
pub struct Advancing {
    /// Which, and why.
    pub finding: Finding,
    /// What.
    pub step: ChoiceStep,
}

impl TryFrom<pb::AdvanceChoiceRequest> for Advancing {
    type Error = Violations;

    fn try_from(message: pb::AdvanceChoiceRequest) -> Result<Self, Violations> {
        let pb::AdvanceChoiceRequest { choice, step, reason, request_id: _ } = message;
        let mut check = Check::default();
        let finding = finding(&mut check, &choice, reason);
        let step = check.one_of("step", &step, ChoiceStep::ALL);
        check.done(finding.zip(step).map(|(finding, step)| Self { finding, step }))
    }
}
