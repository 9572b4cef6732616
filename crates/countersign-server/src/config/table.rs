//! The one table of settings: key, kind, default and meaning. Files, environment, flags and the reference page read it.
//!
//! To add a setting: a line here, and the one place that uses it.

use std::path::PathBuf;

use countersign::Scope;

use super::{
    Problem,
    setting::{
        Otherwise::{Text, Unset},
        Setting,
    },
    value::{
        AccessTokenFormat, CollectorUrl, DatabaseUrl, DescribedScopes, Forwarding, ListenAddress, LogFormat, LogLevel,
        Networks, Rotation, Share, SigningAlgorithm, Staleness, Switch, Value, Whole,
    },
    written::Written,
};

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:literal $field:ident: $kind:ty = $default:expr;)+) => {
        /// All settings, read and within their bounds.
        #[derive(Clone, Debug)]
        pub(crate) struct Settings {
            $($(#[doc = $doc])+ pub(crate) $field: $kind,)+
        }

        /// All settings there are, in the order of the reference page.
        pub(crate) static TABLE: &[Setting] = &[$(Setting {
            key: $key,
            default: $default,
            doc: &[$($doc),+],
            expected: <$kind as Value>::expected,
        }),+];

        impl Settings {
            /// Reads each setting from what was written, or takes its default.
            pub(super) fn read(written: &Written) -> Result<Self, Problem> {
                Ok(Self { $($field: written.read($key, $default)?),+ })
            }
        }
    };
}

settings! {
    /// The database: a path, or `sqlite://` and a path; it is made if it is not there. Or a URL of PostgreSQL, where several
    /// servers may share one: `postgres://USER:PASSWORD@HOST:5432/NAME`; that one must be there, and its tables are made.
    /// Another host is spoken to over TLS, and its certificate checked: `sslrootcert=/path` names the certificates to trust,
    /// `sslmode=disable` goes without. `password_file=/path` names a file with the password; `pool_max_conns=10` is how many
    /// connections there are at most. `dev` takes it from its flag only.
    "database" database: DatabaseUrl = Text("sqlite://countersign.db");
    /// The address and port to listen on. Port 0 picks a free one.
    "listen" listen: ListenAddress = Text("127.0.0.1:8000");
    /// The public URL of this server, without a slash at the end: the issuer of the tokens (RFC 8414 §2). It must be
    /// `https`, unless it is on this machine.
    "issuer" issuer: Option<String> = Unset("the address it listens on, which must then be on this machine");
    /// Lets the issuer be `http` on another machine. Unsafe: passwords and tokens then travel readable.
    "allow_insecure_issuer" allow_insecure_issuer: Switch = Text("false");
    /// The API that tokens are for (`aud`, RFC 9068 §2.2).
    "audience" audience: Option<String> = Unset("the issuer");
    /// How long an access token lives, in seconds. Short, because one that was stolen is good until then (RFC 9700 §2.2.1).
    "access_token_lifetime" access_token_lifetime: Whole<1, 86_400> = Text("900");
    /// What access tokens look like. `jwt`: whoever has the public keys verifies them. `opaque`: they say nothing to anybody,
    /// and rest in the database, which is asked at each use, so that they end everywhere at once.
    "token_format" token_format: AccessTokenFormat = Text("jwt");
    /// Whether logins can be renewed by refresh tokens (RFC 6749 §6). Each use gives another token, and a second use of one
    /// ends the login (RFC 9700 §4.14.2).
    "refresh_tokens" refresh_tokens: Switch = Text("true");
    /// How long a refresh token may lie unused, in seconds.
    "refresh_token_idle" refresh_token_idle: Whole<1, 31_536_000> = Text("1209600");
    /// How long a login lasts at most, however often it is renewed, in seconds. Not less than `refresh_token_idle`.
    "refresh_token_lifetime" refresh_token_lifetime: Whole<1, 315_360_000> = Text("7776000");
    /// For how long the use of a refresh token may be tried again, in seconds, and gets the same answer: for clients whose
    /// answer was lost. With 0 every second use is a theft.
    "refresh_leeway" refresh_leeway: Whole<0, 60> = Text("10");
    /// How long nobody may have heard what has ended, in seconds, before `when_stale` says what is done. Normally it is heard
    /// within a second.
    "revocation_max_staleness" revocation_max_staleness: Whole<1, 86_400> = Text("60");
    /// What is done with JWTs while the database has been away for longer than that. `refuse`: they are answered 503.
    /// `accept`: they are believed until they expire, those of a login too that has ended meanwhile. The same is done with
    /// those that may have ended in a way that only a newer server on the same database knows.
    "when_stale" when_stale: Staleness = Text("refuse");
    /// How far the clocks of two machines may be apart, in seconds.
    "leeway" leeway: Whole<0, 60> = Text("5");
    /// The scopes there are and what each allows, for the docs page and the metadata. The guards of an API add theirs.
    "scopes" scopes: DescribedScopes = Unset("none");
    /// What is granted to those who ask for no scope, as far as the user has it.
    "default_scope" default_scope: Scope = Text("");
    /// What access tokens are signed with. The keys of ES256, EdDSA and RS256 are made at the first start and rest in the
    /// database. RS256 is for verifiers that know nothing else: signing is slower, and tokens are longer. HS256 is for a
    /// single process: who can verify its tokens can also make them.
    "signing_algorithm" signing_algorithm: SigningAlgorithm = Text("ES256");
    /// The file with the secret for HS256: 32 bytes at least, as `openssl rand -base64 32` makes them. A line break at
    /// its end does not count.
    "hs256_secret_file" hs256_secret_file: Option<PathBuf> = Unset("HS256 cannot be chosen");
    /// How often the key that signs is replaced by a new one, in days, or `off`. It is done by itself, and no token is
    /// refused for it: the new key is published well before it signs, the old one stays for the tokens that it signed.
    "key_rotation" key_rotation: Rotation = Text("90");
    /// The file with the key that private keys are encrypted under in the database: 32 random bytes in base64 or hex, as
    /// `openssl rand -base64 32` makes them. Keys that rest there plain are encrypted at the next start. Whoever loses it
    /// loses the keys.
    "key_encryption_key_file" key_encryption_key_file: Option<PathBuf> = Unset("private keys rest as they are, in a file that only its owner reads");
    /// Whether the password grant is on. It is for your own clients only: RFC 9700 §2.4 says that it MUST NOT be used,
    /// since people learn to type their password into programs, and there is no second factor.
    "password_grant" password_grant: Switch = Text("true");
    /// Whether the client credentials grant is on (RFC 6749 §4.4): registered clients that may use it then get tokens of
    /// their own, without a user.
    "client_credentials_grant" client_credentials_grant: Switch = Text("true");
    /// Whether a token request must name its `grant_type` (RFC 6749 §4.3.2). If not, a user name and a password are
    /// enough to ask for `password`, as the clients of tutorials do.
    "require_grant_type" require_grant_type: Switch = Text("false");
    /// The realm of the challenges (RFC 6750 §3).
    "realm" realm: String = Text("api");
    /// The name of the API in its document and on its docs page.
    "title" title: String = Text("countersign");
    /// Whether the API's document (`/openapi.json`) and the page that shows it (`/docs`) are served.
    "docs" docs: Switch = Text("true");
    /// Whether refusals tell the client why, in the headers `countersign-reason` and `countersign-advice`. For development: a
    /// stranger who forges tokens should not hear which step found it out. The log tells it always. `dev` has it on.
    "developer_mode" developer_mode: Switch = Text("false");
    /// How many verified tokens are remembered, so that they pay for their signature once; 10,000 take about 12 MB. 0
    /// verifies every token anew.
    "remembered_tokens" remembered_tokens: Whole<0, 10_000_000> = Text("10000");
    /// How many users are remembered, so that a request of one costs no query; 10,000 take about 5 MB. A change is heard
    /// of all the same: at once in the process that makes it, in others within a second. 0 looks up the user of every request.
    "remembered_users" remembered_users: Whole<0, 10_000_000> = Text("10000");
    /// Fewest characters of a password that somebody sets. 8 is the least that NIST SP 800-63B-4 allows; where the
    /// password is the only factor it asks for 15.
    "minimum_password_length" minimum_password_length: Whole<8, 128> = Text("8");
    /// The file with passwords that nobody may set, beside the most common ones, which the program knows: passwords, or their
    /// SHA-1 hashes as Pwned Passwords has them, one a line. Large ones must be sorted hashes. It is read at the start; while
    /// it cannot be read, nothing starts and no password is changed.
    "password_blocklist_file" password_blocklist_file: Option<PathBuf> = Unset("none");
    /// Whether guesses at passwords and client secrets are slowed: 429 with `Retry-After`. `dev` has it off, unless it is set.
    "throttle" throttle: Option<Switch> = Unset("`true`");
    /// Failed logins of an account after which each further one waits: 30 seconds, then twice as long each time. Also the
    /// failures of a client from one address. More than 100 in a row NIST SP 800-63B-4 §3.2.2 does not allow.
    "throttle_failures_per_account" throttle_failures_per_account: Whole<1, 100> = Text("10");
    /// Failures from one address (of IPv6: from one /64) over all accounts and clients; then one more every 12 seconds.
    "throttle_failures_per_source" throttle_failures_per_source: Whole<1, 100_000> = Text("50");
    /// The longest that an account waits, in seconds.
    "throttle_longest_delay" throttle_longest_delay: Whole<30, 3_600> = Text("900");
    /// The proxies before this server, whose word is taken for where a request comes from: addresses and networks. Name
    /// those that you run and nobody else's. Behind a proxy that is not named, all requests come from one address.
    "trusted_proxies" trusted_proxies: Networks = Unset("none");
    /// The one header in which they say it. Choose the one that your proxy sets: what else stands there is the client's.
    "forwarded_header" forwarded_header: Forwarding = Text("x-forwarded-for");
    /// Threads that hash passwords, each with the memory of one hash. More than the machine has cores only take memory.
    "hash_threads" hash_threads: Option<Whole<1, 256>> = Unset("one a core, but in a control group no more than fit half of the memory that it allows");
    /// Logins that may wait for a hashing thread. What comes then is answered 503 with `Retry-After`.
    "hash_queue" hash_queue: Option<Whole<0, 100_000>> = Unset("32 a thread");
    /// How long a login may wait for a hashing thread, in seconds. After that it is answered 503 with `Retry-After`, and not
    /// hashed for.
    "hash_wait" hash_wait: Whole<1, 300> = Text("5");
    /// How many steps of `nice` hashing threads stand below the rest of the program, on Linux, so that cheap requests need not
    /// wait for logins. The more, the less is left of them where other programs fill the cores.
    "hash_nice" hash_nice: Whole<0, 19> = Text("5");
    /// Memory of one new password hash (Argon2id), in KiB. Hashes of another cost are upgraded at the next login.
    "argon2.memory_kib" argon2_memory_kib: Whole<7_168, 262_144> = Text("19456");
    /// How many times a new password hash fills its memory.
    "argon2.passes" argon2_passes: Whole<1, 16> = Text("2");
    /// Into how many lanes the memory is split. They are computed one after the other.
    "argon2.lanes" argon2_lanes: Whole<1, 16> = Text("1");
    /// Where metrics are served as Prometheus reads them, at `/metrics`: an address and a port of their own, never those of
    /// `listen`, such as 127.0.0.1:9464. Whoever reaches it can read them. Port 0 picks a free one.
    "metrics_listen" metrics_listen: Option<ListenAddress> = Unset("metrics are neither kept nor served");
    /// The collector that traces are sent to, by OpenTelemetry's protocol (OTLP) as JSON over HTTP: a URL without its path,
    /// such as http://127.0.0.1:4318, to which `/v1/traces` is added. No trace has names, passwords, tokens or keys in it.
    "otel_endpoint" otel_endpoint: Option<CollectorUrl> = Unset("there are no traces");
    /// The share of the requests that are traced, from 0 to 1. It is drawn here for each request: what its `traceparent`
    /// says of sampling does not count, since anybody can send one.
    "otel_sample" otel_sample: Share = Text("1");
    /// How many connections there may be at once; each may hold some 150 KB. Whoever comes then waits until another goes. There
    /// are never more than the process may open files.
    "max_connections" max_connections: Whole<1, 1_000_000> = Text("10000");
    /// How many of them there may be from one address (of IPv6: from one /64); what comes then is closed. From one /48 of IPv6
    /// there may be twice as many, or half of all if that is more. `trusted_proxies` are not bounded by it, since they ask for
    /// many. It is not more than `max_connections`.
    "max_connections_per_source" max_connections_per_source: Option<Whole<1, 1_000_000>> = Unset("a quarter of `max_connections`");
    /// How long a client has for the head of its first request, and then for each 16 KiB, or the rest, of what it sends and
    /// takes, in seconds. Whoever is slower is cut off.
    "client_timeout" client_timeout: Whole<1, 3_600> = Text("20");
    /// How long a connection without a request is kept at least, in seconds. It should be longer than a proxy keeps its
    /// own, which else sends into one that is closed.
    "idle_timeout" idle_timeout: Whole<1, 86_400> = Text("75");
    /// How the lines of the log look. They go to standard error.
    "log_format" log_format: Option<LogFormat> = Unset("`text` on a terminal, `json` elsewhere");
    /// How much is logged. No level shows passwords, tokens or keys.
    "log_level" log_level: LogLevel = Text("info");
}
