//! What a setting can be: each kind reads itself from text (environment, flags) and from TOML, and says what it wants.

use std::{fmt, path::PathBuf};

use countersign::{Declaration, Network, Scope, ScopeToken};
use countersign_sql::Postgres;

/// A kind of setting.
pub(crate) trait Value: Sized {
    /// What is wanted, to follow "must be".
    fn expected() -> String;

    /// Reads it as it stands in the environment or behind a flag.
    fn read_text(text: &str) -> Option<Self>;

    /// Reads it as it stands in the file.
    fn read_toml(value: &toml::Value) -> Option<Self> {
        Self::read_text(value.as_str()?)
    }

    /// What it is where nobody sets it and there is no default text.
    fn unset() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    fn expected() -> String {
        T::expected()
    }

    fn read_text(text: &str) -> Option<Self> {
        T::read_text(text).map(Some)
    }

    fn read_toml(value: &toml::Value) -> Option<Self> {
        T::read_toml(value).map(Some)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

impl Value for String {
    fn expected() -> String {
        "text, not empty".to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl Value for PathBuf {
    fn expected() -> String {
        "the path of a file".to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
}

/// A whole number within bounds, both of them allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole<const LEAST: u32, const MOST: u32>(pub(crate) u32);

impl<const LEAST: u32, const MOST: u32> Value for Whole<LEAST, MOST> {
    fn expected() -> String {
        format!("a whole number from {LEAST} to {MOST}")
    }

    fn read_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| (LEAST..=MOST).contains(number)).map(Self)
    }

    fn read_toml(value: &toml::Value) -> Option<Self> {
        let number = u32::try_from(value.as_integer()?).ok()?;
        (LEAST..=MOST).contains(&number).then_some(Self(number))
    }
}

/// How often something is replaced, in days, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    Days(u32),
    Off,
}

/// The longest time between two rotations, in days: what is done less often is not known to work.
const MAX_ROTATION_DAYS: u32 = 3_650;

impl Value for Rotation {
    fn expected() -> String {
        format!("a whole number of days from 1 to {MAX_ROTATION_DAYS}, or off (or 0)")
    }

    fn read_text(text: &str) -> Option<Self> {
        match text {
            "off" | "false" | "no" | "0" => Some(Self::Off),
            days => Whole::<1, MAX_ROTATION_DAYS>::read_text(days).map(|days| Self::Days(days.0)),
        }
    }

    fn read_toml(value: &toml::Value) -> Option<Self> {
        match value {
            toml::Value::Boolean(false) => Some(Self::Off),
            toml::Value::Integer(days) => Self::read_text(&days.to_string()),
            other => Self::read_text(other.as_str()?),
        }
    }
}

/// Kinds of a few words, each with the variant it stands for. The first word of a variant is the one we print.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $($word:literal)|+,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl Value for $name {
            fn expected() -> String {
                one_of(&[$([$($word),+][0]),+])
            }

            fn read_text(text: &str) -> Option<Self> {
                match text {
                    $($($word)|+ => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn read_toml(value: &toml::Value) -> Option<Self> {
                match value {
                    toml::Value::Boolean(value) => Self::read_text(if *value { "true" } else { "false" }),
                    other => Self::read_text(other.as_str()?),
                }
            }
        }
    )+};
}

words! {
    /// Whether something is on.
    Switch {
        On = "true" | "on" | "yes" | "1",
        Off = "false" | "off" | "no" | "0",
    }
    /// What access tokens are signed with.
    SigningAlgorithm {
        Es256 = "ES256",
        EdDsa = "EdDSA",
        Rs256 = "RS256",
        Hs256 = "HS256",
    }
    /// What access tokens look like.
    AccessTokenFormat {
        Jwt = "jwt",
        Opaque = "opaque",
    }
    /// What is done with tokens while nobody knows whether they have ended.
    Staleness {
        Refuse = "refuse",
        Accept = "accept",
    }
    /// The header in which proxies say for whom they ask.
    Forwarding {
        XForwardedFor = "x-forwarded-for",
        Forwarded = "forwarded",
    }
    /// How a line of the log looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// For machines.
        Json = "json",
    }
    /// How much is logged.
    LogLevel {
        Error = "error",
        Warn = "warn",
        Info = "info",
        Debug = "debug",
        Trace = "trace",
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        other => other.concat(),
    }
}

impl Value for Scope {
    fn expected() -> String {
        "scopes with one space between them, such as \"me items\"".to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        if text.is_empty() { Some(Self::empty()) } else { Self::parse(text).ok() }
    }

    fn read_toml(value: &toml::Value) -> Option<Self> {
        match value {
            toml::Value::Array(tokens) => tokens.iter().map(|token| ScopeToken::parse(token.as_str()?).ok()).collect(),
            other => Self::read_text(other.as_str()?),
        }
    }
}

/// Scopes with what each allows, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DescribedScopes(pub(crate) Vec<Declaration>);

/// Reads `NAME=DESCRIPTION`; the description may be left out.
pub(crate) fn read_described_scope(text: &str) -> Option<Declaration> {
    let (name, description) = text.split_once('=').unwrap_or((text, ""));
    declaration(name.trim(), description.trim())
}

fn declaration(name: &str, description: &str) -> Option<Declaration> {
    Some(Declaration { token: ScopeToken::parse(name).ok()?, description: description.to_owned().into() })
}

impl Value for DescribedScopes {
    fn expected() -> String {
        "a table of scopes and their descriptions; in the environment NAME=DESCRIPTION, with semicolons between"
            .to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        let entries = text.split(';').filter(|entry| !entry.trim().is_empty());
        entries.map(read_described_scope).collect::<Option<_>>().map(Self)
    }

    fn read_toml(value: &toml::Value) -> Option<Self> {
        let entries = value.as_table()?.iter();
        entries.map(|(name, description)| declaration(name, description.as_str()?)).collect::<Option<_>>().map(Self)
    }

    fn unset() -> Option<Self> {
        Some(Self::default())
    }
}

/// Addresses and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks(pub(crate) Vec<Network>);

impl Value for Networks {
    fn expected() -> String {
        "a list of addresses and networks, such as 10.0.0.0/8 or 2001:db8::1; in the environment with commas between"
            .to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        text.split(',').map(|network| network.trim().parse().ok()).collect::<Option<_>>().map(Self)
    }

    fn read_toml(value: &toml::Value) -> Option<Self> {
        let networks = value.as_array()?.iter();
        networks.map(|network| network.as_str()?.parse().ok()).collect::<Option<_>>().map(Self)
    }

    fn unset() -> Option<Self> {
        Some(Self::default())
    }
}

/// An address to listen on: `HOST:PORT`.
#[derive(Clone, Debug)]
pub(crate) struct ListenAddress(String);

impl ListenAddress {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for ListenAddress {
    fn expected() -> String {
        "an address and a port, such as 127.0.0.1:8000; port 0 picks a free one".to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        (!host.is_empty() && port.parse::<u16>().is_ok()).then(|| Self(text.to_owned()))
    }
}

/// Where a collector of traces listens: `http` or `https`, a host, and no query.
#[derive(Clone, Debug)]
pub(crate) struct CollectorUrl(String);

impl CollectorUrl {
    /// Without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for CollectorUrl {
    fn expected() -> String {
        "an http or https URL, such as http://127.0.0.1:4318".to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        let url: reqwest::Url = text.parse().ok()?;
        let is_one = ["http", "https"].contains(&url.scheme()) && url.query().is_none() && url.fragment().is_none();
        // What an address says of who asks ends in logs.
        let is_bare = url.username().is_empty() && url.password().is_none();
        (is_one && is_bare).then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

/// A share of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share(pub(crate) f64);

impl Value for Share {
    fn expected() -> String {
        "a number from 0 to 1".to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).map(Self)
    }

    fn read_toml(value: &toml::Value) -> Option<Self> {
        Self::read_text(&value.to_string())
    }
}

/// Where the database is: a path, `sqlite://` and a path, or a URL of PostgreSQL. `Debug` and `Display` show no password.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// With the password, if there is one.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !Postgres::is_meant_by(&self.0) {
            return f.write_str(&self.0);
        }
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        // A password may be where it should not, so that only what is after the last `@` is surely none; a parameter may be
        // one, too.
        let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let user = user.split_once(':').map_or("", |(user, _)| user);
        let place = place.split('?').next().unwrap_or_default();
        match user {
            "" => write!(f, "{scheme}://{place}"),
            user => write!(f, "{scheme}://{user}@{place}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl Value for DatabaseUrl {
    fn expected() -> String {
        "a path, sqlite:// and a path, or postgres://USER:PASSWORD@HOST/NAME".to_owned()
    }

    fn read_text(text: &str) -> Option<Self> {
        let is_known = text.starts_with("sqlite:") || !text.contains("://") || Postgres::is_meant_by(text);
        (is_known && !text.is_empty()).then(|| Self(text.to_owned()))
    }
}
