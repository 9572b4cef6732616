//! Who signs the tokens of a test, and whom the API knows. The one place that asks who the handle's authority is.

use std::{sync::Arc, time::Duration};

use countersign_core::{
    authorization_server::{AuthorizationServer, DEFAULT_LIFETIME},
    clock::{System, Timestamp, random_id},
    jose::{Algorithm, KeyProblem},
    names::{ClientId, Subject},
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners},
    scope::Scope,
    store::StoreError,
    token::verify::Profile,
    username::Username,
};
use serde_json::{Map, Value};

use super::{
    draft::{Draft, compact},
    issuer::Issuer,
};
use crate::{authority::Authority, oauth2::OAuth2};

/// The client that the tokens of a test name: not what a test would call a user, who would pass for the client.
const CLIENT: &str = "countersign-testing";

/// The type of access tokens (RFC 9068 §2.1).
const TYP: &str = "at+jwt";

/// Bytes of randomness that name a token.
const TOKEN_ID_BYTES: usize = 16;

/// How many users are looked through for one to try with.
const MAX_USERS: usize = 1000;

/// Whose keys sign.
#[derive(Clone, Debug)]
pub(super) enum Signer {
    /// The API's own.
    Own(Arc<AuthorizationServer>),
    /// An issuer's, whose keys the test holds.
    Held(Issuer),
}

impl Signer {
    /// The handle itself, if it issues tokens.
    pub(super) fn of(oauth2: &OAuth2) -> Option<Self> {
        oauth2.authority().server().cloned().map(Self::Own)
    }

    pub(super) fn now(&self) -> Timestamp {
        match self {
            Self::Own(server) => server.clock_for_test().now(),
            Self::Held(issuer) => issuer.now(),
        }
    }

    pub(super) fn issuer(&self) -> String {
        match self {
            Self::Own(server) => server.issuer().as_str().to_owned(),
            Self::Held(issuer) => issuer.name().to_owned(),
        }
    }

    fn audience(&self) -> String {
        match self {
            Self::Own(server) => server.audience().as_str().to_owned(),
            Self::Held(issuer) => issuer.audience_of_tokens().to_owned(),
        }
    }

    fn lifetime(&self) -> Duration {
        match self {
            Self::Own(server) => server.settings().access_token_lifetime,
            Self::Held(_) => DEFAULT_LIFETIME,
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Own(server) => server.keys().algorithm(),
            Self::Held(issuer) => issuer.signing_key().algorithm(),
        }
    }

    fn key_id(&self) -> String {
        match self {
            Self::Own(server) => server.keys().signing_id(self.now()).map(ToString::to_string).unwrap_or_default(),
            Self::Held(issuer) => issuer.signing_key().id().to_string(),
        }
    }

    /// The public half of the key that signs; a secret has none.
    pub(super) fn public_key(&self) -> Option<Value> {
        let found = match self {
            Self::Own(server) => {
                let (keys, now) = (server.keys(), self.now());
                let signing = keys.signing_id(now);
                let mut published = keys.published(now).keys.into_iter();
                published.find(|key| Some(&key.key_id()) == signing).map(serde_json::to_value)
            }
            Self::Held(issuer) => issuer.signing_key().public().map(serde_json::to_value),
        };
        found?.ok()
    }

    fn sign_input(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        match self {
            Self::Own(server) => server.keys().sign_for_test(input, self.now()),
            Self::Held(issuer) => issuer.signing_key().sign(input),
        }
    }

    /// The draft as a token, signed.
    pub(super) fn sign(&self, draft: &Draft) -> Result<String, KeyProblem> {
        let input = draft.input();
        Ok(compact(&input, &self.sign_input(input.as_bytes())?))
    }

    /// The claims that the API's author adds to a token like this.
    pub(super) async fn own_claims(&self, subject: &str, scope: &Scope) -> Result<Map<String, Value>, StoreError> {
        match self {
            Self::Own(server) => {
                let (subject, client) = (Subject::new(subject), ClientId::new(CLIENT));
                server.own_claims_for_test(&subject, &client, scope).await
            }
            Self::Held(_) => Ok(Map::new()),
        }
    }

    /// A good token for this subject, with the claims that the API's author adds.
    pub(super) async fn draft(&self, subject: &str, scope: &Scope) -> Result<Draft, StoreError> {
        Ok(self.draft_with(self.own_claims(subject, scope).await?, subject, scope))
    }

    /// A good token for this subject, with these claims beside.
    pub(super) fn draft_with(&self, own: Map<String, Value>, subject: &str, scope: &Scope) -> Draft {
        let header = [("alg", self.algorithm().name().to_owned()), ("kid", self.key_id()), ("typ", TYP.to_owned())];
        let header = header.map(|(name, value)| (name.to_owned(), Value::from(value)));
        let now = self.now();
        let token_id = random_id::<TOKEN_ID_BYTES>(&System);
        let draft = Draft { header: Map::from_iter(header), claims: own }
            .claim("iss", Value::from(self.issuer()))
            .claim("sub", Value::from(subject))
            .claim("aud", Value::from(self.audience()))
            .claim("client_id", Value::from(CLIENT))
            .claim("iat", Value::from(now.seconds()))
            .claim("exp", Value::from(now.plus(self.lifetime()).seconds()))
            .claim("jti", Value::from(token_id));
        if scope.is_empty() { draft } else { draft.claim("scope", Value::from(scope.to_string())) }
    }
}

/// How the API reads tokens: which of their types it takes for access tokens.
pub(super) fn profile(oauth2: &OAuth2) -> Profile {
    match oauth2.authority() {
        Authority::Here { .. } => Profile::Rfc9068,
        #[cfg(feature = "remote")]
        Authority::Elsewhere(remote) => remote.profile(),
    }
}

/// Where the API looks for the owners of tokens; `None` if it believes what tokens say of them.
pub(super) fn owners(oauth2: &OAuth2) -> Option<&dyn ResourceOwners> {
    match oauth2.authority() {
        Authority::Here { server, .. } => Some(server.owners()),
        #[cfg(feature = "remote")]
        Authority::Elsewhere(remote) => remote.owners(),
    }
}

/// The user of this name, active or not.
pub(super) async fn find_user(oauth2: &OAuth2, name: &str) -> Result<Option<ResourceOwner>, StoreError> {
    match (owners(oauth2), Username::parse(name)) {
        (Some(owners), Ok(name)) => owners.find_by_username(&name).await,
        _ => Ok(None),
    }
}

/// Some user of the store's with this status. Of a table of the author's nobody can be had without a name.
pub(super) async fn some_user(oauth2: &OAuth2, status: OwnerStatus) -> Result<Option<ResourceOwner>, StoreError> {
    let Some(server) = oauth2.server().filter(|server| server.owners_are_in_store()) else { return Ok(None) };
    let users = server.store().list_owners(None, MAX_USERS).await?;
    Ok(users.into_iter().find(|user| user.status == status))
}
