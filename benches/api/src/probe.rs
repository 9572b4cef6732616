//! Requests at fixed times, whatever becomes of those before (an open loop), and how long each took from its time on.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::Outcome;

/// Connections that take turns, each with a thread of its own. A request whose connection is still busy with the one before
/// is sent late and counted from when it was due.
const CONNECTIONS: u32 = 64;

/// From now until the first request is due: for connections to be there.
const HEAD_START: Duration = Duration::from_millis(200);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes.
const MOST: usize = 64 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What one request came to, in microseconds.
struct Sample {
    /// From when it was due to the end of its answer.
    took: u64,
    /// How late it was sent although its connection was free: that is the probe's own.
    late: u64,
}

/// Asks for `path` with this token `rate` times a second for `seconds`, and prints every sample; anything but 200 ends the run.
pub(crate) fn shows(address: &str, path: &str, token: &str, rate: u32, seconds: u32) -> Outcome {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
    run(address, vec![request], rate, seconds)
}

/// As [`shows`], with the forms of `file`, one a line, in turn.
pub(crate) fn posts(address: &str, path: &str, file: &str, rate: u32, seconds: u32) -> Outcome {
    let form = |form: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
            Content-Length: {}\r\n\r\n{form}",
            form.len()
        )
    };
    let requests: Vec<_> = fs::read_to_string(file)?.lines().map(form).collect();
    if requests.is_empty() { Err("there is no form".into()) } else { run(address, requests, rate, seconds) }
}

fn run(address: &str, requests: Vec<String>, rate: u32, seconds: u32) -> Outcome {
    let (requests, total, period) = (Arc::new(requests), rate * seconds, Duration::from_secs(1) / rate);
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS.min(total) {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        streams.push(stream);
    }
    let start = Instant::now() + HEAD_START;
    let mut threads = Vec::new();
    for (first, stream) in (0..).zip(streams) {
        let requests = requests.clone();
        let slots = (first..total).step_by(CONNECTIONS as usize);
        threads.push(thread::spawn(move || ask(stream, &requests, slots, |slot| start + period * slot)));
    }
    let mut samples = Vec::new();
    for thread in threads {
        samples.extend(thread.join().map_err(|_| "a thread of the probe panicked")??);
    }
    let took: Vec<_> = samples.iter().map(|sample| sample.took).collect();
    let late: Vec<_> = samples.iter().map(|sample| sample.late).collect();
    println!("{}", json!({ "took_us": took, "late_us": late }));
    Ok(())
}

fn ask(
    mut stream: TcpStream,
    requests: &[String],
    slots: impl Iterator<Item = u32>,
    due_at: impl Fn(u32) -> Instant,
) -> Result<Vec<Sample>, Failure> {
    let mut samples = Vec::new();
    for slot in slots {
        let (request, due) = (&requests[slot as usize % requests.len()], due_at(slot));
        let wait = due.saturating_duration_since(Instant::now());
        thread::sleep(wait);
        let late = if wait.is_zero() { Duration::ZERO } else { due.elapsed() };
        stream.write_all(request.as_bytes())?;
        read_answer(&mut stream)?;
        samples.push(Sample { took: micros(due.elapsed()), late: micros(late) });
    }
    Ok(samples)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Reads one answer to its end, which its `Content-Length` tells.
fn read_answer(stream: &mut TcpStream) -> Outcome {
    let mut answer = Vec::new();
    let mut block = [0; 4096];
    loop {
        let read = stream.read(&mut block)?;
        if read == 0 || answer.len() > MOST {
            return Err("an answer without an end".into());
        }
        answer.extend_from_slice(&block[..read]);
        if let Some(end) = find_end(&answer)?
            && answer.len() >= end
        {
            return Ok(());
        }
    }
}

/// Where the answer ends, once its headers are there.
fn find_end(answer: &[u8]) -> Result<Option<usize>, Failure> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let headers = std::str::from_utf8(&answer[..head])?;
    let mut lines = headers.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("refused: {status}").into());
    }
    let mut lengths = lines.filter_map(|line| line.split_once(':'));
    let length = lengths.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.ok_or("an answer without its length")?;
    Ok(Some(head + 4 + length.trim().parse::<usize>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_but_200_is_refused() {
        assert!(find_end(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(find_end(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_ends_where_its_length_says() {
        assert_eq!(find_end(b"HTTP/1.1 200 OK\r\ncontent-len").unwrap(), None);
        assert_eq!(find_end(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap(), Some(40));
    }
}
