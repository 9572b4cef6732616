//! The targets of libFuzzer, as `fuzz_targets/` calls them and the tests do.

mod targets;

#[expect(dead_code, unused_imports, reason = "the program's own code, of which only the reading of a file is tried")]
#[path = "../../crates/countersign-server/src/config/mod.rs"]
mod config;

#[expect(dead_code, reason = "the program's own code, of which only the reading of a header is tried")]
#[path = "../../crates/countersign-server/src/traces/span.rs"]
mod span;

#[path = "../../crates/countersign-server/src/traces/tried.rs"]
mod traceparent;

/// What is done with an input, by the name of its parser.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    match name {
        "settings" => Some(config::tried::try_file),
        "traceparent" => Some(traceparent::try_header),
        _ => targets::TARGETS.iter().find(|target| target.name == name).map(|target| target.run),
    }
}
