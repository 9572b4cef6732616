//! The viewers there are: what each is made of, and where that comes from.
//!
//! Swagger UI's own files come out of a crate at build time (`build.rs`). Redoc and Scalar stand in the page that aide
//! makes of each, which needs inline script; they are taken out of it, so that script comes in files alone.

#[cfg(any(feature = "redoc", feature = "scalar"))]
use std::sync::LazyLock;

use axum::body::Bytes;

/// The name of the author's stylesheet among a page's files.
pub(super) const STYLESHEET: &str = "own.css";

/// Where people come back to who logged in elsewhere.
pub(super) const REDIRECT_PAGE: &str = "oauth2-redirect.html";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What shows the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Viewer {
    SwaggerUi,
    #[cfg(feature = "redoc")]
    Redoc,
    #[cfg(feature = "scalar")]
    Scalar,
}

/// A file that a page is made of.
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) bytes: Bytes,
}

const fn file(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> File {
    File { name, content_type, bytes: Bytes::from_static(bytes) }
}

macro_rules! vendored {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

impl Viewer {
    /// The page, with `{title}`, `{document}`, `{files}` and `{stylesheet}` to be put in.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::SwaggerUi => include_str!("../../assets/docs.html"),
            #[cfg(feature = "redoc")]
            Self::Redoc => include_str!("../../assets/redoc.html"),
            #[cfg(feature = "scalar")]
            Self::Scalar => include_str!("../../assets/scalar.html"),
        }
    }

    pub(super) fn files(self) -> Vec<File> {
        let favicon = file("favicon.png", "image/png", vendored!("favicon-32x32.png"));
        match self {
            Self::SwaggerUi => vec![
                file("start.js", SCRIPT, include_bytes!("../../assets/docs.js")),
                file("docs.css", STYLE, include_bytes!("../../assets/docs.css")),
                file("swagger-ui-bundle.js", SCRIPT, vendored!("swagger-ui-bundle.js")),
                file("swagger-ui.css", STYLE, vendored!("swagger-ui.css")),
                file(REDIRECT_PAGE, HTML, vendored!("oauth2-redirect.html")),
                file("oauth2-redirect.js", SCRIPT, vendored!("oauth2-redirect.js")),
                favicon,
            ],
            #[cfg(feature = "redoc")]
            Self::Redoc => vec![
                file("start.js", SCRIPT, include_bytes!("../../assets/redoc.js")),
                file("viewers.css", STYLE, include_bytes!("../../assets/viewers.css")),
                file("redoc.js", SCRIPT, REDOC.as_bytes()),
                favicon,
            ],
            #[cfg(feature = "scalar")]
            Self::Scalar => vec![
                file("start.js", SCRIPT, include_bytes!("../../assets/scalar.js")),
                file("viewers.css", STYLE, include_bytes!("../../assets/viewers.css")),
                file("scalar.js", SCRIPT, SCALAR.as_bytes()),
                favicon,
            ],
        }
    }

    /// The inline style that the viewer cannot do without, as its policy says it.
    pub(super) const fn inline_style(self) -> &'static str {
        match self {
            Self::SwaggerUi => "",
            // Empty elements that it fills through the object model, and the style of its scroll bar.
            #[cfg(feature = "redoc")]
            Self::Redoc => {
                " 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-DLDPR1ic47WIdK2WyeLkblb/tm2mQH+Jt/NNhZWu1k0='"
            }
            // It writes some thirty elements and attributes that depend on the document.
            #[cfg(feature = "scalar")]
            Self::Scalar => " 'unsafe-inline'",
        }
    }
}

/// Redoc, without the image that it would get from its maker's host.
#[cfg(feature = "redoc")]
static REDOC: LazyLock<String> = LazyLock::new(|| {
    let page = aide::redoc::Redoc::new("").html();
    between(&page, "<script>", "Redoc.init(\"\"").replace("https://cdn.redoc.ly/redoc/logo-mini.svg", "data:,")
});

/// Scalar. Its script is the last of aide's page.
#[cfg(feature = "scalar")]
static SCALAR: LazyLock<String> = LazyLock::new(|| {
    let page = aide::scalar::Scalar::new("").html();
    let last = page.rfind("<script>").unwrap_or_default();
    between(&page[last..], "<script>", "</script>").to_owned()
});

/// What stands between the first `start` and the last `end`.
#[cfg(any(feature = "redoc", feature = "scalar"))]
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let text = text.split_once(start).map_or("", |(_, after)| after);
    text.rsplit_once(end).map_or("", |(before, _)| before).trim()
}
