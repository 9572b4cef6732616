//! says: `countersign::BearerToken` doesn't implement `std::fmt::Display`
//! says: `countersign::Password` doesn't implement `std::fmt::Display`
//! says: `ApiKeyValue` doesn't implement `std::fmt::Display`
use countersign::{BearerToken, Password, scheme::ApiKeyValue};

fn show(token: &BearerToken, password: &Password, key: &ApiKeyValue) {
    println!("{token} {password} {key}");
}

fn main() {
    let _ = show;
}
