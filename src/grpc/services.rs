//! The handlers: prove the caller, convert, call the hub, convert back. Nothing is decided here.

mod audit;
mod choices;
mod facts;
mod notices;
mod policy;
mod records;
mod residents;
mod reviews;
mod rights;
mod sharing;

use std::sync::Arc;

use aws_lc_rs::digest;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::connection::Peer;
use super::convert::Violations;
use super::pages::{Page, PageKey};
use super::{pb, status};
use crate::auth::{Authenticator, Caller, RequestKey};
use crate::hub::{Hub, Violation};
use crate::limits;

/// What every service needs.
#[derive(Clone)]
pub struct Desk {
    /// The use cases.
    pub hub: Arc<Hub>,
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// What page tokens are proven with.
    pub pages: PageKey,
}

impl Desk {
    /// Proves the caller of any call.
    async fn prove<M>(&self, request: &Request<M>) -> Result<Arc<Caller>, Status> {
        let token = bearer(request.metadata())?;
        let certificate = request.extensions().get::<Peer>().and_then(|peer| peer.certificate);
        let caller = self.authenticator.authenticate(token, certificate.as_ref()).await;
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
        Ok((caller, converted(request)?))
    }

    /// As [`Desk::open`], for a message with a policy folder.
    async fn open_folder<M, T>(&self, request: Request<M>) -> Result<(Arc<Caller>, T), Status>
    where
        M: prost::Message,
        T: TryFrom<M, Error = Violations>,
    {
        let caller = self.prove(&request).await?;
        Ok((caller, converted(request)?))
    }
}

impl Desk {
    /// As [`Desk::open`], for a call that writes: under its request id, where it has one.
    async fn write<M, T>(&self, request: Request<M>) -> Result<(Caller, T), Status>
    where
        M: Repeatable,
        T: TryFrom<M, Error = Violations>,
    {
        let key = key_of(request.get_ref().request_id(), &request.get_ref().encode_to_vec());
        let (caller, wanted) = self.open(request).await?;
        Ok((caller.under(key?), wanted))
    }
}

impl Desk {
    /// As [`Desk::open`], for a list: its page token is proven and taken apart. What comes back seals the
    /// next one.
    async fn open_page<M, T>(
        &self,
        mut request: Request<M>,
        rpc: &'static str,
    ) -> Result<(Arc<Caller>, T, impl Fn(String) -> String + use<M, T>), Status>
    where
        M: Paged,
        T: TryFrom<M, Error = Violations>,
    {
        let caller = self.prove(&request).await?;
        let policy = self.hub.policy().map_err(status::of_hub)?.book().hash;
        let token = request.get_mut().page_token();
        if !token.is_empty() {
            let page = Page { caller: &caller, rpc, policy, now: self.hub.now() };
            *token = self.pages.open(&page, token).ok_or_else(|| {
                let what = "is not good (any more): start again without a page token";
                status::invalid(vec![Violation::new("page_token", what)])
            })?;
        }
        let (caller, wanted) = self.open(request).await?;
        let (key, now, of) = (self.pages.clone(), self.hub.now(), Arc::clone(&caller));
        let seal =
            move |position: String| key.seal(&Page { caller: &of, rpc, policy, now }, &position);
        Ok((caller, wanted, seal))
    }
}

/// The message of a proven caller.
fn converted<M, T: TryFrom<M, Error = Violations>>(request: Request<M>) -> Result<T, Status> {
    T::try_from(request.into_inner()).map_err(|wrong| status::invalid(wrong.0))
}

/// A message that asks for a page of a list.
trait Paged: prost::Message {
    /// Where to go on.
    fn page_token(&mut self) -> &mut String;
}

macro_rules! paged {
    ($($message:ident),*) => {$(impl Paged for pb::$message {
        fn page_token(&mut self) -> &mut String {
            &mut self.page_token
        }
    })*};
}
paged!(SearchEntriesRequest, ListChoicesRequest, ListFactsRequest, ListHeldRecordsRequest);
paged!(ListDisclosuresRequest, ListRequestsRequest, ListSealedRequest);
paged!(ListReferralsRequest, ListObligationsRequest, ListNonDisclosuresRequest);
paged!(ListNoticesRequest);

/// A message of a call that may be repeated.
trait Repeatable: prost::Message {
    /// The caller's id of the call; empty: none.
    fn request_id(&self) -> &str;
}

macro_rules! repeatable {
    ($($message:ident),*) => {$(impl Repeatable for pb::$message {
        fn request_id(&self) -> &str {
            &self.request_id
        }
    })*};
}
repeatable!(RegisterResidentRequest, LinkIdentityRequest, UnlinkIdentityRequest);
repeatable!(RecordConsentRequest, WithdrawConsentRequest, InvalidateConsentRequest);
repeatable!(RecordObjectionRequest, DecideObjectionRequest, WithdrawObjectionRequest);
repeatable!(SetRestrictionRequest, LiftRestrictionRequest);
repeatable!(RecordFactsRequest, RetractRecordsRequest);
repeatable!(ReportNonDisclosureRequest);
repeatable!(ApproveOverrideRequest, DecideReferralRequest, FulfilObligationRequest);
repeatable!(CloseReviewRequest, ReviewVisibilityRequest);
repeatable!(AcknowledgeNoticeRequest);
repeatable!(FileRequestRequest, ChallengeEntryRequest, AdvanceRequestRequest);

/// A request id with the digest of what is asked under it.
fn key_of(id: &str, message: &[u8]) -> Result<Option<RequestKey>, Status> {
    if id.is_empty() {
        return Ok(None);
    }
    let wrong = || status::invalid(vec![Violation::new("request_id", "must be a UUID")]);
    let id = (id.len() == 36).then(|| Uuid::parse_str(id).ok()).flatten().ok_or_else(wrong)?;
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, message).as_ref());
    Ok(Some(RequestKey::new(id, hash)))
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
