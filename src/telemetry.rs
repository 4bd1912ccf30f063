//! Log lines for operators, to standard error: what happened to the hub, never whom it was about.

use std::io::IsTerminal;

/// Starts writing log lines; `WEIR_LOG` chooses which (default `info`). A second call does nothing.
pub fn start() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WEIR_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let written = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Somebody else may have started already, as in tests.
    let _already = written.try_init();
}
