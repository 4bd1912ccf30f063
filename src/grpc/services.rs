//! The handlers: prove the caller, convert, call the hub, convert back. Nothing is decided here.

mod audit;
mod choices;
mod facts;
mod policy;
mod records;
mod residents;
mod reviews;
mod sharing;

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::convert::Violations;
use super::status;
use crate::auth::{Authenticator, Caller};
use crate::hub::Hub;
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
