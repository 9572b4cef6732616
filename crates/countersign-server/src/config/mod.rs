//! Settings: as written in file, environment and flags (the later the stronger) → read and checked → the library's.

mod ready;
pub(crate) mod reference;
mod setting;
mod table;
#[cfg(any(test, fuzzing))]
pub(crate) mod tried;
mod value;
mod written;

use std::{env, io, path::PathBuf};

use self::table::TABLE;
pub(crate) use self::{
    table::Settings,
    value::{
        AccessTokenFormat, CollectorUrl, DatabaseUrl, ListenAddress, LogFormat, LogLevel, Share, SigningAlgorithm,
        Staleness, Switch, Value, Whole, read_described_scope,
    },
    written::{MIGRATE_TO_VARIABLE, Written},
};

/// The variable that names the database.
const DATABASE_VARIABLE: &str = "COUNTERSIGN_DATABASE";

/// Which database and which file, as flags may say.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Global {
    /// The settings file (TOML). Also COUNTERSIGN_CONFIG.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// The database: a path, sqlite://path, or postgres://user@host/name. Also COUNTERSIGN_DATABASE.
    #[arg(long, value_name = "URL", global = true, help_heading = "Global options")]
    pub(crate) database: Option<String>,
}

impl Global {
    /// Reads all settings, with `flags` over the environment over the file.
    ///
    /// # Errors
    /// [`Problem`]: what is wrong, and where it stands.
    pub(crate) fn load(
        &self,
        flags: impl IntoIterator<Item = (&'static str, Option<String>)>,
    ) -> Result<Settings, Problem> {
        let file = match self.file() {
            Some(path) => Written::in_file(TABLE, &path)?,
            None => Written::default(),
        };
        let flags = Written::by_flags(flags.into_iter().chain([("database", self.database.clone())]));
        let written = file.under(Written::in_environment(TABLE, env::vars_os())?).under(flags);
        let settings = Settings::read(&written)?;
        settings.check()?;
        Ok(settings)
    }

    /// The settings file.
    fn file(&self) -> Option<PathBuf> {
        let named = env::var_os(written::CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        self.config.clone().or(named)
    }

    /// The settings file, if no flag or variable names another database than it does.
    pub(crate) fn file_with_database(&self) -> Option<PathBuf> {
        let is_variable = env::var_os(DATABASE_VARIABLE).is_some_and(|url| !url.is_empty());
        if self.database.is_some() || is_variable { None } else { self.file() }
    }
}

/// What is wrong with the settings. No message repeats a value, since it might be a secret in the wrong place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("unknown setting {key} in {}{}", path.display(), suggest(nearest.as_deref()))]
    UnknownKey { key: String, path: PathBuf, nearest: Option<String> },
    #[error("unknown variable {name} in the environment{}", suggest(nearest.as_deref()))]
    UnknownVariable { name: String, nearest: Option<String> },
    #[error("the variable {0} in the environment is not text")]
    NotText(String),
    #[error("the settings file {} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}, line {line}: {message}", path.display())]
    NotToml { path: PathBuf, line: usize, message: String },
    #[error("the setting {key} ({place}) must be {expected}")]
    Value { key: &'static str, place: written::Place, expected: String },
    #[error("the default of {0} cannot be read")]
    Default(&'static str),
    #[error("{0}")]
    Together(String),
    #[error(transparent)]
    Library(countersign::StartError),
    #[error("the list of known passwords in {} cannot be used", path.display())]
    Blocklist {
        path: PathBuf,
        #[source]
        source: countersign::BlocklistFileError,
    },
    #[error("the file {} of {setting} cannot be used", path.display())]
    Secret {
        setting: &'static str,
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn suggest(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "; `countersign settings` lists all there are".to_owned(),
        |nearest| format!(": did you mean {nearest}?"),
    )
}
