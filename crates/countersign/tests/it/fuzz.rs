//! Every parser of outside input, on seeds and on what a seeded mutator makes of them; `make fuzz` goes further.

use std::{fs, path::Path};

#[path = "../../../../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../../../../fuzz/src/targets.rs"]
mod targets;

/// How many inputs each parser is given.
const INPUTS: usize = 2_000;

#[test]
fn m8_no_input_breaks_a_parser() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for target in targets::TARGETS {
        let began = std::time::Instant::now();
        let files = fs::read_dir(seeds.join(target.name)).unwrap_or_else(|error| panic!("{}: {error}", target.name));
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let seeds: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        let mut numbers = mutate::Numbers::new(1);
        let mutants = (0..INPUTS).map(|_| mutate::mutated(&seeds, &mut numbers));
        for input in seeds.iter().cloned().chain(mutants) {
            let tried = std::panic::catch_unwind(|| (target.run)(&input));
            assert!(tried.is_ok(), "{} broke on {}", target.name, input.escape_ascii());
        }
        println!("{}: {:?}", target.name, began.elapsed());
    }
}
