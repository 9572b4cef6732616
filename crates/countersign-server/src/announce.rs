//! Standard output: what people and scripts read; and what is said beside it. A reader who went away is no error.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use crate::failure::{Failure, Outcome};

/// Prints `text` and a line break, at once.
pub(crate) fn line(text: &str) -> Outcome {
    part(&format!("{text}\n")).map(drop)
}

/// Prints `text` as it is, at once; [`ControlFlow::Break`] if nobody reads any more.
pub(crate) fn part(text: &str) -> Result<ControlFlow<()>, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error.into()),
    }
}

/// Says `text` on standard error. Where nobody reads it, nobody is told.
pub(crate) fn aside(text: &str) {
    // In one write, so that lines of several threads stay whole.
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
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
