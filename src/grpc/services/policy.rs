//! The policy in force, and those before.

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

    async fn list_versions(
        &self,
        request: Request<pb::ListVersionsRequest>,
    ) -> Reply<pb::ListVersionsResponse> {
        self.prove(&request).await?;
        let versions = self.hub.policy_versions().await.map_err(status::of_hub)?;
        Ok(Response::new(convert::versions_response(versions)))
    }
}
