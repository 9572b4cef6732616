//! Takes the files of Swagger UI that the docs page needs out of the archive in which a crate ships them.

use std::{
    env, fs,
    io::{self, Cursor},
    path::Path,
};

const FILES: [&str; 5] =
    ["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png", "oauth2-redirect.html", "oauth2-redirect.js"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let mut archive = zip::ZipArchive::new(Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED))?;
    for file in FILES {
        let suffix = format!("/dist/{file}");
        let name = archive.file_names().flatten().find(|name| name.ends_with(&suffix)).ok_or(file)?.into_owned();
        io::copy(&mut archive.by_name(&name)?, &mut fs::File::create(Path::new(&out).join(file))?)?;
    }
    Ok(())
}
