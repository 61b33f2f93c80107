//! Registries behind TLS: whose certificate counts, and who says so.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;

use image_factory_harness::registry::stub::Stub;
use image_factory_harness::registry::{Documents, Image};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// TLS in front of a stub, for `127.0.0.1`, with a certificate that it signed itself.
struct Terminal {
    host: String,
    /// The certificate, PEM.
    certificate: String,
    stub: Arc<Stub>,
}

impl Terminal {
    fn start(documents: Documents) -> Self {
        let made =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
        let certificates = vec![CertificateDer::from(made.cert.der().to_vec())];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .expect("the key fits the certificate");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let host = listener.local_addr().expect("a listener has an address").to_string();
        let stub = Arc::new(Stub::start(documents));
        let behind = stub.host();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, behind) = (config.clone(), behind.clone());
                std::thread::spawn(move || serve(stream, config, &behind));
            }
        });
        Terminal { host, certificate: made.cert.pem(), stub }
    }
}

/// One request without a body, handed on.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, behind: &str) {
    let Ok(connection) = ServerConnection::new(config) else { return };
    let mut outside = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        match outside.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return,
        }
    }
    let mut answer = Vec::new();
    let Ok(mut inside) = TcpStream::connect(behind) else { return };
    if inside.write_all(&request).and_then(|()| inside.read_to_end(&mut answer)).is_ok() {
        let _ = outside.write_all(&answer);
        outside.conn.send_close_notify();
        let _ = outside.flush();
    }
}

fn look(image: &str, factory: &TempDir, certificate: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-factory"));
    command.args(["look", image, "--factory"]).arg(factory.path());
    command.env_remove("ARGOCD_APP_NAME").env_remove("SSL_CERT_FILE").env("DOCKER_CONFIG", factory.path());
    if let Some(pem) = certificate {
        let path = factory.path().join("roots.pem");
        fs::write(&path, pem).expect("a file can be written");
        command.env("SSL_CERT_FILE", path);
    }
    command.output().expect("the program starts")
}

#[test]
fn a_certificate_counts_if_somebody_says_so() {
    let mut documents = Documents::default();
    documents.publish("acme/web:1", &[Image::default()]);
    let terminal = Terminal::start(documents);
    let image = format!("{}/acme/web:1", terminal.host);
    let factory = tempfile::tempdir().expect("a folder can be made");

    let unknown = look(&image, &factory, None);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert_eq!(unknown.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("{}: its certificate is not trusted: ", terminal.host)), "{said}");
    assert!(terminal.stub.log().is_empty());

    let known = look(&image, &factory, Some(&terminal.certificate));
    assert_eq!(known.status.code(), Some(0), "{}", String::from_utf8_lossy(&known.stderr));

    let empty = look(&image, &factory, Some("no certificate"));
    assert_eq!(empty.status.code(), Some(1));
    let said = String::from_utf8_lossy(&empty.stderr).into_owned();
    assert!(said.contains("has no certificate in it"), "{said}");

    let settings = format!("registries: {{\"{}\": {{insecureSkipTLSVerify: true}}}}\n", terminal.host);
    fs::write(factory.path().join("factory.yaml"), settings).expect("a file can be written");
    let unchecked = look(&image, &factory, None);
    assert_eq!(unchecked.status.code(), Some(0), "{}", String::from_utf8_lossy(&unchecked.stderr));
}
