//! The registry's rules: who may ask for tokens, how, and for what (RFC 6749 §2).

pub mod auth;
mod authentication;
mod keys;
mod problem;
pub mod registry;
pub(crate) mod remembered;
mod secret;

pub use self::{
    authentication::{AuthMethod, Authentication, SecretMethods},
    keys::{ClientKeys, MAX_CLIENT_KEYS_BYTES},
    problem::ClientProblem,
    secret::{ClientSecret, ClientSecretHash, ClientSecrets, KeptSecret, MAX_SECRETS},
};
use crate::{
    clock::Timestamp,
    grant_type::GrantType,
    names::{Audience, ClientId},
    scope::Scope,
    token_format::TokenFormat,
};

/// The longest display name, in bytes: what fits into one line of a page.
pub const MAX_NAME_BYTES: usize = 200;

/// The longest audience that a client may be given, in bytes: URLs are much shorter.
pub const MAX_AUDIENCE_BYTES: usize = 255;

/// The most audiences that a client may be given.
pub const MAX_AUDIENCES: usize = 100;

/// A client of the registry, or the built-in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client identifier.
    pub id: ClientId,
    /// The name to show to people.
    pub name: Option<String>,
    /// How it proves who it is, and with what.
    pub authentication: Authentication,
    /// Whose software it is.
    pub party: Party,
    /// The grant types it may use. The password grant is here only when somebody switched it on by name.
    pub grant_types: Vec<GrantType>,
    /// The scope it may ask for.
    pub scope: AllowedScope,
    /// The APIs that its tokens may be for; if empty, the server's own audience alone.
    pub audience: Vec<Audience>,
    /// The APIs that it is: it may ask what tokens for these are (RFC 7662 §4), and hear what has ended. Usually none.
    pub serves: Vec<Audience>,
    /// What its access tokens look like; `None` for what the server is set to.
    pub token_format: Option<TokenFormat>,
    /// Whether it may ask at all.
    pub status: ClientStatus,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Client {
    /// The name of the built-in client in tokens and grants.
    pub const BUILT_IN_ID: &'static str = "countersign";

    /// A client that may do nothing yet: somebody else's, without grant types and scope.
    ///
    /// RFC 9700 §2.4: no client has the password grant until somebody says so.
    #[must_use]
    pub fn new(id: ClientId, authentication: Authentication, created_at: Timestamp) -> Self {
        Self {
            id,
            name: None,
            authentication,
            party: Party::Third,
            grant_types: Vec::new(),
            scope: AllowedScope::Only(Scope::empty()),
            audience: Vec::new(),
            serves: Vec::new(),
            token_format: None,
            status: ClientStatus::Active,
            created_at,
        }
    }

    /// The client that acts where nobody registered any: first-party, public, with the password grant.
    ///
    /// RFC 9700 §2.4 says that the password grant "MUST NOT be used"; it stays for an operator's own client because
    /// people need it, and one setting turns it off.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            party: Party::First,
            grant_types: vec![GrantType::Password, GrantType::RefreshToken],
            scope: AllowedScope::Any,
            ..Self::new(ClientId::new(Self::BUILT_IN_ID), Authentication::None, Timestamp::from_seconds(0))
        }
    }

    /// Whether it is the built-in one, which nobody registers and which proves nothing.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.id.as_str() == Self::BUILT_IN_ID
    }

    /// The client, if its record can be one: for whoever registers it.
    ///
    /// # Errors
    /// [`ClientProblem`]: its name, its identifier or its audiences cannot be one, or its grant types are not for it.
    pub fn checked(self) -> Result<Self, ClientProblem> {
        ClientId::parse(self.id.as_str())?;
        if self.is_built_in() {
            return Err(ClientProblem::Reserved);
        }
        if self.name.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(ClientProblem::Name);
        }
        for audiences in [&self.audience, &self.serves] {
            if audiences.len() > MAX_AUDIENCES || !audiences.iter().all(is_audience) {
                return Err(ClientProblem::Audience);
            }
        }
        // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
        if self.client_type() == ClientType::Public && self.grant_types.contains(&GrantType::ClientCredentials) {
            return Err(ClientProblem::PublicClientCredentials);
        }
        if self.party == Party::Third && self.grant_types.contains(&GrantType::Password) {
            return Err(ClientProblem::PasswordOfThirdParty);
        }
        Ok(self)
    }

    /// Whether it can keep a secret: that follows from how it proves who it is.
    #[must_use]
    pub const fn client_type(&self) -> ClientType {
        match self.authentication {
            Authentication::None => ClientType::Public,
            Authentication::Secret { .. } | Authentication::PrivateKeyJwt(_) => ClientType::Confidential,
        }
    }

    /// Whether it may ask at all.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == ClientStatus::Active
    }

    /// Whether the client may use this grant type, whatever else the record says.
    ///
    /// The password grant is for first-party clients alone (RFC 9700 §2.4), client credentials are for confidential ones
    /// (RFC 6749 §4.4).
    #[must_use]
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        let fit = match grant_type {
            GrantType::Password => self.party == Party::First,
            GrantType::RefreshToken => true,
            GrantType::ClientCredentials => self.client_type() == ClientType::Confidential,
        };
        fit && self.grant_types.contains(&grant_type)
    }

    /// Whether it is one of the APIs that a token of this audience is for.
    #[must_use]
    pub fn serves_any(&self, audience: &[Audience]) -> bool {
        audience.iter().any(|audience| self.serves.contains(audience))
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES && !name.trim().is_empty() && !name.chars().any(char::is_control)
}

/// Visible ASCII, as all URLs are: a list of them is separated by spaces.
fn is_audience(audience: &Audience) -> bool {
    let audience = audience.as_str();
    (1..=MAX_AUDIENCE_BYTES).contains(&audience.len()) && audience.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// It can, and proves who it is.
    Confidential,
    /// It cannot, and is only named.
    Public,
}

/// Whose software a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The operator's own.
    First,
    /// Somebody else's.
    Third,
}

/// Whether a client may ask for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientStatus {
    /// It may.
    Active,
    /// It may not, and nothing granted to it is of use; answered like a wrong secret.
    Disabled,
}

/// The scope that a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedScope {
    /// Whatever the owner may grant.
    Any,
    /// No more than this.
    Only(Scope),
}

impl AllowedScope {
    /// What is left of `scope` for this client.
    #[must_use]
    pub fn narrow(&self, scope: &Scope) -> Scope {
        match self {
            Self::Any => scope.clone(),
            Self::Only(allowed) => scope.intersection(allowed),
        }
    }

    /// What the client may ask for on its own behalf, where no owner bounds it: nothing, unless it was named.
    #[must_use]
    pub fn of_its_own(&self) -> Scope {
        match self {
            Self::Any => Scope::empty(),
            Self::Only(allowed) => allowed.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: &str) -> Client {
        Client::new(ClientId::new(id), Authentication::None, Timestamp::from_seconds(0))
    }

    fn confidential(id: &str) -> Client {
        let secrets = ClientSecrets::of(&ClientSecret::new("secret"));
        Client { authentication: Authentication::Secret { methods: SecretMethods::Either, secrets }, ..client(id) }
    }

    #[test]
    fn h9_an_identifier_is_of_the_grammar_and_not_the_built_in_one() {
        for bad in ["", "ü", "a\nb", "a\u{7f}", "\u{0}", &"a".repeat(256)] {
            assert!(matches!(client(bad).checked(), Err(ClientProblem::Id(_))), "{bad:?}");
        }
        assert_eq!(client(Client::BUILT_IN_ID).checked(), Err(ClientProblem::Reserved));
        for good in ["a", "s6BhdRkqt3", "https://client.example.com/cb", " ~", &"a".repeat(255)] {
            assert!(client(good).checked().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn what_a_record_says_fits_together() {
        for bad in ["", "  ", "a\u{1b}[2J", &"a".repeat(201)] {
            let named = Client { name: Some(bad.to_owned()), ..client("a") };
            assert_eq!(named.checked(), Err(ClientProblem::Name), "{bad:?}");
        }
        for bad in ["", "a b", "ü", &"a".repeat(256)] {
            let serves = Client { serves: vec![Audience::new("fine"), Audience::new(bad)], ..client("a") };
            assert_eq!(serves.checked().err(), Some(ClientProblem::Audience), "{bad:?}");
            let client = Client { audience: vec![Audience::new("fine"), Audience::new(bad)], ..client("a") };
            assert_eq!(client.checked(), Err(ClientProblem::Audience), "{bad:?}");
        }
        let of_itself = |client| Client { grant_types: vec![GrantType::ClientCredentials], ..client };
        assert_eq!(of_itself(client("a")).checked(), Err(ClientProblem::PublicClientCredentials));
        assert!(of_itself(confidential("a")).checked().is_ok());
        let by_password = |party| Client { grant_types: vec![GrantType::Password], party, ..client("a") };
        assert_eq!(by_password(Party::Third).checked(), Err(ClientProblem::PasswordOfThirdParty));
        assert!(by_password(Party::First).checked().is_ok());
    }

    #[test]
    fn o2_whatever_the_record_says_a_grant_type_is_for_those_it_is_for() {
        let all = |client| Client { grant_types: GrantType::ALL.to_vec(), ..client };
        assert!(!all(client("a")).may_use(GrantType::Password));
        assert!(!all(client("a")).may_use(GrantType::ClientCredentials));
        assert!(all(confidential("a")).may_use(GrantType::ClientCredentials));
        assert!(all(Client { party: Party::First, ..client("a") }).may_use(GrantType::Password));
        for grant_type in GrantType::ALL {
            assert!(!Client { party: Party::First, ..confidential("a") }.may_use(grant_type), "a new client has none");
        }
        assert!(!Client::built_in().may_use(GrantType::ClientCredentials));
    }

    #[test]
    fn where_no_owner_bounds_it_any_scope_is_none() {
        assert_eq!(AllowedScope::Any.of_its_own(), Scope::empty());
        let only: Scope = "a b".parse().unwrap();
        assert_eq!(AllowedScope::Only(only.clone()).of_its_own(), only);
    }
}
