//! Changes as they are found, and how one kind of value is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::{Change, Class};
use crate::domain::Duty;

/// Collects changes.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) changes: Vec<Change>,
}

impl Notes {
    pub(super) fn put(&mut self, class: Class, place: &str, text: String) {
        self.changes.push(Change { class, place: place.to_owned(), text, samples: Vec::new() });
    }

    /// A value of which any change does the same.
    pub(super) fn value<T: PartialEq>(
        &mut self,
        class: Class,
        (place, of): (&str, &str),
        (old, new): (&T, &T),
        shown: impl Fn(&T) -> String,
    ) {
        if old != new {
            self.put(class, place, format!("{of}: {} -> {}", shown(old), shown(new)));
        }
    }

    /// Words that people read.
    pub(super) fn text(&mut self, at: (&str, &str), old: &str, new: &str) {
        self.value(Class::Rewords, at, (&old, &new), |text| format!("\"{text}\""));
    }

    /// A value with an order: `up` says what more of it does; less does the reverse.
    pub(super) fn order<T: PartialOrd + Display>(
        &mut self,
        up: Class,
        at: (&str, &str),
        old: &T,
        new: &T,
    ) {
        let class = if new > old { up } else { reverse(up) };
        self.value(class, at, (old, new), ToString::to_string);
    }

    /// A limit that may be open: `later` says what a later one, or none, does.
    pub(super) fn limit<T: PartialOrd + Display>(
        &mut self,
        later: Class,
        at: (&str, &str),
        old: Option<&T>,
        new: Option<&T>,
    ) {
        let more = match (old, new) {
            (Some(old), Some(new)) => new > old,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let class = if more { later } else { reverse(later) };
        let shown = |limit: &Option<&T>| limit.map_or("open".to_owned(), ToString::to_string);
        self.value(class, at, (&old, &new), shown);
    }

    /// A yes or no: `yes` says what a yes does.
    pub(super) fn flag(&mut self, yes: Class, at: (&str, &str), old: bool, new: bool) {
        let class = if new { yes } else { reverse(yes) };
        self.value(class, at, (&old, &new), |yes| if *yes { "yes" } else { "no" }.to_owned());
    }

    /// A set of words: `more` says what one more does.
    pub(super) fn set<T: Ord + Display>(
        &mut self,
        more: Class,
        (place, of): (&str, &str),
        old: &BTreeSet<T>,
        new: &BTreeSet<T>,
    ) {
        let listed =
            |words: Vec<&T>| words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let added: Vec<&T> = new.difference(old).collect();
        if !added.is_empty() {
            self.put(more, place, format!("{of}: now also {}", listed(added)));
        }
        let gone: Vec<&T> = old.difference(new).collect();
        if !gone.is_empty() {
            self.put(reverse(more), place, format!("{of}: no longer {}", listed(gone)));
        }
    }

    /// Rows by their key: what one more or one less does, and how two of a key are compared.
    pub(super) fn rows<K: Ord + Display, V>(
        &mut self,
        place: &str,
        (more, less): (Class, Class),
        (old, new): (&BTreeMap<K, V>, &BTreeMap<K, V>),
        mut both: impl FnMut(&mut Self, &str, &V, &V),
    ) {
        for (key, _) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
            self.put(less, place, format!("{key} is gone"));
        }
        for (key, row) in new {
            match old.get(key) {
                None => self.put(more, place, format!("{key} is new")),
                Some(was) => both(self, &key.to_string(), was, row),
            }
        }
    }
}

/// What duties owe. That the resident is not told yet owes them less, not more.
pub(super) fn owed(duties: &BTreeSet<Duty>) -> BTreeSet<String> {
    let mut owed: BTreeSet<String> = duties
        .iter()
        .filter(|duty| **duty != Duty::DoNotNotify)
        .map(|duty| duty.as_str().to_owned())
        .collect();
    if !duties.contains(&Duty::DoNotNotify) {
        owed.insert("telling the resident".to_owned());
    }
    owed
}

/// What less does where more does `class`.
pub(super) const fn reverse(class: Class) -> Class {
    match class {
        Class::Widens => Class::Narrows,
        Class::Narrows => Class::Widens,
        Class::Rewords => Class::Rewords,
    }
}
