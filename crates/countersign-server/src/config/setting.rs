//! What is known of one setting.

/// What every setting's name in the environment begins with.
pub(crate) const PREFIX: &str = "COUNTERSIGN_";

/// What is known of a setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the file; a dot stands for a nested table.
    pub(crate) key: &'static str,
    pub(crate) default: Otherwise,
    /// What it means, a line each.
    pub(crate) doc: &'static [&'static str],
    pub(crate) expected: fn() -> String,
}

/// What holds where nobody sets a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Otherwise {
    /// This value.
    Text(&'static str),
    /// It stays unset, and this happens.
    Unset(&'static str),
}

impl Setting {
    /// Its name in the environment.
    pub(crate) fn environment_name(&self) -> String {
        format!("{PREFIX}{}", self.key.to_uppercase().replace('.', "_"))
    }
}
