//! The command line as such: help, exit codes, what is printed where.

use std::fs;

use serde_json::Value;

use crate::support::Place;

#[test]
fn help_names_every_command_with_examples_and_exit_codes() {
    let place = Place::new();
    let help = place.run(["--help"]).expect_code(0).stdout;
    for word in ["dev ", "serve ", "user ", "openapi ", "Examples:", "Exit codes:", "--config", "--database"] {
        assert!(help.contains(word), "{word:?} is not in {help}");
    }
    for line in help.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
    for command in ["dev", "serve", "user", "openapi", "settings"] {
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
    let place = Place::new();
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
    assert_eq!(paths, ["/token", "/users/me"]);
    assert_eq!(place.files(), ["countersign.toml"]);
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
