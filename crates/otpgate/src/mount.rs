//! How [`OtpAuth`] and its siblings stand in front of an app. Every line leads into an adapter.

use std::time::Duration;

use otpgate_http::{Gate, Needs};

use crate::OtpAuth;

/// Judges requests and answers no routes: for an app that mounts `router()` or `service()` elsewhere.
#[derive(Clone, Debug)]
#[cfg_attr(not(any(feature = "tower", feature = "actix")), expect(dead_code, reason = "read by the adapters"))]
pub struct Extractor(Gate);

/// Refuses every request without a good session: 401, 403 for a foreign organisation or another site, 503 when the store is down.
///
/// ```
/// # use std::time::Duration;
/// # fn guards(auth: &otpgate::OtpAuth) {
/// let members = auth.required();
/// let payments = auth.required().fresh(Duration::from_secs(5 * 60));
/// let admins = auth.required().role("admin");
/// # }
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(not(any(feature = "tower", feature = "actix")), expect(dead_code, reason = "read by the adapters"))]
pub struct Required(Gate, Needs);

impl Required {
    /// Also refuses whoever has proven themselves `within` or longer ago: 401 that asks for a new login (RFC 9470). A refresh
    /// proves nothing, so it does not help.
    #[must_use]
    pub fn fresh(mut self, within: Duration) -> Self {
        self.1.fresh = Some(within);
        self
    }

    /// Also refuses whoever has not this role: 403. The roles are those of the user at login or the last refresh.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.1.role = Some(role.into());
        self
    }
}

impl OtpAuth {
    /// A layer and middleware that judges only.
    #[must_use]
    pub fn extractor(&self) -> Extractor {
        Extractor(self.gate().clone())
    }

    /// A layer and middleware for a sub-router that needs a session throughout.
    #[must_use]
    pub fn required(&self) -> Required {
        Required(self.gate().clone(), Needs::default())
    }

    /// The standard routes alone, to merge or nest. The rest of the app needs [`OtpAuth::extractor`] around it.
    #[cfg(feature = "axum")]
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> axum::Router<S> {
        otpgate_axum::router(self.gate().clone())
    }

    /// The standard routes alone, for `App::service` or a scope. The rest of the app needs [`OtpAuth::extractor`] around it.
    #[cfg(feature = "actix")]
    #[must_use]
    pub fn service(&self) -> Vec<actix_web::Resource> {
        otpgate_actix::service(self.gate())
    }
}

#[cfg(feature = "tower")]
mod tower_side {
    use otpgate_tower::{GateLayer, GateService};
    use tower_layer::Layer;

    use super::{Extractor, OtpAuth, Required};

    #[cfg(feature = "axum")]
    fn with_peer(layer: GateLayer) -> GateLayer {
        layer.peer_from(otpgate_axum::peer)
    }

    #[cfg(not(feature = "axum"))]
    fn with_peer(layer: GateLayer) -> GateLayer {
        layer
    }

    impl<S> Layer<S> for OtpAuth {
        type Service = GateService<S>;

        fn layer(&self, inner: S) -> GateService<S> {
            with_peer(GateLayer::new(self.gate().clone())).layer(inner)
        }
    }

    impl<S> Layer<S> for Extractor {
        type Service = GateService<S>;

        fn layer(&self, inner: S) -> GateService<S> {
            GateLayer::judging(self.0.clone()).layer(inner)
        }
    }

    impl<S> Layer<S> for Required {
        type Service = GateService<S>;

        fn layer(&self, inner: S) -> GateService<S> {
            GateLayer::required(self.0.clone(), self.1.clone()).layer(inner)
        }
    }
}

#[cfg(feature = "actix")]
mod actix_side {
    use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
    use otpgate_actix::GateTransform;

    use super::{Extractor, OtpAuth, Required};

    macro_rules! transforms {
        ($($name:ty => |$this:ident| $transform:expr;)*) => {$(
            impl<S, B> Transform<S, ServiceRequest> for $name
            where
                S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
                S::Future: 'static,
                B: actix_web::body::MessageBody + 'static,
            {
                type Response = <GateTransform as Transform<S, ServiceRequest>>::Response;
                type Error = actix_web::Error;
                type InitError = ();
                type Transform = <GateTransform as Transform<S, ServiceRequest>>::Transform;
                type Future = <GateTransform as Transform<S, ServiceRequest>>::Future;

                fn new_transform(&self, service: S) -> Self::Future {
                    let $this = self;
                    $transform.new_transform(service)
                }
            }
        )*};
    }

    transforms! {
        OtpAuth => |auth| GateTransform::new(auth.gate().clone());
        Extractor => |extractor| GateTransform::judging(extractor.0.clone());
        Required => |required| GateTransform::required(required.0.clone(), required.1.clone());
    }
}
