//! A token as people paste it: cleaned of what is around it, and never repeated.

use std::{
    fmt,
    io::{self, IsTerminal, Read},
};

use countersign::core::token::BearerToken;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{announce, failure::Failure};

/// The most that is read from standard input, in bytes: more than any token response.
const MAX_INPUT_BYTES: usize = 64 * 1024;

/// A token, and what was taken from around it.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) token: BearerToken,
    pub(super) notes: Vec<Note>,
}

/// What was taken from around a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Space,
    Header,
    Scheme,
    Quotes,
    Response,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Space => "spaces or line breaks around the token were left out; in a request they would be refused",
            Self::Header => "`Authorization:` before the token was left out",
            Self::Scheme => "`Bearer` before the token was left out",
            Self::Quotes => "the quotes around the token were left out; in a request they would be refused",
            Self::Response => "the token was taken out of a token response, as its access_token",
        })
    }
}

/// Reads a token from standard input.
///
/// # Errors
/// Wrong usage: there is none, or what is there cannot be one.
pub(super) fn read() -> Result<Given, Failure> {
    if io::stdin().is_terminal() {
        announce::aside("Paste the token, then press Enter and Ctrl-D.");
    }
    read_from(io::stdin().lock())
}

fn read_from(source: impl Read) -> Result<Given, Failure> {
    // As large as it can become, so that no copy is left behind where it grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_INPUT_BYTES + 1));
    source.take(MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(Failure::usage(format!("standard input has more than {MAX_INPUT_BYTES} bytes: that is no token")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage("standard input is not text"))?;
    let mut notes = Vec::new();
    let token = clean(text, &mut notes)?;
    if token.secret().is_empty() {
        let empty = Failure::usage("there is no token on standard input");
        return Err(empty.hint("pipe one in, as in `countersign explain < token.txt`"));
    }
    Ok(Given { token, notes })
}

fn clean(text: &str, notes: &mut Vec<Note>) -> Result<BearerToken, Failure> {
    // A file ends with a line break, and that is nothing to speak of.
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    let token = uncover(text, notes);
    if !token.starts_with('{') {
        return Ok(BearerToken::new(token));
    }
    let response: Value = serde_json::from_str(token).unwrap_or_default();
    let Some(token) = response["access_token"].as_str() else {
        let unfit = Failure::usage("standard input begins as JSON does, and is no JSON object with an access_token");
        return Err(unfit.hint("pipe in the token alone, or the whole answer of the token endpoint"));
    };
    notes.push(Note::Response);
    Ok(BearerToken::new(token))
}

/// Takes away what is around a token, from the outside in.
fn uncover<'t>(mut text: &'t str, notes: &mut Vec<Note>) -> &'t str {
    loop {
        let (note, rest) = match text {
            _ if text.trim().len() < text.len() => (Note::Space, text.trim()),
            _ if let Some(rest) = after(text, "authorization:") => (Note::Header, rest.trim_start()),
            _ if let Some(rest) = after(text, "bearer ") => (Note::Scheme, rest.trim_start()),
            // What is left of `Bearer $TOKEN` where there is no such variable.
            _ if text.eq_ignore_ascii_case("bearer") => (Note::Scheme, ""),
            _ if let Some(inner) = inside_quotes(text) => (Note::Quotes, inner),
            _ => return text,
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
        text = rest;
    }
}

/// What comes after `prefix`, in whatever letter case that is written.
fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (before, rest) = text.split_at_checked(prefix.len())?;
    before.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn inside_quotes(text: &str) -> Option<&str> {
    ['"', '\'', '`'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> (String, Vec<Note>) {
        let given = read_from(text.as_bytes()).expect("a token");
        (given.token.secret().to_owned(), given.notes)
    }

    #[test]
    fn what_is_around_a_token_is_left_out_and_told() {
        for (text, notes) in [
            ("a.b.c", &[][..]),
            ("a.b.c\n", &[]),
            ("a.b.c\r\n", &[]),
            ("a.b.c\n\n", &[Note::Space]),
            ("  a.b.c\t", &[Note::Space]),
            ("Bearer a.b.c\n", &[Note::Scheme]),
            ("bEARER   a.b.c", &[Note::Scheme]),
            ("Authorization: Bearer a.b.c", &[Note::Header, Note::Scheme]),
            ("authorization:a.b.c", &[Note::Header]),
            ("\"a.b.c\"\n", &[Note::Quotes]),
            ("'a.b.c'", &[Note::Quotes]),
            ("`a.b.c`", &[Note::Quotes]),
            ("' \"Bearer a.b.c\" '", &[Note::Quotes, Note::Space, Note::Scheme]),
            ("{\"access_token\":\"a.b.c\"}\n", &[Note::Response]),
            (" { \"token_type\": \"bearer\", \"access_token\": \"a.b.c\" }", &[Note::Space, Note::Response]),
        ] {
            assert_eq!(given(text), ("a.b.c".to_owned(), notes.to_vec()), "{text:?}");
        }
        for text in ["bearer.b.c", "\"a.b.c", "a.b.c'", "é", "a b"] {
            assert_eq!(given(text), (text.to_owned(), vec![]), "it is left as it is");
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_wrong_usage_and_not_repeated() {
        let long = "x".repeat(MAX_INPUT_BYTES + 1);
        let canary = [
            "",
            "\n",
            "''",
            "Bearer  ",
            "Bearer",
            long.as_str(),
            "{",
            "{\"access_token\":1}",
            "{\"id_token\":\"canary\"}",
            "{canary}",
            "{\"access_token\":\"\"}",
        ];
        for text in canary {
            let failure = format!("{:?}", read_from(text.as_bytes()).expect_err(text));
            assert!(failure.contains("WrongUsage") && !failure.contains("canary"), "{failure}");
        }
        read_from([0xff, 0xfe].as_slice()).expect_err("no text");
        assert_eq!(given(&long[1..]).0.len(), MAX_INPUT_BYTES);
    }
}
