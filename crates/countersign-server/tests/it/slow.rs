//! Clients that keep connections, and those that send more than anybody reads.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use reqwest::StatusCode;
use tokio::net::TcpSocket;

use crate::{
    load::memory,
    support::{PASSWORD, Place, Server, expect_json},
};

/// How many never end a head, and how many a body.
const CLIENTS: usize = 300;

/// How many read nothing: fewer, since the system holds megabytes for each.
const READERS: usize = 30;

/// What such a connection may hold, in KiB: the read buffer of the HTTP library, and itself.
const HELD_KIB: usize = 24;

/// What the rest of a test may take, in KiB: what the allocator keeps.
const REST_KIB: usize = 4 * 1024;

const LARGE: &str = "/docs/swagger-ui-bundle.js";

/// How often [`LARGE`] is asked for at once: more than the system holds between two ends.
const TIMES: usize = 4;

/// What the system holds for a client that reads nothing, in bytes: as little as it can.
const UNREAD: u32 = 4 * 1024;

async fn connect(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(UNREAD).unwrap();
    let stream = socket.connect(server.url.trim_start_matches("http://").parse().unwrap()).await.unwrap();
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

/// Sends `request` on so many connections, and keeps them.
async fn keep(server: &Server, clients: usize, request: &str) -> Vec<TcpStream> {
    let mut kept = Vec::new();
    for _ in 0..clients {
        let mut stream = connect(server).await;
        stream.write_all(request.as_bytes()).unwrap();
        kept.push(stream);
    }
    kept
}

/// All that comes until the other end closes or breaks.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    rest
}

/// The status of the answer to `request`, which is sent as far as somebody reads it.
async fn status(server: &Server, request: &[u8]) -> u16 {
    let mut stream = connect(server).await;
    let mut writer = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        // Who is refused early need not be heard out.
        scope.spawn(move || drop(writer.write_all(request)));
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        std::str::from_utf8(&head).unwrap()["HTTP/1.1 ".len()..].parse().unwrap()
    })
}

#[tokio::test]
async fn m4_slow_clients_neither_stop_the_others_nor_stay() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    // One thread, whose memory the first login takes: what grows after it is the connections' own.
    let settings = [("CLIENT_TIMEOUT", "20"), ("LOG_LEVEL", "warn"), ("HASH_THREADS", "1")];
    command.envs(settings.map(|(name, value)| (format!("COUNTERSIGN_{name}"), value)));
    let server = Server::start(command);
    server.token_of("alice", PASSWORD).await;
    let large = server.get(LARGE).await.bytes().await.unwrap().len();
    let base = memory(&server, "VmHWM:");

    let heads = keep(&server, CLIENTS, "GET /health/live HTTP/1.1\r\nHost: x\r\nX-a: ").await;
    let form = "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let bodies = keep(&server, CLIENTS, &format!("{form}Content-Length: 4096\r\n\r\ngrant_type=")).await;
    let readers = keep(&server, READERS, &format!("GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(TIMES)).await;
    let token = server.token_of("alice", PASSWORD).await;
    assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::OK);

    let peak = memory(&server, "VmHWM:");
    let allowed = base + (2 * CLIENTS + READERS) * HELD_KIB + REST_KIB;
    println!("base {base} KiB, peak {peak} KiB, allowed {allowed} KiB");
    assert!(peak <= allowed, "{peak} KiB at the peak, {base} KiB before; {allowed} KiB allowed");
    for stream in heads {
        assert_eq!(rest(stream), b"");
    }
    for stream in bodies {
        assert!(rest(stream).starts_with(b"HTTP/1.1 400 "), "a body that never came");
    }
    // Who comes after the readers is cut off after them: by then nobody has taken anything for longer than the time, and what
    // had been sent is still on its way.
    for _ in 0..2 {
        assert_eq!(rest(connect(&server).await), b"");
    }
    for stream in readers {
        let taken = rest(stream).len();
        assert!(taken < TIMES * large, "{taken} bytes were sent to who did not take them");
    }
    server.stop().expect_code(0);
}

#[tokio::test]
async fn m4_connections_leave_files_for_the_rest() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let script = format!("ulimit -n 128; exec '{}' serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_countersign"));
    let mut command = place.command_of("sh", ["-c", &script]);
    command.env("COUNTERSIGN_MAX_CONNECTIONS_PER_SOURCE", "10000");
    let server = Server::start(command);
    server.wait_for_log(&["max_connections"]);
    let token = server.token_of("alice", PASSWORD).await;
    let kept = keep(&server, CLIENTS, "GET /health/live HTTP/1.1\r\n").await;
    // On a connection that it has already: the store can still open what it needs.
    assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::OK);
    server.token_of("alice", PASSWORD).await;
    server.wait_for_log(&["connections", "full"]);
    drop(kept);
    assert_eq!(status(&server, b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n").await, 200);
    let ran = server.stop().expect_code(0);
    assert!(!ran.stderr.contains("nobody can be let in"), "{ran:?}");
    assert_eq!(ran.stderr.matches("all places are taken").count(), 1, "{ran:?}");
}

#[tokio::test]
async fn m4_one_source_does_not_have_all_connections() {
    let place = Place::new();
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_MAX_CONNECTIONS_PER_SOURCE", "4");
    let server = Server::start(command);
    let kept = keep(&server, 4, "GET /health/live HTTP/1.1\r\n").await;
    for _ in 0..10 {
        assert_eq!(rest(connect(&server).await), b"");
    }
    drop(kept);
    let ran = server.stop().expect_code(0);
    assert_eq!(ran.stderr.matches("a source, or its site, has as many connections").count(), 1, "{ran:?}");
}

#[tokio::test]
async fn b17_what_is_too_long_is_refused_unread() {
    let place = Place::new();
    let server = place.serve();
    expect_json(server.get("/health/ready").await, StatusCode::OK).await;
    let base = memory(&server, "VmHWM:");
    let asking = |header: &str| format!("GET /users/me HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\n\r\n");
    for _ in 0..20 {
        for (header, expected) in [
            (format!("Bearer {}", ".".repeat(1_000_000)), 431),
            (format!("Basic {}", "A".repeat(1 << 20)), 431),
            (format!("Bearer {}", ".".repeat(60_000)), 401),
            (format!("Basic {}", "A".repeat(60_000)), 401),
        ] {
            assert_eq!(status(&server, asking(&header).as_bytes()).await, expected);
        }
    }
    let grown = memory(&server, "VmHWM:") - base;
    println!("grown by {grown} KiB");
    assert!(grown < 4 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn c15_json_nested_too_deep_is_refused() {
    let place = Place::new();
    let server = place.serve();
    server.get("/health/ready").await;
    let base = memory(&server, "VmHWM:");
    // 100,000 levels are longer than any token that is read; 6,000 are not.
    for (levels, expected) in [(100_000, 431), (6_000, 401), (100, 401)] {
        let [header, payload] = [r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#.to_owned(), "[".repeat(levels)]
            .map(|part| base64url(part.as_bytes()));
        for token in [format!("{header}.{payload}.AAAA"), format!("{payload}.{header}.AAAA")] {
            let request = format!("GET /users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
            assert_eq!(status(&server, request.as_bytes()).await, expected, "{levels}");
        }
    }
    assert!(memory(&server, "VmHWM:") - base < 4 * 1024);
    server.stop().expect_code(0);
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for letter in 0..=chunk.len() {
            text.push(LETTERS[(bits >> (18 - 6 * letter)) as usize & 63].into());
        }
    }
    text
}

#[test]
fn m5_nothing_here_speaks_http_2_by_a_library_with_known_holes() {
    let lock = include_str!("../../../../Cargo.lock");
    let (_, found) = lock.split_once("name = \"h2\"\nversion = \"").unwrap_or_default();
    // RUSTSEC-2024-0003, RUSTSEC-2024-0332, RUSTSEC-2026-0258.
    let version: Vec<u32> = found.split('"').next().unwrap_or_default().split('.').flat_map(str::parse).collect();
    assert!(version.is_empty() || version >= vec![0, 4, 16], "{version:?}");
}
