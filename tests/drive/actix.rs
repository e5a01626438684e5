//! actix-web behind the kit's driver: an app on each of some threads, as actix-web itself runs it, asked in process.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::web::{self, get, post};
use actix_web::{App, HttpRequest, HttpResponse, Responder};
use otpgate::{Gate, MaybeSession, RequireFresh, Session};
use otpgate_actix::GateTransform;
use otpgate_core::runtime::BoxFuture;
use otpgate_testkit::wire::{Driver, Mounted, Reply, Request};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};

use super::host::{Shown, admins};

/// actix-web.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actix;

/// Threads that answer; actix-web would take one for each core.
const WORKERS: usize = 2;

impl Driver for Actix {
    fn name(&self) -> &'static str {
        "actix-web"
    }

    fn mount(&self, gate: Gate) -> Arc<dyn Mounted> {
        let workers = THREADS.iter().map(|thread| worker(gate.clone(), thread)).collect();
        Arc::new(Workers { workers, next: AtomicUsize::new(0) })
    }
}

type Job = (Request, oneshot::Sender<Reply>);

struct Workers {
    workers: Vec<mpsc::UnboundedSender<Job>>,
    next: AtomicUsize,
}

impl Mounted for Workers {
    fn answer(&self, request: Request) -> BoxFuture<Reply> {
        let worker = self.workers[self.next.fetch_add(1, Ordering::Relaxed) % WORKERS].clone();
        Box::pin(async move {
            let (reply, answered) = oneshot::channel();
            let sent = worker.send((request, reply)).is_ok();
            match answered.await {
                Ok(reply) if sent => reply,
                _ => panic!("the app's thread is gone"),
            }
        })
    }
}

/// An app on one of actix-web's threads; it ends when nobody can ask it any more.
fn worker(gate: Gate, thread: &Thread) -> mpsc::UnboundedSender<Job> {
    let (jobs, queue) = mpsc::unbounded_channel();
    if thread.send((gate, queue)).is_err() {
        panic!("actix-web's thread is gone");
    }
    jobs
}

/// Where the apps of one thread are sent to.
type Thread = mpsc::UnboundedSender<(Gate, mpsc::UnboundedReceiver<Job>)>;

/// The threads, each with a single-threaded runtime. They outlive every app, as actix-web's do: a connection to a server dies with
/// the runtime on which it was opened, and the next app takes it from the same pool.
static THREADS: LazyLock<[Thread; WORKERS]> = LazyLock::new(|| std::array::from_fn(|_| thread()));

fn thread() -> Thread {
    let (apps, mut arriving) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        LocalSet::new().block_on(&runtime, async move {
            while let Some((gate, queue)) = arriving.recv().await {
                spawn_local(serve(gate, queue));
            }
        });
    });
    apps
}

async fn serve(gate: Gate, mut queue: mpsc::UnboundedReceiver<Job>) {
    let app = Rc::new(init_service(app(gate)).await);
    while let Some((request, reply)) = queue.recv().await {
        let app = Rc::clone(&app);
        spawn_local(async move {
            let answered = try_call_service(&*app, test_request(request).to_request()).await;
            // Whoever asked may be gone.
            let _ = reply.send(plain(answered).await);
        });
    }
}

/// The host's app behind `gate`.
pub(crate) fn app(
    gate: Gate,
) -> App<
    impl actix_web::dev::ServiceFactory<
        actix_web::dev::ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let me = |session: Session| async move { Shown::from(&session) };
    let maybe = |session: MaybeSession| async move { Shown::from(&session) };
    let fresh = |RequireFresh(session): RequireFresh<300>| async move { Shown::from(&session) };
    let only_admins = GateTransform::required(gate.clone(), admins());
    App::new()
        .wrap(GateTransform::new(gate))
        .service(web::resource("/me").route(get().to(me)).route(post().to(me)))
        .service(web::resource("/maybe").route(get().to(maybe)))
        .service(web::resource("/fresh").route(get().to(fresh)))
        .service(web::resource("/admin").wrap(only_admins).route(get().to(me)))
}

impl Responder for Shown {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().content_type("application/json").body(self.0)
    }
}

/// The request as actix-web takes it.
pub(crate) fn test_request(request: Request) -> TestRequest {
    let method = actix_web::http::Method::from_bytes(request.method.as_bytes());
    let mut builder = TestRequest::with_uri(&request.path)
        .method(method.unwrap_or_else(|error| panic!("no method: {error}")))
        .set_payload(request.body);
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap_or_else(|error| panic!("no header name: {error}"));
        let value = HeaderValue::from_bytes(value).unwrap_or_else(|error| panic!("no header value: {error}"));
        builder = builder.append_header((name, value));
    }
    match request.peer {
        Some(peer) => builder.peer_addr(peer),
        None => builder,
    }
}

async fn plain<B: MessageBody + 'static>(answered: Result<ServiceResponse<B>, actix_web::Error>) -> Reply {
    let response = match answered {
        Ok(response) => response.into_parts().1.map_into_boxed_body(),
        Err(error) => error.error_response(),
    };
    let status = response.status().as_u16();
    let headers: Vec<(String, Vec<u8>)> =
        response.headers().iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())).collect();
    let body = actix_web::body::to_bytes(response.into_body()).await.unwrap_or_default();
    Reply::new(status, headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())), body)
}
