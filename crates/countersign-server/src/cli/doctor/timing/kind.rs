//! The kinds of logins that fail, and must look alike.

/// How many users there are of each kind that has any, so that none of them is always at hand.
pub(super) const USERS: usize = 8;

/// A kind of login that fails. To add one: a variant, its line in each place below, and its users in `add_users`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A user who may log in, and a wrong password: what all others are held against.
    Wrong,
    /// Nobody's name; another one each time.
    Unknown,
    /// A disabled user, and a wrong password.
    Disabled,
    /// A disabled user, and the right password.
    DisabledRight,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Wrong, Self::Unknown, Self::Disabled, Self::DisabledRight];

    /// What the others are held against.
    pub(super) const REFERENCE: Self = Self::Wrong;

    /// Its place in [`Kind::ALL`].
    pub(super) const fn place(self) -> usize {
        self as usize
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
            Self::Disabled => "disabled",
            Self::DisabledRight => "disabled, right password",
        }
    }

    /// The user of this number; all names have one length.
    pub(super) fn user(self, number: usize) -> String {
        let letter = match self {
            Self::Wrong => 'a',
            Self::Unknown => 'u',
            Self::Disabled | Self::DisabledRight => 'd',
        };
        format!("user-{letter}{number:08}")
    }

    pub(super) const fn has_right_password(self) -> bool {
        matches!(self, Self::DisabledRight)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn every_kind_stands_at_its_place() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.place(), place);
            assert_eq!(kind.user(place).len(), Kind::REFERENCE.user(7).len());
        }
    }
}
