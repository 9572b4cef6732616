//! What databases of the bench have in them: many tokens that are distinct, many grants, much that was revoked.

use std::{
    fs,
    io::{BufWriter, Write},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    Added, ClientId, Grant, GrantId, GrantType, NewClient, NewUser, OAuth2, Password, PasswordHash, Scope, Subject,
    core::{
        authorization_server::{AuthorizationServer, Request, TokenResponse},
        error::OAuthError,
        form::Form,
        grant_record::Refresh,
        resource_owner::ResourceOwner,
        store::{HandleHash, Redeemed, Standing},
    },
};
use tokio::task::JoinSet;

use crate::{Outcome, api};

/// Whose tokens they are, in equal shares.
const USERS: usize = 500;

const PASSWORD: &str = "correct horse battery";
const SCOPE: &str = "me items";

/// How many write at once.
const AT_ONCE: usize = 128;

/// How many users are read at once.
const PAGE: usize = 10_000;

/// A refresh token: the name of its grant, what its family has in common, and what is its own.
const GRANT_BYTES: usize = 16;
const FAMILY_BYTES: usize = 16;
const TOKEN_BYTES: usize = GRANT_BYTES + FAMILY_BYTES + 32;

/// How long grants live that nobody renews.
const LIFE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

const CLIENT: &str = "client_id=bench&client_secret=a+long+and+winding+secret+of+the+benchmarks";
const SECRET: &str = "a long and winding secret of the benchmarks";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Makes users who log in and renew their logins until there are `count` tokens, and writes those to `file`, one a line,
/// each beside tokens of others.
#[tokio::main]
pub(crate) async fn tokens(database: &str, file: &str, count: usize) -> Outcome {
    let oauth2 = api::open(database, None).await?;
    let hash = server(&oauth2)?.hashing().hash(Password::typed(PASSWORD)?).await?;
    for number in 0..USERS.min(count) {
        let user = NewUser::new(format!("user{number}"))
            .full_name(format!("User {number}"))
            .email(format!("user{number}@example.com"))
            .scope(SCOPE)
            .password_hash(hash.secret());
        match oauth2.add_user(user).await? {
            Added::Yes => {}
            Added::NameTaken => return Err("the database is not new".into()),
        }
    }
    let mut all = JoinSet::new();
    for number in 0..USERS.min(count) {
        let share = count / USERS + usize::from(number < count % USERS);
        all.spawn(tokens_of(oauth2.clone(), number, share));
    }
    let mut tokens = Vec::with_capacity(USERS);
    while let Some(done) = all.join_next().await {
        tokens.push(done??);
    }
    let most = tokens.iter().map(Vec::len).max().unwrap_or_default();
    let lines: Vec<_> = (0..most).flat_map(|at| tokens.iter().filter_map(move |of_one| of_one.get(at))).collect();
    let text: String = lines.iter().flat_map(|token| [token.as_str(), "\n"]).collect();
    Ok(fs::write(file, text)?)
}

async fn tokens_of(oauth2: OAuth2, number: usize, count: usize) -> Result<Vec<String>, Failure> {
    let server = server(&oauth2)?;
    let mut tokens = Vec::with_capacity(count);
    let mut asked = format!("username=user{number}&password=correct+horse+battery&scope=me+items");
    while tokens.len() < count {
        let answer = token(server, &asked).await?;
        let refresh = answer.refresh_token.ok_or("no refresh token")?;
        asked = format!("grant_type=refresh_token&refresh_token={}", refresh.secret());
        tokens.push(answer.access_token.secret().to_owned());
    }
    Ok(tokens)
}

/// Adds `grants` logins that are live, and `revoked` tokens that were revoked before their time.
#[tokio::main]
pub(crate) async fn load(database: &str, grants: usize, revoked: usize) -> Outcome {
    let oauth2 = api::open(database, None).await?;
    let scope: Arc<Scope> = Arc::new(SCOPE.parse()?);
    let client = NewClient::new("bench").secret(SECRET).scope(SCOPE).grant_type(GrantType::ClientCredentials);
    oauth2.add_client(client).await?;
    in_parallel(0..grants, &oauth2, move |oauth2, _| of_nobody(oauth2, scope.clone())).await?;
    in_parallel(0..revoked, &oauth2, issue_and_revoke).await
}

async fn of_nobody(oauth2: OAuth2, scope: Arc<Scope>) -> Outcome {
    let subject = Subject::random(server(&oauth2)?.rng());
    log_in(&oauth2, subject, &Standing::Elsewhere, (*scope).clone()).await.map(drop)
}

/// Records a login, and hands over its refresh token.
async fn log_in(oauth2: &OAuth2, subject: Subject, standing: &Standing, scope: Scope) -> Result<String, Failure> {
    let server = server(oauth2)?;
    let now = server.now();
    let mut token = [0; TOKEN_BYTES];
    server.rng().fill(&mut token);
    let grant = Grant {
        id: GrantId::new(URL_SAFE_NO_PAD.encode(&token[..GRANT_BYTES])),
        subject,
        client_id: ClientId::new("bench"),
        scope,
        created_at: now,
        used_at: now,
        access_until: now,
        refresh: Some(Refresh {
            family: HandleHash::of_bytes(&token[..GRANT_BYTES + FAMILY_BYTES]),
            current: HandleHash::of_bytes(&token),
            expires_at: now.plus(LIFE),
            retired: Vec::new(),
        }),
    };
    match server.store().redeem(standing, None, &grant, None).await? {
        Redeemed::Whole => Ok(as_presented(&token)),
        other => Err(format!("a grant was not recorded: {other:?}").into()),
    }
}

fn as_presented(token: &[u8]) -> String {
    let checked = [token, &crc32fast::hash(token).to_be_bytes()].concat();
    format!("cs_refresh_{}", URL_SAFE_NO_PAD.encode(checked))
}

/// Adds `count` users who all have the same password, and names that come in no order.
#[tokio::main]
pub(crate) async fn users(database: &str, count: usize) -> Outcome {
    let oauth2 = api::open(database, None).await?;
    let hash = Arc::new(server(&oauth2)?.hashing().hash(Password::typed(PASSWORD)?).await?);
    in_parallel(0..count, &oauth2, move |oauth2, number| add_user(oauth2, number, hash.clone())).await
}

async fn add_user(oauth2: OAuth2, number: usize, hash: Arc<PasswordHash>) -> Outcome {
    let mut name = [0; 8];
    server(&oauth2)?.rng().fill(&mut name);
    let name = format!("user{:016x}", u64::from_be_bytes(name));
    let user = NewUser::new(&name)
        .full_name(format!("User {number}"))
        .email(format!("{name}@example.com"))
        .scope(SCOPE)
        .password_hash(hash.secret());
    match oauth2.add_user(user).await? {
        Added::Yes => Ok(()),
        Added::NameTaken => Err("a name came twice".into()),
    }
}

/// Logs each user of a database in, whose client `bench` is there, and writes `shown` of them to `file`, evenly spread over all
/// names: each on a line with its refresh token.
#[tokio::main]
pub(crate) async fn logins(database: &str, shown: usize, file: &str) -> Outcome {
    let oauth2 = api::open(database, None).await?;
    let mut owners = Vec::new();
    loop {
        let page = server(&oauth2)?.store().list_owners(owners.last().map(|(name, _)| name), PAGE).await?;
        let full = page.len() == PAGE;
        owners.extend(page.into_iter().map(|ResourceOwner { username, subject, .. }| (username, subject)));
        if !full {
            break;
        }
    }
    let scope: Arc<Scope> = Arc::new(SCOPE.parse()?);
    let (lines, written) = std::sync::mpsc::channel();
    let every = (owners.len() / shown.max(1)).max(1);
    in_parallel(owners.into_iter().enumerate(), &oauth2, move |oauth2, (at, (username, subject))| {
        let (scope, lines) = (scope.clone(), lines.clone());
        async move {
            let token = log_in(&oauth2, subject, &Standing::Active, (*scope).clone()).await?;
            match at % every {
                0 => Ok(lines.send(format!("{username} {token}\n"))?),
                _ => Ok(()),
            }
        }
    })
    .await?;
    let mut file = BufWriter::new(fs::File::create(file)?);
    written.try_iter().take(shown).try_for_each(|line| file.write_all(line.as_bytes()))?;
    Ok(file.flush()?)
}

async fn issue_and_revoke(oauth2: OAuth2, _: usize) -> Outcome {
    let server = server(&oauth2)?;
    let answer = token(server, &format!("{CLIENT}&grant_type=client_credentials&scope=me")).await?;
    let revocation = format!("{CLIENT}&token={}", answer.access_token.secret());
    Ok(server.revoke(Request::new(None, &Form::parse(revocation.as_bytes())?)).await?)
}

/// Does one thing with each, [`AT_ONCE`] at once.
async fn in_parallel<T, F>(each: impl Iterator<Item = T>, oauth2: &OAuth2, what: impl Fn(OAuth2, T) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut all = JoinSet::new();
    for one in each {
        if all.len() == AT_ONCE
            && let Some(done) = all.join_next().await
        {
            done??;
        }
        all.spawn(what(oauth2.clone(), one));
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(())
}

fn server(oauth2: &OAuth2) -> Result<&AuthorizationServer, Failure> {
    oauth2.server().ok_or_else(|| "it issues nothing".into())
}

async fn token(server: &AuthorizationServer, form: &str) -> Result<TokenResponse, Failure> {
    let form = Form::parse(form.as_bytes())?;
    loop {
        // All is made at once, and hashing steps back behind it.
        match server.token(Request::new(None, &form)).await {
            Err(OAuthError::TemporarilyUnavailable { retry_after }) => tokio::time::sleep(retry_after).await,
            answer => return Ok(answer?),
        }
    }
}
