//! Login for the users of an app's own table: `DATABASE_URL=postgres://.. OTPGATE_SECRET=.. cargo run -p custom-directory`.

use std::env;
use std::net::SocketAddr;

use anyhow::Context as _;
use custom_directory::{Users, app, login};
use otpgate::mail::ConsoleMailer;
use otpgate::{MasterSecret, Secrets, Tenant};
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let url = env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let secret = env::var("OTPGATE_SECRET").context("OTPGATE_SECRET is not set: `openssl rand -base64 48`")?;
    let secrets = Secrets::new(MasterSecret::new(secret)?);

    let pool = PgPoolOptions::new().max_connections(20).connect(&url).await.context("the database")?;
    let users = Users::new(pool.clone());
    users.create_tables().await?;
    users.add_tenant(&Tenant::default()).await?;
    // An app has its own ways of adding users; this one has an administrator from the start, and the rest register.
    users.add(&Tenant::default(), "ada@example.com", &["admin"]).await?;

    let auth = login(pool, secrets, ConsoleMailer::stdout()).await?;
    let listener = TcpListener::bind(&listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    instructions(listener.local_addr()?);
    // What production adds, is in the README of the examples.
    let app = app(auth, users).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this example talks to a person at a terminal")]
fn instructions(address: SocketAddr) {
    let json = "-H 'content-type: application/json'";
    println!("listening on http://{address}");
    println!("Any address becomes a user with its first code; ada@example.com is an administrator:");
    println!("curl {json} -d '{{\"email\":\"ada@example.com\"}}' http://{address}/identity/user/otp/email");
    println!(
        "curl {json} -d '{{\"email\":\"ada@example.com\",\"password\":\"CODE\",\"isOTP\":true}}' http://{address}/identity/user/login"
    );
    println!("curl -H 'auth-token: TOKEN' http://{address}/me");
}
