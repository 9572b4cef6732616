//! The kinds of logins that fail, and must look alike.

/// How many users there are of each kind that has any, so that none of them is always at hand.
pub(super) const USERS: usize = 8;

/// What is measured together: kinds that are answered after the same work. Those of the one are not held against the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The password is hashed, and the login refused.
    Hashed,
    /// The login must wait: it is answered before anything is hashed.
    Throttled,
}

impl Pass {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hashed => "hashed",
            Self::Throttled => "throttled",
        }
    }

    /// What the others are held against.
    pub(super) const fn reference(self) -> Kind {
        match self {
            Self::Hashed => Kind::Wrong,
            Self::Throttled => Kind::Throttled,
        }
    }

    pub(super) fn kinds(self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| kind.pass() == self).collect()
    }
}

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
    /// A user who may log in but must wait, and a wrong password: what all others that must wait are held against.
    Throttled,
    /// A user who may log in but must wait, and the right password.
    ThrottledRight,
    /// Nobody's name, at which somebody guessed before.
    ThrottledUnknown,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Wrong,
        Self::Unknown,
        Self::Disabled,
        Self::DisabledRight,
        Self::Throttled,
        Self::ThrottledRight,
        Self::ThrottledUnknown,
    ];

    pub(super) const fn pass(self) -> Pass {
        match self {
            Self::Wrong | Self::Unknown | Self::Disabled | Self::DisabledRight => Pass::Hashed,
            Self::Throttled | Self::ThrottledRight | Self::ThrottledUnknown => Pass::Throttled,
        }
    }

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
            Self::Throttled => "throttled",
            Self::ThrottledRight => "throttled, right password",
            Self::ThrottledUnknown => "throttled, unknown",
        }
    }

    /// The user of this number; all names have one length.
    pub(super) fn user(self, number: usize) -> String {
        let letter = match self {
            Self::Wrong | Self::Throttled | Self::ThrottledRight => 'a',
            Self::Unknown | Self::ThrottledUnknown => 'u',
            Self::Disabled | Self::DisabledRight => 'd',
        };
        format!("user-{letter}{number:08}")
    }

    pub(super) const fn has_right_password(self) -> bool {
        matches!(self, Self::DisabledRight | Self::ThrottledRight)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn every_kind_stands_at_its_place() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.place(), place);
            assert_eq!(kind.user(place).len(), Kind::Wrong.user(7).len());
        }
    }
}
