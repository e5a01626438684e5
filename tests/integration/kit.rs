//! The kit itself: a name is one scenario's, and the comparison of two frameworks sees what differs.

use std::sync::Arc;

use otpgate::Gate;
use otpgate_core::runtime::BoxFuture;
use otpgate_testkit::wire::{Driver, Mounted, Reply, Request, Stores, scenarios};

use crate::drive::{Axum, Memory};

#[test]
fn no_two_scenarios_share_a_name() {
    let mut names: Vec<&str> = scenarios().iter().map(|s| s.name).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None);
}

/// axum, but for one thing in its replies.
struct Altered(fn(&mut Reply));

impl Driver for Altered {
    fn name(&self) -> &'static str {
        "altered"
    }

    fn mount(&self, gate: Gate) -> Arc<dyn Mounted> {
        Arc::new(AlteredApp(Axum.mount(gate), self.0))
    }
}

struct AlteredApp(Arc<dyn Mounted>, fn(&mut Reply));

impl Mounted for AlteredApp {
    fn answer(&self, request: Request) -> BoxFuture<Reply> {
        let (reply, alter) = (self.0.answer(request), self.1);
        Box::pin(async move {
            let mut reply = reply.await;
            alter(&mut reply);
            reply
        })
    }
}

#[test]
fn w151_the_comparison_sees_status_headers_order_of_keys_and_white_space() {
    let list = scenarios();
    let scenario = list.iter().find(|s| s.name.starts_with("w015_")).unwrap();
    let (axum, store): (Arc<dyn Driver>, Arc<dyn Stores>) = (Arc::new(Axum), Arc::new(Memory));
    scenario.compare([&axum, &axum], &store).unwrap();
    let alterations: [fn(&mut Reply); 5] = [
        |r| r.headers.push(("x-powered-by".into(), "other".into())),
        |r| r.headers.push(("vary".into(), String::new())),
        |r| r.body = r.text().replace(r#""message":"OK""#, r#""message": "OK""#).into_bytes(),
        |r| r.body = r.text().replace("\"OK\"", "\"Ok\"").into_bytes(),
        |r| r.headers.iter_mut().filter(|(n, _)| n == "content-type").for_each(|(_, v)| v.push_str("; charset=utf-8")),
    ];
    for alter in alterations {
        let other: Arc<dyn Driver> = Arc::new(Altered(alter));
        assert!(scenario.compare([&axum, &other], &store).is_err());
    }
}
