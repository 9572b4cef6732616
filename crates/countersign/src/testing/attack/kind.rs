//! The attacks by their names.

use std::fmt;

macro_rules! attacks {
    ($($(#[doc = $doc:literal])+ $name:ident, $text:literal;)*) => {
        /// A way to get in without being let in. Some are tried in several variants.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Attack {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Attack {
            /// Every attack.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        impl fmt::Display for Attack {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

attacks! {
    /// No credentials at all.
    NoCredentials, "no credentials";
    /// Credentials of nothing.
    Empty, "empty credentials";
    /// Something that is no token.
    Garbage, "garbage";
    /// Credentials that stand elsewhere than they should.
    WrongPlace, "in the wrong place";
    /// Good credentials under another scheme's name (RFC 9110 §11.1).
    OtherScheme, "another scheme";
    /// Two credentials in headers (RFC 6750 §2).
    Doubled, "doubled";
    /// A good token in the header, and one in the address (RFC 6750 §2).
    HeaderAndQuery, "header and address";
    /// A good token in the header, and one in a form (RFC 6750 §2): where the document tells of a form.
    HeaderAndForm, "header and form";
    /// A good token in the address alone (RFC 9700 §4.3.2).
    QueryOnly, "in the address";
    /// A good token in a form alone (RFC 6750 §2.2), where the method gives a body a meaning.
    FormOnly, "in a form";
    /// Credentials of a scheme of yours that nobody gave out, where the test knows good ones.
    UnknownCredentials, "unknown credentials";
    /// A signature that is none of this token's.
    ForgedSignature, "forged signature";
    /// Signed by a key of the attacker's.
    ForeignKey, "another key";
    /// `alg` is `none`, in several spellings (RFC 8725 §3.1).
    AlgorithmNone, "alg: none";
    /// HS256 with the public key as the secret (RFC 8725 §2.1).
    PublicKeyAsSecret, "public key as secret";
    /// `alg` names another algorithm than the key's (RFC 8725 §3.1).
    OtherAlgorithm, "another algorithm";
    /// The attacker's key, or its address, in the header (RFC 8725 §3.10).
    KeyInHeader, "key in the header";
    /// A critical extension that nobody understands (RFC 7515 §4.1.11).
    CriticalExtension, "critical extension";
    /// Another type of token, such as a refresh token (RFC 9068 §4).
    OtherType, "another type";
    /// Its time is over.
    Expired, "expired";
    /// Its time has not come.
    NotYetValid, "not yet valid";
    /// Another issuer's name.
    OtherIssuer, "another issuer";
    /// The issuer's name with something added or in other letters (RFC 9068 §4: it "MUST exactly match").
    AlmostTheIssuer, "almost the issuer";
    /// For another API.
    OtherAudience, "another audience";
    /// For no API.
    NoAudience, "no audience";
    /// Cut off at the end.
    Truncated, "truncated";
    /// One character changed.
    Altered, "altered";
    /// More segments than three.
    ExtraSegments, "extra segments";
    /// One of the scopes is missing.
    MissingScope, "a scope is missing";
    /// The scopes in other letters.
    ScopeInOtherCase, "scopes in other case";
    /// Scopes of which the needed ones are the beginning, or the other way round.
    AlmostTheScope, "almost the scope";
    /// Without the claims of yours that a guard needs.
    NoClaims, "no claims of yours";
    /// A user whom every rule of yours refuses, where the test knows one.
    RefusedByRule, "refused by a rule";
    /// A user who does not exist.
    UnknownSubject, "unknown subject";
    /// A user who is disabled.
    DisabledSubject, "disabled user";
}
