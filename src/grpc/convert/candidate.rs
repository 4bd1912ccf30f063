//! A policy folder that somebody tries out.

use jiff::civil::Date;

use super::{Check, Violations, receipt_message};
use crate::domain::DecisionId;
use crate::grpc::pb;
use crate::hub::{Replay, ReplayState, Replayed};
use crate::limits;
use crate::policy::check::{Checked, Counts};
use crate::policy::load::Files;

/// A folder to be checked.
pub struct Checking {
    /// Its files.
    pub files: Files,
    /// The day; `None`: today.
    pub as_of: Option<Date>,
}

impl Check {
    /// A policy folder.
    fn folder(&mut self, files: Vec<pb::PolicyFile>) -> Option<Files> {
        if !self.count("files", files.len(), 1, limits::POLICY_FILES_MAX) {
            return None;
        }
        let mut folder = Files::new();
        for (n, pb::PolicyFile { path, content }) in files.into_iter().enumerate() {
            let field = format!("files[{n}].path");
            let sound = (1..=limits::POLICY_FILE_NAME_LEN_MAX).contains(&path.len())
                && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b))
                && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
            if !sound {
                let what = "must be a path in the folder such as rules/isa-care.csv";
                self.wrong(&field, what);
            } else if folder.insert(path, content).is_some() {
                self.wrong(&field, "stands twice");
            }
        }
        Some(folder)
    }
}

impl TryFrom<pb::CheckPolicyRequest> for Checking {
    type Error = Violations;

    fn try_from(message: pb::CheckPolicyRequest) -> Result<Self, Violations> {
        let pb::CheckPolicyRequest { files, as_of_date } = message;
        let mut check = Check::default();
        let files = check.folder(files);
        let as_of = (!as_of_date.is_empty()).then(|| as_of_date.parse::<Date>());
        if let Some(Err(_)) = as_of {
            check.wrong("as_of_date", "must be a day such as 2027-04-01");
        }
        let as_of = as_of.and_then(Result::ok);
        check.done(files.map(|files| Self { files, as_of }))
    }
}

/// What is wrong with a folder, on the wire.
#[must_use]
pub fn checked_response(checked: &Checked) -> pb::CheckPolicyResponse {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let Counts { errors, warnings, infos, excused } = checked.counts();
    pb::CheckPolicyResponse {
        errors: count(errors),
        warnings: count(warnings),
        infos: count(infos),
        excused: count(excused),
        text: checked.text(),
        json: checked.json(),
    }
}

impl TryFrom<pb::ReplayPolicyRequest> for Replay {
    type Error = Violations;

    fn try_from(message: pb::ReplayPolicyRequest) -> Result<Self, Violations> {
        let pb::ReplayPolicyRequest { files, start_time, end_time } = message;
        let mut check = Check::default();
        let files = check.folder(files);
        let since = check.time("start_time", start_time);
        let until = check.time("end_time", end_time);
        if let (Some(since), Some(until)) = (since, until)
            && until <= since
        {
            check.wrong("end_time", "must be after start_time");
        }
        check.done(files.map(|files| Self { files, since, until }))
    }
}

/// The name of a replay.
pub struct ReplayName(pub DecisionId);

impl TryFrom<pb::GetPolicyReplayRequest> for ReplayName {
    type Error = Violations;

    fn try_from(message: pb::GetPolicyReplayRequest) -> Result<Self, Violations> {
        let mut check = Check::default();
        let id = check.event("name", "replays", &message.name);
        check.done(id.map(Self))
    }
}

impl TryFrom<pb::CancelPolicyReplayRequest> for ReplayName {
    type Error = Violations;

    fn try_from(message: pb::CancelPolicyReplayRequest) -> Result<Self, Violations> {
        let mut check = Check::default();
        let id = check.event("name", "replays", &message.name);
        check.done(id.map(Self))
    }
}

/// A replay on the wire.
#[must_use]
pub fn replay_message(replayed: Replayed) -> pb::PolicyReplay {
    let Replayed { id, state, read, size, candidate, receipt } = replayed;
    let said = match &state {
        ReplayState::Done(report) => (report.text(), report.json()),
        ReplayState::Running | ReplayState::Cancelled | ReplayState::Failed => Default::default(),
    };
    let state = match state {
        ReplayState::Running => pb::PolicyReplayState::Running,
        ReplayState::Done(_) => pb::PolicyReplayState::Done,
        ReplayState::Cancelled => pb::PolicyReplayState::Cancelled,
        ReplayState::Failed => pb::PolicyReplayState::Failed,
    };
    pb::PolicyReplay {
        name: format!("replays/{id}"),
        state: state.into(),
        entries_read: read,
        entries_total: size,
        candidate_hash: candidate.to_vec(),
        text: said.0,
        json: said.1,
        receipt: Some(receipt_message("events", &receipt)),
    }
}
