//! The HTML of a page. Every link in it is relative, so that it holds under any prefix and behind any proxy.

use super::viewer::{STYLESHEET, Viewer};

pub(super) fn html(viewer: Viewer, path: &str, document: &str, title: &str, css: Option<&str>) -> String {
    let files = last_segment(path);
    let own_style = css.map(|_| format!("\n<link rel=\"stylesheet\" href=\"{files}/{STYLESHEET}\">"));
    // The title comes last: what is in it is nobody's placeholder.
    viewer
        .template()
        .replace("{files}", files)
        .replace("{document}", &relative(path, document))
        .replace("{stylesheet}", own_style.as_deref().unwrap_or_default())
        .replace("{title}", &escape(title))
}

/// The last segment of a path: what the names of a page's files begin with, seen from the page.
pub(super) fn last_segment(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

/// `to` as a relative reference (RFC 3986 §4.2) in what is at `from`. Both are absolute paths.
fn relative(from: &str, to: &str) -> String {
    let directory = |path: &str| path.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
    let (from, to_directory) = (directory(from), directory(to));
    let shared: usize = from
        .split_inclusive('/')
        .zip(to_directory.split_inclusive('/'))
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len())
        .sum();
    "../".repeat(from[shared..].matches('/').count()) + &to[shared..]
}

fn escape(text: &str) -> String {
    let escaped = text.chars().map(|character| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn a_link_leads_from_any_page_to_any_document() {
        for (from, to, expected) in [
            ("/docs", "/openapi.json", "openapi.json"),
            ("/docs", "/docs/openapi.json", "docs/openapi.json"),
            ("/internal/api-docs", "/openapi.json", "../openapi.json"),
            ("/internal/api-docs", "/internal/schema.json", "schema.json"),
            ("/internal/api-docs", "/internal-schema.json", "../internal-schema.json"),
            ("/a/b/c", "/a/x/y", "../x/y"),
            ("/a/b", "/x/y/z", "../x/y/z"),
        ] {
            assert_eq!(relative(from, to), expected, "{from} {to}");
        }
    }
}
