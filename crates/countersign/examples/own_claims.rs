//! Claims of one's own in the tokens, and rules beyond scopes: a role, who owns what.

use axum::{
    Json,
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};
use countersign::{
    Allowed, Claims, CurrentUser, Denied, ExtraClaims, IssuedFor, Memory, NewUser, OAuth2, ResourceOwners, Router,
    Routes, Rule, StoreError,
    core::extra_claims::{Map, Value},
    routing::{get, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What this application puts into its tokens.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Role {
    role: String,
}

/// Where it comes from: whatever the application knows of a user.
#[derive(Debug)]
struct Roles(Memory);

#[countersign::async_trait]
impl ExtraClaims for Roles {
    async fn claims(&self, issued: IssuedFor<'_>) -> Result<Map<String, Value>, StoreError> {
        let user = self.0.find_by_subject(issued.subject).await?;
        let role = if user.is_some_and(|user| user.username.as_str() == "ada") { "editor" } else { "reader" };
        Ok(Map::from_iter([("role".to_owned(), role.into())]))
    }
}

/// Editors only. The handler gets what the rule found.
struct Editor;

impl Rule for Editor {
    type Guard = Claims<Role>;
    type State = OAuth2;
    const NAME: &'static str = "editor";
    const DESCRIPTION: &'static str = "You are no editor.";

    async fn check(claims: Claims<Role>, _: &mut Parts, _: &OAuth2) -> Result<Self, Denied> {
        if claims.role == "editor" { Ok(Self) } else { Err(Denied::Refused) }
    }
}

/// An article that the user may see: one's own. Another's looks as if it were not there.
struct OwnArticle(u32);

impl Rule for OwnArticle {
    type Guard = CurrentUser;
    type State = OAuth2;
    const NAME: &'static str = "owner_of_article";
    const DESCRIPTION: &'static str = "The article is not yours.";

    async fn check(user: CurrentUser, parts: &mut Parts, state: &OAuth2) -> Result<Self, Denied> {
        let Path(id) = Path::<u32>::from_request_parts(parts, state).await.map_err(Denied::answer)?;
        // Fine for two users who keep their names. A table has the owner's `sub` instead: names may change hands.
        let owner = if id == 1 { "ada" } else { "bert" };
        if user.username == owner { Ok(Self(id)) } else { Err(Denied::answer(StatusCode::NOT_FOUND)) }
    }
}

async fn read_role(claims: Claims<Role>) -> Json<Role> {
    Json(claims.into_inner())
}

async fn publish(_: Allowed<Editor>) -> &'static str {
    "published"
}

async fn read_article(article: Allowed<OwnArticle>) -> String {
    format!("article {}", article.0.0)
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let store = Memory::new();
    let oauth2 = OAuth2::new(store.clone()).claims(Roles(store)).build().await?;
    for name in ["ada", "bert"] {
        oauth2.add_user(NewUser::new(name).password("secret")).await?;
    }
    // A rule that is a function stands before all of these routes.
    let staff = Routes::new()
        .rule("staff", "You are not of the staff.", async |claims: Claims<Role>| claims.role != "reader")
        .route("/front-page", put(publish));
    Ok(oauth2.router().route("/role", get(read_role)).route("/articles/{id}", get(read_article)).merge(staff))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
