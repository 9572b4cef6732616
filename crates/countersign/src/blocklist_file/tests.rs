//! Lists of each kind: what they find, and what cannot be one.

use std::io::Write;

use super::*;

/// Every hash file is large, and more than four passwords are too many.
const SMALL: Bounds = Bounds { passwords: 4, loaded_bytes: 0 };

fn file(text: impl AsRef<[u8]>) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_ref()).unwrap();
    file.rewind().unwrap();
    file
}

#[track_caller]
fn list(text: impl AsRef<[u8]>) -> BlocklistFile {
    BlocklistFile::with_bounds(file(text), &BOUNDS).unwrap()
}

#[track_caller]
fn searched(text: impl AsRef<[u8]>) -> BlocklistFile {
    BlocklistFile::with_bounds(file(text), &SMALL).unwrap()
}

fn refused(text: impl AsRef<[u8]>, bounds: &Bounds) -> BlocklistFileError {
    BlocklistFile::with_bounds(file(text), bounds).unwrap_err()
}

async fn find(list: &BlocklistFile, typed: &str) -> Listed {
    list.find(&Password::typed(typed).unwrap()).await.unwrap()
}

fn hex(password: &str) -> String {
    hash(password).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The hashes of `password 0`, `password 1` and so on, in order, each line as `line` writes it.
fn hashes(count: usize, line: impl Fn(String) -> String) -> String {
    let mut all: Vec<_> = (0..count).map(|number| hex(&format!("password {number}"))).collect();
    all.sort();
    all.into_iter().map(line).collect()
}

#[test]
fn d11_hashes_are_those_of_pwned_passwords() {
    assert_eq!(hex("password"), "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8");
}

#[tokio::test]
async fn d11_passwords_are_found_in_any_order_and_letter_case() {
    let list = list("\u{feff}First Horse\r\nzebra crossing\n\ncafe\u{301} noir\nApple Cart");
    assert_eq!(list.loaded(), Some(4));
    for typed in ["first horse", "FIRST HORSE", "Zebra Crossing", "CAFÉ NOIR", "apple cart"] {
        assert_eq!(find(&list, typed).await, Listed::Yes, "{typed}");
    }
    for typed in ["first", "first horse ", "apple cart\u{2003}x", "zebra"] {
        assert_eq!(find(&list, typed).await, Listed::No, "{typed}");
    }
}

#[tokio::test]
async fn d11_lines_that_nobody_can_type_are_skipped() {
    let mut text = b"first horse\n\xff\xfe latin\ntab\there\n".to_vec();
    text.extend_from_slice(&[b'x'; 10_000]);
    text.extend_from_slice(b"\nlast horse\n");
    let list = list(text);
    assert_eq!(list.loaded(), Some(2));
    assert_eq!(find(&list, "last horse").await, Listed::Yes);
}

#[tokio::test]
async fn d11_hashes_are_found_in_any_order_with_and_without_counts() {
    let (with, without) = (hex("first horse"), hex("Last Horse").to_lowercase());
    let list = list(format!("{with}:12345\r\n\n{without}\n"));
    assert_eq!(list.loaded(), Some(2));
    for (typed, listed) in [
        ("first horse", Listed::Yes),
        ("First Horse", Listed::Yes),
        ("Last Horse", Listed::Yes),
        ("last horse", Listed::No),
        (with.as_str(), Listed::No),
    ] {
        assert_eq!(find(&list, typed).await, listed, "{typed}");
    }
}

#[tokio::test]
async fn d11_a_large_sorted_file_is_searched_where_it_lies() {
    for line in [
        (|hash| format!("{hash}\n")) as fn(String) -> String,
        |hash| format!("{hash}:1\r\n"),
        |hash| format!("{hash}:18446744073709551615\r\n"),
        |hash| format!("{}:{}\n", hash.to_lowercase(), u64::from_str_radix(&hash[..8], 16).unwrap()),
    ] {
        for count in [1, 2, 3, 500] {
            let text = hashes(count, line);
            for list in [searched(&text), searched(text.trim_end()), searched(format!("{text}\n\n"))] {
                assert_eq!(list.loaded(), None);
                for number in 0..count {
                    assert_eq!(find(&list, &format!("Password {number}")).await, Listed::Yes, "{number} of {count}");
                }
                for typed in ["another horse", "gfqzkwvu", "password 2001"] {
                    assert_eq!(find(&list, typed).await, Listed::No, "{typed}");
                }
            }
        }
    }
}

#[test]
fn d11_a_large_file_that_is_not_sorted_is_refused() {
    let line = |hash: String| format!("{hash}:7\n");
    let sorted = hashes(2_000, line);
    let reversed: String = sorted.lines().rev().flat_map(|line| [line, "\n"]).collect();
    let appended = format!("{sorted}{}\n", "0".repeat(40));
    let mut swapped: Vec<_> = sorted.lines().collect();
    swapped.swap(1_500, 1_501);
    for text in [reversed, appended, swapped.join("\n")] {
        assert!(matches!(refused(&text, &SMALL), BlocklistFileError::Unsorted));
        BlocklistFile::with_bounds(file(&text), &BOUNDS).unwrap();
    }
}

#[test]
fn d11_what_cannot_be_a_list_is_refused_and_not_repeated() {
    let first = hex("first horse");
    assert!(matches!(refused("", &BOUNDS), BlocklistFileError::Empty));
    assert!(matches!(refused("\n\r\n", &BOUNDS), BlocklistFileError::Empty));
    assert!(matches!(refused("\x01\n", &BOUNDS), BlocklistFileError::Empty));
    assert!(matches!(refused("a1\nb2\nc3\nd4\ne5\n", &SMALL), BlocklistFileError::TooMany));
    assert!(matches!(refused(format!("# passwords\n{first}\n"), &BOUNDS), BlocklistFileError::Mixed(2)), "a heading");
    assert!(matches!(refused("p\0a\0s\0s\0\n\0", &BOUNDS), BlocklistFileError::Mixed(1)), "UTF-16");
    assert!(matches!(refused("8846F7EAEE8FB117AD06BDD830B7586C:12\n", &BOUNDS), BlocklistFileError::OtherHashes));
    assert!(matches!(refused(format!("{}:12\n", &first[5..]), &BOUNDS), BlocklistFileError::OtherHashes));
    let mixed = refused(format!("{first}\n{first}:x\n"), &BOUNDS);
    assert!(matches!(mixed, BlocklistFileError::Line(2)));
    assert!(!mixed.to_string().contains(&first[..8]), "{mixed}");
    let folder = std::env::temp_dir();
    assert!(matches!(BlocklistFile::open(folder), Err(BlocklistFileError::Io(_))));
    assert!(matches!(BlocklistFile::open("not/there"), Err(BlocklistFileError::Io(_))));
}

#[tokio::test]
async fn d11_a_file_that_is_spoilt_later_is_unknown_and_never_no() {
    let text = hashes(100, |hash| format!("{hash}\n"));
    let mut folder = tempfile::NamedTempFile::new().unwrap();
    folder.write_all(text.as_bytes()).unwrap();
    let list = BlocklistFile::with_bounds(folder.reopen().unwrap(), &SMALL).unwrap();
    folder.as_file().set_len(0).unwrap();
    list.find(&Password::typed("another horse").unwrap()).await.unwrap_err();
    folder.rewind().unwrap();
    folder.write_all("x".repeat(text.len()).as_bytes()).unwrap();
    let away = list.find(&Password::typed("another horse").unwrap()).await.unwrap_err();
    assert_eq!(away.to_string(), "the list of known passwords cannot be read");
}

#[test]
fn nothing_of_a_list_is_shown() {
    assert_eq!(format!("{:?}", list("first horse\n")), "BlocklistFile(Loaded(Fingerprints(1)))");
}
