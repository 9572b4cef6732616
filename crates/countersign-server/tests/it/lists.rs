//! Long lists: printed as they are read, whatever their length, and only as far as somebody reads.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Stdio},
};

use serde_json::Value;

use crate::support::Place;

/// More than two pages of 500.
const MANY: usize = 1100;

/// The number of the first, so that all have as many digits.
const FIRST: usize = 1_000_001;

/// A list of the program: its command, what names one of it, and how a long text of its last one is changed beside it.
struct List {
    command: &'static str,
    name: &'static str,
    change_last: &'static str,
}

const LISTS: [List; 3] = [
    List {
        command: "user",
        name: "username",
        change_last: "UPDATE oauth2_owners SET full_name = 'changed' WHERE username = 'n1001100'",
    },
    List {
        command: "client",
        name: "client_id",
        change_last: "UPDATE oauth2_clients SET name = 'changed' WHERE id = 'n1001100'",
    },
    List {
        command: "grant",
        name: "id",
        change_last: "UPDATE oauth2_grants SET scope = 'changed' WHERE id = 'n1001100'",
    },
];

/// Very many of each, with so much text that no pipe holds a page of them.
fn place() -> Place {
    let place = Place::new();
    place.add_user("alice", &[]);
    place.run(["client", "add", "model", "--public"]).expect_code(0);
    let text = "x".repeat(1000);
    let many = format!(
        "WITH RECURSIVE many(n) AS (SELECT {FIRST} UNION ALL SELECT n + 1 FROM many WHERE n < {FIRST} + {MANY} - 1)"
    );
    let columns = "auth_methods, secrets, party, grant_types, audience, status, created_at, serves";
    place.sql(&format!(
        "{many} INSERT INTO oauth2_owners (subject, username, full_name, scope, status)
            SELECT CAST(n AS TEXT), 'n' || CAST(n AS TEXT), '{text}', '', 'active' FROM many;
        {many} INSERT INTO oauth2_clients (id, name, {columns})
            SELECT 'n' || CAST(n AS TEXT), '{text}', {columns} FROM oauth2_clients, many WHERE id = 'model';
        {many} INSERT INTO oauth2_grants
            (id, subject, client_id, scope, created_at, expires_at, used_at, access_until)
            SELECT 'n' || CAST(n AS TEXT), subject, 'model', '{text}', 0, 9000000000, 0, 9000000000
            FROM oauth2_owners, many WHERE username = 'alice';
        DELETE FROM oauth2_clients WHERE id = 'model'"
    ));
    place
}

/// The program as it prints a list, and its output.
fn listing(place: &Place, arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut command = place.command(arguments.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

/// It has ended well, and said nothing else.
fn expect_quiet_end(child: Child) {
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(0), ""));
}

/// What was changed after the first line was printed is listed as it then was: it had not been read before.
#[test]
fn a_long_list_is_printed_as_it_is_read() {
    let place = place();
    let names = (FIRST..FIRST + MANY).map(|number| format!("n{number}")).collect::<Vec<_>>();
    for List { command, name, change_last } in LISTS {
        for json in [true, false] {
            let arguments = [command, "list", "--json"];
            let (child, mut stdout) = listing(&place, &arguments[..if json { 3 } else { 2 }]);
            let mut text = String::new();
            stdout.read_line(&mut text).unwrap();
            place.sql(change_last);
            stdout.read_to_string(&mut text).unwrap();
            expect_quiet_end(child);
            let changed = text.match_indices("changed").map(|(at, _)| at).collect::<Vec<_>>();
            assert!(changed.len() == 1 && changed[0] > text.len() - 2000, "{command} {json}: {changed:?}");
            place.sql(&change_last.replace("changed", &"x".repeat(1000)));
            let own = usize::from(command == "user");
            if json {
                let listed: Vec<Value> = serde_json::from_str(&text).unwrap();
                let listed = listed[own..].iter().map(|one| one[name].as_str().unwrap());
                assert!(listed.eq(names.iter().map(String::as_str)), "{command}");
                assert!(text.starts_with("[\n  {\n    \"") && text.ends_with("\n  }\n]\n"));
            } else {
                let mut lines = text.lines();
                let head = lines.next().unwrap();
                let column =
                    head.find("FULL NAME").or_else(|| head.find("NAME")).or_else(|| head.find("SCOPES")).unwrap();
                let lines: Vec<_> = lines.skip(own).collect();
                assert!(lines.iter().map(|line| line.split(' ').next().unwrap()).eq(&names), "{command}");
                for (at, line) in lines.iter().enumerate() {
                    let text = if at + 1 == MANY { "changed" } else { "xxx" };
                    assert!(line[column..].starts_with(text), "{command}: {line}");
                }
            }
        }
    }
}

#[test]
fn a_list_of_which_nobody_reads_the_rest_ends_quietly() {
    let place = place();
    for List { command, .. } in LISTS {
        for arguments in [&[command, "list", "--json"][..], &[command, "list"]] {
            let (child, mut stdout) = listing(&place, arguments);
            stdout.read_line(&mut String::new()).unwrap();
            drop(stdout);
            expect_quiet_end(child);
        }
    }
}
