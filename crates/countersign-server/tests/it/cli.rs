//! The command line as such: help, exit codes, what is printed where.

use std::fs;

use countersign::Reason;
use serde_json::Value;

use crate::support::Place;

#[test]
fn help_names_every_command_with_examples_and_exit_codes() {
    let place = Place::new();
    let help = place.run(["--help"]).expect_code(0).stdout;
    for word in [
        "dev ",
        "serve ",
        "user ",
        "backup ",
        "restore ",
        "openapi ",
        "explain ",
        "doctor ",
        "Examples:",
        "Exit codes:",
        "--config",
        "--database",
    ] {
        assert!(help.contains(word), "{word:?} is not in {help}");
    }
    for line in help.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
    for command in ["dev", "serve", "user", "backup", "restore", "openapi", "explain", "doctor", "settings"] {
        let help = place.run([command, "--help"]).expect_code(0).stdout;
        assert!(help.contains("Usage: countersign "), "{help}");
    }
    for verb in ["add", "list", "show", "set-password", "disable", "enable", "remove"] {
        let help = place.run(["user", verb, "--help"]).expect_code(0).stdout;
        assert!(help.contains(&format!("Usage: countersign user {verb}")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
}

#[test]
fn the_exit_code_is_2_for_wrong_usage_and_1_for_failure() {
    let place = Place::on_files();
    place.run([]).expect_code(2);
    place.run(["serv"]).expect_code(2);
    place.run(["serve", "--lisen", "127.0.0.1:0"]).expect_code(2);
    place.run(["user", "add", "bob", "--email", "nobody"]).expect_code(2);
    place.run(["user", "add", "bob", "--scope", "a\"b"]).expect_code(2);
    place.run(["user", "add", "b b", "--password-stdin"]).expect_refusal(2, &["user name"]);
    place.run(["user", "list"]).expect_refusal(1, &["there is no database", "--database"]);
    assert_eq!(place.files(), [""; 0], "wrong usage makes no database");
    let directory = place.path().join("missing").join("app.db");
    place.run(["serve", "--database", directory.to_str().unwrap()]).expect_refusal(1, &["missing", "must exist"]);
    let not_ours = place.write("not.db", "these are not the bytes of a database, but there are many of them");
    place.run(["user", "list", "--database", not_ours.to_str().unwrap()]).expect_refusal(1, &["database"]);
}

#[test]
fn openapi_prints_the_document_and_touches_no_database() {
    let place = Place::new();
    let settings = "title = \"Tea\"\n[scopes]\n\"read:tea\" = \"Read tea leaves.\"\n";
    let settings = place.write("countersign.toml", settings);
    let ran = place.run(["openapi", "--config", settings.to_str().unwrap()]).expect_code(0);
    assert_eq!(ran.stderr, "");
    let document = ran.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Tea");
    let scheme = &document["components"]["securitySchemes"]["OAuth2PasswordBearer"];
    assert_eq!(scheme["flows"]["password"]["scopes"]["read:tea"], "Read tea leaves.");
    let mut paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    paths.sort();
    let grants = ["/users/me/grants", "/users/me/grants/{id}"];
    assert_eq!(paths, [&["/revoke", "/token", "/users/me"][..], &grants, &["/users/me/password"]].concat());
    assert_eq!(place.files(), ["countersign.toml"]);
}

/// Every route of the server: who may call it, and whether the document tells of it.
const ROUTES: [(&str, &str, &str, bool); 16] = [
    ("POST", "/token", "public", true),
    ("POST", "/revoke", "public", true),
    ("GET", "/users/me", "guarded", true),
    ("GET", "/users/me/grants", "guarded", true),
    ("DELETE", "/users/me/grants", "guarded", true),
    ("DELETE", "/users/me/grants/{id}", "guarded", true),
    ("POST", "/users/me/password", "guarded", true),
    ("POST", "/introspect", "public", false),
    ("GET", "/feed", "public", false),
    ("GET", "/.well-known/jwks.json", "public", false),
    ("GET", "/.well-known/oauth-authorization-server", "public", false),
    ("GET", "/openapi.json", "public", false),
    ("GET", "/docs", "public", false),
    ("GET", "/health/live", "public", false),
    ("GET", "/health/ready", "public", false),
    ("*", "/*", "public", false),
];

#[tokio::test]
async fn the_audit_tells_of_every_route_that_is_served() {
    let place = Place::new();
    let ran = place.run(["openapi", "--audit", "--json"]).expect_code(0);
    assert_eq!((ran.stderr.as_str(), place.files()), ("", vec![]));
    let audit = ran.json();
    let text = |route: &Value, name: &str| route[name].as_str().unwrap().to_owned();
    let routes = audit["routes"].as_array().unwrap().iter().map(|route| {
        (text(route, "method"), text(route, "path"), text(route, "access"), route["documented"].as_bool().unwrap())
    });
    let expected = ROUTES.map(|(method, path, access, told)| (method.into(), path.into(), access.into(), told));
    assert_eq!(routes.collect::<Vec<_>>(), expected);
    assert_eq!((&audit["findings"], &audit["unseen_changes"]), (&serde_json::json!([]), &serde_json::json!(0)));

    let server = place.serve();
    for (method, path, access, _) in ROUTES {
        let status = match method {
            "*" => server.get("/nowhere").await.status(),
            "POST" => server.post(path, &[]).await.status(),
            "DELETE" => server.client.delete(format!("{}{path}", server.url)).send().await.unwrap().status(),
            _ => server.get(path).await.status(),
        };
        let expected = match (method, access) {
            ("*", _) => 404,
            // No guard is before these: a client proves to them who it is.
            _ if ["/introspect", "/feed"].contains(&path) => 401,
            (_, "guarded") => 401,
            // Its callers are clients, who prove who they are.
            ("POST", _) if path == "/introspect" => 401,
            ("POST", _) => 400,
            (..) => 200,
        };
        assert_eq!(status.as_u16(), expected, "{method} {path}");
    }
    let served = server.get("/openapi.json").await.text().await.unwrap();
    let printed = place.run(["openapi"]).expect_code(0).stdout;
    assert_eq!(printed.trim_end(), served.trim_end(), "the document is what is served");
}

#[test]
fn the_audit_is_a_table_for_people_and_follows_the_settings() {
    let place = Place::new();
    let printed = place.run(["openapi", "--audit"]).expect_code(0).stdout;
    let mut lines = printed.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("METHOD  PATH ")), "{printed}");
    assert_eq!(lines.count(), ROUTES.len(), "{printed}");
    let me = printed.lines().find(|line| line.contains("/users/me")).unwrap();
    assert!(me.contains("guarded") && me.contains("CurrentUser"), "{me}");
    let without_docs = place.command(["openapi", "--audit"]).env("COUNTERSIGN_DOCS", "off").output().unwrap();
    let without_docs = String::from_utf8(without_docs.stdout).unwrap();
    assert!(!without_docs.contains("/docs") && !without_docs.contains("/openapi.json"), "{without_docs}");
    place.run(["openapi", "--json"]).expect_code(2);
}

#[test]
fn a_reader_who_goes_away_is_no_error() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_countersign");
    let script = format!("{{ '{program}' settings; echo $? >&2; }} | true");
    let ran = place.command_of("sh", ["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), "0\n");
}

#[test]
fn the_reference_page_of_the_settings_is_what_the_program_prints() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/settings.md");
    let written = fs::read_to_string(page).unwrap_or_default();
    let printed = Place::new().run(["settings"]).expect_code(0).stdout;
    assert!(
        written == printed,
        "docs/reference/settings.md is stale: cargo run -p countersign-server -- settings > docs/reference/settings.md"
    );
}

#[test]
fn the_page_of_the_reasons_has_them_all_as_they_are() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to/why-was-i-refused.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| code | meaning | what to change |\n|---|---|---|\n").unwrap();
    let written: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let row = |reason: &Reason| format!("| `{}` | {} | {} |", reason.code(), reason.meaning(), reason.advice());
    let expected: Vec<_> = Reason::ALL.iter().map(row).collect();
    assert!(written == expected, "docs/how-to/why-was-i-refused.md is stale; its table is\n{}", expected.join("\n"));
}

#[test]
fn json_goes_to_standard_output_alone() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let ran = place.run(["user", "list", "--json"]).expect_code(0);
    assert!(matches!(ran.json(), Value::Array(users) if users.len() == 1));
    assert_eq!(ran.stderr, "");
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let place = Place::new();
    place.add_user("alice", &[]);
    place.run(["user", "show", "two words"]).expect_code(2);
    place.run(["user", "show", "bob"]).expect_code(1);
    place.run(["--database", "sqlite::memory:", "serve", "--listen", "127.0.0.1:0"]).expect_code(2);
}

#[test]
fn where_nobody_reads_what_is_wrong_the_exit_code_still_tells() {
    let place = Place::on_files();
    for (arguments, code) in [(&["user", "list"][..], 1), (&["user", "add", "b b", "--password-stdin"], 2)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = place.command(arguments.iter().copied()).stderr(writer).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments:?}: {ended}");
    }
}
