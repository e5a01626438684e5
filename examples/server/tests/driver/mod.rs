//! Starts the real binary in a folder of its own, and speaks HTTP to it.

mod smtp;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use serde_json::{Value, json};
pub(crate) use smtp::MailServer;
use tempfile::TempDir;

pub(crate) const SECRET: &str = "a secret for tests: 0123456789abcdefghij";
pub(crate) const USERS: &str = r#"[
    {"id": 1, "tenant": "123", "email": "ada@example.com", "name": "Ada", "roles": ["admin"],
     "organization": "o1", "organizations": ["o1", "o2"], "password": "a horse and a battery"},
    {"id": "u-2", "tenant": 456, "email": "ada@example.com", "name": "Another Ada"},
    {"id": 3, "tenant": "123", "email": "bob@example.com", "status": "banned"}
]"#;

/// What outlives a process: the folder with the database, the mail, the settings and the log.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) framework: &'static str,
    store: String,
    /// How many mails were read.
    read: usize,
}

impl Place {
    /// `store` is `memory`, `sqlite` or the URL of a server, perhaps with a query.
    pub(crate) fn new(framework: &'static str, store: &str, config: &str) -> Self {
        Self::with_users(framework, store, config, USERS)
    }

    pub(crate) fn with_users(framework: &'static str, store: &str, config: &str, users: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("users.json"), users).unwrap();
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let file = format!("sqlite:{}", folder.path().join("otp.db").display());
        Self { folder, framework, store: store.replacen("sqlite", &file, 1), read: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&mut self, query: &str) {
        let bare = self.store.split('?').next().unwrap().to_owned();
        self.store = format!("{bare}{query}");
    }

    /// The command line with everything set, the log appended to a file, and no secret.
    pub(crate) fn command(&self) -> Command {
        self.command_in(self.framework)
    }

    /// The same in another framework than the place's own.
    pub(crate) fn command_in(&self, framework: &str) -> Command {
        let mut command = bare();
        let log = File::options().append(true).create(true).open(self.path("log")).unwrap();
        command.args(["--listen", "127.0.0.1:0", "--framework", framework, "--store", &self.store]);
        command.arg("--mail").arg(format!("dir:{}", self.path("mail").display()));
        command.arg("--sms").arg(format!("dir:{}", self.path("sms").display()));
        command.arg("--users").arg(self.path("users.json")).arg("--config").arg(self.path("config.toml"));
        command.stderr(log);
        command
    }

    pub(crate) fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// With these variables besides the secret.
    pub(crate) fn start_with(&self, variables: &[(&str, &str)]) -> Server {
        let mut command = self.command();
        command.env("OTPGATE_SECRET", SECRET).envs(variables.iter().copied());
        Server::start(command)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Waits until a line of the log holds these words.
    pub(crate) fn wait_for_log(&self, words: &str) {
        self.wait_until(|| self.log().contains(words).then_some(()));
    }

    /// What `look` finds; whatever it is, it comes soon.
    pub(crate) fn wait_until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < until, "nothing came; the log: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The code of the next mail that was not read yet. Mail leaves after the answer: it is waited for.
    pub(crate) fn code(&mut self) -> String {
        let raw = fs::read(self.wait_until(|| self.mails().into_iter().nth(self.read))).unwrap();
        self.read += 1;
        code_in(&raw).1
    }

    /// Files appear whole, and their names sort by time; those with a dot in front are still being written.
    pub(crate) fn mails(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("mail")).unwrap().map(|entry| entry.unwrap().path());
        let mut mails: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "eml")).collect();
        mails.sort();
        mails
    }
}

/// To whom a mail is, and the code in it.
pub(crate) fn code_in(raw: &[u8]) -> (String, String) {
    let mail = MessageParser::new().parse(raw).unwrap();
    let to = mail.to().unwrap().first().unwrap().address().unwrap().to_owned();
    let text = mail.body_text(0).unwrap().into_owned();
    // It stands alone on its line, and no word does.
    let is_code = |line: &&str| line.len() >= 6 && line.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    (to, text.lines().map(str::trim).find(is_code).unwrap().to_owned())
}

/// The binary without arguments, and without what the machine's environment would tell it.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otpgate-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTPGATE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// Runs a command that is to refuse; the words of its refusal.
pub(crate) fn refusal(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.stderr(Stdio::piped()).output().unwrap();
    let words = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && status.code().is_some(), "{status}: {words}");
    assert!(stdout.is_empty(), "nothing stands on standard output but the address");
    words
}

pub(crate) const LOGIN: &str = "/identity/user/login";

pub(crate) fn login(email: &str, code: &str) -> Value {
    json!({ "email": email, "password": code, "isOTP": true })
}

pub(crate) fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// The bytes of a request after whose answer the connection ends.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{lines}\r\n{body}"
    )
}

/// The answer; an error where the connection ends without one.
pub(crate) fn ask(mut stream: TcpStream, request: &str) -> io::Result<Answer> {
    stream.write_all(request.as_bytes())?;
    let mut raw = String::new();
    stream.read_to_string(&mut raw)?;
    Answer::parse(&raw).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A running server. Killed with `SIGKILL` when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) terminal: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut terminal = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        terminal.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { process, terminal, address }
    }

    /// Asks the process to stop; how it ended.
    pub(crate) fn stop(self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").arg("-c").arg(kill).status().unwrap().success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(&self.address).unwrap()
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(self.connect(), &request(method, path, headers, body)).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string())
    }

    pub(crate) fn ask(&self, email: &str) -> Answer {
        self.post("/identity/user/otp/email", &json!({ "email": email }))
    }

    pub(crate) fn log_in(&self, email: &str, code: &str) -> Answer {
        self.post(LOGIN, &login(email, code))
    }

    pub(crate) fn refresh(&self, token: &str) -> Answer {
        self.post("/identity/user/refresh-token", &json!({ "refreshToken": token }))
    }

    pub(crate) fn log_out(&self, token: &str) -> Answer {
        self.send("POST", "/identity/user/logout", &[("auth-token", token)], "{}")
    }

    pub(crate) fn me(&self, header: &str, token: &str) -> Answer {
        self.send("GET", "/me", &[(header, token)], "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// What stands on a connection that has ended.
    fn parse(raw: &str) -> Option<Self> {
        let (head, body) = raw.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
        Some(Self { status, head: head.to_ascii_lowercase(), body })
    }

    /// The answer, which is to have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// A text of `data`.
    pub(crate) fn data(&self, name: &str) -> String {
        self.body["data"][name].as_str().unwrap().to_owned()
    }
}
