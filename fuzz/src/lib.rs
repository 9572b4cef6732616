//! The targets of libFuzzer, as `fuzz_targets/` calls them and the tests do.

mod targets;

#[expect(dead_code, unused_imports, reason = "the program's own code, of which only the reading of a file is tried")]
#[path = "../../crates/countersign-server/src/config/mod.rs"]
mod config;

/// What is done with an input, by the name of its parser.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    if name == "settings" {
        return Some(config::tried::try_file);
    }
    targets::TARGETS.iter().find(|target| target.name == name).map(|target| target.run)
}
