//! says: a scheme's name is of letters, digits, '.', '_' and '-'
use countersign::scheme::ApiKey;

countersign::security_schemes! {
    /// A key.
    pub Key as "a key": ApiKey = ApiKey::header("X-Key");
}

fn main() {}
