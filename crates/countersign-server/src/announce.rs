//! Standard output: what people and scripts read. A reader who went away is no error.

use std::io::{self, Write};

use crate::failure::Outcome;

/// Prints `text` and a line break, at once.
pub(crate) fn line(text: &str) -> Outcome {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// `text` as one word of the shell, whatever is in it.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@,+%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn words_of_the_shell_are_quoted_where_they_must_be() {
        assert_eq!(shell_word("http://127.0.0.1:8000/token"), "http://127.0.0.1:8000/token");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("it's $HOME `x` \"!\""), r#"'it'\''s $HOME `x` "!"'"#);
    }
}
