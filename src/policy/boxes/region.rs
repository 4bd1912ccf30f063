//! Boxes and unions of boxes, exactly. A box says for each word which values it means, and of each
//! state that it must be so, must not be so, or does not matter.

use super::TooManyBoxes;
use super::bits::Bits;

/// How many words a request has.
pub(super) const WORDS: usize = 6;
/// Most boxes of one region: more is an error, never a wrong answer.
const BOXES_MAX: usize = 200_000;

/// A box; never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cuboid {
    pub(super) words: [Bits; WORDS],
    pub(super) yes: Bits,
    pub(super) no: Bits,
}

impl Cuboid {
    fn is_empty(&self) -> bool {
        self.words.iter().any(Bits::is_empty) || self.yes.meets(&self.no)
    }

    fn meets(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).all(|(a, b)| a.meets(b))
            && !self.yes.meets(&other.no)
            && !self.no.meets(&other.yes)
            && !self.is_empty()
            && !other.is_empty()
    }

    fn and(&self, other: &Self) -> Option<Self> {
        self.meets(other).then(|| {
            let mut words = self.words.clone();
            for (a, b) in words.iter_mut().zip(&other.words) {
                *a = a.and(b);
            }
            Self { words, yes: self.yes.or(&other.yes), no: self.no.or(&other.no) }
        })
    }

    /// The parts of this box outside `other`, none of which overlap.
    fn minus(self, other: &Self, out: &mut Vec<Self>) {
        if !self.meets(other) {
            out.push(self);
            return;
        }
        let mut rest = self;
        for at in 0..WORDS {
            let (Some(mine), Some(theirs)) = (rest.words.get(at), other.words.get(at)) else {
                continue;
            };
            let (outside, inside) = (mine.minus(theirs), mine.and(theirs));
            if !outside.is_empty() {
                let mut part = rest.clone();
                if let Some(word) = part.words.get_mut(at) {
                    *word = outside;
                }
                out.push(part);
            }
            if let Some(word) = rest.words.get_mut(at) {
                *word = inside;
            }
        }
        for state in other.yes.minus(&rest.yes).iter() {
            let mut part = rest.clone();
            part.no.insert(state);
            out.push(part);
            rest.yes.insert(state);
        }
        for state in other.no.minus(&rest.no).iter() {
            let mut part = rest.clone();
            part.yes.insert(state);
            out.push(part);
            rest.no.insert(state);
        }
    }
}

/// A union of boxes, which may overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Region(pub(super) Vec<Cuboid>);

impl Region {
    pub(super) fn of(boxes: impl IntoIterator<Item = Cuboid>) -> Self {
        Self(boxes.into_iter().filter(|one| !one.is_empty()).collect())
    }

    /// No request is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in one of the two.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// What is in both.
    ///
    /// # Errors
    /// When it would take too many boxes.
    pub fn and(&self, other: &Self) -> Result<Self, TooManyBoxes> {
        let mut out = Vec::new();
        for one in &self.0 {
            out.extend(other.0.iter().filter_map(|two| one.and(two)));
            bounded(&out)?;
        }
        Ok(Self(out))
    }

    /// What is in this one and not in `other`.
    ///
    /// # Errors
    /// When it would take too many boxes.
    pub fn minus(self, other: &Self) -> Result<Self, TooManyBoxes> {
        let mut left = self.0;
        for hole in &other.0 {
            if !left.iter().any(|one| one.meets(hole)) {
                continue;
            }
            let mut next = Vec::with_capacity(left.len());
            for one in left {
                one.minus(hole, &mut next);
            }
            bounded(&next)?;
            left = next;
        }
        Ok(Self(left))
    }

    /// True when some request is in both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().any(|one| other.0.iter().any(|two| one.meets(two)))
    }

    /// The same region of boxes that do not overlap.
    ///
    /// # Errors
    /// When it would take too many boxes.
    pub fn disjoint(self) -> Result<Self, TooManyBoxes> {
        let mut out = Self::default();
        for one in self.0 {
            let new = Self(vec![one]).minus(&out)?;
            out = out.or(new);
        }
        Ok(out)
    }
}

fn bounded(boxes: &[Cuboid]) -> Result<(), TooManyBoxes> {
    if boxes.len() > BOXES_MAX { Err(TooManyBoxes) } else { Ok(()) }
}
