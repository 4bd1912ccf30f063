//! What is published of the log once a day: a head that stands somewhere that the hub cannot rewrite.

use jiff::civil::Date;

use super::checkpoint::{Checkpoint, VerifierKey};

/// The name of the file of a day.
#[must_use]
pub fn file_name(day: Date) -> String {
    format!("anchor-{day}.txt")
}

/// The text of a day: a head, whose it is, and how it is checked. Nothing in it is personal.
#[must_use]
pub fn text(day: Date, key: &VerifierKey, head: &Checkpoint, note: &str) -> String {
    let Checkpoint { origin, size, root } = head;
    format!(
        "Anchor of the audit log {origin}, {day}\n\
         \n\
         Up to this day the log has {size} entries. Whoever keeps this page can prove that none of them was \
         altered, left out or cut off since: print it, publish it, put it into minutes.\n\
         \n\
         The log's key: {}\n\
         Keep for verification: --kept {size}:{}\n\
         \n\
         To check the log against it, put the lines below the rule into a file `anchor` and run\n\
         \x20 weir audit verify --data DIR --kept anchor --key KEY\n\
         or, from the hub's proof of growth, weir audit check-growth anchor PROOF --key KEY.\n\
         It is a C2SP checkpoint (c2sp.org/tlog-checkpoint); lines after the log's own are witnesses'\n\
         (c2sp.org/tlog-cosignature).\n\
         ----\n\
         {note}",
        key.text(),
        hex::encode(root)
    )
}

/// The note of a text of [`text`].
#[must_use]
pub fn note_of(text: &str) -> Option<&str> {
    text.split_once("\n----\n").map(|(_, note)| note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::checkpoint::SigningKey;

    #[test]
    fn the_head_of_an_anchor_opens_as_it_was_signed() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let head = Checkpoint { origin: "hub.example/audit".into(), size: 7, root: [9; 32] };
        let verifier = key.verifier(&head.origin);
        let day = jiff::civil::date(2026, 7, 15);
        let text = text(day, &verifier, &head, &key.sign(&head));
        assert_eq!(verifier.open(note_of(&text).unwrap()), Ok(head));
        assert!(text.contains(&verifier.text()) && text.contains("2026-07-15"));
        assert_eq!(file_name(day), "anchor-2026-07-15.txt");
        assert_eq!(note_of("nothing"), None);
    }
}
