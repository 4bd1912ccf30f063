//! The vocabularies, the figures and the place. Every struct is taken apart whole, so that a value that is
//! added to the rule book cannot be forgotten here.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::Class::{Narrows, Rewords, Widens};
use super::notes::{Notes, owed, reverse};
use crate::policy::book::{
    Agency, ApproverOf, Basis, Category, CodeMeaning, DutyDue, DutyMeaning, Exemption, FactRule,
    Field, Figures, Flag, Gateway, Involvement, Lifts, Notice, NoticeVersion, OverrideRule, Party,
    Place, ProxyRule, ProxyVoice, Purpose, ReferralRule, ReviewOutcome, ReviewRule, RuleBook,
    TermText, Told, Wording,
};

pub(super) fn compare(old: &RuleBook, new: &RuleBook, n: &mut Notes) {
    let RuleBook {
        hash: _,
        place,
        figures,
        terms,
        model,
        agencies,
        roles,
        purposes,
        categories,
        fields,
        flags,
        gateways,
        bases,
        codes,
        duties,
        referrals,
        facts,
        retention,
        visibility,
        telling,
        requests,
        exemptions,
        proxies,
        overrides,
        reviews,
        outcomes,
        notices,
        parties,
        agreements: _,
        rules: _,
        // Compared line by line: what they guard against is more than what they say of rows.
        promises: _,
        lints: _,
    } = new;
    compare_place(&old.place, place, n);
    compare_figures(&old.figures, figures, n);
    n.rows("conditions.toml", (Rewords, Rewords), (&old.terms, terms), |n, key, old, new| {
        let TermText { sentence, fixer } = new;
        n.text(("conditions.toml", &format!("{key}, sentence")), &old.sentence, sentence);
        n.text(("conditions.toml", &format!("{key}, fixer")), &old.fixer, fixer);
    });
    n.value(Widens, ("model.conf", "the model"), (&old.model, model), |_| "another".to_owned());
    n.rows("words/agencies.csv", (Widens, Narrows), (&old.agencies, agencies), agency);
    n.rows("words/roles.csv", (Widens, Narrows), (&old.roles, roles), |n, key, old, new| {
        n.text(("words/roles.csv", key), old, new);
    });
    n.rows(
        "words/purposes.csv",
        (Widens, Narrows),
        (&old.purposes, purposes),
        |n, key, old, new| {
            let Purpose { meaning, group } = new;
            n.text(("words/purposes.csv", key), &old.meaning, meaning);
            let at = format!("{key}, group");
            n.value(Widens, ("words/purposes.csv", &at), (&old.group, group), Clone::clone);
        },
    );
    n.rows("words/categories.csv", (Widens, Narrows), (&old.categories, categories), category);
    n.rows("words/fields.csv", (Widens, Narrows), (&old.fields, fields), field);
    n.rows("words/flags.csv", (Narrows, Widens), (&old.flags, flags), |n, key, old, new| {
        let Flag { meaning, code } = new;
        n.text(("words/flags.csv", key), &old.meaning, meaning);
        let at = format!("{key}, code");
        n.value(Widens, ("words/flags.csv", &at), (&old.code, code), shown);
    });
    // A gateway or a basis that no row names opens nothing.
    n.rows("words/gateways.csv", (Rewords, Narrows), (&old.gateways, gateways), gateway);
    n.rows("words/bases.csv", (Rewords, Narrows), (&old.bases, bases), |n, key, old, new| {
        let Basis { meaning, open_to_public_authority, open_to_others } = new;
        n.text(("words/bases.csv", key), &old.meaning, meaning);
        let at = format!("{key}, open to others");
        n.flag(Widens, ("words/bases.csv", &at), old.open_to_others, *open_to_others);
        let at = format!("{key}, open to public authorities");
        let (was, is) = (old.open_to_public_authority, *open_to_public_authority);
        n.flag(Widens, ("words/bases.csv", &at), was, is);
    });
    n.rows("words/codes.csv", (Widens, Widens), (&old.codes, codes), code);
    n.rows("words/duties.csv", (Widens, Widens), (&old.duties, duties), duty);
    n.rows("words/referrals.csv", (Widens, Narrows), (&old.referrals, referrals), referral);
    n.rows("words/facts.csv", (Widens, Widens), (&old.facts, facts), fact);
    // To destroy earlier takes proof away, to keep longer keeps what should go: somebody looks at either.
    n.rows(
        "words/retention.csv",
        (Widens, Widens),
        (&old.retention, retention),
        |n, key, old, new| {
            let at = format!("{key}, years");
            n.value(Widens, ("words/retention.csv", &at), (old, new), shown);
        },
    );
    // To show more may endanger somebody, to show less takes a right away: somebody looks at either.
    let seen = (&old.visibility.lines(), &visibility.lines());
    n.rows("words/visibility.csv", (Widens, Widens), seen, |n, key, old, new| {
        let at = |what: &str| format!("{key}, {what}");
        let file = "words/visibility.csv";
        n.value(Widens, (file, &at("sight")), (&old.sight, &new.sight), |s| s.as_str().to_owned());
        n.value(Widens, (file, &at("days")), (&old.days, &new.days), shown);
    });
    let told = (&old.telling.lines(), &telling.lines());
    n.rows("words/told.csv", (Rewords, Rewords), told, |n, key, old, new| {
        let Told { en, cy } = new;
        n.text(("words/told.csv", &format!("{key}, English")), &old.en, en);
        n.text(("words/told.csv", &format!("{key}, Welsh")), &old.cy, cy);
    });
    n.rows(
        "words/requests.csv",
        (Narrows, Widens),
        (&old.requests, requests),
        |n, key, old, new| {
            let at = format!("{key}, time");
            n.value(Widens, ("words/requests.csv", &at), (old, new), shown);
        },
    );
    let left = (&old.exemptions, exemptions);
    n.rows("words/exemptions.csv", (Widens, Widens), left, |n, key, old, new| {
        let Exemption { of, third_parties, categories, told, law, words } = new;
        let file = "words/exemptions.csv";
        let at = |what: &str| format!("{key}, {what}");
        n.value(Widens, (file, &at("use")), (&old.of, of), shown);
        let others = (&old.third_parties, third_parties);
        n.value(Widens, (file, &at("third parties by default")), others, shown);
        n.value(Widens, (file, &at("by default")), (&old.categories, categories), shown);
        n.value(Widens, (file, &at("told")), (&old.told, told), shown);
        n.value(Widens, (file, &at("law")), (&old.law, law), shown);
        n.text((file, &at("English")), &old.words.en, &words.en);
        n.text((file, &at("Welsh")), &old.words.cy, &words.cy);
    });
    n.rows("notices", (Widens, Narrows), (&old.notices, notices), notice);
    n.rows("words/parties.csv", (Rewords, Rewords), (&old.parties, parties), party);
    n.rows("words/proxies.csv", (Widens, Narrows), (&old.proxies, proxies), proxy);
    n.rows("words/overrides.csv", (Widens, Narrows), (&old.overrides, overrides), over);
    n.rows("words/reviews.csv", (Narrows, Widens), (&old.reviews, reviews), |n, key, old, new| {
        let ReviewRule { due_hours, minutes } = new;
        let at = format!("{key}, due_hours");
        n.order(Widens, ("words/reviews.csv", &at), &old.due_hours, due_hours);
        let at = format!("{key}, minutes");
        n.value(Rewords, ("words/reviews.csv", &at), (&old.minutes, minutes), shown);
    });
    n.rows(
        "words/outcomes.csv",
        (Rewords, Widens),
        (&old.outcomes, outcomes),
        |n, key, old, new| {
            let ReviewOutcome { meaning, unjustified } = new;
            n.text(("words/outcomes.csv", key), &old.meaning, meaning);
            let at = format!("{key}, unjustified");
            n.flag(Narrows, ("words/outcomes.csv", &at), old.unjustified, *unjustified);
        },
    );
}

/// Whoever may be asked may say yes: a notice more opens. What a yes names must stay what it was.
fn notice(n: &mut Notes, key: &str, old: &Notice, new: &Notice) {
    let Notice { title, versions } = new;
    let file = format!("notices/{key}.toml");
    n.text((&file, "title"), &old.title, title);
    n.rows(&file, (Widens, Narrows), (&old.versions, versions), |n, number, old, new| {
        let NoticeVersion { first_day, last_day, kinds, purposes, wordings } = new;
        let at = |what: &str| format!("version {number}, {what}");
        n.order(reverse(Widens), (&file, &at("first_day")), &old.first_day, first_day);
        let last = (old.last_day.as_ref(), last_day.as_ref());
        n.limit(Widens, (&file, &at("last_day")), last.0, last.1);
        n.set(Widens, (&file, &at("kinds")), &old.kinds, kinds);
        n.set(Widens, (&file, &at("purposes")), &old.purposes, purposes);
        n.rows(&file, (Widens, Narrows), (&old.wordings, wordings), |n, language, old, new| {
            let Wording { text, withdraw, refuse } = new;
            for (part, was, is) in [
                ("text", &old.text, text),
                ("withdraw", &old.withdraw, withdraw),
                ("refuse", &old.refuse, refuse),
            ] {
                let at = at(&format!("{language}, {part}"));
                n.value(Widens, (&file, &at), (was, is), |text| format!("\"{text}\""));
            }
        });
    });
}

/// What records of consent say of a controller.
fn party(n: &mut Notes, key: &str, old: &Party, new: &Party) {
    let Party { name, address, contact, kind, storage, retention } = new;
    for (what, was, is) in [
        ("name", &old.name, name),
        ("address", &old.address, address),
        ("contact", &old.contact, contact),
        ("type", &old.kind, kind),
        ("storage", &old.storage, storage),
        ("retention", &old.retention, retention),
    ] {
        n.text(("words/parties.csv", &format!("{key}, {what}")), was, is);
    }
}

/// A value as its words, without the names that the program has for them.
fn shown<T: Debug>(value: &T) -> String {
    let text = format!("{value:?}");
    let mut words = String::with_capacity(text.len());
    let (mut name, mut quoted) = (String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => name.clear(),
            ')' | '{' | '}' if !quoted => words.push_str(&std::mem::take(&mut name)),
            c if !quoted && (c.is_alphanumeric() || c == '_') => name.push(c),
            c => {
                words.push_str(&std::mem::take(&mut name));
                words.push(c);
            }
        }
    }
    words.push_str(&name);
    if words == "None" { "none".to_owned() } else { words }
}

fn compare_place(old: &Place, new: &Place, n: &mut Notes) {
    let Place { name, zone, sample_clock } = new;
    n.text(("place.toml", "name"), &old.name, name);
    let name = |zone: &jiff::tz::TimeZone| zone.iana_name().unwrap_or("?").to_owned();
    n.value(Widens, ("place.toml", "zone"), (&old.zone, zone), name);
    let clock = (&old.sample_clock, sample_clock);
    n.value(Widens, ("place.toml", "sample_clock"), clock, shown);
}

fn compare_figures(old: &Figures, new: &Figures, n: &mut Notes) {
    let Figures {
        adult_age,
        own_voice_age,
        parent_confidential_until_age,
        digital_consent_age,
        reconfirm_ages,
        reason_words_min,
        ndo_hours,
        small_number_least,
        factors_min,
        small_group,
        window_group,
        window_minutes,
        apd_conditions,
        objection_bases,
        onward_purposes,
        attorney_pf_groups,
    } = new;
    let file = "conditions.toml";
    // An age moves people from one protection to another: for some it widens.
    n.value(Widens, (file, "adult_age"), (&old.adult_age, adult_age), shown);
    n.value(Widens, (file, "own_voice_age"), (&old.own_voice_age, own_voice_age), shown);
    let (was, is) = (&old.parent_confidential_until_age, parent_confidential_until_age);
    n.value(Widens, (file, "parent_confidential_until_age"), (was, is), shown);
    let (was, is) = (&old.digital_consent_age, digital_consent_age);
    n.value(Widens, (file, "digital_consent_age"), (was, is), shown);
    n.value(Widens, (file, "reconfirm_ages"), (&old.reconfirm_ages, reconfirm_ages), shown);
    n.order(Narrows, (file, "reason_words_min"), &old.reason_words_min, reason_words_min);
    n.order(Widens, (file, "ndo_hours"), &old.ndo_hours, ndo_hours);
    n.order(Narrows, (file, "small_number_least"), &old.small_number_least, small_number_least);
    n.order(Narrows, (file, "factors_min"), &old.factors_min, factors_min);
    n.order(Widens, (file, "small_group"), &old.small_group, small_group);
    n.order(Widens, (file, "window_group"), &old.window_group, window_group);
    // None at all counts nothing.
    let minutes = |minutes: u32| if minutes == 0 { 0 } else { minutes };
    let (was, is) = (minutes(old.window_minutes), minutes(*window_minutes));
    n.order(Narrows, (file, "window_minutes"), &was, &is);
    n.set(Narrows, (file, "apd_conditions"), &old.apd_conditions, apd_conditions);
    n.set(Narrows, (file, "objection_bases"), &old.objection_bases, objection_bases);
    n.set(Widens, (file, "onward_purposes"), &old.onward_purposes, onward_purposes);
    // An attorney's refusal counts as their yes does.
    let (was, is) = (&old.attorney_pf_groups, attorney_pf_groups);
    n.value(Widens, (file, "attorney_pf_groups"), (was, is), shown);
}

fn agency(n: &mut Notes, key: &str, old: &Agency, new: &Agency) {
    let Agency { name, kind, nation, public_authority, controller, involvement } = new;
    let file = "words/agencies.csv";
    n.text((file, &format!("{key}, name")), &old.name, name);
    n.value(Widens, (file, &format!("{key}, type")), (&old.kind, kind), Clone::clone);
    n.value(Widens, (file, &format!("{key}, nation")), (&old.nation, nation), Clone::clone);
    let at = format!("{key}, public_authority");
    n.flag(Narrows, (file, &at), old.public_authority, *public_authority);
    let controllers = (&old.controller, controller);
    n.value(Widens, (file, &format!("{key}, controller")), controllers, Clone::clone);
    let rank = |one: Involvement| match one {
        Involvement::Never => 0,
        Involvement::Sensitive => 1,
        Involvement::Open => 2,
    };
    let class = if rank(*involvement) > rank(old.involvement) { Widens } else { Narrows };
    let at = format!("{key}, involvement");
    n.value(class, (file, &at), (&old.involvement, involvement), shown);
}

fn category(n: &mut Notes, key: &str, old: &Category, new: &Category) {
    let Category { usual_holder, never_for, fields } = new;
    let file = "words/categories.csv";
    n.value(
        Rewords,
        (file, &format!("{key}, usual_holder")),
        (&old.usual_holder, usual_holder),
        shown,
    );
    n.set(Narrows, (file, &format!("{key}, never_for")), &old.never_for, never_for);
    // Which fields it has, the fields say.
    let set = |fields: &[crate::domain::FieldId]| fields.iter().cloned().collect::<BTreeSet<_>>();
    if set(&old.fields) == set(fields) && old.fields != *fields {
        n.put(Rewords, file, format!("{key}: its fields stand in another order"));
    }
}

fn field(n: &mut Notes, key: &str, old: &Field, new: &Field) {
    let Field { category, special, criminal, cpi, location, third_party, sub_code, bar } = new;
    let file = "words/fields.csv";
    let moved = (&old.category, category);
    n.value(Widens, (file, &format!("{key}, category")), moved, ToString::to_string);
    for (letter, was, is) in [
        ("criminal", old.criminal, *criminal),
        ("third_party", old.third_party, *third_party),
        ("sub_code", old.sub_code, *sub_code),
    ] {
        n.flag(Narrows, (file, &format!("{key}, {letter}")), was, is);
    }
    // These also say whose yes and no counts, and what a custodian may let out.
    for (letter, was, is) in [
        ("special", old.special, *special),
        ("cpi", old.cpi, *cpi),
        ("location", old.location, *location),
    ] {
        let yes = |yes: &bool| if *yes { "yes" } else { "no" }.to_owned();
        n.value(Widens, (file, &format!("{key}, {letter}")), (&was, &is), yes);
    }
    let class = if old.bar.is_none() { Narrows } else { Widens };
    n.value(class, (file, &format!("{key}, bar")), (&old.bar, bar), shown);
}

fn gateway(n: &mut Notes, key: &str, old: &Gateway, new: &Gateway) {
    let Gateway {
        statute,
        section,
        kind,
        nations,
        in_force_from,
        in_force_to,
        excludes_data,
        keeps_data,
        excludes_holder_types,
        needs_registration,
    } = new;
    let file = "words/gateways.csv";
    n.value(Widens, (file, &format!("{key}, statute")), (&old.statute, statute), shown);
    n.value(Widens, (file, &format!("{key}, section")), (&old.section, section), shown);
    n.value(Widens, (file, &format!("{key}, kind")), (&old.kind, kind), shown);
    n.set(Widens, (file, &format!("{key}, nations")), &old.nations, nations);
    // Where one path ends another may take over, with less owed.
    let days = (&old.in_force_from, in_force_from);
    n.value(Widens, (file, &format!("{key}, in_force_from")), days, shown);
    let days = (&old.in_force_to, in_force_to);
    n.value(Widens, (file, &format!("{key}, in_force_to")), days, shown);
    let set = |all: &[crate::policy::book::DataPattern]| all.iter().map(shown).collect();
    let at = format!("{key}, excludes_data");
    n.set::<String>(Narrows, (file, &at), &set(&old.excludes_data), &set(excludes_data));
    let at = format!("{key}, keeps_data");
    n.set::<String>(Widens, (file, &at), &set(&old.keeps_data), &set(keeps_data));
    let at = format!("{key}, excludes_holder_types");
    n.set(Narrows, (file, &at), &old.excludes_holder_types, excludes_holder_types);
    let at = format!("{key}, needs_registration");
    n.flag(Narrows, (file, &at), old.needs_registration, *needs_registration);
}

fn code(n: &mut Notes, key: &str, old: &CodeMeaning, new: &CodeMeaning) {
    let CodeMeaning { disposition, lifted_by_override, spoken_to_requester, meaning, fixer, fix } =
        new;
    let file = "words/codes.csv";
    n.value(Widens, (file, &format!("{key}, disposition")), (&old.disposition, disposition), shown);
    let at = format!("{key}, lifted_by_override");
    n.flag(Widens, (file, &at), old.lifted_by_override, *lifted_by_override);
    let at = format!("{key}, spoken_to_requester");
    n.flag(Widens, (file, &at), old.spoken_to_requester, *spoken_to_requester);
    n.text((file, &format!("{key}, meaning")), &old.meaning, meaning);
    n.text((file, &format!("{key}, fixer")), &old.fixer, fixer);
    n.text((file, &format!("{key}, fix")), &old.fix, fix);
}

fn duty(n: &mut Notes, key: &str, old: &DutyMeaning, new: &DutyMeaning) {
    let DutyMeaning { meaning, owner, due } = new;
    let file = "words/duties.csv";
    // The recipient does what the sentence says.
    n.value(Widens, (file, &format!("{key}, meaning")), (&old.meaning, meaning), shown);
    n.value(Widens, (file, &format!("{key}, owner")), (&old.owner, owner), shown);
    let class = match (old.due, due) {
        (DutyDue::Hours(was), DutyDue::Hours(is)) if *is < was => Narrows,
        (_, _) => Widens,
    };
    n.value(class, (file, &format!("{key}, due")), (&old.due, due), shown);
}

fn referral(n: &mut Notes, key: &str, old: &ReferralRule, new: &ReferralRule) {
    let ReferralRule { deciders, due_hours, grant_hours } = new;
    let file = "words/referrals.csv";
    n.set(Widens, (file, &format!("{key}, deciders")), &old.deciders, deciders);
    n.value(Rewords, (file, &format!("{key}, due_hours")), (&old.due_hours, due_hours), shown);
    n.order(Widens, (file, &format!("{key}, grant_hours")), &old.grant_hours, grant_hours);
}

fn fact(n: &mut Notes, key: &str, old: &FactRule, new: &FactRule) {
    let FactRule { functions, writers, max_age_days, meaning, missing } = new;
    let file = "words/facts.csv";
    // Whom nobody may record any more nobody protects: fewer who may is no less.
    n.value(Widens, (file, &format!("{key}, functions")), (&old.functions, functions), shown);
    n.value(Widens, (file, &format!("{key}, agencies")), (&old.writers, writers), shown);
    let at = format!("{key}, max_age_days");
    if matches!(key, "staff" | "relationship") {
        // Without these there is nothing: what ends sooner opens less.
        n.limit(Widens, (file, &at), old.max_age_days.as_ref(), max_age_days.as_ref());
    } else {
        n.value(Widens, (file, &at), (&old.max_age_days, max_age_days), shown);
    }
    n.text((file, &format!("{key}, meaning")), &old.meaning, meaning);
    n.text((file, &format!("{key}, missing")), &old.missing, missing);
}

fn proxy(n: &mut Notes, key: &str, old: &ProxyRule, new: &ProxyRule) {
    let ProxyRule { evidence, voice, portal, requests, from_age, until_age, meaning } = new;
    let file = "words/proxies.csv";
    n.set(Widens, (file, &format!("{key}, evidence")), &old.evidence, evidence);
    // A proxy's refusal counts as their yes does: somebody looks at either.
    let word = |voice: &ProxyVoice| voice.as_str().to_owned();
    n.value(Widens, (file, &format!("{key}, consents")), (&old.voice, voice), word);
    n.flag(Widens, (file, &format!("{key}, acts_in_portal")), old.portal, *portal);
    n.flag(Widens, (file, &format!("{key}, files_requests")), old.requests, *requests);
    n.value(Widens, (file, &format!("{key}, from_age")), (&old.from_age, from_age), shown);
    n.value(Widens, (file, &format!("{key}, until_age")), (&old.until_age, until_age), shown);
    n.text((file, &format!("{key}, meaning")), &old.meaning, meaning);
}

fn over(n: &mut Notes, key: &str, old: &OverrideRule, new: &OverrideRule) {
    let OverrideRule {
        roles,
        answers,
        ceiling_hours,
        lifts,
        duties,
        tests,
        approver_roles,
        approver_of,
    } = new;
    let file = "words/overrides.csv";
    n.set(Widens, (file, &format!("{key}, roles")), &old.roles, roles);
    let set = |answers: &[String]| answers.iter().cloned().collect::<BTreeSet<_>>();
    n.set(Narrows, (file, &format!("{key}, answers")), &set(&old.answers), &set(answers));
    n.order(Widens, (file, &format!("{key}, ceiling_hours")), &old.ceiling_hours, ceiling_hours);
    let at = format!("{key}, lifts");
    match (&old.lifts, lifts) {
        (Lifts::Only(was), Lifts::Only(is)) => n.set(Widens, (file, &at), was, is),
        (Lifts::All, Lifts::Only(_)) => {
            n.value(Narrows, (file, &at), (&old.lifts, lifts), shown);
        }
        (Lifts::All | Lifts::Only(_), Lifts::All) => {
            n.value(Widens, (file, &at), (&old.lifts, lifts), shown);
        }
    }
    let at = format!("{key}, duties");
    n.set(Narrows, (file, &at), &owed(&old.duties), &owed(duties));
    let tests_of =
        |all: &BTreeSet<crate::policy::book::OverrideTest>| all.iter().map(shown).collect();
    let at = format!("{key}, tests");
    n.set::<String>(Narrows, (file, &at), &tests_of(&old.tests), &tests_of(tests));
    n.set(Widens, (file, &format!("{key}, approver_roles")), &old.approver_roles, approver_roles);
    let class = if *approver_of == ApproverOf::Holder { Narrows } else { Widens };
    n.value(class, (file, &format!("{key}, approver_of")), (&old.approver_of, approver_of), shown);
}
