//! What every statement keeps.

use super::*;

/// Every text there is, with PostgreSQL's own.
fn all() -> impl Iterator<Item = &'static str> {
    #[cfg(feature = "postgres")]
    let postgres = [postgres::ALL];
    #[cfg(not(feature = "postgres"))]
    let postgres: [&[&str]; 0] = [];
    #[cfg(feature = "sqlite")]
    let sqlite: [&[&str]; 1] = [&SQLITE_OF_PART];
    #[cfg(not(feature = "sqlite"))]
    let sqlite: [&[&str]; 0] = [];
    let lists = [ALL, &END_GRANT, &END_GRANTS_OF_OWNER].into_iter().chain(postgres).chain(sqlite);
    lists.flatten().copied()
}

/// The numbers after each `$`, in the order of the text.
fn parameters(text: &str) -> Vec<usize> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    text.split('$').skip(1).map(|rest| digits(rest).parse().unwrap()).collect()
}

#[test]
fn parameters_are_numbered_in_the_order_of_first_occurrence() {
    for text in all().chain(END_EVERYTHING) {
        let mut highest = 0;
        for number in parameters(text) {
            assert!(number <= highest + 1, "{text}");
            highest = highest.max(number);
        }
    }
}

#[test]
fn n1_exactly_one_conditional_statement_spends() {
    let spending: Vec<_> = all().filter(|text| text.contains("spent_by =")).collect();
    assert_eq!(spending, [SPEND_ONE_TIME]);
    assert!(SPEND_ONE_TIME.starts_with("UPDATE oauth2_one_time SET spent_by = $1 WHERE "));
    assert!(SPEND_ONE_TIME.contains(" AND spent_by IS NULL AND expires_at > "));
}

#[test]
fn n1_exactly_one_conditional_statement_spends_a_refresh_token() {
    let spending: Vec<_> = all().filter(|text| text.contains("SET") && text.contains("refresh_current =")).collect();
    assert_eq!(spending, [ROTATE_REFRESH]);
    assert!(ROTATE_REFRESH.ends_with(" WHERE id = $8 AND refresh_current = $9"));
}

#[test]
fn no_statement_speaks_one_dialect_only() {
    for text in ALL.iter().chain(&END_GRANT).chain(&END_EVERYTHING) {
        let upper = text.to_uppercase();
        for word in ["INSERT OR ", "REPLACE INTO", "ROWID", "IFNULL", "GLOB", "PRAGMA", "?", "::", "NOW(", "SERIAL"] {
            assert!(!upper.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn n8_statements_name_their_columns_so_that_others_may_come() {
    for text in all().chain(END_EVERYTHING) {
        assert!(!text.replace("COUNT(*)", "").contains('*'), "{text}");
        for rest in text.split("INSERT INTO ").skip(1) {
            let (_, columns) = rest.split_once(' ').unwrap();
            assert!(columns.starts_with('('), "{text}");
        }
    }
}

#[test]
fn every_table_has_the_prefix() {
    for text in all().chain(END_EVERYTHING).filter(|text| !text.contains("pg_catalog.")) {
        for verb in ["FROM ", "INTO ", "UPDATE ", "EXISTS "] {
            for rest in text.split(verb).skip(1).filter(|rest| !rest.starts_with(['(', 'S'])) {
                assert!(rest.starts_with("oauth2_") || rest.starts_with("unnest("), "{text}");
            }
        }
    }
}
