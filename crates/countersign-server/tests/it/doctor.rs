//! `countersign doctor`: each check where it speaks up and where it does not, and that nothing changes by it.

use std::{fs, path::Path, process::Command};

use countersign::{Clock as _, core::clock::System};
use serde_json::Value;

use crate::support::{PASSWORD, Place, Ran, Server};

/// A hash of "abc", from passlib's tests.
const BCRYPT: &str = "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi";

/// A place whose server has started once.
fn place() -> Place {
    used(Place::new())
}

fn used(place: Place) -> Place {
    place.add_user("alice", &[]);
    place.serve().stop();
    place
}

/// Runs the command with these settings in the environment.
fn doctor(place: &Place, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = place.command(["doctor", "--json"].into_iter().chain(arguments.iter().copied()));
    for (name, value) in variables {
        command.env(format!("COUNTERSIGN_{name}"), value);
    }
    Ran::with_input(command, "")
}

#[track_caller]
fn finding(ran: &Ran, id: &str) -> Value {
    let findings = ran.json()["findings"].as_array().unwrap().clone();
    let mut named = findings.into_iter().filter(|finding| finding["id"] == id);
    let found = named.next().unwrap_or_else(|| panic!("nothing is said of {id}: {ran:#?}"));
    assert!(named.next().is_none(), "{id} is told twice");
    assert_eq!(found["severity"] == "fine", found["change"].is_null(), "{found}");
    assert!(!found["found"].as_str().unwrap().is_empty() && !found["why"].as_str().unwrap().is_empty());
    found
}

#[track_caller]
fn expect(ran: &Ran, id: &str, severity: &str, words: &[&str]) {
    let found = finding(ran, id);
    assert_eq!(found["severity"], severity, "{found}");
    let text = format!("{} {}", found["found"].as_str().unwrap(), found["change"].as_str().unwrap_or_default());
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
    // The exit code follows from the problems, and from nothing else.
    let problems = ran.json()["problems"].as_u64().unwrap();
    assert_eq!(ran.code, Some(i32::from(problems > 0)), "{ran:#?}");
    let listed =
        ran.json()["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "problem").count();
    assert_eq!(problems, listed as u64);
}

fn set_mode(path: &Path, mode: &str) {
    assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
}

#[test]
fn a_new_installation_has_no_problem() {
    let place = place();
    let ran = doctor(&place, &[], &[]).expect_code(0);
    assert_eq!(ran.stderr, "");
    for id in [
        "start",
        "issuer",
        "allow-insecure-issuer",
        "listening",
        "developer-mode",
        "docs",
        "public-password-clients",
        "access-token-lifetime",
        "refresh-token-idle",
        "refresh-token-lifetime",
        "refresh-leeway",
        "when-stale",
        "signing-algorithm",
        "key-rotation",
        "signing-key",
        "hash-cost",
        "old-hashes",
        "malformed-hashes",
        "users",
        "shared-secrets",
        "replaced-secrets",
        "disabled-clients",
        "database",
        "database-tls",
        "database-files",
        "secret-files",
        "blocklist-file",
        "clock",
        "hashing-memory",
    ] {
        expect(&ran, id, "fine", &[]);
    }
    for (id, words) in [
        ("password-grant", "password_grant = false"),
        ("minimum-password-length", "minimum_password_length = 15"),
        ("key-encryption", "key_encryption_key_file"),
    ] {
        expect(&ran, id, "advice", &[words]);
    }
    assert_eq!(ran.json()["problems"], 0);
}

#[test]
fn people_read_problems_first_with_what_to_change() {
    let place = place();
    let mut command = place.command(["doctor"]);
    command.env("COUNTERSIGN_ACCESS_TOKEN_LIFETIME", "86400");
    let ran = Ran::with_input(command, "").expect_code(1);
    assert!(ran.stdout.starts_with("PROBLEM  access-token-lifetime\n  found  86400 seconds\n  why    "), "{ran:#?}");
    let position = |text: &str| ran.stdout.find(text).unwrap_or_else(|| panic!("{text:?} is not in {ran:#?}"));
    assert!(
        position("PROBLEM") < position("ADVICE   password-grant") && position("ADVICE") < position("fine     start")
    );
    assert!(ran.stdout.contains("  change access_token_lifetime = 900"), "{ran:#?}");
    assert!(ran.stdout.contains("\nproblems: 1, advice: "), "{ran:#?}");
    assert_eq!(ran.stderr, "countersign: there is a problem\n");
}

#[test]
fn each_setting_that_can_be_meant_is_advice_or_a_problem() {
    let place = place();
    let public = ("ISSUER", "https://login.example.com");
    for (variables, id, severity, words) in [
        (&[("ISSUER", "http://login.example.com")][..], "issuer", "problem", "https://"),
        (&[("ISSUER", "http://login.example.com")], "start", "problem", "must be https"),
        (&[("ISSUER", "http://login.example.com"), ("ALLOW_INSECURE_ISSUER", "on")], "issuer", "problem", "https://"),
        (&[("ALLOW_INSECURE_ISSUER", "on")], "allow-insecure-issuer", "advice", "= false"),
        (&[public], "issuer", "fine", "TLS"),
        (&[("LISTEN", "0.0.0.0:8000"), public], "listening", "advice", "127.0.0.1"),
        (&[("LISTEN", "0.0.0.0:8000")], "start", "problem", "set the issuer"),
        (&[public], "listening", "fine", "this machine alone"),
        (&[], "metrics-listen", "fine", "none"),
        (&[("METRICS_LISTEN", "127.0.0.1:9464")], "metrics-listen", "fine", "this machine alone"),
        (&[("METRICS_LISTEN", "0.0.0.0:9464")], "metrics-listen", "advice", "127.0.0.1"),
        (&[("METRICS_LISTEN", "127.0.0.1:8000")], "start", "problem", "127.0.0.1:8000"),
        (&[("METRICS_LISTEN", "0.0.0.0:8000")], "start", "problem", "0.0.0.0:8000"),
        (&[("METRICS_LISTEN", "127.0.0.1:0"), ("LISTEN", "127.0.0.1:0")], "start", "fine", "fit together"),
        (&[("PASSWORD_BLOCKLIST_FILE", "/nowhere/list")], "start", "problem", "/nowhere/list"),
        (&[("KEY_ENCRYPTION_KEY_FILE", "/nowhere/key")], "start", "problem", "/nowhere/key"),
        (&[], "otel-endpoint", "fine", "no traces"),
        (&[("OTEL_ENDPOINT", "http://collector.example.com:4318")], "otel-endpoint", "advice", "https://"),
        (&[], "throttle", "fine", "on"),
        (&[("THROTTLE", "off")], "throttle", "problem", "throttle = true"),
        (&[], "trusted-proxies", "fine", "none"),
        (&[public], "trusted-proxies", "problem", "one address"),
        (&[public, ("TRUSTED_PROXIES", "127.0.0.1")], "trusted-proxies", "fine", "named: 1"),
        (&[public, ("THROTTLE", "off")], "trusted-proxies", "fine", "none"),
        (&[("TRUSTED_PROXIES", "10.0.0.1,0.0.0.0/0")], "trusted-proxies", "problem", "0.0.0.0/0"),
        (&[("TRUSTED_PROXIES", "::/0")], "trusted-proxies", "problem", "::/0"),
        (&[("DEVELOPER_MODE", "on")], "developer-mode", "advice", "developer_mode = false"),
        (&[("DEVELOPER_MODE", "on"), public], "developer-mode", "problem", "developer_mode = false"),
        (&[public], "docs", "advice", "docs = false"),
        (&[public, ("DOCS", "off")], "docs", "fine", "off"),
        (&[("PASSWORD_GRANT", "off")], "password-grant", "fine", "off"),
        (&[("PASSWORD_GRANT", "off")], "minimum-password-length", "fine", "8"),
        (&[("MINIMUM_PASSWORD_LENGTH", "15")], "minimum-password-length", "fine", "15"),
        (&[("ACCESS_TOKEN_LIFETIME", "3600")], "access-token-lifetime", "advice", "= 900"),
        (&[("ACCESS_TOKEN_LIFETIME", "3601")], "access-token-lifetime", "problem", "= 900"),
        (
            &[("REFRESH_TOKEN_IDLE", "7776000"), ("REFRESH_TOKEN_LIFETIME", "7776000")],
            "refresh-token-idle",
            "advice",
            "90 days",
        ),
        (&[("REFRESH_TOKEN_LIFETIME", "315360000")], "refresh-token-lifetime", "advice", "3650 days"),
        (&[("REFRESH_LEEWAY", "0")], "refresh-leeway", "advice", "lost"),
        (&[("REFRESH_LEEWAY", "60")], "refresh-leeway", "advice", "thief"),
        (&[("WHEN_STALE", "accept")], "when-stale", "advice", "refuse"),
        (&[("REVOCATION_MAX_STALENESS", "86400")], "when-stale", "advice", "86400"),
        (&[("WHEN_STALE", "accept"), ("TOKEN_FORMAT", "opaque")], "when-stale", "fine", "opaque"),
        (&[("KEY_ROTATION", "off")], "key-rotation", "advice", "key_rotation = 90"),
        (&[("ARGON2_MEMORY_KIB", "47104")], "hash-cost", "fine", "47104"),
    ] {
        expect(&doctor(&place, variables, &[]), id, severity, &[words]);
    }
    let without = doctor(&place, &[("REFRESH_TOKENS", "off")], &[]);
    assert!(!without.stdout.contains("\"refresh-leeway\""), "there are none to speak of");
    // Less than OWASP's list is no setting at all.
    doctor(&place, &[("ARGON2_MEMORY_KIB", "7168")], &[]).expect_refusal(2, &["argon2"]);
}

#[test]
fn c18_a_weak_secret_is_told_and_a_good_one_is_not_shown() {
    let place = place();
    let with = |secret: &str| {
        let file = place.write("secret", secret);
        set_mode(&file, "600");
        let variables = [("SIGNING_ALGORITHM", "HS256"), ("HS256_SECRET_FILE", file.to_str().unwrap())];
        doctor(&place, &variables, &[])
    };
    let weak = with("canary-short");
    expect(&weak, "hs256-secret", "problem", &["secret", "openssl rand"]);
    expect(&weak, "start", "problem", &["secret"]);
    assert!(!weak.stdout.contains("canary"), "{weak:#?}");
    let good = with("b2Jc9vQ0sTz1mXw7Lk4Rr8Yp3Nn6Hh5D");
    expect(&good, "hs256-secret", "fine", &[]);
    expect(&good, "signing-algorithm", "advice", &["single process"]);
    assert!(!good.stdout.contains("b2Jc9"), "{good:#?}");
}

#[test]
fn n10_files_that_others_can_reach_are_told_and_left_as_they_are() {
    let place = used(Place::on_files());
    let database = place.path().join("countersign.db");
    let secret = place.write("key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let variables = [("KEY_ENCRYPTION_KEY_FILE", secret.to_str().unwrap())];
    for (mode, severity) in
        [("600", "fine"), ("400", "fine"), ("640", "problem"), ("604", "problem"), ("620", "problem")]
    {
        set_mode(&database, mode);
        set_mode(&secret, mode);
        let ran = doctor(&place, &variables, &[]);
        let words = if severity == "fine" { &[][..] } else { &[mode, "chmod 600"] };
        expect(&ran, "database-files", severity, words);
        expect(&ran, "secret-files", severity, words);
    }
    let list = place.write("known", "correct horse\n");
    for (mode, severity) in [("600", "fine"), ("644", "fine"), ("664", "problem"), ("646", "problem")] {
        set_mode(&list, mode);
        let ran = doctor(&place, &[("PASSWORD_BLOCKLIST_FILE", list.to_str().unwrap())], &[]);
        let words = if severity == "fine" { &[][..] } else { &[mode, "chmod go-w"] };
        expect(&ran, "blocklist-file", severity, words);
    }
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(&database).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o620, "it is told, and not changed");
    set_mode(&database, "600");
    let beside = place.write("countersign.db-journal", "");
    set_mode(&beside, "644");
    expect(&doctor(&place, &[], &[]), "database-files", "problem", &["countersign.db-journal has mode 644"]);
}

#[test]
fn n10_the_disk_is_looked_at_where_the_database_is() {
    let place = used(Place::on_files());
    let found = finding(&doctor(&place, &[], &[]), "disk")["found"].as_str().unwrap().to_owned();
    assert!(found.contains(" MiB are free in ., and the database has 1"), "{found}");
    expect(&doctor(&place, &[("DATABASE", "postgres://u@127.0.0.1:1/d")], &[]), "disk", "fine", &["a server has"]);
}

#[test]
fn n10_of_a_server_its_password_and_the_way_to_it_are_looked_at() {
    let place = place();
    let secret = place.write("password", "canary\n");
    set_mode(&secret, "644");
    let url = format!("postgres://u@127.0.0.1:1/d?password_file={}", secret.display());
    let ran = doctor(&place, &[("DATABASE", &url)], &[]);
    expect(&ran, "database", "problem", &["127.0.0.1:1/d"]);
    expect(&ran, "secret-files", "problem", &["password has mode 644", "chmod 600"]);
    expect(&ran, "database-files", "fine", &["a server has it"]);
    expect(&ran, "database-tls", "fine", &["this machine"]);
    let clock = finding(&ran, "clock");
    assert!(!clock["found"].as_str().unwrap().contains("written"), "nothing was read: {clock}");
    set_mode(&secret, "600");
    expect(&doctor(&place, &[("DATABASE", &url)], &[]), "secret-files", "fine", &[]);
    // An address that stands for no machine (RFC 5737).
    let url = "postgres://u@127.0.0.1:1/d?hostaddr=192.0.2.1&sslmode=disable&connect_timeout=1";
    expect(&doctor(&place, &[("DATABASE", url)], &[]), "database-tls", "problem", &["sslmode=disable", "sslrootcert"]);
    let misspelt = doctor(&place, &[("DATABASE", "postgres://u@h/d?sslmod=x")], &[]);
    expect(&misspelt, "database", "problem", &["not known"]);
    assert!(!misspelt.stdout.contains("database-tls"), "what cannot be read is not fine: {misspelt:?}");
}

#[test]
fn n10_settings_with_a_password_in_them_are_a_secret() {
    let place = used(Place::on_files());
    for (user, mode, severity) in [("u:canary", "644", "problem"), ("u:canary", "600", "fine"), ("u", "644", "fine")] {
        let file = place.write("settings", format!("database = \"postgres://{user}@127.0.0.1:1/d\"\n"));
        set_mode(&file, mode);
        let arguments = ["--config", file.to_str().unwrap()];
        let ran = doctor(&place, &[], &arguments);
        expect(&ran, "secret-files", severity, if severity == "fine" { &[] } else { &["settings has mode 644"] });
        assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"), "{ran:?}");
        // Another database is used, and the file is none of its secrets.
        let other = doctor(&place, &[("DATABASE", "sqlite://countersign.db")], &arguments);
        expect(&other, "secret-files", "fine", &[]);
        let other = doctor(&place, &[], &["--config", file.to_str().unwrap(), "--database", "countersign.db"]);
        expect(&other, "secret-files", "fine", &[]);
    }
}

#[test]
fn hashes_that_are_old_or_unreadable_are_counted() {
    let place = place();
    for name in ["bob", "carol", "dave", "erin"] {
        place.run_with_input(BCRYPT, ["user", "add", name, "--hash-stdin"]).expect_code(0);
    }
    place.run(["user", "disable", "bob"]).expect_code(0);
    let ran = doctor(&place, &[], &[]);
    expect(&ran, "old-hashes", "advice", &["4 of 5", "bob, carol, dave and 1 more"]);
    expect(&ran, "malformed-hashes", "fine", &["none of 5"]);
    expect(&ran, "users", "fine", &["5, disabled: 1"]);
    assert!(!ran.stdout.contains("$2a$"), "{ran:#?}");
    let dearer = [("ARGON2_MEMORY_KIB", "47104")];
    expect(&doctor(&place, &dearer, &[]), "old-hashes", "advice", &["5 of 5"]);
    place.sql("UPDATE oauth2_owners SET password_hash = '$2a$canary' WHERE username = 'bob'");
    let ran = doctor(&place, &[], &[]).expect_code(1);
    expect(&ran, "malformed-hashes", "problem", &["1 of 5 (bob)", "set-password"]);
    expect(&ran, "old-hashes", "advice", &["3 of 5"]);
    assert!(!ran.stdout.contains("canary"), "{ran:#?}");
}

#[test]
fn many_users_are_counted_to_the_last() {
    let place = place();
    place.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) \
        INSERT INTO oauth2_owners SELECT 's' || i, 'user' || i, NULL, NULL, '', 'active', '{BCRYPT}' FROM n"
    ));
    expect(&doctor(&place, &[], &[]), "old-hashes", "advice", &["1200 of 1201"]);
}

#[test]
fn clients_are_told_by_how_they_prove_who_they_are() {
    let place = place();
    let add = |id: &str, more: &[&str]| {
        place.run(["client", "add", id].into_iter().chain(more.iter().copied())).expect_code(0);
    };
    let password = ["--first-party", "--grant-type", "password"];
    add("page", &[&["--public"][..], &password].concat());
    add("phone", &["--public"]);
    add("reports", &[]);
    let ran = doctor(&place, &[], &[]);
    expect(&ran, "public-password-clients", "advice", &["password grant: 1 (page)"]);
    expect(&ran, "shared-secrets", "advice", &["by a secret: 1 (reports)"]);
    expect(&ran, "replaced-secrets", "fine", &[]);
    expect(&ran, "disabled-clients", "fine", &[]);
    expect(&doctor(&place, &[("PASSWORD_GRANT", "off")], &[]), "public-password-clients", "fine", &[]);
    place.run(["client", "rotate-secret", "reports", "--overlap", "6d"]).expect_code(0);
    expect(&doctor(&place, &[], &[]), "replaced-secrets", "fine", &[]);
    place.run(["client", "rotate-secret", "reports", "--overlap", "0"]).expect_code(0);
    place.run(["client", "rotate-secret", "reports", "--overlap", "90d"]).expect_code(0);
    expect(&doctor(&place, &[], &[]), "replaced-secrets", "advice", &["reports"]);
    place.run(["client", "disable", "reports"]).expect_code(0);
    place.run(["client", "disable", "page"]).expect_code(0);
    let ran = doctor(&place, &[], &[]);
    expect(&ran, "disabled-clients", "advice", &["2 (page, reports)"]);
    for id in ["public-password-clients", "shared-secrets", "replaced-secrets"] {
        expect(&ran, id, "fine", &[]);
    }
}

#[test]
fn i7_keys_that_rest_plain_or_cannot_be_read_are_told() {
    let place = place();
    let right = place.write("right", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let other = place.write("other", "HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=\n");
    set_mode(&right, "600");
    set_mode(&other, "600");
    let with = |key: &Path| doctor(&place, &[("KEY_ENCRYPTION_KEY_FILE", key.to_str().unwrap())], &[]);
    expect(&with(&right), "key-encryption", "advice", &["they are: 1,", "restart"]);
    expect(&with(&place.path().join("nowhere")), "key-encryption", "problem", &["nowhere"]);
    let mut serve = place.command(["serve", "--listen", "127.0.0.1:0"]);
    Server::start({
        serve.env("COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE", &right);
        serve
    })
    .stop();
    let sealed = with(&right).expect_code(0);
    expect(&sealed, "key-encryption", "fine", &[]);
    expect(&sealed, "signing-key", "fine", &[]);
    expect(&with(&other), "signing-key", "problem", &["under another key"]);
    expect(&doctor(&place, &[], &[]), "signing-key", "problem", &["is not set"]);
}

#[test]
fn i3_a_key_that_signs_for_too_long_is_told() {
    let place = place();
    let days_ago = |days: i64| System.now().seconds() - days * 24 * 60 * 60;
    for (days, severity) in [(0, "fine"), (90, "fine"), (91, "advice")] {
        place.sql(&format!("UPDATE oauth2_keys SET signs_from = {}", days_ago(days) - 60));
        expect(&doctor(&place, &[], &[]), "signing-key", severity, &[&days.to_string()]);
    }
    expect(&doctor(&place, &[("KEY_ROTATION", "off")], &[]), "signing-key", "fine", &[]);
    place.sql("DELETE FROM oauth2_keys");
    expect(&doctor(&place, &[], &[]), "signing-key", "fine", &["none yet"]);
}

#[test]
fn n6_a_clock_behind_what_was_written_is_a_problem() {
    let place = place();
    let now = System.now().seconds();
    place.run(["client", "add", "reports"]).expect_code(0);
    expect(&doctor(&place, &[], &[]), "clock", "fine", &[]);
    place.sql(&format!("UPDATE oauth2_clients SET created_at = {}", now + 3600));
    expect(&doctor(&place, &[], &[]), "clock", "problem", &["something was written", "set the clock"]);
}

#[test]
fn the_clock_of_a_server_is_compared() {
    let place = place();
    assert!(!doctor(&place, &[], &[]).stdout.contains("clock-elsewhere"), "nobody is asked unless it is said");
    let server = place.serve();
    // A machine may stand still between the server's look at its clock and the doctor's: not each time.
    let mut looks = (0..5).map(|_| doctor(&place, &[], &["--url", &server.url]));
    let fine = looks.find(|ran| finding(ran, "clock-elsewhere")["severity"] == "fine").expect("five looks");
    expect(&fine, "clock-elsewhere", "fine", &["here and 2"]);
    let url = server.url.clone();
    server.stop();
    expect(&doctor(&place, &[], &["--url", &url]), "clock-elsewhere", "problem", &["--url"]);
    doctor(&place, &[], &["--url", "http://login.example.com"]).expect_code(2);
}

#[test]
fn few_open_files_are_told() {
    let place = place();
    let program = env!("CARGO_BIN_EXE_countersign");
    for (limit, severity) in [(1063, "advice"), (1064, "fine")] {
        // The soft one is raised by the server.
        let script = format!("ulimit -Sn 256 && ulimit -Hn {limit} && exec '{program}' doctor --json");
        let mut command = place.command_of("sh", ["-c", &script]);
        command.env("COUNTERSIGN_MAX_CONNECTIONS", "1000");
        let ran = Ran::with_input(command, "");
        expect(&ran, "open-files", severity, &[&limit.to_string()]);
    }
}

#[test]
fn a_database_that_is_not_there_is_a_problem_and_is_not_made() {
    let place = Place::on_files();
    let ran = doctor(&place, &[], &[]).expect_code(1);
    expect(&ran, "database", "problem", &["there is no database", "countersign.db", "countersign serve"]);
    expect(&ran, "clock", "fine", &[]);
    assert!(!ran.stdout.contains("\"old-hashes\""), "what was not looked at is not told");
    assert_eq!(place.files(), [""; 0]);
    place.write("countersign.db", "these are not the bytes of a database, but there are many of them");
    expect(&doctor(&place, &[], &[]), "database", "problem", &["restore a backup"]);
}

#[test]
fn nothing_changes_by_it_whether_the_server_runs_or_not() {
    let place = place();
    let bytes = || (place.files(), place.at_rest());
    let before = bytes();
    doctor(&place, &[], &[]).expect_code(0);
    assert_eq!(bytes(), before);
    // Tables of an older program stay so.
    place.sql("DELETE FROM oauth2_schema WHERE version = (SELECT max(version) FROM oauth2_schema)");
    let before = bytes();
    expect(&doctor(&place, &[], &[]), "database", "problem", &["is missing in the database", "after an update"]);
    assert_eq!(bytes(), before);
}

/// A step of a newer program, which lets this one work beside it.
const STEP_OF_TOMORROW: &str =
    "INSERT INTO oauth2_schema SELECT max(version) + 1, 'of tomorrow', max(version) FROM oauth2_schema";

#[test]
fn n8_what_a_newer_program_made_is_told_and_what_it_keeps_for_itself_is_no_problem() {
    let place = place();
    expect(&doctor(&place, &[], &[]), "database-schema", "fine", &["this program makes"]);
    place.sql(STEP_OF_TOMORROW);
    let newer = "INSERT INTO oauth2_keys (id, algorithm, private_key, signs_from) \
        SELECT 'newer', 'ES512', private_key, 1 FROM oauth2_keys";
    place.sql(newer);
    let ran = doctor(&place, &[], &[]).expect_code(0);
    expect(&ran, "database", "fine", &[]);
    expect(&ran, "database-schema", "advice", &["of a newer program", "update this program"]);
    expect(&ran, "signing-key", "advice", &["can use: 1, as newer for ES512", "update this program"]);
    let server = place.serve();
    server.wait_for_log(&["\"database\"", "\"newer_schema\""]);
    server.wait_for_log(&["\"key\"", "\"unknown_kind\""]);
    server.stop();
    let table = place.run(["key", "list"]).expect_code(0).stdout;
    assert!(table.contains("ES512      unknown  "), "{table}");
    place.run(["key", "withdraw", "newer"]).expect_code(0);
    expect(&doctor(&place, &[], &[]), "signing-key", "fine", &[]);
}

#[test]
fn n8_what_a_newer_program_made_is_copied_and_put_back_by_that_program_alone() {
    let place = used(Place::on_files());
    place.sql(STEP_OF_TOMORROW);
    place.run(["backup", "copy.db"]).expect_code(0);
    place.run(["--database", "back.db", "restore", "copy.db"]).expect_refusal(1, &["use the newer program"]);
}

#[tokio::test]
async fn it_works_while_the_server_runs() {
    let place = place();
    let server = place.serve();
    doctor(&place, &[], &[]).expect_code(0);
    server.token_of("alice", PASSWORD).await;
    expect(&doctor(&place, &[], &[]).expect_code(0), "database", "fine", &[]);
    server.token_of("alice", PASSWORD).await;
    server.stop();
}

#[test]
fn wrong_settings_are_wrong_usage() {
    let place = Place::new();
    doctor(&place, &[("LISEN", "127.0.0.1:1")], &[]).expect_refusal(2, &["COUNTERSIGN_LISTEN"]);
    doctor(&place, &[], &["timing", "--probes", "4"]).expect_code(2);
    doctor(&place, &[], &["--url", "https://login.example.com", "timing"]).expect_refusal(2, &["--url"]);
}

#[test]
fn d12_the_timing_is_measured_on_a_server_of_its_own() {
    let place = Place::new();
    let variables = [("ISSUER", "https://login.example.com"), ("PASSWORD_GRANT", "off")];
    let ran = doctor(&place, &variables, &["timing", "--probes", "5"]);
    let told = ran.json();
    let passes = told["passes"].as_array().unwrap();
    let logins: Vec<_> = passes.iter().flat_map(|pass| pass["logins"].as_array().unwrap()).collect();
    let names = |pass: &Value| -> Vec<_> {
        pass["logins"].as_array().unwrap().iter().map(|login| login["login"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((&passes[0]["pass"], &passes[0]["reference"]), (&"hashed".into(), &"wrong".into()));
    assert_eq!(names(&passes[0]), ["wrong", "unknown", "disabled", "disabled, right password"]);
    assert_eq!((&passes[1]["pass"], &passes[1]["reference"]), (&"throttled".into(), &"throttled".into()));
    assert_eq!(names(&passes[1]), ["throttled", "throttled, right password", "throttled, unknown"]);
    for login in &logins {
        assert_eq!((&login["probes"], &login["bytes_differ_in"]), (&5.into(), &Value::Null), "a8: {login}");
        // Nobody hashes in a millisecond; and whoever must wait is not hashed for.
        let is_throttled = login["login"].as_str().unwrap().starts_with("throttled");
        assert!(is_throttled || login["median_ns"].as_f64().unwrap() > 1e6, "{login}");
        let is_reference = login["login"] == "wrong" || login["login"] == "throttled";
        for name in ["difference_ns", "interval_ns", "t", "time"] {
            assert_eq!(login[name].is_null(), is_reference, "{name}: {login}");
        }
    }
    // Which it is, five probes do not say; what was said is what the exit code says.
    let verdicts: Vec<_> = logins.iter().filter_map(|login| login["time"].as_str()).collect();
    let expected = match () {
        () if verdicts.contains(&"different") => "different",
        () if verdicts.contains(&"undecided") => "undecided",
        () => "alike",
    };
    assert_eq!(told["verdict"], expected, "{told}");
    let code = match expected {
        "alike" => 0,
        "different" => 1,
        _ => 3,
    };
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    assert_eq!(place.files(), [""; 0], "no database of the operator's is made or read");
}

#[test]
fn d12_the_timing_is_a_table_and_a_statement_for_people() {
    let place = Place::new();
    let ran = place.run(["doctor", "timing", "--probes", "5"]);
    let head = ran.stdout.lines().next().unwrap();
    assert!(head.starts_with("LOGIN ") && head.ends_with("BYTES     TIME"), "{ran:#?}");
    for word in [
        "disabled, right password",
        "throttled, unknown",
        "reference",
        "the same",
        "Welch's t",
        "bootstrap, 2000 resamples",
    ] {
        assert!(ran.stdout.contains(word), "{word:?} is not in {ran:#?}");
    }
}
