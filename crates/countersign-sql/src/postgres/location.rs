//! Where a database is: a URL as PostgreSQL's own programs take it, and what becomes of TLS.

use std::{
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use super::tls::{self, Tls};
use crate::open_error::OpenError;

/// How a URL begins.
pub(super) const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// The port of a URL that has none.
const DEFAULT_PORT: u16 = 5432;

/// How many connections a store holds at most, beside the one that listens.
const CONNECTIONS: usize = 10;

/// How long the handshakes with one address may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long it may take until a connection can be used, unless the URL gives an address longer.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// What was sent and not acknowledged for so long ends the connection.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection over which nothing was said for so long is asked whether it is still there, so often, so many times.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);

/// What a store may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// All.
    Write,
    /// Look: the database refuses all else.
    Look,
}

/// A database, and how it is reached. `Debug` shows no password.
pub(super) struct Location {
    pub(super) config: Config,
    pub(super) tls: Tls,
    pub(super) connections: usize,
    /// How long it may take until a connection can be used, whatever the number of hosts.
    pub(super) ready_within: Duration,
    pub(super) access: Access,
}

impl Location {
    /// Reads `postgres://user:password@host:5432/name?sslmode=…`.
    ///
    /// Of the parameters, ours are `sslmode`, `sslrootcert`, `password_file` and `pool_max_conns`; the others are the
    /// driver's. Whenever there is TLS, the certificate and the name in it are checked. There is TLS with every host that
    /// is not this machine, unless `sslmode=disable` says otherwise, which the log then warns of.
    ///
    /// # Errors
    /// [`OpenError::Url`], [`OpenError::Certificates`], [`OpenError::PasswordFile`]. None of them shows the URL, which may
    /// have a password in it.
    pub(super) fn parse(url: &str, access: Access) -> Result<Self, OpenError> {
        let written = Written::parse(url)?;
        let mut config = written.config()?;
        if let Some(path) = &written.password_file {
            config.password(password(path)?);
        }
        let tls = written.tls(&config)?;
        config.ssl_mode(if tls.is_on() { SslMode::Require } else { SslMode::Disable });
        if config.get_application_name().is_none() {
            config.application_name("countersign");
        }
        let ready_within = config.get_connect_timeout().map_or(READY_WITHIN, |chosen| READY_WITHIN.max(*chosen));
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        let (idle, interval, retries) = KEEPALIVE;
        if !written.has("keepalives_idle") {
            config.keepalives_idle(idle);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(interval);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(retries);
        }
        // Of several hosts, the one that takes writes.
        if access == Access::Write && !written.has("target_session_attrs") {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { config, tls, connections: written.connections, ready_within, access })
    }

    /// Where it is and what it is called, for people: `db.example:5432/name`, and no user or password.
    pub(super) fn place(&self) -> String {
        let (names, addresses) = (self.config.get_hosts().iter(), self.config.get_hostaddrs().iter());
        let names = names.map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let mut hosts: Vec<_> = names.collect();
        if hosts.is_empty() {
            hosts = addresses.map(ToString::to_string).collect();
        }
        let ports = self.config.get_ports();
        let port = |index| ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let hosts: Vec<_> = hosts.iter().enumerate().map(|(i, host)| format!("{host}:{}", port(i))).collect();
        // Without a name, it is called as its user.
        let name = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{}/{name}", hosts.join(","))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, ports) = (self.config.get_hosts(), self.config.get_ports());
        let (user, database) = (self.config.get_user(), self.config.get_dbname());
        f.debug_struct("Location")
            .field("hosts", &hosts)
            .field("ports", &ports)
            .field("user", &user)
            .field("database", &database)
            .finish_non_exhaustive()
    }
}

const NOT_A_URL: &str = "it is not of the form postgres://user:password@host:5432/name?sslmode=require, where special \
    characters of the user and the password are written as %40 and the like";

/// The parameters that are the driver's. It answers for their values.
const DRIVERS: [&str; 17] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Parameters by name, each with what is said of it: another text of the URL may be part of a password.
macro_rules! unknown {
    ($($name:literal)+) => {
        [$(($name, concat!("the parameter ", $name, " is not known"))),+]
    };
}

/// Parameters of PostgreSQL's own programs that are not known here.
const UNKNOWN: [(&str, &str); 21] = unknown!(
    "client_encoding" "fallback_application_name" "gssencmode" "keepalives_count" "krbsrvname"
    "passfile" "replication" "require_auth" "requirepeer" "service" "servicefile" "ssl_max_protocol_version"
    "ssl_min_protocol_version" "sslcert" "sslcertmode" "sslcompression" "sslcrl" "sslkey" "sslnegotiation" "sslpassword"
    "sslsni"
);

/// A URL, and what we took out of it.
pub(super) struct Written {
    url: String,
    ssl_mode: Option<String>,
    root_certificate: Option<PathBuf>,
    pub(super) password_file: Option<PathBuf>,
    /// The names of the driver's parameters.
    others: Vec<String>,
    connections: usize,
}

impl Written {
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        if !SCHEMES.iter().any(|scheme| base.starts_with(scheme)) {
            return Err(OpenError::Url(NOT_A_URL));
        }
        let mut written = Self {
            url: base.to_owned(),
            ssl_mode: None,
            root_certificate: None,
            password_file: None,
            others: Vec::new(),
            connections: CONNECTIONS,
        };
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(OpenError::Url(NOT_A_URL))?;
            let value = || decoded(value).ok_or(OpenError::Url(NOT_A_URL));
            match name {
                "sslmode" => written.ssl_mode = Some(value()?),
                "sslrootcert" => written.root_certificate = Some(value()?.into()),
                "password_file" => written.password_file = Some(value()?.into()),
                "pool_max_conns" => {
                    let count = value()?.parse().ok().filter(|count| (1..=1000).contains(count));
                    written.connections = count.ok_or(OpenError::Url("pool_max_conns is not between 1 and 1000"))?;
                }
                known if DRIVERS.contains(&known) => {
                    written.others.push(known.to_owned());
                    others.push(pair);
                }
                other => {
                    let said = UNKNOWN.iter().find(|(name, _)| *name == other);
                    return Err(OpenError::Url(said.map_or("a parameter in it is not known", |(_, said)| said)));
                }
            }
        }
        if !others.is_empty() {
            written.url = format!("{base}?{}", others.join("&"));
        }
        Ok(written)
    }

    /// Whether a parameter of the driver's is in it.
    fn has(&self, name: &str) -> bool {
        self.others.iter().any(|other| other == name)
    }

    /// As the driver reads it, without what we took out of it.
    pub(super) fn config(&self) -> Result<Config, OpenError> {
        let config = Config::from_str(&self.url).map_err(|_| OpenError::Url(NOT_A_URL))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(OpenError::Url("it names no host"));
        }
        Ok(config)
    }

    pub(super) fn has_tls(&self, config: &Config) -> Result<bool, OpenError> {
        match self.ssl_mode.as_deref() {
            Some("disable") if self.root_certificate.is_some() => {
                Err(OpenError::Url("it has sslrootcert, and sslmode=disable, which would not look at it"))
            }
            Some("disable") => Ok(false),
            None | Some("allow" | "prefer") => Ok(self.root_certificate.is_some() || !is_local(config)),
            Some("require" | "verify-ca" | "verify-full") => Ok(true),
            Some(_) => Err(OpenError::Url("sslmode is none of disable, require, verify-ca and verify-full")),
        }
    }

    fn tls(&self, config: &Config) -> Result<Tls, OpenError> {
        if !self.has_tls(config)? {
            if !is_local(config) {
                tracing::warn!(
                    event = "database",
                    outcome = "unencrypted",
                    "passwords and keys go to the database unencrypted (sslmode=disable)"
                );
            }
            return Ok(Tls::off());
        }
        let roots = match &self.root_certificate {
            Some(path) if path != Path::new("system") => tls::roots_of(path)?,
            _ => tls::roots_of_system()?,
        };
        Tls::with(roots)
    }
}

/// Whether no network lies between us and the database.
pub(super) fn is_local(config: &Config) -> bool {
    let is_loopback = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    // Where addresses are given, names are for the certificate alone.
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().all(is_loopback),
        addresses => addresses.iter().all(IpAddr::is_loopback),
    }
}

/// The password that a file has in its first line.
fn password(path: &Path) -> Result<String, OpenError> {
    let text = fs::read_to_string(path).map_err(|source| OpenError::PasswordFile { path: path.to_owned(), source })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// What `%2F` and the like stand for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Location, OpenError> {
        Location::parse(url, Access::Write)
    }

    #[test]
    fn what_is_no_url_of_postgresql_is_refused_without_being_shown() {
        for bad in [
            "",
            "app.db",
            "mysql://u:canary@h/d",
            "postgres://",
            "postgres:///name",
            "postgres://u:canary@h:x/d",
            "postgres://u:canary?x@h/d",
            "postgres://u:canary@h/d?sslmode=maybe",
            "postgres://u:canary@h/d?canary=1",
            "postgres://u:canary@h/d?sslmode",
            "postgres://u:canary@h/d?sslrootcert=%zz",
            "postgres://u:canary@h/d?sslmode=disable&sslrootcert=system",
            "postgres://u:canary@h/d?pool_max_conns=0",
            "postgres://u:canary@h/d?pool_max_conns=1001",
        ] {
            let refused = parse(bad).unwrap_err();
            assert!(matches!(refused, OpenError::Url(_)), "{bad}: {refused:?}");
            assert!(!format!("{refused} {refused:?}").contains("canary"), "{bad}: {refused:?}");
        }
    }

    #[test]
    fn a_parameter_that_is_not_known_is_named_if_it_is_one_of_postgresqls() {
        let refused = |query: &str| parse(&format!("postgres://u@h/d?{query}")).unwrap_err().to_string();
        for name in ["sslcert", "passfile", "service", "keepalives_count"] {
            let said = refused(&format!("{name}=x"));
            assert!(said.contains(&format!("the parameter {name} is not known")), "{said}");
        }
        assert!(refused("sslmod=require").contains("a parameter in it is not known"));
    }

    #[test]
    fn who_gives_an_address_longer_gives_the_whole_longer() {
        for (query, seconds) in [("", 5), ("connect_timeout=1", 5), ("connect_timeout=60", 60)] {
            let ready_within = parse(&format!("postgres://u@localhost/d?{query}")).unwrap().ready_within;
            assert_eq!(ready_within, Duration::from_secs(seconds), "{query}");
        }
    }

    #[test]
    fn every_parameter_of_the_drivers_is_known_to_it_and_what_is_written_stays() {
        for name in DRIVERS {
            let value = match name {
                "hostaddr" => "127.0.0.1",
                "channel_binding" | "load_balance_hosts" => "disable",
                "target_session_attrs" => "any",
                _ => "7",
            };
            let written = Written::parse(&format!("postgres://h/d?{name}={value}")).unwrap();
            assert!(written.has(name) && Config::from_str(&written.url).is_ok(), "{name}");
        }
        let ours = parse("postgres://u@localhost/d").unwrap().config;
        assert_eq!((ours.get_keepalives(), ours.get_keepalives_idle()), (true, KEEPALIVE.0));
        assert_eq!(
            (ours.get_keepalives_interval(), ours.get_keepalives_retries()),
            (Some(KEEPALIVE.1), Some(KEEPALIVE.2))
        );
        assert_eq!(ours.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        let theirs =
            "keepalives=0&keepalives_idle=7200&keepalives_interval=7&keepalives_retries=9&target_session_attrs=any";
        let theirs = parse(&format!("postgres://u@localhost/d?{theirs}")).unwrap().config;
        assert_eq!((theirs.get_keepalives(), theirs.get_keepalives_idle()), (false, Duration::from_secs(7200)));
        assert_eq!(theirs.get_keepalives_interval(), Some(Duration::from_secs(7)));
        assert_eq!(theirs.get_keepalives_retries(), Some(9));
        assert_eq!(theirs.get_target_session_attrs(), TargetSessionAttrs::Any);
    }

    #[test]
    fn there_is_tls_with_every_other_machine_unless_it_is_written_that_there_is_none() {
        for (url, is_on) in [
            ("postgres://u@db.example/d", true),
            ("postgres://u@db.example/d?sslmode=prefer", true),
            ("postgres://u@192.0.2.1/d?sslmode=allow", true),
            ("postgres://u@localhost,db.example/d", true),
            ("postgres://u@localhost/d?hostaddr=192.0.2.1", true),
            ("postgres://u@db.example/d?sslmode=disable", false),
            ("postgres://u@localhost/d", false),
            ("postgres://u@127.0.0.1/d?sslmode=prefer", false),
            ("postgresql://u@%2Frun%2Fpostgresql/d", false),
            ("postgres://u@localhost/d?sslmode=require", true),
            ("postgres://u@localhost/d?sslmode=verify-full", true),
            ("postgres://u@localhost/d?sslrootcert=system", true),
        ] {
            assert_eq!(parse(url).unwrap().tls.is_on(), is_on, "{url}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        let location = parse("postgres://user:canary@localhost/name").unwrap();
        assert_eq!(location.config.get_password(), Some(b"canary".as_slice()));
        let said = format!("{location:?}");
        assert!(said.contains("user") && said.contains("name") && !said.contains("canary"), "{said}");
    }

    #[test]
    fn the_place_is_told_with_every_host_and_no_user() {
        for (url, place) in [
            ("postgres://user:canary@db.example/name", "db.example:5432/name"),
            ("postgres://user@one.example:6000,two.example:6001/name", "one.example:6000,two.example:6001/name"),
            ("postgres://user@one.example,two.example:6001/name", "one.example:5432,two.example:6001/name"),
            ("postgres://user@%2Frun%2Fpostgresql/name", "/run/postgresql:5432/name"),
            ("postgres://canary@/name?hostaddr=192.0.2.1&sslmode=disable", "192.0.2.1:5432/name"),
        ] {
            assert_eq!(parse(url).unwrap().place(), place, "{url}");
        }
    }

    #[test]
    fn a_password_may_be_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("of the database");
        let url = format!("postgres://u@localhost/d?password_file={}", path.display().to_string().replace(' ', "%20"));
        let refused = parse(&url).unwrap_err();
        assert!(matches!(refused, OpenError::PasswordFile { .. }), "{refused:?}");
        fs::write(&path, "correct horse\n").unwrap();
        assert_eq!(parse(&url).unwrap().config.get_password(), Some(b"correct horse".as_slice()));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.crt");
        for text in [None, Some(""), Some("no certificate")] {
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            let refused = parse(&format!("postgres://u@localhost/d?sslrootcert={}", path.display())).unwrap_err();
            assert!(matches!(refused, OpenError::Certificates { .. }), "{text:?}: {refused:?}");
        }
    }
}
