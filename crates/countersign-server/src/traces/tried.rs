//! A `traceparent` under attack: any bytes, of which what is read is what stands there.

use super::span::Parent;

/// Reads `data` as a `traceparent`: panics only where a property is broken.
pub(crate) fn try_header(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(parent) = Parent::read(text) else { return };
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let names = format!("{}-{}", digits(&parent.trace), digits(&parent.span));
    assert_eq!(text.get(3..52), Some(names.as_str()), "it has another spelling");
    assert_eq!(Parent::read(&format!("00-{names}-00")), Some(parent));
    for more in ["0", " ", "\n"] {
        assert_eq!(Parent::read(&format!("00-{names}-00{more}")), None);
    }
}

#[cfg(test)]
mod tests {
    use super::try_header;
    use crate::config::tried::mutate;

    /// How many inputs are tried.
    const INPUTS: usize = 2_000;

    #[test]
    fn m8_no_traceparent_is_a_panic() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/traceparent");
        let files = std::fs::read_dir(seeds).expect("seeds");
        let mut files: Vec<_> = files.map(|file| file.expect("a seed").path()).collect();
        files.sort();
        let seeds: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("a seed")).collect();
        let mut numbers = mutate::Numbers::new(1);
        seeds.iter().for_each(|seed| try_header(seed));
        for _ in 0..INPUTS {
            try_header(&mutate::mutated(&seeds, &mut numbers));
        }
    }
}
