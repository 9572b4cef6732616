//! Attacks find a mistake in a copy of each guard: by the attacks that are for it, and by no others.

use std::collections::BTreeSet;

use axum::{Form, Json, http::StatusCode, middleware::from_fn};
use countersign::{
    AccessToken, CurrentUser, Denied, OAuth2, Router,
    routing::{get, post},
    testing::{self, Attack, AttackReport, TestError},
};
use serde_json::Value;

use crate::store::any_store;
use crate::{
    attack::{SPARED, found},
    broken::{
        BrokenBearer, BrokenUser, Careless, Mistake,
        authors::{BrokenBasic, BrokenKey, Checking, GOOD_BASIC, GOOD_KEY},
        claims::{BrokenAllowed, BrokenClaims, Tenants, Trusting},
        combined::{Combining, KeyOrToken, PerhapsBoth, TokenAndKey, TokenOrKey},
        form::{ReadsTheForm, tidies_up},
    },
    support::{Me, TestApp},
};

/// Attacks an API of one broken route, where rules refuse `bare`, and of which no credentials are known.
async fn attack_on<M>(mistake: M, change: impl FnOnce(Router<Careless<M>>) -> Router<Careless<M>>) -> AttackReport
where
    M: Clone + Send + Sync + 'static,
{
    attack_knowing(Known::Nothing, mistake, change).await
}

/// What the test knows of credentials that the author's code checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Good,
}

async fn attack_knowing<M>(
    known: Known,
    mistake: M,
    change: impl FnOnce(Router<Careless<M>>) -> Router<Careless<M>>,
) -> AttackReport
where
    M: Clone + Send + Sync + 'static,
{
    let oauth2 = TestApp::with(any_store().await, |builder| builder.claims(Tenants)).await.oauth2;
    let token = testing::token(&oauth2, "alice", "").await.unwrap();
    let app = change(oauth2.router_with_state(Careless { oauth2: oauth2.clone(), mistake }));
    let given = [("OAuth2PasswordBearer", &*token), ("Key", GOOD_KEY), ("Basic", GOOD_BASIC)];
    let given = given.into_iter().filter(|_| known == Known::Good);
    let attack = testing::attack(app).as_user("alice").outsider("bare");
    let report = given.fold(attack, |attack, (scheme, good)| attack.credentials(scheme, good)).await.unwrap();
    assert!(report.breaches().iter().all(|breach| breach.route.ends_with(" /broken")), "{report}");
    assert!(report.unclear().is_empty(), "{report}");
    report
}

#[track_caller]
fn expect(report: &AttackReport, mistake: impl std::fmt::Debug, attacks: impl IntoIterator<Item = Attack>) {
    assert_eq!(found(report), BTreeSet::from_iter(attacks), "{mistake:?}\n{report}");
}

/// A request without a token, however it may look.
const NO_TOKEN: [Attack; 4] = [Attack::NoCredentials, Attack::WrongPlace, Attack::OtherScheme, Attack::QueryOnly];

/// A request without a key, however it may look.
const NO_KEY: [Attack; 3] = [Attack::NoCredentials, Attack::Empty, Attack::WrongPlace];

/// A good token that allows too little.
const SMALL: [Attack; 3] = [Attack::MissingScope, Attack::ScopeInOtherCase, Attack::AlmostTheScope];

/// A token that does not hold, or more than one.
fn bad_tokens() -> BTreeSet<Attack> {
    let owners = [Attack::UnknownSubject, Attack::DisabledSubject];
    let others: BTreeSet<_> = NO_TOKEN.into_iter().chain(SMALL).chain(owners).chain(SPARED).collect();
    Attack::ALL.iter().copied().filter(|attack| !others.contains(attack)).collect()
}

#[tokio::test]
async fn b10_either_that_passes_over_what_is_bad_or_needs_nothing_is_found() {
    let of_key_as_bearer = [Attack::WrongPlace];
    for (mistake, attacks) in [
        (Combining::Right, BTreeSet::new()),
        (Combining::NeedsNeither, NO_TOKEN.into_iter().chain(NO_KEY).collect()),
        (Combining::TakesABadTokenForNone, bad_tokens().into_iter().chain(of_key_as_bearer).collect()),
        (Combining::PassesOverABadToken, bad_tokens()),
        (Combining::TakesASmallToken, SMALL.into()),
    ] {
        let report = attack_on(mistake, |app| app.route("/broken", get(async |_: TokenOrKey| "in"))).await;
        expect(&report, mistake, attacks);
    }
    for (mistake, attacks) in [(Combining::Right, &[][..]), (Combining::PassesOverABadKey, &[Attack::Doubled])] {
        let report = attack_on(mistake, |app| app.route("/broken", get(async |_: KeyOrToken| "in"))).await;
        expect(&report, mistake, attacks.iter().copied());
    }
}

#[tokio::test]
async fn b10_both_that_pass_with_one_of_two_are_found() {
    for (mistake, attacks) in [
        (Combining::Right, BTreeSet::new()),
        (Combining::NeedsNoKey, NO_KEY.into()),
        (Combining::NeedsNoToken, NO_TOKEN.into()),
        (Combining::PassesOverABadKey, BTreeSet::from([Attack::Doubled])),
        (Combining::PassesOverABadToken, bad_tokens()),
    ] {
        let report = attack_on(mistake, |app| app.route("/broken", get(async |_: TokenAndKey| "in"))).await;
        expect(&report, mistake, attacks);
    }
    for (mistake, attacks) in [
        (Combining::Right, BTreeSet::new()),
        (Combining::TakesOneOfTwoForNobody, NO_KEY.into_iter().chain(NO_TOKEN).collect()),
    ] {
        let report = attack_on(mistake, |app| app.route("/broken", get(async |_: PerhapsBoth| "in"))).await;
        expect(&report, mistake, attacks);
    }
}

#[tokio::test]
async fn a_bearer_token_that_its_author_reads_or_checks_carelessly_is_found() {
    for (mistake, attacks) in [
        (Mistake::None, &[][..]),
        (Mistake::LetsEverybodyIn, &[Attack::NoCredentials]),
        (Mistake::TakesEmptyForNobody, &[Attack::Empty]),
        (Mistake::ReadsXAuthorization, &[Attack::WrongPlace]),
        (Mistake::ReadsTheQuery, &[Attack::WrongPlace]),
        (Mistake::AcceptsAnyScheme, &[Attack::OtherScheme]),
        (Mistake::TakesTheFirstOfTwo, &[Attack::Doubled]),
        (Mistake::TakesTheLastOfTwo, &[Attack::Doubled]),
        (Mistake::OverlooksTheQuery, &[Attack::HeaderAndQuery]),
        (Mistake::BelievesAPartOfTheSignature, &[Attack::UnknownCredentials]),
        (Mistake::BelievesWords, &[Attack::UnknownCredentials]),
    ] {
        let report =
            attack_knowing(Known::Good, mistake, |app| app.route("/broken", get(async |_: BrokenBearer| "in"))).await;
        expect(&report, mistake, attacks.iter().copied());
    }
    let report = attack_knowing(Known::Good, Mistake::BelievesEverything, |app| {
        app.route("/broken", get(async |_: BrokenBearer| "in"))
    })
    .await;
    assert!(found(&report).contains(&Attack::UnknownCredentials), "{report}");
}

#[tokio::test]
async fn credentials_that_their_author_reads_or_compares_carelessly_are_found() {
    for (mistake, attacks) in [
        (Checking::Right, &[][..]),
        (Checking::PassesWithout, &[Attack::NoCredentials, Attack::WrongPlace]),
        (Checking::TakesAnEmptyOne, &[Attack::Empty]),
        (Checking::ReadsTheAddress, &[Attack::WrongPlace]),
        (Checking::ReadsTheCookie, &[Attack::WrongPlace]),
        (Checking::ReadsBearer, &[Attack::WrongPlace]),
        (Checking::TakesTheFirstOfTwo, &[Attack::Doubled]),
        (Checking::AcceptsAny, &[Attack::UnknownCredentials]),
        (Checking::ComparesTheBeginning, &[Attack::UnknownCredentials]),
        (Checking::ComparesNoMoreThanTheGoodOne, &[Attack::UnknownCredentials]),
    ] {
        let report =
            attack_knowing(Known::Good, mistake, |app| app.route("/broken", get(async |_: BrokenKey| "in"))).await;
        expect(&report, mistake, attacks.iter().copied());
    }
    for (mistake, attacks) in [
        (Checking::Right, &[][..]),
        (Checking::TakesTheFirstOfTwo, &[Attack::Doubled]),
        (Checking::AcceptsAnyScheme, &[Attack::OtherScheme]),
        (Checking::AcceptsAny, &[Attack::UnknownCredentials]),
        (Checking::ComparesTheBeginning, &[Attack::UnknownCredentials]),
        (Checking::ComparesNoMoreThanTheGoodOne, &[Attack::UnknownCredentials]),
        (Checking::IgnoresThePassword, &[Attack::UnknownCredentials]),
        (Checking::IgnoresTheName, &[Attack::UnknownCredentials]),
        (Checking::TakesAnEmptyPassword, &[Attack::UnknownCredentials]),
    ] {
        let report =
            attack_knowing(Known::Good, mistake, |app| app.route("/broken", get(async |_: BrokenBasic| "in"))).await;
        expect(&report, mistake, attacks.iter().copied());
    }
}

#[tokio::test]
async fn claims_that_are_not_verified_or_may_be_missing_are_found() {
    let forged = [
        Attack::ForgedSignature,
        Attack::ForeignKey,
        Attack::AlgorithmNone,
        Attack::PublicKeyAsSecret,
        Attack::OtherAlgorithm,
        Attack::KeyInHeader,
        Attack::CriticalExtension,
        Attack::OtherType,
        Attack::Expired,
        Attack::NotYetValid,
        Attack::OtherIssuer,
        Attack::AlmostTheIssuer,
        Attack::OtherAudience,
        Attack::NoAudience,
        Attack::Truncated,
        Attack::Altered,
        Attack::ExtraSegments,
    ];
    for (mistake, attacks) in [
        (Trusting::Nobody, &[][..]),
        (Trusting::DoesNotVerify, &forged),
        (Trusting::NeedsNoClaims, &[Attack::NoClaims]),
        (Trusting::NeedsNoScope, &SMALL),
    ] {
        let report = attack_on(mistake, |app| app.route("/broken", get(async |_: BrokenClaims| "in"))).await;
        expect(&report, mistake, attacks.iter().copied());
    }
}

#[tokio::test]
async fn a_rule_that_is_not_asked_or_needs_nobody_is_found() {
    for (mistake, attacks) in [
        (Trusting::Nobody, &[][..]),
        (Trusting::AsksNoRule, &[Attack::RefusedByRule]),
        (Trusting::NeedsNoUser, &NO_TOKEN),
    ] {
        let report = attack_on(mistake, |app| app.route("/broken", get(async |_: BrokenAllowed| "in"))).await;
        expect(&report, mistake, attacks.iter().copied());
    }
    let breaches =
        attack_on(Trusting::AsksNoRule, |app| app.route("/broken", get(async |_: BrokenAllowed| "in"))).await;
    assert_eq!(breaches.breaches()[0].how, "only_alice");
}

#[tokio::test]
async fn a_rule_may_answer_as_it_likes_and_does_not_lock_other_ways_in() {
    let oauth2 = TestApp::new().await.oauth2;
    let hides = async |user: CurrentUser<Me>| {
        if user.username == "alice" { Ok(()) } else { Err(Denied::answer(StatusCode::NOT_FOUND)) }
    };
    let app = || {
        let rest =
            async |_: countersign::Either<countersign::Allowed<crate::broken::claims::OnlyAlice>, AccessToken>| "in";
        oauth2.router().route("/rest", get(rest)).route("/hidden", get(async || "hidden").rule("hides", "No.", hides))
    };
    let report = testing::attack(app()).as_user("alice").outsider("bare").await.unwrap();
    report.assert_held();
    assert!(report.unclear().is_empty(), "{report}");
    // Alice is no outsider: a test that says so hears of every rule.
    let wrong = testing::attack(app()).as_user("alice").outsider("alice").await.unwrap();
    let routes: Vec<_> = wrong.breaches().iter().map(|breach| (breach.route.as_str(), breach.attack)).collect();
    assert_eq!(routes, [("GET /hidden", Attack::RefusedByRule)], "{wrong}");
    for name in ["mallory", "dora"] {
        let refused = testing::attack(app()).as_user("alice").outsider(name).await;
        assert!(matches!(refused, Err(TestError::NoSuchUser(missing)) if missing == name));
    }
}

fn with_form(oauth2: &OAuth2) -> Router {
    oauth2
        .router()
        .route("/form", post(async |_: AccessToken, Form(fields): Form<Value>| Json(fields)))
        .route("/other", post(async |_: AccessToken| "no form"))
}

#[tokio::test]
async fn b7_a_layer_that_hides_a_second_token_in_a_form_is_found_where_a_form_is_read() {
    let oauth2 = TestApp::new().await.oauth2;
    let held = testing::attack(with_form(&oauth2)).as_user("alice").await.unwrap();
    held.assert_held();
    assert!(held.unclear().is_empty(), "{held}");
    let hidden = with_form(&oauth2).map(|router| router.layer(from_fn(tidies_up)));
    let report = testing::attack(hidden).as_user("alice").await.unwrap();
    let found: Vec<_> = report.breaches().iter().map(|breach| (breach.route.as_str(), breach.attack)).collect();
    assert_eq!(found, [("POST /form", Attack::HeaderAndForm); 2], "{report}");
}

#[tokio::test]
async fn b9_a_guard_that_reads_tokens_in_forms_is_found_where_a_method_has_a_body() {
    let oauth2 = TestApp::new().await.oauth2;
    let app = oauth2
        .router()
        .route("/broken", post(async |_: ReadsTheForm| "in").put(async |_: ReadsTheForm| "in"))
        .route("/get", get(async |_: ReadsTheForm| "in"));
    let report = testing::attack(app).as_user("alice").await.unwrap();
    let found: Vec<_> = report.breaches().iter().map(|breach| (breach.route.as_str(), breach.attack)).collect();
    assert_eq!(found, [("POST /broken", Attack::FormOnly), ("PUT /broken", Attack::FormOnly)], "{report}");
}

#[tokio::test]
async fn what_only_the_author_knows_is_not_attacked_until_it_is_told() {
    let oauth2 = TestApp::new().await.oauth2;
    let app = oauth2
        .router_with_state(Careless { oauth2: oauth2.clone(), mistake: Checking::AcceptsAny })
        .route("/broken", get(async |_: BrokenKey| "in"));
    testing::attack(app).as_user("alice").await.unwrap().assert_held();
    let app = oauth2
        .router_with_state(Careless { oauth2: oauth2.clone(), mistake: Trusting::AsksNoRule })
        .route("/broken", get(async |_: BrokenAllowed| "in"));
    testing::attack(app).as_user("alice").await.unwrap().assert_held();
}

#[tokio::test]
async fn every_attack_finds_something() {
    let user = attack_on(Mistake::Everything, |app| app.route("/broken", post(async |_: BrokenUser| "in"))).await;
    let key =
        attack_knowing(Known::Good, Checking::Everything, |app| app.route("/broken", get(async |_: BrokenKey| "in")))
            .await;
    // These three are found above.
    let above = BTreeSet::from([Attack::HeaderAndForm, Attack::NoClaims, Attack::RefusedByRule]);
    let all: BTreeSet<_> = Attack::ALL.iter().copied().collect();
    assert_eq!(&(&found(&user) | &found(&key)) | &above, all, "{user}\n{key}");
}
