//! Security schemes whose credentials your own code checks: declared once, as types, one file each kind.
//!
//! To add a kind: one file with a type that implements [`SchemeKind`], and its line here.

mod api_key;
pub(crate) mod authorization;
mod basic;
mod bearer;
mod http;
mod oauth2;
mod open_id_connect;

use axum::http::request::Parts;
use countersign_core::error::BearerError;
use serde_json::Value;

#[cfg(feature = "testing")]
pub(crate) use self::bearer::is_b64token;
pub(crate) use self::bearer::{find_in_place as find_bearer, find_unread as find_unread_bearer, is_in as has_bearer};
pub use self::{
    api_key::{ApiKey, ApiKeyValue},
    authorization::HttpCredentials,
    basic::{BasicCredentials, HttpBasic},
    bearer::HttpBearer,
    http::{HttpDigest, HttpScheme},
    oauth2::OAuth2Flows,
    open_id_connect::OpenIdConnect,
};
pub use crate::guard::challenge::Challenge;

/// The realm of a scheme that names none, as of the handle's own guards.
pub(crate) const DEFAULT_REALM: &str = "api";

/// A scheme as a type; made by [`security_schemes!`](crate::security_schemes!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a security scheme",
    note = "declare it with `security_schemes! {{ /// What it is for.\\n pub {Self}: ApiKey = ApiKey::header(\"X-Key\"); }}`"
)]
pub trait SecurityScheme: 'static {
    /// What kind of scheme it is.
    type Kind: SchemeKind;

    /// Its name in the document: letters, digits, `.`, `_` and `-`.
    const NAME: &'static str;

    /// What it is for, for people; may be empty.
    const DESCRIPTION: &'static str;

    /// Where its credentials are found, and what is told of it.
    const KIND: Self::Kind;
}

/// A kind of scheme: how its credentials are read, asked for, and told of in the document.
pub trait SchemeKind: Send + Sync + 'static {
    /// What it hands over.
    type Credentials: Send;

    /// Reads the credentials, and checks their form alone.
    ///
    /// # Errors
    /// [`BearerError`]: there are none, several, or such as cannot be.
    fn find(&self, parts: &Parts) -> Result<Self::Credentials, BearerError>;

    /// How it is asked for where it is missing (RFC 9110 §11.6.1).
    fn challenge(&self) -> Challenge;

    /// The Security Scheme Object of OpenAPI 3.1, without a description.
    fn document(&self) -> Value;
}

/// A scheme that a guard looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SchemeRef {
    /// The one of the handle, whose tokens it verifies.
    Own,
    /// One of the author's.
    Named(Box<NamedScheme>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedScheme {
    pub(crate) name: &'static str,
    pub(crate) document: Value,
    pub(crate) challenge: Challenge,
}

impl SchemeRef {
    pub(crate) fn of<X: SecurityScheme>() -> Self {
        let mut document = X::KIND.document();
        let description = X::DESCRIPTION.trim();
        if !description.is_empty() {
            document["description"] = description.into();
        }
        Self::Named(Box::new(NamedScheme { name: X::NAME, document, challenge: X::KIND.challenge() }))
    }

    pub(crate) const fn is_own(&self) -> bool {
        matches!(self, Self::Own)
    }

    /// Its name in the document, where the handle's is `own`.
    pub(crate) fn name<'n>(&self, own: &'n str) -> &'n str {
        match self {
            Self::Own => own,
            Self::Named(scheme) => scheme.name,
        }
    }

    /// Its challenge, where the handle's is `own`.
    pub(crate) fn challenge(&self, own: &Challenge) -> Challenge {
        match self {
            Self::Own => own.clone(),
            Self::Named(scheme) => scheme.challenge.clone(),
        }
    }
}

/// Whether this can be the name of a component (OpenAPI 3.1 §4.8.7.1); usable in constants.
#[must_use]
pub const fn is_component_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !(bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'.' | b'_' | b'-')) {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty()
}

/// Declares security schemes, each as a type with its description, its kind and its parameters.
///
/// The name in the document is that of the type, unless `as` gives another. Credentials of a scheme are had as
/// [`Credentials`](crate::Credentials), and checking them is up to you.
///
/// ```
/// use countersign::{Credentials, routing::{MethodRouter, get}, scheme::{ApiKey, HttpBasic}, security_schemes};
///
/// security_schemes! {
///     /// The key of a shop.
///     pub ShopKey: ApiKey = ApiKey::header("X-Key");
///     /// The staff's old logins.
///     pub Staff as "staff-login": HttpBasic = HttpBasic::new().realm("staff");
/// }
///
/// async fn of_shop(key: Credentials<ShopKey>) -> String {
///     format!("{} bytes of key", key.secret().len())
/// }
///
/// let methods: MethodRouter = get(of_shop);
/// # drop(methods);
/// ```
#[macro_export]
macro_rules! security_schemes {
    ($($(#[doc = $doc:literal])* $vis:vis $name:ident $(as $called:literal)? : $kind:ty = $value:expr;)+) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $name;

        const _: () = ::std::assert!(
            $crate::scheme::is_component_name(<$name as $crate::scheme::SecurityScheme>::NAME),
            "a scheme's name is of letters, digits, '.', '_' and '-'"
        );

        impl $crate::scheme::SecurityScheme for $name {
            type Kind = $kind;
            const NAME: &'static str = $crate::security_schemes!(@name $name $($called)?);
            const DESCRIPTION: &'static str = ::std::concat!($($doc, "\n"),*);
            const KIND: $kind = $value;
        }
    )+};
    (@name $name:ident $called:literal) => { $called };
    (@name $name:ident) => { ::std::stringify!($name) };
}
