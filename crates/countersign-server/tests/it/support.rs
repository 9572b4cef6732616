//! How the tests run the program: in a directory of its own, on a port of its own, and never longer than they do.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use countersign::{
    Clock, HmacSecret, Memory, NewUser, OAuth2, SigningChoice, Timestamp,
    core::{authorization_server::Request, clock::System, form::Form},
};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::test_store::TestStore;

/// How long a test waits for what must come: far longer than it takes, so that only a fault gets there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A password that the policy lets through.
pub(crate) const PASSWORD: &str = "horse battery staple";

/// The secret of servers that sign by HS256, so that a test can sign as they do.
pub(crate) const SECRET: &str = "b2Jc9vQ0sTz1mXw7Lk4Rr8Yp3Nn6Hh5D";

/// A clock that stands still.
#[derive(Debug)]
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A token as a server with [`SECRET`] issued it so many seconds ago, for 15 minutes and the scope `items`.
pub(crate) async fn issued(issuer: &str, seconds_ago: i64) -> String {
    let then = Timestamp::from_seconds(System.now().seconds() - seconds_ago);
    let signing = SigningChoice::Secret(HmacSecret::new(SECRET).unwrap());
    let oauth2 = OAuth2::new(Memory::new()).issuer(issuer).signing(signing).clock(Arc::new(Standing(then)));
    let oauth2 = oauth2.build().await.unwrap();
    oauth2.add_user(NewUser::new("alice").password(PASSWORD).scope("items")).await.unwrap();
    let form = format!("username=alice&password={}&scope=items", PASSWORD.replace(' ', "+"));
    let form = Form::parse(form.as_bytes()).unwrap();
    let response = oauth2.server().unwrap().token(Request::new(None, &form)).await.unwrap();
    response.access_token.secret().to_owned()
}

/// A directory with settings and whatever else a test leaves there, and a database: in a file there, or one of PostgreSQL.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
    store: TestStore,
}

impl Place {
    /// With the store that the tests run over.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), store: TestStore::chosen() }
    }

    /// With SQLite, for what is about its files.
    pub(crate) fn on_files() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), store: TestStore::File }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What names the database on the command line.
    pub(crate) fn database(&self) -> &str {
        match &self.store {
            TestStore::File => "countersign.db",
            TestStore::Postgres(database) => database.url(),
        }
    }

    /// What another program does to the database.
    pub(crate) fn sql(&self, statement: &str) {
        match &self.store {
            TestStore::File => self.file().execute_batch(statement).unwrap(),
            TestStore::Postgres(database) => drop(database.rows(statement)),
        }
    }

    /// The number that another program finds in the database.
    pub(crate) fn count(&self, query: &str) -> i64 {
        match &self.store {
            TestStore::File => self.file().query_row(query, [], |row| row.get(0)).unwrap(),
            TestStore::Postgres(database) => database.rows(query)[0][0].parse().unwrap(),
        }
    }

    /// The bytes of all that rests in the database.
    pub(crate) fn at_rest(&self) -> Vec<u8> {
        match &self.store {
            TestStore::File => self.files().iter().flat_map(|name| fs::read(self.path().join(name)).unwrap()).collect(),
            TestStore::Postgres(database) => database.at_rest(),
        }
    }

    fn file(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path().join("countersign.db")).unwrap()
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The names of the files.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program with these arguments, with nothing of the tests' own environment that would change it.
    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_countersign"), arguments)
    }

    /// Another program, as [`Place::command`].
    pub(crate) fn command_of<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("COUNTERSIGN_")) {
                command.env_remove(name);
            }
        }
        if let TestStore::Postgres(database) = &self.store {
            command.env("COUNTERSIGN_DATABASE", database.url());
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs the program to its end, with this on its standard input.
    pub(crate) fn run_with_input<'a>(&self, input: &str, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::with_input(self.command(arguments), input)
    }

    /// Adds a user with [`PASSWORD`].
    #[track_caller]
    pub(crate) fn add_user(&self, name: &str, more: &[&str]) {
        let arguments = ["user", "add", name, "--password-stdin"].into_iter().chain(more.iter().copied());
        self.run_with_input(PASSWORD, arguments).expect_code(0);
    }

    /// Starts `serve` on a free port.
    #[track_caller]
    pub(crate) fn serve(&self) -> Server {
        Server::start(self.command(["serve", "--listen", "127.0.0.1:0"]))
    }
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs a command to its end, with this on its standard input.
    pub(crate) fn with_input(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses before it reads closes the pipe, which is its right.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Self::of(child.wait_with_output().unwrap())
    }

    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// It refused with this exit code, and said all of these in one line on standard error, and nothing else.
    #[track_caller]
    pub(crate) fn expect_refusal(self, code: i32, words: &[&str]) -> Self {
        let ran = self.expect_code(code);
        assert_eq!(ran.stdout, "", "{ran:#?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{word:?} is not in {ran:#?}");
        }
        ran
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A stream of the program, gathered while it runs.
#[derive(Clone, Debug, Default)]
struct Gathered(Arc<(Mutex<(String, bool)>, Condvar)>);

impl Gathered {
    fn gather(stream: impl Read + Send + 'static) -> (Self, JoinHandle<()>) {
        let gathered = Self::default();
        let sink = gathered.clone();
        let thread = thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 0 {
                sink.0.0.lock().unwrap().0.push_str(&line);
                sink.0.1.notify_all();
                line.clear();
            }
            sink.0.0.lock().unwrap().1 = true;
            sink.0.1.notify_all();
        });
        (gathered, thread)
    }

    fn text(&self) -> String {
        self.0.0.lock().unwrap().0.clone()
    }

    /// Waits until `found` finds something in the text, or the stream ends without.
    fn wait_for<T>(&self, found: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (text, changed) = &*self.0;
        let mut state = text.lock().unwrap();
        loop {
            if let Some(found) = found(&state.0) {
                return Some(found);
            }
            if state.1 {
                return None;
            }
            let (next, timeout) = changed.wait_timeout(state, PATIENCE).unwrap();
            if timeout.timed_out() {
                drop(next);
                panic!("it never came: {}", self.text());
            }
            state = next;
        }
    }
}

const HASH_WAIT: &str = "COUNTERSIGN_HASH_WAIT";

/// A running server, which ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) url: String,
    pub(crate) client: Client,
    stdout: Gathered,
    stderr: Gathered,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts it, and waits until it has said everything that it says before it serves.
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if command.get_envs().all(|(name, _)| name != HASH_WAIT) {
            // A machine that is slow is no reason to refuse a login.
            command.env(HASH_WAIT, "60");
        }
        let mut child = command.spawn().unwrap();
        let (stdout, first) = Gathered::gather(child.stdout.take().unwrap());
        let (stderr, second) = Gathered::gather(child.stderr.take().unwrap());
        let url = stdout.wait_for(|text| {
            let (_, rest) = text.split_once("Listening on ").or_else(|| text.split_once("Docs:   "))?;
            let url = rest.split([' ', '\n']).next()?.trim_end_matches("/docs");
            let is_last = text.contains("Listening on ") || text.contains("Ctrl-C");
            is_last.then(|| url.to_owned())
        });
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let threads = vec![first, second];
        let Some(url) = url else { panic!("it did not start: {}", stderr.text()) };
        Self { child, url, client, stdout, stderr, threads }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a line of the log that contains all of these.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, words: &[&str]) -> String {
        let of_all = |line: &&str| words.iter().all(|word| line.contains(word));
        let found = self.stderr.wait_for(|text| text.lines().find(of_all).map(ToOwned::to_owned));
        found.unwrap_or_else(|| panic!("no line with {words:?} in {}", self.stderr()))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub(crate) async fn get_with(&self, path: &str, token: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).bearer_auth(token).send().await.unwrap()
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Response {
        self.post("/token", form).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.client.post(format!("{}{path}", self.url)).form(form).send().await.unwrap()
    }

    /// Logs in, and returns the answer whatever it is.
    pub(crate) async fn log_in(&self, username: &str, password: &str) -> Response {
        self.token(&[("grant_type", "password"), ("username", username), ("password", password)]).await
    }

    /// Logs in, and returns the token.
    #[track_caller]
    pub(crate) fn token_of(&self, username: &str, password: &str) -> impl Future<Output = String> {
        let answer = self.log_in(username, password);
        async move {
            let body = expect_json(answer.await, StatusCode::OK).await;
            body["access_token"].as_str().unwrap().to_owned()
        }
    }

    /// Logs in once the second is over in which everything ended: nobody gets a token in it.
    pub(crate) async fn token_after_the_end(&self, username: &str, password: &str) -> String {
        let began = tokio::time::Instant::now();
        while self.log_in(username, password).await.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert!(began.elapsed() < PATIENCE, "nobody can log in again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.token_of(username, password).await
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for the end, and returns all that was said.
    pub(crate) fn wait(mut self) -> Ran {
        let status = self.child.wait().unwrap();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        Ran { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn stop(self) -> Ran {
        self.signal("-TERM");
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and that is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the server said:\n{}", self.stderr());
        }
    }
}

/// The body of an answer with this status.
pub(crate) async fn expect_json(answer: Response, status: StatusCode) -> Value {
    let got = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The header of this name.
#[track_caller]
pub(crate) fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).unwrap_or_else(|| panic!("no {name} in {answer:?}")).to_str().unwrap()
}
