//! The house rules that no compiler keeps: which room may know which, how long a file may be, what it begins with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

/// Lines of a file without its tests, beyond which it is too many things at once.
const MAX_LINES: usize = 600;

/// Inside core: files under the first may not name the second.
const NEVER: [(&str, &str); 11] = [
    ("grant/", "token::"),
    ("token/", "grant::"),
    ("token/", "client::"),
    ("token/", "resource_owner::"),
    ("token/", "password::"),
    ("jose/", "token::"),
    ("jose/", "key::"),
    ("key/", "token::"),
    ("client/", "grant::"),
    ("store/", "authorization_server::"),
    ("password/", "store::"),
];

/// What no crate may know: the first by its manifest.
const NEVER_DEPENDS: [(&str, &[&str]); 3] = [
    (
        "countersign-core",
        &["axum", "tower", "hyper", "rusqlite", "clap", "aide", "countersign-sql", "countersign-server"],
    ),
    ("countersign", &["rusqlite", "clap", "countersign-server"]),
    ("countersign-sql", &["axum", "tower", "hyper", "clap", "aide", "countersign-server"]),
];

/// The codes of RFC 6749 and RFC 6750, which `error.rs` alone spells.
const WIRE_CODES: [&str; 10] = [
    "\"invalid_request\"",
    "\"invalid_client\"",
    "\"invalid_grant\"",
    "\"unauthorized_client\"",
    "\"unsupported_grant_type\"",
    "\"invalid_scope\"",
    "\"invalid_target\"",
    "\"invalid_token\"",
    "\"insufficient_scope\"",
    "\"temporarily_unavailable\"",
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every source file below `folder`, by its path from there, with its text up to its tests.
fn sources(folder: &Path) -> Vec<(String, String)> {
    fn gather(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                gather(root, &path, found);
            } else if name.ends_with(".rs") && !is_test(&name) {
                let text = fs::read_to_string(&path).unwrap();
                let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
                found.push((name, text[..end].to_owned()));
            }
        }
    }
    let mut found = Vec::new();
    gather(folder, folder, &mut found);
    assert!(!found.is_empty(), "{}", folder.display());
    found
}

fn is_test(name: &str) -> bool {
    name.split('/').any(|part| ["tests", "tests.rs", "conformance"].contains(&part))
}

#[test]
fn the_arrows_inside_core_go_one_way() {
    let uses = |text: &str, room: &str| {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: String = code.flat_map(|line| [line, "\n"]).collect();
        let (name, _) = room.split_once("::").unwrap();
        let grouped = code.split("use crate::{").skip(1).any(|group| {
            let group = group.split("};").next().unwrap();
            group.lines().any(|line| line.trim_start().starts_with(room) || line.trim() == format!("{name},"))
        });
        grouped || code.contains(&format!("crate::{room}"))
    };
    for (name, text) in sources(&crates().join("countersign-core/src")) {
        for (from, to) in NEVER {
            assert!(!(name.starts_with(from) && uses(&text, to)), "{name} names {to}");
        }
    }
    assert!(
        uses("use crate::{\n    token::issue,\n};", "token::") && uses("use crate::token::X;", "token::"),
        "the rule bites"
    );
}

#[test]
fn no_crate_depends_on_what_it_should_not_know() {
    for (name, others) in NEVER_DEPENDS {
        let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for other in others {
            let line = |line: &str| line.split(['.', ' ', '=']).next() == Some(other);
            assert!(!dependencies.lines().any(line), "{name} depends on {other}");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_one_thing() {
    for name in ["countersign-core", "countersign", "countersign-sql", "countersign-server"] {
        for (file, text) in sources(&crates().join(name).join("src")) {
            assert!(text.starts_with("//! "), "{name}/{file} does not begin with what it is for");
            let lines = text.lines().count();
            assert!(lines <= MAX_LINES, "{name}/{file} has {lines} lines");
        }
    }
}

#[test]
fn wire_codes_are_spelled_in_one_place() {
    for name in ["countersign-core", "countersign", "countersign-server"] {
        for (file, text) in sources(&crates().join(name).join("src")) {
            if (name, file.as_str()) == ("countersign-core", "error.rs") {
                continue;
            }
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for code in WIRE_CODES {
                    assert!(!line.contains(code), "{name}/{file} spells {code}");
                }
            }
        }
    }
}

/// What is logged in a text and does not begin with its `event`, by which a machine finds it.
fn without_event(text: &str) -> Vec<&str> {
    let levels = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];
    let lines = text.split("tracing::").skip(1);
    let logged = lines.filter_map(|line| levels.iter().find_map(|level| line.strip_prefix(level)));
    logged.map(str::trim_start).filter(|line| !line.starts_with("event = ") && !line.starts_with("event,")).collect()
}

#[test]
fn every_line_of_the_log_says_which_event_it_is() {
    for name in ["countersign-core", "countersign", "countersign-server", "countersign-sql"] {
        for (file, text) in sources(&crates().join(name).join("src")) {
            let without = without_event(&text);
            assert!(without.is_empty(), "{name}/{file}: {:.60}", without[0]);
        }
    }
    assert_eq!(without_event("tracing::warn!(\n    %error, \"x\")"), ["%error, \"x\")"], "the rule bites");
}

#[test]
fn a16_randomness_comes_from_one_place() {
    for name in ["countersign-core", "countersign", "countersign-server", "countersign-sql"] {
        for (file, text) in sources(&crates().join(name).join("src")) {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                for source in ["thread_rng", "rand::random", "Uuid", "fastrand", "RandomState", "getrandom"] {
                    assert!(!line.contains(source), "{name}/{file}: {line}");
                }
            }
        }
    }
}

/// The program's files that the fuzzer is made of, beside what the libraries show it.
const FUZZED: [&str; 3] = ["config/", "traces/span.rs", "traces/tried.rs"];

/// It is a workspace of its own, which the tests do not build.
#[test]
fn the_fuzzer_knows_every_crate_that_the_files_it_is_made_of_use() {
    let manifest = fs::read_to_string(crates().parent().unwrap().join("fuzz/Cargo.toml")).unwrap();
    let missing = |text: &str, manifest: &str| -> Vec<String> {
        let used = text.lines().filter_map(|line| line.trim_start().strip_prefix("use "));
        let used = used.map(|path| path.split([':', ';']).next().unwrap_or_default().replace('_', "-"));
        used.filter(|name| !["std", "self", "super", "crate"].contains(&name.as_str()))
            .filter(|name| !manifest.lines().any(|line| line.starts_with(&format!("{name} = "))))
            .collect()
    };
    let mut looked_at = 0;
    for (name, text) in sources(&crates().join("countersign-server/src")) {
        if FUZZED.iter().any(|fuzzed| name.starts_with(fuzzed)) {
            looked_at += 1;
            assert_eq!(missing(&text, &manifest), [""; 0], "{name}");
        }
    }
    assert!(looked_at > 5, "{looked_at} files");
    assert_eq!(missing("use countersign_sql::Postgres;", "countersign = \"1\""), ["countersign-sql"], "the rule bites");
}

/// The first command of the README names no program.
#[test]
fn cargo_run_means_the_server() {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(crates());
    let metadata: Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
    let default = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter().filter(|package| default.contains(&package["id"]));
    let targets = packages.flat_map(|package| package["targets"].as_array().unwrap());
    let programs =
        targets.filter(|target| target["kind"] == json!(["bin"])).map(|target| target["name"].as_str().unwrap());
    assert_eq!(programs.collect::<Vec<_>>(), ["countersign"]);
    assert!(
        fs::read_to_string(crates().parent().unwrap().join("README.md"))
            .unwrap()
            .contains("cargo run --release -- dev\n")
    );
}
