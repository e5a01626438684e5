//! A login whose code comes by SMTP, over SQLite and with an outbox; the README of this crate has the commands around it.
//!
//! `cargo run -p otpgate-mail --features smtp --example login_by_mail -- smtp://127.0.0.1:2525 otpgate.db`

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use otpgate_core::engine::{Outbox, Parts};
use otpgate_core::{Engine, MasterSecret, Secrets, StoreDirectory, Tenant, User, UserId};
use otpgate_http::{Gate, TokioRuntime};
use otpgate_mail::{SmtpMailer, Templates};
use otpgate_sqlite::SqliteStore;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this example talks to a person at a terminal")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("name the mail server, as in smtp://127.0.0.1:2525")?;
    let mailer = SmtpMailer::from_url(&url, "Example <login@example.com>", Templates::new("Example")?)?;

    // For a try: a real secret is random, and kept.
    let secrets = Secrets::new(MasterSecret::new(*b"32 unpredictable bytes, please!!")?);
    let store = SqliteStore::open(std::env::args().nth(2).ok_or("name the database, as in otpgate.db")?).await?;
    let users = StoreDirectory::new(store.clone(), &secrets);
    let ada = User { email: Some("ada@example.com".to_owned()), ..User::new(UserId::new("1")?) };
    users.add(&Tenant::default(), &ada).await?;

    let runtime = Arc::new(TokioRuntime::default());
    let mut parts = Parts::new(secrets, Arc::new(store), Arc::new(users), Arc::new(mailer), runtime);
    parts.outbox = Some(Outbox::new());
    let engine = Engine::new(parts);
    engine.tend_outbox();
    let gate = Gate::new(engine, Tenant::default());
    let app = Router::new().merge(otpgate_axum::router(gate));

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 3000)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
