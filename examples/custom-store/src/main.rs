//! The quickstart on a store of its own: `cargo run -p custom-store`, then follow what it prints.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fs, io::Write as _};

use anyhow::Context as _;
use axum::{Router, routing::get};
use custom_store::RedbStore;
use otpgate::mail::ConsoleMailer;
use otpgate::{
    CurrentUser, Entropy as _, MasterSecret, OsEntropy, OtpAuth, Secrets, StoreDirectory, Tenant, User, UserId,
};
use tokio::net::TcpListener;

/// The protected route: without a good `auth-token` header it is never called, and the answer is 401.
async fn me(CurrentUser(user): CurrentUser) -> String {
    format!("Hello {}, you are user {}.\n", user.name, user.id)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let data = PathBuf::from(arguments.next().unwrap_or_else(|| "custom-store-data".to_owned()));
    fs::create_dir_all(&data).with_context(|| format!("cannot make the folder {}", data.display()))?;

    let secrets = Secrets::new(secret(&data.join("secret"))?);
    let store = RedbStore::open(data.join("otpgate.redb"))?;
    let users = StoreDirectory::new(store.clone(), &secrets);
    let (name, email) = ("Ada".to_owned(), Some("ada@example.com".to_owned()));
    let ada = User { name, email, ..User::new(UserId::new("1")?) };
    users.add(&Tenant::default(), &ada).await?; // after a restart she is there already, and stays as she is

    let auth = OtpAuth::new(secrets, store, users, ConsoleMailer::stdout());
    let app = Router::new().route("/me", get(me)).layer(auth);

    let listener = TcpListener::bind(&listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    instructions(listener.local_addr()?);
    // The limits by client address need the address. What production adds: `axum::serve` waits for ever for a request's
    // headers, so put a proxy in front, or serve with limits on time as `examples/server` does.
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// What codes and tokens hang on: made at the first start, kept beside the database for its owner only, never printed.
fn secret(path: &Path) -> anyhow::Result<MasterSecret> {
    if !path.exists() {
        let mut bytes = [0; 48];
        OsEntropy.fill(&mut bytes)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    MasterSecret::new(bytes).with_context(|| format!("{} is damaged", path.display()))
}

#[expect(clippy::print_stdout, reason = "this example talks to a person at a terminal")]
fn instructions(address: SocketAddr) {
    let json = "-H 'content-type: application/json'";
    println!("listening on http://{address}");
    println!("Ask for a code, read it here, log in with it, use the token:");
    println!("curl {json} -d '{{\"email\":\"ada@example.com\"}}' http://{address}/identity/user/otp/email");
    println!(
        "curl {json} -d '{{\"email\":\"ada@example.com\",\"password\":\"CODE\",\"isOTP\":true}}' http://{address}/identity/user/login"
    );
    println!("curl -H 'auth-token: TOKEN' http://{address}/me");
}
