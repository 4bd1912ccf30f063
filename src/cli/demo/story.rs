//! The story: questions over a real socket, answers as a person would want to read them. Each step
//! says beforehand what must come out.

use std::net::SocketAddr;

use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::prepare::Cast;
use super::tell;
use crate::auth::issuer::{DevelopmentIssuer, Person};
use crate::clock::Clock;
use crate::grpc::pb;

struct Stage<'a> {
    channel: Channel,
    issuer: &'a DevelopmentIssuer,
    clock: &'a dyn Clock,
    wrong: usize,
}

/// What one asks.
struct Question<'a> {
    who: Person<'a>,
    resident: &'a str,
    holder: &'a str,
    purpose: &'a str,
    fields: &'a [&'a str],
    reason: &'a str,
    claim: Option<pb::OverrideClaim>,
}

/// Walks through the story; returns how many steps did not go as told.
pub(super) async fn walk(
    address: SocketAddr,
    issuer: &DevelopmentIssuer,
    clock: &dyn Clock,
    cast: &Cast,
) -> Result<usize, String> {
    let channel = Channel::from_shared(format!("http://{address}"))
        .map_err(|e| e.to_string())?
        .connect()
        .await
        .map_err(|e| format!("cannot reach the hub: {e}"))?;
    let mut stage = Stage { channel, issuer, clock, wrong: 0 };
    let resident = cast.resident.as_str();
    let ask = |who, holder, purpose, fields, reason| Question {
        who,
        resident,
        holder,
        purpose,
        fields,
        reason,
        claim: None,
    };
    let adult = Person {
        agency: "northfield-council-adult-care",
        person: "social-2",
        roles: &["social-worker"],
    };
    let housing = Person {
        agency: "northfield-council-housing",
        person: "housing-4",
        roles: &["housing-officer"],
    };
    let police =
        Person { agency: "northshire-police", person: "officer-5", roles: &["police-officer"] };
    let childrens = Person {
        agency: "northfield-council-childrens",
        person: "social-8",
        roles: &["social-worker"],
    };
    let doctor = Person { agency: "northfield-hospital", person: "doctor-9", roles: &["doctor"] };

    tell("\n1. A ward nurse asks the GP for allergies and medicines.");
    let summary = ["health/summary.allergies", "health/summary.medicines"];
    stage
        .step(
            ask(cast.nurse(), "oakdale-gp", "direct_care", &summary, "Ward round this morning"),
            "PERMIT",
            None,
        )
        .await?;
    tell("\n2. A social worker asks for conditions and, too much, for allergies.");
    let partly = ["health/summary.conditions", "health/summary.allergies"];
    stage
        .step(
            ask(adult, "oakdale-gp", "direct_care", &partly, "Planning support at home"),
            "PARTIAL",
            Some("MIN_NOT_NECESSARY"),
        )
        .await?;
    tell("\n3. A constable asks housing about a tenancy: the holder judges.");
    let tenancy = ["housing/tenancy.tenancy_status"];
    stage
        .step(
            ask(
                police,
                "northfield-council-housing",
                "crime_enquiry",
                &tenancy,
                "Burglary on 3 July, confirm occupier",
            ),
            "REFER",
            Some("CNF_NO_BASIS"),
        )
        .await?;
    tell("\n4. A housing officer asks the GP about mobility: nobody has asked the resident.");
    let mobility = ["health/support.mobility"];
    let medical =
        || ask(housing, "oakdale-gp", "medical_priority", &mobility, "Assessing medical priority");
    stage.step(medical(), "DENY", Some("CNS_ABSENT")).await?;
    tell("\n5. The resident agrees; the same question again.");
    let choice = stage.consent(housing, resident).await?;
    stage.step(medical(), "PERMIT", None).await?;
    tell("\n6. The resident takes it back; the same question again.");
    stage.withdraw(housing, &choice).await?;
    stage.step(medical(), "DENY", Some("CNS_WITHDRAWN")).await?;
    tell("\n7. A doctor without a relationship asks, then breaks the glass.");
    let emergency =
        || ask(doctor, "oakdale-gp", "direct_care", &summary, "Unconscious in resuscitation");
    stage.step(emergency(), "DENY", Some("WHO_NO_RELATIONSHIP")).await?;
    let answer = pb::override_answer::Answer::Text("Unconscious in resuscitation".to_owned());
    let claim = pb::OverrideClaim {
        kind: "BREAK_GLASS".to_owned(),
        answers: [("reason".to_owned(), pb::OverrideAnswer { answer: Some(answer) })].into(),
        asserted_time: None,
        named_approver: None,
    };
    stage.step(Question { claim: Some(claim), ..emergency() }, "PERMIT", None).await?;
    tell("\n8. A sealed record and somebody who does not exist get the same answer.");
    stage.same(childrens, &cast.sealed).await?;
    tell("\n9. The practice's auditor reads the log; the reading is logged.");
    stage.audit(resident).await?;
    Ok(stage.wrong)
}

impl Stage<'_> {
    fn request<T>(&self, who: Person<'_>, message: T) -> Result<Request<T>, String> {
        let token = self.issuer.token(who, self.clock.now(), 10).map_err(|e| e.to_string())?;
        let mut request = Request::new(message);
        let value: MetadataValue<_> =
            format!("Bearer {token}").parse().map_err(|_| "the token is no header".to_owned())?;
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }

    async fn ask(&self, q: Question<'_>) -> Result<pb::Answer, String> {
        let message = pb::RequestRecordsRequest {
            residents: vec![q.resident.to_owned()],
            holders: vec![format!("agencies/{}", q.holder)],
            purpose: q.purpose.to_owned(),
            fields: q.fields.iter().map(|f| (*f).to_owned()).collect(),
            reason: q.reason.to_owned(),
            case_reference: "CASE-2026-118".to_owned(),
            r#override: q.claim,
            ..pb::RequestRecordsRequest::default()
        };
        let mut client =
            pb::sharing_service_client::SharingServiceClient::new(self.channel.clone());
        let reply = client.request_records(self.request(q.who, message)?).await.map_err(said)?;
        reply.into_inner().answers.pop().ok_or_else(|| "no answer came".to_owned())
    }

    async fn step(
        &mut self,
        q: Question<'_>,
        outcome: &str,
        code: Option<&str>,
    ) -> Result<(), String> {
        tell(&format!(
            "   {} / {} -> {}: {}",
            q.who.agency,
            q.who.person,
            q.holder,
            q.fields.join(", ")
        ));
        let answer = self.ask(q).await?;
        let decision = answer.decision.unwrap_or_default();
        let got = pb::Outcome::try_from(decision.outcome).unwrap_or_default();
        let got = got.as_str_name().trim_start_matches("OUTCOME_");
        tell(&format!("   {got}  {}", decision.explanation));
        for value in &answer.values {
            tell(&format!("     {} = {}", value.field, value.text));
        }
        if !decision.duties.is_empty() {
            tell(&format!("     duties: {}", decision.duties.join(" ")));
        }
        for missing in &decision.missing {
            tell(&format!("     {}: {}: {}", missing.code, missing.who_can_fix, missing.how));
        }
        let receipt = answer.receipt.unwrap_or_default();
        tell(&format!("     receipt: {} in a log of {}", receipt.entry, receipt.tree_size));
        let as_told = got == outcome
            && code.is_none_or(|code| decision.codes.iter().any(|c| c == code))
            && !receipt.root_hash.is_empty();
        if !as_told {
            self.wrong += 1;
            tell(&format!("   NOT AS TOLD: expected {outcome} {}", code.unwrap_or_default()));
        }
        Ok(())
    }

    async fn consent(&mut self, who: Person<'_>, resident: &str) -> Result<String, String> {
        let consent = pb::Consent {
            kind: "confidentiality_explicit".to_owned(),
            state: "given".to_owned(),
            purposes: vec!["medical_priority".to_owned()],
            recipients: vec!["agencies/northfield-council-housing".to_owned()],
            fields: vec!["health/support.mobility".to_owned()],
            by: "self".to_owned(),
            evidence: true,
            freely_given: true,
            notice: Some(pb::NoticeShown {
                id: "medical-priority".to_owned(),
                version: 1,
                language: "en".to_owned(),
                wording_sha256: String::new(),
            }),
            channel: "in-person".to_owned(),
            ..pb::Consent::default()
        };
        let message = pb::RecordConsentRequest {
            resident: resident.to_owned(),
            consent: Some(consent),
            request_id: String::new(),
        };
        let mut client = pb::choice_service_client::ChoiceServiceClient::new(self.channel.clone());
        let reply = client.record_consent(self.request(who, message)?).await.map_err(said)?;
        let choice = reply.into_inner().choice;
        tell(&format!("   recorded: {choice}"));
        Ok(choice)
    }

    async fn withdraw(&mut self, who: Person<'_>, choice: &str) -> Result<(), String> {
        let message = pb::WithdrawConsentRequest {
            choice: choice.to_owned(),
            by: "self".to_owned(),
            evidence: true,
            ..pb::WithdrawConsentRequest::default()
        };
        let mut client = pb::choice_service_client::ChoiceServiceClient::new(self.channel.clone());
        client.withdraw_consent(self.request(who, message)?).await.map_err(said)?;
        tell("   recorded");
        Ok(())
    }

    /// Asks about a sealed resident and about nobody, and compares what is said.
    async fn same(&mut self, who: Person<'_>, sealed: &str) -> Result<(), String> {
        let nobody = format!("residents/{}", uuid::Uuid::new_v4());
        let mut said = Vec::new();
        for resident in [sealed, nobody.as_str()] {
            let answer = self
                .ask(Question {
                    who,
                    resident,
                    holder: "northfield-council-childrens",
                    purpose: "child_welfare",
                    fields: &["identity/core.name"],
                    reason: "Concern raised by a neighbour",
                    claim: None,
                })
                .await?;
            said.push((answer.decision, answer.values));
        }
        let alike = said.first() == said.last();
        if let Some((Some(decision), _)) = said.first() {
            tell(&format!("   both: {}", decision.explanation));
        }
        if !alike {
            self.wrong += 1;
            tell("   NOT AS TOLD: the two answers differ");
        }
        Ok(())
    }

    async fn audit(&mut self, _resident: &str) -> Result<(), String> {
        let auditor = Person { agency: "oakdale-gp", person: "auditor-1", roles: &["hub-auditor"] };
        let mut client = pb::audit_service_client::AuditServiceClient::new(self.channel.clone());
        let message = pb::SearchEntriesRequest { page_size: 500, ..Default::default() };
        let reply = client.search_entries(self.request(auditor, message)?).await.map_err(said)?;
        let page = reply.into_inner();
        tell(&format!("   {} entries in which the practice asked or held", page.entries.len()));
        if page.entries.is_empty() {
            self.wrong += 1;
            tell("   NOT AS TOLD: the log has nothing to show");
        }
        Ok(())
    }
}

fn said(status: Status) -> String {
    format!("the hub said {:?}: {}", status.code(), status.message())
}
