//! Attacks find what they are for: a guard with one mistake is found by the attack of that mistake, and by no other.

use std::collections::BTreeSet;

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{StatusCode, request::Parts},
    middleware::map_response,
    response::{IntoResponse, Response},
};
use countersign::{
    AccessToken, Both, Credentials, CurrentUser, Either, HmacSecret, KeyPairAlgorithm, Memory, OAuth2, Refusal, Router,
    Routes, SigningChoice, StartError, Store, argument,
    routing::{any, get, post, public},
    scheme::{ApiKey, HttpBearer},
    security_schemes,
    testing::{self, Attack, AttackReport, TestError, Unclear},
};

use crate::store::any_store;
use crate::{
    broken::{Basic, Broken, BrokenOption, BrokenUser, Careless, Key, Mistake},
    support::{Me, ReadItems, TestApp},
};

/// How many routes of countersign's own are guarded: the user's page, logins (three) and password.
const OURS: usize = 5;

async fn oauth2() -> OAuth2 {
    TestApp::new().await.oauth2
}

pub(crate) fn found(report: &AttackReport) -> BTreeSet<Attack> {
    report.breaches().iter().map(|breach| breach.attack).collect()
}

/// Those that a `GET` behind a guard of tokens is spared: for forms, and for what only the author knows.
pub(crate) const SPARED: [Attack; 5] =
    [Attack::HeaderAndForm, Attack::FormOnly, Attack::UnknownCredentials, Attack::NoClaims, Attack::RefusedByRule];

async fn attack_on(mistake: Mistake, change: impl FnOnce(Router<Careless>) -> Router<Careless>) -> AttackReport {
    let oauth2 = oauth2().await;
    let app = change(oauth2.clone().router_with_state(Careless { oauth2, mistake }));
    let report = testing::attack(app).as_user("alice").await.unwrap();
    assert!(report.breaches().iter().all(|breach| breach.route == "GET /broken"), "{report}");
    report
}

#[tokio::test]
async fn every_mistake_is_found_by_its_attack_and_by_no_other() {
    for (mistake, attacks) in [
        (Mistake::None, &[][..]),
        (Mistake::LetsEverybodyIn, &[Attack::NoCredentials][..]),
        (Mistake::TakesEmptyForNobody, &[Attack::Empty]),
        (Mistake::BelievesWords, &[Attack::Garbage]),
        (Mistake::ReadsXAuthorization, &[Attack::WrongPlace]),
        (Mistake::AcceptsAnyScheme, &[Attack::OtherScheme]),
        (Mistake::TakesTheFirstOfTwo, &[Attack::Doubled]),
        (Mistake::TakesTheLastOfTwo, &[Attack::Doubled]),
        (Mistake::OverlooksTheQuery, &[Attack::HeaderAndQuery]),
        (Mistake::ReadsTheQuery, &[Attack::QueryOnly]),
        (Mistake::BelievesZeros, &[Attack::ForgedSignature]),
        (Mistake::BelievesUnknownKeys, &[Attack::ForeignKey]),
        (Mistake::BelievesNone, &[Attack::AlgorithmNone]),
        (Mistake::UsesThePublicKeyAsSecret, &[Attack::PublicKeyAsSecret]),
        (Mistake::BelievesTheHeadersAlgorithm, &[Attack::OtherAlgorithm]),
        (Mistake::UsesTheKeyInTheHeader, &[Attack::KeyInHeader]),
        (Mistake::IgnoresCrit, &[Attack::CriticalExtension]),
        (Mistake::IgnoresTyp, &[Attack::OtherType]),
        (Mistake::IgnoresExp, &[Attack::Expired]),
        (Mistake::IgnoresNbf, &[Attack::NotYetValid]),
        (Mistake::IgnoresIss, &[Attack::OtherIssuer, Attack::AlmostTheIssuer]),
        (Mistake::TrimsIss, &[Attack::AlmostTheIssuer]),
        (Mistake::IgnoresAud, &[Attack::OtherAudience]),
        (Mistake::TakesNoAudForAny, &[Attack::NoAudience]),
        (Mistake::BelievesAPartOfTheSignature, &[Attack::Truncated]),
        (Mistake::DecodesLeniently, &[Attack::Altered]),
        (Mistake::ReadsThreeSegmentsOfMore, &[Attack::ExtraSegments]),
        (Mistake::WantsAnyScope, &[Attack::MissingScope]),
        (Mistake::ComparesScopesWithoutCase, &[Attack::ScopeInOtherCase]),
        (Mistake::ComparesTheBeginningOfScopes, &[Attack::AlmostTheScope]),
    ] {
        let report = attack_on(mistake, |app| app.route("/broken", get(async |_: Broken| "secret"))).await;
        assert_eq!(found(&report), BTreeSet::from_iter(attacks.iter().copied()), "{mistake:?}\n{report}");
        assert!(report.unclear().is_empty(), "{mistake:?}\n{report}");
    }
}

#[tokio::test]
async fn a_guard_that_does_not_look_for_the_user_is_found() {
    for (mistake, attacks) in
        [(Mistake::None, &[][..]), (Mistake::LooksForNobody, &[Attack::UnknownSubject, Attack::DisabledSubject])]
    {
        let report = attack_on(mistake, |app| app.route("/broken", get(async |_: BrokenUser| "secret"))).await;
        assert_eq!(found(&report), BTreeSet::from_iter(attacks.iter().copied()), "{report}");
    }
}

#[tokio::test]
async fn a_guard_that_refuses_nothing_is_found_by_every_attack_and_every_request() {
    let own = testing::attack(oauth2().await.router()).as_user("alice").await.unwrap();
    let all = &BTreeSet::from_iter(Attack::ALL.iter().copied()) - &BTreeSet::from(SPARED);
    let report = attack_on(Mistake::Everything, |app| app.route("/broken", get(async |_: BrokenUser| "secret"))).await;
    assert_eq!(found(&report), all, "{report}");
    assert_eq!(report.breaches().len(), report.requests() - own.requests());
    // Nobody said that this one looks for the user.
    let report = attack_on(Mistake::Everything, |app| app.route("/broken", get(async |_: Broken| "secret"))).await;
    assert_eq!(found(&report), &all - &BTreeSet::from([Attack::UnknownSubject, Attack::DisabledSubject]), "{report}");
    assert_eq!(report.breaches().len(), report.requests() - own.requests());
}

#[tokio::test]
async fn b10_an_optional_guard_that_swallows_bad_tokens_is_found_by_each_of_them() {
    let report = |mistake| attack_on(mistake, |app| app.route("/broken", get(async |_: BrokenOption| "secret")));
    let swallowed = report(Mistake::SwallowsBadTokens).await;
    let absent = [Attack::NoCredentials, Attack::QueryOnly, Attack::OtherScheme, Attack::WrongPlace];
    let of_scopes = [Attack::MissingScope, Attack::ScopeInOtherCase, Attack::AlmostTheScope];
    let of_owners = [Attack::UnknownSubject, Attack::DisabledSubject];
    let others: BTreeSet<_> = absent.into_iter().chain(of_scopes).chain(of_owners).chain(SPARED).collect();
    let bad = Attack::ALL.iter().copied().filter(|attack| !others.contains(attack)).collect();
    assert_eq!(found(&swallowed), bad, "{swallowed}");
    report(Mistake::None).await.assert_held();
}

#[tokio::test]
async fn what_is_no_refusal_has_got_through_whatever_it_is() {
    // A 401 must challenge (RFC 9110 §15.5.2).
    let report =
        attack_on(Mistake::AnswersWithoutAChallenge, |app| app.route("/broken", get(async |_: Broken| "secret"))).await;
    let of_scopes = BTreeSet::from([Attack::MissingScope, Attack::ScopeInOtherCase, Attack::AlmostTheScope]);
    assert_eq!(found(&report), &BTreeSet::from_iter(all_but_owners()) - &of_scopes, "{report}");
    // From behind the guard, a 404 or a 415 tells that the guard let it in.
    let behind = |handler: fn() -> StatusCode| {
        attack_on(Mistake::Everything, move |app| app.route("/broken", get(async move |_: Broken| handler())))
    };
    for handler in [
        || StatusCode::NOT_FOUND,
        || StatusCode::UNPROCESSABLE_ENTITY,
        || StatusCode::METHOD_NOT_ALLOWED,
        || StatusCode::INTERNAL_SERVER_ERROR,
        || StatusCode::SEE_OTHER,
        || StatusCode::BAD_REQUEST,
    ] {
        let report = behind(handler).await;
        assert_eq!(found(&report), BTreeSet::from_iter(all_but_owners()), "{report}");
        assert!(report.unclear().is_empty());
    }
    let unavailable = behind(|| StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(unavailable.breaches().is_empty() && unavailable.unclear().len() == 1, "{unavailable}");
}

fn all_but_owners() -> impl Iterator<Item = Attack> {
    let owners = [Attack::UnknownSubject, Attack::DisabledSubject];
    Attack::ALL.iter().copied().filter(move |attack| !owners.contains(attack) && !SPARED.contains(attack))
}

/// Lets requests to this path alone reach what stands behind it.
struct Only<const PATH: usize>;

const PATHS: [&str; 4] = ["/x/00000000-0000-4000-8000-000000000000", "/x/1/y/a", "/x/1/1", "/x/2026-01-31"];

argument!(Only<0>);
argument!(Only<1>);
argument!(Only<2>);
argument!(Only<3>);

impl<const PATH: usize> FromRequestParts<OAuth2> for Only<PATH> {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &OAuth2) -> Result<Self, StatusCode> {
        if parts.uri.path() == PATHS[PATH] { Ok(Self) } else { Err(StatusCode::NOT_FOUND) }
    }
}

#[tokio::test]
async fn parameters_are_filled_until_a_guard_is_reached() {
    let app = |oauth2: &OAuth2| {
        oauth2
            .router()
            .route("/x/{id}", get(async |_: Only<0>, _: AccessToken| "a UUID"))
            .route("/x/{id}/y/{*name}", get(async |_: Only<1>, _: AccessToken| "a word"))
            .route("/y/{a}", post(async |_: Path<u32>, _: AccessToken<ReadItems>| "a number"))
            .route("/z/{a}", get(async |_: AccessToken, _: Path<u32>| "a number, behind the guard"))
    };
    let oauth2 = oauth2().await;
    let report = testing::attack(app(&oauth2)).as_user("alice").await.unwrap();
    report.assert_held();
    assert!(report.unclear().is_empty(), "{report}");
    assert_eq!(report.routes(), OURS + 4);
    testing::walk(app(&oauth2)).as_user("alice").await.unwrap().assert_held();
}

#[tokio::test]
async fn where_no_filling_is_taken_the_route_is_unclear_until_its_author_says_where_it_is() {
    let oauth2 = oauth2().await;
    let app = || oauth2.router().route("/x/{day}", get(async |_: Only<3>, _: AccessToken<ReadItems>| "a day"));
    let report = testing::attack(app()).as_user("alice").await.unwrap();
    report.assert_held();
    assert_eq!(report.unclear().len(), 1, "{report}");
    assert_eq!(report.unclear()[0].route, "GET /x/{day}");
    let walked = testing::walk(app()).as_user("alice").await.unwrap();
    assert_eq!(walked.unclear().len(), 1, "{walked}");
    let report = testing::attack(app()).as_user("alice").at("/x/{day}", PATHS[3]).await.unwrap();
    report.assert_held();
    assert!(report.unclear().is_empty(), "{report}");
    let walked = testing::walk(app()).as_user("alice").at("/x/{day}", PATHS[3]).await.unwrap();
    walked.assert_held();
    assert!(walked.unclear().is_empty(), "{walked}");
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Page {}

#[tokio::test]
async fn what_may_be_answered_before_the_guards_is_unclear_and_no_breach() {
    let oauth2 = oauth2().await;
    let unclear = async |app: Router| {
        let report = testing::attack(app).as_user("alice").await.unwrap();
        report.assert_held();
        let is_theirs = |unclear: &&Unclear| !unclear.route.contains(" /users/me");
        let theirs: Vec<_> = report.unclear().iter().filter(is_theirs).collect();
        // A layer stands before all of ours, a query of theirs before none.
        let expected = if theirs.is_empty() { OURS } else { 1 };
        assert_eq!(report.unclear().len(), expected, "{report}");
        let first = theirs.first().copied().unwrap_or(&report.unclear()[0]);
        first.what.clone()
    };
    // A query that is refused before the guard is asked.
    let strict = oauth2.router().route("/strict", get(async |_: Query<Page>, _: AccessToken| "a page"));
    let what = unclear(strict).await;
    assert!(what.contains("in the address (access_token): 400") && !what.contains("expired"), "{what}");
    // A layer of which the audit knows nothing.
    let nowhere = || map_response(async |_: Response| StatusCode::NOT_FOUND);
    unclear(oauth2.router().map(move |router| router.layer(nowhere()))).await;
    // A rule looks at the path before it asks for a user.
    let rule = async |_: Only<3>, _: CurrentUser| true;
    let ruled = oauth2.router().route("/x/{day}", get(async || "a day").rule("day", "Not today.", rule));
    unclear(ruled).await;
    // What a layer lets in has got through all the same.
    let open = || map_response(async |_: Response| "welcome");
    let report =
        testing::attack(oauth2.router().map(move |router| router.layer(open()))).as_user("alice").await.unwrap();
    assert_eq!(report.breaches().len(), report.requests(), "{report}");
}

#[tokio::test]
async fn every_route_of_the_audit_is_attacked_wherever_its_guard_stands() {
    let oauth2 = oauth2().await;
    let inner = Routes::new()
        .guard::<AccessToken<Me>>()
        .route("/", get(async || "no guard of its own"))
        .route("/raw", axum::routing::get(async || "unread"))
        .fallback(get(async || "nowhere"));
    let app = oauth2
        .router()
        .nest("/inner", inner)
        .route("/any", any(async |_: AccessToken| "any"))
        .route("/hidden", get(async |_: AccessToken| "hidden").undocumented())
        .route("/rule", get(async || "rule").rule("never", "Never.", async |_: AccessToken<ReadItems>| false))
        .route("/open", public(get(async || "open")))
        .fallback(post(async |_: CurrentUser| "nowhere"));
    let audited = app.audit();
    let report = testing::attack(app).as_user("alice").await.unwrap();
    report.assert_held();
    assert!(report.unclear().is_empty(), "{report}");
    // Of ours all that are guarded, of the inner ones three, and `any` as GET and as POST.
    assert_eq!(report.routes(), OURS + 3 + 2 + 1 + 1 + 1, "{audited}\n{report}");
}

security_schemes! {
    /// A key in the address.
    QueryKey: ApiKey = ApiKey::query("key");
    /// A key in a cookie.
    CookieKey: ApiKey = ApiKey::cookie("key");
    /// A token of somebody else's.
    Theirs: HttpBearer = HttpBearer::new();
}

fn combined(oauth2: &OAuth2) -> Router {
    type Token = AccessToken<ReadItems>;
    oauth2
        .router()
        .route("/token-or-key", get(async |_: Either<Token, Credentials<Key>>| "in"))
        .route("/key-or-token", get(async |_: Either<Credentials<Key>, Token>| "in"))
        .route("/token-or-theirs", get(async |_: Either<Token, Credentials<Theirs>>| "in"))
        .route("/theirs-or-token", get(async |_: Either<Credentials<Theirs>, Token>| "in"))
        .route("/basic-or-token", get(async |_: Either<Credentials<Basic>, CurrentUser<Me>>| "in"))
        .route("/one-or-other", get(async |_: Either<Token, AccessToken<Me>>| "in"))
        .route("/both", get(async |_: Token, _: Credentials<QueryKey>| "in"))
        .route("/both-or-cookie", get(async |_: Either<Both<Token, Credentials<Key>>, Credentials<CookieKey>>| "in"))
        .route("/perhaps-and-key", get(async |_: Option<Token>, _: Credentials<Key>| "in"))
        .route("/perhaps-either", get(async |_: Option<Either<Token, Credentials<CookieKey>>>| "in"))
        .route("/perhaps-key", get(async |_: Option<Credentials<QueryKey>>| "in"))
}

#[tokio::test]
async fn alternatives_and_combinations_hold_and_are_not_taken_for_breaches() {
    let oauth2 = oauth2().await;
    let report = testing::attack(combined(&oauth2)).as_user("alice").await.unwrap();
    report.assert_held();
    assert!(report.unclear().is_empty(), "{report}");
    assert_eq!(report.routes(), OURS + 11, "{report}");
    let walked = testing::walk(combined(&oauth2)).as_user("alice").await.unwrap();
    walked.assert_held();
    // A bearer token that is none of ours is refused before anybody asks whose it is.
    let unclear: Vec<_> = walked.unclear().iter().map(|unclear| unclear.route.as_str()).collect();
    assert_eq!(unclear, ["GET /token-or-theirs"], "{walked}");
}

/// A guard of the author's for their keys, which takes the first of two.
struct FirstKey;

argument!(FirstKey: Credentials<Key>);

impl FromRequestParts<OAuth2> for FirstKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &OAuth2) -> Result<Self, Refusal> {
        if parts.headers.get("x-key").is_some_and(|key| !key.is_empty()) {
            return Ok(Self);
        }
        <Credentials<Key> as FromRequestParts<OAuth2>>::from_request_parts(parts, state).await.map(|_| Self)
    }
}

/// A guard of the author's for their keys, with a key in mind.
struct GoodKey;

argument!(GoodKey: Credentials<Key>);

impl FromRequestParts<OAuth2> for GoodKey {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &OAuth2) -> Result<Self, Self::Rejection> {
        let refused = || (StatusCode::UNAUTHORIZED, [("www-authenticate", "APIKey")]).into_response();
        let key = <Credentials<Key> as FromRequestParts<OAuth2>>::from_request_parts(parts, state).await;
        let key = key.map_err(IntoResponse::into_response)?;
        if key.secret() == "the good one" { Ok(Self) } else { Err(refused()) }
    }
}

#[tokio::test]
async fn credentials_of_the_authors_are_attacked_by_their_form_and_walked_with_good_ones() {
    let oauth2 = oauth2().await;
    let app = |oauth2: &OAuth2| oauth2.router().route("/first", get(async |_: FirstKey| "in"));
    let report = testing::attack(app(&oauth2)).as_user("alice").await.unwrap();
    assert_eq!(found(&report), BTreeSet::from([Attack::Doubled]), "{report}");
    let app = |oauth2: &OAuth2| oauth2.router().route("/good", get(async |_: GoodKey| "in"));
    testing::attack(app(&oauth2)).as_user("alice").await.unwrap().assert_held();
    let walked = testing::walk(app(&oauth2)).as_user("alice").await.unwrap();
    assert_eq!(walked.unclear().len(), 1, "{walked}");
    let walked = testing::walk(app(&oauth2)).as_user("alice").credentials("Key", "the good one").await.unwrap();
    walked.assert_held();
    assert!(walked.unclear().is_empty(), "{walked}");
}

#[tokio::test]
async fn every_algorithm_is_attacked() {
    let secret = HmacSecret::new("q3Z!r8Lk0vWn5xTb7yHc2mJd9pSf4gAe").unwrap();
    let pairs = KeyPairAlgorithm::ALL.into_iter().map(SigningChoice::KeyPair);
    for choice in pairs.chain([SigningChoice::Secret(secret)]) {
        let app = TestApp::with(any_store().await, |builder| builder.signing(choice.clone())).await;
        let report = testing::attack(crate::support::routes(app.oauth2.router())).as_user("alice").await.unwrap();
        report.assert_held();
        assert!(report.requests() > 500 && report.unclear().is_empty(), "{choice:?} {report}");
    }
}

#[tokio::test]
async fn the_store_stays_as_it_is_and_the_order_of_routes_does_not_matter() {
    let app = TestApp::new().await;
    let owners = || memory_of(&app).list_owners(None, 100);
    let before = owners().await.unwrap();
    let routes = |router: Router, turned: bool| {
        let one = |router: Router| router.route("/one", get(async |_: AccessToken| "one"));
        let two = |router: Router| router.route("/two", get(async |_: CurrentUser<Me>| "two"));
        if turned { one(two(router)) } else { two(one(router)) }
    };
    let one = testing::attack(routes(app.oauth2.router(), false)).as_user("alice").await.unwrap();
    let two = testing::attack(routes(app.oauth2.router(), true)).as_user("alice").await.unwrap();
    assert_eq!((one.requests(), one.breaches().len()), (two.requests(), two.breaches().len()));
    assert_eq!(owners().await.unwrap(), before);
    let end = countersign::Timestamp::from_seconds(i64::MAX);
    assert_eq!(
        memory_of(&app).sweep(end, std::time::Duration::ZERO, usize::MAX).await.unwrap(),
        0,
        "no grant is recorded"
    );
}

fn memory_of(app: &TestApp) -> &dyn Store {
    app.oauth2.server().unwrap().store()
}

#[tokio::test]
async fn who_calls_is_found_or_named_or_told_to_be_missing() {
    let oauth2 = oauth2().await;
    let report = testing::attack(oauth2.router()).await.unwrap();
    assert!(report.unclear().is_empty() && report.routes() == OURS, "{report}");
    for name in ["mallory", "dora"] {
        let refused = testing::attack(oauth2.router()).as_user(name).await;
        assert!(matches!(refused, Err(TestError::NoSuchUser(missing)) if missing == name));
    }
    let empty = OAuth2::new(Memory::new()).build().await.unwrap();
    let report = testing::attack(empty.router()).await.unwrap();
    report.assert_held();
    assert_eq!(report.unclear().len(), OURS, "{report}");
    assert!(report.unclear()[0].what.contains("as_user"));
}

#[tokio::test]
async fn an_api_that_does_not_start_is_not_attacked() {
    let oauth2 = oauth2().await;
    let forgotten = testing::attack(oauth2.router().route("/forgotten", get(async || "secret"))).await;
    assert!(matches!(forgotten, Err(TestError::Start(StartError::Undecided(_)))), "{forgotten:?}");
    let locked = || oauth2.router().route("/locked", public(get(async |_: SaysItIsLocked| "secret")));
    let locked = (testing::attack(locked()).await.err(), testing::walk(locked()).await.err());
    let refused = |error| matches!(error, Some(TestError::Start(StartError::LockWithoutCheck(_))));
    assert!(refused(locked.0) && refused(locked.1));
}

/// Tells the document of a lock, and checks nothing.
struct SaysItIsLocked;

impl countersign::Argument for SaysItIsLocked {}

impl countersign::aide::OperationInput for SaysItIsLocked {
    fn operation_input(
        _: &mut countersign::aide::generate::GenContext,
        operation: &mut countersign::aide::openapi::Operation,
    ) {
        operation.security.push([("OAuth2PasswordBearer".to_owned(), Vec::new())].into_iter().collect());
    }
}

impl FromRequestParts<OAuth2> for SaysItIsLocked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &OAuth2) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

#[tokio::test]
#[should_panic(expected = "GET /broken  no credentials")]
async fn a_report_that_did_not_hold_panics_with_its_table() {
    attack_on(Mistake::Everything, |app| app.route("/broken", get(async |_: Broken| "secret"))).await.assert_held();
}

#[tokio::test]
async fn b12_a_walk_finds_what_is_not_as_documented() {
    let oauth2 = oauth2().await;
    let walk = async |mistake| {
        let state = Careless { oauth2: oauth2.clone(), mistake };
        let app = oauth2.router_with_state(state).route("/broken", get(async |_: Broken| "secret"));
        testing::walk(app).as_user("alice").await.unwrap()
    };
    let broken = async |mistake| -> Vec<_> {
        let report = walk(mistake).await;
        report.broken().map(|call| (call.with.clone(), call.expected.to_string(), call.status.as_u16())).collect()
    };
    assert_eq!(broken(Mistake::None).await, []);
    let (whole, less) = ("OAuth2PasswordBearer read:items me", "OAuth2PasswordBearer me");
    let other = "OAuth2PasswordBearer read:items";
    let call = |with: &str, expected: &str, status| (with.to_owned(), expected.to_owned(), status);
    let small = [call(less, "403", 200), call(other, "403", 200)];
    assert_eq!(broken(Mistake::LetsEverybodyIn).await, [call("nothing", "401", 200)]);
    assert_eq!(broken(Mistake::WantsAnyScope).await, small);
    let all = [call("nothing", "401", 200), small[0].clone(), small[1].clone()];
    assert_eq!(broken(Mistake::Everything).await, all);
    let oauth2 = oauth2.clone();
    let closed = oauth2.router().route("/closed", public(get(async || StatusCode::UNAUTHORIZED)));
    let closed = testing::walk(closed).as_user("alice").await.unwrap();
    assert_eq!(closed.broken().count(), 1, "{closed}");
    let refusing = oauth2
        .router()
        .route("/never", get(async |_: AccessToken| StatusCode::FORBIDDEN))
        .route("/rule", get(async || "rule").rule("never", "Never.", async |_: AccessToken<ReadItems>| false));
    let refusing = testing::walk(refusing).as_user("alice").await.unwrap();
    let found: Vec<_> = refusing.broken().map(|call| call.operation.as_str()).collect();
    assert_eq!(found, ["GET /never"], "{refusing}");
    let _ = whole;
}
