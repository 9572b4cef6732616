//! Settings as they were written: by key, each with where it stands. Layers are laid over one another.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt, fs,
    path::{Path, PathBuf},
};

use super::{
    Problem,
    setting::{Otherwise, PREFIX, Setting},
    value::Value,
};

/// The name of the variable that names the file. It is no setting, since a file cannot name itself.
pub(super) const CONFIG_VARIABLE: &str = "COUNTERSIGN_CONFIG";

/// The name of the variable that says where `countersign migrate` moves the database: it may have a password in it.
pub(crate) const MIGRATE_TO_VARIABLE: &str = "COUNTERSIGN_MIGRATE_TO";

/// One layer of settings, or several laid over one another.
#[derive(Debug, Default)]
pub(crate) struct Written(BTreeMap<&'static str, Entry>);

#[derive(Debug)]
struct Entry {
    raw: Raw,
    place: Place,
}

#[derive(Debug)]
enum Raw {
    Text(String),
    Toml(toml::Value),
}

/// Where a setting stands.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A flag on the command line.
    Flag,
    /// A variable of the environment.
    Environment(String),
    /// The file.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("on the command line"),
            Self::Environment(name) => write!(f, "in the environment, as {name}"),
            Self::File(path) => write!(f, "in {}", path.display()),
        }
    }
}

impl Written {
    /// What was given by flags; those that were not are `None`.
    pub(crate) fn by_flags(flags: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Self {
        let given = flags
            .into_iter()
            .filter_map(|(key, text)| Some((key, Entry { raw: Raw::Text(text?), place: Place::Flag })));
        Self(given.collect())
    }

    /// What stands in the environment. An empty variable counts as none.
    ///
    /// # Errors
    /// [`Problem`]: a `COUNTERSIGN_*` name is unknown, or its value is no text.
    pub(crate) fn in_environment(
        table: &'static [Setting],
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Problem> {
        let mut layer = Self::default();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if [CONFIG_VARIABLE, MIGRATE_TO_VARIABLE].contains(&name)
                || value.is_empty()
                || is_from_kubernetes(name, &value)
            {
                continue;
            }
            let place = Place::Environment(name.to_owned());
            let known = table.iter().find(|setting| setting.environment_name() == name);
            let setting = known.ok_or_else(|| Problem::UnknownVariable {
                name: name.to_owned(),
                nearest: nearest(name, table.iter().map(Setting::environment_name)),
            })?;
            let text = value.into_string().map_err(|_| Problem::NotText(name.to_owned()))?;
            layer.0.insert(setting.key, Entry { raw: Raw::Text(text), place });
        }
        Ok(layer)
    }

    /// What stands in a file.
    ///
    /// # Errors
    /// [`Problem`]: the file cannot be read, is not TOML, or has an unknown key.
    pub(crate) fn in_file(table: &'static [Setting], path: &Path) -> Result<Self, Problem> {
        let text = fs::read_to_string(path).map_err(|source| Problem::File { path: path.to_owned(), source })?;
        Self::of_file(table, path, &text)
    }

    /// What stands in a file that was read.
    pub(super) fn of_file(table: &'static [Setting], path: &Path, text: &str) -> Result<Self, Problem> {
        let entries = text.parse::<toml::Table>().map_err(|error| {
            // Not the error as it prints itself: that quotes the line, and a line may hold a secret.
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Problem::NotToml { path: path.to_owned(), line, message: error.message().to_owned() }
        })?;
        let mut layer = Self::default();
        layer.take(table, path, "", entries)?;
        Ok(layer)
    }

    fn take(
        &mut self,
        table: &'static [Setting],
        path: &Path,
        prefix: &str,
        entries: toml::Table,
    ) -> Result<(), Problem> {
        for (name, value) in entries {
            let key = format!("{prefix}{name}");
            let nested = format!("{key}.");
            match (table.iter().find(|setting| setting.key == key), value) {
                (Some(setting), value) => {
                    let place = Place::File(path.to_owned());
                    self.0.insert(setting.key, Entry { raw: Raw::Toml(value), place });
                }
                (None, toml::Value::Table(inner)) if table.iter().any(|known| known.key.starts_with(&nested)) => {
                    self.take(table, path, &nested, inner)?;
                }
                (None, _) => {
                    let nearest = nearest(&key, table.iter().map(|setting| setting.key.to_owned()));
                    return Err(Problem::UnknownKey { key, path: path.to_owned(), nearest });
                }
            }
        }
        Ok(())
    }

    /// Lays a stronger layer over this one.
    pub(crate) fn under(mut self, stronger: Self) -> Self {
        self.0.extend(stronger.0);
        self
    }

    /// Reads the setting `key`, or takes its default.
    pub(super) fn read<T: Value>(&self, key: &'static str, default: Otherwise) -> Result<T, Problem> {
        let Some(entry) = self.0.get(key) else {
            let value = match default {
                Otherwise::Text(text) => T::read_text(text),
                Otherwise::Unset(_) => T::unset(),
            };
            // A test reads every default, so this is for whoever is adding one.
            return value.ok_or_else(|| Problem::Default(key));
        };
        let read = match &entry.raw {
            Raw::Text(text) => T::read_text(text),
            Raw::Toml(value) => T::read_toml(value),
        };
        // The value is not repeated: it might be a secret in the wrong place.
        read.ok_or_else(|| Problem::Value { key, place: entry.place.clone(), expected: T::expected() })
    }
}

/// The known name that is most like `name`, if any is like it.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    /// Below this two names have nothing to do with each other.
    const ALIKE: f64 = 0.8;
    let scored = known.map(|known| (strsim::jaro_winkler(name, &known), known));
    scored.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Whether Kubernetes made this variable, as it does for a service that is called `countersign`.
fn is_from_kubernetes(name: &str, value: &OsStr) -> bool {
    let rest = name.trim_start_matches(PREFIX);
    let is_url =
        value.to_str().is_some_and(|value| ["tcp://", "udp://", "sctp://"].iter().any(|s| value.starts_with(s)));
    (rest == "PORT" && is_url)
        || ["SERVICE_HOST", "SERVICE_PORT"].contains(&rest)
        || ["SERVICE_PORT_", "PORT_"].iter().any(|made| rest.starts_with(made))
}
