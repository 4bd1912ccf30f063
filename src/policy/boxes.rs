//! What rules speak of, as boxes: every cell of a rule is a finite set of words or a state that must be so,
//! so that "who gains", "can this ever be" and "what is left" are answered exactly, for all requests at
//! once, without asking for each.
//!
//! A request is what the matcher of `model.conf` reads: six words (agency, role, purpose, field, override,
//! basis) and states that are so or not (a child, a flag, a live agreement, a gateway in force, a ground
//! that stands, ...). Whether facts make a state so, and which states an override lifts, is said elsewhere
//! (`gates.rs`, `words/codes.csv`) and is not part of the boxes: a proof here is about the rows. The
//! matcher's `none(r.stops)` is left out: where it fails, nothing is allowed anyway. Each list of words has
//! one more value, any word that the vocabulary does not have.

mod bits;
mod region;
mod words;

use std::collections::BTreeSet;
use std::fmt;

use bits::Bits;
use region::{Cuboid, WORDS};

use super::book::{Cell, ChoiceForce, Despite, Effect, Field, Rule, RuleBook, When};
use crate::domain::{
    AgencyId, AgreementId, BasisId, ChoiceKind, FieldId, FlagId, GatewayId, OverrideId, PurposeId,
    RoleId,
};
pub use region::Region;

/// The rules are too many-sided for exact answers: nothing is claimed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rules are too many-sided to be compared exactly")]
pub struct TooManyBoxes;

/// What can be so or not of a request, beside its words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The resident is a child.
    Child,
    /// The resident is a parent in the case.
    Parent,
    /// Enough disadvantage factors.
    Factors,
    /// A notice is given.
    Notice,
    /// The resident carries the flag.
    Flag(FlagId),
    /// The resident has died.
    Dead,
    /// The call is a list.
    Bulk,
    /// The asker's appropriate policy document is missing.
    NoPolicyDocument,
    /// The gateway is in force and open.
    Gateway(GatewayId),
    /// The agreement is live and covers the question.
    Agreement(AgreementId),
    /// The ground stands, by its word in the cell; `@online`: only for who may speak online.
    Ground(String),
    /// The resident's choice is in force.
    Choice(ChoiceKind),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Child => f.write_str("a child"),
            Self::Parent => f.write_str("a parent in the case"),
            Self::Factors => f.write_str("enough disadvantage factors"),
            Self::Notice => f.write_str("a notice reference"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Dead => f.write_str("after death"),
            Self::Bulk => f.write_str("a list"),
            Self::NoPolicyDocument => f.write_str("without a policy document"),
            Self::Gateway(gateway) => write!(f, "gateway {gateway} open"),
            Self::Agreement(agreement) => write!(f, "agreement {agreement} live"),
            Self::Ground(ground) => write!(f, "ground {ground}"),
            Self::Choice(kind) => write!(f, "choice {}", kind.as_str()),
        }
    }
}

/// All words and states of one or two rule books.
pub struct Space {
    agencies: Vec<AgencyId>,
    roles: Vec<RoleId>,
    purposes: Vec<PurposeId>,
    fields: Vec<FieldId>,
    overrides: Vec<OverrideId>,
    bases: Vec<BasisId>,
    states: Vec<State>,
}

/// One request of a region, in words; `None`: any word that no vocabulary has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Recipient.
    pub agency: Option<AgencyId>,
    /// Role.
    pub role: Option<RoleId>,
    /// Purpose.
    pub purpose: Option<PurposeId>,
    /// Field.
    pub field: Option<FieldId>,
    /// An override that is asserted and accepted, if one must be.
    pub override_kind: Option<OverrideId>,
    /// States that must be so.
    pub so: Vec<State>,
    /// States that must not be so.
    pub not_so: Vec<State>,
}

impl Space {
    /// The words and states of these books together.
    #[must_use]
    pub fn of(books: &[&RuleBook]) -> Self {
        fn all<T: Ord>(words: impl Iterator<Item = T>) -> Vec<T> {
            words.collect::<BTreeSet<T>>().into_iter().collect()
        }
        let rules = || books.iter().flat_map(|book| &book.rules);
        let mut states = vec![State::Child, State::Parent, State::Factors, State::Notice];
        states.extend([State::Dead, State::Bulk, State::NoPolicyDocument]);
        let mut more = BTreeSet::new();
        more.extend(ChoiceKind::ALL.iter().map(|kind| State::Choice(*kind)));
        more.extend(books.iter().flat_map(|book| book.flags.keys()).cloned().map(State::Flag));
        for rule in rules() {
            more.extend(rule.gateway.clone().map(State::Gateway));
            more.extend(rule.agreement.clone().map(State::Agreement));
            for when in &rule.when {
                if let When::Flag(flag) = when {
                    more.insert(State::Flag(flag.clone()));
                }
            }
            if let Some(ground) = rule.ground {
                more.insert(State::Ground(ground.word()));
                more.insert(State::Ground(format!("{}@online", ground.word())));
            }
        }
        states.extend(more);
        Self {
            agencies: all(books.iter().flat_map(|book| book.agencies.keys()).cloned()),
            roles: all(books.iter().flat_map(|book| book.roles.keys()).cloned()),
            purposes: all(books.iter().flat_map(|book| book.purposes.keys()).cloned()),
            fields: all(books.iter().flat_map(|book| book.fields.keys()).cloned()),
            overrides: all(books.iter().flat_map(|book| book.overrides.keys()).cloned()),
            bases: all(books.iter().flat_map(|book| book.bases.keys()).cloned()),
            states,
        }
    }

    /// How many values each word has.
    const fn sizes(&self) -> [usize; WORDS] {
        [
            self.agencies.len() + 1,
            self.roles.len() + 1,
            self.purposes.len() + 1,
            self.fields.len() + 1,
            // None asserted, and any other.
            self.overrides.len() + 2,
            // None stated, and one that is closed or another.
            self.bases.len() + 2,
        ]
    }

    fn state(&self, state: &State) -> Option<usize> {
        self.states.iter().position(|one| one == state)
    }

    /// The requests that a row matches: that it allows, or stops.
    #[must_use]
    pub fn rule(&self, book: &RuleBook, rule: &Rule) -> Region {
        let sizes = self.sizes();
        let mut words: [Bits; WORDS] = sizes.map(Bits::all);
        let [agency, role, purpose, field, kind, basis] = &mut words;
        *agency = named(&rule.agencies, &self.agencies);
        *role = named(&rule.roles, &self.roles);
        *purpose = named(&rule.purposes, &self.purposes);
        *field = self.listed(book, rule);
        if let Cell::These(kinds) = &rule.overrides {
            let accepted = self.overrides.iter().enumerate().filter(|(_, o)| kinds.contains(*o));
            *kind = Bits::of(std::iter::once(0).chain(accepted.map(|(n, _)| n + 1)));
        }
        if let Some(own) = &rule.art6 {
            let own = self.bases.iter().position(|one| one == own).map(|n| n + 1);
            *basis = Bits::of(std::iter::once(0).chain(own));
        }
        let (mut yes, mut no) = (Bits::default(), Bits::default());
        let so = |bits: &mut Bits, state: State| {
            if let Some(n) = self.state(&state) {
                bits.insert(n);
            }
        };
        for when in &rule.when {
            so(&mut yes, state_of(when));
        }
        for (despite, state) in [(Despite::AfterDeath, State::Dead), (Despite::Bulk, State::Bulk)] {
            if !rule.despite.has(&despite) {
                so(&mut no, state);
            }
        }
        if let Some(gateway) = &rule.gateway {
            so(&mut yes, State::Gateway(gateway.clone()));
        }
        if let Some(agreement) = &rule.agreement {
            so(&mut yes, State::Agreement(agreement.clone()));
        }
        for choice in &rule.choices {
            if let ChoiceForce::Stops(kind) = choice {
                so(&mut no, State::Choice(*kind));
            }
        }
        let whole = Cuboid { words, yes, no };
        let grounded = self.grounded(rule, whole);
        Region::of(grounded.into_iter().flat_map(|one| self.documented(book, rule, one)))
    }

    /// The ground stands, or stands for who may speak online where the row says so.
    fn grounded(&self, rule: &Rule, whole: Cuboid) -> Vec<Cuboid> {
        let Some(ground) = rule.ground else {
            return vec![whole];
        };
        // The matcher asks for the word: `*` is none here.
        let online = matches!(&rule.despite, Cell::These(all) if all.contains(&Despite::Online));
        let ground = ground.word();
        let mut ways = vec![ground.clone()];
        if online {
            ways.push(format!("{ground}@online"));
        }
        ways.into_iter()
            .filter_map(|way| {
                let mut one = whole.clone();
                one.yes.insert(self.state(&State::Ground(way))?);
                Some(one)
            })
            .collect()
    }

    /// The policy document is there, or nothing of what is asked for needs it.
    fn documented(&self, book: &RuleBook, rule: &Rule, whole: Cuboid) -> Vec<Cuboid> {
        let special = rule.art9.iter().any(|c| book.figures.apd_conditions.contains(c));
        let criminal = !rule.art10.is_empty();
        let Some(state) = self.state(&State::NoPolicyDocument) else {
            return vec![whole];
        };
        if !special && !criminal {
            return vec![whole];
        }
        let needs = |about: &Field| (special && about.special) || (criminal && about.criminal);
        let needy = Bits::of(
            self.fields
                .iter()
                .enumerate()
                .filter(|(_, field)| book.fields.get(*field).is_some_and(needs))
                .map(|(n, _)| n),
        );
        let (mut with, mut without) = (whole.clone(), whole);
        with.no.insert(state);
        without.yes.insert(state);
        let [_, _, _, field, _, _] = &mut without.words;
        *field = field.minus(&needy);
        vec![with, without]
    }

    fn listed(&self, book: &RuleBook, rule: &Rule) -> Bits {
        // A field of no vocabulary is meant only by a row that means everything.
        let everything = rule.categories == Cell::Any && rule.only.is_empty();
        let known = self.fields.iter().enumerate().filter(|(_, field)| {
            book.fields.get(*field).map_or(everything, |about| rule.lists(field, about))
        });
        Bits::of(known.map(|(n, _)| n).chain(everything.then_some(self.fields.len())))
    }

    /// What the rows of an effect match.
    #[must_use]
    pub fn rows(&self, book: &RuleBook, effect: Effect) -> Region {
        let rows = book.rules.iter().filter(|rule| rule.effect == effect);
        rows.fold(Region::default(), |all, rule| all.or(self.rule(book, rule)))
    }

    /// What is allowed: some allow row matches and no deny row does.
    ///
    /// # Errors
    /// When it would take too many boxes.
    pub fn allowed(&self, book: &RuleBook) -> Result<Region, TooManyBoxes> {
        self.rows(book, Effect::Allow).minus(&self.rows(book, Effect::Deny))
    }

    /// How many combinations of recipient, role, purpose and field there are in which something of the
    /// region can be, under some override, basis and states; words that no vocabulary has count as one.
    ///
    /// # Errors
    /// When it would take too many boxes.
    pub fn combinations(&self, region: &Region) -> Result<u128, TooManyBoxes> {
        let flat = Region::of(region.0.iter().map(|one| {
            let mut words = one.words.clone();
            let [.., kind, basis] = &mut words;
            (*kind, *basis) = (Bits::of([0]), Bits::of([0]));
            Cuboid { words, yes: Bits::default(), no: Bits::default() }
        }));
        let size =
            |one: &Cuboid| one.words.iter().map(|bits| u128::from(bits.len())).product::<u128>();
        Ok(flat.disjoint()?.0.iter().map(size).sum())
    }

    /// How many combinations of recipient, role, purpose and field there are at all.
    #[must_use]
    pub fn size(&self) -> u128 {
        let sizes = self.sizes();
        sizes.iter().take(4).map(|n| u128::try_from(*n).unwrap_or(u128::MAX)).product()
    }

    /// One request for each box of the region, words of the vocabulary first; at most `limit`.
    #[must_use]
    pub fn samples(&self, region: &Region, limit: usize) -> Vec<Sample> {
        region.0.iter().take(limit).map(|one| self.sample(one)).collect()
    }

    fn sample(&self, one: &Cuboid) -> Sample {
        fn first<T: Clone>(bits: &Bits, words: &[T]) -> Option<T> {
            bits.iter().next().and_then(|n| words.get(n)).cloned()
        }
        let [agency, role, purpose, field, kind, _] = &one.words;
        let asserted = if kind.has(0) { None } else { kind.iter().next() };
        let states = |bits: &Bits| {
            bits.iter().filter_map(|n| self.states.get(n)).cloned().collect::<Vec<_>>()
        };
        Sample {
            agency: first(agency, &self.agencies),
            role: first(role, &self.roles),
            purpose: first(purpose, &self.purposes),
            field: first(field, &self.fields),
            override_kind: asserted.and_then(|n| self.overrides.get(n.checked_sub(1)?)).cloned(),
            so: states(&one.yes),
            not_so: states(&one.no),
        }
    }

    /// The requests with one of these words each; `None`: whichever word.
    #[must_use]
    pub fn region(
        &self,
        agencies: Option<&BTreeSet<AgencyId>>,
        roles: Option<&BTreeSet<RoleId>>,
        purposes: Option<&BTreeSet<PurposeId>>,
        fields: Option<&BTreeSet<FieldId>>,
        so: &[State],
    ) -> Region {
        fn these<T: Ord>(wanted: Option<&BTreeSet<T>>, words: &[T]) -> Bits {
            match wanted {
                None => Bits::all(words.len() + 1),
                Some(wanted) => {
                    let known = words.iter().enumerate().filter(|(_, word)| wanted.contains(*word));
                    Bits::of(known.map(|(n, _)| n))
                }
            }
        }
        let [.., kinds, bases] = self.sizes();
        let words = [
            these(agencies, &self.agencies),
            these(roles, &self.roles),
            these(purposes, &self.purposes),
            these(fields, &self.fields),
            Bits::all(kinds),
            Bits::all(bases),
        ];
        let known = so.iter().filter_map(|state| self.state(state));
        Region::of([Cuboid { words, yes: Bits::of(known), no: Bits::default() }])
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn word<T: fmt::Display>(word: Option<&T>) -> String {
            word.map_or_else(|| "(any other)".to_owned(), ToString::to_string)
        }
        write!(
            f,
            "{} / {} / {} / {}",
            word(self.agency.as_ref()),
            word(self.role.as_ref()),
            word(self.purpose.as_ref()),
            word(self.field.as_ref())
        )?;
        if let Some(kind) = &self.override_kind {
            write!(f, ", with the override {kind}")?;
        }
        let list = |states: &[State]| {
            states.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        if !self.so.is_empty() {
            write!(f, ", where: {}", list(&self.so))?;
        }
        if !self.not_so.is_empty() {
            write!(f, ", and not: {}", list(&self.not_so))?;
        }
        Ok(())
    }
}

fn state_of(when: &When) -> State {
    match when {
        When::Child => State::Child,
        When::Parent => State::Parent,
        When::Factors => State::Factors,
        When::Notice => State::Notice,
        When::Flag(flag) => State::Flag(flag.clone()),
    }
}

fn named<T: Ord>(cell: &Cell<T>, words: &[T]) -> Bits {
    match cell {
        Cell::Any => Bits::all(words.len() + 1),
        Cell::These(wanted) => {
            let known = words.iter().enumerate().filter(|(_, word)| wanted.contains(*word));
            Bits::of(known.map(|(n, _)| n))
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
