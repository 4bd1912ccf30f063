//! Refusal codes and duties: closed lists, so that nothing can be refused or promised in a word that
//! nobody knows. What a code *does* (its disposition, whether an override lifts it, whether it is said
//! aloud) is in the policy's `words/codes.csv`, not here.

use super::facts::closed;
use serde::{Deserialize, Serialize};

closed! {
    /// Why a field is withheld.
    Code {
        /// No case reference, no reason, or a field no vocabulary names.
        ReqIncomplete = "REQ_INCOMPLETE",
        /// Reason of fewer than three words.
        ReqReasonInadequate = "REQ_REASON_INADEQUATE",
        /// Agency is not in the list.
        WhoAgencyUnknown = "WHO_AGENCY_UNKNOWN",
        /// Requester's or holder's agency is suspended.
        WhoAgencySuspended = "WHO_AGENCY_SUSPENDED",
        /// Account has ended.
        WhoAccountInactive = "WHO_ACCOUNT_INACTIVE",
        /// Training no longer in date.
        WhoTrainingLapsed = "WHO_TRAINING_LAPSED",
        /// This agency may ask for this purpose but not in this role.
        WhoRoleNotAllowed = "WHO_ROLE_NOT_ALLOWED",
        /// No legitimate relationship recorded.
        WhoNoRelationship = "WHO_NO_RELATIONSHIP",
        /// Asks about oneself.
        WhoSelfAccess = "WHO_SELF_ACCESS",
        /// Kin, neighbour or colleague.
        WhoConflictOfInterest = "WHO_CONFLICT_OF_INTEREST",
        /// Outside face of not found, closed and masked.
        SubjNotAvailable = "SUBJ_NOT_AVAILABLE",
        /// More than one candidate.
        SubjMatchUncertain = "SUBJ_MATCH_UNCERTAIN",
        /// The person has died.
        SubjDeceasedRoute = "SUBJ_DECEASED_ROUTE",
        /// Sealed record.
        BarSealed = "BAR_SEALED",
        /// Protected person.
        BarProtectedPerson = "BAR_PROTECTED_PERSON",
        /// GRA 2004 s22.
        BarGenderRecognition = "BAR_GENDER_RECOGNITION",
        /// ACA 2002 ss56-65.
        BarAdoption = "BAR_ADOPTION",
        /// Agreement withdrawn, none in its place.
        AgrNone = "AGR_NONE",
        /// Holder or recipient is not a party.
        AgrNotParty = "AGR_NOT_PARTY",
        /// Before its first day.
        AgrNotYetEffective = "AGR_NOT_YET_EFFECTIVE",
        /// After its last day.
        AgrExpired = "AGR_EXPIRED",
        /// Suspended.
        AgrSuspended = "AGR_SUSPENDED",
        /// More than 30 days past review.
        AgrReviewOverdue = "AGR_REVIEW_OVERDUE",
        /// Category taken out of the agreement.
        AgrCategoryNotListed = "AGR_CATEGORY_NOT_LISTED",
        /// No DPIA reference.
        AgrDpiaMissing = "AGR_DPIA_MISSING",
        /// Purpose is not in the list.
        PurUnknown = "PUR_UNKNOWN",
        /// No rule opens this purpose to this agency.
        PurNotCovered = "PUR_NOT_COVERED",
        /// Category is never used for this purpose.
        PurIncompatible = "PUR_INCOMPATIBLE",
        /// Received for another purpose.
        PurOnwardBarred = "PUR_ONWARD_BARRED",
        /// No power: no rule for the purpose, or the rule's own condition is not met.
        LawNoGateway = "LAW_NO_GATEWAY",
        /// Before or after the gateway's days, or the order's.
        LawGatewayNotInForce = "LAW_GATEWAY_NOT_IN_FORCE",
        /// Resident, holder or recipient outside the gateway's nations.
        LawGatewayWrongNation = "LAW_GATEWAY_WRONG_NATION",
        /// Gateway closed to this holder.
        LawGatewayExcludesBody = "LAW_GATEWAY_EXCLUDES_BODY",
        /// Gateway closed to this data.
        LawGatewayExcludesData = "LAW_GATEWAY_EXCLUDES_DATA",
        /// Arrangement is not on the public register.
        LawGatewayNotRegistered = "LAW_GATEWAY_NOT_REGISTERED",
        /// Stated basis is not the rule's.
        LawNoArt6 = "LAW_NO_ART6",
        /// Public authority states 6-1-ea or 6-1-f.
        LawBasisNotOpenToController = "LAW_BASIS_NOT_OPEN_TO_CONTROLLER",
        /// Policy document lapsed at holder or recipient.
        LawApdMissing = "LAW_APD_MISSING",
        /// An exemption was cited as if it were a power.
        LawExemptionIsNotPower = "LAW_EXEMPTION_IS_NOT_POWER",
        /// Confidence not lifted (disposition R where the ground is holder).
        CnfNoBasis = "CNF_NO_BASIS",
        /// No answer recorded.
        CnsAbsent = "CNS_ABSENT",
        /// Said no.
        CnsRefused = "CNS_REFUSED",
        /// Took it back.
        CnsWithdrawn = "CNS_WITHDRAWN",
        /// Ran out.
        CnsExpired = "CNS_EXPIRED",
        /// Found invalid.
        CnsInvalidated = "CNS_INVALIDATED",
        /// Field or recipient not in it.
        CnsOutOfScope = "CNS_OUT_OF_SCOPE",
        /// Another kind of consent.
        CnsWrongKind = "CNS_WRONG_KIND",
        /// Tied to a service.
        CnsNotFreelyGiven = "CNS_NOT_FREELY_GIVEN",
        /// Giver has no authority for this.
        CnsGiverNotEntitled = "CNS_GIVER_NOT_ENTITLED",
        /// Given before a birthday that ends it.
        CnsReconfirmAtAge = "CNS_RECONFIRM_AT_AGE",
        /// Capacity not assessed for this decision.
        CnsCapacityInDoubt = "CNS_CAPACITY_IN_DOUBT",
        /// Statute's own agreement missing.
        CnsStatutoryRequired = "CNS_STATUTORY_REQUIRED",
        /// Objects to sharing for own care.
        ChoDirectCareObjection = "CHO_DIRECT_CARE_OBJECTION",
        /// National Data Opt-out.
        ChoNdo = "CHO_NDO",
        /// Objection not yet decided.
        ChoArt21Pending = "CHO_ART21_PENDING",
        /// Objection upheld.
        ChoArt21Upheld = "CHO_ART21_UPHELD",
        /// Restricted.
        ChoArt18Restricted = "CHO_ART18_RESTRICTED",
        /// This role may not assert this override, or not for this purpose.
        OvrRoleNotAllowed = "OVR_ROLE_NOT_ALLOWED",
        /// A test question unanswered or failed.
        OvrTestNotMet = "OVR_TEST_NOT_MET",
        /// Approver missing, the same person or not entitled.
        OvrNeedsSecondPerson = "OVR_NEEDS_SECOND_PERSON",
        /// Asserted too long ago.
        OvrExpired = "OVR_EXPIRED",
        /// An adult with capacity decides on own risk.
        OvrCapacitousRefusal = "OVR_CAPACITOUS_REFUSAL",
        /// The purpose does not need this field.
        MinNotNecessary = "MIN_NOT_NECESSARY",
        /// About somebody else.
        MinThirdParty = "MIN_THIRD_PARTY",
        /// Location closed.
        MinLocationProtected = "MIN_LOCATION_PROTECTED",
        /// Sensitive field not asked for by name.
        MinSensitiveSubcode = "MIN_SENSITIVE_SUBCODE",
        /// More than one resident asked for.
        MinBulkNotJustified = "MIN_BULK_NOT_JUSTIFIED",
        /// Opt-out list older than 24 hours.
        SysNdoStale = "SYS_NDO_STALE",
    }
    /// What a release obliges somebody to do.
    Duty {
        /// Location fields were held back.
        MaskLocation = "MASK_LOCATION",
        /// Data about others were held back.
        StripThirdParty = "STRIP_THIRD_PARTY",
        /// Say that the resident disputes the data.
        LabelAccuracyContested = "LABEL_ACCURACY_CONTESTED",
        /// Suppress small numbers.
        SuppressSmall = "SUPPRESS_SMALL",
        /// Keep the reason on file.
        RecordReason = "RECORD_REASON",
        /// Tell the resident.
        NotifySubject = "NOTIFY_SUBJECT",
        /// Do not tell the resident, and review that.
        DoNotNotify = "DO_NOT_NOTIFY",
        /// Somebody else reviews the release.
        ReviewBy = "REVIEW_BY",
        /// Stop using the data at a given time.
        ExpireAt = "EXPIRE_AT",
        /// Do not pass the data on.
        NoOnward = "NO_ONWARD",
        /// Put the agreement right.
        OpenAgreementTask = "OPEN_AGREEMENT_TASK",
        /// Send the form afterwards.
        RetrospectiveForm = "RETROSPECTIVE_FORM",
        /// Ask the resident when it is safe.
        SeekConsentWhenSafe = "SEEK_CONSENT_WHEN_SAFE",
        /// A person decides, not the match.
        HumanDecision = "HUMAN_DECISION",
        /// The NHS number goes with the data.
        IncludeNhsNumber = "INCLUDE_NHS_NUMBER",
        /// Confirm that the data arrived.
        ConfirmReceipt = "CONFIRM_RECEIPT",
        /// The ledger names the recipient.
        UpdateRecipientLedger = "UPDATE_RECIPIENT_LEDGER",
        /// The opt-out list was checked.
        CheckNdo = "CHECK_NDO",
    }
}
