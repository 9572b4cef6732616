//! `DocsPage`: where the API's document and the pages that show it are, and how they look.

use super::{viewer, viewer::Viewer};
use crate::{endpoint, start_error::StartError};

const SWAGGER_UI: &str = "/docs";
const DOCUMENT: &str = "/openapi.json";

/// Where the API's document and the pages that show it are served.
///
/// By default Swagger UI is at `/docs` and the document at `/openapi.json`. Everything comes out of the program; no page
/// asks anything of another host but the issuers that the document itself names.
///
/// ```
/// use countersign::{DocsPage, Memory, OAuth2};
///
/// # async fn start() -> Result<(), countersign::StartError> {
/// let page = DocsPage::new().at("/internal/api-docs").document_at("/schema.json").stylesheet("body { margin: 2rem }");
/// let oauth2 = OAuth2::new(Memory::new()).docs(page).build().await?;
/// # Ok(())
/// # }
/// ```
///
/// Paths are absolute, of segments of letters, digits, `-`, `.`, `_` and `~`; the API does not start with others. A path
/// of a page is the page's alone, with all that is below it.
#[derive(Clone, Debug)]
#[must_use]
pub struct DocsPage {
    pages: Vec<(Viewer, String)>,
    document: Option<String>,
    css: Option<String>,
}

impl Default for DocsPage {
    fn default() -> Self {
        Self::document_only().at(SWAGGER_UI)
    }
}

impl DocsPage {
    /// Swagger UI at `/docs`, the document at `/openapi.json`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Neither a page nor the document is served.
    pub const fn off() -> Self {
        Self { pages: Vec::new(), document: None, css: None }
    }

    /// The document is served, at `/openapi.json`, and no page that shows it.
    pub fn document_only() -> Self {
        Self::off().document_at(DOCUMENT)
    }

    /// Where Swagger UI is; `/docs` by default.
    pub fn at(self, path: impl Into<String>) -> Self {
        self.with(Viewer::SwaggerUi, path.into())
    }

    /// Where the document is; `/openapi.json` by default.
    pub fn document_at(mut self, path: impl Into<String>) -> Self {
        self.document = Some(path.into());
        self
    }

    /// Style of yours, read after that of the page; none by default. It is served as a file of its own.
    pub fn stylesheet(mut self, css: impl Into<String>) -> Self {
        self.css = Some(css.into());
        self
    }

    /// Adds [Redoc](https://redocly.com/redoc), which shows and does not call: there is no login on it.
    #[cfg(feature = "redoc")]
    pub fn redoc_at(self, path: impl Into<String>) -> Self {
        self.with(Viewer::Redoc, path.into())
    }

    /// Adds [Scalar](https://scalar.com). It writes its style into the page, so its policy lets inline style pass;
    /// inline script stays refused.
    #[cfg(feature = "scalar")]
    pub fn scalar_at(self, path: impl Into<String>) -> Self {
        self.with(Viewer::Scalar, path.into())
    }

    fn with(mut self, viewer: Viewer, path: String) -> Self {
        self.pages.retain(|(known, _)| *known != viewer);
        self.pages.push((viewer, path));
        self
    }

    pub(super) fn pages(&self) -> &[(Viewer, String)] {
        &self.pages
    }

    pub(crate) fn document(&self) -> Option<&str> {
        self.document.as_deref()
    }

    pub(super) fn css(&self) -> Option<&str> {
        self.css.as_deref()
    }

    /// Where a person finds the first page, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.pages.first().map(|(_, path)| path.as_str())
    }

    /// The root of the API, relative to its document: so it holds under any prefix and behind any proxy.
    pub(crate) fn root(&self) -> String {
        let levels = self.document().unwrap_or(DOCUMENT).matches('/').count();
        if levels < 2 { ".".to_owned() } else { vec![".."; levels - 1].join("/") }
    }

    /// Looks each path over: that it is one, and that nothing else of ours is there.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let mut taken: Vec<String> = endpoint::FIXED.iter().map(|path| (*path).to_owned()).collect();
        taken.extend(endpoint::FIXED.map(endpoint::with_slash));
        for path in self.document.iter().chain(self.pages.iter().map(|(_, path)| path)) {
            let problem = |why| StartError::DocsPath { path: path.clone(), why };
            check_path(path).map_err(problem)?;
        }
        let files = self.pages.iter().flat_map(|(viewer, path)| {
            let names = viewer.files().into_iter().map(|file| file.name).chain([viewer::STYLESHEET, ""]);
            names.map(move |name| format!("{path}/{name}"))
        });
        let own = self.document.iter().chain(self.pages.iter().map(|(_, path)| path)).cloned().chain(files);
        for path in own {
            if taken.contains(&path) {
                return Err(StartError::DocsPath { path, why: "something else of countersign is there" });
            }
            taken.push(path);
        }
        match (self.path(), &self.document) {
            (Some(path), None) => {
                Err(StartError::DocsPath { path: path.to_owned(), why: "the page needs the document: say document_at" })
            }
            _ => Ok(()),
        }
    }
}

/// Whether `path` can stand in a route, in a link and in a header as it is.
fn check_path(path: &str) -> Result<(), &'static str> {
    let segments = path.strip_prefix('/').ok_or("it does not begin with a slash")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    for segment in segments.split('/') {
        match segment {
            "" => return Err("it ends with a slash, or has two in a row"),
            "." | ".." => return Err("it has a segment of dots"),
            _ if !segment.bytes().all(plain) => {
                return Err("it has other characters than letters, digits, hyphens, dots, underscores and tildes");
            }
            _ => {}
        }
    }
    Ok(())
}
