//! The words everything else is written in: ids, what is asked, what is known, what a record is.
//! Pure: no input or output, no clock, no randomness.

mod code;
mod collected;
mod fact;
mod facts;
mod function;
mod ids;
mod inquiry;
mod kept;
mod nhs;
mod proxy;
mod record;

pub use code::{Code, Duty};
pub use collected::{Channel, Collected, Language, NoticeShown, Withdrawing};
pub use fact::{Fact, FactKind, Interests, RecordedFact, Register, Tie, about, at_work};
pub use facts::{
    AgreementAmendment, AgreementStatus, Amendments, Capacity, Choice, ChoiceEvent, ChoiceKind,
    ChoiceStep, ConsentEvent, ConsentKind, ConsentState, CourtOrder, CustodianRelease, Facts,
    GatewayAmendment, Giver, Grant, MatchQuality, ObjectionState, RequesterFacts, ResidentFacts,
    StatutoryPart,
};
pub use function::HubFunction;
pub use ids::{
    AgencyId, AgreementId, AssessmentId, BasisId, CategoryId, DecisionId, EvidenceId, ExemptionId,
    FieldId, FlagId, GatewayId, IdError, NoticeId, OutcomeId, OverrideId, PersonId, PurposeId,
    ResidentId, RoleId, RuleId, Scope,
};
pub use inquiry::{Answer, Approver, Ask, Asked, NamedApprover, OverrideClaim};
pub use kept::{KeptKind, NoticeKind, RequestKind};
pub use nhs::nhs_number;
pub use proxy::ProxyGrant;
pub use record::{FieldValue, Record};
