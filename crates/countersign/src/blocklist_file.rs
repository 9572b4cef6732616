//! A file of known passwords: in memory by fingerprints, or searched where it lies if it is large and sorted.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use countersign_core::password::{Blocklist, BlocklistAway, Listed, Password};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

/// A list of known passwords in a file, for [`Builder::password_blocklist`](crate::Builder::password_blocklist).
///
/// One of these, as its first line tells:
///
/// - Passwords, one a line, in any order, in UTF-8 (other lines are skipped): 16,777,216 at most. Letter case does not count.
/// - SHA-1 hashes of passwords in hexadecimal digits, one a line, with or without `:COUNT`, as Pwned Passwords has them. Up to
///   64 MiB they may be in any order. A larger file must be sorted, and is searched where it lies, some 40 reads a password.
///   A password is refused if it is there as it was typed or in lower case.
///
/// What is loaded takes 8 bytes a password: the start of its hash, by which a good password is mistaken for a known one once in
/// a million million, and never the other way. The file is opened once: to change the list, put another file in its place and
/// start anew.
#[derive(Clone, Debug)]
pub struct BlocklistFile(Arc<List>);

/// Why a file cannot be a list of known passwords. No line of it is repeated: it might be somebody's password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlocklistFileError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It has no passwords.
    #[error("it has no passwords")]
    Empty,
    /// It has hashes, but of passwords alone and not by SHA-1, so that nothing would be found.
    #[error("its hashes are not SHA-1, with 40 hexadecimal digits")]
    OtherHashes,
    /// It began with hashes and goes on with something else.
    #[error("line {0} is no SHA-1 hash of 40 hexadecimal digits, with or without :COUNT, as the first one is")]
    Line(u64),
    /// It began with something that is no hash, and goes on with one; or it is in another encoding than UTF-8.
    #[error(
        "line {0} is a SHA-1 hash or has a NUL, and the first one is a password: leave headings out, and write UTF-8"
    )]
    Mixed(u64),
    /// There are too many to be kept in memory.
    #[error("it has more than {MOST_LOADED} passwords: make it a sorted file of their SHA-1 hashes")]
    TooMany,
    /// It is large and not sorted.
    #[error("it is too large to be loaded, and its hashes are not sorted: sort it, such as by LC_ALL=C sort")]
    Unsorted,
}

impl BlocklistFile {
    /// Opens a file, and loads it if it is not a large one of hashes: that blocks, for seconds if there are millions of them.
    ///
    /// # Errors
    /// [`BlocklistFileError`]: why it cannot be one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BlocklistFileError> {
        Self::with_bounds(File::open(path)?, &BOUNDS)
    }

    /// How many passwords are in memory; `None` for a file that is searched where it lies.
    #[must_use]
    pub fn loaded(&self) -> Option<usize> {
        match &*self.0 {
            List::Loaded(fingerprints) => Some(fingerprints.0.len()),
            List::Sorted(_) => None,
        }
    }

    fn with_bounds(mut file: File, bounds: &Bounds) -> Result<Self, BlocklistFileError> {
        let list = match kind_of(&mut file)? {
            Kind::Passwords => List::Loaded(Fingerprints::of_passwords(&file, bounds)?),
            Kind::Hashes if file.metadata()?.len() <= bounds.loaded_bytes => {
                List::Loaded(Fingerprints::of_hashes(&file, bounds)?)
            }
            Kind::Hashes => List::Sorted(Sorted::open(file)?),
        };
        Ok(Self(Arc::new(list)))
    }
}

#[async_trait]
impl Blocklist for BlocklistFile {
    async fn find(&self, password: &Password) -> Result<Listed, BlocklistAway> {
        let typed = password.secret();
        let hashes = [hash(typed), hash(&Zeroizing::new(typed.to_lowercase()))];
        let list = Arc::clone(&self.0);
        let found = match &*self.0 {
            List::Loaded(fingerprints) => Ok(hashes.iter().any(|hash| fingerprints.have(hash))),
            // A disk may take its time.
            List::Sorted(_) => {
                tokio::task::spawn_blocking(move || list.find_any(&hashes)).await.map_err(BlocklistAway::new)?
            }
        };
        Ok(if found.map_err(BlocklistAway::new)? { Listed::Yes } else { Listed::No })
    }
}

/// A SHA-1 hash: what such lists are made of. Nothing here rests on it being hard to invert.
type Hash = [u8; 20];

fn hash(text: &str) -> Hash {
    Sha1::digest(text).into()
}

/// What is loaded at most.
struct Bounds {
    passwords: usize,
    loaded_bytes: u64,
}

/// 128 MiB of fingerprints.
const MOST_LOADED: usize = 16 * 1024 * 1024;
const BOUNDS: Bounds = Bounds { passwords: MOST_LOADED, loaded_bytes: 64 * 1024 * 1024 };

/// Lines longer than this, in bytes, are no passwords that could be set.
const MAX_LINE_BYTES: u64 = 4096;

/// What a line of hashes has at most, in bytes: the digits, a count of as many as fit 64 bits, and the end of the line.
const MAX_HASH_LINE: usize = 40 + 1 + 20 + 2;

#[derive(Debug)]
enum List {
    Loaded(Fingerprints),
    Sorted(Sorted),
}

impl List {
    fn find_any(&self, hashes: &[Hash]) -> io::Result<bool> {
        for hash in hashes {
            let found = match self {
                Self::Loaded(fingerprints) => fingerprints.have(hash),
                Self::Sorted(sorted) => sorted.has(hash)?,
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

enum Kind {
    Passwords,
    Hashes,
}

/// Reads the first line that is not empty, and goes back to the beginning.
fn kind_of(file: &mut File) -> Result<Kind, BlocklistFileError> {
    let first = first_line(file)?;
    file.rewind()?;
    if parse_hash(&first).is_some() {
        return Ok(Kind::Hashes);
    }
    // As parts of Pwned Passwords are, or NTLM hashes: by their look they would be passwords, and nobody's.
    let mut parts = first.splitn(2, |byte| *byte == b':');
    let (digits, count) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_number = !count.is_empty() && count.iter().all(u8::is_ascii_digit);
    if digits.len() >= MIN_DIGITS_OF_HASH && digits.iter().all(u8::is_ascii_hexdigit) && is_number {
        return Err(BlocklistFileError::OtherHashes);
    }
    Ok(Kind::Passwords)
}

fn first_line(file: &File) -> Result<Zeroizing<Vec<u8>>, BlocklistFileError> {
    let mut lines = Lines::of(file);
    while let Some(line) = lines.next_line()? {
        if !line.is_empty() {
            return Ok(Zeroizing::new(line.to_vec()));
        }
    }
    Err(BlocklistFileError::Empty)
}

/// Fewer hexadecimal digits before a colon and a number may be a password.
const MIN_DIGITS_OF_HASH: usize = 32;

/// The hash of a line without its end: 40 hexadecimal digits, with or without a colon and a number.
fn parse_hash(line: &[u8]) -> Option<Hash> {
    let (digits, rest) = line.split_at_checked(40)?;
    let is_count = matches!(rest, [b':', count @ ..] if count.iter().all(u8::is_ascii_digit));
    if !rest.is_empty() && !is_count {
        return None;
    }
    let mut hash = Hash::default();
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(hash)
}

/// The lines of a file, without their ends and a byte order mark; too long ones are empty.
struct Lines<R> {
    reader: BufReader<R>,
    line: Zeroizing<Vec<u8>>,
    number: u64,
}

impl<R: Read> Lines<R> {
    fn of(reader: R) -> Self {
        let line = Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES as usize + 1));
        Self { reader: BufReader::new(reader), line, number: 0 }
    }

    fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        if self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.len() as u64 == MAX_LINE_BYTES && !self.line.ends_with(b"\n") {
            self.reader.skip_until(b'\n')?;
            self.line.clear();
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if self.number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        Ok(Some(line))
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The first 64 bits of each hash, in order.
struct Fingerprints(Vec<u64>);

impl std::fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fingerprints({})", self.0.len())
    }
}

impl Fingerprints {
    fn of_passwords(file: &File, bounds: &Bounds) -> Result<Self, BlocklistFileError> {
        let mut lines = Lines::of(file);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line()? {
            // Below a heading or a comment: as a password it would be nobody's, and the list would refuse nothing.
            if parse_hash(line).is_some() || line.contains(&0) {
                return Err(BlocklistFileError::Mixed(lines.number));
            }
            let Some(password) = prepared(line) else { continue };
            all.push(fingerprint(&hash(&password)));
            if all.len() > bounds.passwords {
                return Err(BlocklistFileError::TooMany);
            }
        }
        Self::in_order(all)
    }

    fn of_hashes(file: &File, bounds: &Bounds) -> Result<Self, BlocklistFileError> {
        let mut lines = Lines::of(file);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line()? {
            if line.is_empty() {
                continue;
            }
            let Some(hash) = parse_hash(line) else { return Err(BlocklistFileError::Line(lines.number)) };
            all.push(fingerprint(&hash));
            if all.len() > bounds.passwords {
                return Err(BlocklistFileError::TooMany);
            }
        }
        Self::in_order(all)
    }

    fn in_order(mut all: Vec<u64>) -> Result<Self, BlocklistFileError> {
        if all.is_empty() {
            return Err(BlocklistFileError::Empty);
        }
        all.sort_unstable();
        all.dedup();
        all.shrink_to_fit();
        Ok(Self(all))
    }

    fn have(&self, hash: &Hash) -> bool {
        self.0.binary_search(&fingerprint(hash)).is_ok()
    }
}

fn fingerprint(hash: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// A line as somebody would type it, in lower case; `None` for what cannot be a password.
fn prepared(line: &[u8]) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(line).ok()?;
    // Preparation changes nothing about these, and takes its time.
    if !text.is_empty() && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Some(Zeroizing::new(text.to_ascii_lowercase()));
    }
    Password::typed(text).ok().map(|password| Zeroizing::new(password.secret().to_lowercase()))
}

/// A file of hashes in order, searched by halving it.
#[derive(Debug)]
struct Sorted {
    file: Mutex<File>,
    /// Without line breaks at its end.
    length: u64,
}

/// A line of a sorted file, from its first byte to after its line break.
struct Line {
    start: u64,
    end: u64,
    hash: Hash,
}

/// How many lines are looked at, all over the file, to see whether it is sorted.
const SAMPLES: u64 = 1000;

/// How many lines at its end are looked at one by one: what somebody added there.
const LAST_LINES: usize = 1000;

impl Sorted {
    /// Looks at a thousand lines all over the file, and at its last thousand: to read all of it may take many minutes.
    fn open(file: File) -> Result<Self, BlocklistFileError> {
        let mut length = file.metadata()?.len();
        let file = Mutex::new(file);
        while length > 0 && read_at(&file, length - 1, 1)?.trim_ascii().is_empty() {
            length -= 1;
        }
        let sorted = Self { file, length };
        let mut last = Hash::default();
        for sample in 0..SAMPLES {
            let hash = sorted.line_at(length / SAMPLES * sample)?.hash;
            if hash < last {
                return Err(BlocklistFileError::Unsorted);
            }
            last = hash;
        }
        let mut line = sorted.line_at(length - 1)?;
        for _ in 0..LAST_LINES {
            if line.start == 0 {
                break;
            }
            let before = sorted.line_at(line.start - 1)?;
            if before.hash > line.hash {
                return Err(BlocklistFileError::Unsorted);
            }
            line = before;
        }
        Ok(sorted)
    }

    fn has(&self, hash: &Hash) -> io::Result<bool> {
        let (mut from, mut to) = (0, self.length);
        while from < to {
            let line = self.line_at(from.midpoint(to))?;
            match hash.cmp(&line.hash) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => to = line.start,
                std::cmp::Ordering::Greater => from = line.end,
            }
        }
        Ok(false)
    }

    /// The line of which this byte is one; its line break belongs to it.
    fn line_at(&self, offset: u64) -> io::Result<Line> {
        let begin = offset.saturating_sub(MAX_HASH_LINE as u64);
        let around = read_at(&self.file, begin, 2 * MAX_HASH_LINE + 1)?;
        let at = usize::try_from(offset - begin).map_err(io::Error::other)?;
        let is_break = |byte: &u8| *byte == b'\n';
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "a line of it is no SHA-1 hash");
        let (before, after) = around.split_at_checked(at).ok_or_else(malformed)?;
        let start = match before.iter().rposition(is_break) {
            Some(position) => position + 1,
            None if begin == 0 => 0,
            None => return Err(malformed()),
        };
        let end = after.iter().position(is_break).map_or(around.len(), |length| at + length);
        let text = &around[start..end];
        let hash = parse_hash(text.strip_suffix(b"\r").unwrap_or(text)).ok_or_else(malformed)?;
        Ok(Line { start: begin + start as u64, end: begin + end as u64 + 1, hash })
    }
}

/// As many bytes from there, or fewer at the end of the file.
fn read_at(file: &Mutex<File>, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(most);
    file.by_ref().take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
