//! `weir-verify`: verifies what a Weir hub proves, without the hub.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use weir_verify::{Fault, Growth, Key};

const USAGE: &str = "weir-verify verifies what a Weir hub proves of its log, without the hub.

  weir-verify receipt FILE --key KEY [--show] [--record FILE]
  weir-verify heads OLD NEW (--proof FILE | --tiles FOLDER) --key KEY
  weir-verify tiles FOLDER --key KEY
  weir-verify export FOLDER --key KEY [--receipt FILE]…

KEY is the log's verifier key that you have kept (audit.vkey), or the file that holds it. --show prints what
opened slots say, which is personal; --record is a record of consent that the entry must hold. Exit code 0: verifies; 1: does not, and what; 2: asked in a wrong way.";

/// Longest file of a key, in bytes.
const KEY_LEN_MAX: u64 = 4096;

#[derive(Default)]
struct Args {
    words: Vec<PathBuf>,
    key: Option<String>,
    proof: Option<PathBuf>,
    tiles: Option<PathBuf>,
    receipts: Vec<PathBuf>,
    record: Option<PathBuf>,
    show: bool,
}

impl Args {
    fn read(mut rest: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self::default();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--key" => args.key = Some(value()?),
                "--proof" => args.proof = Some(value()?.into()),
                "--tiles" => args.tiles = Some(value()?.into()),
                "--receipt" => args.receipts.push(value()?.into()),
                "--record" => args.record = Some(value()?.into()),
                "--show" => args.show = true,
                flag if flag.starts_with("--") => return Err(format!("{flag} is no option")),
                _ => args.words.push(word.into()),
            }
        }
        Ok(args)
    }

    /// The key, or the one in the file of this name.
    fn key(&self) -> Result<Key, String> {
        let text = self.key.as_deref().ok_or("--key is required")?;
        let parsed = Key::parse(text);
        let is_file = std::fs::metadata(text).is_ok_and(|file| file.len() <= KEY_LEN_MAX);
        match parsed {
            Err(_) if is_file => {
                let held =
                    std::fs::read_to_string(text).map_err(|e| format!("--key {text}: {e}"))?;
                Key::parse(&held).map_err(|e| format!("--key {text}: {e}"))
            }
            parsed => parsed.map_err(|e| format!("--key: {e}")),
        }
    }

    /// Refuses options that the command does not know.
    fn only(&self, one: bool, growth: bool, receipts: bool) -> Result<(), String> {
        let given = [
            (self.show && !one, "--show"),
            (self.record.is_some() && !one, "--record"),
            (self.proof.is_some() && !growth, "--proof"),
            (self.tiles.is_some() && !growth, "--tiles"),
            (!self.receipts.is_empty() && !receipts, "--receipt"),
        ];
        match given.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, flag)) => Err(format!("{flag} does not belong to this command")),
            None => Ok(()),
        }
    }
}

fn run(command: &str, args: &Args) -> Result<Vec<String>, Fault> {
    let words: Vec<&Path> = args.words.iter().map(PathBuf::as_path).collect();
    match (command, words.as_slice()) {
        ("receipt", [file]) => {
            args.only(true, false, false).map_err(Fault::Usage)?;
            weir_verify::receipt(
                file,
                &args.key().map_err(Fault::Usage)?,
                args.show,
                args.record.as_deref(),
            )
        }
        ("heads", [old, new]) => {
            args.only(false, true, false).map_err(Fault::Usage)?;
            let growth = match (args.proof.clone(), args.tiles.clone()) {
                (Some(file), None) => Growth::Proof(file),
                (None, Some(folder)) => Growth::Tiles(folder),
                _ => return Err(Fault::Usage("heads wants --proof or --tiles".to_owned())),
            };
            weir_verify::heads(old, new, &growth, &args.key().map_err(Fault::Usage)?)
        }
        ("tiles", [folder]) => {
            args.only(false, false, false).map_err(Fault::Usage)?;
            weir_verify::tiles(folder, &args.key().map_err(Fault::Usage)?)
        }
        ("export", [folder]) => {
            args.only(false, false, true).map_err(Fault::Usage)?;
            weir_verify::export(folder, &args.key().map_err(Fault::Usage)?, &args.receipts)
        }
        _ => Err(Fault::Usage(USAGE.to_owned())),
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to a terminal")]
fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let command = words.next().unwrap_or_default();
    if matches!(command.as_str(), "--help" | "-h" | "help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let done = Args::read(words).map_err(Fault::Usage).and_then(|args| run(&command, &args));
    match done {
        Ok(lines) => {
            println!("{}\nVerifies", lines.join("\n"));
            ExitCode::SUCCESS
        }
        Err(Fault::Findings(findings)) => {
            println!("{}\nDoes NOT verify", findings.join("\n"));
            ExitCode::from(1)
        }
        Err(Fault::Usage(text)) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}
