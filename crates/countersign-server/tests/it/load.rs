//! More logins than the machine can hash.

use std::fs;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};

use crate::support::{PASSWORD, Place, Server};

/// How many log in at once.
const LOGINS: usize = 1000;

/// Hashing threads of the server.
const THREADS: usize = 2;

/// The memory of one hash, in KiB.
const HASH_KIB: usize = 19_456;

/// What a connection may hold while its request is in flight: the read buffer of the HTTP library, and the form.
const IN_FLIGHT_KIB: usize = 12;

const HEALTH: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A figure of `/proc/PID/status`, in KiB.
pub(crate) fn memory(server: &Server, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A connection that is kept: the client's own pool would open fewer.
struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Sends a request, and returns status and head of the answer.
    async fn ask(&mut self, request: &str) -> (u16, String) {
        self.0.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).await.unwrap(), 0, "closed after {head}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        (head["HTTP/1.1 ".len()..][..3].parse().unwrap(), head)
    }
}

fn login(number: usize) -> String {
    let password = if is_right(number) { PASSWORD.replace(' ', "+") } else { "wrong+password".to_owned() };
    let form = format!("grant_type=password&username=alice&password={password}");
    let length = form.len();
    format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n{form}"
    )
}

const fn is_right(number: usize) -> bool {
    number.is_multiple_of(2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m2_a_thousand_parallel_logins_stay_within_memory() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_HASH_THREADS", THREADS.to_string()).env("COUNTERSIGN_LOG_LEVEL", "warn");
    // What guesses cost is seen before they are slowed.
    command.env("COUNTERSIGN_THROTTLE", "off");
    let server = Server::start(command);

    // The base: as many connections as there will be logins, each in use, and nothing hashed yet.
    let mut connections = JoinSet::new();
    for number in 0..LOGINS {
        let connection = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
        let mut connection = Connection(BufReader::new(connection));
        connections.spawn(async move {
            assert_eq!(connection.ask(HEALTH).await.0, 200);
            (number, connection)
        });
    }
    let connections = connections.join_all().await;
    let base = memory(&server, "VmRSS:");

    let mut logins = JoinSet::new();
    for (number, mut connection) in connections {
        logins.spawn(async move {
            let answer = connection.ask(&login(number)).await;
            (number, connection, answer)
        });
    }
    let mut hashed = 0;
    for (number, mut connection, (status, head)) in logins.join_all().await {
        match status {
            503 => {
                let wait = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
                assert!((1..=60).contains(&wait.parse::<u64>().unwrap()), "{head}");
            }
            200 if is_right(number) => hashed += 1,
            400 if !is_right(number) => hashed += 1,
            _ => panic!("{number}: {head}"),
        }
        assert_eq!(connection.ask(HEALTH).await.0, 200, "the connection is good for more");
    }
    assert!(hashed >= THREADS, "some got through: {hashed}");
    assert!(hashed < LOGINS, "the queue is bounded");

    let peak = memory(&server, "VmHWM:");
    let allowed = (base + THREADS * HASH_KIB) * 11 / 10 + LOGINS * IN_FLIGHT_KIB;
    println!("base {base} KiB, peak {peak} KiB, allowed {allowed} KiB; hashed {hashed} of {LOGINS}");
    assert!(peak <= allowed, "{peak} KiB at the peak, {base} KiB before; {allowed} KiB allowed");

    server.token_of("alice", PASSWORD).await;
}

/// How many logins a test waits for.
#[cfg(target_os = "linux")]
const PATIENCE: usize = 50;

/// How nice each thread of the server is, and whether it hashes.
#[cfg(target_os = "linux")]
fn niceness(server: &Server) -> Vec<(bool, i32)> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("stat")).ok());
    let read = |stat: String| {
        let (name, fields) = stat.rsplit_once(") ").unwrap();
        // proc_pid_stat(5).
        (name.contains("(countersign-has"), fields.split(' ').nth(16).unwrap().parse().unwrap())
    };
    stats.map(read).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn m3_hashing_threads_step_back_and_no_others() {
    let place = Place::new();
    place.add_user("alice", &[]);
    for (set, steps) in [(None, 5), (Some("0"), 0), (Some("12"), 12)] {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_HASH_THREADS", THREADS.to_string());
        if let Some(set) = set {
            command.env("COUNTERSIGN_HASH_NICE", set);
        }
        let server = Server::start(command);
        let (mut hashing, mut others) = (Vec::new(), Vec::new());
        // A thread may not have begun yet when another one answers.
        for _ in 0..PATIENCE {
            server.token_of("alice", PASSWORD).await;
            (hashing, others) = niceness(&server).into_iter().partition(|(hashes, _)| *hashes);
            if hashing.len() == THREADS && hashing.iter().all(|(_, nice)| *nice == (others[0].1 + steps).min(19)) {
                break;
            }
        }
        let rest = others[0].1;
        assert!(others.iter().all(|(_, nice)| *nice == rest), "{others:?}");
        assert_eq!(hashing, vec![(true, (rest + steps).min(19)); THREADS]);
    }
}
