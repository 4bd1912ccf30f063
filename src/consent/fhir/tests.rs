//! There and back for every event that FHIR can say.

use proptest::prelude::*;

use super::*;
use crate::domain::{Collected, Language};

fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

fn any_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

prop_compose! {
    fn events()(
        kind in any_of(ConsentKind::ALL),
        state in any_of(ConsentState::ALL),
        by in any_of(Giver::ALL),
        channel in prop::option::of(any_of(Channel::ALL)),
        language in prop::option::of(any_of(Language::ALL)),
        (evidence, gillick, free, assessed) in any::<(bool, bool, bool, bool)>(),
        parts in prop::collection::btree_set(any_of(StatutoryPart::ALL), 0..3),
        seconds in 0i64..4_000_000_000,
        fields in prop::option::of(prop::collection::btree_set(
            prop::sample::select(vec!["health/support", "health/support.mobility", "care/assessment"]),
            1..3,
        )),
        purposes in prop::collection::btree_set(prop::sample::select(vec!["marac", "discharge"]), 1..3),
        recipients in prop::collection::btree_set(prop::sample::select(vec!["befriend", "x"]), 1..3),
    ) -> ConsentEvent {
        ConsentEvent {
            kind,
            state,
            at: jiff::Timestamp::from_second(seconds).unwrap(),
            until: jiff::civil::date(2030, 2, 28),
            purposes: purposes.into_iter().map(|one| one.parse().unwrap()).collect(),
            recipients: recipients.into_iter().map(|one| one.parse().unwrap()).collect(),
            fields: fields.map(|all| all.into_iter().map(|one| one.parse().unwrap()).collect()),
            by,
            evidence,
            gillick,
            freely_given: free,
            parts,
            proxy: None,
            collected: Collected {
                notice: language.map(|language| NoticeShown {
                    id: "befriending".parse().unwrap(),
                    version: 3,
                    language,
                    wording: "00".to_owned(),
                }),
                channel,
                assessment: assessed.then(|| "GIL-7".parse().unwrap()),
            },
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_as_the_same(event in events()) {
        let resident = ResidentId::from_uuid(id(9));
        let written = write(DecisionId::from_uuid(id(7)), resident, &event);
        prop_assert_eq!(written.is_none(), event.state == ConsentState::Unknown);
        let Some(written) = written else { return Ok(()) };
        // As text, since that is how it travels.
        let said = resource(&serde_json::from_str(&written.to_string()).unwrap());
        let said = said.map_err(|wrong| TestCaseError::fail(format!("{wrong:?}")))?;
        let wanted = Said {
            resident,
            kind: event.kind,
            state: event.state,
            at: event.at,
            until: event.until,
            purposes: event.purposes.iter().cloned().collect(),
            recipients: event.recipients.iter().cloned().collect(),
            fields: event.fields.clone(),
            by: event.by,
            evidence: event.evidence,
            gillick: event.gillick,
            freely_given: event.freely_given,
            parts: event.parts.iter().copied().collect(),
            notice: event.collected.notice.as_ref().map(|shown| NoticeRef {
                id: shown.id.clone(),
                version: shown.version,
                language: shown.language,
            }),
            channel: event.collected.channel,
            assessment: event.collected.assessment.clone(),
        };
        prop_assert_eq!(said, wanted);
    }

    /// Take any one member away and it either reads as something less or is refused; it never reads as more.
    #[test]
    fn nothing_of_a_yes_is_made_up(event in events()) {
        let resident = ResidentId::from_uuid(id(9));
        let Some(written) = write(DecisionId::from_uuid(id(7)), resident, &event) else {
            return Ok(());
        };
        let names: Vec<String> = written.as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut less = written.clone();
            less.as_object_mut().unwrap().remove(&name);
            let optional = ["id", "sourceReference", "verification", "extension"];
            match resource(&less) {
                Ok(said) => {
                    prop_assert!(optional.contains(&name.as_str()), "{} is needed", name);
                    prop_assert!(!said.evidence || event.evidence);
                    prop_assert!(!said.freely_given || event.freely_given);
                }
                Err(wrong) => prop_assert!(!wrong.is_empty()),
            }
        }
    }
}
