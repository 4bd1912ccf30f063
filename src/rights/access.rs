//! What of an agency's records goes into a copy for the resident (UK GDPR Art 15). Pure. The policy says what is
//! left out unless a person gives it; a person of the agency looks at all of it, and only what they saw goes out.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::domain::{CategoryId, Code, ExemptionId, FieldId, FieldValue, FlagId, Record};
use crate::policy::book::{ExemptionUse, RuleBook, Sight};

/// Of one value, what a reviewer said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Why it is left out; `None`: it is given.
    pub left: Option<ExemptionId>,
    /// HMAC-SHA-256 of the value that was looked at, under a key of the request: another value has not been looked at.
    pub value: String,
}

/// What a reviewer said of everything that their agency held then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewed {
    /// By field.
    pub fields: BTreeMap<FieldId, Item>,
}

/// Why a field is left out unless a reviewer gives it; `None`: it is given. Where somebody hidden is, is told
/// to nobody who is logged in, whoever that is: there is no reason that could be told.
#[must_use]
pub fn by_default<'b>(book: &'b RuleBook, field: &FieldId) -> Option<&'b ExemptionId> {
    let about = book.fields.get(field)?;
    let reasons = || book.exemptions.iter().filter(|(_, e)| e.of == ExemptionUse::Access);
    // A whole category comes first: its reason may be one that is not told.
    let whole = reasons().find(|(_, e)| e.categories.contains(&about.category));
    let other = || reasons().find(|(_, e)| e.third_parties && about.third_party);
    whole.or_else(other).map(|(id, _)| id)
}

/// What is held, as a reviewer settles it: the policy's word, unless they said otherwise.
#[must_use]
pub fn settled(
    book: &RuleBook,
    held: &Record,
    said: &BTreeMap<FieldId, Option<ExemptionId>>,
    key: &ReviewKey,
) -> Reviewed {
    let item = |field: &FieldId, value: &FieldValue| Item {
        left: said.get(field).cloned().unwrap_or_else(|| by_default(book, field).cloned()),
        value: key.fingerprint(value),
    };
    let fields = held.values.iter().map(|(field, value)| (field.clone(), item(field, value)));
    Reviewed { fields: fields.collect() }
}

/// The fields that a reviewed copy gives to its resident. Made only by [`of_review`].
#[derive(Debug, Clone, Default)]
pub struct SubjectCopy {
    given: BTreeSet<FieldId>,
    left: BTreeMap<FieldId, ExemptionId>,
    unseen: BTreeSet<FieldId>,
}

impl SubjectCopy {
    /// Whether the copy gives `field`.
    #[must_use]
    pub fn gives(&self, field: &FieldId) -> bool {
        self.given.contains(field)
    }

    /// What is left out, and why.
    #[must_use]
    pub const fn left(&self) -> &BTreeMap<FieldId, ExemptionId> {
        &self.left
    }

    /// What is held and no reviewer has seen as it is now.
    #[must_use]
    pub const fn unseen(&self) -> &BTreeSet<FieldId> {
        &self.unseen
    }

    /// Categories of which something was left out for a reason that the resident is told, by reason; none of
    /// which a release would be sealed.
    #[must_use]
    pub fn told(&self, book: &RuleBook) -> BTreeMap<ExemptionId, BTreeSet<CategoryId>> {
        let mut out: BTreeMap<ExemptionId, BTreeSet<CategoryId>> = BTreeMap::new();
        for (field, why) in &self.left {
            let told = book.exemptions.get(why).is_some_and(|reason| reason.told);
            let Some(about) = book.fields.get(field) else { continue };
            let line = book.visibility.categories.get(&about.category);
            if told && line.is_some_and(|line| line.sight != Sight::Sealed) {
                out.entry(why.clone()).or_default().insert(about.category.clone());
            }
        }
        out
    }
}

/// What of `held` a review gives now. A value that nobody has looked at, an unknown field, a reason that the
/// policy no longer has, and where somebody is whose flags hide that, are not given.
#[must_use]
pub fn of_review(
    book: &RuleBook,
    reviewed: &Reviewed,
    held: &Record,
    flags: &BTreeSet<FlagId>,
    key: &ReviewKey,
) -> SubjectCopy {
    let mut out = SubjectCopy::default();
    let hides = hides_places(book, flags);
    for (field, value) in &held.values {
        let seen = reviewed.fields.get(field).filter(|item| item.value == key.fingerprint(value));
        let (Some(item), Some(about)) = (seen, book.fields.get(field)) else {
            out.unseen.insert(field.clone());
            continue;
        };
        match &item.left {
            Some(why) => {
                out.left.insert(field.clone(), why.clone());
            }
            None if hides && about.location => {}
            None => {
                out.given.insert(field.clone());
            }
        }
    }
    out
}

/// Whether a flag of the resident hides where they are.
#[must_use]
pub fn hides_places(book: &RuleBook, flags: &BTreeSet<FlagId>) -> bool {
    flags.iter().any(|flag| {
        let code = book.flags.get(flag).and_then(|flag| flag.code);
        code == Some(Code::MinLocationProtected)
    })
}

/// What the values of one request are known again by. Whoever reads a review without it learns nothing of them.
pub struct ReviewKey(hmac::Key);

impl ReviewKey {
    /// From bytes that only the hub can make.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn fingerprint(&self, value: &FieldValue) -> String {
        hex::encode(hmac::sign(&self.0, value.expose().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load::load_dir;

    fn book() -> RuleBook {
        load_dir(std::path::Path::new("policies")).unwrap()
    }

    fn held(fields: &[(&str, &str)]) -> Record {
        let value = |text: &str| FieldValue::new(text.to_owned()).unwrap();
        let values =
            fields.iter().map(|(field, text)| (field.parse().unwrap(), value(text))).collect();
        Record { values }
    }

    fn key() -> ReviewKey {
        ReviewKey::new(&[7; 32])
    }

    fn field(text: &str) -> FieldId {
        text.parse().unwrap()
    }

    const NAME: &str = "identity/core.name";
    const ADDRESS: &str = "contact/home.address";
    const KIN: &str = "contact/network.next_of_kin";
    const PLAN: &str = "child/protection.plan";

    #[test]
    fn what_is_about_others_or_dangerous_is_left_out_unless_somebody_gives_it() {
        let book = book();
        let held = held(&[(NAME, "A"), (KIN, "B"), (PLAN, "C")]);
        let plain = settled(&book, &held, &BTreeMap::new(), &key());
        let copy = of_review(&book, &plain, &held, &BTreeSet::new(), &key());
        assert!(copy.gives(&field(NAME)) && !copy.gives(&field(KIN)) && !copy.gives(&field(PLAN)));
        // Of the plan nothing is told, of the next of kin that they are another person.
        let told = copy.told(&book);
        assert_eq!(told.keys().map(ExemptionId::as_str).collect::<Vec<_>>(), ["SAR_THIRD_PARTY"]);
        let said = BTreeMap::from([
            (field(KIN), None),
            (field(NAME), Some("SAR_PRIVILEGE".parse().unwrap())),
        ]);
        let otherwise = settled(&book, &held, &said, &key());
        let copy = of_review(&book, &otherwise, &held, &BTreeSet::new(), &key());
        assert!(copy.gives(&field(KIN)) && !copy.gives(&field(NAME)));
        assert_eq!(copy.left().get(&field(PLAN)).unwrap().as_str(), "SAR_CHILD_ABUSE_DATA");
    }

    #[test]
    fn a_value_that_nobody_looked_at_is_not_given() {
        let book = book();
        let then = held(&[(NAME, "A")]);
        let now = held(&[(NAME, "B"), (ADDRESS, "C")]);
        let reviewed = settled(&book, &then, &BTreeMap::new(), &key());
        let copy = of_review(&book, &reviewed, &now, &BTreeSet::new(), &key());
        assert_eq!(copy.unseen().len(), 2);
        assert!(!copy.gives(&field(NAME)) && !copy.gives(&field(ADDRESS)));
    }

    #[test]
    fn where_somebody_hidden_is_stays_hidden_whatever_a_reviewer_says() {
        let book = book();
        let held = held(&[(NAME, "A"), (ADDRESS, "C")]);
        let reviewed = settled(&book, &held, &BTreeMap::from([(field(ADDRESS), None)]), &key());
        for (flag, given) in [("s-flag", false), ("in-refuge", false), ("watch", true)] {
            let flags = BTreeSet::from([flag.parse().unwrap()]);
            let copy = of_review(&book, &reviewed, &held, &flags, &key());
            assert_eq!(copy.gives(&field(ADDRESS)), given, "{flag}");
            assert!(copy.gives(&field(NAME)) && copy.told(&book).is_empty(), "{flag}");
        }
    }
}
