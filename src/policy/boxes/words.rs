//! Regions in sentences.

use super::bits::Bits;
use super::{Region, Space};

/// Words of one side of a box that are written out.
const WORDS_SHOWN: usize = 6;

impl Space {
    /// Each box of the region in one line: what it says of each word and state, those of which it
    /// leaves everything open left out. At most `most` lines, and how many more there are.
    #[must_use]
    pub fn sentences(&self, region: &Region, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = region.0.iter().take(most).map(|one| self.line(one)).collect();
        if region.0.len() > most {
            lines.push(format!("and {} more", region.0.len() - most));
        }
        lines
    }

    fn line(&self, one: &super::region::Cuboid) -> String {
        let [agency, role, purpose, field, kind, _] = &one.words;
        let none = |n: usize| n.checked_sub(1);
        let mut parts = vec![
            side("agency", agency, self.agencies.len() + 1, |n| text(self.agencies.get(n))),
            side("role", role, self.roles.len() + 1, |n| text(self.roles.get(n))),
            side("purpose", purpose, self.purposes.len() + 1, |n| text(self.purposes.get(n))),
            side("field", field, self.fields.len() + 1, |n| text(self.fields.get(n))),
        ];
        if !kind.has(0) {
            let word = |n| text(none(n).and_then(|n| self.overrides.get(n)));
            parts.push(side("override", kind, self.overrides.len() + 2, word));
        }
        for (says, bits) in [("where", &one.yes), ("not", &one.no)] {
            let states: Vec<String> =
                bits.iter().filter_map(|n| self.states.get(n)).map(ToString::to_string).collect();
            if !states.is_empty() {
                parts.push(format!("{says} {}", states.join(", ")));
            }
        }
        parts.retain(|part| !part.is_empty());
        if parts.is_empty() { "every request".to_owned() } else { parts.join("; ") }
    }
}

fn text<T: ToString>(word: Option<&T>) -> String {
    word.map_or_else(|| "(any other)".to_owned(), ToString::to_string)
}

fn side(name: &str, bits: &Bits, values: usize, word: impl Fn(usize) -> String) -> String {
    let all: Vec<usize> = bits.iter().collect();
    if all.len() >= values {
        return String::new();
    }
    let mut words: Vec<String> = all.iter().take(WORDS_SHOWN).map(|n| word(*n)).collect();
    if all.len() > WORDS_SHOWN {
        words.push(format!("{} more", all.len() - WORDS_SHOWN));
    }
    format!("{name} {}", words.join("|"))
}
