//! What was in force last, for when the folder cannot be.

use serde_json::json;

use super::Reloader;
use crate::hub::InForce;
use crate::policy::kept;
use crate::policy::load::hash;
use crate::store::StoreError;

impl Reloader {
    /// Where nothing is in force, what was in force last is again; its bytes and the log must agree.
    pub(super) async fn last_good(&mut self) -> Result<(), StoreError> {
        if self.hub.policy().is_ok() {
            return Ok(());
        }
        let Some((kept, bytes)) = self.store.kept_policy(None).await? else { return Ok(()) };
        let told = self.store.entry(kept.event).await?.map(|stored| stored.entry.policy);
        if told != Some(kept.hash) || !self.may_go_on(&kept) {
            tracing::error!(
                number = kept.number,
                "The policy that was in force last may not go on"
            );
            return Ok(());
        }
        let built = tokio::task::spawn_blocking(move || {
            let files = kept::unpack(&bytes).filter(|files| hash(files) == kept.hash)?;
            Some((kept::build(&files).ok()?, kept))
        });
        let Ok(Some((policy, kept))) = built.await else {
            tracing::error!("The policy that was in force last cannot be loaded any more");
            return Ok(());
        };
        let facets = self.facets("last-good", kept.number, None);
        let words = json!({ "number": kept.number });
        let entry = self.entry(self.clock.now(), kept.hash, facets, &words);
        self.store.append(vec![entry]).await?;
        tracing::error!(
            number = kept.number,
            since = %kept.since,
            "The policy folder cannot be used: the policy that was in force last is in force again"
        );
        self.put_in_force(InForce::new(policy, kept.number, kept.since));
        Ok(())
    }
}
