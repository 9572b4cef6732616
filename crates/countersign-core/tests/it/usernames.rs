//! User names: what is one name, and what is none.

use countersign_core::username::{MAX_USERNAME_BYTES, Username, UsernameProblem};
use proptest::prelude::*;

use crate::golden;

#[track_caller]
fn canonical(input: &str) -> String {
    Username::parse(input).unwrap_or_else(|problem| panic!("{input:?}: {problem}")).to_string()
}

#[track_caller]
fn problem(input: &str) -> UsernameProblem {
    Username::parse(input).expect_err("no user name")
}

#[test]
fn a13_controls_spaces_and_invisible_characters_are_refused() {
    for input in [
        "admin\0",
        "admin\u{200b}",
        "admin\u{200d}",
        "admin\u{feff}",
        "admin\u{ad}",
        "admin\u{fe0f}",
        "admin\n",
        "admin\u{7f}",
        " admin",
        "admin ",
        "ad min",
        "admin\u{a0}",
        "\u{3000}admin",
        "admin\u{202e}",
        "\u{2066}admin\u{2069}",
        "\u{200e}admin",
        "admin\u{61c}",
        "admin\u{e0041}",
        "admin\u{180f}",
        "admin\u{1bca0}",
        "🦀",
        "ﬁsh",
        "Ⅷ",
    ] {
        assert_eq!(problem(input), UsernameProblem::Disallowed, "{input:?}");
    }
}

#[test]
fn d22_names_that_people_have_are_accepted() {
    for name in [
        "alice@example.com",
        "john.doe",
        "müller",
        "山田太郎",
        "山田taro",
        "さくら",
        "김철수",
        "иван",
        "αλέξης",
        "محمد",
        "דוד",
        "o'brien",
        "x_1-2+3",
        "123",
        "राम",
        "ทดสอบ",
        "ёлка-2",
        "иван@2024",
        "𞤀𞤣𞤢𞤥",
        "straße",
    ] {
        assert_eq!(canonical(name), canonical(&canonical(name)), "{name:?}");
    }
}

#[test]
fn d22_spellings_of_one_name_are_one() {
    let fullwidth = "\u{ff41}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}";
    for input in ["admin", "ADMIN", "Admin", fullwidth, "\u{ff21}DMIN"] {
        assert_eq!(canonical(input), "admin", "{input:?}");
    }
    assert_eq!(canonical("Zoe\u{308}"), canonical("zo\u{eb}"));
    assert_eq!(canonical("Alice@Example.COM"), "alice@example.com");
}

#[test]
fn d22_names_that_mix_confusable_scripts_are_refused() {
    for input in
        ["\u{430}dmin", "admi\u{578}", "\u{3b1}dmin", "p\u{430}yp\u{430}l", "\u{13aa}dmin", "иванα", "山田иван"]
    {
        assert_eq!(problem(input), UsernameProblem::MixedScripts, "{input:?}");
    }
    // All in one script: another name, and the profile cannot know what it looks like.
    assert_ne!(canonical("\u{430}\u{501}\u{43c}\u{456}\u{43f}"), "admin");
}

#[test]
fn d22_the_length_is_bounded() {
    assert_eq!(problem(""), UsernameProblem::Empty);
    assert_eq!(canonical(&"a".repeat(MAX_USERNAME_BYTES)).len(), MAX_USERNAME_BYTES);
    assert_eq!(problem(&"a".repeat(MAX_USERNAME_BYTES + 1)), UsernameProblem::TooLong);
    // 127 letters of two bytes, each of which becomes three by its lower case (Ⱥ, Ⱦ).
    assert_eq!(problem(&"\u{23a}".repeat(127)), UsernameProblem::TooLong);
}

/// Greek `Κ` before `evin`, Latin (twice) and Oriya under marks of other scripts, and a name of more than 255 bytes.
const STRICTER_ROWS: usize = 5;

#[test]
fn d22_canonical_forms_agree_with_the_golden_rows() {
    let canonical = |input: &str| Username::parse(input).ok().map(|name| name.to_string());
    let stricter = |input: &str| matches!(problem(input), UsernameProblem::MixedScripts | UsernameProblem::TooLong);
    golden::check("UsernameCaseMapped", canonical, stricter, STRICTER_ROWS);
}

#[test]
fn d22_the_canonical_form_of_each_character_is_stable() {
    for c in '\0'..=char::MAX {
        if let Ok(name) = Username::parse(c.encode_utf8(&mut [0; 4])) {
            assert_eq!(Username::parse(name.as_str()).as_ref(), Ok(&name), "U+{:04X}", u32::from(c));
        }
    }
}

proptest! {
    #[test]
    fn d22_the_canonical_form_is_stable(input in "\\PC{1,12}") {
        if let Ok(name) = Username::parse(&input) {
            prop_assert_eq!(Username::parse(name.as_str()), Ok(name));
        }
    }
}
