//! says: is not a rule
//! says: a rule is an async function of up to four guards or extractors that returns `bool` or `Result<(), Denied>`
use countersign::{CurrentUser, Routes};

fn main() {
    let _: Routes = Routes::new().rule("staff", "You are not of the staff.", async |_: CurrentUser| "yes");
}
