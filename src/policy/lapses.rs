//! What of a rule book ends by its own dates: agreements, their reviews, gateways.

use std::fmt;

use jiff::civil::Date;

use super::book::RuleBook;
use crate::domain::AgreementStatus;

/// Something that ends, or must be looked at, on a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lapse {
    /// The last day on which it holds; for a review, the day that it is due.
    pub on: Date,
    /// What ends.
    pub what: Lapsing,
    /// The agreement or gateway.
    pub name: String,
}

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lapsing {
    /// The review of an agreement is due.
    ReviewDue,
    /// An agreement without its review ends for want of it.
    GraceEnds,
    /// An agreement ends.
    AgreementEnds,
    /// A gateway goes out of force.
    GatewayEnds,
}

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { on, what, name } = self;
        match what {
            Lapsing::ReviewDue => write!(f, "{on}  the review of agreement {name} is due"),
            Lapsing::GraceEnds => write!(f, "{on}  agreement {name} stops unless it was reviewed"),
            Lapsing::AgreementEnds => write!(f, "{on}  agreement {name} ends"),
            Lapsing::GatewayEnds => write!(f, "{on}  gateway {name} goes out of force"),
        }
    }
}

/// Everything that lapses on `today` or later, the next first.
#[must_use]
pub fn lapses(book: &RuleBook, today: Date) -> Vec<Lapse> {
    let mut all = Vec::new();
    let mut add = |on: Date, what, name: &str| {
        if on >= today {
            all.push(Lapse { on, what, name: name.to_owned() });
        }
    };
    for (id, agreement) in &book.agreements {
        if agreement.status != AgreementStatus::Live {
            continue;
        }
        add(agreement.end, Lapsing::AgreementEnds, id.as_str());
        add(agreement.review_due, Lapsing::ReviewDue, id.as_str());
        let grace = jiff::Span::new().try_days(agreement.grace_days);
        let stops = grace.and_then(|grace| agreement.review_due.checked_add(grace));
        add(stops.unwrap_or(Date::MAX), Lapsing::GraceEnds, id.as_str());
    }
    for (id, gateway) in &book.gateways {
        if let Some(to) = gateway.in_force_to {
            add(to, Lapsing::GatewayEnds, id.as_str());
        }
    }
    all.sort();
    all
}
