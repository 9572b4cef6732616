//! All that can happen in small worlds, looked at one by one; in larger ones with `STATES=large`.

mod explorer;
mod replicas;
mod transactions;
mod turns;

use std::env;

fn is_large() -> bool {
    env::var("STATES").is_ok_and(|size| size == "large")
}
