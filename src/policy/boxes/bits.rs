//! A small set of numbers.

/// A set of numbers below a bound that its user knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// All numbers below `len`.
    pub(super) fn all(len: usize) -> Self {
        let mut bits = Self::default();
        (0..len).for_each(|n| bits.insert(n));
        bits
    }

    /// These numbers.
    pub(super) fn of(numbers: impl IntoIterator<Item = usize>) -> Self {
        let mut bits = Self::default();
        numbers.into_iter().for_each(|n| bits.insert(n));
        bits
    }

    pub(super) fn insert(&mut self, n: usize) {
        let word = n / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (n % 64);
        }
    }

    pub(super) fn has(&self, n: usize) -> bool {
        self.0.get(n / 64).is_some_and(|word| word & (1 << (n % 64)) != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        Self(self.0.iter().zip(others).map(|(a, b)| a & !b).collect())
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        let (long, short) =
            if self.0.len() >= other.0.len() { (self, other) } else { (other, self) };
        let mut out = long.clone();
        for (a, b) in out.0.iter_mut().zip(&short.0) {
            *a |= b;
        }
        out
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            a in prop::collection::btree_set(0usize..200, 0..40),
            b in prop::collection::btree_set(0usize..200, 0..40),
        ) {
            let (x, y) = (Bits::of(a.iter().copied()), Bits::of(b.iter().copied()));
            let set = |bits: Bits| bits.iter().collect::<BTreeSet<_>>();
            prop_assert_eq!(set(x.and(&y)), &a & &b);
            prop_assert_eq!(set(x.or(&y)), &a | &b);
            prop_assert_eq!(set(x.minus(&y)), &a - &b);
            prop_assert_eq!(x.meets(&y), !(&a & &b).is_empty());
            prop_assert_eq!(x.is_empty(), a.is_empty());
            prop_assert_eq!(usize::try_from(x.len()).unwrap(), a.len());
            prop_assert!((0..200).all(|n| x.has(n) == a.contains(&n)));
        }
    }
}
