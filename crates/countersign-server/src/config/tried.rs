//! A settings file under attack: any bytes, of which the program must say what is wrong, and in one line.

use std::path::Path;

use countersign::{Memory, OAuth2};

use super::{Settings, table::TABLE, written::Written};

#[cfg(test)]
#[path = "../../../../fuzz/src/mutate.rs"]
pub(crate) mod mutate;

/// Reads `data` as a settings file, to its end: panics only where a property is broken.
pub(crate) fn try_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = Written::of_file(TABLE, Path::new("settings.toml"), text).and_then(|written| {
        let settings = Settings::read(&written)?;
        settings.check()?;
        settings.configure(OAuth2::new(Memory::new()))
    });
    if let Err(problem) = read {
        let said = problem.to_string();
        assert!(!said.is_empty(), "nothing is said of what is wrong");
    }
}

#[cfg(test)]
mod tests {
    use super::{mutate, try_file};

    /// How many inputs are tried.
    const INPUTS: usize = 2_000;

    #[test]
    fn m8_no_settings_file_is_a_panic() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/settings");
        let files = std::fs::read_dir(seeds).expect("seeds");
        let mut files: Vec<_> = files.map(|file| file.expect("a seed").path()).collect();
        files.sort();
        let seeds: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("a seed")).collect();
        let mut numbers = mutate::Numbers::new(1);
        seeds.iter().for_each(|seed| try_file(seed));
        for _ in 0..INPUTS {
            try_file(&mutate::mutated(&seeds, &mut numbers));
        }
    }
}
