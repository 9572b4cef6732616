//! What the jobs are, and what each does, statement by statement.

/// Two that are there, and one that a login makes.
pub(super) const GRANTS: usize = 3;
pub(super) const RENEWED: usize = 0;
pub(super) const OTHER: usize = 1;
pub(super) const NEW: usize = 2;

/// What a client or an operator wants, and which process it asks first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Job {
    /// Makes the grant [`NEW`], with a token.
    LogIn(usize),
    /// Uses the refresh token of the grant [`RENEWED`], or tries that again and gets another access token.
    Renew(usize),
    /// Ends the grant [`RENEWED`].
    Revoke(usize),
    /// Ends all grants of the owner.
    LogOutEverywhere(usize),
    /// Disables the owner, which ends all grants.
    Disable(usize),
}

/// How the store goes about it. The first of each is right, or as good as right.
#[derive(Clone, Copy)]
pub(super) struct Store {
    pub(super) redeem: Redeem,
    pub(super) rotate: Rotate,
    pub(super) retry: Retry,
    pub(super) feed: Feed,
    pub(super) end: End,
}

/// What a login looks at before its grant is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Redeem {
    LocksOwner,
    LooksOnly,
}

/// How a refresh token is spent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rotate {
    Conditional,
    LooksThenWrites,
}

/// What another access token of a grant looks at before it is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    LocksGrant,
    LooksOnly,
}

/// When whoever tells the feed takes its lock, which is held until the commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    LockedFirst,
    LockedWhenTold,
    NotLocked,
}

/// How grants end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// One statement deletes them and tells what it deleted; another deletes their tokens.
    ToldAsDeletedThenTokens,
    /// One statement for all three.
    OneStatement,
    /// They are told, their tokens are deleted, they are deleted: as is right where there is one writer.
    ThreeStatements,
}

pub(super) const RIGHT: Store = Store {
    redeem: Redeem::LocksOwner,
    rotate: Rotate::Conditional,
    retry: Retry::LocksGrant,
    feed: Feed::LockedFirst,
    end: End::ToldAsDeletedThenTokens,
};

/// What a job does, statement by statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Do {
    Lock(Row, Mode),
    /// Reads the grant, outside of any transaction, and goes on to the retry if its token was used.
    Look,
    InsertGrant,
    Rotate,
    PutToken,
    /// Another access token for a retry.
    PutTokenIfGrant,
    DisableOwner,
    TellGrants,
    TellDeleted,
    DeleteTokens,
    DeleteGrants(Tells),
    TellOwner,
    Commit,
    /// Hears the feed before it says that it is done.
    Hear,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tells {
    TheFeed,
    TheFeedAndDeletesTokens,
    Nobody,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Row {
    Owner,
    Grant(usize),
    /// No row, but a lock that is taken like one.
    Feed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Mode {
    Share,
    Exclusive,
}

impl Job {
    pub(super) const fn process(self) -> usize {
        match self {
            Self::LogIn(process)
            | Self::Renew(process)
            | Self::Revoke(process)
            | Self::LogOutEverywhere(process)
            | Self::Disable(process) => process,
        }
    }

    /// The grant of the token that it makes.
    pub(super) const fn grant(self) -> usize {
        if let Self::LogIn(_) = self { NEW } else { RENEWED }
    }

    /// The grants that it ends, whichever there are.
    pub(super) const fn ends(self) -> &'static [usize] {
        match self {
            Self::LogIn(_) | Self::Renew(_) => &[],
            Self::Revoke(_) => &[RENEWED],
            Self::LogOutEverywhere(_) | Self::Disable(_) => &[RENEWED, OTHER, NEW],
        }
    }

    pub(super) fn program(self, store: Store) -> Vec<Do> {
        let end_grants = || {
            let first = (store.feed == Feed::LockedFirst).then_some(Do::Lock(Row::Feed, Mode::Exclusive));
            let told = match (store.end, store.feed) {
                (End::ThreeStatements, _) => vec![Do::TellGrants, Do::DeleteTokens, Do::DeleteGrants(Tells::Nobody)],
                (End::OneStatement, _) => vec![Do::DeleteGrants(Tells::TheFeedAndDeletesTokens)],
                (End::ToldAsDeletedThenTokens, Feed::LockedWhenTold) => vec![
                    Do::DeleteGrants(Tells::Nobody),
                    Do::Lock(Row::Feed, Mode::Exclusive),
                    Do::TellDeleted,
                    Do::DeleteTokens,
                ],
                (End::ToldAsDeletedThenTokens, _) => vec![Do::DeleteGrants(Tells::TheFeed), Do::DeleteTokens],
            };
            first.into_iter().chain(told)
        };
        match self {
            Self::LogIn(_) => {
                let lock = (store.redeem == Redeem::LocksOwner).then_some(Do::Lock(Row::Owner, Mode::Share));
                lock.into_iter().chain([Do::InsertGrant, Do::PutToken, Do::Commit, Do::Done]).collect()
            }
            Self::Renew(_) => {
                let lock = (store.retry == Retry::LocksGrant).then_some(Do::Lock(Row::Grant(RENEWED), Mode::Share));
                let renew = [Do::Look, Do::Rotate, Do::PutToken, Do::Commit, Do::Done];
                renew.into_iter().chain(lock).chain([Do::PutTokenIfGrant, Do::Commit, Do::Done]).collect()
            }
            Self::Revoke(_) | Self::LogOutEverywhere(_) => {
                end_grants().chain([Do::Commit, Do::Hear, Do::Done]).collect()
            }
            Self::Disable(_) => [Do::DisableOwner]
                .into_iter()
                .chain(end_grants())
                .chain([Do::TellOwner, Do::Commit, Do::Hear, Do::Done])
                .collect(),
        }
    }
}
