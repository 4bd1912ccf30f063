//! The codes: what each means, how bad it is unless `lints.toml` says otherwise, and what to do.

use std::fmt;
use std::str::FromStr;

/// How bad a finding is. Worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The folder is refused.
    Error,
    /// Somebody must look at it and say so.
    Warning,
    /// Worth knowing.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

impl FromStr for Severity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "error" => Ok(Self::Error),
            "warning" => Ok(Self::Warning),
            "info" => Ok(Self::Info),
            _ => Err(()),
        }
    }
}

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lint {
    /// `E20` and so on.
    pub code: &'static str,
    /// Unless `lints.toml` says otherwise.
    pub severity: Severity,
    /// `false`: no file may change the severity or excuse it.
    pub yields: bool,
    /// It depends on the day, or on the scenarios: the loader does not look at it.
    pub dated: bool,
    /// What it means.
    pub meaning: &'static str,
    /// What to do, in general.
    pub fix: &'static str,
}

const fn row(
    code: &'static str,
    severity: Severity,
    yields: bool,
    dated: bool,
    meaning: &'static str,
    fix: &'static str,
) -> Lint {
    Lint { code, severity, yields, dated, meaning, fix }
}

use Severity::{Error, Info, Warning};

/// Every code that a finding can have. Codes of the reading cannot be excused: what was not read
/// cannot be judged.
pub const LINTS: [Lint; 42] = [
    row(
        "E00",
        Error,
        false,
        false,
        "a file is missing, unknown or unreadable",
        "put the file back, or take it away",
    ),
    row(
        "E01",
        Error,
        false,
        false,
        "a file is not plain UTF-8",
        "save it as plain UTF-8 without a byte order mark",
    ),
    row(
        "E02",
        Error,
        false,
        false,
        "a file is cut off, or says so",
        "put the missing rows back and the right number in the last line",
    ),
    row(
        "E03",
        Error,
        false,
        false,
        "a line has too few or too many cells",
        "count the commas against the heading",
    ),
    row(
        "E04",
        Error,
        false,
        false,
        "a character looks like another",
        "type the cell again with plain characters",
    ),
    row(
        "E05",
        Error,
        false,
        false,
        "a comment stands behind a row",
        "give the comment a line of its own",
    ),
    row("E06", Error, false, false, "quotes inside a cell", "leave quotes out of cells"),
    row(
        "E07",
        Error,
        false,
        false,
        "a row of no known type, or another separator",
        "begin rules with p, and separate cells with commas",
    ),
    row("E08", Error, false, false, "an id is used twice", "give it an id that was never used"),
    row("E09", Error, false, false, "a row or a word stands twice", "take one out"),
    row(
        "E10",
        Error,
        false,
        false,
        "a word is in no vocabulary",
        "write the nearest word, or add the word to its list first",
    ),
    row(
        "E11",
        Error,
        false,
        false,
        "the model is not the released one",
        "put the released model.conf back",
    ),
    row(
        "E20",
        Error,
        true,
        false,
        "a rule lacks its basis, gateway or agreement",
        "fill in the cell",
    ),
    row(
        "E21",
        Error,
        true,
        false,
        "a basis is not open to the controller",
        "name a basis that is open to it",
    ),
    row(
        "E22",
        Error,
        true,
        false,
        "public task claimed by a body whose task it is not",
        "name the basis that the body really has",
    ),
    row(
        "E23",
        Error,
        true,
        false,
        "special or criminal data without their condition",
        "name the Art 9 or Sch 1 condition",
    ),
    row(
        "W23",
        Warning,
        true,
        false,
        "a condition rests on Sch 1 and no paragraph is named",
        "name the Sch 1 paragraph in the column art10",
    ),
    row(
        "E24",
        Error,
        true,
        false,
        "confidence is not lifted, or by the wrong consent",
        "name the ground, or the kind of consent, that the data need",
    ),
    row(
        "E25",
        Error,
        true,
        false,
        "consent as the basis where a no changes nothing",
        "name the basis on which it runs without consent",
    ),
    row(
        "W24",
        Warning,
        true,
        false,
        "a consent that no notice asks for",
        "write a notice for the kind and the purpose into notices/",
    ),
    row(
        "W25",
        Warning,
        true,
        true,
        "a consent that no notice asks for on the day",
        "add a version that is in force, or settle in lints.toml that nobody is asked any more",
    ),
    row(
        "I26",
        Info,
        true,
        false,
        "a controller of whom records of consent say too little",
        "complete the line in words/parties.csv",
    ),
    row(
        "E30",
        Error,
        true,
        true,
        "an agreement or a gateway does not carry the rule",
        "renew the agreement or correct it, or the rule",
    ),
    row(
        "W30",
        Warning,
        true,
        true,
        "an agreement or a gateway does not carry the rule yet",
        "nothing is shared under it until it does",
    ),
    row(
        "W31",
        Warning,
        true,
        true,
        "a review is near or past, or an impact assessment is missing",
        "hold the review and record its date",
    ),
    row(
        "E40",
        Error,
        true,
        false,
        "a rule, or a part of it, can never allow",
        "take it out, or correct the cell that closes it",
    ),
    row(
        "W41",
        Warning,
        true,
        false,
        "a rule is covered by another on terms no stricter",
        "take it out, or say what it is for",
    ),
    row(
        "W42",
        Warning,
        true,
        false,
        "two rules open the same with different duties",
        "give both the same duties, or tell them apart",
    ),
    row(
        "W43",
        Warning,
        true,
        false,
        "a hard stop takes away a part of a rule",
        "take that part out of the rule",
    ),
    row(
        "W44",
        Warning,
        true,
        false,
        "a hard stop that stops nothing, and nothing names it",
        "correct it, or add a promise or a scenario that names it",
    ),
    row("E45", Error, true, false, "too broad", "name what is meant"),
    row(
        "W45",
        Warning,
        true,
        false,
        "a rule reaches far",
        "split it into rows that name what each needs",
    ),
    row(
        "E46",
        Error,
        false,
        false,
        "a promise is broken",
        "narrow the rule, add a hard stop, or take the promise back",
    ),
    row("E47", Error, false, false, "two files that must agree do not", "put back what is missing"),
    row(
        "I47",
        Info,
        true,
        false,
        "a purpose or a duty without a rule",
        "add a rule, or say why there is none",
    ),
    row(
        "E48",
        Error,
        true,
        false,
        "nothing is promised",
        "write what must never, and what must always, be possible into promises.csv",
    ),
    row("E49", Error, false, false, "duties contradict each other", "leave one out"),
    row(
        "W46",
        Warning,
        true,
        false,
        "a figure far from law or practice",
        "correct it, or note it in lints.toml with the reason",
    ),
    row(
        "W47",
        Warning,
        true,
        false,
        "a hard stop that can be lifted",
        "name the code of what cannot be lifted",
    ),
    row(
        "E50",
        Error,
        true,
        true,
        "no scenario shows the rule at work",
        "add a scenario that is released or referred and one that is refused",
    ),
    row(
        "E51",
        Error,
        false,
        false,
        "an exception excuses nothing",
        "take it out of lints.toml, or correct the name",
    ),
    row(
        "E52",
        Error,
        false,
        true,
        "a scenario does not come out as it says",
        "correct the rule or the scenario; `weir policy test` says what differs",
    ),
];

/// The code, if there is one of this name.
#[must_use]
pub fn lint(code: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.code == code)
}
