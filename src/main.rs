//! Arguments in, exit code out.

use std::process::ExitCode;

/// A call allocates on one thread and frees on another; the system's allocator locks for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    weir::cli::run(std::env::args_os())
}
