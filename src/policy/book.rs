//! The rule book as plain data, after the strict loader has accepted every word of it.

mod notice;
mod proxy;
mod rule;
mod sight;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::lint::Severity;
use crate::domain::{
    AgencyId, AgreementId, AgreementStatus, BasisId, CategoryId, Code, Duty, ExemptionId, FactKind,
    FieldId, FlagId, GatewayId, Giver, HubFunction, KeptKind, NoticeId, OutcomeId, OverrideId,
    PurposeId, RequestKind, RoleId,
};

pub use notice::{Notice, NoticeVersion, Parties, Party, Wording};
pub use proxy::{ProxyAge, ProxyRule, ProxyVoice};
pub use rule::{Cell, ChoiceForce, Despite, Effect, Ground, Only, Rule, When};
pub use sight::{
    Exemption, ExemptionUse, RequestRule, Sight, SightRule, Telling, Told, Visibility,
};

/// Everything a folder of policy files says. Built only by [`super::load`].
#[derive(Debug, Clone)]
pub struct RuleBook {
    /// SHA-256 over the names and bytes of every file, in order of name.
    pub hash: [u8; 32],
    /// `place.toml`.
    pub place: Place,
    /// `conditions.toml`, the figures.
    pub figures: Figures,
    /// `conditions.toml`, the sentence of each matcher term, by term name.
    pub terms: BTreeMap<String, TermText>,
    /// `model.conf`, verbatim; its hash is pinned by the engine.
    pub model: String,
    /// `words/agencies.csv`.
    pub agencies: BTreeMap<AgencyId, Agency>,
    /// `words/roles.csv`: meaning.
    pub roles: BTreeMap<RoleId, String>,
    /// `words/purposes.csv`.
    pub purposes: BTreeMap<PurposeId, Purpose>,
    /// `words/categories.csv`, with the fields of `words/fields.csv` in file order.
    pub categories: BTreeMap<CategoryId, Category>,
    /// `words/fields.csv`.
    pub fields: BTreeMap<FieldId, Field>,
    /// `words/flags.csv`.
    pub flags: BTreeMap<FlagId, Flag>,
    /// `words/gateways.csv`.
    pub gateways: BTreeMap<GatewayId, Gateway>,
    /// `words/bases.csv`: Art 6 bases, Art 9 and Sch 1 conditions.
    pub bases: BTreeMap<BasisId, Basis>,
    /// `words/codes.csv`: every [`Code`] exactly once.
    pub codes: BTreeMap<Code, CodeMeaning>,
    /// `words/duties.csv`: every [`Duty`] exactly once.
    pub duties: BTreeMap<Duty, DutyMeaning>,
    /// `words/referrals.csv`: every code that a person may decide; others do no harm.
    pub referrals: BTreeMap<Code, ReferralRule>,
    /// `words/facts.csv`: every [`FactKind`] exactly once.
    pub facts: BTreeMap<FactKind, FactRule>,
    /// `words/retention.csv`: for how many whole years after its own an entry of the log can be read. Empty
    /// without the file: for good.
    pub retention: BTreeMap<KeptKind, u16>,
    /// `words/visibility.csv`: what residents see of releases.
    pub visibility: Visibility,
    /// `words/told.csv`: in which words.
    pub telling: Telling,
    /// `words/requests.csv`: what residents may ask for. Empty without the file: nothing here.
    pub requests: BTreeMap<RequestKind, RequestRule>,
    /// `words/exemptions.csv`: why something is not given to its own resident, or not erased. Empty without the
    /// file: there is no such reason.
    pub exemptions: BTreeMap<ExemptionId, Exemption>,
    /// `words/proxies.csv`: who may speak for a resident. Empty without the file: nobody.
    pub proxies: BTreeMap<Giver, ProxyRule>,
    /// `words/overrides.csv`.
    pub overrides: BTreeMap<OverrideId, OverrideRule>,
    /// `words/reviews.csv`: every override exactly once.
    pub reviews: BTreeMap<OverrideId, ReviewRule>,
    /// `words/outcomes.csv`: what a review may find.
    pub outcomes: BTreeMap<OutcomeId, ReviewOutcome>,
    /// `notices/*.toml`: what is shown where a consent is asked for. Empty without the folder: nobody can
    /// say yes.
    pub notices: BTreeMap<NoticeId, Notice>,
    /// `words/parties.csv`: controllers, as a record of consent names them. Empty without the file.
    pub parties: Parties,
    /// `agreements/*.toml`.
    pub agreements: BTreeMap<AgreementId, Agreement>,
    /// `rules/*.csv`, files in order of name, rows in order of file: `00-never.csv` first.
    pub rules: Vec<Rule>,
    /// `promises.csv`.
    pub promises: Vec<Promise>,
    /// `lints.toml`.
    pub lints: Lints,
}

/// What `lints.toml` settles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lints {
    /// Severities that are not the released ones, by code.
    pub severities: BTreeMap<String, Severity>,
    /// Findings that are right as they are.
    pub exceptions: Vec<Exception>,
}

/// A finding that is right as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The line in `lints.toml`.
    pub line: usize,
    /// The code of the finding.
    pub code: String,
    /// What it is about: the id of a rule, an agreement, a purpose or a gateway.
    pub on: String,
    /// Why it is right.
    pub reason: String,
}

/// Never, or always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseKind {
    /// No request of the region is ever released to.
    Never,
    /// Every cell of the region has a path.
    Always,
}

/// What a promise says of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promised {
    /// `*`, `group/*` or a category.
    Data(DataPattern),
    /// One field.
    Field(FieldId),
    /// `letter:l`: fields with this letter of `words/fields.csv`.
    Letter(char),
}

/// One line of `promises.csv`: what holds for all requests, proved with boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Line, from 1.
    pub line: usize,
    /// Never, or always.
    pub kind: PromiseKind,
    /// Id.
    pub id: String,
    /// Recipients; the word `public-authority` is written out.
    pub agencies: Cell<AgencyId>,
    /// Roles.
    pub roles: Cell<RoleId>,
    /// Purposes.
    pub purposes: Cell<PurposeId>,
    /// Data; never empty.
    pub data: Vec<Promised>,
    /// Flags, of which one stands; none: whatever flags stand (`always`: no flag stands).
    pub flags: BTreeSet<FlagId>,
    /// Bases: only rows with one of these count; none: every row counts.
    pub bases: BTreeSet<BasisId>,
    /// The sentence that its author wrote.
    pub because: String,
}

impl Promised {
    /// True when the field is meant.
    #[must_use]
    pub fn covers(&self, field: &FieldId, about: &Field) -> bool {
        match self {
            Self::Data(pattern) => pattern.covers(&about.category),
            Self::Field(one) => one == field,
            Self::Letter(letter) => about.has_letter(*letter),
        }
    }
}

/// The place, its zone and, for a synthetic place, its clock.
#[derive(Debug, Clone)]
pub struct Place {
    /// The name of the place.
    pub name: String,
    /// The zone whose days count.
    pub zone: TimeZone,
    /// Present only where the place is a sample: the time at which a demonstration starts. A
    /// production configuration refuses a folder that has it.
    pub sample_clock: Option<Timestamp>,
}

/// Ages, hours and days of the law and of local practice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Age from which one is an adult (18).
    pub adult_age: i16,
    /// Age from which capacity is presumed and a person speaks for themselves (16, MCA 2005).
    pub own_voice_age: i16,
    /// Age from which a parent's yes no longer opens special or confidential fields (11).
    pub parent_confidential_until_age: i16,
    /// Age of consent to online services (13, UK GDPR Art 8).
    pub digital_consent_age: i16,
    /// Birthdays after which an earlier yes must be given again (16, 18).
    pub reconfirm_ages: Vec<i16>,
    /// Words that a reason must have at least (3).
    pub reason_words_min: usize,
    /// Hours for which a reading of the National Data Opt-out list is fresh (24).
    pub ndo_hours: i64,
    /// Counts from 1 to below it are suppressed where a rule says so (5).
    pub small_number_least: u64,
    /// Disadvantage factors that the families objective asks for (2).
    pub factors_min: u32,
    /// Most distinct residents in one call that is not bulk (1).
    pub small_group: u32,
    /// Most distinct residents of one caller and purpose in the window that is not bulk.
    pub window_group: u32,
    /// Length of that window in minutes; 0: no window.
    pub window_minutes: u32,
    /// Conditions that need an appropriate policy document (`9-2-g`).
    pub apd_conditions: BTreeSet<BasisId>,
    /// Bases to which Article 21 lets people object (`6-1-e`). Empty without the line: to none.
    pub objection_bases: BTreeSet<BasisId>,
    /// Purposes for which data received for another purpose may be passed on.
    pub onward_purposes: BTreeSet<PurposeId>,
    /// Category groups (`benefits`, ...) for which a property and finance attorney may speak.
    pub attorney_pf_groups: BTreeSet<String>,
}

/// How one matcher term is spoken of.
#[derive(Debug, Clone)]
pub struct TermText {
    /// What the term asks, in plain words.
    pub sentence: String,
    /// Who can put a failure right.
    pub fixer: String,
}

/// A partner agency.
#[derive(Debug, Clone)]
pub struct Agency {
    /// Its name.
    pub name: String,
    /// Its type, such as `nhs`.
    pub kind: String,
    /// Its nation.
    pub nation: String,
    /// A public authority (closes bases that [`Basis::open_to_public_authority`] denies).
    pub public_authority: bool,
    /// The controller it belongs to.
    pub controller: String,
    /// Whether it may be told that it knows somebody.
    pub involvement: Involvement,
}

/// Whether it may be told that an agency knows somebody, by rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Involvement {
    /// `open`: by the rules of `involvement/contact`.
    Open,
    /// `sensitive`: its name tells what somebody suffers from; only by the rules of
    /// `involvement/sensitive`.
    Sensitive,
    /// `never`: its name tells where somebody is, such as a refuge.
    Never,
}

impl Involvement {
    /// The field of the rung: that such a holder knows the resident. `None`: it is on no rung.
    #[must_use]
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::Open => Some("involvement/contact.holds"),
            Self::Sensitive => Some("involvement/sensitive.holds"),
            Self::Never => None,
        }
    }
}

/// The group of categories that the hub tells by itself; nothing of it is published.
pub const INVOLVEMENT: &str = "involvement";

/// A purpose.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// What it means.
    pub meaning: String,
    /// Its group.
    pub group: String,
}

/// A category.
#[derive(Debug, Clone)]
pub struct Category {
    /// Who usually holds it; `None`: anybody.
    pub usual_holder: Option<AgencyId>,
    /// Purposes for which it is never released; each has its deny row.
    pub never_for: BTreeSet<PurposeId>,
    /// Its fields, in file order; never empty.
    pub fields: Vec<FieldId>,
}

/// The letters of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The category it belongs to.
    pub category: CategoryId,
    /// `s`: special category (UK GDPR Art 9).
    pub special: bool,
    /// `c`: criminal offence data (Art 10).
    pub criminal: bool,
    /// `p`: confidential patient information.
    pub cpi: bool,
    /// `l`: tells where somebody is.
    pub location: bool,
    /// `t`: about somebody else.
    pub third_party: bool,
    /// `x`: sensitive sub-code, released only when named.
    pub sub_code: bool,
    /// The flag that closes it (letters G and A).
    pub bar: Option<FlagId>,
}

/// A flag on a resident.
#[derive(Debug, Clone)]
pub struct Flag {
    /// What it means.
    pub meaning: String,
    /// The code with which it refuses; `None`: it changes no decision.
    pub code: Option<Code>,
}

/// Who may record a kind of fact, and how long it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRule {
    /// Functions at the hub, of which the caller needs one.
    pub functions: BTreeSet<HubFunction>,
    /// Agencies whose callers may.
    pub writers: FactWriters,
    /// Days after recording for which the fact counts; `None`: it has an end of its own or none.
    pub max_age_days: Option<i64>,
    /// What it says.
    pub meaning: String,
    /// What is judged where it is missing or too old.
    pub missing: String,
}

/// Agencies that may record a kind of fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactWriters {
    /// Only the agency whose fact it is.
    Own,
    /// Every agency.
    Any,
    /// These.
    These(BTreeSet<AgencyId>),
}

/// Duty, power, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayKind {
    /// The law commands the disclosure.
    Duty,
    /// The law allows it. Includes a court's order "as ordered" only where the file says duty.
    Power,
    /// An exemption: never a power.
    Exemption,
}

/// Data that a gateway is closed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataPattern {
    /// Everything.
    All,
    /// A group of categories, `health/*`.
    Group(String),
    /// One category.
    Category(CategoryId),
}

impl DataPattern {
    /// True when `category` is meant.
    #[must_use]
    pub fn covers(&self, category: &CategoryId) -> bool {
        match self {
            Self::All => true,
            Self::Group(group) => {
                category.as_str().split_once('/').is_some_and(|(head, _)| head == group)
            }
            Self::Category(only) => only == category,
        }
    }
}

/// A statutory gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The statute.
    pub statute: String,
    /// The section.
    pub section: String,
    /// Duty, power or exemption.
    pub kind: GatewayKind,
    /// Where it is law.
    pub nations: BTreeSet<String>,
    /// First day; `None`: no day appointed, not in force.
    pub in_force_from: Option<Date>,
    /// Last day; `None`: open.
    pub in_force_to: Option<Date>,
    /// Data it is closed to.
    pub excludes_data: Vec<DataPattern>,
    /// Data it is open to all the same.
    pub keeps_data: Vec<DataPattern>,
    /// Types of holder it is closed to.
    pub excludes_holder_types: BTreeSet<String>,
    /// Needs an entry in the public register.
    pub needs_registration: bool,
}

/// A lawful basis or condition.
#[derive(Debug, Clone)]
pub struct Basis {
    /// What it means.
    pub meaning: String,
    /// `false`: closed to public authorities in their tasks (UK GDPR Art 6(1), last words).
    pub open_to_public_authority: bool,
    /// `false`: for public authorities in their own tasks only (UK GDPR Art 6(1)(e)).
    pub open_to_others: bool,
}

/// Who can do something about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Nobody in the hub can lift it.
    Hard,
    /// An override may lift it.
    Overridable,
    /// Paperwork puts it right.
    Fixable,
    /// A person decides.
    Referred,
}

/// Whose a duty is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DutyOwner {
    /// The agency that asked.
    Asker,
    /// The agency that holds.
    Holder,
    /// The hub.
    Hub,
}

/// When a duty must be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DutyDue {
    /// So many hours after the release.
    Hours(i64),
    /// The hub meets it with the release.
    WithRelease,
    /// When use must end.
    AtExpiry,
    /// It holds as long as the data are kept: it is never late.
    Standing,
}

/// What a duty says.
#[derive(Debug, Clone)]
pub struct DutyMeaning {
    /// What it obliges to, in plain words.
    pub meaning: String,
    /// Whose it is.
    pub owner: DutyOwner,
    /// By when.
    pub due: DutyDue,
}

/// Who at the holder decides what is referred with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralRule {
    /// Roles that may decide; never empty.
    pub deciders: BTreeSet<RoleId>,
    /// Hours in which somebody should have decided.
    pub due_hours: i64,
    /// A grant is good for at most so many hours.
    pub grant_hours: i64,
}

/// What a code does and says.
#[derive(Debug, Clone)]
pub struct CodeMeaning {
    /// Who can do something about it.
    pub disposition: Disposition,
    /// An accepted override lifts it.
    pub lifted_by_override: bool,
    /// It may be said to the requester.
    pub spoken_to_requester: bool,
    /// What it means, in plain words.
    pub meaning: String,
    /// Who can put it right.
    pub fixer: String,
    /// How.
    pub fix: String,
}

/// What an override lifts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifts {
    /// All codes that are marked `lifted_by_override`.
    All,
    /// Of those, only these.
    Only(BTreeSet<Code>),
}

/// A test of its own that an override has to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OverrideTest {
    /// `unable`: the answer `unable_to_consent` is yes.
    Unable,
    /// `second-person`: an approver.
    SecondPerson,
    /// `capacity`: the tests for an adult who may have capacity.
    Capacity,
}

/// Whose person may approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApproverOf {
    /// Of the holder only.
    Holder,
    /// Of the holder or the asker.
    HolderOrAsker,
}

/// An override.
#[derive(Debug, Clone)]
pub struct OverrideRule {
    /// Roles that may assert it.
    pub roles: BTreeSet<RoleId>,
    /// Answers that must be there.
    pub answers: Vec<String>,
    /// Good for this many hours from its assertion.
    pub ceiling_hours: i64,
    /// What it lifts.
    pub lifts: Lifts,
    /// Duties of a release that used it.
    pub duties: BTreeSet<Duty>,
    /// Its own tests.
    pub tests: BTreeSet<OverrideTest>,
    /// Roles that may approve it.
    pub approver_roles: BTreeSet<RoleId>,
    /// Whose person may approve it.
    pub approver_of: ApproverOf,
}

/// How a release that asserted an override is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRule {
    /// It must be closed within this many hours from the release.
    pub due_hours: i64,
    /// A reviewer needs about this many minutes for one.
    pub minutes: u32,
}

/// What a review may find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewOutcome {
    /// In plain words.
    pub meaning: String,
    /// The override should not have been used so.
    pub unjustified: bool,
}

/// An information sharing agreement.
#[derive(Debug, Clone)]
pub struct Agreement {
    /// What it is about.
    pub title: String,
    /// Who signed.
    pub parties: BTreeSet<AgencyId>,
    /// For which purposes.
    pub purposes: BTreeSet<PurposeId>,
    /// First day; counts.
    pub start: Date,
    /// Last day; counts.
    pub end: Date,
    /// Review day.
    pub review_due: Date,
    /// Days after the review day in which sharing goes on.
    pub grace_days: i64,
    /// Reference of the DPIA, if there is one.
    pub dpia: Option<String>,
    /// Status.
    pub status: AgreementStatus,
    /// Who looks after it.
    pub owner: String,
}
