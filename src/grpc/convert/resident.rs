//! The resident index.

use super::{Check, Violations};
use crate::domain::{ResidentId, nhs_number};
use crate::grpc::pb;
use crate::hub::{NewResident, Wanted};
use crate::limits;

impl TryFrom<pb::RegisterResidentRequest> for NewResident {
    type Error = Violations;

    fn try_from(message: pb::RegisterResidentRequest) -> Result<Self, Violations> {
        let pb::RegisterResidentRequest {
            nhs_number,
            name,
            birth_date,
            nation,
            local_id,
            request_id: _,
        } = message;
        let mut check = Check::default();
        let number = match nhs_number.as_str() {
            "" => None,
            some => read_nhs_number(&mut check, some),
        };
        let resident = Self {
            nhs_number: number,
            name: read_name(&mut check, name),
            born: check.day("birth_date", &birth_date),
            nation: check.bounded("nation", nation, limits::NAME_LEN_MAX),
            local_id: check.local_id("local_id", local_id),
        };
        check.done(Some(resident))
    }
}

impl TryFrom<pb::FindResidentRequest> for Wanted {
    type Error = Violations;

    fn try_from(message: pb::FindResidentRequest) -> Result<Self, Violations> {
        let pb::FindResidentRequest { nhs_number, name, birth_date, purpose, reason } = message;
        let mut check = Check::default();
        let nhs_number = read_nhs_number(&mut check, &nhs_number);
        let name = read_name(&mut check, name);
        if birth_date.is_empty() {
            check.wrong("birth_date", "is empty");
        }
        let born = check.day("birth_date", &birth_date);
        let purpose = check.word("purpose", &purpose);
        if reason.trim().is_empty() {
            check.wrong("reason", "is empty");
        }
        let reason = check.text("reason", reason);
        let wanted = match (nhs_number, born, purpose) {
            (Some(nhs_number), Some(born), Some(purpose)) => {
                Some(Self { nhs_number, name, born, purpose, reason })
            }
            _ => None,
        };
        check.done(wanted)
    }
}

/// A link to make.
pub struct Link {
    /// The resident.
    pub resident: ResidentId,
    /// The caller agency's own id.
    pub local_id: String,
}

impl TryFrom<pb::LinkIdentityRequest> for Link {
    type Error = Violations;

    fn try_from(message: pb::LinkIdentityRequest) -> Result<Self, Violations> {
        let pb::LinkIdentityRequest { resident, local_id, request_id: _ } = message;
        let mut check = Check::default();
        let resident = check.resident("resident", &resident);
        let local_id = check.local_id("local_id", local_id);
        check.done(resident.map(|resident| Self { resident, local_id }))
    }
}

/// A link to undo.
pub struct Unlink(pub String);

impl TryFrom<pb::UnlinkIdentityRequest> for Unlink {
    type Error = Violations;

    fn try_from(message: pb::UnlinkIdentityRequest) -> Result<Self, Violations> {
        let pb::UnlinkIdentityRequest { local_id, request_id: _ } = message;
        let mut check = Check::default();
        let local_id = check.local_id("local_id", local_id);
        check.done(Some(Self(local_id)))
    }
}

fn read_name(check: &mut Check, name: String) -> String {
    if name.trim().is_empty() {
        check.wrong("name", "is empty");
    }
    check.bounded("name", name, limits::NAME_LEN_MAX)
}

/// Ten digits of which the last is the check digit.
fn read_nhs_number(check: &mut Check, text: &str) -> Option<String> {
    let read = nhs_number(text);
    if read.is_none() {
        check.wrong("nhs_number", "must be ten digits with a valid check digit, no placeholder");
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nhs_numbers() {
        let table = [
            ("9434765919", true),
            ("943 476 5919", true),
            ("9434765918", false),
            ("943476591", false),
            ("94347659190", false),
            ("943476591x", false),
            ("", false),
            ("0000000000", false),
            ("1111111111", false),
            ("\u{0669}434765919", false),
        ];
        for (text, sound) in table {
            let mut check = Check::default();
            assert_eq!(read_nhs_number(&mut check, text).is_some(), sound, "{text}");
        }
    }
}
