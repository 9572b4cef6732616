//! Clients that keep a connection and those that use it, in a time that passes by itself.

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::JoinHandle,
};

use super::*;

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4321);

/// What the system holds between two ends, in bytes.
const BETWEEN: usize = 4 * 1024;

/// Those of the default.
const TIMES: Times = Times { patience: Duration::from_secs(20), idle: Duration::from_secs(75) };

const LARGE: usize = 256 * 1024;

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn app() -> Router {
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/large", get(async || vec![b'x'; LARGE]))
        .route(
            "/late",
            get(async || {
                sleep(Duration::from_secs(600)).await;
                "at last"
            }),
        )
        .route("/upgrade", get(upgrade))
        .route("/echo", get(echo))
}

/// Says `!`, and then what comes, as long as somebody is there.
async fn echo(mut request: axum::extract::Request) -> axum::response::Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut connection = TokioIo::new(upgraded.await.expect("an upgrade"));
        connection.write_all(b"!").await.expect("somebody who hears it");
        while let Ok(byte) = connection.read_u8().await {
            connection.write_u8(byte).await.expect("somebody who hears it");
        }
    });
    switching()
}

/// Sends back, ten minutes later, what came.
async fn upgrade(mut request: axum::extract::Request) -> axum::response::Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut connection = TokioIo::new(upgraded.await.expect("an upgrade"));
        let mut byte = [0];
        connection.read_exact(&mut byte).await.expect("a byte");
        sleep(Duration::from_secs(600)).await;
        connection.write_all(&byte).await.expect("somebody who hears it");
    });
    switching()
}

fn switching() -> axum::response::Response {
    let answer = axum::response::Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    answer.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "echo").body(Body::empty()).expect("an answer")
}

/// A client and its connection.
struct Client {
    end: DuplexStream,
    kept: JoinHandle<()>,
    since: Instant,
    /// Dropped, it tells the connection to end.
    tell: watch::Sender<()>,
}

impl Client {
    fn connect() -> Self {
        let (end, other) = duplex(BETWEEN);
        let (tell, told) = watch::channel(());
        let app = TowerToHyperService::new(app());
        let kept = tokio::spawn(TIMES.keep(SlowReader::new(other, (), TIMES.patience), PEER, app, told));
        Self { end, kept, since: Instant::now(), tell }
    }

    async fn send(&mut self, text: &str) {
        self.end.write_all(text.as_bytes()).await.expect("a connection");
    }

    /// Sends a byte a second until nobody takes it.
    async fn drip(&mut self) {
        while self.end.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// One answer: its head and its body.
    async fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        let text = |answer: &[u8]| String::from_utf8_lossy(answer).into_owned();
        loop {
            let byte = self.end.read_u8().await.unwrap_or_else(|error| panic!("{error} after {}", text(&answer)));
            answer.push(byte);
            let Some((head, body)) = text(&answer).split_once("\r\n\r\n").map(|(h, b)| (h.to_owned(), b.len())) else {
                continue;
            };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if length.parse() == Ok(body) {
                return text(&answer);
            }
        }
    }

    /// All that comes until the other end closes, and after how many seconds that was.
    async fn until_closed(mut self) -> (String, u64) {
        let mut rest = Vec::new();
        // An end that breaks has ended too.
        let _ = self.end.read_to_end(&mut rest).await;
        self.kept.await.expect("no panic");
        (String::from_utf8_lossy(&rest).into_owned(), self.since.elapsed().as_secs())
    }
}

#[tokio::test(start_paused = true)]
async fn m4_who_connects_and_asks_for_nothing_is_cut_off() {
    assert_eq!(Client::connect().until_closed().await, (String::new(), 20));
}

#[tokio::test(start_paused = true)]
async fn m4_a_first_head_that_never_ends_is_cut_off() {
    let mut client = Client::connect();
    client.send("GET /hello HTTP/1.1\r\nX-a: ").await;
    client.drip().await;
    let (rest, seconds) = client.until_closed().await;
    assert_eq!(rest, "");
    assert!((20..=21).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn m4_a_later_head_that_never_ends_is_cut_off_as_if_there_were_none() {
    let mut client = Client::connect();
    client.send(HELLO).await;
    assert!(client.answer().await.ends_with("hello"));
    client.send("GET /hello HTTP/1.1\r\nX-a: ").await;
    client.drip().await;
    let (rest, seconds) = client.until_closed().await;
    assert_eq!(rest, "");
    assert!((20 + 75..=20 + 75 + 1).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_the_time_and_closed_after_it() {
    let mut client = Client::connect();
    for _ in 0..3 {
        client.send(HELLO).await;
        assert!(client.answer().await.ends_with("hello"));
        sleep(Duration::from_secs(75)).await;
    }
    client.send(HELLO).await;
    client.answer().await;
    let last = client.since.elapsed().as_secs();
    let (rest, seconds) = client.until_closed().await;
    assert_eq!(rest, "");
    assert!((75..=150).contains(&(seconds - last)), "{seconds} - {last}");
}

#[tokio::test(start_paused = true)]
async fn m4_a_body_that_never_comes_is_not_waited_for() {
    for begun in ["", "abc"] {
        let mut client = Client::connect();
        client.send(&format!("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n{begun}")).await;
        let (answer, seconds) = client.until_closed().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(seconds, 20);
    }
}

#[tokio::test(start_paused = true)]
async fn m4_a_body_that_drips_is_not_waited_for() {
    for framing in ["Content-Length: 60000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nea60\r\n"] {
        let mut client = Client::connect();
        client.send(&format!("POST /length HTTP/1.1\r\nHost: x\r\n{framing}")).await;
        client.drip().await;
        let (answer, seconds) = client.until_closed().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!((20..=21).contains(&seconds), "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_steadily_may_take_its_time() {
    let mut client = Client::connect();
    client.send("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n").await;
    for _ in 0..4 {
        sleep(Duration::from_secs(15)).await;
        client.send(&"x".repeat(16 * 1024)).await;
    }
    assert!(client.answer().await.ends_with("65536"));
    assert_eq!(client.since.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn m4_an_answer_that_nobody_takes_is_given_up() {
    let mut client = Client::connect();
    client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let Client { end, kept, since, tell } = client;
    kept.await.expect("no panic");
    assert_eq!(since.elapsed().as_secs(), 20);
    drop((end, tell));
}

#[tokio::test(start_paused = true)]
async fn m4_an_answer_that_is_taken_by_drops_is_given_up() {
    let mut client = Client::connect();
    client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut taken = 0;
    while client.end.read_u8().await.is_ok() {
        taken += 1;
        sleep(Duration::from_secs(1)).await;
        if client.kept.is_finished() {
            break;
        }
    }
    assert!((20..25).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_steadily_is_given_whole() {
    let mut client = Client::connect();
    client.send("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let mut piece = vec![0; 16 * 1024];
    let mut taken = 0;
    loop {
        sleep(Duration::from_secs(4)).await;
        match client.end.read(&mut piece).await.expect("no break") {
            0 => break,
            read => taken += read,
        }
    }
    assert!(taken > LARGE, "{taken}");
    assert!(client.since.elapsed().as_secs() > 200);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_its_time() {
    let mut client = Client::connect();
    client.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.answer().await.ends_with("at last"));
    assert_eq!(client.since.elapsed().as_secs(), 600);
    let (rest, seconds) = client.until_closed().await;
    assert_eq!((rest.as_str(), seconds), ("", 600), "and takes no next request on a connection that was to go");
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_belongs_to_its_handler() {
    let mut client = Client::connect();
    client.send("GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    assert!(client.answer().await.starts_with("HTTP/1.1 101 "));
    client.send("!").await;
    assert_eq!(client.end.read_u8().await.expect("an echo"), b'!');
    assert_eq!(client.since.elapsed().as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn m5_http_2_is_refused_at_its_first_bytes() {
    let mut client = Client::connect();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let (answer, seconds) = client.until_closed().await;
    assert_eq!(seconds, 0);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn m1_a_head_is_bounded() {
    for head in [
        format!("GET /hello HTTP/1.1\r\nX-a: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET /hello HTTP/1.1\r\n{}\r\n", "X-a: b\r\n".repeat(101)),
    ] {
        let client = Client::connect();
        let (mut reader, mut writer) = tokio::io::split(client.end);
        tokio::spawn(async move { writer.write_all(head.as_bytes()).await });
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 414 "), "{answer}");
        assert_eq!(client.since.elapsed().as_secs(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_knows_who_connected() {
    let mut client = Client::connect();
    client.send("GET /peer HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.answer().await.ends_with("\r\n\r\n127.0.0.1:4321"));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_is_in_flight_is_answered_and_what_is_idle_is_closed() {
    let (idle, mut asking) = (Client::connect(), Client::connect());
    asking.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;
    let mut kept = Client::connect();
    kept.send(HELLO).await;
    kept.answer().await;
    for client in [idle, kept] {
        let Client { end, kept, tell, .. } = client;
        let told = Instant::now();
        drop(tell);
        kept.await.expect("no panic");
        assert_eq!(told.elapsed(), Duration::ZERO, "at once");
        drop(end);
    }
    drop(std::mem::replace(&mut asking.tell, watch::channel(()).0));
    let (answer, seconds) = asking.until_closed().await;
    assert!(answer.contains("connection: close") && answer.ends_with("at last"), "{answer}");
    assert_eq!(seconds, 600);
}

async fn serving(connections: Connections) -> (SocketAddr, tokio::sync::oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let ended = async move {
        let _ = told.await;
    };
    (address, tell, tokio::spawn(connections.serve(listener, app(), ended)))
}

async fn hear(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    while !answer.ends_with("hello") {
        answer.push(stream.read_u8().await.expect("an answer").into());
    }
    answer
}

#[tokio::test]
async fn m4_who_comes_when_there_is_no_place_waits_until_another_goes() {
    let (address, tell, server) = serving(Connections { most: 1, ..Connections::default() }).await;
    let mut first = TcpStream::connect(address).await.expect("a connection");
    first.write_all(HELLO.as_bytes()).await.expect("a request");
    hear(&mut first).await;
    let mut second = TcpStream::connect(address).await.expect("a place in the queue");
    second.write_all(HELLO.as_bytes()).await.expect("a request");
    for _ in 0..10 {
        first.write_all(HELLO.as_bytes()).await.expect("a request");
        hear(&mut first).await;
        let waits = second.try_read(&mut [0]).expect_err("nobody heard it");
        assert_eq!(waits.kind(), io::ErrorKind::WouldBlock);
    }
    drop(first);
    hear(&mut second).await;
    let _ = tell.send(());
    server.await.expect("no panic");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    assert_eq!(second.read(&mut [0]).await.expect("an end"), 0);
}

#[tokio::test]
async fn m4_who_has_as_many_places_as_one_may_is_closed_at_once() {
    let (address, tell, server) = serving(Connections { most_of_one: Some(1), ..Connections::default() }).await;
    let mut first = TcpStream::connect(address).await.expect("a connection");
    first.write_all(HELLO.as_bytes()).await.expect("a request");
    hear(&mut first).await;
    for _ in 0..3 {
        let mut second = TcpStream::connect(address).await.expect("a place in the queue");
        assert_eq!(second.read(&mut [0]).await.expect("an end"), 0);
    }
    first.write_all(HELLO.as_bytes()).await.expect("a request");
    hear(&mut first).await;
    let proxies = vec![address.ip().to_string().parse().expect("a network")];
    let connections = Connections { most_of_one: Some(1), proxies, ..Connections::default() };
    let (trusting, tell_trusting, server_trusting) = serving(connections).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(trusting).await.expect("a connection");
        stream.write_all(HELLO.as_bytes()).await.expect("a request");
        hear(&mut stream).await;
        kept.push(stream);
    }
    for (tell, server) in [(tell, server), (tell_trusting, server_trusting)] {
        let _ = tell.send(());
        server.await.expect("no panic");
    }
}

#[tokio::test]
async fn m4_an_upgraded_connection_keeps_its_place_and_does_not_hold_up_the_end() {
    let (address, tell, server) = serving(Connections { most: 1, ..Connections::default() }).await;
    let mut upgraded = TcpStream::connect(address).await.expect("a connection");
    let request = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    upgraded.write_all(request.as_bytes()).await.expect("a request");
    while upgraded.read_u8().await.expect("an answer") != b'!' {}
    let mut second = TcpStream::connect(address).await.expect("a place in the queue");
    second.write_all(HELLO.as_bytes()).await.expect("a request");
    for _ in 0..10 {
        upgraded.write_all(b"?").await.expect("somebody who hears it");
        assert_eq!(upgraded.read_u8().await.expect("an echo"), b'?');
        let waits = second.try_read(&mut [0]).expect_err("nobody heard it");
        assert_eq!(waits.kind(), io::ErrorKind::WouldBlock);
    }
    drop(upgraded);
    hear(&mut second).await;
    drop(second);
    let mut upgraded = TcpStream::connect(address).await.expect("a connection");
    upgraded.write_all(request.as_bytes()).await.expect("a request");
    while upgraded.read_u8().await.expect("an answer") != b'!' {}
    tokio::time::pause();
    let since = Instant::now();
    let _ = tell.send(());
    server.await.expect("no panic");
    assert_eq!(since.elapsed(), Duration::ZERO, "its handler has it, and it ends with the process");
}

#[tokio::test]
async fn requests_in_flight_are_waited_for_no_longer_than_the_grace() {
    let (address, tell, server) = serving(Connections::default()).await;
    let mut client = TcpStream::connect(address).await.expect("a connection");
    client.write_all(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
    let mut other = TcpStream::connect(address).await.expect("a connection");
    other.write_all(HELLO.as_bytes()).await.expect("a request");
    hear(&mut other).await;
    tokio::time::pause();
    let since = Instant::now();
    let _ = tell.send(());
    server.await.expect("no panic");
    assert_eq!(since.elapsed().as_secs(), GRACE.as_secs());
}
