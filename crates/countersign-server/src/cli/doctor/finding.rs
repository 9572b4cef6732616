//! What is found: one thing that was looked at, by an id that stays, and what to change about it.

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Somebody can be harmed by it, or the server would not work: it should be changed.
    Problem,
    /// It can be meant so; whoever means it should know what it costs.
    Advice,
    /// It is as it should be.
    Fine,
}

impl Severity {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Advice => "advice",
            Self::Fine => "fine",
        }
    }
}

/// What was found of one thing that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) severity: Severity,
    /// What is there.
    pub(super) found: String,
    /// The setting or the command that changes it; nothing where it is fine.
    pub(super) change: Option<String>,
}

macro_rules! checks {
    ($($name:ident $id:literal $why:literal;)+) => {
        /// What is looked at. To add one: a line below, the function that finds it, and its row in
        /// `docs/how-to/check-an-installation.md`, which the failing test prints.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Check {
            $($name,)+
        }

        impl Check {
            /// All that there are, in the order of the page.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name for programs, which stays.
            pub(super) const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }

            /// Why it matters, and who says so.
            pub(super) const fn why(self) -> &'static str {
                match self {
                    $(Self::$name => $why,)+
                }
            }
        }
    };
}

checks! {
    Start "start"
        "With these settings the server does not start, or not again.";
    Issuer "issuer"
        "Passwords and tokens travel to the issuer: it is a URL that uses https (RFC 8414 §2, RFC 6749 §3.2).";
    AllowInsecureIssuer "allow-insecure-issuer"
        "It lets passwords and tokens travel readable, now or after another change (RFC 9700 §2.6).";
    Listening "listening"
        "The server speaks plain HTTP, and the token endpoint must be reached by TLS (RFC 6749 §3.2).";
    MetricsListen "metrics-listen"
        "Metrics tell how many log in, and how many fail; whoever reaches their address reads them without a password (OWASP ASVS 5.0, 13.4.5).";
    OtelEndpoint "otel-endpoint"
        "Traces tell who asks for which route and when; on their way to another machine they should not be readable (OWASP ASVS 5.0, 12.3.1).";
    Throttle "throttle"
        "Nobody may guess at a password without end: 100 failures in a row at most (NIST SP 800-63B-4 §3.2.2, OWASP ASVS 5.0, 6.3.1).";
    TrustedProxies "trusted-proxies"
        "Where a request comes from is what the proxy says, and nobody else (OWASP ASVS 5.0, 4.1.3): without a proxy that is named one guesser makes everybody wait, and with too many each guess comes from somewhere else.";
    DeveloperMode "developer-mode"
        "Refusals tell whoever forges a token which step found it out (OWASP ASVS 5.0, 16.5.1).";
    Docs "docs"
        "A page that nobody needs should not be there for everybody (OWASP ASVS 5.0, 13.4.5).";
    PasswordGrant "password-grant"
        "RFC 9700 §2.4 says that it MUST NOT be used: the client sees the password, and there is no second factor. With it on, OWASP ASVS 5.0, 10.4.4, is not met.";
    PublicPasswordClients "public-password-clients"
        "A public client proves nothing: whoever knows its client_id asks for passwords in its name (RFC 6749 §10.1, RFC 9700 §2.4).";
    AccessTokenLifetime "access-token-lifetime"
        "A stolen access token is good until it expires; bearer tokens should live one hour or less (RFC 6750 §5.3), and 15 minutes where the password grant is on.";
    RefreshTokenIdle "refresh-token-idle"
        "Refresh tokens that nobody uses should expire (RFC 9700 §4.14.2): they lie on devices that were lost or sold.";
    RefreshTokenLifetime "refresh-token-lifetime"
        "A login must end at some time that use does not move (OWASP ASVS 5.0, 10.4.8).";
    RefreshLeeway "refresh-leeway"
        "A second use of a refresh token is a theft (RFC 9700 §4.14.2), or an answer that was lost: the leeway says for how long it is taken for the second.";
    WhenStale "when-stale"
        "Tokens of somebody who was locked out must open nothing any more (OWASP ASVS 5.0, 7.4.1), and whoever can keep the database away must not change that.";
    SigningAlgorithm "signing-algorithm"
        "Whoever can verify an HS256 token can also make one (RFC 8725 §3.5).";
    Hs256Secret "hs256-secret"
        "A secret that can be guessed is found offline from a single token (RFC 8725 §3.5, RFC 7518 §3.2).";
    KeyEncryption "key-encryption"
        "Whoever reads the database, or a backup of it, can sign tokens (OWASP ASVS 5.0, 13.3.1).";
    KeyRotation "key-rotation"
        "A key that leaked unnoticed signs until it is replaced (RFC 9700 §2.6).";
    SigningKey "signing-key"
        "Without a key that can be read there are no tokens; one that is not replaced in time leaks more (RFC 9700 §2.6).";
    MinimumPasswordLength "minimum-password-length"
        "Where the password is the only factor, NIST SP 800-63B-4 §3.1.1.2 asks for 15 characters.";
    HashCost "hash-cost"
        "What a hash costs, each guess at a stolen one costs too (OWASP Password Storage Cheat Sheet).";
    OldHashes "old-hashes"
        "A hash of another scheme or cost is easier to guess at, or dearer to verify; and until its user logs in, a wrong password against it takes another time than an unknown user (OWASP ASVS 5.0, 6.3.8).";
    MalformedHashes "malformed-hashes"
        "Nobody can log in with a hash that cannot be read.";
    Users "users"
        "There are no default accounts (OWASP ASVS 5.0, 6.3.2).";
    SharedSecrets "shared-secrets"
        "A secret that both sides know can leak on both; asymmetric client authentication is recommended (RFC 9700 §2.5).";
    ReplacedSecrets "replaced-secrets"
        "A secret was replaced because it was old or known to somebody; until its end it is still good (OWASP ASVS 5.0, 13.3.4).";
    DisabledClients "disabled-clients"
        "A client that nobody needs any more is one slip away from being enabled.";
    Database "database"
        "Users, clients and keys rest in it: without it they are not looked at.";
    DatabaseSchema "database-schema"
        "Tables of a newer program have what this one does not know: it works beside that for an update, and neither moves nor puts back such a database.";
    DatabaseTls "database-tls"
        "Hashes, private keys and whatever else rests in the database travel there: between two machines by TLS (OWASP ASVS 5.0, 12.3.1).";
    DatabaseFiles "database-files"
        "Whoever reads the database has hashes to guess at, and keys to sign with; whoever writes it is anybody (OWASP ASVS 5.0, 13.3.2).";
    SecretFiles "secret-files"
        "Whoever reads a secret makes tokens with it, or reads the private keys (OWASP ASVS 5.0, 13.3.2).";
    BlocklistFile "blocklist-file"
        "Whoever writes the list of known passwords lets everybody set them, or nobody set any (NIST SP 800-63B-4 §3.1.1.2).";
    Clock "clock"
        "A clock that is behind believes tokens that have expired, one that is ahead refuses good ones (RFC 7519 §4.1.4).";
    ClockElsewhere "clock-elsewhere"
        "Two machines that hold tokens against their clocks must agree on the time (RFC 7519 §4.1.4).";
    Disk "disk"
        "Where nothing can be written, nobody logs in: every write is answered 503, and reads go on (OWASP ASVS 5.0, 15.1.3).";
    HashingMemory "hashing-memory"
        "Each hashing thread holds the memory of a hash: where it is not there, logins are refused, or the process is ended (OWASP ASVS 5.0, 15.1.3).";
    OpenFiles "open-files"
        "Each connection is a file: where there are no more, nobody is answered (OWASP ASVS 5.0, 15.1.3).";
}

impl Check {
    pub(super) fn problem(self, found: impl Into<String>, change: impl Into<String>) -> Finding {
        self.finding(Severity::Problem, found, Some(change.into()))
    }

    pub(super) fn advice(self, found: impl Into<String>, change: impl Into<String>) -> Finding {
        self.finding(Severity::Advice, found, Some(change.into()))
    }

    pub(super) fn fine(self, found: impl Into<String>) -> Finding {
        self.finding(Severity::Fine, found, None)
    }

    fn finding(self, severity: Severity, found: impl Into<String>, change: Option<String>) -> Finding {
        Finding { check: self, severity, found: found.into(), change }
    }
}

#[cfg(test)]
mod tests {
    use super::Check;

    #[test]
    fn the_page_has_a_row_for_every_check() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to/check-an-installation.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let (_, table) = page.split_once("| id | why it matters |\n|---|---|\n").expect("its table");
        let written: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
        let expected: Vec<_> =
            Check::ALL.iter().map(|check| format!("| `{}` | {} |", check.id(), check.why())).collect();
        assert!(written == expected, "the page is stale; its table is\n{}", expected.join("\n"));
    }
}
