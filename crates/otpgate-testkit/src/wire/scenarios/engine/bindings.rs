//! What a flow and its session are bound to: brand, device, identifier.

use otpgate_core::Tenant;
use otpgate_http::Brand;
use serde_json::json;

use super::{Client, DEVICE, MOBILE, NO_MOBILE, ROSA, engine, engine_with};
use crate::wire::people::A;
use crate::wire::scenarios::list;
use crate::wire::setup::ok;
use crate::wire::{Request, World};

list![
    w101_w106_w108_w110_w111_a_request_is_of_the_flow_that_it_names,
    a35_w109_w112_a_device_goes_on_where_it_began,
    w145_the_gateway_s_headers_agree_with_the_session,
    r35_a_session_counts_in_any_profile_s_header_unless_the_host_says_no,
];

async fn w101_w106_w108_w110_w111_a_request_is_of_the_flow_that_it_names(w: &World) {
    let two = |e: otpgate_http::Engine| {
        drop(e);
        otpgate_http::Engine::new([Brand::new(Tenant::default()), Brand::new(ok(Tenant::new("second")))])
    };
    let w = &engine_with(w, |s| s.engine(two)).await;
    w.add_tenant("second").await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    client.validate(w, &flow, "000000").await.refuses(1537);
    let code = client.code(w, &flow).await;
    let unknown = "P-11111111-1111-4111-8111-111111111111";
    for operation in ["otp/validate", "otp/generate", "password/validate", "password/forget"] {
        let rest =
            json!({ "sessionId": flow, "otp": code, "password": "long enough", "confirmPassword": "long enough" });
        let rows = [
            (json!({ "sessionId": unknown }), 1505),
            (json!({ "sessionId": flow[2..] }), 1505),
            (json!({ "brand": "second" }), 1509),
            (json!({ "brand": "nobody's" }), 1509),
            (json!({ "deviceId": "another" }), 1508),
            (json!({ "identifierValue": NO_MOBILE }), 1507),
            (json!({ "identifierType": "EMAIL", "identifierValue": ROSA }), 1541),
            (json!({ "identifierType": "USERNAME", "identifierValue": MOBILE, "mobile": MOBILE }), 1541),
            // In the order session, brand, device, identifier.
            (json!({ "sessionId": unknown, "brand": "second", "deviceId": "x", "identifierValue": NO_MOBILE }), 1505),
            (json!({ "brand": "second", "deviceId": "x", "identifierValue": NO_MOBILE }), 1509),
            (json!({ "deviceId": "x", "identifierValue": NO_MOBILE }), 1508),
        ];
        for (wrong, number) in rows {
            client.with(&rest).ask(w, operation, wrong).await.refuses(number);
        }
        w.move_on();
    }
    // Case makes no difference to a brand, and none of the above was a guess.
    let upper = w.tenant().as_str().to_uppercase();
    client.with(&json!({ "brand": upper })).validate(w, &flow, code).await.succeeds();
}

async fn a35_w109_w112_a_device_goes_on_where_it_began(w: &World) {
    let w = &engine(w).await;
    // Opened with a device: not on the web, not without it where one is asked for.
    let device = Client::mobile(w, MOBILE);
    let flow = device.open(w).await;
    let code = device.code(w, &flow).await;
    for on_the_web in [device.other_set(), device.other_set().with(&json!({ "deviceId": null }))] {
        on_the_web.validate(w, &flow, code.clone()).await.refuses(1508);
    }
    device.with(&json!({ "deviceId": null })).validate(w, &flow, code.clone()).await.refuses(1519);
    device.with(&json!({ "deviceId": null })).ask(w, "otp/generate", json!({ "sessionId": flow })).await.succeeds();
    let code = w.mails().await.pop().map(|m| m.code).unwrap_or(code);
    device.validate(w, &flow, code).await.succeeds();
    // Opened without one on either set: on the web, whatever the web says of a device.
    for opened_on in [device.with(&json!({ "deviceId": null })), Client::web(w, ROSA).with(&json!({ "deviceId": "x" }))]
    {
        let web = Client { web: true, ..opened_on.clone() };
        let flow = opened_on.open(w).await;
        w.advance(61);
        let code = web.code(w, &flow).await;
        let mobile = Client { web: false, ..opened_on };
        mobile.with(&json!({ "deviceId": DEVICE })).validate(w, &flow, code.clone()).await.refuses(1508);
        web.with(&json!({ "deviceId": 7 })).validate(w, &flow, code).await.succeeds();
    }
}

async fn w145_the_gateway_s_headers_agree_with_the_session(w: &World) {
    let w = &engine(w).await;
    let token = Client::mobile(w, MOBILE).log_in(w).await.at("/auth/token");
    let (brand, device) = (("cap_brand", w.tenant().as_str()), ("cap_device_id", "d"));
    let done = Client::mobile(w, MOBILE).with(&json!({ "deviceId": "d" })).log_in(w).await;
    let own = done.at("/auth/token");
    let kind = ("cap_identifier_type", "MOBILE");
    let (value, mobile) = (("cap_identifier_value", MOBILE), ("cap_mobile", MOBILE));
    let upper = w.tenant().as_str().to_uppercase();
    for good in [
        &[][..],
        &[brand],
        &[("cap_brand", &*upper)],
        &[device],
        &[kind, value],
        &[mobile],
        &[brand, device, kind, value, mobile],
        &[("cap_mobile", "+15550109999")],
    ] {
        w.gateway(&own, good).await.has(200);
    }
    for bad in [
        &[("cap_brand", "second")][..],
        &[brand, brand],
        &[("cap_brand", "")],
        &[("cap_device_id", "e")],
        &[device, device],
        &[kind],
        &[value],
        &[("cap_identifier_type", "EMAIL"), ("cap_identifier_value", ROSA)],
        &[kind, ("cap_identifier_value", NO_MOBILE)],
        &[("cap_identifier_type", "PHONE"), value],
        &[("cap_mobile", NO_MOBILE)],
        &[("cap_mobile", "no number")],
        &[kind, value, ("cap_mobile", NO_MOBILE)],
    ] {
        w.gateway(&own, bad).await.refuses_as(401, 1529);
    }
    w.gateway(&token, &[device]).await.refuses_as(401, 1529);
    // The headers are the gateway's: in another profile's header they mean nothing.
    w.call(Request::new("GET", "/me").token(&own).header("cap_brand", "second")).await.has(200);
    let twice =
        Request::new("GET", "/me").header("cap_authorization", own.as_str()).header("cap_authorization", own.as_str());
    w.call(twice).await.refuses_as(401, 1529);
}

async fn r35_a_session_counts_in_any_profile_s_header_unless_the_host_says_no(w: &World) {
    for own in [false, true] {
        let w = &engine_with(w, |s| s.platform().gate(move |g| if own { g.own_carriers() } else { g })).await;
        let foreign = if own { 401 } else { 200 };
        let tokens = w.log_in(A).await;
        w.me(&tokens.access).await.has(200);
        w.gateway(&tokens.access, &[]).await.has(foreign);
        let status = Request::new("GET", "/api/user/status").header("token", tokens.access.as_str());
        w.call(status).await.has(foreign);
        let token = Client::web(w, ROSA).log_in(w).await.at("/auth/token");
        w.gateway(&token, &[]).await.has(200);
        w.me(&token).await.has(foreign);
        // A session without a device or identifier of its own is not the one that a gateway names.
        w.gateway(&tokens.access, &[("cap_mobile", MOBILE)]).await.has(401);
    }
}
