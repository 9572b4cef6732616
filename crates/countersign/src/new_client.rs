//! Adding clients to the registry, from code: services of your own, tests, examples.

use countersign_core::{
    client::{
        AllowedScope, Authentication, Client, ClientKeys, ClientProblem, ClientSecret, ClientSecrets, ClientStatus,
        Party, SecretMethods,
        registry::{self, RegistryProblem},
    },
    grant_type::GrantType,
    names::{Audience, ClientId, MalformedClientId, Subject},
    scope::{MalformedScope, Scope},
    store::{Added, StoreError},
    token_format::TokenFormat,
};

use crate::oauth2::OAuth2;

/// A client to be added by [`OAuth2::add_client`].
///
/// It may do nothing until it is told what: it has no grant type and no scope.
///
/// ```
/// use countersign::{GrantType, NewClient};
///
/// let reports = NewClient::new("reports").grant_type(GrantType::ClientCredentials).scope("read:items");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NewClient {
    id: String,
    name: Option<String>,
    proof: Proof,
    methods: SecretMethods,
    party: Party,
    grant_types: Vec<GrantType>,
    scope: AskedScope,
    audience: Vec<Audience>,
    serves: Vec<Audience>,
    token_format: Option<TokenFormat>,
    status: ClientStatus,
}

/// With what it will prove who it is.
#[derive(Clone, Debug)]
enum Proof {
    None,
    NewSecret,
    Secret(ClientSecret),
    Keys(String),
}

#[derive(Clone, Debug)]
enum AskedScope {
    Any,
    Only(String),
}

impl NewClient {
    /// A confidential client of this identifier, which gets a new secret; somebody else's.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: None,
            proof: Proof::NewSecret,
            methods: SecretMethods::Either,
            party: Party::Third,
            grant_types: Vec::new(),
            scope: AskedScope::Only(String::new()),
            audience: Vec::new(),
            serves: Vec::new(),
            token_format: None,
            status: ClientStatus::Active,
        }
    }

    /// It is public (RFC 6749 §2.1): it runs where no secret stays one, and is only named.
    pub fn public(mut self) -> Self {
        self.proof = Proof::None;
        self
    }

    /// It has this secret already, of 32 characters at least. Without one a good one is made.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.proof = Proof::Secret(ClientSecret::new(secret));
        self
    }

    /// Where its secret may stand in a request; by default in the header or in the form, as it likes.
    pub fn secret_methods(mut self, methods: SecretMethods) -> Self {
        self.methods = methods;
        self
    }

    /// It signs a JWT to prove who it is (`private_key_jwt`, RFC 7523 §2.2); `jwks` is the JWK set of its public keys.
    pub fn keys(mut self, jwks: impl Into<String>) -> Self {
        self.proof = Proof::Keys(jwks.into());
        self
    }

    /// The name to show to people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// It is your own software. Only then may it have the password grant.
    pub fn first_party(mut self) -> Self {
        self.party = Party::First;
        self
    }

    /// It may use this grant type. May be repeated.
    pub fn grant_type(mut self, grant_type: GrantType) -> Self {
        if !self.grant_types.contains(&grant_type) {
            self.grant_types.push(grant_type);
        }
        self
    }

    /// The scopes that it may ask for, separated by spaces.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = AskedScope::Only(scope.into());
        self
    }

    /// It may ask for whatever a user may grant. On its own behalf, where no user is, that is nothing.
    pub fn any_scope(mut self) -> Self {
        self.scope = AskedScope::Any;
        self
    }

    /// Its tokens may be for this API (RFC 8707). May be repeated; without any, they are for the server's own audience.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.push(Audience::new(audience));
        self
    }

    /// It is this API: it may ask what tokens for it are (RFC 7662), and follow the feed of what has ended. May be
    /// repeated.
    pub fn serves(mut self, audience: impl Into<String>) -> Self {
        self.serves.push(Audience::new(audience));
        self
    }

    /// What its access tokens look like; by default as the server is set.
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.token_format = Some(format);
        self
    }

    /// It may not ask for tokens.
    pub fn disabled(mut self) -> Self {
        self.status = ClientStatus::Disabled;
        self
    }
}

/// A client that was added.
#[derive(Clone, Debug)]
pub struct AddedClient {
    /// The client, as it is in the registry.
    pub client: Client,
    /// Its secret, if one was made for it. It rests as a hash only: this is the one time to keep it.
    pub secret: Option<ClientSecret>,
}

impl OAuth2 {
    /// Adds a client to the registry. From the first one on, a client that names itself in a request must prove who it
    /// is; a request that names none is still the built-in client's.
    ///
    /// # Errors
    /// [`NewClientProblem`]: the identifier is taken, the record cannot be one, or it cannot be stored now.
    pub async fn add_client(&self, client: NewClient) -> Result<AddedClient, NewClientProblem> {
        let server = self.server().ok_or(NewClientProblem::Elsewhere)?;
        let id = ClientId::parse(&client.id)?;
        let by_secret = |secret: &ClientSecret| Authentication::Secret {
            methods: client.methods,
            secrets: ClientSecrets::of(secret),
        };
        let (authentication, secret) = match client.proof {
            Proof::None => (Authentication::None, None),
            Proof::Keys(jwks) => (Authentication::PrivateKeyJwt(ClientKeys::parse(jwks)?), None),
            Proof::Secret(secret) => (by_secret(&ClientSecret::chosen(secret.secret())?), None),
            Proof::NewSecret => {
                let secret = ClientSecret::random(server.rng());
                (by_secret(&secret), Some(secret))
            }
        };
        let client = Client {
            name: client.name,
            party: client.party,
            grant_types: client.grant_types,
            scope: match client.scope {
                AskedScope::Any => AllowedScope::Any,
                AskedScope::Only(scope) => AllowedScope::Only(scope.parse::<Scope>()?),
            },
            audience: client.audience,
            serves: client.serves,
            token_format: client.token_format,
            status: client.status,
            ..Client::new(id, authentication, server.now())
        };
        // RFC 9700 §4.15: no client may be taken for a user. The store sees to that for its own table of users.
        if server.owners().find_by_subject(&Subject::new(client.id.as_str())).await?.is_some() {
            return Err(NewClientProblem::Taken);
        }
        match registry::add(server.store(), &client).await? {
            Added::Yes => Ok(AddedClient { client, secret }),
            Added::NameTaken => Err(NewClientProblem::Taken),
        }
    }
}

/// Why a client was not added.
#[derive(Debug, thiserror::Error)]
pub enum NewClientProblem {
    /// Tokens come from an issuer elsewhere, and so do clients.
    #[error("tokens come from elsewhere: add clients there")]
    Elsewhere,
    /// The identifier is another client's, or a user's subject.
    #[error("this identifier is another client's or a user's already")]
    Taken,
    /// The scope cannot be one.
    #[error(transparent)]
    Scope(#[from] MalformedScope),
    /// The record cannot be one, or it cannot be stored.
    #[error(transparent)]
    Registry(#[from] RegistryProblem),
}

impl From<ClientProblem> for NewClientProblem {
    fn from(problem: ClientProblem) -> Self {
        Self::Registry(problem.into())
    }
}

impl From<MalformedClientId> for NewClientProblem {
    fn from(problem: MalformedClientId) -> Self {
        ClientProblem::from(problem).into()
    }
}

impl From<StoreError> for NewClientProblem {
    fn from(problem: StoreError) -> Self {
        Self::Registry(problem.into())
    }
}
