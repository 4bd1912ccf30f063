//! The policy in force.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::{convert, pb, status};

#[tonic::async_trait]
impl pb::policy_service_server::PolicyService for Desk {
    async fn get_policy(
        &self,
        request: Request<pb::GetPolicyRequest>,
    ) -> Reply<pb::GetPolicyResponse> {
        self.prove(&request).await?;
        let policy = self.hub.policy().map_err(status::of_hub)?;
        Ok(Response::new(convert::policy_response(&policy)))
    }
}
