//! Questions that have a name, answered from the log: read pass by pass, within what the asker may see.

use super::super::entry::subject;
use super::super::{Hub, HubError, Violation};
use super::scope::Scope;
use crate::audit::entry::SlotId;
use crate::audit::questions::{Parameters, Question, Reads, Seen};
use crate::auth::{Caller, HubFunction};
use crate::domain::DecisionId;
use crate::limits;
use crate::policy::book::{Ground, RuleBook};
use crate::store::{Receipt, Search, Slots, Store, StoredEntry};

/// An answer to a question that has a name.
pub struct Answered {
    /// What the cells of a row are.
    pub columns: &'static [&'static str],
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// So many rows more are not shown.
    pub rows_left: usize,
    /// A row is a finding.
    pub must_be_nil: bool,
    /// Entries in the log up to which the answer is complete.
    pub size: u64,
}

/// Puts in what questions judge by: the place's zone, and which rules need which consent.
pub fn judged_by(told: &mut Parameters, book: &RuleBook) {
    told.zone = book.place.zone.clone();
    let needs = book.rules.iter().filter_map(|rule| match &rule.ground {
        Some(Ground::Consent(kind)) => Some((rule.id.clone(), *kind)),
        Some(_) | None => None,
    });
    told.consents = needs.collect();
}

/// Answers from the first `size` entries of a log, to whoever may see all of it.
///
/// # Errors
/// When what was told does not fit the question, or more would be read than the bound allows.
pub async fn answer_from(
    store: &dyn Store,
    question: &'static Question,
    told: &Parameters,
    size: u64,
) -> Result<Answered, HubError> {
    answered(store, question, told, size, None).await
}

async fn answered(
    store: &dyn Store,
    question: &'static Question,
    told: &Parameters,
    size: u64,
    scope: Option<&Scope>,
) -> Result<Answered, HubError> {
    let plan = question.plan(told).map_err(wrong)?;
    let (mut fold, mut read) = (plan.fold, 0_usize);
    for (pass, reads) in plan.passes.into_iter().enumerate() {
        let beyond = reads.beyond;
        let mut search = Some(search(reads, size, scope)?);
        while let Some(wanted) = search.take() {
            let page = store.search(wanted.clone()).await?;
            read = read.saturating_add(page.entries.len());
            if read > limits::QUESTION_READS_MAX {
                let what = format!(
                    "more than {} entries would be read: ask about a shorter time",
                    limits::QUESTION_READS_MAX
                );
                return Err(HubError::Invalid(vec![Violation::new("start_time", what)]));
            }
            for stored in page.entries {
                let shown = match scope {
                    Some(scope) if beyond => scope.judge(stored),
                    Some(scope) => scope.show(stored),
                    None => Some(stored),
                };
                let Some(StoredEntry { index, committed_at, entry }) = shown else { continue };
                fold.take(pass, &Seen { index, at: committed_at, entry: &entry });
            }
            search = page.next_index.map(|from_index| Search { from_index, ..wanted });
        }
    }
    let mut rows = fold.rows();
    let all = rows.len();
    let mut len = 0_usize;
    let fitting = rows.iter().take(limits::QUESTION_ROWS_MAX).take_while(|row| {
        len = row.iter().fold(len, |len, cell| len.saturating_add(cell.len() + 8));
        len <= limits::QUESTION_ROWS_LEN_MAX
    });
    let fitting = fitting.count();
    rows.truncate(fitting);
    Ok(Answered {
        columns: plan.columns,
        rows,
        rows_left: all - fitting,
        must_be_nil: question.must_be_nil,
        size,
    })
}

fn wrong((parameter, what): (crate::audit::questions::Parameter, &'static str)) -> HubError {
    HubError::Invalid(vec![Violation::new(parameter.as_str(), what)])
}

fn search(reads: Reads, size: u64, scope: Option<&Scope>) -> Result<Search, HubError> {
    let Reads { kinds, facets, has, resident, officer, asker, since, until, whole, beyond } = reads;
    let (agency, principal) = match (officer, scope) {
        (Some(shown), Some(scope)) => {
            let of = asker.unwrap_or_else(|| scope.agency().clone());
            let person = scope.person(&of, shown).ok_or(HubError::Broken)?;
            (Some(of), Some(person))
        }
        (officer, _) => (asker, officer),
    };
    Ok(Search {
        from_index: 0,
        limit: limits::PAGE_MAX,
        agency,
        kinds,
        facets,
        slot: resident.map(|resident| (SlotId::Subject, subject(Some(resident)))),
        principal,
        since,
        until,
        category: None,
        has,
        concerns: scope.filter(|_| !beyond).and_then(Scope::concerns),
        upto: Some(size),
        with: if whole { Slots::All } else { Slots::Subject },
    })
}

impl Hub {
    /// Answers a question that has a name, from what the caller's agency asked for or held; with a second
    /// sign-off, from every agency's entries.
    ///
    /// # Errors
    /// When the caller is no auditor, what was told does not fit the question, or too much would be read;
    /// as [`Hub::search_entries`].
    pub async fn answer_question(
        &self,
        caller: &Caller,
        question: &'static Question,
        mut told: Parameters,
        access: Option<DecisionId>,
    ) -> Result<(Answered, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/AnswerQuestion";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        told.at = at;
        question.plan(&told).map_err(wrong)?;
        let scope = self.scope(&call, access).await?;
        let request = serde_json::json!({
            "question": question.name, "told": told, "access": access,
        });
        let receipt = self.look_with(&call, "question", &request, access).await?;
        judged_by(&mut told, policy.book());
        let store = self.store.as_ref();
        let answered = answered(store, question, &told, receipt.size(), Some(&scope)).await?;
        Ok((answered, receipt))
    }
}
