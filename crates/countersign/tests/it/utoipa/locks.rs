//! Who reads the handlers makes no difference to the locks, nor to what is refused.

use super::*;

#[tokio::test]
async fn both_generators_tell_of_the_same_locks() {
    let aide = locks(&document(router().await.merge(by_aide())));
    let utoipa = locks(&document(router().await.merge(by_utoipa())));
    assert_eq!(aide.0.len(), 17, "{aide:?}");
    assert_eq!(aide, utoipa);
    let based = router().await.merge(by_utoipa()).document(&Documented::openapi()).unwrap();
    assert_eq!(locks(&document(based)), aide);
    let based = router().await.merge(by_aide()).document(&Documented::openapi()).unwrap();
    assert_eq!(locks(&document(based)), aide, "whoever reads the handlers");

    let own = |scopes: Value| json!({ "OAuth2PasswordBearer": scopes });
    for (operation, security) in [
        ("get /token-only", json!([own(json!([]))])),
        ("get /and", json!([{ "OAuth2PasswordBearer": ["read:items", "me"], "MachineKey": [] }])),
        ("get /or", json!([own(json!(["read:items"])), { "MachineKey": [] }])),
        ("get /optional", json!([own(json!(["me"])), {}])),
        ("get /in/{name}", json!([own(json!(["admin"]))])),
        ("post /in/{name}", json!([own(json!(["admin", "me"]))])),
        ("get /open", Value::Null),
    ] {
        assert_eq!(utoipa.0[operation][0], security, "{operation}");
    }
    assert_eq!(utoipa.0["get /ruled"][3], json!([{ "known_machine": "This machine is not known." }]));
}

#[tokio::test]
async fn a_document_that_is_served_elsewhere_gets_the_same_locks() {
    let router = router().await.merge(by_utoipa());
    let mut locked = Documented::openapi();
    router.lock_document(&mut locked).unwrap();
    let locked = serde_json::to_value(&locked).unwrap();
    let (mut served, mut schemes) = locks(&document(router));
    let is_ours = |path: &str| ["/token", "/revoke"].contains(&path) || path.starts_with("/users/me");
    served.retain(|operation, _| !operation.split_once(' ').is_some_and(|(_, path)| is_ours(path)));
    // Its first server has a path, to which the token endpoint is relative.
    for url in ["tokenUrl", "refreshUrl"] {
        schemes["OAuth2PasswordBearer"]["flows"]["password"][url] = "v7/token".into();
    }
    assert_eq!(locks(&locked), (served, schemes));
    assert_eq!(locked["info"]["title"], "Documented");
    assert!(locked["paths"].get("/token").is_none(), "it gets no operation that it does not have");
}

#[tokio::test]
async fn a_document_that_cannot_be_locked_stays_as_it_was() {
    let mut locked =
        one("get", "/open", &[], |operation| operation.security(SecurityRequirement::new("Nobody", [""; 0])));
    let before = locked.clone();
    let error = router().await.merge(by_utoipa()).lock_document(&mut locked).unwrap_err();
    assert!(matches!(error, StartError::LockWithoutCheck(_)), "{error}");
    assert!(locked == before);
}

#[tokio::test]
async fn two_runs_write_the_same_bytes() {
    let write = async || {
        let router = router().await.merge(by_utoipa()).document(&Documented::openapi()).unwrap();
        let mut locked = Documented::openapi();
        router.lock_document(&mut locked).unwrap();
        (router.openapi().unwrap(), locked.to_json().unwrap())
    };
    assert_eq!(write().await, write().await);
}

#[tokio::test]
async fn b12_what_is_locked_is_refused_without_a_token_and_nothing_else_is() {
    let app = TestApp::new().await;
    let router = || app.oauth2.router().merge(by_utoipa()).document(&Documented::openapi()).unwrap();
    let document = document(router());
    let router = router().finish().unwrap();
    let mut locked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let alternatives = operation["security"].as_array().cloned().unwrap_or_default();
            let open = alternatives.is_empty() || alternatives.contains(&json!({}));
            locked += usize::from(!open);
            let answer = send(&router, &method.to_uppercase(), &path.replace("{name}", "x"), &[]).await;
            assert_eq!(answer.status == StatusCode::UNAUTHORIZED, !open, "{method} {path}: {answer:?}");
        }
    }
    assert_eq!(locked, 13);
    let (less, token) = (app.token("me").await, app.token("me read:items").await);
    let (less, token) = (format!("Bearer {less}"), format!("Bearer {token}"));
    for (headers, status) in [
        (vec![("authorization", &*token)], StatusCode::UNAUTHORIZED),
        (vec![("x-machine-key", "known")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", &*less), ("x-machine-key", "known")], StatusCode::FORBIDDEN),
        (vec![("authorization", &*token), ("x-machine-key", "known")], StatusCode::OK),
    ] {
        assert_eq!(send(&router, "GET", "/and", &headers).await.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_route_of_utoipa_that_nobody_decided_about_does_not_start_and_is_named() {
    let Err(error) = router().await.routes(routes!(open, scope)).document(&Documented::openapi()).unwrap().finish()
    else {
        panic!("it started")
    };
    let StartError::Undecided(routes) = &error else { panic!("{error}") };
    assert_eq!(routes, &["GET /open"]);
    for decided in [
        public(routes!(open)),
        routes!(open).guard::<AccessToken>(),
        routes!(open).rule("never", "Never.", async |_: CurrentUser| false),
    ] {
        drop(router().await.routes(decided).finish().unwrap());
    }
    let nested = Routes::new().routes(routes!(open));
    let audit = router().await.nest("/api", nested).audit();
    assert_eq!(audit.of(AuditedAccess::Undecided).map(ToString::to_string).collect::<Vec<_>>(), ["GET /api/open"]);
}

#[tokio::test]
async fn an_undocumented_route_is_checked_all_the_same() {
    let routes = Routes::new().routes(routes!(scope).undocumented());
    let router = router().await.merge(routes);
    assert_eq!(router.audit().findings, [Finding::CheckWithoutLock { route: "GET /scope".to_owned() }]);
    let router = router.finish().unwrap();
    assert_eq!(send(&router, "GET", "/scope", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_an_axum_router_or_any_method_answers_is_locked_as_it_is_guarded() {
    let mut base = one("get", "/raw", &[], |it| it);
    base.paths.paths.extend(one("delete", "/any/{x}", &[], |it| it).paths.paths);
    base.paths.paths.extend(one("get", "/things/{thing}", &[], |it| it).paths.paths);
    let routes = Routes::new()
        .route("/things/{id}", get(async |_: AccessToken<Me>| "x"))
        .route("/raw", axum::routing::get(async || "x"))
        .route("/any/{y}", any(async |_: AccessToken<Me>| "x"))
        .guard::<AccessToken<Admin>>();
    let router = router().await.merge(routes).document(&base).unwrap();
    assert_eq!(router.audit().findings, []);
    let document = document(router);
    assert_eq!(document["paths"]["/raw"]["get"]["security"], json!([{ "OAuth2PasswordBearer": ["admin"] }]));
    let lock = json!([{ "OAuth2PasswordBearer": ["admin", "me"] }]);
    assert_eq!(document["paths"]["/any/{x}"]["delete"]["security"], lock);
    assert_eq!(document["paths"]["/things/{thing}"]["get"]["security"], lock);
    assert!(document["paths"].get("/things/{id}").is_none(), "it is the same path, and told of once");
}

#[tokio::test]
async fn handlers_are_collected_without_the_macro_too() {
    let alone: PathHandlers = PathHandlers::new().handler(one("get", "/alone", &[], |it| it), scope);
    let mut base = OpenApiBuilder::new().servers(Some([Server::new("/")])).build();
    let router = router().await.routes(alone);
    router.lock_document(&mut base).unwrap();
    assert_eq!(
        document(router)["paths"]["/alone"]["get"]["security"],
        json!([{ "OAuth2PasswordBearer": ["read:items"] }])
    );
}
