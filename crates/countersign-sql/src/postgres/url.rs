//! What a URL says of its database, without asking it: for whoever checks an installation.

use std::path::PathBuf;

use super::{
    Postgres,
    location::{self, Written},
};
use crate::open_error::OpenError;

impl Postgres {
    /// The file that should have the password, if the URL names one.
    ///
    /// # Errors
    /// [`OpenError::Url`].
    pub fn password_file(url: &str) -> Result<Option<PathBuf>, OpenError> {
        Ok(Written::parse(url)?.password_file)
    }

    /// Whether the password stands in the URL.
    ///
    /// # Errors
    /// [`OpenError::Url`].
    pub fn has_password(url: &str) -> Result<bool, OpenError> {
        Ok(Written::parse(url)?.config()?.get_password().is_some())
    }

    /// Whether others on the network can read what goes to the database: it is another machine, and there is no TLS
    /// (`sslmode=disable`).
    ///
    /// # Errors
    /// [`OpenError::Url`].
    pub fn is_readable_on_the_way(url: &str) -> Result<bool, OpenError> {
        let written = Written::parse(url)?;
        let config = written.config()?;
        Ok(!written.has_tls(&config)? && !location::is_local(&config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_where_its_password_is_and_who_can_read_what_goes_there() {
        for (url, has_password, is_readable) in [
            ("postgres://u@db.example/d", false, false),
            ("postgres://u:secret@db.example/d?sslmode=disable", true, true),
            ("postgres://u@db.example/d?sslmode=disable&password=secret", true, true),
            ("postgres://u@localhost/d?sslmode=disable", false, false),
            ("postgres://u@localhost/d?hostaddr=192.0.2.1&sslmode=disable", false, true),
            ("postgres://u@localhost/d", false, false),
        ] {
            assert_eq!(Postgres::has_password(url).unwrap(), has_password, "{url}");
            assert_eq!(Postgres::is_readable_on_the_way(url).unwrap(), is_readable, "{url}");
            assert_eq!(Postgres::password_file(url).unwrap(), None);
        }
        // It need not be there.
        let named = "postgres://u@db.example/d?password_file=%2Fetc%2Fnot%20there";
        assert_eq!(Postgres::password_file(named).unwrap(), Some(PathBuf::from("/etc/not there")));
        assert!(!Postgres::has_password(named).unwrap());
        assert!(Postgres::is_readable_on_the_way("postgres://").is_err());
    }
}
