//! The standard routes alone, for `App::service` or within a scope.

use std::sync::Arc;

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, Resource, web};
use otpgate_http::{Gate, Reply};

use crate::convert;

/// One resource for each path of `gate`. Within a scope the scope's prefix stands before the paths.
#[must_use]
pub fn service(gate: &Gate) -> Vec<Resource> {
    let paths: Vec<Arc<str>> = gate.paths().map(Arc::from).collect();
    let resource = |path: Arc<str>| {
        let gate = gate.clone();
        web::resource(&*path).route(web::route().to({
            let path = Arc::clone(&path);
            move |request: HttpRequest, payload: Payload| answer(gate.clone(), Arc::clone(&path), request, payload)
        }))
    };
    paths.into_iter().map(resource).collect()
}

async fn answer(gate: Gate, path: Arc<str>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let headers = convert::headers(request.headers());
    let route = gate.route(&convert::method(request.method()), &path, &headers);
    // Only a preflight is not the gate's to answer here.
    let Some(route) = route else { return convert::response(&Reply::empty()) };
    let body = convert::body(payload, route.max_body()).await;
    let peer = request.peer_addr().map(|address| address.ip());
    convert::response(&gate.answer(route, &headers, peer, body).await)
}
