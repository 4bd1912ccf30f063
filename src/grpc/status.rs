//! Errors as gRPC says them: one exhaustive map with fixed phrases and details for machines. Nothing
//! that a caller wrote or that the store holds is repeated here.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::auth::{AuthError, HubFunction};
use crate::hub::{HubError, Review, Violation};

/// The domain of every reason.
pub const DOMAIN: &str = "weir.hub";

/// How long to wait before trying again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $code:ident, $cause:literal, $fix:literal;)*) => {
        /// Why a call is turned down without a decision.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The word for machines.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
            /// The gRPC code.
            #[must_use]
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code),* }
            }
            /// Why it happens; also the phrase of the status.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause),* }
            }
            /// What to do.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix),* }
            }
        }
    };
}

reasons! {
    /// Malformed request.
    RequestInvalid = "REQUEST_INVALID", InvalidArgument,
        "the request does not make sense",
        "read the field violations and put each field right";
    /// Not a call of this service.
    CallMalformed = "CALL_MALFORMED", InvalidArgument,
        "the call is not a well-formed gRPC request",
        "use a gRPC client: POST, content-type application/grpc, no query, one authorization header";
    /// A message that is no message of the contract.
    MessageMalformed = "MESSAGE_MALFORMED", InvalidArgument,
        "the message cannot be read",
        "build the client anew from the published contract";
    /// A message over its bound.
    MessageTooLarge = "MESSAGE_TOO_LARGE", ResourceExhausted,
        "the message is larger than the hub takes",
        "send less at once: 64 KiB in a message, 4 MiB in one of a publishing stream or with a policy folder";
    /// The call took too long.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded,
        "the call took too long; what it asked for may have been recorded, nothing was released",
        "try again; publish large extracts in parts";
    /// Not found, or not to be known.
    NotFound = "NOT_FOUND", NotFound,
        "there is no such thing, or none that the caller may know of",
        "check the name; the answer is the same whether the thing is missing or closed";
    /// No role.
    RoleNeeded = "ROLE_NEEDED", PermissionDenied,
        "the call needs an acting role of the policy",
        "ask the agency's administrator for a role, then sign in again";
    /// No publisher.
    PublisherNeeded = "PUBLISHER_NEEDED", PermissionDenied,
        "the call needs the function publisher",
        "use the agency's publishing account";
    /// No registrar.
    RegistrarNeeded = "REGISTRAR_NEEDED", PermissionDenied,
        "the call needs the function registrar",
        "use the agency's registering account";
    /// No auditor.
    AuditorNeeded = "AUDITOR_NEEDED", PermissionDenied,
        "the call needs the function auditor",
        "use the agency's auditing account";
    /// No operator.
    OperatorNeeded = "OPERATOR_NEEDED", PermissionDenied,
        "the call needs the function operator",
        "use the hub's operating account";
    /// Another function.
    FunctionNeeded = "FUNCTION_NEEDED", PermissionDenied,
        "the call needs a function at the hub that the caller does not have",
        "use an account with the function that the details name";
    /// Another agency's fact.
    NotYours = "NOT_YOURS", PermissionDenied,
        "the policy leaves this kind of fact to other agencies",
        "see words/facts.csv: ask one of the agencies that it names";
    /// Agency unknown or suspended.
    AgencyInactive = "AGENCY_INACTIVE", PermissionDenied,
        "the caller's agency is unknown or suspended",
        "ask the hub's board";
    /// Account or training ended.
    AccountInactive = "ACCOUNT_INACTIVE", PermissionDenied,
        "the caller's account or training has ended or was never recorded",
        "ask the agency's administrator to bring the staff record up to date";
    /// Local id taken.
    LocalIdTaken = "LOCAL_ID_TAKEN", AlreadyExists,
        "the agency's own id is linked to another resident",
        "undo that link first, or use another id";
    /// A request id of another call.
    RequestIdReused = "REQUEST_ID_REUSED", AlreadyExists,
        "another call was made under this request id",
        "make a new id for every new call; repeat a call only with the very same message";
    /// A fact was changed by somebody else.
    FactChanged = "FACT_CHANGED", Aborted,
        "a fact has changed since its etag was read; nothing was recorded",
        "list the facts again, look at what is there now, and decide anew";
    /// A legal hold.
    LegalHold = "LEGAL_HOLD", FailedPrecondition,
        "a legal hold is on the resident; nothing was erased",
        "who placed the hold lifts it, when its ground has ended";
    /// A person must decide about a registration.
    RegistrationReferred = "REGISTRATION_REFERRED", FailedPrecondition,
        "the registration cannot be made by a machine; a person must decide",
        "see whether the local id is linked already, and find the resident by number, name and birth date; otherwise the hub's registrar decides";
    /// May not approve.
    ApproverNotEntitled = "APPROVER_NOT_ENTITLED", PermissionDenied,
        "the caller may not approve this override",
        "a person in a role that the policy names for the override approves, at the agency that it names, who does not know the resident";
    /// Own request.
    OwnRequest = "OWN_REQUEST", PermissionDenied,
        "nobody approves or decides their own request",
        "ask another person";
    /// Nothing to approve.
    NothingToApprove = "NOTHING_TO_APPROVE", FailedPrecondition,
        "the request asserted no override that takes an approver, or was answered in full",
        "approve the refused request, by the name on the asker's receipt";
    /// Approved.
    ApprovedAlready = "APPROVED_ALREADY", FailedPrecondition,
        "the request has had its approval, or one for the same question is open",
        "the asker uses the open approval, or asks anew to be approved anew";
    /// May not decide.
    DeciderNotEntitled = "DECIDER_NOT_ENTITLED", PermissionDenied,
        "the caller may not decide this referral",
        "a person at the holder decides, in a role that words/referrals.csv names, who does not know the resident";
    /// Decided.
    ReferralDecided = "REFERRAL_DECIDED", FailedPrecondition,
        "the referral was decided",
        "the first decision stands; for another the asker asks anew";
    /// Not decided.
    ReferralOpen = "REFERRAL_OPEN", FailedPrecondition,
        "nobody has decided the referral yet",
        "wait for the holder's decision";
    /// Declined.
    ReferralDeclined = "REFERRAL_DECLINED", FailedPrecondition,
        "the holder declined the referral",
        "speak with the holder; ask anew when something has changed";
    /// Ended.
    GrantExpired = "GRANT_EXPIRED", FailedPrecondition,
        "the grant has ended",
        "ask anew; the holder decides again";
    /// Used.
    GrantUsed = "GRANT_USED", FailedPrecondition,
        "the grant or approval was used by another release",
        "what was released has its receipt; for more ask anew";
    /// Another question.
    GrantMismatch = "GRANT_MISMATCH", FailedPrecondition,
        "the grant is for another resident, holder, purpose or case",
        "ask exactly what was referred";
    /// Not open.
    DutyNotOpen = "DUTY_NOT_OPEN", FailedPrecondition,
        "the duty was met already",
        "nothing: the first record stands";
    /// Another agency signs off.
    SecondAgencyNeeded = "SECOND_AGENCY_NEEDED", PermissionDenied,
        "an auditor of another agency signs off that every agency's entries are seen",
        "ask an auditor of another agency";
    /// Nobody has signed off.
    AccessNotApproved = "ACCESS_NOT_APPROVED", FailedPrecondition,
        "no other agency has signed off that every agency's entries are seen",
        "give the name of the access to an auditor of another agency; without it the agency's own entries are seen";
    /// The sign-off has ended.
    AccessEnded = "ACCESS_ENDED", FailedPrecondition,
        "the sign-off to see every agency's entries has ended",
        "ask for another one";
    /// May not close a review.
    ReviewerNotEntitled = "REVIEWER_NOT_ENTITLED", PermissionDenied,
        "the caller may not close this review",
        "a privacy officer of the asking agency closes it with CloseReview, who has declared their interests, did not approve the override and does not know the resident";
    /// Too much.
    TooMuch = "TOO_MUCH", ResourceExhausted,
        "the answer or its audit entry would be too large",
        "ask for fewer residents, holders or fields at once";
    /// One at a time.
    Busy = "BUSY", ResourceExhausted,
        "work of this kind is done one at a time, and another goes on",
        "try again when it has ended";
    /// A source is not available.
    SourceUnavailable = "SOURCE_UNAVAILABLE", Unavailable,
        "a holder's records cannot be had now; nothing was released",
        "try again with growing pauses";
    /// The store is not available.
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable,
        "the hub cannot record now; nothing was released",
        "try again with growing pauses";
    /// Witnesses are silent and the operator chose to stop.
    Unwitnessed = "SYS_UNWITNESSED", Unavailable,
        "no quorum of witnesses has signed the log for so long that the hub discloses nothing; nothing was decided",
        "the operator sees to the witnesses; in an emergency use the way outside the hub";
    /// No quorum has signed yet.
    NotCosigned = "NOT_COSIGNED", Unavailable,
        "no quorum of witnesses has signed a head that covers the entry yet",
        "try again in some seconds; without witnesses the receipt is there at once";
    /// No policy is in force.
    PolicyNotApproved = "SYS_POLICY_NOT_APPROVED", Unavailable,
        "no policy is in force; nothing was decided, and this is no refusal",
        "tell the hub's operator: `weir policy status` says why; for a life at risk use the telephone";
    /// Keys of an issuer are not available.
    KeysUnavailable = "KEYS_UNAVAILABLE", Unavailable,
        "the keys of the caller's identity provider cannot be had now",
        "try again with growing pauses; if it lasts, tell the hub's operator";
    /// Not for too long.
    KeysTooOld = "KEYS_TOO_OLD", Unavailable,
        "the keys of the caller's identity provider could not be read for too long",
        "tell the hub's operator and the identity provider's administrator";
    /// Broken.
    Internal = "INTERNAL", Internal,
        "the hub found something that cannot be; nothing was released",
        "tell the hub's operator the time of the call";
}

/// A status with its reason.
#[must_use]
pub fn refuse(reason: Reason) -> Status {
    refuse_with(reason, ErrorDetails::new())
}

/// The function that is missing goes into the details.
fn function_needed(function: HubFunction) -> Status {
    let mut details = ErrorDetails::new();
    let reason = Reason::FunctionNeeded;
    let named = [("function".to_owned(), function.as_str().to_owned())];
    details.set_error_info(reason.as_str(), DOMAIN, std::collections::HashMap::from(named));
    Status::with_error_details(reason.code(), reason.cause(), details)
}

fn refuse_with(reason: Reason, mut details: ErrorDetails) -> Status {
    details.set_error_info(reason.as_str(), DOMAIN, std::collections::HashMap::new());
    if reason.code() == Code::Unavailable {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(reason.code(), reason.cause(), details)
}

/// A malformed request as a status.
#[must_use]
pub fn invalid(violations: Vec<Violation>) -> Status {
    let mut details = ErrorDetails::new();
    let violations: Vec<FieldViolation> = violations
        .into_iter()
        .take(crate::limits::VIOLATIONS_MAX)
        .map(|v| FieldViolation {
            field: v.field,
            description: v.what,
            reason: String::new(),
            localized_message: None,
        })
        .collect();
    details.set_bad_request(violations);
    refuse_with(Reason::RequestInvalid, details)
}

/// A use case's error as a status.
#[must_use]
pub fn of_hub(error: HubError) -> Status {
    let reason = match error {
        HubError::Invalid(violations) => return invalid(violations),
        HubError::NotFound => Reason::NotFound,
        HubError::RoleNeeded => Reason::RoleNeeded,
        HubError::FunctionNeeded(HubFunction::Publisher) => Reason::PublisherNeeded,
        HubError::FunctionNeeded(HubFunction::Registrar) => Reason::RegistrarNeeded,
        HubError::FunctionNeeded(HubFunction::Auditor) => Reason::AuditorNeeded,
        HubError::FunctionNeeded(HubFunction::Operator) => Reason::OperatorNeeded,
        HubError::FunctionNeeded(
            other @ (HubFunction::StaffManager
            | HubFunction::CaseAllocator
            | HubFunction::Custodian
            | HubFunction::Board
            | HubFunction::RegisterClerk
            | HubFunction::Assessor
            | HubFunction::CourtOfficer
            | HubFunction::PrivacyOfficer
            | HubFunction::RightsOfficer
            | HubFunction::ResidentPortal
            | HubFunction::NoticeReader),
        ) => return function_needed(other),
        HubError::NotYours => Reason::NotYours,
        HubError::AgencyInactive => Reason::AgencyInactive,
        HubError::AccountInactive => Reason::AccountInactive,
        HubError::Taken => Reason::LocalIdTaken,
        HubError::RequestIdReused => Reason::RequestIdReused,
        HubError::Changed => Reason::FactChanged,
        HubError::Held => Reason::LegalHold,
        HubError::Referred => Reason::RegistrationReferred,
        HubError::Review(why) => of_review(why),
        HubError::TooMuch => Reason::TooMuch,
        HubError::Busy => Reason::Busy,
        HubError::SourceUnavailable => Reason::SourceUnavailable,
        HubError::StoreUnavailable => Reason::StoreUnavailable,
        HubError::NoPolicy => Reason::PolicyNotApproved,
        HubError::Unwitnessed => Reason::Unwitnessed,
        HubError::NotCosigned => Reason::NotCosigned,
        HubError::Broken => Reason::Internal,
    };
    refuse(reason)
}

const fn of_review(why: Review) -> Reason {
    match why {
        Review::ApproverNotEntitled => Reason::ApproverNotEntitled,
        Review::OwnRequest => Reason::OwnRequest,
        Review::NothingToApprove => Reason::NothingToApprove,
        Review::ApprovedAlready => Reason::ApprovedAlready,
        Review::DeciderNotEntitled => Reason::DeciderNotEntitled,
        Review::ReferralDecided => Reason::ReferralDecided,
        Review::ReferralOpen => Reason::ReferralOpen,
        Review::ReferralDeclined => Reason::ReferralDeclined,
        Review::GrantExpired => Reason::GrantExpired,
        Review::GrantUsed => Reason::GrantUsed,
        Review::GrantMismatch => Reason::GrantMismatch,
        Review::DutyNotOpen => Reason::DutyNotOpen,
        Review::SecondAgencyNeeded => Reason::SecondAgencyNeeded,
        Review::AccessOpen => Reason::AccessNotApproved,
        Review::AccessEnded => Reason::AccessEnded,
        Review::ReviewerNotEntitled => Reason::ReviewerNotEntitled,
    }
}

/// An unproven caller as a status. The reason says which check failed; the phrase does not.
#[must_use]
pub fn of_auth(error: &AuthError) -> Status {
    match error {
        AuthError::KeysUnavailable => return refuse(Reason::KeysUnavailable),
        AuthError::KeysTooOld => return refuse(Reason::KeysTooOld),
        AuthError::Missing
        | AuthError::Twice
        | AuthError::Malformed
        | AuthError::Expired
        | AuthError::NotYetValid
        | AuthError::TooLong
        | AuthError::IssuerUnknown
        | AuthError::AudienceWrong
        | AuthError::AlgorithmWrong
        | AuthError::KeyUnknown
        | AuthError::SignatureWrong
        | AuthError::RoleMissing
        | AuthError::RoleAmbiguous
        | AuthError::CertificateMissing
        | AuthError::CertificateWrong
        | AuthError::BindingWrong => {}
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(error.reason(), DOMAIN, std::collections::HashMap::new());
    Status::with_error_details(Code::Unauthenticated, "the caller is not proven", details)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_status_names_its_reason_and_unavailable_says_when_to_come_back() {
        for reason in Reason::ALL {
            let status = refuse(*reason);
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!(info.reason, reason.as_str());
            assert_eq!(info.domain, DOMAIN);
            let retry = details.retry_info().is_some();
            assert_eq!(retry, reason.code() == Code::Unavailable, "{reason:?}");
            assert!(status.details().len() < 4096);
        }
    }

    #[test]
    fn reasons_are_distinct() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    #[test]
    fn violations_name_their_fields_and_are_bounded() {
        let many = (0..500).map(|n| Violation::new(format!("fields[{n}]"), "is empty")).collect();
        let status = of_hub(HubError::Invalid(many));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let named = &details.bad_request().unwrap().field_violations;
        assert_eq!(named.len(), crate::limits::VIOLATIONS_MAX);
        assert_eq!(named[0].field, "fields[0]");
    }

    #[test]
    fn a_token_that_cannot_be_judged_now_is_not_called_wrong() {
        for error in AuthError::ALL {
            let later = matches!(error, AuthError::KeysUnavailable | AuthError::KeysTooOld);
            let expected = if later { Code::Unavailable } else { Code::Unauthenticated };
            let status = of_auth(error);
            assert_eq!(status.code(), expected, "{error:?}");
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, error.reason());
        }
    }

    #[test]
    fn closed_and_missing_are_one_status() {
        let refusal = crate::store::Refusal::NoResident;
        let missing = of_hub(crate::store::StoreError::Refused(refusal).into());
        let closed = of_hub(HubError::NotFound);
        assert_eq!(missing.message(), closed.message());
        assert_eq!(missing.details(), closed.details());
    }

    #[test]
    fn the_store_s_own_words_stay_inside() {
        let error = crate::store::StoreError::Corrupt("row of Aisha".to_owned());
        let status = of_hub(error.into());
        assert_eq!(status.code(), Code::Internal);
        assert!(!format!("{status:?}").contains("Aisha"));
    }
}
