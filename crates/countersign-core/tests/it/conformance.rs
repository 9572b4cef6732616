//! The store in memory keeps what every store must.

use std::collections::BTreeSet;

use countersign_core::store::memory::Memory;

async fn store() -> (Memory, ()) {
    (Memory::new(), ())
}

countersign_core::store_conformance!(store);

#[test]
fn every_fact_is_a_test() {
    let sources = [
        include_str!("../../src/store/conformance.rs"),
        include_str!("../../src/store/conformance/clients.rs"),
        include_str!("../../src/store/conformance/epoch.rs"),
        include_str!("../../src/store/conformance/keys.rs"),
        include_str!("../../src/store/conformance/life.rs"),
        include_str!("../../src/store/conformance/owners.rs"),
        include_str!("../../src/store/conformance/redemption.rs"),
        include_str!("../../src/store/conformance/renewal.rs"),
    ];
    let list = sources[0].split("$crate::store_conformance! { $make:").nth(1).unwrap().split('}').next().unwrap();
    let listed: BTreeSet<_> = list.split_whitespace().collect();
    let lines = sources.into_iter().flat_map(str::lines);
    let facts = lines.filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
    assert_eq!(facts.collect::<BTreeSet<_>>(), listed);
}
