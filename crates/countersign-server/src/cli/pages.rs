//! Lists that are printed as they are read, page by page: the memory that it takes does not grow with them.

use std::ops::ControlFlow;

use super::print::Widths;
use crate::{
    announce,
    failure::{Failure, Outcome},
};

/// How many of a list are read at a time.
pub(super) const PAGE: usize = 500;

/// Takes the next page of a list; [`ControlFlow::Break`] if nobody wants another.
pub(super) type Take<'t, T> = dyn FnMut(Vec<T>) -> Result<ControlFlow<()>, Failure> + 't;

/// Prints an array of JSON, in the very form in which it is written as a whole; `json` writes an element, in lines.
///
/// # Errors
/// The list cannot be read, or not be printed: a part of it may have been.
pub(super) async fn print_array<T>(
    read: impl AsyncFn(&mut Take<'_, T>) -> Outcome,
    json: impl Fn(T) -> serde_json::Result<String>,
) -> Outcome {
    let mut array = Array::default();
    let mut is_read = true;
    let print = &mut |page: Vec<T>| {
        let reader = announce::part(&array.elements(page.into_iter().map(&json))?)?;
        is_read = reader.is_continue();
        Ok(reader)
    };
    read(print).await?;
    if is_read { announce::line(array.end()) } else { Ok(()) }
}

/// Prints a table. It is read twice: a column is as wide as its widest cell.
///
/// # Errors
/// As those of [`print_array`].
pub(super) async fn print_table<T, const COLUMNS: usize>(
    head: [&str; COLUMNS],
    read: impl AsyncFn(&mut Take<'_, T>) -> Outcome,
    row: impl Fn(T) -> [String; COLUMNS],
) -> Outcome {
    let mut widths = Widths::default();
    widths.fit(&head);
    read(&mut |page: Vec<T>| {
        page.into_iter().for_each(|item| widths.fit(&row(item)));
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    if announce::part(&format!("{}\n", widths.line(&head)))?.is_break() {
        return Ok(());
    }
    let print = &mut |page: Vec<T>| {
        let lines: String = page.into_iter().map(|item| widths.line(&row(item)) + "\n").collect();
        announce::part(&lines)
    };
    read(print).await
}

/// An array of JSON that comes in pieces.
#[derive(Debug, Default)]
struct Array {
    is_begun: bool,
}

impl Array {
    fn elements(&mut self, elements: impl Iterator<Item = serde_json::Result<String>>) -> serde_json::Result<String> {
        let mut text = String::new();
        for element in elements {
            text.push_str(if self.is_begun { ",\n  " } else { "[\n  " });
            // No text of JSON has a line break of its own.
            text.push_str(&element?.replace('\n', "\n  "));
            self.is_begun = true;
        }
        Ok(text)
    }

    const fn end(&self) -> &'static str {
        if self.is_begun { "\n]" } else { "[]" }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Array;

    #[test]
    fn an_array_in_pieces_is_the_array_as_a_whole() {
        let all = [json!({ "a": ["b\nc", {}], "d": { "e": null } }), json!([]), json!("\n"), json!({})];
        for pages in [&[][..], &[0], &[1], &[1, 1], &[2, 0, 1], &[3, 1]] {
            let (mut array, mut text, mut given) = (Array::default(), String::new(), 0);
            for page in pages {
                text += &array.elements(all[given..given + page].iter().map(serde_json::to_string_pretty)).unwrap();
                given += page;
            }
            text += array.end();
            assert_eq!(text, serde_json::to_string_pretty(&all[..given]).unwrap(), "{pages:?}");
        }
    }
}
