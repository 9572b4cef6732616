//! `application/x-www-form-urlencoded`, decoded strictly (RFC 6749 Appendix B): UTF-8 or nothing.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{OAuthError, RequestProblem};

/// The most fields that a form may have: ours have a dozen.
pub const MAX_FIELDS: usize = 100;

/// The parameters that may stand once only (RFC 6749 §3.2). Others are not ours to judge and are ignored.
const KNOWN: [&str; 15] = [
    "grant_type",
    "username",
    "password",
    "scope",
    "client_id",
    "client_secret",
    "refresh_token",
    "token",
    "code",
    "redirect_uri",
    "code_verifier",
    "client_assertion",
    "client_assertion_type",
    "current_password",
    "new_password",
];

/// The fields of a request, of which the secret ones are not shown and leave the memory with it.
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads a form and keeps the parameters that somebody gave a value.
    ///
    /// RFC 6749 §3.2: "Parameters sent without a value MUST be treated as if they were omitted"; "request parameters
    /// MUST NOT be included more than once".
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`]: broken percent-encoding, not UTF-8, too many fields, a known one repeated.
    pub fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let mut fields: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (count, pair) in body.split(|byte| *byte == b'&').enumerate() {
            if count >= MAX_FIELDS {
                return Err(OAuthError::InvalidRequest(RequestProblem::TooLarge));
            }
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let malformed = || OAuthError::InvalidRequest(RequestProblem::MalformedForm);
            let name = decode(name).ok_or_else(malformed)?;
            let value = Zeroizing::new(decode(value).ok_or_else(malformed)?);
            let known = KNOWN.iter().find(|known| **known == name);
            if let Some(known) = known.filter(|_| fields.iter().any(|(stands, _)| *stands == name)) {
                return Err(OAuthError::InvalidRequest(RequestProblem::Repeated(known)));
            }
            fields.push((name, value));
        }
        fields.retain(|(_, value)| !value.is_empty());
        Ok(Self(fields))
    }

    /// The value of a parameter, if it has one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(stands, _)| stands == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may stand more than once.
    pub fn find_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(stands, _)| stands == name).map(|(_, value)| value.as_str())
    }

    /// The values of parameters that must be there.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`], naming every one that is missing.
    pub fn require<const N: usize>(&self, names: [&'static str; N]) -> Result<[&str; N], OAuthError> {
        let missing: Vec<_> = names.into_iter().filter(|name| self.find(name).is_none()).collect();
        if missing.is_empty() {
            Ok(names.map(|name| self.find(name).unwrap_or_default()))
        } else {
            Err(OAuthError::InvalidRequest(RequestProblem::Missing(missing)))
        }
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name).filter(|name| KNOWN.contains(&name.as_str()));
        f.debug_set().entries(names).finish()
    }
}

/// Decodes one name or value: `+` is a space, `%` begins two hexadecimal digits, and all of it is UTF-8.
///
/// `None` if a percent sign is not followed by two of them, or the bytes are no UTF-8.
#[must_use]
pub fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a12_the_vector_of_appendix_b_decodes() {
        let form = Form::parse(b"x=+%25%26%2B%C2%A3%E2%82%AC").unwrap();
        assert_eq!(form.find("x"), Some(" %&+\u{a3}\u{20ac}"));
    }

    #[test]
    fn a12_what_is_not_utf8_or_not_hexadecimal_is_refused() {
        let malformed = Some(OAuthError::InvalidRequest(RequestProblem::MalformedForm));
        for bad in ["a=%FF", "a=%C0%AF", "a=%", "a=%z", "a=%zz", "a=%4", "%FF=a", "a=%+1", "a=% 1", "a=%ED%A0%80"] {
            assert_eq!(Form::parse(bad.as_bytes()).err(), malformed, "{bad}");
        }
        assert_eq!(Form::parse(b"a=\xff").err(), malformed);
    }

    #[test]
    fn a4_a_known_parameter_stands_once() {
        for name in KNOWN {
            let twice = format!("{name}=a&x=1&x=2&{name}=");
            let repeated = Some(OAuthError::InvalidRequest(RequestProblem::Repeated(name)));
            assert_eq!(Form::parse(twice.as_bytes()).err(), repeated);
        }
        assert!(Form::parse(b"resource=a&resource=b").is_ok(), "others are ignored");
    }

    #[test]
    fn a5_an_empty_value_is_an_omitted_one() {
        let form = Form::parse(b"scope=&x&username=alice&&=").unwrap();
        assert_eq!((form.find("scope"), form.find("x"), form.find("username")), (None, None, Some("alice")));
        assert_eq!(
            form.require(["username", "password", "scope"]).err(),
            Some(OAuthError::InvalidRequest(RequestProblem::Missing(vec!["password", "scope"])))
        );
    }

    #[test]
    fn m1_the_number_of_fields_is_bounded() {
        assert!(Form::parse("a=1&".repeat(MAX_FIELDS - 1).as_bytes()).is_ok());
        let too_many = "a=1&".repeat(MAX_FIELDS);
        let refused = Some(OAuthError::InvalidRequest(RequestProblem::TooLarge));
        assert_eq!(Form::parse(too_many.as_bytes()).err(), refused);
    }

    #[test]
    fn l5_a_form_shows_no_value_and_no_unknown_name() {
        let shown = format!("{:?}", Form::parse(b"password=hunter2&hunter2=x").unwrap());
        assert_eq!(shown, r#"{"password"}"#);
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Form::parse(&body);
        }
    }
}
