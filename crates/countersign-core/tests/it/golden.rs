//! The golden rows of another implementation of PRECIS; source and licence stand in `vectors/precis_golden.NOTICE`.

const ROWS: &str = include_str!("vectors/precis_golden.json");

/// Rows that we refuse although the other implementation does not. Their characters are newer than Unicode 6.3 and stand in
/// a rule of context (a Hebrew sign after U+05EF; U+200C between letters that join), and `precis-core` applies those rules
/// with the tables of Unicode 6.3. Refusing too much is safe, and the names that people have do not hold these.
const STRICTER_IN_CONTEXT: [&str; 4] =
    ["\u{5ef}\u{5f3}", "\u{10d00}\u{200c}\u{88e}", "\u{10d00}\u{7fd}\u{200c}\u{7fd}\u{88e}", "\u{886}\u{200c}\u{886}"];

/// Prepares every input of `profile` and compares; `None` stands for a refusal. `is_ours` finds rows that a rule of
/// our own refuses besides, as many as `count_of_ours`.
#[track_caller]
pub(crate) fn check(
    profile: &str,
    prepare: impl Fn(&str) -> Option<String>,
    is_ours: impl Fn(&str) -> bool,
    count_of_ours: usize,
) {
    let rows: Vec<(String, String, Option<String>)> = serde_json::from_str(ROWS).expect("rows of three");
    let rows: Vec<_> = rows.into_iter().filter(|(of, ..)| of == profile).collect();
    assert_eq!(rows.len(), 323, "all rows of {profile}");
    let differing: Vec<_> = rows
        .iter()
        .map(|(_, input, output)| (input, output, prepare(input)))
        .filter(|(_, output, prepared)| *output != prepared)
        .collect();
    let (refused, others): (Vec<_>, Vec<_>) = differing.into_iter().partition(|(input, _, prepared)| {
        prepared.is_none() && (STRICTER_IN_CONTEXT.contains(&input.as_str()) || is_ours(input))
    });
    assert!(others.is_empty(), "rows of {profile} differ (input, golden, ours): {others:#?}");
    assert_eq!(refused.len(), STRICTER_IN_CONTEXT.len() + count_of_ours, "{refused:#?}");
}
