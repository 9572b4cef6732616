//! What databases of the bench have in them: many tokens that are distinct, many grants, much that was revoked.

use std::{fs, sync::Arc, time::Duration};

use countersign::{
    Added, ClientId, Grant, GrantId, GrantType, NewClient, NewUser, OAuth2, Password, Scope, Subject,
    core::{
        authorization_server::{AuthorizationServer, Request, TokenResponse},
        error::OAuthError,
        form::Form,
        grant_record::Refresh,
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
    in_parallel(grants, &oauth2, move |oauth2| record(oauth2, scope.clone())).await?;
    in_parallel(revoked, &oauth2, issue_and_revoke).await
}

async fn record(oauth2: OAuth2, scope: Arc<Scope>) -> Outcome {
    let server = server(&oauth2)?;
    let (now, id) = (server.now(), GrantId::random(server.rng()));
    let expires_at = now.plus(LIFE);
    let grant = Grant {
        subject: Subject::random(server.rng()),
        client_id: ClientId::new("bench"),
        scope: (*scope).clone(),
        created_at: now,
        used_at: now,
        access_until: now,
        refresh: Some(Refresh {
            family: HandleHash::of(&format!("family of {id}")),
            current: HandleHash::of(&format!("token of {id}")),
            expires_at,
            retired: Vec::new(),
        }),
        id,
    };
    match server.store().redeem(&Standing::Elsewhere, None, &grant, None).await? {
        Redeemed::Whole => Ok(()),
        other => Err(format!("a grant was not recorded: {other:?}").into()),
    }
}

async fn issue_and_revoke(oauth2: OAuth2) -> Outcome {
    let server = server(&oauth2)?;
    let answer = token(server, &format!("{CLIENT}&grant_type=client_credentials&scope=me")).await?;
    let revocation = format!("{CLIENT}&token={}", answer.access_token.secret());
    Ok(server.revoke(Request::new(None, &Form::parse(revocation.as_bytes())?)).await?)
}

/// Does one thing `times`, [`AT_ONCE`] at once.
async fn in_parallel<F>(times: usize, oauth2: &OAuth2, what: impl Fn(OAuth2) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut all = JoinSet::new();
    for _ in 0..times {
        if all.len() == AT_ONCE
            && let Some(done) = all.join_next().await
        {
            done??;
        }
        all.spawn(what(oauth2.clone()));
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
