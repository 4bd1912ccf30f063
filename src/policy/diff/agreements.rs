//! Agreements, and what the days do to them and to gateways.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use super::Class::{Narrows, Rewords, Widens};
use super::Side;
use super::notes::Notes;
use crate::domain::AgreementStatus;
use crate::policy::book::{Agreement, Gateway};

pub(super) fn compare(old: Side<'_>, new: Side<'_>, n: &mut Notes) {
    // An agreement that no row names opens nothing; the rows say what it opens.
    let both = (&old.book.agreements, &new.book.agreements);
    n.rows("agreements", (Rewords, Narrows), both, agreement);
    for (id, is) in &new.book.agreements {
        let file = format!("agreements/{id}.toml");
        let Some(was) = old.book.agreements.get(id) else { continue };
        by_date(n, &file, "the agreement", (live(was, old.day), live(is, new.day)), new.day);
    }
    for (id, is) in &new.book.gateways {
        let Some(was) = old.book.gateways.get(id) else { continue };
        let what = format!("gateway {id}");
        let forces = (in_force(was, old.day), in_force(is, new.day));
        by_date(n, "words/gateways.csv", &what, forces, new.day);
    }
}

fn by_date(n: &mut Notes, file: &str, what: &str, (was, is): (bool, bool), day: Date) {
    match (was, is) {
        (true, false) => n.put(Narrows, file, format!("{what} is not live on {day}")),
        (false, true) => n.put(Widens, file, format!("{what} is live on {day}")),
        (true, true) | (false, false) => {}
    }
}

fn live(agreement: &Agreement, day: Date) -> bool {
    let grace: Span = agreement.grace_days.days();
    let last = agreement.review_due.checked_add(grace).unwrap_or(agreement.review_due);
    agreement.status == AgreementStatus::Live
        && (agreement.start..=agreement.end).contains(&day)
        && day <= last
}

fn in_force(gateway: &Gateway, day: Date) -> bool {
    gateway.in_force_from.is_some_and(|from| from <= day)
        && gateway.in_force_to.is_none_or(|to| day <= to)
}

fn agreement(n: &mut Notes, id: &str, old: &Agreement, new: &Agreement) {
    let Agreement {
        title,
        parties,
        purposes,
        start,
        end,
        review_due,
        grace_days,
        dpia,
        status,
        owner,
    } = new;
    let file = format!("agreements/{id}.toml");
    let at = |of: &'static str| (file.as_str(), of);
    n.text(at("title"), &old.title, title);
    n.set(Widens, at("parties"), &old.parties, parties);
    n.set(Widens, at("purposes"), &old.purposes, purposes);
    n.order(Narrows, at("start"), &old.start, start);
    n.order(Widens, at("end"), &old.end, end);
    n.order(Widens, at("review_due"), &old.review_due, review_due);
    n.order(Widens, at("grace_days"), &old.grace_days, grace_days);
    let class = match (&old.dpia, dpia) {
        (None, Some(_)) => Widens,
        (Some(_), None) => Narrows,
        (Some(_), Some(_)) | (None, None) => Rewords,
    };
    n.value(class, at("dpia"), (&old.dpia, dpia), |dpia| dpia.clone().unwrap_or("none".to_owned()));
    // Which code refuses says which override lifts it: only from live to another is certain.
    let class = if old.status == AgreementStatus::Live { Narrows } else { Widens };
    n.value(class, at("status"), (&old.status, status), |status| format!("{status:?}"));
    n.text(at("owner"), &old.owner, owner);
}
