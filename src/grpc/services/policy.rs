//! The policy in force, and those before.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{self, Violations};
use crate::grpc::{pb, status};
use crate::hub::HubError;

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

    async fn get_rule_book(
        &self,
        request: Request<pb::GetRuleBookRequest>,
    ) -> Reply<pb::GetRuleBookResponse> {
        self.prove(&request).await?;
        let format: convert::RuleBookForm = request.into_inner().try_into().map_err(violated)?;
        let policy = self.hub.policy().map_err(status::of_hub)?;
        let response = convert::rule_book_response(&policy, format, self.hub.now());
        Ok(Response::new(response.ok_or_else(|| status::of_hub(HubError::Broken))?))
    }

    async fn explain_decision(
        &self,
        request: Request<pb::ExplainDecisionRequest>,
    ) -> Reply<pb::ExplainDecisionResponse> {
        let (caller, convert::Explaining(id)) = self.open(request).await?;
        let explained = self.hub.explain_decision(&caller, id).await.map_err(status::of_hub)?;
        Ok(Response::new(convert::explained_response(explained)))
    }

    async fn check_policy(
        &self,
        request: Request<pb::CheckPolicyRequest>,
    ) -> Reply<pb::CheckPolicyResponse> {
        let (caller, wanted) = self.open_folder(request).await?;
        let convert::Checking { files, as_of } = wanted;
        let checked = self.hub.check_policy(&caller, files, as_of).await;
        Ok(Response::new(convert::checked_response(&checked.map_err(status::of_hub)?)))
    }

    async fn replay_policy(
        &self,
        request: Request<pb::ReplayPolicyRequest>,
    ) -> Reply<pb::PolicyReplay> {
        let (caller, wanted) = self.open_folder(request).await?;
        let replayed = self.hub.begin_replay(&caller, wanted).await.map_err(status::of_hub)?;
        Ok(Response::new(convert::replay_message(replayed)))
    }

    async fn get_policy_replay(
        &self,
        request: Request<pb::GetPolicyReplayRequest>,
    ) -> Reply<pb::PolicyReplay> {
        let (caller, convert::ReplayName(id)) = self.open(request).await?;
        let replayed = self.hub.replay(&caller, id).await.map_err(status::of_hub)?;
        Ok(Response::new(convert::replay_message(replayed)))
    }

    async fn cancel_policy_replay(
        &self,
        request: Request<pb::CancelPolicyReplayRequest>,
    ) -> Reply<pb::PolicyReplay> {
        let (caller, convert::ReplayName(id)) = self.open(request).await?;
        let replayed = self.hub.cancel_replay(&caller, id).await.map_err(status::of_hub)?;
        Ok(Response::new(convert::replay_message(replayed)))
    }
}

fn violated(wrong: Violations) -> tonic::Status {
    status::invalid(wrong.0)
}
