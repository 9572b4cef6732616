//! A token in a form beside the one in the header (RFC 6750 §2): noticed as the handler reads its body, and never before.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::Request,
    http::{HeaderMap, Method, header},
};
use countersign_core::{error::BearerError, reason::Reason};
use futures_core::Stream;

use crate::scheme::has_bearer;

/// The parameter in which a form has a token (RFC 6750 §2.2).
const TOKEN: &[u8] = b"access_token";

const FORM: &str = "application/x-www-form-urlencoded";

/// RFC 6750 §2: "Clients MUST NOT use more than one method to transmit the token in each request."
pub(super) const REFUSED: BearerError = BearerError::InvalidRequest(Reason::SeveralCredentials);

/// Whether a token in a form would be the second of this request.
///
/// RFC 6750 §2.2: a form can have one if its method gives a body a meaning, so "the "GET" method MUST NOT be used".
pub(super) fn could_be_second(request: &Request) -> bool {
    let without_body = matches!(*request.method(), Method::GET | Method::HEAD);
    !without_body && is_form(request.headers()) && has_bearer(request.headers())
}

/// By its beginning, without case: some readers ask for no more than that.
fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    types.any(|value| value.as_bytes().get(..FORM.len()).is_some_and(|it| it.eq_ignore_ascii_case(FORM.as_bytes())))
}

/// Whether there was a token in the form of a request, as far as somebody has read it.
#[derive(Clone, Debug, Default)]
pub(super) struct FormToken(Arc<AtomicBool>);

impl FormToken {
    /// Watches the body of `request`: at the name of a token it ends with an error.
    pub(super) fn watch(request: &mut Request) -> Self {
        let found = Self::default();
        let body = std::mem::take(request.body_mut()).into_data_stream();
        let watched = Watched { body, names: Names::default(), found: found.clone(), end: End::Ahead };
        *request.body_mut() = Body::from_stream(watched);
        found
    }

    pub(super) fn is_found(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body that somebody reads, and its names.
struct Watched {
    body: BodyDataStream,
    names: Names,
    found: FormToken,
    end: End,
}

/// Whether there may be more of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ahead,
    Reached,
}

impl Watched {
    fn refuse(&mut self) -> axum::Error {
        self.found.0.store(true, Ordering::Release);
        self.end = End::Reached;
        axum::Error::new(REFUSED)
    }
}

impl Stream for Watched {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.end == End::Reached {
            return Poll::Ready(None);
        }
        let item = match ready!(Pin::new(&mut self.body).poll_next(context)) {
            Some(Ok(chunk)) if self.names.have_token(&chunk) => Some(Err(self.refuse())),
            None if self.names.end_with_token() => Some(Err(self.refuse())),
            None => {
                self.end = End::Reached;
                None
            }
            item => item,
        };
        Poll::Ready(item)
    }
}

/// The names of a form's parameters, byte by byte: how much of the present one is the beginning of [`TOKEN`]. Nothing of
/// them is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// In a name, of which so many bytes are those of the token's.
    Same(usize),
    /// The same, behind a percent sign.
    Percent(usize),
    /// The same, behind a percent sign and a digit of this value.
    Digit(usize, u8),
    /// In another name, or in a value.
    Other,
}

impl Default for Names {
    fn default() -> Self {
        Self::Same(0)
    }
}

impl Names {
    /// Goes through `chunk`, to the end of the token's name if that is in it.
    fn have_token(&mut self, chunk: &[u8]) -> bool {
        let mut rest = chunk;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            *self = match (*self, *byte) {
                (Self::Same(same), b'=' | b'&') if same == TOKEN.len() => return true,
                (_, b'&') => Self::default(),
                (Self::Other, _) => {
                    let next = rest.iter().position(|byte| *byte == b'&').unwrap_or(rest.len());
                    rest = &rest[next..];
                    Self::Other
                }
                (Self::Same(same), b'%') => Self::Percent(same),
                (Self::Same(same), byte) => Self::after(same, byte),
                // A percent sign that begins nothing is one, and the token's name has none.
                (Self::Percent(same), byte) => digit(byte).map_or(Self::Other, |high| Self::Digit(same, high)),
                (Self::Digit(same, high), byte) => {
                    digit(byte).map_or(Self::Other, |low| Self::after(same, high << 4 | low))
                }
            };
        }
        false
    }

    /// RFC 6750 §2.2 has a value for it, but a name without one is one too.
    fn end_with_token(self) -> bool {
        self == Self::Same(TOKEN.len())
    }

    /// A plus sign, which would be a space, is no byte of the token's name either.
    fn after(same: usize, byte: u8) -> Self {
        if TOKEN.get(same) == Some(&byte) { Self::Same(same + 1) } else { Self::Other }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a body that comes in these chunks has a token.
    fn has_token(chunks: &[&str]) -> bool {
        let mut names = Names::default();
        chunks.iter().any(|chunk| names.have_token(chunk.as_bytes())) || names.end_with_token()
    }

    #[test]
    fn b7_a_token_is_known_by_its_name_however_it_is_written_and_cut() {
        for body in [
            "access_token=x",
            "access_token",
            "access_token=",
            "a=b&access_token=x",
            "a&access_token=x&b",
            "&&access_token&",
            "=&access_token=x",
            "access%5Ftoken=x",
            "access%5ftoken=x",
            "%61%63%63%65%73%73%5f%74%6f%6b%65%6e=x",
            "a=%&access_token=x",
            "%&access_token=x",
            "%6&access_token=x",
            "a=%6&access_token=x",
            "access_tokens=x&access_token=x",
        ] {
            assert!(has_token(&[body]), "{body}");
            let bytes: Vec<String> = body.chars().map(String::from).collect();
            assert!(has_token(&bytes.iter().map(String::as_str).collect::<Vec<_>>()), "{body} in bytes");
            for at in 0..=body.len() {
                let (one, two) = body.split_at(at);
                assert!(has_token(&[one, "", two]), "{one} {two}");
            }
        }
    }

    #[test]
    fn b7_other_names_and_all_values_are_nobodys_token() {
        let long = "a".repeat(100_000);
        for body in [
            "",
            "a=access_token",
            "a=b=access_token=x",
            "a=%26access_token=x",
            "x_access_token=x",
            "access_token_x=x",
            "access_tokenaccess_token=x",
            "access+token=x",
            "+access_token=x",
            "access_token+=x",
            "access_token%00=x",
            "access%255Ftoken=x",
            "access%5",
            "access%5=x",
            "access%=x",
            "access_token%=x",
            "access_token%3D=x",
            "Access_Token=x",
            "access_toke=n",
            "access_=token",
            "a;access_token=x",
            &long,
            &format!("{long}access_token=x"),
        ] {
            assert!(!has_token(&[body]), "{body}");
            let bytes: Vec<String> = body.chars().map(String::from).collect();
            assert!(!has_token(&bytes.iter().map(String::as_str).collect::<Vec<_>>()), "{body} in bytes");
        }
    }
}
