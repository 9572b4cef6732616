//! What may be set as a password, by a list of known ones: in a file, or of the author's.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use axum::http::{StatusCode, header};
use countersign::{
    Blocklist, BlocklistAway, BlocklistFile, Listed, Memory, OAuth2, Password, PasswordPolicy, PolicyRefusal,
    UserProblem,
};

use crate::store::any_store;
use crate::support::{Answer, TestApp, cheap_hashing, form};

/// A list of the author's, which a test can take away.
#[derive(Clone, Debug, Default)]
struct Horses(Arc<AtomicU8>);

const AWAY: u8 = 1;

#[countersign::async_trait]
impl Blocklist for Horses {
    async fn find(&self, password: &Password) -> Result<Listed, BlocklistAway> {
        if self.0.load(Ordering::SeqCst) == AWAY {
            return Err(BlocklistAway::new("the stable is closed"));
        }
        Ok(if password.secret().contains("horse") { Listed::Yes } else { Listed::No })
    }
}

async fn change_password(app: &TestApp, token: &str, new: &str) -> Answer {
    let mut request = form("/users/me/password", &format!("current_password=correct+horse&new_password={new}"));
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    app.send(request).await
}

#[tokio::test]
async fn d11_a_listed_password_is_refused_with_the_reason_and_nothing_is_changed() {
    let app = TestApp::with(any_store().await, |builder| builder.password_blocklist(Horses::default())).await;
    let token = app.token("me").await;
    let answer = change_password(&app, &token, "another+horse").await.expect(StatusCode::BAD_REQUEST);
    let reason = "The new password is refused: the password is on a list of known passwords";
    assert_eq!(answer.json()["detail"], reason);
    let token = app.token("me").await;
    change_password(&app, &token, "another+zebra").await.expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn d11_a_list_that_is_away_is_503_and_nothing_is_let_through() {
    let horses = Horses::default();
    let app = TestApp::with(any_store().await, |builder| builder.password_blocklist(horses.clone())).await;
    let token = app.token("me").await;
    horses.0.store(AWAY, Ordering::SeqCst);
    let answer = change_password(&app, &token, "another+zebra").await;
    let answer = answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "60");
    assert!(!answer.body.contains("stable"), "{}", answer.body);
    // Logins do not ask it.
    app.token("me").await;
}

#[tokio::test]
async fn d11_a_page_of_the_authors_asks_by_the_same_rules() {
    let strict = PasswordPolicy { minimum_length: 10 };
    let horses = Horses::default();
    let builder = OAuth2::new(Memory::new()).title("Wonderland").hashing(cheap_hashing());
    let oauth2 = builder.password_policy(strict).password_blocklist(horses.clone()).build().await.unwrap();
    let check = async |typed| oauth2.check_new_password(typed, &["alice"]).await;
    for (typed, refusal) in [
        ("zebras", PolicyRefusal::TooShort { minimum: 10 }),
        ("qwertyuiop", PolicyRefusal::Common),
        ("xx-alice-xx", PolicyRefusal::ContainsContext),
        ("w0nderland 7", PolicyRefusal::ContainsContext),
        ("another horse", PolicyRefusal::Listed),
    ] {
        let problem = check(typed).await.unwrap_err();
        assert!(matches!(problem, UserProblem::Refused(told) if told == refusal), "{typed}: {problem:?}");
    }
    assert!(matches!(check("").await, Err(UserProblem::Password(_))));
    check("another zebra").await.unwrap();
    horses.0.store(AWAY, Ordering::SeqCst);
    assert!(matches!(check("another zebra").await, Err(UserProblem::Unknown(_))));
}

#[tokio::test]
async fn d11_a_file_is_such_a_list() -> Result<(), Box<dyn std::error::Error>> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(b"Red Zebra Crossing\n")?;
    let path = file.path();
    let known = BlocklistFile::open(path)?;
    let oauth2 = OAuth2::new(Memory::new()).password_blocklist(known).build().await?;
    let refused = oauth2.check_new_password("red zebra crossing", &[]).await;
    assert!(matches!(refused, Err(UserProblem::Refused(PolicyRefusal::Listed))));
    oauth2.check_new_password("blue zebra crossing", &[]).await?;
    Ok(())
}
