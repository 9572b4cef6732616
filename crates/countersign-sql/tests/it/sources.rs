//! Rules that the sources keep.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            // What is below is tests.
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            found.push((path, text));
        }
    }
    found
}

#[test]
fn n9_all_sql_is_in_one_room_and_none_is_put_together() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = sources(&src);
    assert!(sources.len() > 10, "the sources are found");
    for (path, text) in sources {
        if path.starts_with(src.join("statements")) {
            assert!(!text.contains("format!"), "{}", path.display());
            continue;
        }
        // What moves whole tables is made of the names in the list alone.
        if path == src.join("tables.rs") {
            continue;
        }
        for verb in ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE"] {
            assert!(!text.contains(verb), "{verb} in {}", path.display());
        }
    }
}
