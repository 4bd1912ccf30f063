//! The command line: words in, exit code out. 0 ok, 1 finding, 2 usage or failure.

pub mod audit;
pub mod backup;
pub mod bench;
pub mod config;
pub mod demo;
pub mod due;
pub mod erase;
pub mod facts;
pub mod import;
pub mod init;
pub mod keys;
pub mod ndo;
pub mod policy;
pub mod proofs;
pub mod serve;
pub mod witness;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::app::DataFolder;
use crate::clock::{SampleClock, SharedClock, SystemClock};

/// Weir: a local information-sharing hub.
#[derive(Parser)]
#[command(name = "weir", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What a data protection officer runs after an edit.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Proof that the access log is whole.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Makes an empty place: words, one agency, no rule, a configuration, keys and a first operator.
    #[command(after_help = "Example: weir init town --name Westmere --agency westmere-council")]
    Init {
        /// The folder; must be empty or not there.
        dir: PathBuf,
        /// The name of the place.
        #[arg(long)]
        name: String,
        /// The agency that runs the hub: small letters, digits and hyphens.
        #[arg(long)]
        agency: String,
        /// The kind of that agency.
        #[arg(long, default_value = "council")]
        kind: String,
        /// Its nation.
        #[arg(long, default_value = "England")]
        nation: String,
        /// The zone whose days count.
        #[arg(long, default_value = "Europe/London")]
        zone: String,
        /// The first operator.
        #[arg(long, default_value = "operator-1")]
        operator: String,
        /// Where the hub is to listen.
        #[arg(long, default_value = "127.0.0.1:50061")]
        listen: std::net::SocketAddr,
    },
    /// Lists everything that falls due, by agency and by who there sees to it, in a data folder that no hub has
    /// open. Exit code 1 where something is late.
    #[command(
        after_help = "Example: weir due --data weir-data --agency oakdale-gp --whose rights-officer --within 14"
    )]
    Due {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
        /// Which of it.
        #[command(flatten)]
        wanted: due::Wanted,
    },
    /// Copies a data folder as of one moment, beside a hub that goes on, and verifies the copy. The hub key is not in it.
    #[command(after_help = "Example: weir backup --data weir-data --out /backup/2026-05-02")]
    Backup {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The folder of the copy; must be empty or not there.
        #[arg(long)]
        out: PathBuf,
    },
    /// Erases a resident, in a data folder that no hub has open. Cannot be taken back; the log stays whole.
    #[command(
        after_help = "Example: weir erase residents/018f… --data weir-data --authority DPO-2026-17 \
                      --because \"UK GDPR 17(1)(d): registered without a basis\""
    )]
    Erase {
        /// The resident, `residents/` and the id.
        resident: String,
        #[command(flatten)]
        on: OnAuthority,
    },
    /// What keeps residents from being erased.
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Makes a data folder of a copy that `weir backup` made, whole and verified or not at all. Exit code 1: it is
    /// older than what the log's lock has seen.
    #[command(after_help = "Example: weir restore --from /backup/2026-05-02 --data weir-data")]
    Restore {
        /// The folder of the copy.
        #[arg(long)]
        from: PathBuf,
        /// The data folder; must be empty or not there.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// The log's lock; without it, DIR.audit-lock beside the data folder.
        #[arg(long)]
        lock: Option<PathBuf>,
    },
    /// The hub's configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Runs the hub.
    #[command(after_help = "Example: weir serve --config weir.toml")]
    Serve {
        /// The configuration; see config/weir.example.toml.
        #[arg(long, default_value = "weir.toml")]
        config: PathBuf,
    },
    /// Signs, as another than the hub, that the hub's log only grew: what a partner agency runs.
    Witness(witness::WitnessArguments),
    /// The keys that what is stored is under.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Records on the shelf.
    #[command(subcommand)]
    Records(RecordsCommand),
    /// Facts that decisions rely on: staff, relationships, circumstances.
    #[command(subcommand)]
    Facts(FactsCommand),
    /// Checks with the National Data Opt-out service, by exchange of lists.
    #[command(subcommand)]
    Ndo(NdoCommand),
    /// Tokens of a development issuer, for trying things out.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Measures the hub over a real socket, beside a bare echo and beside one commit for each
    /// request.
    #[command(after_help = "Example: weir bench --seconds 10 --in-flight 64 --json")]
    Bench {
        /// How long each part is measured, 1 to 300.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Calls under way at once, 1 to 1024.
        #[arg(long, default_value_t = 64)]
        in_flight: usize,
        /// Print one JSON object and nothing else.
        #[arg(long)]
        json: bool,
        /// The data folder; must be empty or not there. Where it is not named, one is made here and
        /// removed again.
        #[arg(long)]
        data: Option<PathBuf>,
        /// The policy folder.
        #[arg(long, default_value = "policies")]
        policies: PathBuf,
    },
    /// Starts a hub with a synthetic place and walks through its story over real gRPC.
    #[command(after_help = "Example: weir demo --exit")]
    Demo {
        /// End after the story; exit code 0 only if each step went as told and the log verifies.
        #[arg(long)]
        exit: bool,
        /// The data folder; must be empty or not there.
        #[arg(long)]
        data: Option<PathBuf>,
        /// The policy folder.
        #[arg(long, default_value = "policies")]
        policies: PathBuf,
        /// The port on the loopback address.
        #[arg(long, default_value_t = 50_061)]
        port: u16,
    },
}

/// On whose word something is done to what is kept about a resident.
#[derive(clap::Args)]
struct OnAuthority {
    /// The data folder.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
    /// The file of the hub key; without it, DIR.hub-key beside the data folder.
    #[arg(long)]
    hub_key_file: Option<PathBuf>,
    /// The reference of who decided.
    #[arg(long)]
    authority: String,
    /// The legal basis, and why.
    #[arg(long)]
    because: String,
}

impl OnAuthority {
    fn done(self, resident: &str, wish: &erase::Wish) -> Outcome {
        let folder = DataFolder::with_key(&self.data, self.hub_key_file.as_deref());
        let authority = crate::hub::Authority { reference: self.authority, because: self.because };
        erase::run(&folder, resident, authority, wish)
    }
}

#[derive(Subcommand)]
enum HoldCommand {
    /// Keeps a resident from being erased until the hold with this reference is lifted.
    #[command(
        after_help = "Example: weir hold place residents/018f… --authority INQUEST-12 --because \"Inquest opened\""
    )]
    Place {
        /// The resident, `residents/` and the id.
        resident: String,
        #[command(flatten)]
        on: OnAuthority,
    },
    /// Lifts the hold with this reference.
    #[command(
        after_help = "Example: weir hold lift residents/018f… --authority INQUEST-12 --because \"Inquest closed\""
    )]
    Lift {
        /// The resident, `residents/` and the id.
        resident: String,
        #[command(flatten)]
        on: OnAuthority,
    },
    /// Lists the holds.
    #[command(after_help = "Example: weir hold list --data weir-data")]
    List {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Makes a hub key in a file that is not there yet. Keep it apart from the data folder.
    #[command(after_help = "Example: weir keys new /etc/weir/hub-key")]
    New {
        /// The file.
        file: PathBuf,
    },
    /// Opens every key and every sealed slot of a data folder that no hub has open.
    #[command(after_help = "Example: weir keys check --data weir-data --hub-key-file hub-key")]
    Check {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
    },
    /// Wraps all keys anew under a new hub key, which is made when it is not there. All or none; run it
    /// again when it was cut off.
    #[command(after_help = "Example: weir keys rotate --data weir-data --hub-key-file hub-key \
                      --new-hub-key-file hub-key-2027")]
    Rotate {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// The file of the new hub key.
        #[arg(long)]
        new_hub_key_file: PathBuf,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Shows what a configuration comes to and where each value is from, and whether the hub could start
    /// with it. Shows no secret.
    #[command(after_help = "Example: weir config check --config weir.toml")]
    Check {
        /// The configuration.
        #[arg(long, default_value = "weir.toml")]
        config: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum RecordsCommand {
    /// Imports an agency's extract, whole or not at all, into a data folder that no hub has open.
    #[command(after_help = "Example: weir records import --data weir-data --agency oakdale-gp \
                      --category health/summary --expires 2026-12-31 extract.csv\n\nA CSV file begins with the columns \
                      local_id and field names of the category; an NDJSON file holds one object a row.")]
    Import {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The policy folder, for the words.
        #[arg(long, default_value = "policies")]
        policies: PathBuf,
        /// The holder.
        #[arg(long)]
        agency: String,
        /// The category.
        #[arg(long)]
        category: String,
        /// The last day on which the records are released, such as 2026-12-31; at most 400 days away.
        #[arg(long)]
        expires: String,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// The file, .csv or .ndjson.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum NdoCommand {
    /// Writes the NHS numbers to be checked, one a line, from a data folder that no hub has open.
    #[command(after_help = "Example: weir ndo request --data weir-data --out numbers.dat")]
    Request {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The policy folder, for its figures.
        #[arg(long, default_value = "policies")]
        policies: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// Where to; must not be there.
        #[arg(long)]
        out: PathBuf,
    },
    /// Takes in the list that came back, whole or not at all, into a data folder that no hub has open.
    #[command(after_help = "Example: weir ndo apply --data weir-data --reference \
                      01997c5e-0000-7000-8000-000000000000 returned.dat")]
    Apply {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The policy folder, for its figures.
        #[arg(long, default_value = "policies")]
        policies: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// The reference that `weir ndo request` printed.
        #[arg(long)]
        reference: String,
        /// How many lines the service says that it sent; another number is refused.
        #[arg(long)]
        count: Option<usize>,
        /// The list: NHS numbers of those who have not opted out, one a line.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum FactsCommand {
    /// Imports facts, whole or not at all, into a data folder that no hub has open.
    #[command(after_help = "Example: weir facts import --data weir-data staff.ndjson\n\
                      Example: weir facts import --data weir-data --mapping staff.toml staff.csv\n\nA row: \
                      {\"fact\":\"staff\",\"agency\":\"oakdale-gp\",\"person\":\"gp-1\",\
                      \"training_until\":\"2026-12-31\",\"interests_declared\":\"2026-04-01\"}\n\
                      docs/FACTS.md has all kinds, and how a mapping is written.")]
    Import {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The policy folder, for the words.
        #[arg(long, default_value = "policies")]
        policies: PathBuf,
        /// Which column of the extract is which key of a fact; without it, the file has one JSON
        /// object a line.
        #[arg(long)]
        mapping: Option<PathBuf>,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// The file.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Signs a token; makes the issuer's key in the folder when there is none.
    #[command(
        after_help = "Example: weir token issue --issuer-dir demo-data/1/issuer --agency oakdale-gp \
                      --person gp-1 --role gp --at 2026-07-15T10:00:00+01:00"
    )]
    Issue {
        /// The issuer's folder.
        #[arg(long)]
        issuer_dir: PathBuf,
        /// The agency.
        #[arg(long)]
        agency: String,
        /// The person.
        #[arg(long)]
        person: String,
        /// The acting role, or a function such as hub-auditor; may be repeated.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// The resident who is logged in at a portal, `residents/` and the id; with
        /// `--role hub-resident-portal` and no other role.
        #[arg(long)]
        resident: Option<String>,
        /// Good for so many minutes.
        #[arg(long, default_value_t = 10)]
        minutes: i64,
        /// The time of issue; now where not said.
        #[arg(long)]
        at: Option<String>,
        /// A configuration; one for production refuses.
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Verifies the log of a data folder, without a running hub.
    #[command(after_help = "Example: weir audit verify --data weir-data")]
    Verify {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// A verifier key that you have kept; without it, the one in the folder.
        #[arg(long)]
        key: Option<String>,
        /// SIZE:ROOT that an earlier verification printed and you have kept, or the file of a checkpoint:
        /// the log may only have grown since. May be repeated: then it also grew from the one to the other.
        #[arg(long)]
        kept: Vec<String>,
        /// The log's lock; without it, DIR.audit-lock beside the data folder, if it is there.
        #[arg(long)]
        lock: Option<PathBuf>,
        /// The folder of an export instead, made by `weir audit export`. Needs no data folder when a key is given.
        #[arg(long, conflicts_with_all = ["kept", "lock"])]
        export: Option<PathBuf>,
        /// A receipt instead, as `check-receipt` does it. Needs no data folder when a key is given.
        #[arg(long, conflicts_with_all = ["kept", "lock", "export"])]
        receipt: Option<PathBuf>,
    },
    /// Says what of the log is past its time, by year and kind and by words/retention.csv of the policy in force, in
    /// a data folder that no hub has open; and destroys its keys when told so.
    #[command(after_help = "Example: weir audit retain --data weir-data --as-of 2035-01-01")]
    Retain {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// The day that counts, such as 2035-01-01; without it, today.
        #[arg(long)]
        as_of: Option<String>,
        /// Destroy the keys of what is due. Cannot be taken back.
        #[arg(long)]
        destroy: bool,
    },
    /// Goes on with an older copy of the log, or without its lock, knowingly. That stays in the log.
    #[command(after_help = "Example: weir audit accept-rollback --data weir-data --because \
                      \"The disk was lost on 3 May; this is the backup of 2 May\"")]
    AcceptRollback {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// The log's lock; without it, DIR.audit-lock beside the data folder.
        #[arg(long)]
        lock: Option<PathBuf>,
        /// Why, and who decided so.
        #[arg(long)]
        because: String,
    },
    /// Goes on though a witness has seen another log, knowingly, in a data folder that no hub has open. That
    /// stays in the log.
    #[command(after_help = "Example: weir audit accept-split --data weir-data --because \
                      \"The copy of 3 May was put back; the board knows\"")]
    AcceptSplit {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// The log's lock; without it, DIR.audit-lock beside the data folder.
        #[arg(long)]
        lock: Option<PathBuf>,
        /// Why, and who decided so.
        #[arg(long)]
        because: String,
    },
    /// Writes a head of the log, with what witnesses signed, to be published where the hub cannot rewrite it.
    /// A file that is there is not overwritten.
    #[command(after_help = "Example: weir audit anchor --data weir-data --out anchor.txt")]
    Anchor {
        /// The data folder; a hub may have it open.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file; without it, it is printed.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// The index that searches are led by: takes up what is missing, in a data folder that no hub has open.
    #[command(after_help = "Example: weir audit index --data weir-data --check")]
    Index {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// Make it anew.
        #[arg(long)]
        rebuild: bool,
        /// Change nothing: compare it with the log and name what it leaves out or puts in, also while a hub
        /// runs. Exit code 1 where there is something.
        #[arg(long, conflicts_with = "rebuild")]
        check: bool,
    },
    /// Lists entries of a data folder that no hub has open: reading is an entry, and only a running hub can
    /// write to its folder. Ask that with AuditService.SearchEntries.
    Search(Box<audit::search::Wish>),
    /// Answers a question that has a name, from a data folder that no hub has open. The reading is an entry
    /// too.
    Question(Box<audit::question::Wish>),
    /// Exports entries with all that shows they are the log's, and which part of it.
    Export(Box<audit::export::Wish>),
    /// Lists what was refused, withheld, referred, reported as not given, or not done in time; or figures of it.
    NonDisclosures(Box<audit::register::Wish>),
    /// Lists the questions that have a name, and what the hub cannot answer and why.
    Questions,
    #[command(flatten)]
    Proofs(proofs::ProofCommand),
}

/// What a command has to say, and whether it is good news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Lines for the person at the terminal.
    pub text: String,
    /// Exit code.
    pub exit: u8,
}

/// Runs one command line.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Help and version are printed like an error but are none.
            let exit = if usage.use_stderr() { 2 } else { 0 };
            return if usage.print().is_ok() { ExitCode::from(exit) } else { ExitCode::from(2) };
        }
    };
    let outcome = match arguments.command {
        Command::Policy(command) => policy::run(command),
        Command::Audit(AuditCommand::Verify { data, key, kept, lock, export, receipt }) => {
            match (export, receipt) {
                (Some(export), _) => audit::verify_export(&export, &data, key.as_deref()),
                (None, Some(receipt)) => audit::verify_receipt(&receipt, &data, key.as_deref()),
                (None, None) => audit::verify(&data, key.as_deref(), &kept, lock.as_deref()),
            }
        }
        Command::Audit(AuditCommand::Export(wish)) => audit::export::run(&wish),
        Command::Audit(AuditCommand::Retain { data, hub_key_file, as_of, destroy }) => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            audit::retain::run(&folder, &audit::retain::Wish { as_of, destroy })
        }
        Command::Audit(AuditCommand::AcceptRollback { data, hub_key_file, lock, because }) => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            audit::accept::run(&DataFolder { audit_lock: lock, ..folder }, &because)
        }
        Command::Audit(AuditCommand::AcceptSplit { data, hub_key_file, lock, because }) => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            audit::accept_split::run(&DataFolder { audit_lock: lock, ..folder }, &because)
        }
        Command::Audit(AuditCommand::Anchor { data, out }) => {
            audit::anchor::run(&data, out.as_deref())
        }
        Command::Audit(AuditCommand::Proofs(command)) => proofs::run(command),
        Command::Keys(KeysCommand::New { file }) => keys::new(&file),
        Command::Keys(KeysCommand::Check { data, hub_key_file }) => {
            keys::check(&DataFolder::with_key(&data, hub_key_file.as_deref()))
        }
        Command::Keys(KeysCommand::Rotate { data, hub_key_file, new_hub_key_file }) => {
            keys::rotate(&DataFolder::with_key(&data, hub_key_file.as_deref()), &new_hub_key_file)
        }
        Command::Audit(AuditCommand::Index { data, hub_key_file, rebuild, check }) => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            if check { audit::index::check(&folder) } else { audit::index::fill(&folder, rebuild) }
        }
        Command::Audit(AuditCommand::Search(wish)) => audit::search::run(&wish),
        Command::Audit(AuditCommand::Question(wish)) => audit::question::run(&wish),
        Command::Audit(AuditCommand::NonDisclosures(wish)) => audit::register::run(&wish),
        Command::Audit(AuditCommand::Questions) => audit::question::list(),
        Command::Records(RecordsCommand::Import {
            data,
            policies,
            agency,
            category,
            expires,
            hub_key_file,
            file,
        }) => {
            let wish = import::Wish { agency, category, expires };
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            import::records(&folder, &policies, &wish, &file)
        }
        Command::Facts(FactsCommand::Import { data, policies, mapping, hub_key_file, file }) => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            facts::import(&folder, &policies, mapping.as_deref(), &file)
        }
        Command::Ndo(NdoCommand::Request { data, policies, hub_key_file, out }) => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            ndo::request(&folder, &policies, &out)
        }
        Command::Ndo(NdoCommand::Apply {
            data,
            policies,
            hub_key_file,
            reference,
            count,
            file,
        }) => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            ndo::apply(&folder, &policies, &reference, count, &file)
        }
        Command::Init { dir, name, agency, kind, nation, zone, operator, listen } => {
            init::run(&init::Wish { dir, name, agency, kind, nation, zone, operator, listen })
        }
        Command::Due { data, hub_key_file, json, wanted } => {
            due::run(&DataFolder::with_key(&data, hub_key_file.as_deref()), &wanted, json)
        }
        Command::Erase { resident, on } => on.done(&resident, &erase::Wish::Erase),
        Command::Hold(HoldCommand::Place { resident, on }) => {
            on.done(&resident, &erase::Wish::Hold)
        }
        Command::Hold(HoldCommand::Lift { resident, on }) => on.done(&resident, &erase::Wish::Lift),
        Command::Hold(HoldCommand::List { data, hub_key_file }) => {
            erase::holds(&DataFolder::with_key(&data, hub_key_file.as_deref()))
        }
        Command::Backup { data, out } => backup::back_up(&data, &out),
        Command::Restore { from, data, hub_key_file, lock } => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            backup::restore(&from, &DataFolder { audit_lock: lock, ..folder })
        }
        Command::Config(ConfigCommand::Check { config, json }) => config::check(&config, json),
        Command::Serve { config } => serve::run(&config),
        Command::Witness(arguments) => witness::run(arguments),
        Command::Token(TokenCommand::Issue {
            issuer_dir,
            agency,
            person,
            roles,
            resident,
            minutes,
            at,
            config,
        }) => serve::token(&serve::TokenWish {
            issuer_dir,
            agency,
            person,
            roles,
            resident,
            minutes,
            at,
            config,
        }),
        Command::Bench { seconds, in_flight, json, data, policies } => {
            bench::run(&bench::Options { seconds, in_flight, json, data, policies })
        }
        Command::Demo { exit, data, policies, port } => {
            demo::run(&demo::Options { exit, data, policies, port })
        }
    };
    say(&outcome)
}

/// Prints good news to standard output and the rest to standard error too where it is a failure.
fn say(outcome: &Outcome) -> ExitCode {
    let written = if outcome.exit == 2 {
        writeln!(std::io::stderr(), "{}", outcome.text)
    } else {
        writeln!(std::io::stdout(), "{}", outcome.text)
    };
    match written {
        Ok(()) => ExitCode::from(outcome.exit),
        Err(_) => ExitCode::from(2),
    }
}

/// Beside the data of a sample place: where its clock starts, for commands that open the folder later.
const SAMPLE_CLOCK: &str = "sample-clock";

/// Notes that a folder lives by a sample clock.
fn keep_clock(data: &std::path::Path, start: jiff::Timestamp) -> Result<(), String> {
    let path = data.join(SAMPLE_CLOCK);
    std::fs::write(&path, format!("{start}\n")).map_err(|e| format!("{}: {e}", path.display()))
}

/// The clock that a folder lives by: entries of a sample place must not be put into another year.
fn clock_in(data: &std::path::Path) -> SharedClock {
    let start = std::fs::read_to_string(data.join(SAMPLE_CLOCK)).ok();
    match start.and_then(|text| text.trim().parse().ok()) {
        Some(start) => Arc::new(SampleClock::starting_at(start)),
        None => Arc::new(SystemClock),
    }
}
