//! The store in memory keeps what every store must.

use countersign_core::store::memory::Memory;

async fn store() -> (Memory, ()) {
    (Memory::new(), ())
}

countersign_core::store_conformance!(store);

#[test]
fn every_fact_is_a_test() {
    let source = include_str!("../../src/store/conformance.rs");
    let list = source.split("$crate::store_conformance! { $make:").nth(1).unwrap().split('}').next().unwrap();
    let listed: Vec<_> = list.split_whitespace().collect();
    let rooms = [
        source,
        include_str!("../../src/store/conformance/renewal.rs"),
        include_str!("../../src/store/conformance/life.rs"),
    ];
    let lines = rooms.into_iter().flat_map(str::lines);
    let facts = lines.filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
    assert_eq!(facts.collect::<Vec<_>>(), listed);
}
