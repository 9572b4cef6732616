//! The store in memory keeps what every store must.

use countersign_core::store::memory::Memory;

async fn store() -> (Memory, ()) {
    (Memory::new(), ())
}

countersign_core::store_conformance!(store);
