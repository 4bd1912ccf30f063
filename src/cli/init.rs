//! `weir init`: an empty place. The words of the law are there, one agency and no rule: everything is refused
//! until somebody writes what may be shared.

use std::path::{Path, PathBuf};

use super::Outcome;
use crate::auth::issuer::{DEVELOPMENT, DevelopmentIssuer};
use crate::domain::AgencyId;
use crate::policy::load::load;

/// Files that a new place takes as they are shipped.
const AS_SHIPPED: &[(&str, &str)] = &[
    ("model.conf", include_str!("../../policies/model.conf")),
    ("conditions.toml", include_str!("../../policies/conditions.toml")),
    ("README.md", include_str!("../../policies/README.md")),
    ("notices/adult-enquiry.toml", include_str!("../../policies/notices/adult-enquiry.toml")),
    ("notices/befriending.toml", include_str!("../../policies/notices/befriending.toml")),
    ("notices/blue-badge-check.toml", include_str!("../../policies/notices/blue-badge-check.toml")),
    (
        "notices/discharge-planning.toml",
        include_str!("../../policies/notices/discharge-planning.toml"),
    ),
    ("notices/early-help.toml", include_str!("../../policies/notices/early-help.toml")),
    ("notices/fire-home-visit.toml", include_str!("../../policies/notices/fire-home-visit.toml")),
    (
        "notices/homelessness-referral.toml",
        include_str!("../../policies/notices/homelessness-referral.toml"),
    ),
    ("notices/medical-priority.toml", include_str!("../../policies/notices/medical-priority.toml")),
    (
        "notices/school-health-plan.toml",
        include_str!("../../policies/notices/school-health-plan.toml"),
    ),
    ("notices/youth-portal.toml", include_str!("../../policies/notices/youth-portal.toml")),
    ("rules/00-never.csv", include_str!("../../policies/rules/00-never.csv")),
    ("words/bases.csv", include_str!("../../policies/words/bases.csv")),
    ("words/choices.csv", include_str!("../../policies/words/choices.csv")),
    ("words/codes.csv", include_str!("../../policies/words/codes.csv")),
    ("words/consent-kinds.csv", include_str!("../../policies/words/consent-kinds.csv")),
    ("words/consent-states.csv", include_str!("../../policies/words/consent-states.csv")),
    ("words/duties.csv", include_str!("../../policies/words/duties.csv")),
    ("words/fields.csv", include_str!("../../policies/words/fields.csv")),
    ("words/flags.csv", include_str!("../../policies/words/flags.csv")),
    ("words/givers.csv", include_str!("../../policies/words/givers.csv")),
    ("words/outcomes.csv", include_str!("../../policies/words/outcomes.csv")),
    ("words/overrides.csv", include_str!("../../policies/words/overrides.csv")),
    ("words/purposes.csv", include_str!("../../policies/words/purposes.csv")),
    ("words/referrals.csv", include_str!("../../policies/words/referrals.csv")),
    ("words/requests.csv", include_str!("../../policies/words/requests.csv")),
    ("words/retention.csv", include_str!("../../policies/words/retention.csv")),
    ("words/reviews.csv", include_str!("../../policies/words/reviews.csv")),
    ("words/roles.csv", include_str!("../../policies/words/roles.csv")),
    ("words/visibility.csv", include_str!("../../policies/words/visibility.csv")),
];

/// What `weir init` is told.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Where; must be empty or not there.
    pub dir: PathBuf,
    /// The name of the place.
    pub name: String,
    /// The agency that runs the hub.
    pub agency: String,
    /// Its kind, such as `council`.
    pub kind: String,
    /// Its nation.
    pub nation: String,
    /// The zone whose days count.
    pub zone: String,
    /// The first operator, as the issuer names them.
    pub operator: String,
    /// Where the hub is to listen.
    pub listen: std::net::SocketAddr,
}

/// Makes an empty place.
#[must_use]
pub fn run(wish: &Wish) -> Outcome {
    match made(wish) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn made(wish: &Wish) -> Result<String, String> {
    let dir = &wish.dir;
    let shown = dir.display();
    wish.agency
        .parse::<AgencyId>()
        .map_err(|_| "--agency must be small letters, digits and hyphens".to_owned())?;
    for (flag, text) in [("--name", &wish.name), ("--kind", &wish.kind), ("--nation", &wish.nation)]
    {
        let plain = |c: char| c.is_alphanumeric() || " '-.".contains(c);
        if text.trim().is_empty() || !text.chars().all(plain) {
            return Err(format!("{flag} must be letters, digits, spaces, and ' - ."));
        }
    }
    let there = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if there {
        return Err(format!("{shown}: is not empty. Name a new folder: nothing is overwritten."));
    }
    // Held against the loader before anything is written: there is no half a place.
    let files = files(wish);
    let bytes = files.iter().map(|(name, text)| ((*name).to_owned(), text.clone().into_bytes()));
    if let Err(findings) = load(&bytes.collect()) {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        return Err(format!("the new place would not load:\n{}", lines.join("\n")));
    }
    let policies = dir.join("policies");
    for (name, text) in files {
        write(&policies.join(name), &text)?;
    }
    DevelopmentIssuer::open(&dir.join("issuer")).map_err(|e| format!("{shown}/issuer: {e}"))?;
    write(&dir.join("weir.toml"), &configuration(wish))?;
    let (name, agency, operator) = (&wish.name, &wish.agency, &wish.operator);
    Ok(format!(
        "{name} is in {shown}: one agency, no rule, everything refused.\n\n  \
         weir policy check {shown}/policies\n  \
         weir serve --config {shown}/weir.toml\n  \
         weir token issue --issuer-dir {shown}/issuer --agency {agency} --person {operator} \
         --role hub-board\n\n\
         docs/guide-operators.md leads from here to a first agency, agreement and permit."
    ))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    std::fs::write(path, text).map_err(wrong)
}

/// What must always be possible names agencies and rules, which an empty place does not have.
fn never_only(promises: &str) -> String {
    let lines = || promises.lines().filter(|l| !l.starts_with("always") && !l.starts_with("# end"));
    let count = lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).count();
    let text: Vec<&str> = lines().collect();
    format!("{}\n# end {count} rows\n", text.join("\n"))
}

/// The policy folder of an empty place.
fn files(wish: &Wish) -> Vec<(&'static str, String)> {
    let Wish { name, agency, kind, nation, zone, .. } = wish;
    let mut files: Vec<(&'static str, String)> =
        AS_SHIPPED.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
    let place = format!(
        "# The place whose rule book this is.\nname = \"{name}\"\n# Days are days in this zone.\n\
         zone = \"{zone}\"\n"
    );
    let agencies = format!(
        "id,name,type,nation,public_authority,controller,involvement\n\
         {agency},{name},{kind},{nation},yes,{agency},open\n"
    );
    let start = format!(
        "# Before there is a rule, nobody is told anything. This case goes when the first rule comes.\n\n\
         [[scenario]]\nid = \"start\"\ntitle = \"Nobody is told anything\"\n\
         why = \"There is no rule\"\n\
         given.requester = {{ agency = \"{agency}\", role = \"social-worker\" }}\n\
         given.registered = []\n\
         ask = {{ from = \"{agency}\", purpose = \"direct_care\", fields = [\"identity/core.name\"] }}\n\
         want = {{ outcome = \"DENY\", codes = [\"LAW_NO_GATEWAY\"] }}\n"
    );
    files.push(("promises.csv", never_only(include_str!("../../policies/promises.csv"))));
    files.push(("place.toml", place));
    files.push(("words/agencies.csv", agencies));
    files.push(("scenarios/start.toml", start));
    let words = |text: &str| text.to_owned();
    // The agencies of the reference place are not here: who may record a fact, its function says.
    let facts = edited(include_str!("../../policies/words/facts.csv"), |cells| {
        if let Some(agencies) = cells.get_mut(2)
            && agencies != "own"
        {
            *agencies = words("any");
        }
        true
    });
    files.push(("words/facts.csv", facts));
    let categories = edited(include_str!("../../policies/words/categories.csv"), |cells| {
        if let Some(holder) = cells.get_mut(1) {
            *holder = words("any");
        }
        true
    });
    files.push(("words/categories.csv", categories));
    // Agencies of the reference place have names for residents; those of this one come with them.
    let told = edited(include_str!("../../policies/words/told.csv"), |cells| {
        cells.first().is_none_or(|what| !what.starts_with("agency:"))
    });
    files.push(("words/told.csv", told));
    // Its address, and whom residents reach, the place says itself: `weir policy check` asks for it.
    let parties =
        format!("id,name,address,contact,type,storage,retention\n{agency},{name},,,{kind},,\n");
    files.push(("words/parties.csv", parties));
    // A gateway of another nation, or one that is closed to types of agencies, comes when there are such
    // agencies.
    let gateways = edited(include_str!("../../policies/words/gateways.csv"), |cells| {
        let open = cells.get(9).is_some_and(String::is_empty);
        match cells.get_mut(4) {
            Some(nations) if open && nations.split('|').any(|one| one == nation) => {
                nation.clone_into(nations);
                true
            }
            Some(_) | None => false,
        }
    });
    files.push(("words/gateways.csv", gateways));
    files
}

/// A table with its rows changed; those for which `keep` says no are left out.
fn edited(text: &str, mut keep: impl FnMut(&mut Vec<String>) -> bool) -> String {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (n, record) in reader.records().flatten().enumerate() {
        let mut cells: Vec<String> = record.iter().map(str::to_owned).collect();
        if n == 0 || keep(&mut cells) {
            // Into memory, and as many cells as were read.
            let _ = writer.write_record(&cells);
        }
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn configuration(wish: &Wish) -> String {
    let Wish { agency, listen, .. } = wish;
    format!(
        r#"# The hub's own configuration; config/weir.example.toml explains every key. Paths are relative to this file.
# development accepts the issuer that was made beside this file; production wants each agency's own.
mode = "development"
listen = "{listen}"
data_dir = "data"
policies_dir = "policies"
# The name of the audit log; it is part of every signed head and must never change.
audit_origin = "{agency}/weir/audit"

[[issuer]]
issuer = "{DEVELOPMENT}{agency}"
agency = "{agency}"
audience = "urn:weir:hub"
algorithm = "ES256"
jwks_file = "issuer/jwks.json"
role_claim = "roles"
roles = {{}}
functions = {{ "hub-board" = "board", "hub-operator" = "operator", "hub-registrar" = "registrar", "hub-staff-manager" = "staff-manager", "hub-case-allocator" = "case-allocator", "hub-register-clerk" = "register-clerk", "hub-auditor" = "auditor" }}

# Here an edit of a policy comes into force unsigned. Production wants true, and a [[policy.key]] for each approver:
# `weir policy keygen FILE` makes a key and prints what to enter below.
[policy]
require_approval = false

# The newest signed head of the audit log, outside data_dir and not in its backups: an older copy of the log is found
# out at the next start.
[audit]
lock = "data.audit-lock"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(dir: &Path) -> Wish {
        Wish {
            dir: dir.to_owned(),
            name: "Westmere".to_owned(),
            agency: "westmere-council".to_owned(),
            kind: "council".to_owned(),
            nation: "England".to_owned(),
            zone: "Europe/London".to_owned(),
            operator: "operator-1".to_owned(),
            listen: "127.0.0.1:50061".parse().unwrap(),
        }
    }

    #[test]
    fn an_empty_place_loads_and_refuses_everything() {
        let dir = tempfile::tempdir().unwrap();
        let made = run(&wish(&dir.path().join("town")));
        assert_eq!(made.exit, 0, "{}", made.text);
        let policies = dir.path().join("town/policies");
        let book = crate::policy::load::load_dir(&policies).unwrap();
        assert!(book.agreements.is_empty() && book.gateways.len() > 10);
        assert!(book.rules.iter().all(|rule| rule.effect == crate::policy::book::Effect::Deny));
        let tested = super::super::policy::test(&policies, &[]);
        assert_eq!(tested.exit, 0, "{}", tested.text);
    }

    #[test]
    fn nothing_is_overwritten_and_a_wrong_word_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine"), "x").unwrap();
        let made = run(&wish(dir.path()));
        assert!(made.exit == 2 && made.text.contains("is not empty"), "{}", made.text);
        let town = dir.path().join("town");
        for (wish, flag) in [
            (Wish { agency: "West Mere".to_owned(), ..wish(&town) }, "--agency"),
            (Wish { name: "West\"mere".to_owned(), ..wish(&town) }, "--name"),
            (Wish { nation: String::new(), ..wish(&town) }, "--nation"),
        ] {
            let made = run(&wish);
            assert!(made.exit == 2 && made.text.contains(flag), "{}", made.text);
            assert!(!town.exists(), "half a place");
        }
        let made = run(&Wish { zone: "Europe/Lundon".to_owned(), ..wish(&town) });
        assert!(made.exit == 2 && made.text.contains("Europe/Lundon"), "{}", made.text);
        assert!(!town.exists(), "half a place");
    }

    /// Whatever the shipped folder has, a new place has or leaves out on purpose.
    #[test]
    fn every_shipped_file_of_words_and_notices_is_taken() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let town = wish(Path::new("town"));
        let taken: Vec<&str> = files(&town).iter().map(|(path, _)| *path).collect();
        for folder in ["words", "notices"] {
            for file in std::fs::read_dir(root.join(folder)).unwrap() {
                let name = format!("{folder}/{}", file.unwrap().file_name().to_string_lossy());
                assert!(taken.contains(&name.as_str()), "{name}");
            }
        }
    }
}
