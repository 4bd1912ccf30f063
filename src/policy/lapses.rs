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

impl Lapsing {
    /// The word in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReviewDue => "review-due",
            Self::GraceEnds => "grace-ends",
            Self::AgreementEnds => "ends",
            Self::GatewayEnds => "gateway-ends",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load::load_dir;

    #[test]
    fn what_lapses_comes_in_order_and_what_has_lapsed_does_not() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let mut book = load_dir(&root).unwrap();
        book.agreements.retain(|id, _| id.as_str() == "isa-care");
        for gateway in book.gateways.values_mut() {
            gateway.in_force_to = None;
        }
        let id = book.gateways.keys().next().unwrap().clone();
        book.gateways.get_mut(&id).unwrap().in_force_to = Some("2026-12-01".parse().unwrap());
        let gateway = format!("2026-12-01  gateway {id} goes out of force");
        let all = [
            "2026-10-31  the review of agreement isa-care is due",
            "2026-11-30  agreement isa-care stops unless it was reviewed",
            gateway.as_str(),
            "2027-03-31  agreement isa-care ends",
        ];
        for (today, left) in [
            ("2026-07-15", &all[..]),
            ("2026-10-31", &all[..]),
            ("2026-11-01", &all[1..]),
            ("2027-03-31", &all[3..]),
            ("2027-04-01", &[]),
        ] {
            let told: Vec<String> =
                lapses(&book, today.parse().unwrap()).iter().map(ToString::to_string).collect();
            assert_eq!(told, left, "{today}");
        }
        for agreement in book.agreements.values_mut() {
            agreement.status = AgreementStatus::Suspended;
        }
        assert_eq!(
            lapses(&book, "2026-07-15".parse().unwrap()).len(),
            1,
            "suspended: nothing ends"
        );
    }
}
