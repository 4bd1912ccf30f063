//! Opens a record with a permit and keeps exactly the permitted fields. Pure. A disclosure is made
//! nowhere else, and never from a refusal.

use std::collections::BTreeMap;

use crate::domain::{FieldId, FieldValue, Record};
use crate::policy::Permit;

/// What may leave the hub: the permitted fields that hold something.
#[derive(Debug, Clone, Default)]
pub struct Disclosure {
    values: BTreeMap<FieldId, FieldValue>,
}

impl Disclosure {
    /// Opens `record` as far as `permit` goes.
    #[must_use]
    pub fn of(record: Record, permit: &Permit) -> Self {
        Self::keeping(record, |field| permit.covers(field))
    }

    fn keeping(record: Record, covers: impl Fn(&FieldId) -> bool) -> Self {
        let mut values = record.values;
        values.retain(|field, _| covers(field));
        Self { values }
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
