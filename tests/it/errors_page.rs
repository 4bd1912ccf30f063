//! `docs/errors.md`, written from the enums and held against them.

use std::fmt::Write as _;
use std::path::Path;

use weir::auth::AuthError;
use weir::domain::Code;
use weir::grpc::status::Reason;
use weir::policy::book::{Disposition, RuleBook};

const BEGIN: &str = "\
# Errors and refusals

Generated from the code and from the shipped policy by a test (`WEIR_WRITE_DOCS=1 cargo test errors_page`); do not edit.

## Calls turned down

`google.rpc.ErrorInfo` of the status carries the reason, with the domain `weir.hub`. `INVALID_ARGUMENT` also carries
`google.rpc.BadRequest`, `UNAVAILABLE` also `google.rpc.RetryInfo`.

| reason | code | cause | what to do |
|---|---|---|---|
";

const TOKENS: &str = "
## Tokens not accepted

The code is `UNAUTHENTICATED`, and `ErrorInfo` carries the reason. No text repeats anything of the token.

| reason | cause | what to do |
|---|---|---|
";

const REFUSALS: &str = "
## Refusal codes

A refusal to share is an ordinary answer with a receipt, never an error. The meanings are those of the shipped policy
(`policies/words/codes.csv`); every answer carries its own. *Lifted by*: what can make the same question succeed; *said*: whether the
asker is told. Of a code that is not said the asker sees `SUBJ_NOT_AVAILABLE`.

| code | meaning | lifted by | said | who can put it right | how |
|---|---|---|---|---|---|
";

fn page(book: &RuleBook) -> String {
    let mut page = BEGIN.to_owned();
    for reason in Reason::ALL {
        let (word, code) = (reason.as_str(), reason.code());
        let _ = writeln!(page, "| `{word}` | {code:?} | {} | {} |", reason.cause(), reason.fix());
    }
    page.push_str(TOKENS);
    for error in AuthError::ALL {
        let _ = writeln!(page, "| `{}` | {error} | {} |", error.reason(), error.fix());
    }
    page.push_str(REFUSALS);
    for code in Code::ALL {
        let Some(about) = book.codes.get(code) else { continue };
        let lifted = match about.disposition {
            _ if about.lifted_by_override => "an override",
            Disposition::Hard => "nothing",
            Disposition::Overridable | Disposition::Fixable => "putting it right",
            Disposition::Referred => "a person's decision",
        };
        let said = if about.spoken_to_requester { "yes" } else { "no" };
        let _ = writeln!(
            page,
            "| `{code}` | {} | {lifted} | {said} | {} | {} |",
            about.meaning, about.fixer, about.fix
        );
    }
    page
}

#[test]
fn the_page_of_errors_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let book = weir::cli::policy::open(&root.join("policies")).unwrap();
    let path = root.join("docs/errors.md");
    let page = page(book.book());
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == page, "docs/errors.md is stale");
}
