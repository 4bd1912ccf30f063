//! What an entry is filed under: the words of its header. Whom it is about is filed apart.

use std::collections::BTreeSet;

use crate::audit::entry::{Entry, Facet};
use crate::domain::AgencyId;
use crate::store::Search;

/// The dimensions beside facets, which have their own numbers.
const KIND: u8 = 64;
const AGENCY: u8 = 65;
const PRINCIPAL: u8 = 66;
const CATEGORY: u8 = 67;
const HAS: u8 = 68;
/// An agency and a code together: either alone stands in far more entries.
const CODED: u8 = 69;
/// Whoever is looked for, it may be about them: see [`damaged`].
pub(super) const DAMAGED: u8 = 70;

/// A dimension and a word in it.
pub(super) type Term = (u8, Vec<u8>);

/// What no question leads with is looked at in the entry itself: a row that nobody asks for costs a commit's
/// worth of work all the same.
const fn is_filed(facet: Facet) -> bool {
    match facet {
        Facet::Purpose
        | Facet::Holder
        | Facet::Outcome
        | Facet::Codes
        | Facet::Released
        | Facet::Rules
        | Facet::Agreements
        | Facet::Duties
        | Facet::Override
        | Facet::What
        | Facet::Review => true,
        Facet::Role
        | Facet::Withheld
        | Facet::Gateways
        | Facet::Alarm
        | Facet::Bases
        | Facet::Subjects
        | Facet::Count
        | Facet::Previous => false,
    }
}

/// A facet that few entries have: that it is there is looked for whatever it says.
const fn is_rare(facet: Facet) -> bool {
    matches!(facet, Facet::Override | Facet::Alarm)
}

/// Everything that an entry is filed under.
pub(super) fn terms_of(entry: &Entry) -> BTreeSet<Term> {
    let mut terms = BTreeSet::from([(KIND, vec![entry.kind as u8])]);
    if let Some(agency) = &entry.agency {
        terms.insert((AGENCY, agency.as_str().into()));
        terms.extend(entry.words(Facet::Codes).map(|code| coded(agency, code)));
    }
    terms.insert((PRINCIPAL, entry.principal.into()));
    for category in entry.categories() {
        terms.insert((CATEGORY, category.into()));
    }
    let rare = entry.facets.keys().filter(|facet| is_rare(**facet));
    terms.extend(rare.map(|facet| (HAS, vec![*facet as u8])));
    for facet in entry.facets.keys().copied().filter(|facet| is_filed(*facet)) {
        terms.extend(entry.words(facet).map(|word| (facet as u8, word.into())));
    }
    terms
}

/// What an entry is filed under whose slot was changed, so that nobody can tell whom it is about. A search about
/// anybody is led to it, and does not pass over it in silence.
pub(super) const fn damaged() -> Term {
    (DAMAGED, Vec::new())
}

fn coded(agency: &AgencyId, code: &str) -> Term {
    (CODED, format!("{agency} {code}").into())
}

/// What must hold of an entry that is meant, as groups: of each, one term or more; what is rare as a rule
/// first. Whom it is about, and when it was, is not among them.
pub(super) fn groups_of(search: &Search) -> Vec<Vec<Term>> {
    let mut groups = Vec::new();
    if let Some(facet) = search.has.filter(|facet| is_rare(*facet)) {
        groups.push(vec![(HAS, vec![facet as u8])]);
    }
    if let Some(principal) = search.principal {
        groups.push(vec![(PRINCIPAL, principal.into())]);
    }
    let mut agency = search.agency.as_ref();
    for (facet, word) in search.facets.iter().filter(|(facet, _)| is_filed(*facet)) {
        groups.push(vec![match agency.filter(|_| *facet == Facet::Codes) {
            Some(of) => coded(of, word),
            None => (*facet as u8, word.as_bytes().into()),
        }]);
    }
    // Every code of the agency's is one.
    if search.facets.iter().any(|(facet, _)| *facet == Facet::Codes) {
        agency = None;
    }
    if let Some(category) = &search.category {
        groups.push(vec![(CATEGORY, category.as_str().into())]);
    }
    if let Some(agency) = agency {
        groups.push(vec![(AGENCY, agency.as_str().into())]);
    }
    if let Some(agency) = &search.concerns {
        let word: Vec<u8> = agency.as_str().into();
        groups.push(vec![(AGENCY, word.clone()), (Facet::Holder as u8, word)]);
    }
    // What few entries have, leads to few: whether they are of a kind is seen when they are read.
    if !search.kinds.is_empty() && !groups.iter().flatten().any(|(dimension, _)| *dimension == HAS)
    {
        groups.push(search.kinds.iter().map(|kind| (KIND, vec![*kind as u8])).collect());
    }
    groups
}

/// A term in words, for a finding.
pub(super) fn shown((dimension, word): &Term) -> String {
    let text = || String::from_utf8_lossy(word).into_owned();
    match *dimension {
        KIND => {
            let kind = word.first().copied().and_then(crate::audit::entry::Kind::from_number);
            kind.map_or_else(|| "an unknown kind".to_owned(), |kind| format!("kind {kind:?}"))
        }
        AGENCY => format!("agency {}", text()),
        DAMAGED => "slots that were changed".to_owned(),
        CODED => format!("agency and code {}", text()),
        PRINCIPAL => format!("principal {}", hex::encode(word)),
        CATEGORY => format!("category {}", text()),
        HAS => {
            let facet = word.first().copied().and_then(Facet::from_number);
            facet.map_or_else(|| "an unknown facet".to_owned(), |facet| format!("{facet:?}"))
        }
        number => match Facet::from_number(number) {
            Some(facet) => format!("{facet:?} {}", text()),
            None => format!("an unknown dimension {number}"),
        },
    }
}
