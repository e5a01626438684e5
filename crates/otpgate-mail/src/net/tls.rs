//! TLS by rustls with aws-lc-rs, whatever provider the process has installed; and whom it trusts.

use std::io;
use std::sync::Arc;

use otpgate_core::ConfigError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Socket, refused};

/// Which authorities are trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roots {
    /// PEM texts of the host's own.
    pub(crate) own: Vec<Vec<u8>>,
    /// Trust those and no others.
    pub(crate) only_own: bool,
}

/// A way to turn a TCP stream to one host into a TLS stream.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// TLS 1.2 or 1.3 to `host`, whose certificate must be for that name and from one of `roots`.
    pub(crate) fn to(host: &str, roots: &Roots) -> Result<Self, ConfigError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|e| refused("the URL's host is no name that a certificate can have").because(e))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| refused("TLS cannot be set up").because(e))?
            .with_root_certificates(roots.store()?)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// The handshake.
    pub(crate) async fn wrap(&self, stream: TcpStream) -> io::Result<Socket> {
        self.connector.connect(self.name.clone(), stream).await.map(|stream| Socket::Tls(Box::new(stream)))
    }
}

impl Roots {
    fn store(&self) -> Result<RootCertStore, ConfigError> {
        let mut store = RootCertStore::empty();
        if !self.only_own {
            #[cfg(feature = "webpki-roots")]
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            #[cfg(feature = "native-roots")]
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        for pem in &self.own {
            let unreadable = || refused("a root certificate is no PEM text with a certificate");
            let before = store.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| unreadable().because(e))?;
                store.add(certificate).map_err(|e| unreadable().because(e))?;
            }
            if store.len() == before {
                return Err(unreadable());
            }
        }
        if store.is_empty() {
            return Err(refused(
                "no root certificate is known: turn on the feature `webpki-roots` or `native-roots`, or give one",
            ));
        }
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_trust_nobody_are_refused_when_built() {
        let none = Roots { own: Vec::new(), only_own: true };
        assert!(Tls::to("mail.example.com", &none).map(|_| ()).unwrap_err().to_string().contains("webpki-roots"));
        for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let roots = Roots { own: vec![pem.into()], only_own: true };
            assert!(Tls::to("mail.example.com", &roots).is_err(), "{pem:?}");
        }
    }

    #[cfg(any(feature = "webpki-roots", feature = "native-roots"))]
    #[test]
    fn the_named_sources_hold_authorities() {
        assert!(Roots::default().store().unwrap().len() > 20);
    }
}
