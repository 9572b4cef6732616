//! Where a new password comes from: a terminal, standard input, or a hash that another system made.

use std::{
    io::{self, IsTerminal, Read},
    num::NonZeroUsize,
};

use clap::Args;
use countersign::{
    Blocklist, Password, PasswordHash, ResourceOwner,
    core::{
        clock::System,
        password::{HashingPool, HashingSettings, check_supported},
    },
};
use zeroize::Zeroizing;

use crate::{
    config::Settings,
    failure::{Failure, Outcome},
};

/// The most that is read from standard input, in bytes: more than any password or hash.
const MAX_INPUT_BYTES: u64 = 8 * 1024;

#[derive(Debug, Args)]
pub(super) struct PasswordSource {
    /// Read the password from standard input, one line.
    #[arg(long)]
    password_stdin: bool,
    /// Read an existing hash of the password from standard input: argon2, bcrypt, scrypt or pbkdf2. It is upgraded when
    /// the user next logs in.
    #[arg(long, conflicts_with = "password_stdin")]
    hash_stdin: bool,
}

impl PasswordSource {
    /// Checks that there is somebody to ask, before anything else is done.
    pub(super) fn check(&self) -> Outcome {
        if self.password_stdin || self.hash_stdin || io::stdin().is_terminal() {
            return Ok(());
        }
        Err(Failure::usage("there is no terminal to ask for the password")
            .hint("pipe it in with --password-stdin, or a hash of it with --hash-stdin"))
    }

    /// Reads the password, checks it and hashes it; or reads a hash and checks that it can be verified.
    pub(super) async fn read(&self, settings: &Settings, context: &[&str]) -> Result<PasswordHash, Failure> {
        if self.hash_stdin {
            let hash = PasswordHash::new(read_line()?.trim());
            check_supported(&hash)?;
            return Ok(hash);
        }
        let blocklist = settings.blocklist()?;
        let blocklist = blocklist.as_ref().map(|list| list as &dyn Blocklist);
        let typed = if self.password_stdin { read_line()? } else { ask()? };
        let password = Password::typed(&typed)?;
        settings.policy().check_with(blocklist, &password, context).await?;
        let hashing = HashingSettings { threads: NonZeroUsize::MIN, ..settings.hashing()? };
        Ok(HashingPool::new(hashing, System::rng())?.hash(password).await?)
    }
}

/// What an attacker who knows the user tries first.
pub(super) fn context<'a>(settings: &'a Settings, owner: &'a ResourceOwner) -> Vec<&'a str> {
    let words = [Some(owner.username.as_str()), owner.full_name.as_deref(), owner.email.as_deref()];
    words.into_iter().flatten().chain([settings.title.as_str()]).collect()
}

fn ask() -> Result<Zeroizing<String>, Failure> {
    let typed = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
    if typed == again { Ok(typed) } else { Err(Failure::failed("the two passwords differ; nothing was changed")) }
}

/// One line, without its end.
fn read_line() -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_INPUT_BYTES as usize));
    io::stdin().take(MAX_INPUT_BYTES).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err(Failure::failed("standard input has more than one line; nothing was changed"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}
