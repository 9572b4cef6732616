//! What the operator writes for "where": a path, or a URL of the scheme `sqlite`.

use std::path::{Path, PathBuf};

use crate::open_error::OpenError;

const SCHEME: &str = "sqlite:";

/// The path that is meant by `app.db`, `sqlite://app.db`, `sqlite:///var/lib/app.db` or `sqlite:app.db`.
///
/// # Errors
/// [`OpenError::Location`]: empty, in memory, of another scheme, or a URL with escapes or parameters, which would
/// otherwise silently become part of a file's name.
pub(super) fn path(written: &Path) -> Result<PathBuf, OpenError> {
    let refused = || OpenError::Location(without_credentials(&written.to_string_lossy()));
    // A path that is not UTF-8 is no URL.
    let Some(text) = written.to_str() else { return Ok(written.to_owned()) };
    let path = match text.strip_prefix(SCHEME) {
        Some(rest) if rest.contains(['?', '#', '%']) => return Err(refused()),
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None if text.contains("://") || text.starts_with("file:") => return Err(refused()),
        None => text,
    };
    if path.is_empty() || path.contains(":memory:") { Err(refused()) } else { Ok(PathBuf::from(path)) }
}

/// Of a URL of somebody else's, no password is repeated.
fn without_credentials(text: &str) -> String {
    match text.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
        Some((scheme, Some((_, place)))) => format!("{scheme}://…@{place}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_repeated() {
        let refused = path(Path::new("mysql://somebody:canary@db.example/app")).unwrap_err();
        let said = format!("{refused} {refused:?}");
        assert!(said.contains("mysql://…@db.example/app") && !said.contains("canary"), "{said}");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for bad in [
            "",
            "sqlite:",
            "sqlite://",
            ":memory:",
            "sqlite::memory:",
            "sqlite://app.db?mode=ro",
            "sqlite://my%20app.db",
            "file:app.db",
            "postgres://localhost/app",
        ] {
            assert!(matches!(path(Path::new(bad)), Err(OpenError::Location(_))), "{bad}");
        }
    }

    #[test]
    fn paths_and_urls_name_files() {
        for (written, meant) in [
            ("app.db", "app.db"),
            ("my app%20.db", "my app%20.db"),
            ("/var/lib/app.db", "/var/lib/app.db"),
            ("sqlite:app.db", "app.db"),
            ("sqlite://app.db", "app.db"),
            ("sqlite://data/app.db", "data/app.db"),
            ("sqlite:///var/lib/app.db", "/var/lib/app.db"),
        ] {
            assert_eq!(path(Path::new(written)).unwrap(), Path::new(meant), "{written}");
        }
    }
}
