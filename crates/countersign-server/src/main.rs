//! The program `countersign`: an OAuth2 server with its database inside.

mod announce;
mod app;
mod cli;
mod config;
mod failure;
mod listen;
mod metrics;
mod store;
mod telemetry;
mod traces;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
