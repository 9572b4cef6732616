//! What a test asks of an authorization server beside tokens. No program is compiled with this.

use super::{AuthorizationServer, Clock, Scope};
use crate::{
    extra_claims::{IssuedFor, Map, Value},
    names::{ClientId, Subject},
    store::StoreError,
};

impl AuthorizationServer {
    /// The clock that it goes by.
    #[must_use]
    pub fn clock_for_test(&self) -> &dyn Clock {
        &*self.ports.clock
    }

    /// The claims that its author adds to a token like this.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): they cannot be known now.
    pub async fn own_claims_for_test(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        scope: &Scope,
    ) -> Result<Map<String, Value>, StoreError> {
        match &self.ports.claims {
            Some(claims) => claims.claims(IssuedFor { subject, client_id, scope }).await,
            None => Ok(Map::new()),
        }
    }
}
