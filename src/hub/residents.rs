//! The resident index: the least identity that is needed to know that two agencies mean the same
//! person. A resident whom the caller may not know of and none at all are the same answer.

use std::collections::BTreeMap;

use jiff::civil::Date;
use uuid::Uuid;

use super::entry::{fresh_id, nobody};
use super::words::Words;
use super::{Hub, HubError};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::auth::{Caller, HubFunction};
use crate::domain::{PurposeId, ResidentId};
use crate::store::{LocalId, Receipt, Refusal, Resident, StoreError};

/// A resident to register.
pub struct NewResident {
    /// NHS number, ten digits, checked.
    pub nhs_number: Option<String>,
    /// Name.
    pub name: String,
    /// Date of birth.
    pub born: Option<Date>,
    /// Nation.
    pub nation: String,
    /// The caller agency's own id.
    pub local_id: String,
}

/// Who is looked for, and why.
pub struct Wanted {
    /// NHS number, ten digits, checked.
    pub nhs_number: String,
    /// Name.
    pub name: String,
    /// Date of birth.
    pub born: Date,
    /// Why.
    pub purpose: PurposeId,
    /// Why, in the asker's own words.
    pub reason: String,
}

impl Hub {
    /// Registers a resident with the caller agency's own id.
    ///
    /// # Errors
    /// When the caller is no registrar or a word is unknown; [`HubError::Referred`] when the number
    /// or the local id is somebody's already, whoever that is: the attempt is recorded for the person
    /// who decides, and the caller learns neither who nor which.
    pub async fn register_resident(
        &self,
        caller: &Caller,
        new: NewResident,
    ) -> Result<(ResidentId, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ResidentService/RegisterResident";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Registrar).await?;
        let today = at.to_zoned(policy.book().place.zone.clone()).date();
        let mut words = Words::of(policy.book());
        words.nation("nation", &new.nation);
        if new.born.is_some_and(|born| born > today) {
            words.wrong("birth_date", "must not be in the future");
        }
        words.done()?;
        if let Some(done) = self.done_before(&call).await? {
            return Ok((done.resident()?, done.receipt));
        }
        let id = ResidentId::from_uuid(Uuid::new_v4());
        let resident = Resident {
            id,
            nhs_number: new.nhs_number,
            name: new.name,
            born: new.born,
            nation: new.nation,
        };
        let local = own(caller, new.local_id);
        let claimed = serde_json::json!({
            "nhs_number": resident.nhs_number, "name": resident.name,
            "birth_date": resident.born, "local_id": local.id,
        });
        let facets = BTreeMap::from([(Facet::What, "register".to_owned())]);
        let request = serde_json::json!({ "local_id": local.id });
        let none = BTreeMap::new();
        let entry = call.entry(call.event(), Kind::Hold, facets, Some(id), none, &request);
        let residents = vec![(resident, vec![local])];
        match self.store.register(residents, entry).await {
            Err(StoreError::Refused(Refusal::IdentifierTaken | Refusal::LocalIdTaken)) => {
                Err(self.turned_away_with(&call, HubError::Referred, None, &claimed).await)
            }
            made => {
                let made = made.map(|receipt| (id, receipt));
                self.once(&call, made, |done| Ok((done.resident()?, done.receipt))).await
            }
        }
    }

    /// Links the caller agency's own id to a resident.
    ///
    /// # Errors
    /// When the caller is no registrar, the resident is not to be known, or the id is taken.
    pub async fn link_identity(
        &self,
        caller: &Caller,
        resident: ResidentId,
        local_id: String,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ResidentService/LinkIdentity";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Registrar).await?;
        let beside = self.known_beside(&call, &policy, resident).await?;
        let request = serde_json::json!({ "local_id": local_id });
        let about = Some(resident);
        if beside.is_closed() {
            let why = HubError::NotFound;
            return Err(self.turned_away_with(&call, why, about, &request).await);
        }
        if let Some(done) = self.done_before(&call).await? {
            return Ok(done.receipt);
        }
        let facets = BTreeMap::from([(Facet::What, "link".to_owned())]);
        let none = BTreeMap::new();
        let entry = call.entry(call.event(), Kind::Hold, facets, about, none, &request);
        let local = own(caller, local_id);
        match self.store.link(resident, local, entry).await {
            Err(StoreError::Refused(Refusal::LocalIdTaken)) => {
                Err(self.turned_away_with(&call, HubError::Taken, about, &request).await)
            }
            made => self.once(&call, made, |done| Ok(done.receipt)).await,
        }
    }

    /// Undoes a link of the caller agency's own id.
    ///
    /// # Errors
    /// When the caller is no registrar, or there is no such link.
    pub async fn unlink_identity(
        &self,
        caller: &Caller,
        local_id: String,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ResidentService/UnlinkIdentity";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Registrar).await?;
        if let Some(done) = self.done_before(&call).await? {
            return Ok(done.receipt);
        }
        let local = own(caller, local_id);
        let resident = self.store.resident_of(&local).await?;
        let facets = BTreeMap::from([(Facet::What, "unlink".to_owned())]);
        let request = serde_json::json!({ "local_id": local.id });
        if resident.is_none() && caller.request().is_none() {
            return Err(self.turned_away_with(&call, HubError::NotFound, None, &request).await);
        }
        let none = BTreeMap::new();
        let entry = call.entry(call.event(), Kind::Hold, facets, resident, none, &request);
        // Under a request id it is for the store to say, in its turn, whether the link is there: the
        // same call may just have been faster.
        match self.store.unlink(local, entry).await {
            Err(StoreError::Refused(Refusal::NoLink)) => {
                Err(self.turned_away_with(&call, HubError::NotFound, None, &request).await)
            }
            made => self.once(&call, made, |done| Ok(done.receipt)).await,
        }
    }

    /// Finds a resident by identifiers that must all agree. `None`: nobody whom the caller may
    /// know of. The look-up is in the log before there is an answer.
    ///
    /// # Errors
    /// When the caller may not ask, or a word is unknown.
    pub async fn find_resident(
        &self,
        caller: &Caller,
        wanted: Wanted,
    ) -> Result<(Option<ResidentId>, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ResidentService/FindResident";
        let call = self.call(rpc, caller, &policy, at);
        self.acting_role(&call).await?;
        let found = self.store.find(&wanted.nhs_number, &wanted.name, wanted.born).await?;
        let one = match found.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let beside = self.require_staff(&call, &policy, one.unwrap_or(nobody())).await?;
        let mut words = Words::of(policy.book());
        words.purpose("purpose", &wanted.purpose);
        words.done()?;
        let shown = one.filter(|_| !beside.is_closed());
        let facets = BTreeMap::from([
            (Facet::What, "find".to_owned()),
            (Facet::Purpose, wanted.purpose.as_str().to_owned()),
        ]);
        let text = BTreeMap::from([("reason".to_owned(), wanted.reason)]);
        let request = serde_json::json!({
            "nhs_number": wanted.nhs_number,
            "name": wanted.name,
            "birth_date": wanted.born,
        });
        let entry = call.entry(fresh_id(at), Kind::Query, facets, shown, text, &request);
        let receipt = self.append_one(entry).await?;
        Ok((shown, receipt))
    }

    /// Appends one entry.
    pub(super) async fn append_one(&self, entry: Entry) -> Result<Receipt, HubError> {
        let event = entry.event;
        let mut receipts = self.store.append(vec![entry]).await?;
        match (receipts.pop(), receipts.is_empty()) {
            (Some(receipt), true) if receipt.event() == event => Ok(receipt),
            _ => Err(HubError::Broken),
        }
    }
}

fn own(caller: &Caller, id: String) -> LocalId {
    LocalId { agency: caller.agency().clone(), id }
}
