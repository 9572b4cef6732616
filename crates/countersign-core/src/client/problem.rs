//! Why a client cannot be registered: what an operator reads.

use crate::{
    client::{MAX_CLIENT_KEYS_BYTES, MAX_NAME_BYTES, MAX_SECRETS, secret::MIN_SECRET_BYTES},
    jose::KeyProblem,
    key::KeySetProblem,
    names::MalformedClientId,
};

/// Why a client cannot be registered. Never tells anything of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientProblem {
    /// The identifier cannot be one (RFC 6749 Appendix A.1).
    #[error(transparent)]
    Id(#[from] MalformedClientId),
    /// The identifier is the built-in client's.
    #[error("this identifier belongs to the built-in client")]
    Reserved,
    /// The display name cannot be one.
    #[error("a client's name has 1 to {MAX_NAME_BYTES} bytes and no control characters")]
    Name,
    /// An audience cannot be one, or there are too many.
    #[error("an audience is a URL or another name in visible ASCII, without spaces")]
    Audience,
    /// RFC 6749 §4.4: client credentials are for confidential clients.
    #[error("a public client cannot have the client credentials grant: it has no credentials")]
    PublicClientCredentials,
    /// RFC 9700 §2.4: the password grant is for first-party clients at most.
    #[error("the password grant is for first-party clients only")]
    PasswordOfThirdParty,
    /// A client that authenticates by secret has none.
    #[error("a confidential client needs a secret or keys")]
    NoSecret,
    /// It would have more secrets that are good than one may have.
    #[error("a client has at most {MAX_SECRETS} secrets at once; wait until one expires, or let them end now")]
    TooManySecrets,
    /// The secret is shorter than one that nobody guesses.
    #[error("a client secret has at least {MIN_SECRET_BYTES} characters; leave it out, and a good one is made")]
    WeakSecret,
    /// The client does not authenticate by secret.
    #[error("this client has no secret: it is public, or authenticates with its keys")]
    NotBySecret,
    /// The key set is no JWK set, or larger than we read.
    #[error("the keys cannot be used: {0}")]
    KeySet(#[from] KeySetProblem),
    /// The key set is longer than a client's may be.
    #[error("the keys are longer than {MAX_CLIENT_KEYS_BYTES} bytes")]
    KeysTooLong,
    /// There is no key in the set.
    #[error("the key set has no key")]
    NoKey,
    /// A key of the set is not fit to verify signatures: private or symmetric, weak, for another use, or unknown.
    #[error("a key of the set cannot be used: {0}")]
    Key(#[from] KeyProblem),
}
