//! says: a scope is printable ASCII without spaces, quotes and backslashes (RFC 6749, section 3.3)
countersign::scopes! {
    /// Read items.
    pub ReadItems = "read items";
}

fn main() {}
