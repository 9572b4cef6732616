//! The files of the steps: those that welcome older programs beside them only add.

use std::{fs, path::Path};

use crate::support::{Home, in_both_engines};

/// The first statement of a step that does more than add, if there is one.
fn find_more_than_adding(text: &str) -> Option<String> {
    let without_comments = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    let text = without_comments.collect::<Vec<_>>().join(" ").to_uppercase();
    let statements = text.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|statement| !statement.is_empty()).find(|statement| !only_adds(statement))
}

fn only_adds(statement: &str) -> bool {
    if let Some(table) = statement.strip_prefix("ALTER TABLE ") {
        let Some((_, column)) = table.split_once(" ADD COLUMN ") else { return false };
        let binds = ["UNIQUE", "PRIMARY KEY", "REFERENCES", "CHECK", "GENERATED", ", ADD ", ", DROP ", ", ALTER "];
        // What an older program writes has no value for it.
        let may_be_left_out = !column.contains("NOT NULL") || column.contains(" DEFAULT ");
        return may_be_left_out && !binds.iter().any(|word| column.contains(word));
    }
    // A unique index, a trigger or a constraint refuses what an older program writes; so does what a new table refers to.
    ["CREATE TABLE ", "CREATE INDEX "].iter().any(|made| statement.starts_with(made))
        && !statement.contains("REFERENCES")
}

#[test]
fn n8_a_step_that_takes_something_away_or_demands_something_is_found() {
    for text in [
        "DROP TABLE a",
        "ALTER TABLE a DROP COLUMN b",
        "ALTER TABLE a RENAME COLUMN b TO c",
        "ALTER TABLE a RENAME TO b",
        "ALTER TABLE a ALTER COLUMN b TYPE BIGINT",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (d > 0)",
        "ALTER TABLE a ADD COLUMN b TEXT NOT NULL",
        "ALTER TABLE a ADD COLUMN b TEXT UNIQUE",
        "ALTER TABLE a ADD COLUMN b TEXT, DROP COLUMN c",
        "ALTER TABLE a\n  ADD COLUMN b TEXT -- DEFAULT 1\n  NOT NULL",
        "CREATE UNIQUE INDEX a ON b (c)",
        "CREATE TABLE a (b TEXT REFERENCES c (d))",
        "CREATE TRIGGER a BEFORE INSERT ON b EXECUTE FUNCTION c()",
        "DELETE FROM a",
        "UPDATE a SET b = 1",
        "INSERT INTO a (b) VALUES (1)",
        "TRUNCATE a",
    ] {
        let among = format!("-- Adds.\nCREATE TABLE t (a TEXT NOT NULL UNIQUE);\n{text};\nCREATE INDEX i ON t (a);");
        assert!(find_more_than_adding(&among).is_some(), "{text}");
    }
    for text in [
        "CREATE TABLE a (b TEXT NOT NULL PRIMARY KEY); CREATE INDEX c ON a (b);",
        "-- Nothing is taken away: no DROP.\nALTER TABLE a ADD COLUMN b TEXT NOT NULL DEFAULT '';",
        "alter table a add column b bigint;",
    ] {
        assert_eq!(find_more_than_adding(text), None, "{text}");
    }
}

/// The texts of the steps, in their order.
fn steps(home: &Home) -> Vec<String> {
    let engine = match home {
        Home::File(_) => "sqlite",
        Home::Cluster(_) => "postgres",
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

async fn n8_a_step_that_welcomes_older_programs_only_adds(home: Home) {
    drop(home.open().await);
    let recorded = home.look(match home {
        Home::File(_) => {
            "SELECT group_concat(welcomes, ' ') FROM (SELECT welcomes FROM oauth2_schema ORDER BY version)"
        }
        Home::Cluster(_) => "SELECT string_agg(CAST(welcomes AS TEXT), ' ' ORDER BY version) FROM oauth2_schema",
    });
    let welcomes: Vec<usize> = recorded.await.split(' ').map(|number| number.parse().unwrap()).collect();
    let steps = steps(&home);
    assert_eq!(welcomes.len(), steps.len(), "every file is a step");
    if let Home::File(_) = home {
        assert_eq!(
            welcomes[..6],
            [1, 2, 3, 4, 4, 6],
            "the fifth adds a column, which programs of the fourth leave out"
        );
    }
    for ((version, welcomes), text) in (1..).zip(welcomes).zip(steps) {
        assert!((1..=version).contains(&welcomes), "step {version} welcomes {welcomes}");
        if welcomes < version {
            let more = find_more_than_adding(&text);
            assert_eq!(more, None, "step {version} welcomes programs of {welcomes}, and does more than add");
        }
    }
}

in_both_engines! {
    n8_a_step_that_welcomes_older_programs_only_adds
}
