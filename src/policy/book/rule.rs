//! One row of `rules/*.csv`, as plain data.

use std::collections::BTreeSet;

use super::{Field, RuleBook};
use crate::domain::{
    AgencyId, AgreementId, BasisId, CategoryId, ChoiceKind, Code, ConsentKind, Duty, FieldId,
    FlagId, GatewayId, OverrideId, PurposeId, RoleId, RuleId,
};

/// Why confidence does not stand in the way (the `ground` cell).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// Nothing confidential.
    Ordinary,
    /// Direct care.
    Care,
    /// A statute lifts it.
    Statute,
    /// A stated threshold.
    Threshold,
    /// An accepted override.
    Override,
    /// The holder judges.
    Holder,
    /// A court's order.
    Order,
    /// A live consent of this kind.
    Consent(ConsentKind),
}

impl Ground {
    /// The word in the cell, `consent:KIND` for consent.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Ordinary => "ordinary".to_owned(),
            Self::Care => "care".to_owned(),
            Self::Statute => "statute".to_owned(),
            Self::Threshold => "threshold".to_owned(),
            Self::Override => "override".to_owned(),
            Self::Holder => "holder".to_owned(),
            Self::Order => "order".to_owned(),
            Self::Consent(kind) => format!("consent:{kind}"),
        }
    }
}

/// A list cell: `*` or words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<T: Ord> {
    /// `*`.
    Any,
    /// `a|b`, or `-` for none.
    These(BTreeSet<T>),
}

impl<T: Ord> Cell<T> {
    /// True when `word` is meant.
    pub fn has<Q: Ord + ?Sized>(&self, word: &Q) -> bool
    where
        T: std::borrow::Borrow<Q>,
    {
        match self {
            Self::Any => true,
            Self::These(words) => words.contains(word),
        }
    }
}

/// A condition of the `when` cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// `child`: under the adult age.
    Child,
    /// `parent`: an adult, and a parent in the case.
    Parent,
    /// `factors`: enough disadvantage factors.
    Factors,
    /// `notice`: a notice reference is given.
    Notice,
    /// `flag:NAME`: the resident carries the flag (deny rows).
    Flag(FlagId),
}

/// What a rule covers besides the ordinary case (the `despite` cell).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Despite {
    /// `after-death`.
    AfterDeath,
    /// `bulk`.
    Bulk,
    /// `online`: a child of the digital consent age speaks for themselves.
    Online,
}

/// A word of the `choices` cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChoiceForce {
    /// The choice stops the field.
    Stops(ChoiceKind),
    /// `label`: a restriction does not stop the field but labels it.
    Label,
}

/// A word of the `only` cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Only {
    /// `category.field`: of this category only the fields so named.
    Field(FieldId),
    /// `letter:l`: only fields with this letter of `words/fields.csv` (deny rows): s c p l t x.
    Letter(char),
    /// `bar:FLAG`: only fields whose bar is this flag (deny rows).
    Bar(FlagId),
}

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A path.
    Allow,
    /// A hard stop.
    Deny,
}

/// One row of `rules/*.csv`: for an allow row one whole path.
#[derive(Debug, Clone)]
pub struct Rule {
    /// File, relative to the folder.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Id, unique in the folder.
    pub id: RuleId,
    /// Recipients.
    pub agencies: Cell<AgencyId>,
    /// Roles.
    pub roles: Cell<RoleId>,
    /// Purposes.
    pub purposes: Cell<PurposeId>,
    /// Categories (`group/*` is expanded).
    pub categories: Cell<CategoryId>,
    /// Narrows the categories it names; empty: all fields of all categories.
    pub only: BTreeSet<Only>,
    /// Conditions, all of which must hold.
    pub when: BTreeSet<When>,
    /// What it covers besides the ordinary case.
    pub despite: Cell<Despite>,
    /// Gateway; `None` in deny rows.
    pub gateway: Option<GatewayId>,
    /// The recipient's Art 6 basis; `None` in deny rows.
    pub art6: Option<BasisId>,
    /// Art 9 conditions.
    pub art9: BTreeSet<BasisId>,
    /// Art 10 conditions (Sch 1).
    pub art10: BTreeSet<BasisId>,
    /// Ground; `None` in deny rows.
    pub ground: Option<Ground>,
    /// Agreement, if one is needed.
    pub agreement: Option<AgreementId>,
    /// Choices with force.
    pub choices: BTreeSet<ChoiceForce>,
    /// Overrides it accepts; in deny rows `*`: none beats it.
    pub overrides: Cell<OverrideId>,
    /// Duties of a release under it.
    pub duties: BTreeSet<Duty>,
    /// The code with which a deny row refuses; `None` in allow rows.
    pub code: Option<Code>,
    /// The sentence that its author wrote.
    pub because: String,
    /// Allow or deny.
    pub effect: Effect,
    /// The cells as casbin gets them, `id` to `eft` in file order (trimmed, unquoted, `group/*`
    /// expanded to `|`-lists); [`Rule::COLUMNS`] long.
    pub cells: Vec<String>,
}

impl RuleBook {
    /// True when some rule releases `field` only with small counts suppressed: its values are tables of
    /// counts.
    #[must_use]
    pub fn is_counts(&self, field: &FieldId) -> bool {
        self.fields.get(field).is_some_and(|about| {
            let suppresses = |rule: &&Rule| rule.duties.contains(&Duty::SuppressSmall);
            self.rules.iter().filter(suppresses).any(|rule| rule.lists(field, about))
        })
    }
}

impl Rule {
    /// The columns after the row type `p`.
    pub const COLUMNS: [&'static str; 20] = [
        "id",
        "agency",
        "role",
        "purpose",
        "category",
        "only",
        "when",
        "despite",
        "gateway",
        "art6",
        "art9",
        "art10",
        "ground",
        "agreement",
        "choices",
        "overrides",
        "duties",
        "code",
        "because",
        "eft",
    ];

    /// True when the row lists `field` of `category`.
    #[must_use]
    pub fn lists(&self, field: &FieldId, about: &Field) -> bool {
        if !self.categories.has(&about.category) {
            return false;
        }
        let mut narrowed = false;
        let mut named = false;
        for only in &self.only {
            match only {
                Only::Field(one) => {
                    if about.category.holds(one) {
                        narrowed = true;
                        named |= one == field;
                    }
                }
                Only::Letter(letter) => {
                    if !about.has_letter(*letter) {
                        return false;
                    }
                }
                Only::Bar(flag) => {
                    if about.bar.as_ref() != Some(flag) {
                        return false;
                    }
                }
            }
        }
        !narrowed || named
    }
}

impl Field {
    /// True when the field carries the letter of `words/fields.csv`.
    #[must_use]
    pub fn has_letter(&self, letter: char) -> bool {
        match letter {
            's' => self.special,
            'c' => self.criminal,
            'p' => self.cpi,
            'l' => self.location,
            't' => self.third_party,
            'x' => self.sub_code,
            _ => false,
        }
    }
}
