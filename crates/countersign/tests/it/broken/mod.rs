//! Guards with one mistake each: what an attack must find.

pub(crate) mod authors;
pub(crate) mod claims;
pub(crate) mod combined;
pub(crate) mod form;
mod token;

use countersign::{
    OAuth2,
    scheme::{ApiKey, HttpBasic},
    security_schemes,
};

pub(crate) use self::token::{Broken, BrokenBearer, BrokenOption, BrokenUser, Mistake};

security_schemes! {
    /// A key.
    pub(crate) Key: ApiKey = ApiKey::header("X-Key");
    /// A user name and a password.
    pub(crate) Basic: HttpBasic = HttpBasic::new();
}

/// Where the mistakes of a test's guards come from: a route of each would be a type of each.
#[derive(Clone)]
pub(crate) struct Careless<M = Mistake> {
    pub(crate) oauth2: OAuth2,
    pub(crate) mistake: M,
}

impl<M> axum::extract::FromRef<Careless<M>> for OAuth2 {
    fn from_ref(state: &Careless<M>) -> Self {
        state.oauth2.clone()
    }
}

impl<M: Copy + PartialEq> Careless<M> {
    fn is(&self, mistake: M) -> bool {
        self.mistake == mistake
    }
}
