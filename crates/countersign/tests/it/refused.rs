//! Programs that must not compile, each with a message that helps: those in `tests/refused/`.
//!
//! They are compiled against the very library that this test was built with, so that nothing is built again.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// Where cargo put the libraries of this test.
fn libraries() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// The newest build of the library, which this test was linked with.
fn library() -> PathBuf {
    let modified = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let files = fs::read_dir(libraries()).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libcountersign-") && name.ends_with(".rlib")
    };
    files.filter(is_ours).max_by_key(modified).expect("the library")
}

/// What the compiler says of a program, without the frame that it draws.
fn compile(program: &Path) -> (bool, String) {
    let mut library_argument = "countersign=".to_owned();
    library_argument.push_str(library().to_str().unwrap());
    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(compiler)
        .args(["--edition", "2024", "--crate-type", "bin", "--emit", "metadata", "--color", "never", "-o"])
        .arg(env::temp_dir().join(format!("countersign-refused-{}", std::process::id())))
        .arg("-L")
        .arg(format!("dependency={}", libraries().display()))
        .args(["--extern", &library_argument])
        .arg(program)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn each_program_is_refused_with_a_message_that_helps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused");
    let mut programs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    programs.sort();
    let mut unhelpful = Vec::new();
    for program in &programs {
        let text = fs::read_to_string(program).unwrap();
        let says: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("//! says: ")).collect();
        let (compiled, said) = compile(program);
        assert!(!says.is_empty() && !compiled, "{} compiles", program.display());
        assert!(!said.contains("error[E0460]") && !said.contains("error[E0463]"), "the library is not found: {said}");
        unhelpful.extend(says.iter().filter(|text| !said.contains(**text)).map(|text| {
            format!("{} does not say {text:?}, but:\n{said}", program.file_name().unwrap().to_string_lossy())
        }));
    }
    assert!(unhelpful.is_empty(), "{}", unhelpful.join("\n"));
    assert!(programs.len() >= 11, "{}", programs.len());
}

#[test]
fn a_program_that_is_right_is_taken() {
    let folder = env::temp_dir().join(format!("countersign-taken-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("right.rs");
    let text = "use countersign::routing::{MethodRouter, get};\n\
        async fn handler(_: countersign::CurrentUser) -> &'static str { \"x\" }\n\
        fn main() { let _: MethodRouter = get(handler); }\n";
    fs::write(&program, text).unwrap();
    let (compiled, said) = compile(&program);
    fs::remove_dir_all(folder).unwrap();
    assert!(compiled, "{said}");
}
