//! `countersign dev`: a server to try things out on, with a login and the lines to paste.

use std::fmt::Write;

use countersign::{
    Declaration, NewUser, NewUserProblem, OAuth2, Password, Rng, Scope, Username,
    core::{clock::System, password::Verification, scope::ScopeToken, store::Added},
};
use tempfile::TempDir;

use super::open;
use crate::{
    announce::{self, shell_word},
    config::{DatabaseUrl, Global, Settings, Switch, Value as _, read_described_scope},
    failure::{Failure, Outcome},
    listen::Listening,
};

/// Try it: a server with a login, on a database of its own that goes away at the end. Not for real use.
#[derive(Debug, clap::Args)]
pub(super) struct Dev {
    /// The address and port to listen on; port 0 picks a free one. 127.0.0.1:8000 by default.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// A user, with the scopes that they may grant. The password may be short, but has no colon. May be repeated;
    /// without any, alice gets a random password.
    #[arg(long = "user", value_name = "NAME:PASSWORD[:SCOPE,SCOPE]", value_parser = DevUser::read)]
    users: Vec<DevUser>,
    /// A scope and what it allows, for the docs page. May be repeated.
    #[arg(long = "scope", value_name = "NAME=DESCRIPTION", value_parser = read_scope)]
    scopes: Vec<Declaration>,
}

/// A user as `--user` names them.
#[derive(Clone, Debug)]
struct DevUser {
    username: Username,
    password: Password,
    scope: Scope,
    full_name: Option<String>,
}

impl Dev {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let mut settings = global.load([("listen", self.listen)])?;
        // A database that only the environment or a file names is a real one: not to play with.
        let own = if global.database.is_none() { Some(OwnDatabase::new("countersign-dev-")?) } else { None };
        if let Some(own) = &own {
            settings.database = own.url()?;
        }
        let mut users = self.users;
        settings.developer_mode = Switch::On;
        settings.throttle = settings.throttle.or(Some(Switch::Off));
        declare(&mut settings, self.scopes, &users);
        if users.is_empty() {
            users.push(DevUser::alice(&settings)?);
        }
        let (oauth2, place) = open(&settings).await?;
        for user in &users {
            user.add(&oauth2).await?;
        }
        let server = Listening::bind(oauth2, &place).await?;
        announce::line(&greeting(&server.url(), &users, own.is_some(), settings.docs))?;
        server.serve(settings.connections()).await
    }
}

/// A directory that goes away with this value.
#[derive(Debug)]
pub(super) struct OwnDatabase(TempDir);

impl OwnDatabase {
    pub(super) fn new(prefix: &str) -> std::io::Result<Self> {
        tempfile::Builder::new().prefix(prefix).tempdir().map(Self)
    }

    pub(super) fn url(&self) -> Result<DatabaseUrl, Failure> {
        let path = self.0.path().join("dev.db");
        let url = path.to_str().and_then(DatabaseUrl::read_text);
        url.ok_or_else(|| Failure::failed("the path of the temporary directory is no text"))
    }
}

impl DevUser {
    fn read(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let name = parts.next().unwrap_or_default();
        let password = parts.next().ok_or("write NAME:PASSWORD, or NAME:PASSWORD:SCOPE,SCOPE")?;
        let scopes = parts.next().unwrap_or_default().split(',').filter(|scope| !scope.is_empty());
        let scope = scopes.map(ScopeToken::parse).collect::<Result<_, _>>();
        Ok(Self {
            username: Username::parse(name).map_err(|problem| problem.to_string())?,
            password: Password::typed(password).map_err(|problem| problem.to_string())?,
            scope: scope.map_err(|problem| problem.to_string())?,
            full_name: None,
        })
    }

    /// The user of those who named none: may grant all there is, by a password that nobody else has.
    fn alice(settings: &Settings) -> Result<Self, Failure> {
        Ok(Self {
            username: Username::parse("alice")?,
            password: Password::typed(&pronounceable(&System))?,
            scope: settings.scopes.0.iter().map(|described| described.token.clone()).collect(),
            full_name: Some("Alice Wonderland".to_owned()),
        })
    }

    /// Adds the user. On a database that was there before, a user of this name must have this password.
    async fn add(&self, oauth2: &OAuth2) -> Outcome {
        let mut user =
            NewUser::new(self.username.as_str()).password(self.password.secret()).scope(self.scope.to_string());
        if let Some(full_name) = &self.full_name {
            user = user.full_name(full_name);
        }
        if oauth2.add_user(user).await? == Added::Yes {
            return Ok(());
        }
        let server = oauth2.server().ok_or(NewUserProblem::OtherTable)?;
        let there = server.owners().find_by_username(&self.username).await?;
        let stored = there.and_then(|owner| owner.password_hash);
        match server.hashing().verify(self.password.clone(), stored).await? {
            Verification::Matches(_) => Ok(()),
            Verification::Mismatch | Verification::Malformed => Err(Failure::failed(format!(
                "{} is in that database already, with another password; see `countersign user set-password`",
                self.username
            ))),
        }
    }
}

fn read_scope(text: &str) -> Result<Declaration, String> {
    read_described_scope(text)
        .ok_or_else(|| "write NAME=DESCRIPTION; a name has no spaces, quotes or backslashes".to_owned())
}

/// Declares the scopes of the flags, and those that users were given without a word.
fn declare(settings: &mut Settings, described: Vec<Declaration>, users: &[DevUser]) {
    let known = &mut settings.scopes.0;
    for scope in described {
        known.retain(|known| known.token != scope.token);
        known.push(scope);
    }
    for scope in users.iter().flat_map(|user| user.scope.iter()) {
        if known.iter().all(|known| known.token != *scope) {
            known.push(Declaration { token: scope.clone(), description: "".into() });
        }
    }
}

/// Five syllable pairs (<https://arxiv.org/html/0901.4016>): 80 random bits that can be read aloud.
fn pronounceable(rng: &dyn Rng) -> String {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 4] = b"aiou";
    let mut bytes = [0; 10];
    rng.fill(&mut bytes);
    let words = bytes.chunks(2).map(|pair| {
        let bits = usize::from(pair[0]) << 8 | usize::from(pair[1]);
        let letters = [
            CONSONANTS[bits >> 12],
            VOWELS[bits >> 10 & 3],
            CONSONANTS[bits >> 6 & 15],
            VOWELS[bits >> 4 & 3],
            CONSONANTS[bits & 15],
        ];
        letters.map(char::from).iter().collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

/// Where the docs are, who can log in, and two lines for a shell: one that logs in, and one that uses the token.
fn greeting(url: &str, users: &[DevUser], own_database: bool, docs: Switch) -> String {
    let mut text = String::from("countersign dev: for trying things out, not for real use.");
    if own_database {
        text.push_str(" The database goes away at the end.");
    }
    text.push_str("\nRefusals tell the client why (developer mode): look at their headers countersign-reason and countersign-advice.");
    // Writing to a string does not fail.
    let _ = match docs {
        Switch::On => write!(text, "\n\nDocs:   {url}/docs\n"),
        Switch::Off => write!(text, "\n\nServer: {url}\n"),
    };
    for user in users {
        let _ = writeln!(
            text,
            "Login:  {}  password: {}  scopes: {}",
            user.username,
            user.password.secret(),
            or_none(&user.scope)
        );
    }
    if let Some(user) = users.first() {
        let _ = write!(
            text,
            "\nLog in, and call a protected route with a token:\n\n{}\n\n{}\n\nCtrl-C ends it.",
            login_line(url, user),
            use_line(url, user)
        );
    }
    text
}

fn or_none(scope: &Scope) -> String {
    if scope.is_empty() { "none".to_owned() } else { scope.to_string() }
}

/// Shows the answer of the token endpoint.
fn login_line(url: &str, user: &DevUser) -> String {
    let field = |name: &str, value: &str| format!(" --data-urlencode {}", shell_word(&format!("{name}={value}")));
    let mut form = field("username", user.username.as_str()) + &field("password", user.password.secret());
    if !user.scope.is_empty() {
        form.push_str(&field("scope", &user.scope.to_string()));
    }
    format!("curl -sS {url}/token -d grant_type=password{form}")
}

/// Logs in and calls, so that it works alone and for as long as the server runs. Any POSIX shell has `sed`.
fn use_line(url: &str, user: &DevUser) -> String {
    let token = login_line(url, user) + r#" | sed 's/.*"access_token":"\([^"]*\)".*/\1/'"#;
    // Without quotes around it: an interactive shell looks for `!` in those, and a token has no spaces.
    format!("curl -sS {url}/users/me --oauth2-bearer $({token})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_name_a_password_and_scopes_that_may_have_colons() {
        let user = DevUser::read("Alice:s e'cret:read:items,admin").expect("a user");
        assert_eq!(user.username.as_str(), "alice");
        assert_eq!(user.password.secret(), "s e'cret");
        assert_eq!(user.scope.to_string(), "read:items admin");
        assert!(DevUser::read("alice:x").expect("a user").scope.is_empty());
        for refused in ["", "alice", "alice:", ":secret", "al ice:secret", "alice:secret:\"", "alice:secret:a b"] {
            DevUser::read(refused).expect_err(refused);
        }
    }

    #[test]
    fn a_docs_page_that_is_off_is_not_announced() {
        let greeting = |docs| greeting("http://127.0.0.1:1", &[], true, docs);
        assert!(greeting(Switch::On).contains("http://127.0.0.1:1/docs\n"));
        let off = greeting(Switch::Off);
        assert!(off.contains("http://127.0.0.1:1\n") && !off.contains("/docs"), "{off}");
    }

    #[test]
    fn a_generated_password_has_eighty_bits_and_can_be_read_aloud() {
        #[derive(Debug)]
        struct Fixed;
        impl Rng for Fixed {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&[127, 0, 0, 1, 63, 84, 220, 193, 255, 255]);
            }
        }
        assert_eq!(pronounceable(&Fixed), "lusab-babad-gutih-tugad-zuzuz");
        assert_ne!(pronounceable(&System), pronounceable(&System));
    }
}
