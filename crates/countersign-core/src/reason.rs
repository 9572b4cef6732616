//! Why a request to a protected route was refused, by codes that stay: for logs, metrics and people who ask.
//!
//! A client never hears them. It hears the codes of RFC 6750 §3.1, which [`crate::error`] spells.

use std::fmt;

use crate::jose::TokenProblem;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident, $code:literal, $advice:literal;)*) => {
        /// Why a request was refused. Codes are stable: a later version adds some, and changes none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Reason {
            /// Every reason, in the order in which they are looked for.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable code, in `snake_case`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// What it means, in a few words: as the documentation of its variant.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                let documented = match self {
                    $(Self::$name => concat!($($doc),+),)*
                };
                documented.split_once("`: ").map_or(documented, |(_, meaning)| meaning)
            }

            /// What to change, in one sentence.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$name => $advice,)*
                }
            }
        }
    };
}

reasons! {
    /// `no_credentials`: the request has no `Authorization` header.
    NoCredentials, "no_credentials",
        "Send the header `Authorization: Bearer` with an access token.";
    /// `other_scheme`: the `Authorization` header is of another scheme than `Bearer`.
    OtherScheme, "other_scheme",
        "Use the scheme Bearer in the Authorization header; Basic, Token and others are not read.";
    /// `several_credentials`: two `Authorization` headers, or one beside a token in the address or a form (RFC 6750 §2).
    SeveralCredentials, "several_credentials",
        "Send the token once, in one Authorization header; a proxy on the way may add a second.";
    /// `credential_in_url`: a token stands in the address, where it ends in logs (RFC 9700 §4.3.2).
    CredentialInUrl, "credential_in_url",
        "Send the token in the Authorization header instead of the address, and let this one expire.";
    /// `too_long`: the token is longer than 16 KiB.
    TooLong, "too_long",
        "Have the issuer put less into the token: lists of groups or roles are what usually makes it long.";
    /// `malformed`: not a compact JWS of strict base64url and JSON that says each thing once.
    Malformed, "malformed",
        "Send the access token as it was issued, whole and without quotes; an opaque token must be introspected.";
    /// `critical_extension`: the token's header has `crit` (RFC 7515 §4.1.11).
    CriticalExtension, "critical_extension",
        "Have the issuer leave out the header `crit`: none of its extensions is supported.";
    /// `other_type`: the token is no access token, by its `typ` or by the marks of an ID, refresh or logout token.
    OtherType, "other_type",
        "Send the access token and not the ID token; if the issuer does not follow RFC 9068, choose the plain profile.";
    /// `unknown_key`: the token's `kid` is missing or names no key of its issuer's.
    UnknownKey, "unknown_key",
        "Check that the issuer is the right one and publishes the key that signed; get a new token if keys changed.";
    /// `other_algorithm`: the token's `alg` is not its key's.
    OtherAlgorithm, "other_algorithm",
        "Have the issuer sign with the algorithm that its key is published for.";
    /// `bad_signature`: the signature does not hold.
    BadSignature, "bad_signature",
        "Send the token unchanged; if it is, another key signed it than the one of this name.";
    /// `bound`: the token is bound to a key (`cnf`), which a bearer does not prove to have (RFC 9449 §7.2, RFC 8705 §3).
    Bound, "bound",
        "Ask the issuer for a bearer token: neither DPoP proofs nor client certificates are checked here.";
    /// `malformed_claims`: a claim is missing or of the wrong type.
    MalformedClaims, "malformed_claims",
        "Have the issuer write iss, sub, aud, exp and iat, and by RFC 9068 client_id and jti, each of its type.";
    /// `inactive`: the introspection endpoint says that the token is not active (RFC 7662 §2.2).
    Inactive, "inactive",
        "Get a new token: this one was revoked, has expired, or is not one of that issuer's.";
    /// `unknown_token`: it is an opaque token that is not known here: revoked, expired, or another issuer's.
    UnknownToken, "unknown_token",
        "Get a new token; if it is new, see that it is this API's own and was copied whole.";
    /// `other_issuer`: `iss` is another issuer.
    OtherIssuer, "other_issuer",
        "Set the issuer to what the token says, byte for byte, if that is the right one; mind a slash at the end.";
    /// `other_audience`: `aud` does not name this API.
    OtherAudience, "other_audience",
        "Ask the issuer for a token for this API, or set the audience to what its tokens say.";
    /// `expired`: `exp` has passed.
    Expired, "expired",
        "Get a new token; if it is new, compare the clocks of both machines.";
    /// `revoked`: the token, its grant, its client or its signing key has ended before its time.
    Revoked, "revoked",
        "Log in again: this token was revoked, by a logout or because its user or client changed.";
    /// `not_yet_valid`: `nbf` or `iat` lies in the future.
    NotYetValid, "not_yet_valid",
        "Compare the clocks of both machines: the issuer's is ahead of this one.";
    /// `scope_missing`: the token is good and does not have the scope that the route needs.
    ScopeMissing, "scope_missing",
        "Ask for the scope that the challenge names, and see that the user and the client may have it.";
    /// `not_a_user`: the token is a client's own, by its `sub` and `client_id`, and the route is for users.
    NotAUser, "not_a_user",
        "Send a token that a user logged in for; a client's own token opens only routes that ask for no user.";
    /// `owner_gone`: the user of the token does not exist any more.
    OwnerGone, "owner_gone",
        "Log in again: the user of this token was removed.";
    /// `owner_disabled`: the user of the token is disabled.
    OwnerDisabled, "owner_disabled",
        "Enable the user, who then logs in again.";
    /// `rule`: a rule of the API's author refused the request.
    Rule, "rule",
        "Look at the rule that the author of this API wrote for the route or for its users.";
    /// `unavailable`: it cannot be known now, because the store or the issuer is away.
    Unavailable, "unavailable",
        "Try again; if it stays, look at the store or the issuer that does not answer.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl From<TokenProblem> for Reason {
    fn from(problem: TokenProblem) -> Self {
        match problem {
            TokenProblem::TooLong => Self::TooLong,
            TokenProblem::Malformed => Self::Malformed,
            TokenProblem::CriticalExtension => Self::CriticalExtension,
            TokenProblem::OtherType => Self::OtherType,
            TokenProblem::UnknownKey => Self::UnknownKey,
            TokenProblem::OtherAlgorithm => Self::OtherAlgorithm,
            TokenProblem::BadSignature => Self::BadSignature,
            TokenProblem::Bound => Self::Bound,
            TokenProblem::MalformedClaims => Self::MalformedClaims,
            TokenProblem::OtherIssuer => Self::OtherIssuer,
            TokenProblem::OtherAudience => Self::OtherAudience,
            TokenProblem::Expired => Self::Expired,
            TokenProblem::Inactive => Self::Inactive,
            TokenProblem::Revoked => Self::Revoked,
            TokenProblem::UnknownToken => Self::UnknownToken,
            TokenProblem::NotYetValid => Self::NotYetValid,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Somebody's dashboard reads these: a line may be added, and none changed.
    const CODES: [&str; 26] = [
        "no_credentials",
        "other_scheme",
        "several_credentials",
        "credential_in_url",
        "too_long",
        "malformed",
        "critical_extension",
        "other_type",
        "unknown_key",
        "other_algorithm",
        "bad_signature",
        "bound",
        "malformed_claims",
        "inactive",
        "unknown_token",
        "other_issuer",
        "other_audience",
        "expired",
        "revoked",
        "not_yet_valid",
        "scope_missing",
        "not_a_user",
        "owner_gone",
        "owner_disabled",
        "rule",
        "unavailable",
    ];

    #[test]
    fn codes_stay_what_they_are() {
        let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes, CODES);
        assert_eq!(Reason::ScopeMissing.to_string(), "scope_missing");
    }

    #[test]
    fn every_reason_means_something_that_stands_in_a_table() {
        for reason in Reason::ALL {
            let meaning = reason.meaning();
            assert!(meaning.ends_with('.') && !meaning.contains(['|', '[', '\n']), "{meaning}");
            assert!(!meaning.contains("  ") && !meaning.starts_with(' '), "{meaning}");
            assert!(!meaning.contains(&format!("`{}`", reason.code())), "the code is not repeated: {meaning}");
        }
        assert_eq!(Reason::Expired.meaning(), "`exp` has passed.");
        assert_eq!(Reason::TooLong.meaning(), "the token is longer than 16 KiB.");
        assert_eq!(crate::jose::MAX_TOKEN_BYTES, 16 * 1024);
    }

    #[test]
    fn every_reason_advises_in_one_sentence_of_its_own() {
        let advice: HashSet<_> = Reason::ALL.iter().map(|reason| reason.advice()).collect();
        assert_eq!(advice.len(), Reason::ALL.len());
        for sentence in advice {
            assert!(sentence.ends_with('.') && sentence.matches(". ").count() == 0, "{sentence}");
            assert!(sentence.is_ascii() && sentence.len() <= 120, "{sentence}");
        }
    }
}
