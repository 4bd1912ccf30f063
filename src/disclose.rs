//! Opens a record with a permit and keeps exactly the permitted fields, or opens it for its own resident as a
//! reviewer gave it. Pure. A disclosure is made nowhere else, and never from a refusal.

pub mod counts;
mod mask;

use std::collections::{BTreeMap, BTreeSet};

pub use mask::Needles;

use crate::domain::{FieldId, FieldValue, Record};
use crate::policy::Permit;
use crate::rights::access::SubjectCopy;

/// What may leave the hub: the permitted fields that hold something.
#[derive(Debug, Clone, Default)]
pub struct Disclosure {
    values: BTreeMap<FieldId, FieldValue>,
    labels: BTreeMap<FieldId, BTreeSet<Label>>,
}

/// What was done to a value, or what must be said wherever it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Something was taken out.
    Masked,
    /// Small numbers were suppressed.
    Suppressed,
    /// The resident disputes it.
    AccuracyContested,
}

impl Label {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Suppressed => "suppressed",
            Self::AccuracyContested => "accuracy-contested",
        }
    }
}

/// What the duties of a release order for its values.
#[derive(Default)]
pub struct Treatment {
    /// Withheld values that must not be read out of the others.
    pub needles: Needles,
    /// Withheld values of which nothing may tell that they are there: a value that holds one does not leave.
    pub silent: Needles,
    /// Where somebody is stays hidden: whatever looks like an address or a number is taken out too.
    pub hides_places: bool,
    /// Fields that are themselves what is hidden elsewhere, and were let out.
    pub let_out: BTreeSet<FieldId>,
    /// Fields whose counts below the figure are suppressed.
    pub suppress: BTreeSet<FieldId>,
    /// The figure.
    pub least: u64,
    /// Fields that the resident disputes.
    pub contested: BTreeSet<FieldId>,
}

impl Disclosure {
    /// Opens `record` as far as `permit` goes.
    #[must_use]
    pub fn of(record: Record, permit: &Permit) -> Self {
        Self::keeping(record, |field| permit.covers(field))
    }

    /// Opens `record` for the resident whom it is about, as far as a reviewer of its holder gave it.
    #[must_use]
    pub fn to_subject(record: Record, copy: &SubjectCopy) -> Self {
        Self::keeping(record, |field| copy.gives(field))
    }

    fn keeping(record: Record, covers: impl Fn(&FieldId) -> bool) -> Self {
        let mut values = record.values;
        values.retain(|field, _| covers(field));
        Self { values, labels: BTreeMap::new() }
    }

    /// Does to the values what the release's duties order. A value of which nothing is left, or that
    /// cannot be treated as ordered, does not leave.
    #[must_use]
    pub fn treated(self, treatment: &Treatment) -> Self {
        let mut out = Self::default();
        for (field, mut value) in self.values {
            let mut labels = BTreeSet::new();
            if !treatment.silent.is_empty() && mask::masked(&value, &treatment.silent, false).1 {
                continue;
            }
            let looks = treatment.hides_places || !treatment.needles.is_empty();
            if looks && !treatment.let_out.contains(&field) {
                let (left, changed) =
                    mask::masked(&value, &treatment.needles, treatment.hides_places);
                let Some(left) = left else { continue };
                value = left;
                labels.extend(changed.then_some(Label::Masked));
            }
            if treatment.suppress.contains(&field) {
                let Some((left, changed)) = counts::suppressed(&value, treatment.least) else {
                    continue;
                };
                value = left;
                labels.extend(changed.then_some(Label::Suppressed));
            }
            labels.extend(treatment.contested.contains(&field).then_some(Label::AccuracyContested));
            out.labels.insert(field.clone(), labels);
            out.values.insert(field, value);
        }
        out
    }

    /// What was done to the value of `field`, or must be said of it.
    #[must_use]
    pub fn labels(&self, field: &FieldId) -> BTreeSet<Label> {
        self.labels.get(field).cloned().unwrap_or_default()
    }

    /// True when the holder has a value for `field`, and it may leave.
    #[must_use]
    pub fn holds(&self, field: &FieldId) -> bool {
        self.values.contains_key(field)
    }

    /// Takes out the value of `field`.
    pub fn take(&mut self, field: &FieldId) -> Option<FieldValue> {
        self.values.remove(field)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(n: u8) -> FieldId {
        format!("a/b.f{n}").parse().unwrap()
    }

    fn record(fields: &[u8]) -> Record {
        let value = || FieldValue::new("x".to_owned()).unwrap();
        Record { values: fields.iter().map(|n| (field(*n), value())).collect() }
    }

    proptest! {
        #[test]
        fn keeps_what_is_permitted_and_held_and_nothing_else(
            held in prop::collection::vec(0u8..20, 0..20),
            permitted in prop::collection::btree_set(0u8..20, 0..20),
        ) {
            let open: std::collections::BTreeSet<FieldId> =
                permitted.iter().map(|n| field(*n)).collect();
            let disclosure = Disclosure::keeping(record(&held), |f| open.contains(f));
            for n in 0..20 {
                let expected = held.contains(&n) && permitted.contains(&n);
                prop_assert_eq!(disclosure.holds(&field(n)), expected);
            }
        }
    }

    #[test]
    fn a_value_is_taken_once() {
        let mut disclosure = Disclosure::keeping(record(&[1]), |_| true);
        assert!(disclosure.take(&field(1)).is_some());
        assert!(disclosure.take(&field(1)).is_none());
    }
}
