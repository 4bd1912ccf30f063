//! The handlers: prove the caller, convert, call the hub, convert back. Nothing is decided here.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use super::convert::{self, Violations, receipt_message, resident_name};
use super::{pb, status};
use crate::auth::{Authenticator, Caller};
use crate::domain::DecisionId;
use crate::hub::{Extract, Hub, Violation};
use crate::limits;

/// What every service needs.
#[derive(Clone)]
pub struct Desk {
    /// The use cases.
    pub hub: Arc<Hub>,
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
}

impl Desk {
    /// Proves the caller of any call.
    async fn prove<M>(&self, request: &Request<M>) -> Result<Arc<Caller>, Status> {
        let token = bearer(request.metadata())?;
        let caller = self.authenticator.authenticate(token).await;
        caller.map_err(|error| status::of_auth(&error))
    }

    /// Proves the caller, then converts the message: an unproven caller learns nothing about it.
    async fn open<M, T>(&self, request: Request<M>) -> Result<(Arc<Caller>, T), Status>
    where
        M: prost::Message,
        T: TryFrom<M, Error = Violations>,
    {
        let caller = self.prove(&request).await?;
        // A service with a stream takes larger messages: its other calls do not.
        if request.get_ref().encoded_len() > limits::MESSAGE_LEN_MAX {
            return Err(status::refuse(status::Reason::MessageTooLarge));
        }
        let wanted = T::try_from(request.into_inner());
        Ok((caller, wanted.map_err(|wrong| status::invalid(wrong.0))?))
    }
}

/// The token of exactly one authorization header.
fn bearer(metadata: &tonic::metadata::MetadataMap) -> Result<&str, Status> {
    use crate::auth::AuthError;
    let refused = |error: AuthError| status::of_auth(&error);
    let mut all = metadata.get_all("authorization").iter();
    let only = all.next().ok_or_else(|| refused(AuthError::Missing))?;
    if all.next().is_some() {
        return Err(refused(AuthError::Twice));
    }
    let text = only.to_str().map_err(|_| refused(AuthError::Malformed))?;
    let (scheme, token) = text.split_once(' ').ok_or_else(|| refused(AuthError::Malformed))?;
    let sound = scheme.eq_ignore_ascii_case("bearer")
        && !token.is_empty()
        && token.len() <= limits::TOKEN_LEN_MAX;
    if sound { Ok(token) } else { Err(refused(AuthError::Malformed)) }
}

/// Answers of the hub as they go out.
type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl pb::sharing_service_server::SharingService for Desk {
    async fn can_share(
        &self,
        request: Request<pb::CanShareRequest>,
    ) -> Reply<pb::CanShareResponse> {
        let (caller, convert::Questions(asked)) = self.open(request).await?;
        let answers = self.hub.can_share(&caller, asked).await;
        let answer = answers.map_err(status::of_hub)?.pop();
        let answer = answer.map(convert::answer_message);
        Ok(Response::new(pb::CanShareResponse { answer }))
    }

    async fn batch_can_share(
        &self,
        request: Request<pb::BatchCanShareRequest>,
    ) -> Reply<pb::BatchCanShareResponse> {
        let (caller, convert::Questions(asked)) = self.open(request).await?;
        let answers = self.hub.batch_can_share(&caller, asked).await;
        let answers = answers.map_err(status::of_hub)?.into_iter();
        let answers = answers.map(convert::answer_message).collect();
        Ok(Response::new(pb::BatchCanShareResponse { answers }))
    }

    async fn request_records(
        &self,
        request: Request<pb::RequestRecordsRequest>,
    ) -> Reply<pb::RequestRecordsResponse> {
        let (caller, convert::Questions(asked)) = self.open(request).await?;
        let answers = self.hub.request_records(&caller, asked).await;
        let answers = answers.map_err(status::of_hub)?.into_iter();
        let answers = answers.map(convert::answer_message).collect();
        Ok(Response::new(pb::RequestRecordsResponse { answers }))
    }

    async fn get_disclosure(
        &self,
        request: Request<pb::GetDisclosureRequest>,
    ) -> Reply<pb::GetDisclosureResponse> {
        let (caller, id): (_, DecisionId) = self.open(request).await?;
        let found = self.hub.disclosure(&caller, id).await;
        let (stored, receipt) = found.map_err(status::of_hub)?;
        Ok(Response::new(pb::GetDisclosureResponse {
            disclosure: Some(convert::disclosure_message(&stored)),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }
}

#[tonic::async_trait]
impl pb::record_service_server::RecordService for Desk {
    async fn publish_records(
        &self,
        request: Request<Streaming<pb::PublishRecordsRequest>>,
    ) -> Reply<pb::PublishRecordsResponse> {
        let caller = self.prove(&request).await?;
        let allowed = self.hub.may_publish(&caller).await;
        allowed.map_err(status::of_hub)?;
        let extract = collect(request.into_inner()).await?;
        let published = self.hub.publish_records(&caller, extract).await;
        let published = published.map_err(status::of_hub)?;
        Ok(Response::new(convert::publish_response(published)))
    }

    async fn retract_records(
        &self,
        request: Request<pb::RetractRecordsRequest>,
    ) -> Reply<pb::RetractRecordsResponse> {
        let (caller, wanted): (_, convert::Retraction) = self.open(request).await?;
        let convert::Retraction { category, local_ids } = wanted;
        let done = self.hub.retract_records(&caller, category, local_ids).await;
        let (retracted_count, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::RetractRecordsResponse {
            retracted_count,
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn list_held_records(
        &self,
        request: Request<pb::ListHeldRecordsRequest>,
    ) -> Reply<pb::ListHeldRecordsResponse> {
        let (caller, page): (_, convert::Page) = self.open(request).await?;
        let convert::Page { category, size, after } = page;
        let of = category.clone();
        let held = self.hub.held_records(&caller, category, after, size).await;
        let (held, more) = held.map_err(status::of_hub)?;
        let response = convert::held_response(held, more, of.as_ref());
        Ok(Response::new(response))
    }
}

/// Reads a whole publishing stream, within bounds.
async fn collect(mut stream: Streaming<pb::PublishRecordsRequest>) -> Result<Extract, Status> {
    let wrong = |field: String, what: &str| status::invalid(vec![Violation::new(field, what)]);
    let Some(first) = next(&mut stream).await? else {
        return Err(wrong("header".to_owned(), "must come first"));
    };
    let header = convert::read_header(first);
    let convert::Header(category) = header.map_err(|wrong| status::invalid(wrong.0))?;
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    let mut len = 0_usize;
    while let Some(message) = next(&mut stream).await? {
        let n = rows.len();
        let row = convert::read_row(message, n).map_err(|wrong| status::invalid(wrong.0))?;
        len = row.values.iter().fold(len, |sum, (_, v)| sum.saturating_add(v.expose().len()));
        if n >= limits::PUBLISH_ROWS_MAX || len > limits::PUBLISH_LEN_MAX {
            return Err(status::refuse(status::Reason::TooMuch));
        }
        if !seen.insert(row.local_id.clone()) {
            return Err(wrong(format!("rows[{n}].local_id"), "is there twice"));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(wrong("rows".to_owned(), "must have at least one"));
    }
    Ok(Extract { category, rows })
}

/// The next message of a stream; the next must not be long in coming.
async fn next(
    stream: &mut Streaming<pb::PublishRecordsRequest>,
) -> Result<Option<pb::PublishRecordsRequest>, Status> {
    let in_time = tokio::time::timeout(limits::CALL_DEADLINE, stream.message()).await;
    in_time.map_err(|_| status::refuse(status::Reason::DeadlineExceeded))?
}

#[tonic::async_trait]
impl pb::resident_service_server::ResidentService for Desk {
    async fn register_resident(
        &self,
        request: Request<pb::RegisterResidentRequest>,
    ) -> Reply<pb::RegisterResidentResponse> {
        let (caller, new) = self.open(request).await?;
        let done = self.hub.register_resident(&caller, new).await;
        let (resident, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::RegisterResidentResponse {
            resident: resident_name(resident),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn link_identity(
        &self,
        request: Request<pb::LinkIdentityRequest>,
    ) -> Reply<pb::LinkIdentityResponse> {
        let (caller, link): (_, convert::Link) = self.open(request).await?;
        let done = self.hub.link_identity(&caller, link.resident, link.local_id);
        let receipt = done.await.map_err(status::of_hub)?;
        let receipt = Some(receipt_message("events", &receipt));
        Ok(Response::new(pb::LinkIdentityResponse { receipt }))
    }

    async fn unlink_identity(
        &self,
        request: Request<pb::UnlinkIdentityRequest>,
    ) -> Reply<pb::UnlinkIdentityResponse> {
        let (caller, convert::Unlink(local_id)) = self.open(request).await?;
        let done = self.hub.unlink_identity(&caller, local_id).await;
        let receipt = Some(receipt_message("events", &done.map_err(status::of_hub)?));
        Ok(Response::new(pb::UnlinkIdentityResponse { receipt }))
    }

    async fn find_resident(
        &self,
        request: Request<pb::FindResidentRequest>,
    ) -> Reply<pb::FindResidentResponse> {
        let (caller, wanted) = self.open(request).await?;
        let found = self.hub.find_resident(&caller, wanted).await;
        let (resident, receipt) = found.map_err(status::of_hub)?;
        Ok(Response::new(pb::FindResidentResponse {
            resident: resident.map(resident_name).unwrap_or_default(),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }
}

#[tonic::async_trait]
impl pb::choice_service_server::ChoiceService for Desk {
    async fn record_consent(
        &self,
        request: Request<pb::RecordConsentRequest>,
    ) -> Reply<pb::RecordConsentResponse> {
        let (caller, new): (_, crate::hub::NewConsent) = self.open(request).await?;
        let resident = new.resident;
        let done = self.hub.record_consent(&caller, new).await;
        let (choice, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::RecordConsentResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn withdraw_consent(
        &self,
        request: Request<pb::WithdrawConsentRequest>,
    ) -> Reply<pb::WithdrawConsentResponse> {
        let (caller, taken): (_, crate::hub::Withdrawal) = self.open(request).await?;
        let resident = taken.resident;
        let done = self.hub.withdraw_consent(&caller, taken).await;
        let (choice, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::WithdrawConsentResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn record_objection(
        &self,
        request: Request<pb::RecordObjectionRequest>,
    ) -> Reply<pb::RecordObjectionResponse> {
        let (caller, new): (_, crate::hub::NewObjection) = self.open(request).await?;
        let resident = new.resident;
        let done = self.hub.record_objection(&caller, new).await;
        let (choice, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::RecordObjectionResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn set_restriction(
        &self,
        request: Request<pb::SetRestrictionRequest>,
    ) -> Reply<pb::SetRestrictionResponse> {
        let (caller, new): (_, crate::hub::NewRestriction) = self.open(request).await?;
        let resident = new.resident;
        let done = self.hub.set_restriction(&caller, new).await;
        let (choice, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::SetRestrictionResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn list_choices(
        &self,
        request: Request<pb::ListChoicesRequest>,
    ) -> Reply<pb::ListChoicesResponse> {
        let (caller, page): (_, convert::ResidentPage) = self.open(request).await?;
        let listed = self.hub.list_choices(&caller, page.resident).await;
        let (choices, receipt) = listed.map_err(status::of_hub)?;
        let response = convert::list_response(&page, choices, &receipt);
        Ok(Response::new(response))
    }
}

#[tonic::async_trait]
impl pb::audit_service_server::AuditService for Desk {
    async fn search_entries(
        &self,
        request: Request<pb::SearchEntriesRequest>,
    ) -> Reply<pb::SearchEntriesResponse> {
        let (caller, sought): (_, convert::Sought) = self.open(request).await?;
        let looked = self.hub.search_entries(&caller, sought.query).await;
        let response = convert::search_response(looked.map_err(status::of_hub)?, &sought.key);
        Ok(Response::new(response))
    }

    async fn get_entry(
        &self,
        request: Request<pb::GetEntryRequest>,
    ) -> Reply<pb::GetEntryResponse> {
        let (caller, convert::EntryIndex(index)) = self.open(request).await?;
        let found = self.hub.entry(&caller, index).await;
        let (stored, details, receipt) = found.map_err(status::of_hub)?;
        Ok(Response::new(pb::GetEntryResponse {
            entry: Some(convert::entry_message(stored, details)),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn get_checkpoint(
        &self,
        request: Request<pb::GetCheckpointRequest>,
    ) -> Reply<pb::GetCheckpointResponse> {
        let caller = self.prove(&request).await?;
        let head = self.hub.checkpoint(&caller).await.map_err(status::of_hub)?;
        Ok(Response::new(pb::GetCheckpointResponse {
            tree_size: head.size,
            root_hash: head.root.to_vec(),
            note: head.note,
        }))
    }
}

#[tonic::async_trait]
impl pb::policy_service_server::PolicyService for Desk {
    async fn get_policy(
        &self,
        request: Request<pb::GetPolicyRequest>,
    ) -> Reply<pb::GetPolicyResponse> {
        self.prove(&request).await?;
        let policy = self.hub.policy();
        Ok(Response::new(convert::policy_response(policy.book())))
    }
}
