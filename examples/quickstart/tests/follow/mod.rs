//! Follows the instructions that a quickstart prints as a new user would: with a shell, curl, and what the terminal shows.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running quickstart and the terminal that it prints to.
struct Quickstart {
    process: Child,
    terminal: Lines<BufReader<ChildStdout>>,
    address: String,
    ask: String,
    log_in: String,
    me: String,
}

impl Quickstart {
    fn start(binary: &str, data: &Path) -> Self {
        let mut command = Command::new(binary);
        let mut process = command.arg("127.0.0.1:0").arg(data).stdout(Stdio::piped()).spawn().unwrap();
        let mut terminal = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = terminal.next().unwrap().unwrap();
        let address = first.strip_prefix("listening on ").unwrap().to_owned();
        let mut commands = terminal.by_ref().map(Result::unwrap).filter(|line| line.starts_with("curl "));
        let [ask, log_in, me] = std::array::from_fn(|_| commands.next().unwrap());
        Self { process, terminal, address, ask, log_in, me }
    }

    /// The next code that the terminal shows.
    fn code(&mut self) -> String {
        let lines = self.terminal.by_ref().map(Result::unwrap);
        lines.filter_map(|line| Some(line.strip_prefix("Your code is ")?.to_owned())).next().unwrap()
    }

    fn post(&self, path: &str, headers: &str, body: &str) -> (u16, String) {
        let json = "-H 'content-type: application/json'";
        shell(&format!("curl {json} {headers} -d '{body}' {}/identity/user/{path}", self.address))
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        // As hard as it can be stopped: what it answered is on the disk.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Runs a curl command; the status and the body of the answer.
fn shell(command: &str) -> (u16, String) {
    let output = Command::new("sh").arg("-c").arg(format!("{command} -sS -w '\\n%{{http_code}}'")).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn field(body: &str, name: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["data"][name].as_str().unwrap().to_owned()
}

/// From the first start to the refusal after logging out, with a restart in between.
pub(crate) fn all_the_way(binary: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut app = Quickstart::start(binary, &data);

    assert_eq!(shell(&app.me.replace("TOKEN", "x")).0, 401);
    assert_eq!(shell(&app.ask).0, 200);
    let code = app.code();
    let (status, body) = shell(&app.log_in.replace("CODE", &code));
    assert_eq!(status, 200, "{body}");
    let (token, refresh) = (field(&body, "token"), field(&body, "refreshToken"));
    let greeting = (200, "Hello Ada, you are user 1.\n".to_owned());
    assert_eq!(shell(&app.me.replace("TOKEN", &token)), greeting);
    assert_eq!(shell(&app.log_in.replace("CODE", &code)).0, 401, "a code works once");

    drop(app);
    let app = Quickstart::start(binary, &data);
    assert_eq!(shell(&app.me.replace("TOKEN", &token)), greeting, "after a restart");

    let (status, body) = app.post("refresh-token", "", &format!(r#"{{"refreshToken":"{refresh}"}}"#));
    assert_eq!(status, 200, "{body}");
    let token = field(&body, "token");
    assert_eq!(shell(&app.me.replace("TOKEN", &token)), greeting);

    assert_eq!(app.post("logout", &format!("-H 'auth-token: {token}'"), "{}").0, 200);
    assert_eq!(shell(&app.me.replace("TOKEN", &token)).0, 401, "logged out");
    drop(app);
    let app = Quickstart::start(binary, &data);
    assert_eq!(shell(&app.me.replace("TOKEN", &token)).0, 401, "logged out, and restarted");

    the_secret_is_its_owners(&data.join("secret"));
}

#[cfg(unix)]
fn the_secret_is_its_owners(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = path.metadata().unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert!(file.len() >= 32);
}

#[cfg(not(unix))]
fn the_secret_is_its_owners(_: &Path) {}
