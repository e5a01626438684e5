//! One app in a process of its own, for who loads it from another core: bare, or behind otpgate.

use std::future::ready;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use anyhow::{Result, bail};
use axum::ServiceExt;
use axum::extract::Request;
use otpgate::{MemoryStore, OtpAuth, Session};

use crate::axum_side;
use crate::host::{self, Host};

/// Serves on one thread until its standard input ends. Its first line of output is its port and, behind otpgate, a good token.
///
/// # Errors
/// For an unknown name, or when it cannot listen.
pub fn run(framework: &str, what: &str) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let guard = match what {
        "bare" => None,
        "layer" | "wrap" => Some(Guard::Within),
        "around" => Some(Guard::Around),
        _ => bail!("no app `{what}`"),
    };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        // Whoever started it is gone, however that happened.
        std::process::exit(0);
    });
    match framework {
        "axum" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(axum(listener, guard))
        }
        "actix-web" => actix_web::rt::System::new().block_on(actix(listener, guard)),
        _ => bail!("no framework `{framework}`"),
    }
}

/// Where otpgate stands: in the router, or around all of it. With actix-web that is the same.
#[derive(Clone, Copy)]
enum Guard {
    Within,
    Around,
}

async fn axum(listener: TcpListener, guard: Option<Guard>) -> Result<()> {
    let auth = begin(&listener, guard).await?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    // As the documentation has it: the limits by address need the address.
    match (auth, guard) {
        (Some(auth), Some(Guard::Around)) => {
            let app = axum_side::around(axum_side::protected(), &auth);
            let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
            axum::serve(listener, app).await?;
        }
        (Some(auth), _) => {
            let app = axum_side::layered(axum_side::protected(), &auth);
            axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
        }
        (None, _) => axum::serve(listener, axum_side::bare()).await?,
    }
    Ok(())
}

async fn actix(listener: TcpListener, guard: Option<Guard>) -> Result<()> {
    let user = Arc::<str>::from(host::id(0));
    match begin(&listener, guard).await? {
        None => {
            let app = move || {
                let user = Arc::clone(&user);
                App::new().route("/me", web::get().to(move || ready(user.to_string())))
            };
            HttpServer::new(app).workers(1).listen(listener)?.run().await?;
        }
        Some(auth) => {
            let me = async |session: Session| session.user_id.as_str().to_owned();
            let app = move || App::new().wrap(auth.clone()).route("/me", web::get().to(me));
            HttpServer::new(app).workers(1).listen(listener)?.run().await?;
        }
    }
    Ok(())
}

async fn begin(listener: &TcpListener, guard: Option<Guard>) -> Result<Option<OtpAuth>> {
    let mut out = std::io::stdout();
    let port = listener.local_addr()?.port();
    if guard.is_none() {
        writeln!(out, "{port}")?;
        return Ok(None);
    }
    let host = Host::over(MemoryStore::new(), 1 << 20).await;
    let token = host.log_in(0).await.access;
    writeln!(out, "{port} {}", token.expose())?;
    Ok(Some(host.auth))
}
