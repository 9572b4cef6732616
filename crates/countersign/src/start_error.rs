//! What keeps an API from starting, said so that it can be mended.

use countersign_core::{key::KeyRingError, token::verify::MAX_LEEWAY};

/// What keeps an API from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The issuer cannot be one.
    #[error("the issuer {issuer} cannot be used: {why}")]
    Issuer {
        /// The issuer as it was set.
        issuer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It listens to other machines and does not know its public name.
    #[error("listening on {0}, which other machines can reach: set the issuer, the public https URL of this API")]
    IssuerNeeded(std::net::SocketAddr),
    /// It listens to other machines and its issuer is `http`.
    #[error(
        "listening on {0}, which other machines can reach, with an http issuer: passwords and tokens would travel \
         readable. Set an https issuer, or allow an insecure one by name"
    )]
    PlainIssuer(std::net::SocketAddr),
    /// The tokens come from elsewhere, and nobody said for which API they must be.
    #[error(
        "set the audience: what the issuer writes into `aud` of tokens for this API. Without it, tokens for any other \
         API of that issuer would open this one"
    )]
    AudienceNeeded,
    /// An address of the issuer's cannot be used.
    #[error("the address {url} cannot be used: {why}")]
    Address {
        /// The address as it was set.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Answers of the introspection endpoint would be remembered for too long.
    #[error("what the issuer says of a token is remembered for at most {longest} seconds")]
    Remember {
        /// The most, in seconds.
        longest: u64,
    },
    /// The certificates to trust cannot be read, or there are none.
    #[error("https cannot be spoken to the issuer: see to the certificates")]
    Certificates(#[source] countersign_core::store::BoxError),
    /// The lifetime of access tokens is out of bounds.
    #[error("an access token lives from {shortest} second to {longest} seconds, in whole seconds")]
    Lifetime {
        /// The least, in seconds.
        shortest: u64,
        /// The most, in seconds.
        longest: u64,
    },
    /// The lifetimes of refresh tokens are out of bounds.
    #[error(
        "a refresh token lives unused for a second or more, in all no shorter, and is tried again within {longest_leeway} seconds, all in whole seconds"
    )]
    RefreshLifetime {
        /// The longest leeway, in seconds.
        longest_leeway: u64,
    },
    /// Keys would be replaced too often.
    #[error("a key signs for {shortest} seconds at least before another takes its place")]
    KeyRotation {
        /// The least, in seconds.
        shortest: u64,
    },
    /// Guesses would be slowed too late, or for too long.
    #[error(
        "guesses are slowed after 1 to {most} failures at an account and 1 or more of a source, for {shortest} to {longest} seconds at most, in whole seconds"
    )]
    Throttle {
        /// The most failures at an account.
        most: u32,
        /// The least that the longest delay may be, in seconds.
        shortest: u64,
        /// The most.
        longest: u64,
    },
    /// The leeway is out of bounds.
    #[error("clocks may be apart by at most {} seconds", MAX_LEEWAY.as_secs())]
    Leeway,
    /// The realm needs other characters.
    #[error("the realm is not printable ASCII without quotes and backslashes")]
    Realm,
    /// A scheme's name cannot be one in the document.
    #[error("the scheme's name {0:?} is not of letters, digits, '.', '_' and '-'")]
    SchemeName(String),
    /// Two security schemes have one name in the document.
    #[error(
        "two security schemes are called {0}: give one another name, with `as \"…\"` in security_schemes!, or take it out \
         of your own document, which gets those of the guards"
    )]
    SchemeTwice(String),
    /// These routes were made by `axum::routing`, whose handlers cannot be read for their guards.
    #[error(
        "made by axum::routing, which cannot be read for guards: {}. Make them with countersign::routing::get and its \
         siblings, or wrap them in `public(…)`",
        .0.join(", ")
    )]
    Unreadable(Vec<String>),
    /// These routes are neither guarded nor public.
    #[error(
        "neither guarded nor public: {}. Give each handler a guard (such as `CurrentUser`), or wrap it in `public(…)`",
        .0.join(", ")
    )]
    Undecided(Vec<String>),
    /// The document locks routes that no guard checks.
    #[error("{}", .0.join("; "))]
    LockWithoutCheck(Vec<String>),
    /// A path cannot be one, or two handlers have one method of one path.
    #[error("the route {route} cannot be added: {why}")]
    Route {
        /// The route.
        route: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A route of yours stands where countersign has an endpoint.
    #[error("the path {0} belongs to countersign")]
    PathTaken(String),
    /// The document or a docs page cannot be there.
    #[error("the path {path} cannot be one of the docs page: {why}")]
    DocsPath {
        /// The path as it was set.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two types have one name in the document.
    #[error(
        "two types are called {0} in the API's document: rename one with #[schemars(rename = \"…\")], or for utoipa with \
         #[schema(as = …)]"
    )]
    SchemaTwice(String),
    /// The document cannot be written.
    #[error("the API's document cannot be written")]
    Document(#[source] serde_json::Error),
    /// The hashing threads cannot be started.
    #[error("the hashing threads cannot be started")]
    Threads(#[source] std::io::Error),
    /// There is no key to sign with.
    #[error("there is no key to sign with")]
    Keys(#[from] KeyRingError),
    /// The address cannot be listened on, or the listener broke.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
