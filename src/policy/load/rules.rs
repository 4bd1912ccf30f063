//! The rule rows: `rules/*.csv`. Every cell is a closed list; a row that could mean two things, or
//! nothing, is a finding.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use super::read::Texts;
use super::sheet::{Line, rows};
use super::words::{AsWord, Row, Words, keys};
use crate::domain::{
    AgreementId, BasisId, CategoryId, ChoiceKind, Code, ConsentKind, Duty, FieldId, RuleId,
};
use crate::policy::book::{
    Agreement, Cell, ChoiceForce, Despite, Effect, GatewayKind, Ground, Only, Rule, When,
};

/// Where the categories stand in a rule's cells.
const CATEGORY: usize = 4;

type Agreements = BTreeMap<AgreementId, Agreement>;

/// The agreements that could be read, and the names of all: of one that is broken its own findings say what is
/// wrong, and the rows under it are no slips.
struct Agreed<'a> {
    read: &'a Agreements,
    named: Vec<&'a str>,
}

pub(super) fn read(
    texts: &Texts,
    words: &Words,
    agreements: &Agreements,
    findings: &mut Findings,
) -> Vec<Rule> {
    let named = texts.keys().filter_map(|name| name.strip_prefix("agreements/"));
    let named = named.filter_map(|name| name.strip_suffix(".toml")).collect();
    let agreements = &Agreed { read: agreements, named };
    let mut rules: Vec<Rule> = Vec::new();
    let mut files = 0;
    for (file, text) in texts.iter().filter(|(name, _)| name.starts_with("rules/")) {
        files += 1;
        for line in rows(file, text, findings) {
            if let Some(rule) = rule(file, &line, words, agreements, findings) {
                same_before(&rule, &rules, findings);
                rules.push(rule);
            }
        }
    }
    if files == 0 || rules.is_empty() {
        findings.add(
            "E09",
            "rules/",
            0,
            "holds no rule. An empty rule book would refuse everything: put the files back."
                .to_owned(),
        );
    }
    rules
}

fn same_before(rule: &Rule, rules: &[Rule], findings: &mut Findings) {
    for earlier in rules {
        let place = format!("{} line {}", earlier.file, earlier.line);
        if earlier.id == rule.id {
            let message =
                format!("the id \"{}\" is used in {place}. Ids are never reused.", rule.id);
            findings.add("E08", &rule.file, rule.line, message);
        } else if earlier.cells.get(1..) == rule.cells.get(1..) {
            let message = format!("says the same as {} in {place}.", earlier.id);
            findings.add("E09", &rule.file, rule.line, message);
        }
    }
}

fn rule(
    file: &str,
    line: &Line,
    words: &Words,
    agreements: &Agreed<'_>,
    findings: &mut Findings,
) -> Option<Rule> {
    let Some(("p", cells)) = line.cells.split_first().map(|(kind, rest)| (kind.as_str(), rest))
    else {
        let kind = line.cells.first().map_or("", String::as_str);
        let message = format!("the first cell must be \"p\", not \"{kind}\".");
        findings.add("E07", file, line.number, message);
        return None;
    };
    if cells.len() != Rule::COLUMNS.len() {
        let id = cells.first().map_or("", String::as_str);
        let message = format!(
            "({id}) has {} cells, a rule has {}. Is a comma missing, or one too many?",
            cells.len() + 1,
            Rule::COLUMNS.len() + 1
        );
        findings.add("E03", file, line.number, message);
        return None;
    }
    let before = findings.0.len();
    let line = Line { number: line.number, cells: cells.to_vec() };
    let mut row = Row::new(file, &line, &Rule::COLUMNS);
    let mut cells = line.cells.clone();
    let f = findings;
    let id: RuleId = match row.next().1.parse() {
        Ok(id) => id,
        Err(why) => {
            row.bad("E10", format!("the id {why}."), f);
            return None;
        }
    };
    let agencies = cell(&mut row, "words/agencies.csv", &keys(&words.agencies), f);
    let roles = cell(&mut row, "words/roles.csv", &keys(&words.roles), f);
    let purposes = cell(&mut row, "words/purposes.csv", &keys(&words.purposes), f);
    let categories = categories(&mut row, &mut cells, words, f);
    let only = only(&mut row, words, &categories, f);
    let when = when(&mut row, words, f);
    let despite = despite(&mut row, f);
    let gateway = optional(&mut row, "words/gateways.csv", &keys(&words.gateways), f);
    let bases = keys(&words.bases);
    let art6 = optional::<BasisId>(&mut row, "words/bases.csv", &starting(&bases, "6-"), f);
    let art9 = list::<BasisId>(&mut row, "words/bases.csv", &starting(&bases, "9-"), f);
    let art10 = list::<BasisId>(&mut row, "words/bases.csv", &starting(&bases, "sch1-"), f);
    let ground = ground(&mut row, f);
    let agreement = optional(&mut row, "agreements/", &agreements.named, f);
    let choices = choices(&mut row, f);
    let overrides = cell(&mut row, "words/overrides.csv", &keys(&words.overrides), f);
    let duties: Vec<&str> = Duty::ALL.iter().map(|duty| duty.as_str()).collect();
    let duties = list(&mut row, "words/duties.csv", &duties, f);
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let code = optional(&mut row, "words/codes.csv", &codes, f);
    let because = row.next().1.to_owned();
    if because.is_empty() || because == "-" {
        row.bad("E20", "column because: say in plain words why the rule is there.".to_owned(), f);
    }
    let effect = match row.next().1 {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny,
        other => {
            let mut finding = super::Finding {
                found: Some(other.to_owned()),
                code: "E10",
                file: file.to_owned(),
                line: line.number,
                message: format!("({id}) the last cell \"{other}\" must be allow or deny."),
                nearest: None,
            };
            finding.nearest = super::nearest(&other.to_lowercase(), ["allow", "deny"].into_iter());
            f.push(finding);
            return None;
        }
    };
    let rule = Rule {
        file: file.to_owned(),
        line: line.number,
        id,
        agencies,
        roles,
        purposes,
        categories,
        only,
        when,
        despite,
        gateway,
        art6,
        art9,
        art10,
        ground,
        agreement,
        choices,
        overrides,
        duties,
        code,
        because,
        effect,
        cells,
    };
    match effect {
        Effect::Allow => {
            allow_row(&rule, &row, words, agreements.read, f);
            let written = line.cells.get(CATEGORY).map_or("", String::as_str);
            whole_groups(written, &row, words, f);
        }
        Effect::Deny => deny_row(&rule, &row, f),
    }
    (f.0.len() == before).then_some(rule)
}

fn starting<'a>(words: &[&'a str], head: &str) -> Vec<&'a str> {
    words.iter().copied().filter(|word| word.starts_with(head)).collect()
}

fn cell<T: std::str::FromStr + Ord>(
    row: &mut Row<'_>,
    list: &str,
    valid: &[&str],
    f: &mut Findings,
) -> Cell<T> {
    let (column, text) = row.next();
    if text == "*" {
        return Cell::Any;
    }
    let mut words = BTreeSet::new();
    for word in text.split('|').filter(|_| text != "-") {
        if let Some(word) = row.one(column, word, list, valid, f)
            && !words.insert(word)
        {
            row.bad("E09", format!("column {column}: a word stands twice."), f);
        }
    }
    Cell::These(words)
}

fn list<T: std::str::FromStr + Ord>(
    row: &mut Row<'_>,
    list: &str,
    valid: &[&str],
    f: &mut Findings,
) -> BTreeSet<T> {
    let (column, text) = row.next();
    if text == "-" {
        return BTreeSet::new();
    }
    text.split('|').filter_map(|word| row.one(column, word, list, valid, f)).collect()
}

fn optional<T: std::str::FromStr>(
    row: &mut Row<'_>,
    list: &str,
    valid: &[&str],
    f: &mut Findings,
) -> Option<T> {
    let (column, text) = row.next();
    if text == "-" { None } else { row.one(column, text, list, valid, f) }
}

/// The categories; `group/*` is written out, also in the cells that casbin gets.
fn categories(
    row: &mut Row<'_>,
    cells: &mut [String],
    words: &Words,
    f: &mut Findings,
) -> Cell<CategoryId> {
    let (column, text) = row.next();
    if text == "*" {
        return Cell::Any;
    }
    let valid = keys(&words.categories);
    let mut found: Vec<CategoryId> = Vec::new();
    for word in text.split('|') {
        if let Some(group) = word.strip_suffix("/*") {
            let of_group: Vec<&CategoryId> = words
                .categories
                .keys()
                .filter(|c| c.as_str().split('/').next() == Some(group))
                .collect();
            if of_group.is_empty() {
                row.one::<CategoryId>(column, word, "words/categories.csv", &valid, f);
            }
            found.extend(of_group.into_iter().cloned());
        } else {
            found.extend(row.one::<CategoryId>(column, word, "words/categories.csv", &valid, f));
        }
    }
    let set: BTreeSet<CategoryId> = found.iter().cloned().collect();
    if set.len() != found.len() {
        row.bad("E09", format!("column {column}: a category stands twice."), f);
    }
    let written: Vec<&str> = found.iter().map(AsWord::word).collect();
    if let Some(cell) = cells.get_mut(CATEGORY) {
        *cell = written.join("|");
    }
    Cell::These(set)
}

fn only(
    row: &mut Row<'_>,
    words: &Words,
    categories: &Cell<CategoryId>,
    f: &mut Findings,
) -> BTreeSet<Only> {
    let (column, text) = row.next();
    let mut out = BTreeSet::new();
    if text == "-" {
        return out;
    }
    let fields = keys(&words.fields);
    let flags = keys(&words.flags);
    for word in text.split('|') {
        let one = if let Some(letter) = word.strip_prefix("letter:") {
            let letter = row.one::<char>(
                column,
                letter,
                "the letters of words/fields.csv",
                &["s", "c", "p", "l", "t", "x"],
                f,
            );
            letter.map(Only::Letter)
        } else if let Some(flag) = word.strip_prefix("bar:") {
            row.one(column, flag, "words/flags.csv", &flags, f).map(Only::Bar)
        } else {
            row.one::<FieldId>(column, word, "words/fields.csv", &fields, f).map(Only::Field)
        };
        if let Some(Only::Field(field)) = &one
            && !field.category().is_some_and(|category| categories.has(category))
        {
            let message = format!("column {column}: {field} is of no category of the row.");
            row.bad("E10", message, f);
        }
        out.extend(one);
    }
    out
}

fn when(row: &mut Row<'_>, words: &Words, f: &mut Findings) -> BTreeSet<When> {
    let (column, text) = row.next();
    let mut out = BTreeSet::new();
    for word in text.split('|').filter(|word| *word != "-" || text != "-") {
        let one = match word {
            "child" => Some(When::Child),
            "parent" => Some(When::Parent),
            "factors" => Some(When::Factors),
            "notice" => Some(When::Notice),
            other => match other.strip_prefix("flag:") {
                Some(flag) => {
                    row.one(column, flag, "words/flags.csv", &keys(&words.flags), f).map(When::Flag)
                }
                None => {
                    let valid = ["child", "parent", "factors", "notice", "flag:NAME"];
                    row.one::<String>(column, other, "the conditions", &valid, f);
                    None
                }
            },
        };
        out.extend(one);
    }
    out
}

fn despite(row: &mut Row<'_>, f: &mut Findings) -> Cell<Despite> {
    let (column, text) = row.next();
    if text == "*" {
        return Cell::Any;
    }
    let mut out = BTreeSet::new();
    for word in text.split('|').filter(|_| text != "-") {
        match word {
            "after-death" => out.insert(Despite::AfterDeath),
            "bulk" => out.insert(Despite::Bulk),
            "online" => out.insert(Despite::Online),
            other => {
                let valid = ["after-death", "bulk", "online"];
                row.one::<String>(column, other, "the words of this column", &valid, f);
                false
            }
        };
    }
    Cell::These(out)
}

fn ground(row: &mut Row<'_>, f: &mut Findings) -> Option<Ground> {
    let (column, text) = row.next();
    match text {
        "-" => None,
        "ordinary" => Some(Ground::Ordinary),
        "care" => Some(Ground::Care),
        "statute" => Some(Ground::Statute),
        "threshold" => Some(Ground::Threshold),
        "override" => Some(Ground::Override),
        "holder" => Some(Ground::Holder),
        "order" => Some(Ground::Order),
        other => {
            if let Some(kind) = other.strip_prefix("consent:") {
                let kinds: Vec<&str> = ConsentKind::ALL.iter().map(|k| k.as_str()).collect();
                return row
                    .one(column, kind, "words/consent-kinds.csv", &kinds, f)
                    .map(Ground::Consent);
            }
            let valid = [
                "ordinary",
                "care",
                "statute",
                "threshold",
                "override",
                "holder",
                "order",
                "consent:KIND",
            ];
            let grounds = format!("the grounds ({})", valid.join(", "));
            row.one::<String>(column, other, &grounds, &valid, f);
            None
        }
    }
}

fn choices(row: &mut Row<'_>, f: &mut Findings) -> BTreeSet<ChoiceForce> {
    let (column, text) = row.next();
    let mut out = BTreeSet::new();
    let mut valid: Vec<&str> = ChoiceKind::ALL.iter().map(|kind| kind.as_str()).collect();
    valid.push("label");
    for word in text.split('|').filter(|_| text != "-") {
        if word == "label" {
            out.insert(ChoiceForce::Label);
        } else {
            let kind = row.one::<ChoiceKind>(column, word, "words/choices.csv", &valid, f);
            out.extend(kind.map(ChoiceForce::Stops));
        }
    }
    if out.contains(&ChoiceForce::Label) && out.contains(&ChoiceForce::Stops(ChoiceKind::Art18)) {
        row.bad("E10", format!("column {column}: label and art18 exclude each other."), f);
    }
    out
}

/// An allow row is one whole path: nothing of it may be left open.
fn allow_row(rule: &Rule, row: &Row<'_>, words: &Words, agreements: &Agreements, f: &mut Findings) {
    let mut bad = |code, message: &str| row.bad(code, message.to_owned(), f);
    if rule.agencies == Cell::Any || rule.roles == Cell::Any || rule.purposes == Cell::Any {
        bad("E45", "an allow row names its agencies, roles and purposes: no *.");
    }
    if rule.categories == Cell::Any && rule.ground != Some(Ground::Order) {
        bad("E45", "an allow row names its categories: * is for the ground order only.");
    }
    if rule.despite == Cell::Any || rule.overrides == Cell::Any {
        bad("E45", "an allow row names what it covers in the columns despite and overrides: no *.");
    }
    if names_nobody(rule) {
        bad("E40", "an allow row names somebody, a role and a purpose: no -.");
    }
    if rule.code.is_some() {
        bad("E20", "an allow row has no code: write -.");
    }
    if rule.only.iter().any(|only| !matches!(only, Only::Field(_))) {
        bad("E20", "an allow row lists fields by name, not by letter or bar.");
    }
    if rule.when.iter().any(|when| matches!(when, When::Flag(_))) {
        bad("E20", "an allow row cannot depend on a flag.");
    }
    if rule.ground.is_none() {
        bad("E24", "an allow row has a ground.");
    }
    let Some(gateway) = &rule.gateway else {
        bad("E20", "an allow row names its gateway.");
        return;
    };
    if words.gateways.get(gateway).is_some_and(|g| g.kind == GatewayKind::Exemption) {
        bad("E20", "an exemption is never a power: name the gateway.");
    }
    let Some(art6) = &rule.art6 else {
        bad("E20", "an allow row names its Art 6 basis.");
        return;
    };
    let recipients: Vec<_> =
        words.agencies.iter().filter(|(id, _)| rule.agencies.has(*id)).collect();
    let closed = words.bases.get(art6).is_some_and(|basis| !basis.open_to_public_authority);
    for (id, _) in recipients.iter().filter(|(_, agency)| closed && agency.public_authority) {
        bad("E21", &format!("basis {art6} is closed to {id}, a public authority."));
    }
    let listed: Vec<_> = words.fields.iter().filter(|(id, about)| rule.lists(id, about)).collect();
    if listed.iter().any(|(_, about)| about.special) && rule.art9.is_empty() {
        bad("E23", "lists special category data without an Art 9 condition.");
    }
    if listed.iter().any(|(_, about)| about.criminal) && rule.art10.is_empty() {
        bad("E23", "lists criminal data without a Sch 1 condition.");
    }
    if listed.iter().any(|(_, about)| about.cpi) && rule.ground == Some(Ground::Ordinary) {
        bad("E24", "lists confidential patient information on the ground ordinary.");
    }
    if let Some(agreement) = rule.agreement.as_ref().and_then(|id| agreements.get(id)) {
        for (id, _) in recipients.iter().filter(|(id, _)| !agreement.parties.contains(*id)) {
            bad("E30", &format!("{id} is no party to the agreement."));
        }
        let covered = |id: &&crate::domain::PurposeId| rule.purposes.has(*id);
        for purpose in words.purposes.keys().filter(covered) {
            if !agreement.purposes.contains(purpose) {
                bad("E30", &format!("the agreement is not for {purpose}."));
            }
        }
    }
}

/// `group/*` over special data: a category that joins the group later would be open unseen.
fn whole_groups(written: &str, row: &Row<'_>, words: &Words, f: &mut Findings) {
    for group in written.split('|').filter_map(|word| word.strip_suffix("/*")) {
        let special = words
            .fields
            .values()
            .any(|about| about.special && about.category.as_str().split('/').next() == Some(group));
        if special {
            let message = format!(
                "column category: \"{group}/*\" takes in special category data, and whatever joins \
                 {group} later. Name its categories one by one."
            );
            row.bad("E45", message, f);
        }
    }
}

/// A `-` where a row must speak of somebody: it would never match.
fn names_nobody(rule: &Rule) -> bool {
    rule.agencies == Cell::These(BTreeSet::new())
        || rule.roles == Cell::These(BTreeSet::new())
        || rule.purposes == Cell::These(BTreeSet::new())
}

/// A deny row stops whatever it speaks of, whatever else is the case.
fn deny_row(rule: &Rule, row: &Row<'_>, f: &mut Findings) {
    let mut bad = |message: &str| row.bad("E20", message.to_owned(), f);
    if rule.code.is_none() {
        bad("a deny row names the code with which it refuses.");
    }
    if rule.despite != Cell::Any || rule.overrides != Cell::Any {
        bad("a deny row has * in the columns despite and overrides: nothing beats it.");
    }
    if names_nobody(rule) {
        bad("a deny row speaks of somebody, a role and a purpose, or of all (*): no -.");
    }
    let gates = rule.gateway.is_some()
        || rule.art6.is_some()
        || rule.ground.is_some()
        || rule.agreement.is_some()
        || !rule.art9.is_empty()
        || !rule.art10.is_empty()
        || !rule.choices.is_empty()
        || !rule.duties.is_empty();
    if gates {
        bad(
            "a deny row has - in the columns gateway to choices and in duties: they would weaken it.",
        );
    }
    if rule.when.iter().any(|when| !matches!(when, When::Flag(_))) {
        bad("a deny row may depend on a flag only.");
    }
}
