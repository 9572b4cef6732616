//! What `make bench` runs of ours: an API behind a guard, the bare route beside it, and what measures them.
//!
//! `benches/run.py` starts it; it is of no use alone.

mod alone;
mod api;
mod probe;
mod seed;

use std::{env, error::Error, process::ExitCode};

/// What every command comes to. Only the bench reads its errors.
type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const USAGE: &str = "countersign-bench api DATABASE LISTEN [REMEMBERED]
countersign-bench bare|served LISTEN BODY
countersign-bench tokens DATABASE FILE COUNT
countersign-bench load DATABASE GRANTS REVOKED
countersign-bench users DATABASE COUNT
countersign-bench logins DATABASE SHOWN FILE
countersign-bench alone BYTES
countersign-bench probe ADDRESS PATH TOKEN RATE SECONDS
countersign-bench posts ADDRESS PATH FILE RATE SECONDS";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match obey(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn obey(arguments: &[&str]) -> Outcome {
    match *arguments {
        ["api", database, listen] => api::guarded(database, listen, None),
        ["api", database, listen, remembered] => api::guarded(database, listen, Some(remembered.parse()?)),
        ["bare", listen, body] => api::bare(listen, body),
        ["served", listen, body] => api::served(listen, body),
        ["tokens", database, file, count] => seed::tokens(database, file, count.parse()?),
        ["load", database, grants, revoked] => seed::load(database, grants.parse()?, revoked.parse()?),
        ["users", database, count] => seed::users(database, count.parse()?),
        ["logins", database, shown, file] => seed::logins(database, shown.parse()?, file),
        ["alone", bytes] => alone::measure(bytes.parse()?),
        ["probe", address, path, token, rate, seconds] => {
            probe::shows(address, path, token, rate.parse()?, seconds.parse()?)
        }
        ["posts", address, path, file, rate, seconds] => {
            probe::posts(address, path, file, rate.parse()?, seconds.parse()?)
        }
        _ => Err(USAGE.into()),
    }
}
