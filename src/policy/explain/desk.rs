//! What the desk that asked is told: the view in words, and nothing that the view does not show.

use super::answer::{Answer, headline, joined};

impl Answer<'_> {
    /// The explanation as the requester may read it.
    #[must_use]
    pub fn desk(&self) -> String {
        let told = self.policy.explain(self.ask, self.facts, &self.view);
        let mut lines =
            vec![format!("{} (policy {})", headline(self.view.outcome), self.version()), told.text];
        for missing in &told.missing {
            lines.push(format!(
                "  {}: {}. Who can put it right: {}. How: {}.",
                missing.code, missing.meaning, missing.fixer, missing.fix
            ));
        }
        if !self.view.duties.is_empty() {
            lines.push(format!("  you take on: {}", joined(&self.view.duties)));
        }
        if let Some(ends) = self.view.expires_at {
            let ends = ends.to_zoned(self.policy.book.place.zone.clone());
            lines.push(format!("  your use ends: {}", ends.strftime("%Y-%m-%d %H:%M")));
        }
        lines.push(if told.may_ask.is_empty() {
            "You may ask nothing for this purpose in this role.".to_owned()
        } else {
            format!("For this purpose your role may ask for: {}", joined(&told.may_ask))
        });
        lines.join("\n")
    }
}
