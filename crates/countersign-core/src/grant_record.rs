//! What an owner allowed a client: the record from which every token descends.

use crate::{
    clock::Timestamp,
    names::{ClientId, GrantId, Subject},
    scope::Scope,
    store::{Spend, Standing},
};

/// A grant: one login, or one consent. Every token names the grant from which it descends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Names the grant; its tokens carry it.
    pub id: GrantId,
    /// Who allowed it.
    pub subject: Subject,
    /// Whom it was allowed.
    pub client_id: ClientId,
    /// What was allowed.
    pub scope: Scope,
    /// When it was allowed.
    pub created_at: Timestamp,
    /// When the last token that descends from it has expired: then the record may go.
    pub expires_at: Timestamp,
}

/// What a grant decided: all that is needed to issue.
#[derive(Debug)]
pub(crate) struct Authorized {
    pub(crate) subject: Subject,
    /// What the owner must still be when the grant is recorded.
    pub(crate) standing: Standing,
    pub(crate) scope: Scope,
    /// What was asked for; `None` if nothing was.
    pub(crate) asked: Option<Scope>,
    /// What the tokens cost: the one-time thing that is spent in the write that records the grant.
    pub(crate) spend: Option<Spend>,
}
