//! What the author wrote into the document by hand: kept, replaced, or found to be untrue.

use super::*;

async fn audit(document: &OpenApi) -> Audit {
    router().await.merge(by_utoipa()).document(document).unwrap().audit()
}

#[tokio::test]
async fn a_lock_by_hand_that_no_guard_checks_does_not_start() {
    let by_hand =
        |path: &str, scheme: &str| one("get", path, &[], |it| it.security(SecurityRequirement::new(scheme, ["x"])));
    let found =
        |route: &str, scheme: &str| Finding::LockWithoutCheck { route: route.to_owned(), scheme: scheme.to_owned() };
    for (path, scheme) in
        [("/scope", "Nobody"), ("/open", "OAuth2PasswordBearer"), ("/or", "Elsewhere"), ("/raw", "Nobody")]
    {
        let document = by_hand(path, scheme);
        assert_eq!(audit(&document).await.findings, [found(&format!("GET {path}"), scheme)]);
        let router = router().await.merge(by_utoipa()).document(&document).unwrap();
        let Err(error) = router.finish() else { panic!("it started") };
        assert!(matches!(&error, StartError::LockWithoutCheck(locks) if locks.len() == 1), "{error}");
    }
    let mut everywhere = Documented::openapi();
    everywhere.security = Some(vec![SecurityRequirement::new("OAuth2PasswordBearer", [""; 0])]);
    let found_everywhere = audit(&everywhere).await.findings;
    assert!(found_everywhere.contains(&found("GET /open", "OAuth2PasswordBearer")), "{found_everywhere:?}");
    assert!(!found_everywhere.contains(&found("GET /scope", "OAuth2PasswordBearer")), "{found_everywhere:?}");
}

#[utoipa::path(get, path = "/pretended", security(("Nobody" = [])))]
async fn pretended(_: AccessToken) {}

#[tokio::test]
async fn a_lock_in_the_attribute_that_no_guard_checks_does_not_start() {
    let Err(error) = router().await.routes(routes!(pretended)).finish() else { panic!("it started") };
    assert!(error.to_string().contains("GET /pretended with Nobody"), "{error}");
}

#[tokio::test]
async fn a_lock_by_hand_with_a_scheme_that_is_checked_is_replaced() {
    let by_hand =
        one("get", "/scope", &[], |it| it.security(SecurityRequirement::new("OAuth2PasswordBearer", [""; 0])));
    let of_nobody = one("get", "/open", &[], |it| it.security(SecurityRequirement::default()));
    for (base, path, security) in
        [(by_hand, "/scope", json!([{ "OAuth2PasswordBearer": ["read:items"] }])), (of_nobody, "/open", Value::Null)]
    {
        assert_eq!(audit(&base).await.findings, []);
        let mut locked = base.clone();
        router().await.merge(by_utoipa()).lock_document(&mut locked).unwrap();
        let served = document(router().await.merge(by_utoipa()).document(&base).unwrap());
        for document in [served, serde_json::to_value(locked).unwrap()] {
            assert_eq!(document["paths"][path]["get"]["security"], security, "{path}");
        }
    }
}

#[tokio::test]
async fn a_scope_by_hand_that_no_guard_checks_does_not_start() {
    let by_hand =
        one("get", "/scope", &[], |it| it.security(SecurityRequirement::new("OAuth2PasswordBearer", ["else"])));
    let found = Finding::ScopeWithoutCheck { route: "GET /scope".to_owned(), scope: "else".to_owned() };
    assert_eq!(audit(&by_hand).await.findings, [found]);
    let Err(error) = router().await.merge(by_utoipa()).document(&by_hand).unwrap().finish() else {
        panic!("it started")
    };
    assert!(error.to_string().contains("the scope else"), "{error}");
}

#[tokio::test]
async fn what_is_documented_and_not_answered_is_found_and_kept() {
    let mut base = one("delete", "/scope", &[], |it| it);
    base.paths.paths.extend(one("get", "/gone", &[], |it| it).paths.paths);
    base.paths.paths.extend(one("get", "/docs", &[], |it| it).paths.paths);
    base.security = Some(vec![SecurityRequirement::new("Theirs", [""; 0])]);
    let found = |route: &str| Finding::DocumentedWithoutRoute { route: route.to_owned() };
    let audit = audit(&base).await;
    assert_eq!(audit.findings, [found("GET /gone"), found("DELETE /scope")], "the docs page answers");
    assert!(audit.to_string().contains("the document tells of GET /gone, which no route answers"), "{audit}");
    let mut locked = base.clone();
    router().await.merge(by_utoipa()).lock_document(&mut locked).unwrap();
    let served = document(router().await.merge(by_utoipa()).document(&base).unwrap());
    for document in [served, serde_json::to_value(locked).unwrap()] {
        assert_eq!(document["paths"]["/gone"]["get"]["security"], json!([{ "Theirs": [] }]), "as its author wrote it");
        assert!(document.get("security").is_none(), "it would lock what is public");
    }
}

fn key(name: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(UtoipaApiKey::Header(ApiKeyValue::with_description(name, "The key of a machine.")))
}

#[tokio::test]
async fn schemes_of_the_document_stay_unless_they_are_others_of_the_same_name() {
    let with = |name: &str, scheme| one("get", "/scope", &[(name, scheme)], |it| it);
    for (base, kept) in
        [(with("Theirs", key("X-Theirs")), "Theirs"), (with("MachineKey", key("X-Machine-Key")), "MachineKey")]
    {
        let document = document(router().await.merge(by_utoipa()).document(&base).unwrap());
        let schemes = &document["components"]["securitySchemes"];
        assert_eq!(schemes[kept], serde_json::to_value(&base).unwrap()["components"]["securitySchemes"][kept]);
        assert_eq!(schemes["OAuth2PasswordBearer"]["type"], "oauth2");
    }
    for (name, scheme) in [("MachineKey", key("X-Another")), ("OAuth2PasswordBearer", key("X-Machine-Key"))] {
        let mut base = with(name, scheme);
        let router = router().await.merge(by_utoipa());
        for error in [
            router.lock_document(&mut base).unwrap_err(),
            router.document(&base).unwrap().finish().map(drop).unwrap_err(),
        ] {
            assert!(matches!(&error, StartError::SchemeTwice(twice) if twice == name), "{error}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_the_author_describes_stays() {
    let base = one("get", "/scope", &[], |it| it.response("401", utoipa::openapi::Response::new("Log in first.")));
    let mut locked = base.clone();
    router().await.merge(by_utoipa()).lock_document(&mut locked).unwrap();
    let served = document(router().await.merge(by_utoipa()).document(&base).unwrap());
    for document in [served, serde_json::to_value(locked).unwrap()] {
        let answers = &document["paths"]["/scope"]["get"]["responses"];
        assert_eq!(answers["401"], json!({ "description": "Log in first." }));
        assert!(answers["403"].is_object());
    }
}
